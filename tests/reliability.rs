//! Faults, through the real binary: kills, full disks, damage, hostile names. `docs/reliability.md` says what is promised.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use simsiam::gpu;
use simsiam::train::RunFolder;
use simsiam::train::checkpoint::Checkpoint;

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// Two epochs of four steps, in well under a second.
const TINY: &str = "train --preset demo --limit-train 256 --limit-test 60 --epochs 2 --no-tune --set data.image_size=12 \
     --set model.blocks=[1] --set model.width=4 --set model.dim=16 --set model.projector_hidden=16 --set model.predictor_dim=8 \
     --set run.knn_k=20";

fn command(folder: &Path, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_simsiam"));
    command.args(arguments.split(' ').filter(|word| !word.is_empty())).current_dir(folder);
    command.env("XDG_RUNTIME_DIR", folder).env("SIMSIAM_CACHE_DIR", folder.join("cache"));
    command
}

/// Exit code, standard output and standard error.
fn text(output: Output) -> (Option<i32>, String, String) {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn simsiam(folder: &Path, arguments: &str) -> Result<(Option<i32>, String, String)> {
    Ok(text(command(folder, arguments).output()?))
}

/// Runs it under limits of the shell.
#[cfg(unix)]
fn limited(folder: &Path, limits: &str, arguments: &str) -> Result<(Option<i32>, String, String)> {
    let mut shell = Command::new("bash");
    shell.args(["-c", &format!("{limits}; exec \"$0\" {arguments}"), env!("CARGO_BIN_EXE_simsiam")]);
    shell.current_dir(folder).env("XDG_RUNTIME_DIR", folder).env("SIMSIAM_CACHE_DIR", folder.join("cache"));
    Ok(text(shell.output()?))
}

/// Runs it and fails where it fails.
fn good(folder: &Path, arguments: &str) -> Result<String> {
    match simsiam(folder, arguments)? {
        (Some(0), out, _) => Ok(out),
        (code, out, errors) => Err(format!("{arguments}: {code:?}\n{out}{errors}").into()),
    }
}

/// Runs it and returns its one line of error, which must come with this exit code.
fn bad(folder: &Path, arguments: &str, code: i32) -> Result<String> {
    let (found, out, errors) = simsiam(folder, arguments)?;
    let lines: Vec<&str> = errors.lines().filter(|line| line.starts_with("error: ")).collect();
    match (found, &lines[..]) {
        (Some(found), [line]) if found == code => Ok((*line).to_owned()),
        _ => Err(format!("{arguments}: {found:?}\n{out}{errors}").into()),
    }
}

/// What a run has reported, without what a clock decides.
fn timeless(run: &Path) -> Result<Vec<Value>> {
    let text = fs::read_to_string(run.join("metrics.jsonl"))?;
    let mut lines: Vec<Value> = text.lines().map(serde_json::from_str).collect::<std::result::Result<_, _>>()?;
    for object in lines.iter_mut().filter_map(Value::as_object_mut) {
        object.remove("seconds");
        object.remove("images_per_second");
        object.remove("padding");
    }
    Ok(lines)
}

fn last(run: &Path) -> Result<Vec<u8>> {
    Ok(fs::read(run.join("checkpoints/last.safetensors"))?)
}

/// Waits until a run has reported this many steps.
fn wait_for_steps(run: &Path, steps: usize) {
    let began = Instant::now();
    let reported = || fs::read_to_string(run.join("metrics.jsonl")).unwrap_or_default().matches("\"step\",").count();
    while reported() < steps && began.elapsed() < Duration::from_secs(120) {
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// What a run was that ends before its first checkpoint.
fn take_back(run: &Path) -> Result {
    let text = fs::read_to_string(run.join("metrics.jsonl"))?;
    fs::write(run.join("metrics.jsonl"), text.split_inclusive('\n').next().unwrap_or_default())?;
    for entry in fs::read_dir(run.join("checkpoints"))? {
        fs::remove_file(entry?.path())?;
    }
    fs::write(run.join("checkpoints/.simsiam-killed.partial"), "half")?;
    Ok(())
}

#[test]
fn a_run_that_ended_before_its_first_checkpoint_begins_again() -> Result {
    let folder = tempfile::tempdir()?;
    let (here, run) = (folder.path(), folder.path().join("run"));
    good(here, &format!("{TINY} --out run"))?;
    let (lines, bytes) = (timeless(&run)?, last(&run)?);
    for again in [format!("{TINY} --out run"), "train --resume run --no-tune".to_owned()] {
        take_back(&run)?;
        good(here, &again)?;
        assert!(last(&run)? == bytes && timeless(&run)? == lines, "{again}");
        assert_eq!(fs::read_dir(run.join("checkpoints"))?.count(), 1, "{again}");
    }
    // What is anyone else's stays.
    take_back(&run)?;
    fs::write(run.join("notes.txt"), "mine")?;
    assert!(bad(here, &format!("{TINY} --out run"), 2)?.contains("already holds a run"));
    assert_eq!(fs::read_to_string(run.join("notes.txt"))?, "mine");
    Ok(())
}

#[cfg(unix)]
#[test]
fn a_signal_before_training_leaves_no_dead_end() -> Result {
    let folder = tempfile::tempdir()?;
    let slow = TINY.replace("--no-tune", "").replace("--epochs 2", "--epochs 2000");
    let mut child =
        command(folder.path(), &format!("{slow} --out run")).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut line = String::new();
    // Kernels are measured from here on.
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.as_mut().ok_or("a pipe")?), &mut line)?;
    assert!(line.starts_with("device"), "{line}");
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status()?.success());
    let (code, _, errors) = text(child.wait_with_output()?);
    assert!(code == Some(1) && errors.contains("stopped before training began"), "{code:?} {errors}");
    assert!(RunFolder::vacant(&folder.path().join("run")).is_ok());
    Ok(())
}

