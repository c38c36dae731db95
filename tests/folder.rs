//! Folders of image files: every format against Pillow, trees of all shapes, and files that mean no good.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use simsiam::config::{Background, EvalCrop};
use simsiam::data::{self, Dataset, Decoding, Limits, Spec, decode};
use tempfile::TempDir;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/decode")
}

fn open(folder: &Path, limits: Limits) -> std::result::Result<Dataset, String> {
    data::open(&Spec::Images(folder.to_owned()), limits).map_err(|e| e.to_string())
}

/// Writes a picture of one colour; its format follows from the name.
fn paint(path: &Path, width: u32, height: u32, value: u8) -> Result {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let pixel = image::Rgb([value, 255 - value, 40]);
    image::RgbImage::from_pixel(width, height, pixel).save(path)?;
    Ok(())
}

/// `tests/data/decode/generate.py` made the files and what Pillow reads from them.
#[test]
fn every_format_decodes_as_pillow_decodes_it() -> Result {
    let mut checked = 0;
    for entry in fs::read_dir(fixtures())? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let made = [".expected.", ".scaled.", ".on_", ".py", "float.tif"];
        if made.iter().any(|part| name.contains(part)) {
            continue;
        }
        let image = decode(&fs::read(&path)?, PLAIN).map_err(|e| format!("{name}: {e}"))?;
        let expected = image::open(format!("{}.expected.png", path.display()))?;
        let size = (expected.width(), expected.height());
        assert_eq!((image.width, image.height), size, "{name}");
        let gray = !expected.color().has_color();
        assert_eq!(image.channels == 1, gray, "{name}");
        let expected = match gray {
            true => expected.into_luma8().into_raw(),
            false => expected.into_rgb8().into_raw(),
        };
        // Lossless formats are exact; of a JPEG the expected values are those before it was compressed, or another decoder's.
        let (most, mean) = match name.ends_with(".jpg") || name.ends_with(".mpo") {
            true => (8, 1.0),
            false => (0, 0.0),
        };
        let differences: Vec<u8> = image.pixels.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).collect();
        let sum: f64 = differences.iter().map(|&d| f64::from(d)).sum();
        assert!(differences.iter().all(|d| *d <= most), "{name}: {:?}", differences.iter().max());
        assert!(sum / differences.len() as f64 <= mean, "{name}: {}", sum / differences.len() as f64);
        checked += 1;
    }
    assert_eq!(checked, 23);
    Ok(())
}

/// As Pillow's `convert("RGB")`: transparency is dropped, and the upper 8 of 16 bits are kept.
const PLAIN: Decoding = Decoding { background: Background(None), white_level: Some(u16::MAX) };

#[test]
fn transparency_is_composed_and_sixteen_bits_are_scaled() -> Result {
    let orange = Decoding { background: "#ff8000".parse()?, ..PLAIN };
    let on_white = Decoding { background: Background::WHITE, ..PLAIN };
    let twelve = Decoding { white_level: Some(4095), ..PLAIN };
    for (name, decoding, expected, channels) in [
        ("rgba.png", on_white, "on_white.png", 3),
        ("rgba.png", orange, "on_orange.png", 3),
        ("gray_alpha.png", on_white, "on_white.png", 1),
        ("gray_alpha.png", orange, "on_orange.png", 3),
        ("gray12.png", twelve, "scaled.png", 1),
        ("gray12.tif", twelve, "scaled.png", 1),
    ] {
        let image = decode(&fs::read(fixtures().join(name))?, decoding)?;
        let expected = image::open(fixtures().join(format!("{name}.{expected}")))?;
        let expected = if channels == 1 { expected.into_luma8().into_raw() } else { expected.into_rgb8().into_raw() };
        assert_eq!((image.channels, image.pixels.len()), (channels, expected.len()), "{name}");
        let worst = image.pixels.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(worst <= Some(1), "{name}: {worst:?}");
        assert_eq!((image.info.transparent, image.info.peak.is_some()), (!name.contains("12"), name.contains("12")));
    }
    let error = decode(&fs::read(fixtures().join("float.tif"))?, PLAIN).err().unwrap_or_default();
    assert!(error.contains("a TIFF of 32-bit floats") && error.contains("convert"), "{error}");
    Ok(())
}

#[test]
fn a_file_that_ends_early_is_no_picture() -> Result {
    for name in
        ["rgb.jpg", "progressive.jpg", "orientation6.jpg", "rgba.png", "rgb.webp", "rgb.bmp", "rgb.tif", "frames.gif"]
    {
        let bytes = fs::read(fixtures().join(name))?;
        for tenth in 0..10 {
            let part = &bytes[..bytes.len() * tenth / 10];
            // The first frame of an animation is whole before its file is.
            if name == "frames.gif" && tenth >= 5 {
                continue;
            }
            assert!(decode(part, Decoding::default()).is_err(), "{name} up to {tenth} tenths");
        }
    }
    Ok(())
}

