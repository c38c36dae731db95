//! Weights out and in: what PyTorch's programs save is read, features are theirs, and a run's own weights come back bit for bit.
//! `tests/data/weights/generate.py` made the files.

mod common;

use std::collections::HashMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::gpu;
use safetensors::SafeTensors;
use simsiam::config::Config;
use simsiam::export::{Import, Imported, StateDict};
use simsiam::graph::{Array, Graph, Program, Shape, Store};
use simsiam::method::{self, evaluation};
use simsiam::model::Parameters;
use simsiam::train::RunFolder;

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

fn weights(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/weights").join(name)
}

/// Runs the program; whether it succeeded, and what it printed.
fn simsiam(folder: &Path, arguments: &[&str]) -> Result<(bool, String)> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_simsiam"));
    let output = command.args(arguments).current_dir(folder).env("XDG_RUNTIME_DIR", folder).output()?;
    let text = [output.stdout, output.stderr].concat();
    Ok((output.status.success(), String::from_utf8_lossy(&text).into_owned()))
}

/// SimSiam with the heads of the files.
fn config() -> Result<Config> {
    let mut config = Config::preset("demo")?;
    for assignment in [
        "data.image_size=12",
        "model.projector_layers=2",
        "model.projector_hidden=6",
        "model.dim=5",
        "model.output_affine=false",
        "model.predictor_dim=3",
        "optim.batch_size=4",
    ] {
        config.set(assignment)?;
    }
    Ok(config)
}

/// Takes a file into a run, and gives the features of the images that the file's own program saw.
fn features(file: &str) -> Result<(Imported, String, Array)> {
    let folder = tempfile::tempdir()?;
    let run = folder.path().join("run");
    let file = StateDict::read(&weights(file))?;
    let import = Import::find(&file)?;
    let mut config = config()?;
    import.configure(&mut config)?;
    let imported = import.begin(&config, 10, &run)?;
    let (config, checkpoint) = RunFolder::trained(&run, None)?;
    assert_eq!((config.model.width, &config.model.blocks[..]), (4, &[1, 1][..]));
    let (mut parameters, mut graph) = (Parameters::new(), Graph::new());
    let images = graph.input("images", Shape::rows([2, 12, 12, 3]));
    let evaluated = evaluation(&mut graph, images, &config, &mut parameters, false)?;
    let mut store = Store::new(&gpu());
    parameters.allocate_frozen(&mut store)?;
    parameters.write(&store, &checkpoint.weights(&parameters)?);
    let mut program = Program::compile(&graph, &mut store)?;
    // As generate.py makes them, of [image, channel, row, column].
    let value = |i: usize| {
        let (image, pixel, channel) = (i / 432, i % 432 / 3, i % 3);
        ((image * 432 + channel * 144 + pixel) as f32 * 0.37).sin()
    };
    program.write(images, &(0..864).map(value).collect::<Vec<_>>());
    program.run(None)?;
    Ok((imported, import.prefix.clone(), program.read_array(evaluated.features)?))
}

#[test]
fn what_other_programs_save_has_their_features() -> Result {
    for (file, expected, prefix, heads) in [
        ("torchvision.pth", "torchvision", "", 0),
        // Its convolutions are in halves.
        ("lightly.ckpt", "torchvision", "state_dict.backbone.", 0),
        ("simsiam.pth.tar", "simsiam", "state_dict.module.encoder.", 15),
    ] {
        let bytes = std::fs::read(weights(&format!("{expected}.features")))?;
        let expected = Array::from_f32(&[2, 8], &bytemuck::pod_collect_to_vec::<u8, f32>(&bytes));
        // Of all zeros anything would be near.
        assert!(expected.data.iter().map(|v| v * v).sum::<f64>() > 0.01);
        let (imported, found, features) = features(file)?;
        let error = features.relative_error(&expected);
        let limit = if file == "lightly.ckpt" { 2e-3 } else { 1e-5 };
        assert!(error < limit, "{file}: {error:.1e}");
        assert_eq!((imported.backbone, imported.heads, found.as_str()), (30, heads, prefix), "{file}: {imported:?}");
        assert_eq!(imported.new.is_empty(), heads > 0, "{file}");
    }
    Ok(())
}

