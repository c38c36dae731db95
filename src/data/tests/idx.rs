//! Small idx folders, good and bad.

use super::*;

fn idx_images(count: u32, height: u32, width: u32, pixels: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, 3];
    for n in [count, height, width] {
        bytes.extend(n.to_be_bytes());
    }
    bytes.extend(pixels);
    bytes
}

fn idx_labels(labels: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, 1];
    bytes.extend((labels.len() as u32).to_be_bytes());
    bytes.extend(labels);
    bytes
}

pub(super) const TRAIN: &str = "train-images-idx3-ubyte";

const TRAIN_LABELS: &str = "train-labels-idx1-ubyte";

const TEST: &str = "t10k-images-idx3-ubyte";

const TEST_LABELS: &str = "t10k-labels-idx1-ubyte";

/// Three training and two test images, 3 wide and 2 high.
pub(super) fn idx_folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, bytes: Vec<u8>| fs::write(folder.path().join(name), bytes).unwrap();
    write(TRAIN, idx_images(3, 2, 3, &(0..18).collect::<Vec<u8>>()));
    write(TRAIN_LABELS, idx_labels(&[7, 0, 9]));
    write(TEST, idx_images(2, 2, 3, &(100..112).collect::<Vec<u8>>()));
    write(TEST_LABELS, idx_labels(&[1, 2]));
    folder
}

fn open_idx(folder: &Path) -> Result<Dataset, DataError> {
    open(&Spec::Idx(folder.to_owned()), Limits::default())
}

/// The error after `change` to a fresh idx folder, which must blame `file`.
fn idx_error(file: &str, change: impl Fn(&Path)) -> String {
    let folder = idx_folder();
    change(&folder.path().join(file));
    text(open_idx(folder.path()), &folder.path().join(file))
}

#[test]
fn idx_is_read_plain_gzipped_and_in_both_spellings() {
    let folder = idx_folder();
    let plain = open_idx(folder.path()).unwrap();
    assert_eq!((images(&plain.train).width, images(&plain.train).height, plain.train.len()), (3, 2, 3));
    assert_eq!(images(&plain.train).labels.as_deref(), Some(&[7, 0, 9][..]));
    assert_eq!(images(&plain.train).image(1), Some(&[6, 7, 8, 9, 10, 11][..]));
    assert_eq!((images(&plain.train).image(3), images(&plain.train).image(usize::MAX)), (None, None));
    assert_eq!(images(&plain.test).pixels, (100..112).collect::<Vec<u8>>());
    assert_eq!(plain.classes.len(), 10);

    for name in [TRAIN, TRAIN_LABELS, TEST, TEST_LABELS] {
        let path = folder.path().join(name);
        let new = folder.path().join(format!("{}.gz", name.replace("-idx", ".idx")));
        fs::write(new, gzip(&fs::read(&path).unwrap())).unwrap();
        fs::remove_file(path).unwrap();
    }
    same(&open_idx(folder.path()).unwrap(), &plain);
    // Gzipped without saying so, and the other way round.
    fs::rename(folder.path().join("train-images.idx3-ubyte.gz"), folder.path().join(TRAIN)).unwrap();
    same(&open_idx(folder.path()).unwrap(), &plain);

    let limits = Limits { train: 2, test: 1, ..Limits::default() };
    let few = open(&Spec::Idx(folder.path().to_owned()), limits).unwrap();
    assert_eq!(
        (images(&few.train).pixels.len(), images(&few.train).labels.as_deref().unwrap().len(), few.test.len()),
        (12, 2, 1)
    );
}