#[test]
fn one_process_trains_a_run_at_a_time() -> Result {
    let folder = tempfile::tempdir()?;
    good(folder.path(), &format!("{TINY} --out run"))?;
    let held = RunFolder::open(&folder.path().join("run"), None)?;
    let error = bad(folder.path(), "train --resume run", 1)?;
    let holder = format!("process {}", std::process::id());
    assert!(error.contains("is being trained by") && (cfg!(windows) || error.contains(&holder)), "{error}");
    // The file stays; the lock does not.
    drop(held);
    good(folder.path(), "train --resume run")?;
    Ok(())
}

#[cfg(unix)]
#[test]
fn a_checkpoint_never_runs_ahead_of_the_metrics() -> Result {
    let folder = tempfile::tempdir()?;
    let (here, run) = (folder.path(), folder.path().join("run"));
    let long = TINY.replace("--epochs 2", "--epochs 40") + " --set run.knn_every=0 --out ";
    good(here, &format!("{long}whole"))?;
    let mut child = command(here, &format!("{long}run")).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    wait_for_steps(&run, 3);
    assert!(
        Command::new("kill").args(["-INT", &child.id().to_string()]).status()?.success() && child.wait()?.success()
    );
    let step = Checkpoint::load(&run.join("checkpoints/last.safetensors"))?.step;
    assert!(step < 160, "it was too fast to be stopped");
    // A file that is larger than a checkpoint and may not grow: what a full disk is to it.
    let padded = fs::read_to_string(run.join("metrics.jsonl"))?;
    let padding = format!("{{\"padding\":\"{}\",", "x".repeat(200 << 10));
    fs::write(run.join("metrics.jsonl"), padded.replacen('{', &padding, 1))?;
    let (code, out, errors) = limited(here, "trap '' XFSZ; ulimit -f 200", "train --resume run")?;
    assert_eq!(code, Some(1), "{out}{errors}");
    assert!(errors.contains("metrics.jsonl cannot be written") && errors.contains("free some space"), "{errors}");
    assert!(out.contains("wait in memory"), "{out}");
    assert_eq!(Checkpoint::load(&run.join("checkpoints/last.safetensors"))?.step, step);
    good(here, "train --resume run")?;
    assert_eq!(timeless(&run)?, timeless(&here.join("whole"))?);
    assert!(last(&run)? == last(&here.join("whole"))?);
    Ok(())
}

