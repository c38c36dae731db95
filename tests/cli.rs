//! The real binary: a tiny training, and every bad input with its own line and exit code.

use std::error::Error;
use std::path::Path;
use std::process::{Command, Output};

use parquet::file::reader::{FileReader, SerializedFileReader};
use serde_json::Value;
use simsiam::config::{Config, MethodConfig};
use simsiam::gpu;

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// Runs `simsiam` in `folder`, with `XDG_RUNTIME_DIR` set because Mesa's EGL remarks on its absence, and with a kernel cache of the
/// test's own.
fn simsiam(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Result<Output> {
    let output = Command::new(env!("CARGO_BIN_EXE_simsiam"))
        .args(arguments)
        .current_dir(folder)
        .env("XDG_RUNTIME_DIR", folder)
        .env("SIMSIAM_CACHE_DIR", folder.join("cache"))
        .envs(environment.iter().copied())
        .output()?;
    Ok(output)
}

const TINY: [&str; 14] = [
    "--set",
    "data.image_size=12",
    "--set",
    "model.blocks=[1, 1]",
    "--set",
    "model.width=4",
    "--set",
    "model.dim=16",
    "--set",
    "model.projector_hidden=16",
    "--set",
    "model.predictor_dim=8",
    "--set",
    "run.knn_k=20",
];

fn train<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec![
        "train",
        "--preset",
        "demo",
        "--limit-train",
        "256",
        "--limit-test",
        "100",
        "--epochs",
        "2",
        // Measuring kernels takes longer than these runs.
        "--no-tune",
    ];
    arguments.extend(TINY);
    arguments.extend(more);
    arguments
}

fn lines(run: &Path) -> Result<Vec<Value>> {
    let text = std::fs::read_to_string(run.join("metrics.jsonl"))?;
    Ok(text.lines().map(serde_json::from_str).collect::<std::result::Result<_, _>>()?)
}

#[test]
fn a_training_in_f16_runs_or_says_what_the_adapter_lacks() -> Result {
    let folder = tempfile::tempdir()?;
    let output = simsiam(folder.path(), &train(&["--set", "run.precision=f16"]), &[])?;
    let error = String::from_utf8_lossy(&output.stderr);
    if gpu::chosen(None)?.tier < gpu::Tier::F16 {
        assert_eq!(output.status.code(), Some(1));
        assert!(error.contains("run.precision = f32"), "{error}");
        return Ok(());
    }
    assert!(output.status.success(), "{error}");
    let run = folder.path().join("runs/demo-001");
    let config = std::fs::read_to_string(run.join("config.toml"))?;
    assert!(config.contains("precision = \"f16\""), "{config}");
    let steps: Vec<Value> = lines(&run)?;
    let steps: Vec<&Value> = steps.iter().filter(|l| l["event"] == "step").collect();
    assert_eq!(steps.len(), 8);
    for step in steps {
        assert!(step["loss"].is_number() && step["loss_scale"].is_number(), "{step}");
    }
    Ok(())
}