#[test]
fn what_may_not_be_read_is_refused_in_a_line_and_nothing_is_run() -> Result {
    let folder = tempfile::tempdir()?;
    for (file, problem) in [
        ("evil.pth", "its pickle names posix.system, which could run anything: refused"),
        ("unknown.pth", "its pickle has the instruction 0x8f, which no file of tensors needs: refused"),
        ("bomb.pth", "1048576 bytes: damaged"),
        ("repeated.pth", "many times larger than the file: refused"),
        ("truncated.pth", "truncated"),
        ("legacy.pth", "a file of PyTorch before 1.6"),
        ("generate.py", "neither a complete safetensors file"),
        ("nothing.pth", "cannot be read"),
    ] {
        let path = weights(file).display().to_string();
        let (good, text) = simsiam(folder.path(), &["import", "--weights", &path, "--out", "run", "--data", "demo"])?;
        assert!(!good && text.contains(problem) && text.contains(file) && text.lines().count() == 1, "{text}");
        assert!(!folder.path().join("run").exists(), "{file}");
    }
    assert!(!Path::new("/tmp/pwned").exists());
    Ok(())
}

/// A momentum encoder that the file lacks begins as the encoder, and the heads as in a new run.
#[test]
fn averages_begin_as_what_they_average() -> Result {
    let folder = tempfile::tempdir()?;
    let run = folder.path().join("run");
    let file = StateDict::read(&weights("torchvision.pth"))?;
    let import = Import::find(&file)?;
    let mut config = Config::preset_for("demo", "mocov2")?;
    import.configure(&mut config)?;
    let imported = import.begin(&config, 5000, &run)?;
    assert!(imported.new.iter().all(|name| name == "queue" || name.contains("encoder.fc.")), "{:?}", imported.new);
    let (_, checkpoint) = RunFolder::trained(&run, None)?;
    let tensors: HashMap<_, _> = checkpoint.tensors().map(|(name, _, values)| (name, values)).collect();
    let mut compared = 0;
    for (name, values) in &tensors {
        if let Some(module) = name.strip_prefix("momentum_encoder.") {
            assert_eq!(*values, tensors[format!("encoder.{module}").as_str()], "{name}");
            compared += 1;
        }
    }
    assert_eq!(compared, 30 + 4);
    assert_eq!(tensors["encoder.conv1.weight"], &file.tensors["conv1.weight"].values[..]);
    Ok(())
}

/// Names in the code of MoCo's and SwAV's authors, of tensors in a run here.
#[test]
fn networks_have_the_names_of_their_authors() -> Result {
    for (method, here, authors) in [
        ("simsiam", "encoder.fc.0.weight", Some("encoder.fc.0.weight")),
        ("simsiam", "targets", None),
        ("mocov1", "encoder.layer1.0.conv1.weight", Some("encoder_q.layer1.0.conv1.weight")),
        ("mocov1", "momentum_encoder.fc.0.bias", Some("encoder_k.fc.bias")),
        ("mocov2", "encoder.fc.0.weight", Some("encoder_q.fc.0.weight")),
        ("mocov2", "encoder.fc.3.weight", Some("encoder_q.fc.2.weight")),
        ("mocov2", "queue", None),
        ("swav", "encoder.bn1.running_var", Some("bn1.running_var")),
        ("swav", "encoder.fc.3.weight", Some("projection_head.3.weight")),
        ("swav", "prototypes.weight", Some("prototypes.weight")),
        ("swav", "queue", None),
    ] {
        let config = Config::preset_for("demo", method)?;
        assert_eq!(method::of(&config).authors_name(here).as_deref(), authors, "{method}: {here}");
    }
    Ok(())
}

/// The smallest training of the demo that writes a checkpoint.
const TRAIN: &str = "train --out run --preset demo --limit-train 64 --limit-test 20 --epochs 1 --no-tune --batch-size 16 --set data.image_size=12 \
    --set model.blocks=[1] --set model.width=4 --set model.dim=16 --set run.knn_k=10";