#[test]
fn idx_headers_are_not_trusted() {
    let error = idx_error(TRAIN, |file| fs::write(file, idx_images(3, 2, 3, &[0; 17])).unwrap());
    assert!(error.ends_with("truncated: 33 where 34 bytes are expected; download it again"), "{error}");
    let error = idx_error(TRAIN, |file| fs::write(file, idx_images(3, 2, 3, &[0; 19])).unwrap());
    assert!(error.contains("oversized: more than the 34 bytes expected"), "{error}");
    let error = idx_error(TEST_LABELS, |file| fs::write(file, [0, 0, 8, 1, 0, 0, 0, 2, 1]).unwrap());
    assert!(error.contains("truncated: 9 where 10 bytes"), "{error}");
    let error = idx_error(TEST_LABELS, |file| fs::write(file, [0, 0, 8, 1, 0, 0, 0, 2, 1, 1, 1]).unwrap());
    assert!(error.contains("oversized: more than the 10 bytes"), "{error}");
    // Numbers whose product overflows 64 bits, plain and gzipped: nothing of that size may be allocated.
    for pack in [|bytes: Vec<u8>| bytes, |bytes: Vec<u8>| gzip(&bytes)] {
        let error =
            idx_error(TRAIN, |file| fs::write(file, pack(idx_images(u32::MAX, u32::MAX, u32::MAX, &[1; 9]))).unwrap());
        assert!(error.contains("truncated") && error.contains("79228162458924105385300197391 bytes"), "{error}");
        let error = idx_error(TRAIN, |file| fs::write(file, pack(idx_images(0, 2, 3, &[]))).unwrap());
        assert!(error.contains("holds no images"), "{error}");
        let error = idx_error(TRAIN, |file| fs::write(file, pack(idx_images(3, 0, 3, &[]))).unwrap());
        assert!(error.contains("images of 3x0 pixels"), "{error}");
        let error = idx_error(TRAIN, |file| fs::write(file, pack(idx_labels(&[1, 2, 3]))).unwrap());
        assert!(
            error.contains("wrong magic number 0x00000801, expected 0x00000803 (unsigned bytes, 3 dimensions: images)"),
            "{error}"
        );
        let error = idx_error(TRAIN_LABELS, |file| fs::write(file, pack(idx_images(3, 2, 3, &[0; 18]))).unwrap());
        assert!(error.contains("wrong magic number 0x00000803, expected 0x00000801"), "{error}");
        let error = idx_error(TRAIN_LABELS, |file| fs::write(file, pack(idx_labels(&[1, 2]))).unwrap());
        assert!(error.contains("2 labels for 3 images"), "{error}");
        let error = idx_error(TEST_LABELS, |file| fs::write(file, pack(idx_labels(&[1, 10]))).unwrap());
        assert!(
            error.contains("label 10 of image 1 is out of range 0 to 9; download it again, or name all classes"),
            "{error}"
        );
    }
    let error = idx_error(TRAIN, |file| fs::write(file, b"").unwrap());
    assert!(error.contains("truncated: 0 where 4 bytes are expected"), "{error}");
    let error = idx_error(TRAIN, |file| fs::write(file, gzip(&idx_images(3, 2, 3, &[0; 17]))).unwrap());
    assert!(error.contains("truncated: 33 (unpacked) where 34 bytes"), "{error}");
    // A bomb: a megabyte of zeros in a kilobyte stops at the expected length.
    let error = idx_error(TRAIN, |file| fs::write(file, gzip(&idx_images(3, 2, 3, &vec![0; 1 << 20]))).unwrap());
    assert!(error.contains("oversized: more than the 34 bytes"), "{error}");
    let error = idx_error(TRAIN, |file| {
        let mut bytes = gzip(&idx_images(3, 2, 3, &[0; 18]));
        let checksum = bytes.len() - 8;
        bytes[checksum] ^= 1;
        fs::write(file, bytes).unwrap();
    });
    assert!(error.contains("damaged gzip data"), "{error}");
}

#[test]
fn more_classes_need_names() {
    let folder = idx_folder();
    let file = folder.path().join("classes.txt");
    let names: Vec<String> = (0..26).map(|n| format!("letter {n}")).collect();
    fs::write(&file, names.join("\n") + "\n\n").unwrap();
    fs::write(folder.path().join(TRAIN_LABELS), idx_labels(&[25, 0, 9])).unwrap();
    assert_eq!(open_idx(folder.path()).unwrap().classes, names);
    fs::write(&file, "").unwrap();
    assert!(text(open_idx(folder.path()), &file).contains("names 0 classes, expected 1 to 256"));
    fs::write(&file, vec![b'a'; 1 << 17]).unwrap();
    assert!(text(open_idx(folder.path()), &file).contains("oversized"));
    fs::write(&file, [0xff, 0xfe]).unwrap();
    assert!(text(open_idx(folder.path()), &file).contains("no UTF-8 text"));
}

#[test]
fn missing_things_are_named() {
    let folder = idx_folder();
    fs::remove_file(folder.path().join(TEST_LABELS)).unwrap();
    let error = text(open_idx(folder.path()), folder.path());
    assert!(error.contains("t10k-labels-idx1-ubyte (or .gz) is missing"), "{error}");
    // A folder of that name is no file.
    fs::create_dir(folder.path().join(TEST_LABELS)).unwrap();
    assert!(text(open_idx(folder.path()), folder.path()).contains("is missing"));
    let nowhere = folder.path().join("nowhere");
    assert!(text(open_idx(&nowhere), &nowhere).contains("no such folder"));
    let file = folder.path().join(TRAIN);
    assert!(text(open_idx(&file), &file).contains("is not a folder"));
}

#[test]
fn train_and_test_must_be_alike() {
    let error = {
        let folder = idx_folder();
        fs::write(folder.path().join(TEST), idx_images(2, 3, 3, &[0; 18])).unwrap();
        text(open_idx(folder.path()), folder.path())
    };
    assert!(error.contains("training images are 3x2 but test images 3x3 pixels"), "{error}");
}

/// Every prefix of every file, and every single damaged byte, plain and gzipped: an error or a data set, never a panic.
#[test]
fn no_damage_makes_it_panic() {
    for packed in [false, true] {
        for name in [TRAIN, TRAIN_LABELS] {
            let folder = idx_folder();
            let file = folder.path().join(name);
            let good = fs::read(&file).unwrap();
            let good = if packed { gzip(&good) } else { good };
            for length in 0..good.len() {
                fs::write(&file, &good[..length]).unwrap();
                let error = text(open_idx(folder.path()), &file);
                // Below two bytes a gzipped file looks like a plain one.
                assert!(error.contains("truncated"), "{length}: {error}");
            }
            for at in 0..good.len() {
                let mut bad = good.clone();
                bad[at] ^= 0xff;
                fs::write(&file, bad).unwrap();
                let _ = open_idx(folder.path()).map_err(|e| e.to_string());
            }
        }
    }
}

fn same(a: &Dataset, b: &Dataset) {
    assert_eq!(images(&a.train), images(&b.train));
    assert_eq!(images(&a.test), images(&b.test));
    assert_eq!((&a.name, &a.classes), (&b.name, &b.classes));
}
