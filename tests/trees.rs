//! Folders that people really have, through the real binary: what is used, what is left out, and that nothing is neither.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use simsiam::data::{self, Limits, Spec};
use simsiam::random::{Draw, Purpose};
use tempfile::TempDir;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Writes a small PNG whose bytes follow from `value`.
fn paint(path: &Path, value: u32) -> Result {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let [a, b, c, _] = value.to_le_bytes();
    image::RgbImage::from_pixel(3, 2, image::Rgb([a, b, c])).save_with_format(path, image::ImageFormat::Png)?;
    Ok(())
}

/// A tree of small pictures.
fn tree(paths: &[&str]) -> Result<TempDir> {
    let folder = TempDir::new()?;
    for (value, path) in (0..).zip(paths) {
        paint(&folder.path().join(path), value)?;
    }
    Ok(folder)
}

fn simsiam(folder: &Path, arguments: &[&str]) -> Result<(bool, String)> {
    let output = Command::new(env!("CARGO_BIN_EXE_simsiam")).args(arguments).current_dir(folder).output()?;
    let text = [output.stdout, output.stderr].concat();
    Ok((output.status.success(), String::from_utf8_lossy(&text).into_owned()))
}

/// What `simsiam data --json` says of a folder.
fn survey(folder: &Path) -> Result<Value> {
    let (good, text) = simsiam(folder, &["data", "folder:.", "--json"])?;
    assert!(good, "{text}");
    Ok(serde_json::from_str(&text)?)
}

/// Images to train on, images to test on, names of the classes.
fn counts(data: &Value) -> (u64, u64, Vec<&str>) {
    let images = |part: &str| data[part]["images"].as_u64().unwrap_or_default();
    let names = data["classes"].as_array().into_iter().flatten();
    (images("train"), images("test"), names.filter_map(|class| class["name"].as_str()).collect())
}

fn left_out(data: &Value) -> u64 {
    data["left_out"].as_array().into_iter().flatten().filter_map(|kind| kind["count"].as_u64()).sum()
}

#[test]
fn a_split_is_one_only_where_the_tree_says_so() -> Result {
    for (paths, expected) in [
        // A class of that name.
        (&["bicycle/1.png", "car/2.png", "train/3.png"][..], (3, 0, &["bicycle", "car", "train"][..])),
        // Names in any case, and others than train and val.
        (&["Train/a/1.png", "Train/b/2.png", "Test/a/3.png", "Test/b/4.png"], (2, 2, &["a", "b"])),
        (&["training/a/1.png", "training/b/2.png", "DEV/a/3.png"], (2, 1, &["a", "b"])),
        // Another folder with the same classes shows that it is one.
        (&["train/a/1.png", "train/b/2.png", "more/a/3.png", "more/b/4.png"], (2, 0, &["a", "b"])),
        // An unpacked archive.
        (&["x/cat/1.png", "x/dog/2.png"], (2, 0, &["cat", "dog"])),
        (&["x/y/train/cat/1.png", "x/y/train/dog/2.png", "x/y/val/dog/3.png"], (2, 1, &["cat", "dog"])),
        (&["test/a/1.png", "test/b/2.png"], (2, 0, &["a", "b"])),
        (&["train/a/1.png", "train/b/2.png"], (2, 0, &["a", "b"])),
        (&["1.png", "2.png", "a/3.png"], (3, 0, &[])),
    ] {
        let folder = tree(paths)?;
        let data = survey(folder.path())?;
        assert_eq!(counts(&data), (expected.0, expected.1, expected.2.to_vec()), "{paths:?}");
        let used = expected.0 + expected.1;
        assert_eq!(used + left_out(&data), paths.len() as u64, "{paths:?}: {}", data["left_out"]);
    }
    let folder = tree(&["test/a/1.png", "val/a/2.png"])?;
    let (good, text) = simsiam(folder.path(), &["data", "."])?;
    assert!(!good && text.contains("holds test, val, and no folder to train on; rename one"), "{text}");
    let folder = tree(&["test/a/1.png", "test/b/2.png"])?;
    let (_, text) = simsiam(folder.path(), &["data", "."])?;
    assert!(text.contains("all images lie in test, named as a split to test on: they are trained on"), "{text}");
    Ok(())
}

