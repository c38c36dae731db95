//! What is chosen about a folder of images, through the real binary: the background of transparency, white in 16 bits, labels.

use std::fs;
use std::path::Path;
use std::process::Command;

use image::{ImageBuffer, Luma, Rgba, RgbaImage};
use serde_json::Value;
use tempfile::TempDir;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

fn simsiam(folder: &Path, arguments: &[&str]) -> Result<(bool, String)> {
    let output = Command::new(env!("CARGO_BIN_EXE_simsiam")).args(arguments).current_dir(folder).output()?;
    let text = [output.stdout, output.stderr].concat();
    Ok((output.status.success(), String::from_utf8_lossy(&text).into_owned()))
}

fn survey(folder: &Path, more: &[&str]) -> Result<Value> {
    let (good, text) = simsiam(folder, &[&["data", "folder:.", "--json"], more].concat())?;
    assert!(good, "{text}");
    Ok(serde_json::from_str(&text)?)
}

/// Trains an epoch on `--data .`, as small as can be.
fn train(folder: &Path, more: &[&str]) -> Result<(bool, String)> {
    let settings = [
        "model.arch=resnet_tiny",
        "model.blocks=[1]",
        "model.width=4",
        "model.dim=16",
        "model.projector_hidden=16",
        "model.predictor_dim=4",
        "data.image_size=8",
    ];
    let settings = settings.iter().flat_map(|setting| ["--set", setting]);
    let begin = ["train", "--data", ".", "--epochs", "1", "--batch-size", "4", "--no-tune"];
    let arguments: Vec<&str> = begin.into_iter().chain(settings).chain(more.iter().copied()).collect();
    simsiam(folder, &arguments)
}

fn has(text: &str, pieces: &[&str]) {
    for piece in pieces {
        assert!(text.contains(piece), "`{piece}` is not in:\n{text}");
    }
}

/// Cut-outs: a third of the pixels are opaque, and the others hide colours.
fn cut_outs(count: u8) -> Result<TempDir> {
    let folder = TempDir::new()?;
    for value in 0..count {
        let cut = |x: u32, _| Rgba([200, value, 0, if x.is_multiple_of(3) { 255 } else { 0 }]);
        RgbaImage::from_fn(9, 9, cut).save(folder.path().join(format!("{value}.png")))?;
    }
    Ok(folder)
}

#[test]
fn transparency_lies_on_a_background() -> Result {
    let folder = cut_outs(8)?;
    let (_, text) = simsiam(folder.path(), &["data", "."])?;
    has(&text, &["alpha    8 of 8 training images have transparency: composed on white (data.background)"]);
    let red = |more: &[&str]| -> Result<f64> {
        let data = survey(folder.path(), more)?;
        assert_eq!(data["train"]["transparent"], 8);
        Ok((data["train"]["mean"][0].as_f64().ok_or("no number")? * 255.0 * 3.0).round())
    };
    assert_eq!(red(&[])?, 200.0 + 255.0 * 2.0);
    assert_eq!(red(&["--set", "data.background=black"])?, 200.0);
    assert_eq!(red(&["--set", "data.background=dropped"])?, 600.0);
    let (good, text) = train(folder.path(), &["--out", "run"])?;
    assert!(good, "{text}");
    has(&text, &["8 of 8 images checked have transparency: composed on white (data.background)"]);
    let (good, text) = simsiam(folder.path(), &["data", ".", "--set", "data.background=pink"])?;
    assert!(!good, "{text}");
    has(&text, &["data.background = \"pink\"", "white, gray, black"]);
    Ok(())
}

/// Removes lines from the settings of a run, in its folder and in its checkpoint.
fn without(run: &Path, keys: &[&str]) -> Result {
    let path = run.join("config.toml");
    let text = fs::read_to_string(&path)?;
    let stays = |line: &&str| !keys.iter().any(|key| line.starts_with(key));
    let old: String = text.lines().filter(stays).flat_map(|line| [line, "\n"]).collect();
    fs::write(path, &old)?;
    let path = run.join("checkpoints/last.safetensors");
    let bytes = fs::read(&path)?;
    let file = safetensors::SafeTensors::deserialize(&bytes)?;
    let (_, metadata) = safetensors::SafeTensors::read_metadata(&bytes)?;
    let mut metadata = metadata.metadata().clone().unwrap_or_default();
    assert!(metadata.remove("simsiam.crc32").is_some());
    metadata.insert("config".to_owned(), old);
    let tensors: Vec<_> = file.tensors();
    fs::write(path, safetensors::serialize(tensors, Some(metadata))?)?;
    Ok(())
}