#[test]
fn a_training_leaves_what_it_promises_and_repeats_to_the_bit() -> Result {
    let folder = tempfile::tempdir()?;
    let output = simsiam(folder.path(), &train(&[]), &[])?;
    let text = String::from_utf8(output.stdout)?;
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    for piece in [
        "device",
        "256 training and 100 test images",
        "parameters",
        "of device memory",
        "run      runs/demo-001",
        "epoch 0/2",
        "(untrained)",
        "epoch 2/2",
        "before training",
        "the run is in runs/demo-001",
        "next",
    ] {
        assert!(text.contains(piece), "`{piece}` is not in:\n{text}");
    }
    let run = folder.path().join("runs/demo-001");
    let metrics = lines(&run)?;
    let events: Vec<&str> = metrics.iter().filter_map(|l| l["event"].as_str()).collect();
    let steps = ["step", "watch"].repeat(4);
    assert_eq!(events, [&["start", "epoch"][..], &steps, &["epoch"], &steps, &["epoch", "done"]].concat());
    for line in &metrics {
        let (texts, numbers): (&[&str], &[&str]) = match line["event"].as_str() {
            Some("start") => (&["adapter", "backend"], &["parameters", "memory_bytes", "train_images", "test_images"]),
            Some("step") => (
                &[],
                &[
                    "step",
                    "epoch",
                    "loss",
                    "output_std",
                    "lr",
                    "images_per_second",
                    "gradient_norm",
                    "z_norm",
                    "p_norm",
                    "view_cosine",
                ],
            ),
            Some("watch") => (&[], &["step", "epoch", "effective_rank"]),
            Some("epoch") => (&[], &["epoch", "loss", "output_std", "effective_rank", "knn_top1", "seconds"]),
            _ => (&[], &["steps", "seconds", "knn_top1"]),
        };
        assert!(texts.iter().all(|key| line[key].is_string()), "{line}");
        assert!(numbers.iter().all(|key| line[key].is_number()), "{line}");
    }
    // The documentation names every field.
    let documentation = include_str!("../docs/metrics.md");
    for line in &metrics {
        for field in line.as_object().into_iter().flat_map(|fields| fields.keys()) {
            assert!(documentation.contains(&format!("`{field}`")), "{field} is not in docs/metrics.md");
        }
    }
    // The same numbers as a table.
    let table = simsiam(folder.path(), &["metrics", "runs"], &[])?;
    let mut csv = csv::Reader::from_reader(&table.stdout[..]);
    let head = csv.headers()?.clone();
    let rows = csv.records().collect::<std::result::Result<Vec<_>, _>>()?;
    let cell = |row: usize, name: &str| rows[row].get(head.iter().position(|other| other == name)?);
    assert_eq!(rows.len(), 8 + 3);
    for (row, line) in [(0, 1), (1, 2), (5, 10)] {
        for (name, value) in metrics[line].as_object().into_iter().flatten() {
            let text = value.as_str().map_or(value.to_string(), str::to_owned);
            assert_eq!(cell(row, name), Some(text.as_str()), "{name} of line {line}");
        }
    }
    assert_eq!((cell(5, "run"), cell(4, "effective_rank")), (Some("runs/demo-001"), cell(5, "effective_rank")));
    let output = simsiam(folder.path(), &["metrics", "runs/demo-001", "--parquet", "m.parquet"], &[])?;
    assert_eq!(String::from_utf8(output.stdout)?, "11 rows of 1 run in m.parquet\n");
    let reader = SerializedFileReader::new(std::fs::File::open(folder.path().join("m.parquet"))?)?;
    assert_eq!(reader.metadata().file_metadata().num_rows(), 11);
    let names = reader.metadata().file_metadata().schema().get_fields().iter().map(|field| field.name().to_owned());
    assert_eq!(names.collect::<Vec<_>>(), head.iter().collect::<Vec<_>>());
    let output = simsiam(folder.path(), &["metrics", "runs/demo-001/checkpoints"], &[])?;
    assert!(output.status.code() == Some(2) && String::from_utf8(output.stderr)?.contains("holds no runs"));

    let config = std::fs::read_to_string(run.join("config.toml"))?;
    for line in ["limit_train = 256", "projector_hidden = 16", "seed = 0"] {
        assert!(config.contains(line), "{config}");
    }
    assert!(run.join("checkpoints/last.safetensors").is_file());

    // Again with the written file: the same numbers to the last bit, in the next free folder.
    let again = ["train", "--no-tune", "--config", "runs/demo-001/config.toml"];
    assert!(simsiam(folder.path(), &again, &[])?.status.success());
    let second = folder.path().join("runs/config-001");
    let timeless = |run: &Path| -> Result<Vec<Value>> {
        let mut lines = lines(run)?;
        for object in lines.iter_mut().filter_map(Value::as_object_mut) {
            object.remove("seconds");
            object.remove("images_per_second");
        }
        Ok(lines)
    };
    assert_eq!(timeless(&second)?, timeless(&run)?);
    let last = |run: &Path| std::fs::read(run.join("checkpoints/last.safetensors"));
    assert!(last(&second)? == last(&run)?, "the checkpoints differ");

    // Another seed is another run.
    let other = ["train", "--no-tune", "--config", "runs/demo-001/config.toml"];
    let other = [&other[..], &["--seed", "1", "--out", "other"]].concat();
    assert!(simsiam(folder.path(), &other, &[])?.status.success());
    assert_ne!(lines(&folder.path().join("other"))?[2]["loss"], metrics[2]["loss"]);

    // What is there stays there.
    let output = simsiam(folder.path(), &train(&["--out", "other"]), &[])?;
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8(output.stderr)?;
    assert!(error.contains("already holds a run") && error.contains("--resume other"), "{error}");

    // A finished run has nothing left to do; one whose settings were changed does not go on.
    let resume = ["train", "--resume", "runs/demo-001"];
    assert!(simsiam(folder.path(), &resume, &[])?.status.success());
    assert_eq!(timeless(&run)?, timeless(&second)?);
    // It can be trained further: the learning rate is that of a run with all these epochs from the start.
    let output = simsiam(folder.path(), &[&resume[..], &["--epochs", "2"]].concat(), &[])?;
    let error = String::from_utf8(output.stderr)?;
    assert!(output.status.code() == Some(2) && error.contains("runs/demo-001 has 2 epochs; give more"), "{error}");
    let output = simsiam(folder.path(), &[&resume[..], &["--epochs", "3"]].concat(), &[])?;
    let text = String::from_utf8(output.stdout)?;
    assert!(output.status.success(), "{}", String::from_utf8(output.stderr)?);
    let said = "longer   3 epochs instead of 2: the learning rate goes on along the schedule of all 3, at 25.0 % of the full one";
    assert!(text.contains(said) && text.contains("epoch 3/3"), "{text}");
    assert!(text.contains("simsiam train --resume runs/demo-001 --epochs 6"), "{text}");
    // Without the flag it goes on to be so long, also where the new epochs did not begin.
    let config = std::fs::read_to_string(run.join("config.toml"))?;
    assert!(config.contains("epochs = 3"));
    std::fs::write(run.join("config.toml"), config.replace("epochs = 3", "epochs = 4"))?;
    assert!(simsiam(folder.path(), &resume, &[])?.status.success());
    let rates = |run: &[Value]| -> Vec<f64> { run.iter().filter_map(|line| line["lr"].as_f64()).collect() };
    let base = rates(&metrics)[0];
    let expected = |step: usize, of: f64| base * 0.5 * (1.0 + (std::f64::consts::PI * step as f64 / of).cos());
    let expected: Vec<f64> = (0..16).map(|step| expected(step, [8.0, 8.0, 12.0, 16.0][step / 4])).collect();
    let found = rates(&lines(&run)?);
    assert!(found.len() == 16 && found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-6 * base), "{found:?}");
    assert_eq!(lines(&run)?.iter().filter(|line| line["event"] == "epoch").count(), 5);

    std::fs::write(run.join("config.toml"), config.replace("seed = 0", "seed = 7"))?;
    let output = simsiam(folder.path(), &resume, &[])?;
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr)?.contains("it was changed since"));
    Ok(())
}