#[test]
fn what_looks_like_an_image_is_read_or_named() -> Result {
    let folder = tree(&["1.png", "2.png", "no ending", "photo.dat"])?;
    let at = |name: &str| folder.path().join(name);
    fs::write(at("a.ppm"), b"P6 1 1 255\n\x01\x02\x03")?;
    fs::write(at("IMG_1.HEIC"), b"....ftypheic")?;
    fs::write(at("moved"), b"\0\0\0\x1cftypavif0000")?;
    fs::write(at("raw.CR2"), b"II*\0")?;
    fs::write(at("Poem"), b"P5: a poem")?;
    fs::write(at("notes.txt"), b"no picture")?;
    fs::write(at(".hidden.png"), b"")?;
    let (good, text) = simsiam(folder.path(), &["data", "."])?;
    assert!(good, "{text}");
    for piece in [
        "5 training images",
        "1 HEIC file, which cannot be read: convert it, for example by magick mogrify -format png (IMG_1.HEIC)",
        "1 AVIF file,",
        "1 camera RAW file,",
        "2 files that are no images (Poem, notes.txt)",
        "1 hidden file or folder (.hidden.png)",
    ] {
        assert!(text.contains(piece), "`{piece}` is not in:\n{text}");
    }
    let foreign = TempDir::new()?;
    fs::write(foreign.path().join("1.heic"), b"....ftypheic")?;
    let (good, text) = simsiam(foreign.path(), &["data", "."])?;
    assert!(!good && text.lines().count() == 1, "{text}");
    assert!(text.contains("no image files") && text.contains("1 HEIC file,") && text.contains("convert"), "{text}");
    Ok(())
}

#[test]
fn runs_of_this_program_and_copies_are_seen() -> Result {
    let folder = tree(&["train/a/1.png", "train/b/2.png", "photos-run/views.png"])?;
    let at = |name: &str| folder.path().join(name);
    fs::create_dir_all(at("photos-run/checkpoints"))?;
    fs::write(at("photos-run/config.toml"), "")?;
    fs::create_dir_all(at("val/a"))?;
    fs::copy(at("train/a/1.png"), at("val/a/other name.png"))?;
    paint(&at("val/a/3.png"), 77)?;
    // As long as each other and with the same end, but not equal.
    for (path, first) in [("train/a/4.png", 1), ("val/a/5.png", 2)] {
        fs::write(at(path), [vec![first], vec![0; 9000]].concat())?;
    }
    let data = survey(folder.path())?;
    assert_eq!(counts(&data), (3, 3, vec!["a", "b"]));
    assert_eq!(data["left_out"][0]["reason"], "folders of runs of this program");
    let remarks = data["remarks"].to_string();
    let copy = Path::new("val/a/other name.png").display().to_string();
    assert!(remarks.contains("1 of 3 test images are training images too, such as"), "{remarks}");
    assert!(remarks.contains(&copy.replace('\\', "\\\\")), "{remarks}");
    Ok(())
}