/// Numbers of a run whose file goes away are written again.
#[cfg(unix)]
#[test]
fn metrics_that_are_removed_come_back() -> Result {
    let folder = tempfile::tempdir()?;
    let run = folder.path().join("run");
    let long = TINY.replace("--epochs 2", "--epochs 40") + " --set run.knn_every=0";
    let child =
        command(folder.path(), &format!("{long} --out run")).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    wait_for_steps(&run, 3);
    fs::remove_file(run.join("metrics.jsonl"))?;
    let (code, out, errors) = text(child.wait_with_output()?);
    assert!(code == Some(0) && out.contains("metrics.jsonl was removed"), "{out}{errors}");
    let steps: Vec<u64> =
        timeless(&run)?.iter().filter(|l| l["event"] == "step").filter_map(|l| l["step"].as_u64()).collect();
    assert!(steps.into_iter().eq(1..=160));
    Ok(())
}

#[test]
fn damage_is_found_and_named() -> Result {
    let folder = tempfile::tempdir()?;
    let (here, run) = (folder.path(), folder.path().join("run"));
    good(here, &format!("{TINY} --out run"))?;
    let (lines, bytes) = (timeless(&run)?, last(&run)?);
    let metrics = fs::read(run.join("metrics.jsonl"))?;

    // A byte that is no UTF-8, and what killed writes leave; other files stay.
    let mut damaged = metrics.clone();
    let second = metrics.iter().position(|&byte| byte == b'\n').ok_or("a line")? + 3;
    damaged[second] = 0xff;
    fs::write(run.join("metrics.jsonl"), damaged)?;
    for name in [".simsiam-a1.partial", "checkpoints/.simsiam-b2.partial", "mine.partial"] {
        fs::write(run.join(name), "")?;
    }
    let out = good(here, "train --resume run")?;
    assert!(out.contains("1 damaged line was dropped") && out.contains("no lines of 1 of 3 epochs"), "{out}");
    assert_eq!(timeless(&run)?.len(), lines.len() - 1);
    assert!(run.join("mine.partial").exists() && !run.join(".simsiam-a1.partial").exists());
    assert_eq!(fs::read_dir(run.join("checkpoints"))?.count(), 1);

    // A flipped bit in a weight; a step that the run does not have; values that are not finite.
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into()?) as usize;
    let with = |change: &dyn Fn(&mut serde_json::Map<String, Value>), data: &[u8]| -> Result<Vec<u8>> {
        let mut parsed: Value = serde_json::from_slice(&bytes[8..header])?;
        let metadata = parsed["__metadata__"].as_object_mut().ok_or("metadata")?;
        // As earlier versions wrote them.
        metadata.remove("simsiam.crc32").ok_or("checksums")?;
        change(metadata);
        let text = parsed.to_string();
        Ok([&(text.len() as u64).to_le_bytes(), text.as_bytes(), data].concat())
    };
    let file = run.join("checkpoints/last.safetensors");
    let mut flipped = bytes.clone();
    *flipped.last_mut().ok_or("bytes")? ^= 4;
    let first = serde_json::from_slice::<Value>(&bytes[8..header])?["encoder.conv1.weight"]["data_offsets"][0].as_u64();
    let first = first.ok_or("a place")? as usize;
    let mut dead = bytes[header..].to_vec();
    dead[first..first + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    for (contents, expected) in [
        (flipped, "tensor predictor.3.weight differs from its checksum"),
        (with(&|_| {}, &dead)?, "tensor encoder.conv1.weight holds values that are not finite"),
        (
            with(&|m| drop(m.insert("step".into(), u64::MAX.to_string().into())), &bytes[header..])?,
            "is no whole number",
        ),
        (
            with(&|m| drop(m.insert("step".into(), "9".into())), &bytes[header..])?,
            "step 9, epoch 2 of a run of 8 steps",
        ),
    ] {
        fs::write(&file, contents)?;
        let error = bad(here, "train --resume run", 1)?;
        assert!(error.contains(expected), "{error}");
        if !expected.starts_with("step") {
            assert!(bad(here, "eval knn --run run", 1)?.contains(expected));
        }
    }
    // Without checksums and with good numbers it is a checkpoint of an earlier version.
    fs::write(&file, with(&|_| {}, &bytes[header..])?)?;
    good(here, "train --resume run")?;
    Ok(())
}