/// Exit code and a part of the one line.
fn refused(folder: &Path, arguments: &[&str], environment: &[(&str, &str)], code: i32, expected: &str) -> Result {
    let output = simsiam(folder, arguments, environment)?;
    let error = String::from_utf8(output.stderr)?;
    let shown = format!("{arguments:?}: {:?}\n{error}", output.status);
    assert_eq!(output.status.code(), Some(code), "{shown}");
    assert!(error.contains(expected), "`{expected}` is not in {shown}");
    assert_eq!(error.lines().filter(|l| l.starts_with("error: ")).count(), 1, "{shown}");
    assert!(!folder.join("runs").exists(), "a run folder is left: {shown}");
    Ok(())
}

#[test]
fn bad_usage_exits_with_2() -> Result {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("bad.toml"), "[optim]\nlearning = 1\n")?;
    std::fs::write(folder.path().join("broken.toml"), "[optim\n")?;
    for (arguments, expected) in [
        (&["train", "--preset", "nosuch"][..], "unknown preset"),
        (&["train", "--config", "no.toml"], "no.toml cannot be read"),
        (&["train", "--config", "bad.toml"], "unknown key optim.learning"),
        (&["train", "--config", "broken.toml"], "broken.toml, line 1"),
        (&["train", "--set", "optim.lrr=1"], "did you mean optim.lr?"),
        (&["train", "--set", "optim.lr=fast"], "expected a number"),
        (&["train", "--set", "optim.lr"], "write it as section.key=value"),
        (&["train", "--set", "model.arch=vit"], "model.arch"),
        (&["train", "--epochs", "many"], "--epochs: optim.epochs"),
        (&["train", "--batch-size", "1"], "needs at least 2 images"),
        (&["train", "--batch-size", "5001"], "larger than the 5000 training images"),
        (&["train", "--device", "nosuch"], "no adapter matches device `nosuch`"),
        (&["train", "--data", "zip:images"], "unknown kind of data"),
        (&["train", "--resume", "nosuch"], "holds no run"),
        (&["train", "--resume", "x", "--epochs", "3"], "holds no run"),
        (&["train", "--resume", "x", "--seed", "3"], "cannot be used with"),
        (&["train", "--preset", "demo", "--config", "x"], "cannot be used with"),
        (&["train", "--out", "."], "is not empty"),
        (&["devices", "--device", "nosuch"], "no adapter matches"),
        (&["fly"], "unrecognized subcommand"),
    ] {
        refused(folder.path(), arguments, &[], 2, expected)?;
    }
    Ok(())
}