#[test]
fn trees_of_all_shapes() -> Result {
    let folder = TempDir::new()?;
    let at = |path: &str| folder.path().join(path);
    for (path, value) in [
        ("train/cat/1.png", 1),
        ("train/cat/deep/below/2.PNG", 2),
        ("train/dog/3.bmp", 3),
        ("val/dog/4.png", 4),
        ("val/cat/5.png", 5),
        ("test/cat/6.png", 6),
        ("train/dog/.hidden.png", 7),
        ("train/.trash/8.png", 8),
    ] {
        paint(&at(path), 3, 2, value)?;
    }
    fs::write(at("train/dog/notes.txt"), "no picture")?;
    // Contents count, not names.
    fs::copy(fixtures().join("rgb.jpg"), at("train/dog/9.png"))?;
    let data = open(folder.path(), Limits::default())?;
    let names = |part: &dyn data::ImageSet| -> Vec<String> { (0..part.len()).map(|i| part.name(i)).collect() };
    assert_eq!(
        names(&*data.train),
        ["train/cat/1.png", "train/cat/deep/below/2.PNG", "train/dog/3.bmp", "train/dog/9.png"]
    );
    assert_eq!(data.train.labels(), Some(&[0, 0, 1, 1][..]));
    assert_eq!(data.test.labels(), Some(&[0, 1][..]));
    assert_eq!(data.classes, ["cat", "dog"]);
    let first = data.train.read(1)?;
    assert_eq!((first.width, first.height, first.channels), (3, 2, 3));
    assert_eq!(first.pixels[..3], [2, 253, 40]);
    assert_eq!((data.train.size(), data.train.read(3)?.width), (None, 40));
    assert!(data.warnings()[0].contains("image of test, which is no split in use"), "{:?}", data.warnings());
    // Spread evenly, so that no class is left out.
    let few = open(folder.path(), Limits { train: 2, ..Limits::default() })?;
    assert_eq!(few.train.labels(), Some(&[0, 1][..]));

    // Without splits: classes, but nothing to classify.
    let data = open(&at("train"), Limits::default())?;
    assert_eq!((data.train.len(), data.test.len(), data.classes.len()), (4, 0, 2));
    assert!(data.remarks[0].contains("no test images"), "{:?}", data.remarks);
    // Flat.
    let data = open(&at("train/dog"), Limits::default())?;
    assert_eq!((data.train.len(), data.train.labels(), data.classes.len()), (2, None, 0));
    assert!(data.remarks.is_empty());
    // Some loose, some in folders.
    paint(&at("train/loose.png"), 1, 1, 0)?;
    let data = open(folder.path(), Limits::default())?;
    assert_eq!(data.train.labels(), None);
    assert!(data.remarks.iter().any(|r| r.contains("1 of 5 images lie in no subfolder")));

    let empty = TempDir::new()?;
    let error = open(empty.path(), Limits::default()).err().unwrap_or_default();
    assert!(error.contains("no image files"), "{error}");
    assert!(matches!(Spec::Folder(at("train")).recognise()?, Spec::Images(_)));
    Ok(())
}

/// A PNG header that promises this many pixels, and next to nothing behind it.
fn bomb(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = fs::read(fixtures().join("rgba.png")).unwrap_or_default();
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    let mut crc = flate2::Crc::new();
    crc.update(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&crc.sum().to_be_bytes());
    bytes
}

/// Forty good photos and everything that has ever been found in a downloads folder. Returns how many files cannot be decoded.
fn hostile(folder: &Path) -> Result<usize> {
    for i in 0..40 {
        paint(&folder.join(format!("good/{i:02}.png")), 20 + i, 30, i as u8)?;
    }
    let mut bad = 0;
    let mut add = |name: &str, bytes: &[u8]| -> Result {
        fs::write(folder.join(name), bytes)?;
        bad += 1;
        Ok(())
    };
    let photo = fs::read(fixtures().join("rgb.jpg"))?;
    for tenth in 0..10 {
        add(&format!("cut{tenth}.jpg"), &photo[..photo.len() * tenth / 10])?;
    }
    add("text.jpg", b"this is no picture")?;
    add("bomb.png", &bomb(100_000, 100_000))?;
    add("bomb2.png", &bomb(u32::MAX, u32::MAX))?;
    add("none.png", &bomb(0, 5))?;
    paint(&folder.join("one.png"), 1, 1, 9)?;
    paint(&folder.join("wide.png"), 20_000, 20, 9)?;
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        use std::os::unix::fs::{PermissionsExt, symlink};
        let name = std::ffi::OsStr::from_bytes(b"not \xff utf-8\n.png");
        // Some file systems refuse such a name.
        let _ = fs::copy(folder.join("one.png"), folder.join(name));
        symlink(folder, folder.join("loop"))?;
        symlink(folder.join("nowhere"), folder.join("dangling.png"))?;
        fs::create_dir(folder.join("locked"))?;
        paint(&folder.join("locked/in.png"), 4, 4, 4)?;
        fs::set_permissions(folder.join("locked"), fs::Permissions::from_mode(0o000))?;
    }
    Ok(bad)
}