/// Bounds checks and memory filled with NaN change no bit of a program that needs neither.
#[test]
fn a_checked_run_has_the_same_bits() -> Result {
    let folder = tempfile::tempdir()?;
    let here = folder.path();
    let mut kinds = vec!["--method swav"];
    if gpu::chosen(None)?.tier >= gpu::Tier::F16 {
        kinds.push("--set run.precision=f16");
    }
    for (i, kind) in kinds.into_iter().enumerate() {
        good(here, &format!("{TINY} --out plain{i} {kind}"))?;
        good(here, &format!("{TINY} --out checked{i} --checked {kind}"))?;
        let [plain, checked] = ["plain", "checked"].map(|name| here.join(format!("{name}{i}")));
        assert!(last(&plain)? == last(&checked)?, "{kind}");
        assert_eq!(timeless(&plain)?, timeless(&checked)?, "{kind}");
    }
    let evaluated = |more: &str| good(here, &format!("eval knn --run plain0 --json {more}"));
    assert_eq!(evaluated("--checked")?, evaluated("")?);
    Ok(())
}

/// What cannot be measured has no number, and does not replace what is good.
#[test]
fn settings_that_cannot_train_are_refused_or_fail() -> Result {
    let folder = tempfile::tempdir()?;
    let here = folder.path();
    for key in ["optim.lr", "optim.weight_decay", "optim.lars_trust", "run.knn_temperature"] {
        assert!(bad(here, &format!("{TINY} --out run --set {key}=1e300"), 2)?.contains(key));
        assert!(!here.join("run").exists());
    }
    // The last step's loss is finite, what it makes of the weights is not.
    let error = bad(here, &format!("{TINY} --out f32 --epochs 1 --limit-train 64 --set optim.lr=3e38"), 2);
    let error = match error {
        Ok(_) => bad(here, &format!("{TINY} --out f32 --set optim.lr=1e38 --set optim.weight_decay=1e38"), 1)?,
        Err(_) => bad(here, &format!("{TINY} --out f32b --set optim.lr=3e38"), 1)?,
    };
    assert!(error.contains("range of numbers"), "{error}");
    // What made the first value that is not finite is named, in the metrics too.
    let (code, out, _) = simsiam(here, &format!("{TINY} --out named --set optim.lr=1e38"))?;
    let named = "step 2: encoder.bn1 batch_norm_statistics made the first value that is not finite";
    assert!(code == Some(1) && out.contains(named) && out.contains("its inputs were finite, up to "), "{out}");
    if gpu::chosen(None)?.tier < gpu::Tier::F16 {
        return Ok(());
    }
    let error = bad(here, &format!("{TINY} --out f16 --set run.precision=f16 --set optim.lr=1e6"), 1)?;
    assert!(error.contains("were skipped") && error.contains("run.precision = f32"), "{error}");
    let lines = timeless(&here.join("f16"))?;
    let failed = lines.last().and_then(|line| line["message"].as_str()).unwrap_or_default();
    assert!(failed.contains("step 8: encoder.conv1 conv2d made the first value that is not finite"), "{failed}");
    let epoch = lines.iter().find(|line| line["event"] == "epoch" && line["epoch"] == 2).ok_or("epoch 2")?;
    assert!(epoch["loss"].is_null() && epoch["output_std"].is_null() && epoch["effective_rank"].is_null(), "{epoch}");
    assert_eq!(Checkpoint::load(&here.join("f16/checkpoints/last.safetensors"))?.step, 0);
    Ok(())
}