#[test]
fn help_lists_every_configuration_key() -> Result {
    let folder = tempfile::tempdir()?;
    let output = simsiam(folder.path(), &["train", "--help"], &[])?;
    let help = String::from_utf8(output.stdout)?;
    for name in MethodConfig::names() {
        let mut config = Config::default();
        config.take_method("--method", name, None)?;
        for key in config.keys() {
            let repeats = key.name.starts_with("augment.second.") || key.name.starts_with("augment.small.");
            assert!(repeats || help.contains(&format!("  {}=", key.name)) || key.name == "method.name", "{}", key.name);
        }
        assert!(help.contains(&format!("  with method.name={name}:")), "{name}");
    }
    Ok(())
}

#[test]
fn failures_exit_with_1() -> Result {
    let folder = tempfile::tempdir()?;
    let here = folder.path();
    std::fs::write(here.join("file"), "x")?;
    std::fs::create_dir(here.join("idx"))?;
    // The header promises ten images; the file ends after it.
    let header = [0, 0, 8, 3, 0, 0, 0, 10, 0, 0, 0, 28, 0, 0, 0, 28];
    for name in ["train-images-idx3-ubyte", "t10k-images-idx3-ubyte"] {
        std::fs::write(here.join("idx").join(name), header)?;
        let labels = name.replace("images-idx3", "labels-idx1");
        std::fs::write(here.join("idx").join(labels), [0, 0, 8, 1, 0, 0, 0, 10])?;
    }
    // wgpu's own variable: DX12 is nowhere but on Windows, and Vulkan nowhere without its driver.
    let none: &[(&str, &str)] = match cfg!(windows) {
        true => &[("WGPU_BACKEND", "metal")],
        false => &[("WGPU_BACKEND", "dx12")],
    };
    for (arguments, environment, expected) in [
        (&["train"][..], none, "no GPU adapter found"),
        (&["devices"], none, "no GPU adapter found"),
        (&["devices", "--self-test"], none, "no GPU adapter found"),
        (&["train", "--data", "nosuch"], &[], "no such folder"),
        (&["train", "--data", "idx:file"], &[], "is not a folder"),
        (&["train", "--data", "."], &[], "no data set recognised"),
        (&["train", "--data", "idx"], &[], "truncated"),
        (&["train", "--out", "file/run"], &[], "file/run cannot be written"),
        (&["train", "--out", "file"], &[], "file cannot be written"),
        // 8192 views of 28 x 28 x 64 channels are 1.5 GiB in one tensor, above any binding that WebGPU promises.
        (
            &["train", "--batch-size", "4096", "--set", "model.width=256", "--set", "data.image_size=64"],
            &[],
            "this adapter binds at most",
        ),
    ] {
        refused(here, arguments, environment, 1, expected)?;
    }
    Ok(())
}

/// The kernels that a run began with are those it goes on with; where they cannot be, it says so.
#[test]
fn a_run_keeps_its_kernels() -> Result {
    let folder = tempfile::tempdir()?;
    let here = folder.path();
    let arguments = train(&["--out", "run", "--set", "run.knn_every=0"]);
    assert!(simsiam(here, &arguments, &[])?.status.success());
    assert!(!here.join("cache").exists(), "--no-tune measures nothing");
    let file = here.join("run/kernels.json");
    let text = std::fs::read_to_string(&file)?;
    let kernels: Value = serde_json::from_str(&text)?;
    assert!(kernels["adapter"].is_string() && kernels["driver"].is_string());
    assert!(kernels["choices"].is_object());

    let resumed = || -> Result<String> {
        let output = simsiam(here, &["train", "--resume", "run"], &[])?;
        let text = String::from_utf8(output.stdout)?;
        assert!(output.status.success(), "{text}");
        assert!(!here.join("cache").exists(), "a resumed run measures nothing");
        Ok(text)
    };
    assert!(!resumed()?.contains("warning"));
    let hash = kernels["hash"].as_str().ok_or("a hash")?;
    let driver = kernels["driver"].as_str().ok_or("a driver")?;
    for (changed, warning) in [
        (text.replace(hash, "0123456789abcdef"), "kernels are not those that the run began with"),
        (text.replace(driver, "a driver"), "the run began on"),
        ("{".to_owned(), "kernels.json cannot be read"),
    ] {
        std::fs::write(&file, changed)?;
        let said = resumed()?;
        assert!(said.contains(warning), "`{warning}` is not in:\n{said}");
    }
    std::fs::remove_file(&file)?;
    assert!(resumed()?.contains("kept no kernels.json"));

    // Without --no-tune kernels are chosen by measuring, and kept as well.
    let tuned = train(&["--out", "tuned", "--set", "run.knn_every=0"]);
    let tuned: Vec<&str> = tuned.into_iter().filter(|a| *a != "--no-tune").collect();
    assert!(simsiam(here, &tuned, &[])?.status.success());
    assert!(here.join("tuned/kernels.json").is_file());
    Ok(())
}