#[test]
fn weights_go_out_and_come_back() -> Result {
    let folder = tempfile::tempdir()?;
    let run = |arguments: &str| -> Result<String> {
        let (good, text) = simsiam(folder.path(), &arguments.split_whitespace().collect::<Vec<_>>())?;
        if good { Ok(text) } else { Err(format!("{arguments}: {text}").into()) }
    };
    run(TRAIN)?;
    run("export --run run --out backbone.safetensors")?;
    let json = |arguments: &str| -> Result<serde_json::Value> { Ok(serde_json::from_str(&run(arguments)?)?) };
    let written = json("export --run run --out full.safetensors --full --json")?;
    assert_eq!((&written["part"], &written["card"], &written["epoch"]), (&"full".into(), &"full.md".into(), &1.into()));
    let read = |name: &str| std::fs::read(folder.path().join(name));
    let bytes = read("backbone.safetensors")?;
    let backbone = SafeTensors::deserialize(&bytes)?;
    let mut names = backbone.names();
    names.sort_unstable();
    assert_eq!(names[..3], ["bn1.bias", "bn1.num_batches_tracked", "bn1.running_mean"]);
    assert_eq!(names.len(), 6 + 12, "{names:?}");
    let (_, header) = SafeTensors::read_metadata(&bytes)?;
    let metadata = header.metadata().clone().unwrap_or_default();
    assert_eq!(metadata["image_size"], "12");
    assert!(metadata["knn_top1"].parse::<f64>()? <= 1.0);
    let card = std::fs::read_to_string(folder.path().join("backbone.md"))?;
    assert!(card.contains("net.load_state_dict(load_file(\"backbone.safetensors\"))"), "{card}");

    // What the model computes is compared where it is written.
    let text = run("export --run run --out model.onnx --projector")?;
    let written = json("export --run run --out alone.onnx --json")?;
    assert!(written["nodes"].as_u64().is_some_and(|nodes| nodes > 10), "{written}");
    assert!(
        text.contains("backbone and projector after epoch 1") && text.contains("for images with values 0 to 1"),
        "{text}"
    );
    let card = std::fs::read_to_string(folder.path().join("model.md"))?;
    assert!(card.contains("features, projection = session.run") && card.contains("(1, 3, 12, 12)"), "{card}");
    for (arguments, problem) in [
        ("--out model.pb", "model.pb ends neither in .safetensors nor in .onnx: name the file so"),
        ("--out again.onnx --full", "--full is for FILE.safetensors, and again.onnx is none: leave it out"),
        ("--out again.safetensors --no-normalize", "--no-normalize is for FILE.onnx, and again.safetensors is none"),
    ] {
        let arguments = format!("export --run run {arguments}");
        let (good, text) = simsiam(folder.path(), &arguments.split_whitespace().collect::<Vec<_>>())?;
        assert!(!good && text.contains(problem) && text.lines().count() == 1, "{text}");
    }

    // All of it back into a run of the same settings: the same features, to the bit, and a training that begins with them.
    let text = run("import --weights full.safetensors --out again --config run/config.toml")?;
    assert!(text.contains("taken    15 tensors of the backbone") && !text.contains("new "), "{text}");
    let taken = json("import --weights full.safetensors --out third --config run/config.toml --json")?;
    assert_eq!((&taken["backbone_tensors"], &taken["new_tensors"]), (&15.into(), &serde_json::json!([])), "{taken}");
    assert_eq!((&taken["run"], &taken["blocks"]), (&"third".into(), &serde_json::json!([1])), "{taken}");
    run("embed --run run --data demo --limit-test 20 --out a.npy")?;
    let made = json("embed --run again --data demo --limit-test 20 --out b.npy --json")?;
    assert_eq!((&made["images"], &made["width"], &made["names"]), (&20.into(), &4.into(), &"b.csv".into()), "{made}");
    assert_eq!(read("a.npy")?, read("b.npy")?);
    let text = run("train --resume again --no-tune")?;
    let before = metadata["knn_top1"].parse::<f64>()?;
    assert!(text.contains(&format!("kNN {:.1} % before training", 100.0 * before)), "{text}");
    Ok(())
}