fn simsiam(arguments: &[&str]) -> Result<Output> {
    Ok(Command::new(env!("CARGO_BIN_EXE_simsiam")).args(arguments).output()?)
}

#[test]
fn hostile_files_are_refused_or_left_out() -> Result {
    let (folder, runs) = (TempDir::new()?, TempDir::new()?);
    let bad = hostile(folder.path())?;
    let run = runs.path().join("run");
    let data = folder.path().display().to_string();
    let out = run.display().to_string();
    let mut arguments =
        vec!["train", "--data", &data, "--out", &out, "--epochs", "1", "--batch-size", "8", "--no-tune"];
    for setting in [
        "model.arch=resnet_tiny",
        "model.blocks=[1]",
        "model.width=4",
        "model.dim=16",
        "model.projector_hidden=16",
        "model.predictor_dim=4",
        "data.image_size=16",
    ] {
        arguments.extend(["--set", setting]);
    }
    let refused = simsiam(&arguments)?;
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{text}");
    assert!(text.contains(&format!("{bad} of ")) && text.contains("data.max_unreadable"), "{text}");
    assert!(text.contains("cut0.jpg") || text.contains("bomb.png"), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(!run.exists());

    arguments.extend(["--set", "data.max_unreadable=0.5"]);
    let works = simsiam(&arguments)?;
    let (text, errors) = (String::from_utf8_lossy(&works.stdout), String::from_utf8_lossy(&works.stderr));
    assert_eq!(works.status.code(), Some(0), "{text}{errors}");
    assert!(text.contains(&format!("{bad} of ")) && text.contains("are left out"), "{text}");
    assert!(text.contains("truncated") && text.contains("passed over: "), "{text}");
    assert!(text.contains("kNN is off") && text.contains("done in"), "{text}");
    assert!(image::open(run.join("views.png"))?.width() > 1000);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // Or the folder could not be removed.
        fs::set_permissions(folder.path().join("locked"), fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// Files that break while a training goes on.
#[test]
fn a_photo_that_breaks_later_is_skipped_and_named_once() -> Result {
    use simsiam::augment::{Loader, Pace, Views};
    let folder = TempDir::new()?;
    for i in 0..20 {
        paint(&folder.path().join(format!("{i:02}.png")), 8, 8, 10 * i as u8)?;
    }
    let data = open(folder.path(), Limits::default())?;
    fs::write(folder.path().join("05.png"), "gone")?;
    let loader = |unreadable: f64| {
        let pace = Pace { threads: 2, ahead: 4 };
        Loader::new(data.train.clone(), Views::Evaluation { size: 4, crop: EvalCrop::Square }, unreadable, pace, 0..20)
    };
    let mut patient = loader(0.05);
    let batch = patient.next_batch(20)?;
    let mut expected: Vec<u32> = (0..20).collect();
    expected[5] = 6;
    assert_eq!(batch.images, expected);
    let remarks = patient.remarks();
    assert!(remarks.len() == 1 && remarks[0].contains("05.png"), "{remarks:?}");
    assert!(patient.remarks().is_empty());
    let error = loader(0.0).next_batch(20).err().map(|e| e.to_string());
    assert!(error.is_some_and(|e| e.contains("1 of 20 images cannot be read")));
    Ok(())
}

/// A file is recognised by its first bytes, and of what is no regular file none is read.
#[cfg(unix)]
#[test]
fn what_is_no_image_is_not_read_to_its_end() -> Result {
    let folder = TempDir::new()?;
    for name in ["a", "b", "c"] {
        paint(&folder.path().join(name).with_extension("png"), 8, 8, 7)?;
    }
    let data = open(folder.path(), Limits::default())?;
    let problem = |image: usize| data.train.read(image).err().map(|e| e.to_string()).unwrap_or_default();
    let at = |name: &str| folder.path().join(name);
    // Two gigabytes of nothing, which take no space.
    fs::File::create(at("a.png"))?.set_len((1 << 31) - 1)?;
    // A good image with as much behind it.
    fs::OpenOptions::new().write(true).open(at("b.png"))?.set_len((1 << 31) - 1)?;
    fs::remove_file(at("c.png"))?;
    assert!(Command::new("mkfifo").arg(at("c.png")).status()?.success());
    let began = std::time::Instant::now();
    assert!(problem(0).contains("its contents are no image of a known format"), "{}", problem(0));
    assert_eq!(data.train.read(1).map(|image| image.width).map_err(|e| e.to_string()), Ok(8));
    assert!(problem(2).contains("it is a pipe, socket or device, not a regular file"), "{}", problem(2));
    // To read one of them takes longer.
    assert!(began.elapsed().as_millis() < 500, "{:?}", began.elapsed());
    Ok(())
}