#[test]
fn a_run_of_before_the_keys_sees_what_it_saw() -> Result {
    let folder = cut_outs(8)?;
    // As the demo of another day: labels beside it, which it did not know.
    let (good, text) = train(folder.path(), &["--out", "run", "--set", "data.background=dropped"])?;
    assert!(good, "{text}");
    without(&folder.path().join("run"), &["background", "white_level", "labels"])?;
    fs::write(
        folder.path().join("labels.csv"),
        "0.png,a\n1.png,a\n2.png,a\n3.png,a\n4.png,b\n5.png,b\n6.png,b\n7.png,b\n",
    )?;
    let (good, text) = simsiam(folder.path(), &["train", "--resume", "run"])?;
    assert!(good, "{text}");
    has(&text, &["that is dropped, and what the files hide under it is seen (data.background)"]);
    assert!(!text.contains("labels from"), "{text}");
    Ok(())
}

#[test]
fn white_in_sixteen_bits_is_chosen() -> Result {
    let folder = TempDir::new()?;
    for value in 0..8_u16 {
        let path = folder.path().join(format!("{value}.png"));
        ImageBuffer::from_fn(6, 6, |x, y| Luma([500 * (x + y) as u16 / 2 + value])).save(path)?;
    }
    let said = "8 of 8 images have 16 bits a channel and only values up to 2507, nearly black where 65535 is white";
    let fix = "--set data.white_level=4095 (or 65535 to leave them so dark)";
    for arguments in [&["data", "."][..], &["data", "pack", ".", "--out", "p.pack"]] {
        let (_, text) = simsiam(folder.path(), arguments)?;
        has(&text, &[said, fix]);
    }
    assert!(!folder.path().join("p.pack").exists());
    let (good, text) = train(folder.path(), &["--out", "run"])?;
    assert!(!good && text.lines().count() == 1, "{text}");
    has(&text, &[said, fix]);
    let (good, text) = train(folder.path(), &["--out", "run", "--set", "data.white_level=4095"])?;
    assert!(good, "{text}");
    has(&text, &["8 of 8 images checked have 16 bits a channel, with values to 2507: 4095 is white"]);
    let (_, text) = simsiam(folder.path(), &["data", ".", "--set", "data.white_level=4095"])?;
    has(&text, &["next     simsiam train --data . --set data.white_level=4095\n"]);
    let mean = |more: &[&str]| -> Result<f64> {
        let data = survey(folder.path(), more)?;
        assert_eq!((&data["train"]["deep"], &data["train"]["peak"]), (&8.into(), &2507.into()));
        data["train"]["mean"][0].as_f64().ok_or("no number".into())
    };
    let (dark, bright) = (mean(&[])?, mean(&["--set", "data.white_level=4095"])?);
    assert!((bright / dark - 16.0).abs() < 0.7, "{dark} {bright}");
    // The same scale in a pack.
    let pack = ["data", "pack", ".", "--out", "p.pack", "--set", "data.white_level=4095"];
    assert!(simsiam(folder.path(), &pack)?.0);
    let (good, text) = simsiam(folder.path(), &["data", "p.pack", "--json"])?;
    assert!(good, "{text}");
    let packed: Value = serde_json::from_str(&text)?;
    assert_eq!(packed["train"]["mean"][0].as_f64(), Some(bright));
    Ok(())
}

/// Names and labels of a table, in a folder with as many images.
fn with_table(name: &str, table: &str, images: &[&str]) -> Result<TempDir> {
    let folder = TempDir::new()?;
    for (value, image) in (0_u8..).zip(images) {
        let path = folder.path().join(image);
        fs::create_dir_all(path.parent().unwrap_or(folder.path()))?;
        image::RgbImage::from_pixel(3, 2, image::Rgb([value, 7, 9])).save(path)?;
    }
    fs::write(folder.path().join(name), table)?;
    Ok(folder)
}