#[test]
fn bench_kernels_shows_every_shape_of_a_step() -> Result {
    let folder = tempfile::tempdir()?;
    let shape = [
        "bench",
        "kernels",
        "--arch",
        "resnet_tiny",
        "--width",
        "4",
        "--image-size",
        "8",
        "--batch-size",
        "4",
        "--dim",
        "16",
        "--budget",
        "0",
        // A software driver takes a second to compile each kernel.
        "--only",
        "linear",
    ];
    let output = simsiam(folder.path(), &[&shape[..], &["--json"]].concat(), &[])?;
    let text = String::from_utf8(output.stdout)?;
    assert!(output.status.success(), "{text}");
    assert_eq!(text.lines().count(), 1);
    let object: Value = serde_json::from_str(&text)?;
    let kernels = object["kernels"].as_array().ok_or("kernels")?;
    let shares: Vec<f64> = kernels.iter().filter_map(|k| k["share"].as_f64()).collect();
    assert_eq!(shares.len(), kernels.len());
    assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-6);
    assert!(shares.is_sorted_by(|a, b| a >= b), "{shares:?}");
    for operator in ["linear", "linear_grad_input", "linear_grad_weight"] {
        let found = kernels.iter().find(|k| k["operator"] == operator);
        let kernel = found.ok_or(operator)?;
        // The first candidate is timed whatever the budget, and stands there as chosen.
        let first = &kernel["candidates"][0];
        assert_eq!(first["name"], kernel["chosen"]);
        assert!(first["seconds"].as_f64().is_some_and(|s| s > 0.0), "{kernel}");
    }
    assert!(object["gemm_512"]["gflops_per_second"].as_f64().is_some_and(|g| g > 0.0));
    let output = simsiam(folder.path(), &["bench", "kernels", "--budget", "much"], &[])?;
    assert_eq!(output.status.code(), Some(2));
    Ok(())
}

#[test]
fn devices_shows_what_would_be_used() -> Result {
    let folder = tempfile::tempdir()?;
    let output = simsiam(folder.path(), &["devices"], &[])?;
    let text = String::from_utf8(output.stdout)?;
    assert!(output.status.success(), "{text}");
    for piece in ["* 0", "driver", "largest tensor", "tier", "* is used"] {
        assert!(text.contains(piece), "`{piece}` is not in:\n{text}");
    }
    Ok(())
}

/// Ctrl-C is no failure: a checkpoint is written and the run goes on with --resume.
#[cfg(unix)]
#[test]
fn an_interrupted_run_ends_well_and_continues() -> Result {
    let folder = tempfile::tempdir()?;
    let run = folder.path().join("run");
    let mut child = Command::new(env!("CARGO_BIN_EXE_simsiam"))
        .args(train(&["--out", "run", "--set", "run.knn_every=0", "--set", "optim.epochs=40"]))
        .current_dir(folder.path())
        .env("SIMSIAM_CACHE_DIR", folder.path().join("cache"))
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()?;
    let steps = || {
        let text = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap_or_default();
        text.matches("\"event\":\"step\"").count()
    };
    let began = std::time::Instant::now();
    while steps() < 3 && began.elapsed().as_secs() < 120 {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let interrupt = Command::new("kill").args(["-INT", &child.id().to_string()]).status()?;
    assert!(interrupt.success() && child.wait()?.success());
    let text = std::io::read_to_string(child.stdout.take().ok_or("a pipe")?)?;
    assert!(text.contains("continue with: simsiam train --resume run"), "{text}");
    assert!(steps() < 160, "it was too fast to be interrupted");
    let output = simsiam(folder.path(), &["train", "--resume", "run"], &[])?;
    let text = String::from_utf8(output.stdout)?;
    assert!(output.status.success() && text.contains("continue after step"), "{text}");
    assert_eq!(steps(), 160);
    Ok(())
}
