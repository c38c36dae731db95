//! `simsiam data SPEC` as people and programs run it.

use std::error::Error;
use std::path::Path;
use std::process::{Command, Output};

use image::{GrayImage, RgbImage};
use serde_json::Value;
use simsiam::config::Config;

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

fn data(folder: &Path, arguments: &[&str]) -> Result<Output> {
    let output =
        Command::new(env!("CARGO_BIN_EXE_simsiam")).arg("data").args(arguments).current_dir(folder).output()?;
    Ok(output)
}

/// What was printed by a command that must succeed.
fn text(folder: &Path, arguments: &[&str]) -> Result<String> {
    let output = data(folder, arguments)?;
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && error.is_empty(), "{error}");
    Ok(String::from_utf8(output.stdout)?)
}

fn has(text: &str, pieces: &[&str]) {
    for piece in pieces {
        assert!(text.contains(piece), "`{piece}` is not in:\n{text}");
    }
}

/// `images` images a class in `train/`, of them `broken` ones of the first class that are none.
fn folder(classes: &[&str], images: usize, broken: usize) -> Result<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    for (number, class) in classes.iter().enumerate() {
        let place = folder.path().join("my images/train").join(class);
        std::fs::create_dir_all(&place)?;
        for image in 0..images {
            let file = place.join(format!("{image:03}.png"));
            if number == 0 && image < broken {
                std::fs::write(file, "no image")?;
            } else if number == 0 {
                GrayImage::from_pixel(8, 6, image::Luma([image as u8])).save(file)?;
            } else {
                RgbImage::from_pixel(9, 9, image::Rgb([200, 100, 0])).save(file)?;
            }
        }
    }
    Ok(folder)
}

/// An image to test on, so that none is held out.
fn with_test(folder: tempfile::TempDir) -> Result<tempfile::TempDir> {
    let place = folder.path().join("my images/val/dog");
    std::fs::create_dir_all(&place)?;
    RgbImage::from_pixel(9, 9, image::Rgb([1, 2, 3])).save(place.join("v.png"))?;
    Ok(folder)
}

#[test]
fn the_demo_is_described_and_pictured() -> Result {
    let folder = tempfile::tempdir()?;
    let text = text(folder.path(), &["demo", "--sheet", "sheet.png"])?;
    has(
        &text,
        &[
            "5,000 training and 1,000 test images in 10 classes",
            "Ankle boot         506         95",
            "all 28x28 pixels, gray",
            "every image can be read",
            "will classify the test images",
            "next     simsiam train --data demo\n",
            "simsiam views --data demo --out views.png",
        ],
    );
    // What is to be pasted is understood.
    let line = text.lines().find(|line| line.contains("--set"));
    let settings: Vec<&str> = line.ok_or("no settings")?.split('"').skip(1).step_by(2).collect();
    let mut config = Config::preset("demo")?;
    for setting in &settings {
        config.set(setting)?;
    }
    assert_eq!(settings.len(), 2);
    assert_eq!((config.augment.mean, config.augment.std), ([0.2861; 3], [0.3544; 3]));
    let sheet = image::open(folder.path().join("sheet.png"))?.to_rgb8();
    assert!(sheet.width() > 1000 && sheet.height() > 1000);
    assert!(sheet.pixels().any(|p| p.0 == [0; 3]) && sheet.pixels().any(|p| p.0 == [255; 3]));
    Ok(())
}

#[test]
fn a_program_reads_one_object() -> Result {
    let folder = with_test(folder(&["cat", "dog"], 101, 1)?)?;
    let arguments = ["my images", "--json", "--sheet", "sheet.svg"];
    let object: Value = serde_json::from_str(&text(folder.path(), &arguments)?)?;
    assert_eq!(object["kind"], "folder");
    assert_eq!(object["place"], "my images");
    assert_eq!(object["train"]["images"], 202);
    assert_eq!(object["train"]["unreadable"], 1);
    assert_eq!((&object["train"]["gray"], &object["train"]["colour"]), (&100.into(), &101.into()));
    assert_eq!(object["train"]["sizes"]["median"], serde_json::json!([9, 9]));
    assert_eq!(object["classes"][1]["name"], "dog");
    assert_eq!(object["classes"][1]["train"], 101);
    let bytes = 100 * 8 * 6 + (101 + 1) * 9 * 9 * 3;
    assert_eq!(object["memory"]["decoded_bytes"], bytes);
    assert_eq!(object["memory"]["streamed"], true);
    assert_eq!((&object["knn"]["runs"], &object["test"]["images"]), (&true.into(), &1.into()));
    assert_eq!(object["refused"], Value::Null);
    // Gray values 1 to 100 of 48 pixels; 101 times 81 pixels of 200.
    let (gray, colour) = (100.0 * 48.0, 101.0 * 81.0);
    let red = (gray * 50.5 + colour * 200.0) / (gray + colour) / 255.0;
    let found = object["mean"][0].as_f64().ok_or("no number")?;
    assert!((found - red).abs() < 1e-12, "{found} {red}");
    assert_eq!(object["sheet"], "sheet.svg");
    let svg = std::fs::read_to_string(folder.path().join("sheet.svg"))?;
    assert_eq!(svg.matches("<image").count(), 24);
    Ok(())
}