const FOUR: [&str; 4] = ["1.png", "2.png", "3.png", "4.png"];

#[test]
fn a_table_beside_images_names_their_classes() -> Result {
    for (name, table, images) in [
        ("metadata.csv", "file_name,label\n1.png,cat\n2.png,dog\n3.png,cat\n4.png,dog\n", &FOUR[..]),
        // Without a heading; other names and more columns; names without an ending; a byte order mark.
        ("labels.csv", "1.png,cat\n2.png,dog\n3.png,cat\n4.png,dog\n", &FOUR),
        ("labels.csv", "\u{feff}id,size,class\n1,9,cat\n2,9,dog\n3,9,cat\n4,9,dog\n", &FOUR),
        (
            "Labels.CSV",
            "name,breed\n1.png,cat\n./2.png,dog\na/3.png,cat\n4.png,dog\n",
            &["1.png", "2.png", "a/3.png", "a/4.png"],
        ),
        (
            "train/metadata.csv",
            "file_name,label\n1.png,cat\n2.png,dog\n",
            &["train/1.png", "train/2.png", "test/1.png"],
        ),
    ] {
        let folder = with_table(name, table, images)?;
        let data = survey(folder.path(), &["--set", "data.holdout=0"])?;
        let names: Vec<&str> =
            data["classes"].as_array().into_iter().flatten().filter_map(|c| c["name"].as_str()).collect();
        assert_eq!((names, &data["train"]["labelled"]), (vec!["cat", "dog"], &true.into()), "{table}: {data}");
        has(&data["remarks"].to_string(), &["labels from", "2 classes"]);
    }
    // What leaves a question open is not used, and said.
    for (table, said) in [
        ("file_name,label\n1.png,cat\n2.png,dog\n", "2 of 4 training images have no label in it, such as 3.png"),
        ("file_name,text\n1.png,a cat\n2.png,a dog\n3.png,a cow\n4.png,a fly\n", "has 4 different texts for 4 images"),
        ("a,b,c\n1.png,cat,1\n", "has the columns a, b, c"),
        ("1.png,cat\n1.png,dog\n", "says of 1.png both cat and dog"),
        ("x.png,cat\ny.png,dog\n", "names no image that is used"),
    ] {
        let folder = with_table("labels.csv", table, &FOUR)?;
        let data = survey(folder.path(), &[])?;
        assert_eq!((&data["train"]["labelled"], &data["train"]["images"]), (&false.into(), &4.into()), "{table}");
        has(&data["remarks"].to_string(), &["labels are not read", said, "expected the columns file_name and label"]);
        // It was asked for.
        let (good, text) = simsiam(folder.path(), &["data", ".", "--labels", "./labels.csv"])?;
        assert!(!good && text.lines().count() == 1, "{text}");
        has(&text, &["labels.csv: ", said]);
    }
    Ok(())
}

#[test]
fn folders_name_the_classes_unless_a_table_is_asked_for() -> Result {
    let images = ["a/1.png", "a/2.png", "b/3.png", "b/4.png"];
    let folder = with_table("labels.csv", "1.png,x\n2.png,y\n3.png,x\n4.png,y\n5.png,y\n", &images)?;
    let (good, text) = simsiam(folder.path(), &["data", ".", "--set", "data.holdout=0"])?;
    assert!(good, "{text}");
    has(&text, &["a          2", "1 table of labels (the folders name the classes) (labels.csv)"]);
    let arguments = ["--labels", "labels.csv", "--out", "run", "--set", "run.knn_every=0"];
    let (good, text) = train(folder.path(), &arguments)?;
    assert!(good, "{text}");
    has(
        &text,
        &["labels from labels.csv: 2 classes; 1 of its lines name no image that is used, such as 5.png", "2 classes"],
    );
    assert!(fs::read_to_string(folder.path().join("run/config.toml"))?.contains("labels = \"labels.csv\""));
    let (good, text) = simsiam(folder.path(), &["data", "demo", "--labels", "labels.csv"])?;
    assert!(!good, "{text}");
    has(&text, &["a table of labels is for a folder of image files"]);
    Ok(())
}
