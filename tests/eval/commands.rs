//! `simsiam eval` and `simsiam embed`.

use std::fs;
use std::path::Path;
use std::process::Command;

use simsiam::config::Config;
use simsiam::eval::{KnnPlan, Output};
use simsiam::graph::Target;
use simsiam::model::Parameters;
use simsiam::train::RunFolder;
use simsiam::train::checkpoint::Checkpoint;

use crate::subject::{Result, config, dataset};
use crate::tiny::tiny;

/// A folder as a run leaves it, with weights only: no momentum.
fn run_folder(path: &Path) -> Result {
    run_folder_of(path, &config()?)
}

fn run_folder_of(path: &Path, config: &Config) -> Result {
    let data = dataset(config)?;
    let folder = RunFolder::create(path, config)?;
    let mut parameters = Parameters::new();
    KnnPlan::of(&Output::ALL, config, &data, &mut parameters, &Target::basic(true), 16)?;
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

    // 10 % of 133 labels, one of each class and three more.
    let part = ["--label-percent", "10%", "--epochs", "3", "--json"];
    let (code, out, err) =
        simsiam(folder.path(), &[&["eval", "linear", "--run", "run", "--lr", "1"], &part[..]].concat())?;
    assert_eq!(code, 0, "{err}");
    let linear: serde_json::Value = serde_json::from_str(&out)?;
    assert_eq!((&linear["train_images"], &linear["label_percent"]), (&13.into(), &10.0.into()));
    let finetune = [&["eval", "finetune", "--run", "run", "--lr", "0.3"], &part[..]].concat();
    let (code, out, err) = simsiam(folder.path(), &finetune)?;
    assert_eq!(code, 0, "{err}");
    let tuned: serde_json::Value = serde_json::from_str(&out)?;
    assert_eq!((&tuned["train_images"], &tuned["test_images"], &tuned["epochs"]), (&13.into(), &37.into(), &3.into()));
    for share in ["top1", "top5", "macro_recall"] {
        assert!(tuned[share].as_f64().is_some_and(|share| (0.0..=1.0).contains(&share)), "{out}");
    }
    let (_, text, err) = simsiam(folder.path(), &[&finetune[..finetune.len() - 1], &["--from-scratch"]].concat())?;
    assert!(text.contains("13 training and 37 test images, 10 % of 133 labels"), "{text}{err}");
    assert!(text.contains("from random weights") && text.contains("fine-tuned top-1"), "{text}");

    let features = ["eval", "features", "--run", "run", "--images", "20", "--views", "4", "--json"];
    let (code, out, err) = simsiam(folder.path(), &features)?;
    assert_eq!(code, 0, "{err}");
    let found: serde_json::Value = serde_json::from_str(&out)?;
    assert_eq!((&found["images"], &found["views"]), (&20.into(), &4.into()));
    for output in ["backbone", "projector"] {
        let number = |name: &str| found[output][name].as_f64().unwrap_or(f64::NAN);
        let most = number("width").min(20.0) + 0.1;
        for rank in ["rankme", "lidar", "effective_rank"] {
            assert!((1.0..=most).contains(&number(rank)), "{rank} {}", number(rank));
        }
        // Views are not their images, and images not each other.
        assert!(number("alignment") > 1e-4 && number("alignment") < 4.0, "{out}");
        assert!(number("uniformity") < -1e-4 && number("uniformity") > -8.0, "{out}");
    }
    assert_eq!(simsiam(folder.path(), &features)?.1, out, "the same views again");
    let (_, text, _) = simsiam(folder.path(), &features[..features.len() - 1])?;
    assert!(text.contains("RankMe") && text.contains("higher is better"), "{text}");

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
        (&["eval", "finetune", "--run", "run", "--lr=-1"], 2, "--lr -1: give a number from 0 on"),
        (&["eval", "finetune", "--run", "run", "--data", "unlabelled"], 1, "unlabelled has no test images"),
        (&["eval", "finetune", "--run", "run", "--lr", "1e30"], 1, "fine-tuning has diverged"),
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

/// A run whose untrained network is wide enough to tell images apart, and a folder of images of which a tenth is there again as JPEG, and
/// one to the bit.
fn folder_with_duplicates(folder: &Path, count: usize, quality: u8) -> Result {
    let settings = ["model.width=16", "model.blocks=[1, 1, 1]", "data.image_size=28", "optim.batch_size=50"];
    let limit = format!("data.limit_train={count}");
    let config = tiny(&[&settings[..], &[&limit]].concat())?;
    run_folder_of(&folder.join("run"), &config)?;
    let data = dataset(&config)?;
    let images = folder.join("images");
    fs::create_dir(&images)?;
    for index in 0..count {
        let image = data.train.read(index)?;
        let gray = image::GrayImage::from_raw(image.width, image.height, image.pixels.into_owned());
        let gray = gray.ok_or("as many pixels as it says")?;
        gray.save(images.join(format!("{index:03}.png")))?;
        if index % 10 == 3 {
            let file = fs::File::create(images.join(format!("{index:03}-again.jpg")))?;
            image::codecs::jpeg::JpegEncoder::new_with_quality(file, quality).encode_image(&gray)?;
        }
    }
    fs::copy(images.join("050.png"), images.join("050-again.png"))?;
    Ok(())
}

#[test]
fn near_duplicates_are_found_and_nothing_is_deleted() -> Result {
    let folder = tempfile::tempdir()?;
    folder_with_duplicates(folder.path(), 200, 60)?;
    let dedup = ["dedup", "--run", "run", "--data", "images", "--threshold", "0.7", "--json", "--out", "d.png"];
    let (code, out, err) = simsiam(folder.path(), &dedup)?;
    assert_eq!(code, 0, "{err}");
    let found: serde_json::Value = serde_json::from_str(&out)?;
    assert_eq!(found["images"], 221);
    let groups = found["groups"].as_array().ok_or("groups")?;
    let name = |value: &serde_json::Value| value["name"].as_str().unwrap_or_default().to_owned();
    let (mut right, mut wrong, mut bytes) = (0, Vec::new(), 0);
    for group in groups {
        let kept = name(&group["keep"]);
        for other in group["duplicates"].as_array().into_iter().flatten() {
            assert!(kept.ends_with(".png"), "{kept} is kept");
            match name(other)[..3] == kept[..3] {
                true => right += 1,
                false => wrong.push((kept.clone(), name(other))),
            }
            assert_eq!(other["exact"] == true, name(other).starts_with("050"), "{other}");
            bytes += other["bytes"].as_u64().unwrap_or(0);
        }
    }
    assert!(right >= 20 && wrong.len() <= 1, "{right} of 21 found, and {wrong:?}");
    assert_eq!((found["redundant_bytes"].as_u64(), found["exact_copies"].as_u64()), (Some(bytes), Some(1)));
    assert!(image::open(folder.path().join("d.png"))?.height() > 1000);
    assert_eq!(fs::read_dir(folder.path().join("images"))?.count(), 221);

    let (code, list, err) = simsiam(folder.path(), &[&dedup[..7], &["--list"]].concat())?;
    assert_eq!(code, 0, "{err}");
    assert_eq!(list.lines().count() as u64, found["redundant_images"].as_u64().unwrap_or(0));
    assert!(list.lines().all(|line| folder.path().join(line).is_file()), "{list}");
    let (_, text, _) =
        simsiam(folder.path(), &["dedup", "--run", "run", "--data", "images", "--threshold", "0.999999"])?;
    assert!(text.contains("dedup    1 groups at similarity 0.999999 and more: 1 of 221 images"), "{text}");
    Ok(())
}

/// What a user gets who gives no threshold, and has frames without a picture. A trained network finds stronger compression too.
#[test]
fn the_default_threshold_finds_copies_and_leaves_plain_images_apart() -> Result {
    let folder = tempfile::tempdir()?;
    folder_with_duplicates(folder.path(), 600, 95)?;
    let images = folder.path().join("images");
    for i in 0..20u8 {
        // Nearly black: the first eight are the same, each other has a pixel of its own.
        let shade = |x: u32, y: u32| image::Luma([if i >= 8 && x == y && x == u32::from(i) { 9 } else { 3 }]);
        let frame = image::GrayImage::from_fn(28, 28, shade);
        frame.save(images.join(format!("frame-{i:02}.png")))?;
    }
    let (code, out, err) = simsiam(folder.path(), &["dedup", "--run", "run", "--data", "images", "--json"])?;
    assert_eq!(code, 0, "{err}");
    let found: serde_json::Value = serde_json::from_str(&out)?;
    assert_eq!((&found["images"], &found["threshold"]), (&681.into(), &0.94.into()));
    let (mut right, mut wrong) = (0, Vec::new());
    for group in found["groups"].as_array().ok_or("groups")? {
        let name = |value: &serde_json::Value| value["name"].as_str().unwrap_or_default().to_owned();
        let kept = name(&group["keep"]);
        for other in group["duplicates"].as_array().into_iter().flatten() {
            match (kept.starts_with("frame"), name(other)[..3] == kept[..3]) {
                (true, _) => assert!(other["exact"] == true, "{group}"),
                (false, true) => right += 1,
                (false, false) => wrong.push((kept.clone(), name(other))),
            }
        }
    }
    println!("{right} of 61 copies, {wrong:?}, {} plain", found["plain_images"]);
    assert!(right >= 55 && wrong.len() <= 3, "{right} of 61 found, and {wrong:?}");
    // Seven of eight are redundant, and the others no copies of anything.
    assert_eq!(found["redundant_images"], right + wrong.len() + 7);
    assert!(found["plain_images"].as_u64().is_some_and(|plain| (8..=20).contains(&plain)), "{out}");
    Ok(())
}

#[test]
fn the_nearest_images_of_an_image() -> Result {
    let folder = tempfile::tempdir()?;
    folder_with_duplicates(folder.path(), 200, 60)?;
    // One that is there, one that is there re-encoded only.
    let data = folder.path().join("images");
    fs::rename(data.join("013.png"), folder.path().join("013.png"))?;
    let command = [
        "search",
        "--run",
        "run",
        "--data",
        "images",
        "--image",
        "images/050.png",
        "--image",
        "013.png",
        "--count",
        "3",
    ];
    let (code, out, err) = simsiam(folder.path(), &[&command[..], &["--json", "--out", "s.svg"]].concat())?;
    assert_eq!(code, 0, "{err}");
    let found: serde_json::Value = serde_json::from_str(&out)?;
    let [there, again] = [&found["queries"][0], &found["queries"][1]];
    let copies: Vec<&str> =
        there["copies"].as_array().into_iter().flatten().filter_map(|c| c["name"].as_str()).collect();
    assert_eq!(copies, ["050-again.png", "050.png"]);
    assert_eq!(again["copies"].as_array().map(Vec::len), Some(0));
    assert_eq!(again["neighbours"][0]["name"], "013-again.jpg");
    for query in [there, again] {
        let similarities: Vec<f64> =
            query["neighbours"].as_array().into_iter().flatten().filter_map(|n| n["similarity"].as_f64()).collect();
        assert!(similarities.len() == 3 && similarities.is_sorted_by(|a, b| a >= b), "{similarities:?}");
    }
    assert!(fs::read_to_string(folder.path().join("s.svg"))?.contains("013-again.jpg"));
    let (_, text, _) = simsiam(folder.path(), &command)?;
    assert!(text.contains("nearest to 013.png") && text.contains("   copy  images/050.png"), "{text}");

    fs::write(folder.path().join("text.png"), "no image")?;
    fs::create_dir(folder.path().join("empty"))?;
    fs::create_dir_all(folder.path().join("bare/checkpoints"))?;
    fs::copy(folder.path().join("run/config.toml"), folder.path().join("bare/config.toml"))?;
    for (args, code, words) in [
        (&["--run", "run", "--image", "text.png"][..], 1, "text.png: cannot be decoded: its contents are no image"),
        (&["--run", "run", "--image", "gone.png"], 1, "gone.png"),
        (&["--run", "run", "--data", "images", "--split", "test", "--image", "013.png"], 1, "has no test images"),
        (&["--run", "run", "--data", "empty", "--image", "013.png"], 1, "empty"),
        (&["--run", "bare", "--image", "013.png"], 2, "checkpoints/last.safetensors is missing"),
        (&["--run", "run", "--image", "013.png", "--out", "s.jpg"], 2, "s.jpg: pictures are written as .png or .svg"),
    ] {
        let (got, _, err) = simsiam(folder.path(), &[&["search"], args].concat())?;
        assert_eq!(got, code, "{args:?}: {err}");
        assert!(err.contains(words) && err.lines().count() == 1, "{args:?}: {err}");
    }
    Ok(())
}