#[test]
fn what_a_training_would_refuse_is_said() -> Result {
    let few = with_test(folder(&["cat", "dog"], 30, 5)?)?;
    let said = text(few.path(), &["my images"])?;
    has(
        &said,
        &[
            "5 of 60 training images cannot be read",
            "000.png: cannot be decoded",
            "001.png: cannot be decoded",
            "refused  training refuses this data: 5 of 60",
            "--set data.max_unreadable=0.084",
            "will classify the test images",
            "simsiam train --data 'my images'\n",
        ],
    );
    // The same refusal as that of a training, and what it was told to allow is enough.
    let limits = |unreadable| simsiam::data::Limits { unreadable, ..Default::default() };
    let spec = few.path().join("my images").display().to_string().parse()?;
    assert!(simsiam::data::open(&spec, limits(0.01)).is_err());
    assert!(simsiam::data::open(&spec, limits(0.084)).is_ok());

    // More broken files than are named; a class a row is no class where there is one folder.
    let many = folder(&["cat"], 30, 15)?;
    has(
        &text(many.path(), &["my images"])?,
        &["15 of 30", "009.png", "and 5 more", "images without labels", "will be off: the data has no test images"],
    );
    // None at all.
    let none = folder(&["cat"], 3, 3)?;
    has(
        &text(none.path(), &["my images", "--sheet", "sheet.png"])?,
        &["none can be read", "3 of 3 training images", "refused"],
    );
    assert!(image::open(none.path().join("sheet.png")).is_ok());
    Ok(())
}

#[test]
fn bad_usage_has_its_line() -> Result {
    let folder = tempfile::tempdir()?;
    for (arguments, code, piece) in [
        (&["demo", "--sheet", "sheet.gif"][..], 2, ".png or .svg"),
        (&["nothing-here"], 1, "no such folder"),
        (&["demo", "--limit-train", "few"], 2, "--limit-train"),
        (&["mnist:x"], 2, "unknown kind of data"),
        (&[], 2, "Usage"),
    ] {
        let output = data(folder.path(), arguments)?;
        let error = String::from_utf8(output.stderr)?;
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
        assert!(error.contains(piece), "{arguments:?}: {error}");
    }
    assert_eq!(std::fs::read_dir(folder.path())?.count(), 0);
    Ok(())
}

/// Packed images are those of the folder, and are trained on and shown as those are.
#[test]
fn a_pack_stands_for_its_folder() -> Result {
    use simsiam::data::{Limits, Spec, open};
    let place = folder(&["ant", "bee"], 12, 2)?;
    let out = data(place.path(), &["pack", "my images", "--out", "a b.pack"])?;
    assert_eq!(out.status.code(), Some(1));
    let error = String::from_utf8(out.stderr)?;
    has(&error, &["2 of 24 images cannot be read", "000.png"]);
    assert_eq!(error.lines().count(), 1, "{error}");
    assert_eq!(std::fs::read_dir(place.path())?.count(), 1, "only the folder");
    let arguments = ["pack", "my images", "--out", "a b.pack", "--max-unreadable", "0.1"];
    let told = text(place.path(), &arguments)?;
    has(&told, &["000.png", "2 images are left out", "22 training images", "--data 'pack:a b.pack'"]);
    let limits = Limits { unreadable: 0.1, ..Limits::default() };
    let files = open(&Spec::Images(place.path().join("my images")), limits.clone())?;
    let pack = open(&Spec::Folder(place.path().join("a b.pack")), limits)?;
    assert_eq!(files.train.len(), 22);
    assert_eq!(files.train.labels(), pack.train.labels());
    assert_eq!(files.classes, pack.classes);
    for index in 0..22 {
        assert_eq!(files.train.read(index)?, pack.train.read(index)?);
        // Without what all of them begin with.
        let (whole, kept) = (files.train.name(index), pack.train.name(index));
        assert!(whole.ends_with(&kept) && kept.ends_with(".png"), "{whole} {kept}");
    }
    Ok(())
}
