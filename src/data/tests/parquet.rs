//! Parquet files as the Hugging Face hub serves them; `tests/data/parquet/make.py` made them.

use super::*;

fn made(name: &str) -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.join("tests/data/parquet").join(name)
}

/// A folder with copies of some of the files: (made, copy's path).
pub(super) fn copies(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (from, to) in files {
        let to = folder.path().join(to);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(made(from), to).unwrap();
    }
    folder
}

fn open_files(path: impl Into<PathBuf>) -> Result<Dataset, DataError> {
    open(&Spec::Parquet(path.into()), Limits::default())
}

/// The number of each image, which its colour tells.
fn numbers(set: &Arc<dyn ImageSet>) -> Vec<u8> {
    let number = |index| {
        let image = set.read(index).unwrap();
        let n = image.pixels[0];
        assert_eq!((image.width, image.height, image.channels), (u32::from(n) % 5 + 1, 2, 3));
        assert_eq!(image.pixels[..3], [n, 2 * n, 3 * n]);
        n
    };
    (0..set.len()).map(number).collect()
}

const HUB: [(&str, &str); 3] = [
    ("train-00001-of-00002.parquet", "data/train-00001-of-00002.parquet"),
    ("train-00000-of-00002.parquet", "data/train-00000-of-00002.parquet"),
    ("test-00000-of-00001.parquet", "data/test-00000-of-00001.parquet"),
];

#[test]
fn splits_rows_and_labels_of_the_hub() {
    let folder = copies(&HUB);
    fs::write(folder.path().join("README.md"), "a card").unwrap();
    let spec = Spec::Folder(folder.path().to_owned());
    assert_eq!(spec.recognise().unwrap(), Spec::Parquet(folder.path().to_owned()));
    let data = open(&spec, Limits::default()).unwrap();
    assert_eq!(data.classes, ["ant", "bee", "cat"]);
    assert_eq!(numbers(&data.train), [0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11]);
    assert_eq!(data.train.labels(), Some(&[0, 1, 2, 0, 2, 0, 1, 2, 0, 1, 2][..]));
    assert_eq!(numbers(&data.test), [20, 21, 22]);
    assert_eq!(data.test.labels(), Some(&[2, 0, 1][..]));
    assert!(data.train.name(4).ends_with("train-00000-of-00002.parquet row 5"));
    assert!(data.train.name(6).ends_with("train-00001-of-00002.parquet row 0"));
    assert_eq!(data.remarks.len(), 1, "{:?}", data.remarks);
    assert!(data.remarks[0].starts_with("1 of 12 rows of "), "{:?}", data.remarks);

    let limits = Limits { train: 4, test: 1, ..Limits::default() };
    let few = open(&spec, limits).unwrap();
    assert_eq!((numbers(&few.train), numbers(&few.test)), (vec![0, 3, 6, 9], vec![20]));
    assert_eq!(few.train.labels(), Some(&[0, 0, 0, 0][..]));
}

#[test]
fn one_file_several_and_folders_of_splits() {
    let [one, two, test] = ["train-00000-of-00002", "train-00001-of-00002", "test-00000-of-00001"]
        .map(|name| made(&format!("{name}.parquet")));
    // Whatever it is called.
    let only = open_files(&test).unwrap();
    assert_eq!((numbers(&only.train), only.test.len()), (vec![20, 21, 22], 0));
    let spec = Spec::from_str(&one.display().to_string()).unwrap();
    assert_eq!(spec.recognise().unwrap(), Spec::Parquet(one.clone()));

    let list = format!("parquet:{},{},{}", one.display(), two.display(), test.display());
    let several = open(&Spec::from_str(&list).unwrap(), Limits::default()).unwrap();
    assert_eq!((several.train.len(), several.test.len()), (11, 3));
    let list = format!("parquet:{},{}", one.display(), folder_of(&two).join("no.parquet").display());
    let missing = open(&Spec::from_str(&list).unwrap(), Limits::default()).unwrap_err();
    assert!(missing.to_string().contains("no.parquet: no such file"), "{missing}");

    // As the hub's own conversion; the validation images go before the test images, whose labels many keep secret.
    let folder = copies(&[
        ("train-00000-of-00002.parquet", "default/train/0000.parquet"),
        ("train-00001-of-00002.parquet", "default/validation/0000.parquet"),
        ("test-00000-of-00001.parquet", "default/test/0000.parquet"),
    ]);
    let data = open_files(folder.path()).unwrap();
    assert_eq!((numbers(&data.train).len(), numbers(&data.test)), (6, vec![7, 8, 9, 10, 11]));
    assert!(
        data.remarks.iter().any(|r| r == "trained on is train, tested on validation; not used: test"),
        "{:?}",
        data.remarks
    );

    let folder = copies(&[
        ("train-00000-of-00002.parquet", "large/train-00000-of-00001.parquet"),
        ("train-00001-of-00002.parquet", "small/train-00000-of-00001.parquet"),
    ]);
    let error = text(open_files(folder.path()), folder.path());
    assert!(
        error.contains("several data sets (large, small); say which, such as parquet:") && error.ends_with("large"),
        "{error}"
    );
    let empty = TempDir::new().unwrap();
    assert!(text(open_files(empty.path()), empty.path()).contains("no *.parquet files"));
}

fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap()
}

#[test]
fn other_columns_labels_and_codecs() {
    let plain = open_files(made("plain.parquet")).unwrap();
    assert_eq!(numbers(&plain.train), [0, 1, 2, 3, 4]);
    assert_eq!(plain.classes, ["cat", "dog", "emu"]);
    assert_eq!(plain.train.labels(), Some(&[1, 0, 1, 2, 0][..]));

    let secret = open_files(made("secret.parquet")).unwrap();
    assert_eq!((secret.train.labels(), secret.classes.len()), (None, 0));
    let some = open_files(made("numbers.parquet")).unwrap();
    assert_eq!(some.train.labels(), None);
    assert_eq!(some.remarks, ["1 of 3 training images have no label: the others' are not used"]);

    for codec in ["gzip", "lz4", "none"] {
        let data = open_files(made(&format!("{codec}.parquet"))).unwrap();
        assert_eq!((numbers(&data.train), data.train.labels()), (vec![0, 1, 2], None));
    }
    let zstd = made("zstd.parquet");
    let error = text(open_files(&zstd), &zstd);
    assert!(error.contains("compressed with zstd, which is not read here; write it with snappy"), "{error}");
    let texts = made("texts.parquet");
    let error = text(open_files(&texts), &texts);
    assert!(error.contains("none of its columns (caption, number) is known to hold images"), "{error}");

    // Files that do not belong together.
    let folder = copies(&[
        ("plain.parquet", "train-00000-of-00002.parquet"),
        ("numbers.parquet", "train-00001-of-00002.parquet"),
    ]);
    let mixed = open_files(folder.path()).unwrap();
    assert_eq!((mixed.train.len(), mixed.train.labels()), (8, None));
    assert!(
        mixed.remarks[0].contains("labels are not used: some are numbers and some are texts"),
        "{:?}",
        mixed.remarks
    );
}

#[test]
fn cut_and_damaged_files_are_errors_and_never_panics() {
    let good = fs::read(made("train-00000-of-00002.parquet")).unwrap();
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("damaged.parquet");
    let write = |bytes: &[u8]| {
        let _ = fs::remove_file(&file);
        fs::write(&file, bytes).unwrap();
    };
    for length in (0..good.len()).step_by(37) {
        write(&good[..length]);
        let error = text(open_files(&file), &file);
        assert!(error.contains("download it again"), "{length}: {error}");
    }
    // An error, or images: its pages carry no checksums.
    for at in (0..good.len()).step_by(11) {
        let mut damaged = good.clone();
        damaged[at] ^= 1 << (at % 8);
        write(&damaged);
        if let Ok(data) = open_unchecked(&Spec::Parquet(file.clone()), Limits::default(), &mut |_| {}) {
            for index in 0..data.train.len() {
                let _ = data.train.read(index);
            }
        }
    }
}

/// What fuzzing found: with these bytes the crate itself panics (60.1.0), and so might others with others.
#[test]
fn panics_of_the_crate_are_errors() {
    let good = fs::read(made("none.parquet")).unwrap();
    let folder = TempDir::new().unwrap();
    for (at, byte, why) in [
        (5, 2, "a page that needs a dictionary before which there is none"),
        (14, 8, "levels that are longer than their page"),
        (608, 129, "a column that begins before the file"),
    ] {
        let mut damaged = good.clone();
        damaged[at] = byte;
        let file = folder.path().join(format!("{at}.parquet"));
        fs::write(&file, damaged).unwrap();
        let error = text(open_files(&file), &file);
        assert!(error.contains("it is damaged; download it again"), "{why}: {error}");
    }
}