/// A random tree: its files, and of each whether it is an image that can be read.
fn random_tree(folder: &Path, number: u32) -> Result<Vec<(PathBuf, bool)>> {
    let mut draw = Draw::new(18, Purpose::Order, 0, number, 0);
    let mut pick = |of: &[&'static str]| of[draw.below(of.len() as u32) as usize];
    let mut files = Vec::new();
    let mut seen = BTreeSet::new();
    for value in 0..16 {
        let mut path = PathBuf::new();
        for _ in 0..pick(&["", "1", "12", "12", "123"]).len() {
            path.push(pick(&["train", "Test", "val", "cat", "dog", "photos", "x", ".cache"]));
        }
        path.push(pick(&["a", "b", "c", "d", "e", "f"]));
        path.set_extension(pick(&["png", "png", "png", "PNG", "heic", "txt", "", "bin"]));
        if !seen.insert(path.clone()) {
            continue;
        }
        let to = folder.join(&path);
        let ending = path.extension().unwrap_or_default().to_ascii_lowercase();
        let image = ending != "heic" && ending != "txt" && ending != "bin";
        match image {
            true => paint(&to, value)?,
            false => {
                fs::create_dir_all(to.parent().unwrap_or(folder))?;
                fs::write(&to, format!("no image {value}"))?;
            }
        }
        files.push((path, image));
    }
    #[cfg(unix)]
    if number.is_multiple_of(3) && !folder.join("linked").exists() {
        std::os::unix::fs::symlink("nowhere", folder.join("linked.png"))?;
    }
    Ok(files)
}

/// Which images must be used and how many things must be reported, in a few lines of other code.
fn oracle(files: &[(PathBuf, bool)]) -> (usize, usize) {
    let is_hidden = |path: &Path| path.iter().any(|part| part.to_string_lossy().starts_with('.'));
    let visible = files.iter().filter(|(path, _)| !is_hidden(path));
    let images = visible.clone().filter(|(_, image)| *image).count();
    // A hidden folder counts once, whatever is in it.
    let hidden = files.iter().filter(|(path, _)| is_hidden(path)).map(|(path, _)| {
        let depth = path.iter().position(|part| part.to_string_lossy().starts_with('.')).unwrap_or_default();
        path.iter().take(depth + 1).collect::<PathBuf>()
    });
    let others = visible.filter(|(_, image)| !*image).count();
    (images, others + hidden.collect::<BTreeSet<_>>().len())
}

#[test]
fn nothing_in_a_tree_is_neither_used_nor_reported() -> Result {
    for number in 0..50 {
        let folder = TempDir::new()?;
        let files = random_tree(folder.path(), number)?;
        let (images, others) = oracle(&files);
        let (good, text) = simsiam(folder.path(), &["data", "folder:.", "--json"])?;
        if !good {
            let reason = if images == 0 { "no image files" } else { "no folder to train on" };
            assert!(text.contains(reason) && text.lines().count() == 1, "{files:?}: {text}");
            continue;
        }
        let data: Value = serde_json::from_str(&text)?;
        let (train, test, _) = counts(&data);
        let reported = left_out(&data);
        assert_eq!(train + test + reported, (images + others) as u64, "{files:?}: {text}");
        assert!(train > 0 && reported >= others as u64, "{files:?}: {text}");
        // A split is left out only as a whole, with a reason that names it.
        let beside = reported - others as u64;
        assert!(beside == 0 || text.contains("no split in use") || text.contains("beside the splits"), "{text}");
    }
    Ok(())
}

#[test]
fn a_few_photos_train_without_further_settings() -> Result {
    let folder = TempDir::new()?;
    for value in 0..22 {
        paint(&folder.path().join(format!("{value}.png")), value)?;
    }
    fs::write(folder.path().join("22.png"), "no image")?;
    let sets = ["arch=resnet_tiny", "blocks=[1]", "width=4", "dim=16", "projector_hidden=16", "predictor_dim=4"];
    let sets: Vec<String> = sets.iter().map(|set| format!("--set=model.{set}")).collect();
    let mut arguments = vec!["train", "--data", ".", "--out", "run", "--epochs", "1", "--no-tune"];
    arguments.extend(sets.iter().map(String::as_str));
    arguments.push("--set=data.image_size=8");
    let (good, text) = simsiam(folder.path(), &arguments)?;
    assert!(good, "{text}");
    assert!(text.contains("batch    8, to fit 22 training images"), "{text}");
    assert!(text.contains("22.png: cannot be decoded") && text.contains("2 steps"), "{text}");
    arguments[4] = "run2";
    arguments.extend(["--batch-size", "64"]);
    let (good, text) = simsiam(folder.path(), &arguments)?;
    assert!(!good && text.contains("a batch is larger than the 22 training images"), "{text}");
    // The run that lies there now is no data.
    let data = survey(folder.path())?;
    assert_eq!((counts(&data).0, &data["left_out"][0]["reason"]), (23, &"folders of runs of this program".into()));
    Ok(())
}

#[test]
fn a_tenth_is_held_out_by_its_contents() -> Result {
    let folder = TempDir::new()?;
    let at = |class: &str, value: u32| folder.path().join(class).join(format!("{value}.png"));
    for value in 0..200 {
        paint(&at(if value % 2 == 0 { "a" } else { "b" }, value), value)?;
    }
    let open = |holdout: f64| -> Result<(usize, BTreeSet<String>)> {
        let limits = Limits { holdout, ..Limits::default() };
        let data = data::open(&Spec::Images(folder.path().to_owned()), limits)?;
        Ok((data.train.len(), (0..data.test.len()).map(|image| data.test.name(image)).collect()))
    };
    assert_eq!(open(0.0)?, (200, BTreeSet::new()));
    let (train, test) = open(0.1)?;
    assert!(train + test.len() == 200 && (10..=30).contains(&test.len()), "{test:?}");
    // Further images move none.
    for value in 200..300 {
        paint(&at("a", value), value)?;
    }
    let (_, more) = open(0.1)?;
    assert!(more.is_superset(&test) && more.iter().filter(|name| !test.contains(*name)).count() < 25);
    // By default in the preset for folders.
    let (good, text) = simsiam(folder.path(), &["data", "."])?;
    assert!(good && text.contains("of 300 images are held out to test on (data.holdout"), "{text}");
    assert!(text.contains("kNN      will classify the test images"), "{text}");
    Ok(())
}