/// Faults of the device: the run goes on from its last checkpoint where there is progress, and ends with one line where there is none.
#[test]
fn faults_of_the_device_cost_no_bit() -> Result {
    let folder = tempfile::tempdir()?;
    let (here, run) = (folder.path(), folder.path().join("run"));
    good(here, &format!("{TINY} --out whole"))?;
    let with = |fault: &str| -> Result<(Option<i32>, String, String)> {
        let _ = fs::remove_dir_all(&run);
        Ok(text(command(here, &format!("{TINY} --out run")).env("SIMSIAM_FAULT", fault).output()?))
    };
    for (fault, said) in [("lost@16", "the GPU was lost"), ("submit@16", "the GPU reported an error")] {
        let (code, out, errors) = with(fault)?;
        assert_eq!(code, Some(0), "{fault}: {out}{errors}");
        assert!(out.contains(said) && out.contains("trying that on a new device"), "{fault}: {out}");
        assert!(last(&run)? == last(&here.join("whole"))? && timeless(&run)? == timeless(&here.join("whole"))?);
    }
    for (fault, said) in [("lost@2", "error: the GPU was lost"), ("memory@1000", "error: out of GPU memory: ")] {
        let (code, out, errors) = with(fault)?;
        assert!(code == Some(1) && errors.lines().count() == 1 && errors.starts_with(said), "{fault}: {out}{errors}");
    }
    Ok(())
}

#[cfg(unix)]
#[test]
fn pipes_and_devices_are_refused_at_once() -> Result {
    let folder = tempfile::tempdir()?;
    let (here, run) = (folder.path(), folder.path().join("run"));
    good(here, &format!("{TINY} --out run"))?;
    for name in ["config.toml", "metrics.jsonl", "kernels.json", "checkpoints/last.safetensors"] {
        let kept = fs::read(run.join(name))?;
        fs::remove_file(run.join(name))?;
        assert!(Command::new("mkfifo").arg(run.join(name)).status()?.success());
        let (code, out, errors) = simsiam(here, "train --resume run")?;
        let text = out + &errors;
        assert!(text.contains("it is a pipe, socket or device, not a regular file"), "{name}: {text}");
        // Kernels that cannot be read are no reason not to train.
        assert_eq!(code, Some(i32::from(name != "kernels.json")), "{name}: {text}");
        fs::remove_file(run.join(name))?;
        fs::write(run.join(name), kept)?;
    }
    assert!(bad(here, "train --config /dev/zero", 2)?.contains("not a regular file"));
    assert!(bad(here, "eval knn --run run --checkpoint /dev/zero", 1)?.contains("not a regular file"));
    Ok(())
}

#[cfg(unix)]
#[test]
fn output_is_clean_and_not_lost() -> Result {
    let folder = tempfile::tempdir()?;
    let here = folder.path();
    let hostile = "a\u{1b}]0;title\u{7}\u{1b}[2J\nerror: forged";
    let outputs = [
        command(here, "").args(TINY.split(' ')).args(["--out", hostile]).output()?,
        command(here, "eval knn --run").arg(hostile).output()?,
        command(here, "train --config").arg(hostile).output()?,
        command(here, "train --set").arg(format!("optim.{hostile}=1")).output()?,
        command(here, "train --data").arg(hostile).output()?,
    ];
    for output in outputs {
        let (_, out, errors) = text(output);
        let all = out + &errors;
        assert!(!all.contains(['\u{1b}', '\u{7}']) && !all.contains("\nerror: forged"), "{all:?}");
    }
    // Results that cannot be written are an error, in whatever form; a reader that has seen enough is none.
    for arguments in ["devices --json", "devices", "data demo"] {
        let full = command(here, arguments).stdout(fs::OpenOptions::new().write(true).open("/dev/full")?).output()?;
        let (code, _, errors) = text(full);
        assert!(code == Some(1) && errors.contains("the output cannot be written"), "{arguments}: {code:?} {errors}");
    }
    let mut child = command(here, "devices").stdout(Stdio::piped()).spawn()?;
    drop(child.stdout.take());
    assert!(child.wait()?.success());
    Ok(())
}

