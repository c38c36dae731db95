//! `simsiam eval` and `simsiam embed`.

use std::fs;
use std::path::Path;
use std::process::Command;

use simsiam::eval::{KnnPlan, Output};
use simsiam::graph::Target;
use simsiam::model::Parameters;
use simsiam::train::RunFolder;
use simsiam::train::checkpoint::Checkpoint;

use crate::subject::{Result, config, dataset};

/// A folder as a run leaves it, with weights only: no momentum.
fn run_folder(path: &Path) -> Result {
    let config = config()?;
    let data = dataset(&config)?;
    let folder = RunFolder::create(path, &config)?;
    let mut parameters = Parameters::new();
    KnnPlan::of(&Output::ALL, &config, &data, &mut parameters, &Target::basic(true), 16)?;
    let checkpoint = Checkpoint::new(&parameters, &parameters.initialize(3), None);
    checkpoint.save(&folder.checkpoints().join("last.safetensors"))?;
    Ok(())
}

/// Exit code, standard output, standard error.
fn simsiam(folder: &Path, args: &[&str]) -> Result<(i32, String, String)> {
    let output = Command::new(env!("CARGO_BIN_EXE_simsiam"))
        .current_dir(folder)
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .args(args)
        .output()?;
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    Ok((output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr)))
}

#[test]
fn the_commands_evaluate_a_run_that_has_weights_only() -> Result {
    let folder = tempfile::tempdir()?;
    run_folder(&folder.path().join("run"))?;
    let knn = ["eval", "knn", "--run", "run", "--json", "--predictions", "p.csv"];
    let (code, out, err) = simsiam(folder.path(), &knn)?;
    assert_eq!(code, 0, "{err}");
    let knn: serde_json::Value = serde_json::from_str(&out)?;
    assert_eq!((&knn["k"], &knn["backbone"]["test_images"]), (&10.into(), &37.into()));
    // What was predicted, counted again.
    let predictions = fs::read_to_string(folder.path().join("p.csv"))?;
    for (column, output) in [(3, "backbone"), (4, "projector")] {
        let right = predictions.lines().skip(1).filter(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            fields[2] == fields[column]
        });
        let top1 = right.count() as f64 / 37.0;
        assert_eq!(knn[output]["top1"].as_f64(), Some(top1), "{output}");
        assert_eq!(knn[output]["classes"].as_array().map(Vec::len), Some(10));
    }
    assert_ne!(knn["backbone"]["width"], knn["projector"]["width"]);

    let linear = ["eval", "linear", "--run", "run", "--quick", "--epochs", "2", "--lr", "1,10", "--json"];
    let (code, out, err) = simsiam(folder.path(), &linear)?;
    assert_eq!(code, 0, "{err}");
    let linear: serde_json::Value = serde_json::from_str(&out)?;
    assert_eq!(linear["rates"].as_array().map(Vec::len), Some(2));
    assert_eq!(linear["rates"][1]["last"]["epoch"], 2);

    let embed =
        ["embed", "--run", "run", "--out", "f.npy", "--split", "train", "--map", "m.png", "--map-method", "pca"];
    let (code, _, err) = simsiam(folder.path(), &embed)?;
    assert_eq!(code, 0, "{err}");
    let bytes = fs::read(folder.path().join("f.npy"))?;
    let npy = npyz::NpyFile::new(&bytes[..])?;
    assert_eq!(npy.shape()[0], 133);
    assert_eq!(fs::read_to_string(folder.path().join("f.csv"))?.lines().count(), 134);
    let map = image::open(folder.path().join("m.png"))?;
    assert!(map.width() > 1200);
    Ok(())
}

#[test]
fn what_is_wrong_is_said_in_one_line() -> Result {
    let folder = tempfile::tempdir()?;
    run_folder(&folder.path().join("run"))?;
    let unlabelled = folder.path().join("unlabelled");
    fs::create_dir(&unlabelled)?;
    for i in 0..3 {
        let image = image::RgbImage::from_pixel(12, 12, image::Rgb([80 * i; 3]));
        image.save(unlabelled.join(format!("{i}.png")))?;
    }
    for (args, code, words) in [
        (&["eval", "knn", "--run", "nowhere"][..], 2, "nowhere holds no run (config.toml is missing)"),
        (&["eval", "knn", "--run", "run", "--checkpoint", "gone.safetensors"], 1, "gone.safetensors"),
        (&["eval", "knn", "--run", "run", "--data", "unlabelled"], 1, "unlabelled has no test images"),
        (&["eval", "linear", "--run", "run", "--data", "unlabelled"], 1, "give other data with --data"),
        (&["eval", "knn", "--run", "run", "--predictions", "p.txt"], 2, "p.txt: predictions are written as .csv"),
        (&["eval", "knn", "--run", "run", "--k", "0"], 2, "run.knn_k"),
        (&["eval", "linear", "--run", "run", "--lr", "1,-3"], 2, "--lr -3"),
        (
            &["embed", "--run", "run", "--out", "f.txt"],
            2,
            "f.txt: features are written as .safetensors, .npy or .parquet",
        ),
        (
            &["embed", "--run", "run", "--out", "f.npy", "--map", "m.jpg"],
            2,
            "m.jpg: pictures are written as .png or .svg",
        ),
        (&["embed", "--run", "run", "--out", "no/f.npy"], 1, "no/f.npy: cannot be written"),
    ] {
        let (got, _, err) = simsiam(folder.path(), args)?;
        assert_eq!(got, code, "{args:?}: {err}");
        assert!(err.contains(words), "{args:?}: {err}");
        assert_eq!(err.lines().count(), 1, "{args:?}: {err}");
    }
    Ok(())
}