#[cfg(target_os = "linux")]
#[test]
fn advice_fits_the_fault() -> Result {
    let folder = tempfile::tempdir()?;
    let here = folder.path();
    fs::write(here.join("file"), "")?;
    let error = bad(here, &format!("{TINY} --out file"), 1)?;
    assert!(error.contains("choose another folder") && !error.contains("free some space"), "{error}");
    // Too little memory for it: one line, whoever notices first.
    let (code, out, errors) = limited(here, "ulimit -v 900000", &format!("{TINY} --out run"))?;
    assert!(code.is_some(), "a signal ended it: {out}{errors}");
    assert!(!errors.contains("backtrace"), "{errors}");
    Ok(())
}

/// Of the checkpoints of epochs the newest and the best stay; where the last is damaged, the newest of them continues to the same end.
#[test]
fn a_damaged_checkpoint_is_replaced_by_the_newest_good_one() -> Result {
    let folder = tempfile::tempdir()?;
    let (here, run) = (folder.path(), folder.path().join("run"));
    let settings = "--epochs 6 --set run.checkpoint_every=1 --set run.keep=2";
    good(here, &format!("{} {settings} --out run", TINY.replace("--epochs 2", "")))?;
    let (lines, bytes) = (timeless(&run)?, last(&run)?);
    let knn = |line: &Value| line["knn_top1"].as_f64().unwrap_or(0.0);
    let epochs: Vec<&Value> = lines.iter().filter(|line| line["event"] == "epoch" && line["epoch"] != 0).collect();
    let best = epochs.iter().fold(epochs[0], |best, line| if knn(line) > knn(best) { line } else { best });
    let checkpoints = || -> Result<Vec<String>> {
        let names = fs::read_dir(run.join("checkpoints"))?.map(|entry| Ok(entry?.file_name().to_string_lossy().into()));
        let mut names = names.collect::<Result<Vec<String>>>()?;
        names.sort();
        Ok(names)
    };
    let mut expected =
        [best["epoch"].as_u64().ok_or("a best epoch")?, 5, 6].map(|n| format!("epoch-{n:03}.safetensors")).to_vec();
    expected.push("last.safetensors".into());
    expected.sort();
    expected.dedup();
    assert_eq!(checkpoints()?, expected);

    let whole = |name: &str| run.join("checkpoints").join(name);
    fs::write(whole("epoch-006.safetensors"), &bytes[..bytes.len() - 1])?;
    for damaged in [Some(&bytes[..bytes.len() / 2]), None] {
        match damaged {
            Some(half) => fs::write(whole("last.safetensors"), half)?,
            None => fs::remove_file(whole("last.safetensors"))?,
        }
        let out = good(here, "train --resume run")?;
        assert!(out.contains("the run continues from") && out.contains("epoch-005.safetensors, step 20"), "{out}");
        assert!(last(&run)? == bytes && timeless(&run)? == lines);
        assert_eq!(checkpoints()?, expected);
        fs::write(whole("epoch-006.safetensors"), "")?;
    }
    // Where no good one is left, the error is that of the last.
    for name in checkpoints()? {
        fs::write(whole(&name), "")?;
    }
    assert!(bad(here, "train --resume run", 1)?.contains("last.safetensors is no complete safetensors file"));
    Ok(())
}
