//! Small STL-10 folders, good and bad.

use super::*;

const IMAGE: usize = 27_648;

/// Images whose pixel (channel, row, column) says where it is, in the file's order: planes, each column after column.
fn stl_images(count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for image in 0..count {
        for channel in 0..3 {
            for column in 0..96 {
                bytes.extend((0..96).map(|row| value(image, channel, row, column)));
            }
        }
    }
    bytes
}

fn value(image: usize, channel: usize, row: usize, column: usize) -> u8 {
    (100 * image + 77 * channel + 2 * row + 5 * column) as u8
}

/// Four unlabelled, three training and two test images.
pub(super) fn stl10_folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    write("unlabeled_X.bin", &stl_images(4));
    write("train_X.bin", &stl_images(3));
    write("train_y.bin", &[1, 10, 5]);
    write("test_X.bin", &stl_images(2));
    write("test_y.bin", &[2, 3]);
    folder
}

fn open_stl(folder: &Path) -> Result<Dataset, DataError> {
    open(&Spec::Stl10(folder.to_owned()), Limits::default())
}

#[test]
fn planes_of_columns_become_rows_of_pixels() {
    let folder = stl10_folder();
    let data = open_stl(folder.path()).unwrap();
    let lengths = (data.train.len(), data.bank().len(), data.test.len());
    assert_eq!(lengths, (4, 3, 2));
    assert_eq!(data.train.labels(), None);
    assert_eq!(data.bank().labels(), Some(&[0, 9, 4][..]));
    assert_eq!(data.test.labels(), Some(&[1, 2][..]));
    assert_eq!((data.classes.len(), data.classes[7].as_str()), (10, "monkey"));
    assert_eq!(data.train.size(), Some((96, 96)));
    assert!(data.remarks.is_empty(), "{:?}", data.remarks);
    for index in 0..4 {
        let image = data.train.read(index).unwrap();
        assert_eq!((image.width, image.height, image.channels), (96, 96, 3));
        for (at, &pixel) in image.pixels.iter().enumerate() {
            let (row, column, channel) = (at / 3 / 96, at / 3 % 96, at % 3);
            assert_eq!(pixel, value(index, channel, row, column), "{index} {at}");
        }
    }
    assert!(data.train.name(3).ends_with("unlabeled_X.bin image 3"));
    assert!(data.train.read(4).is_err());

    let limits = Limits { train: 2, test: 1, ..Limits::default() };
    let few = open(&Spec::Stl10(folder.path().to_owned()), limits).unwrap();
    assert_eq!((few.train.len(), few.bank().len(), few.test.len()), (2, 3, 1));
    assert_eq!(few.train.read(1).unwrap(), data.train.read(2).unwrap());
}

#[test]
fn without_unlabelled_images_the_labelled_ones_are_trained_on() {
    let folder = stl10_folder();
    fs::remove_file(folder.path().join("unlabeled_X.bin")).unwrap();
    let names = "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n";
    fs::write(folder.path().join("class_names.txt"), names).unwrap();
    let outer = TempDir::new().unwrap();
    fs::rename(folder.path(), outer.path().join("stl10_binary")).unwrap();
    let spec = Spec::Folder(outer.path().to_owned());
    assert_eq!(spec.recognise().unwrap(), Spec::Stl10(outer.path().to_owned()));
    let data = open(&spec, Limits::default()).unwrap();
    assert_eq!((data.train.len(), data.bank.is_none()), (3, true));
    assert_eq!(data.train.labels(), Some(&[0, 9, 4][..]));
    assert_eq!(data.classes[9], "j");
    assert!(
        data.remarks[0].contains("has no unlabeled_X.bin: the 3 labelled images are trained on"),
        "{:?}",
        data.remarks
    );
}

#[test]
fn bad_stl_files() {
    let error = |name: &str, bytes: &[u8]| {
        let folder = stl10_folder();
        let file = folder.path().join(name);
        fs::write(&file, bytes).unwrap();
        text(open_stl(folder.path()), &file)
    };
    assert!(
        error("train_y.bin", &[1, 11, 5]).contains("label 11 of image 1 is out of range 1 to 10; the file is damaged")
    );
    assert!(error("test_y.bin", &[1, 0]).contains("label 0 of image 1 is out of range 1 to 10"));
    assert!(error("test_y.bin", &[1]).contains("1 labels for 2 images"));
    assert!(error("test_y.bin", &gzip(&[1, 2])).contains("unpack it first"));
    assert!(error("test_y.bin", &[1; 8001]).contains("oversized: more than the 8000 bytes"));
    assert!(error("class_names.txt", b"a\nb").contains("names 2 classes, expected 10"));
    assert!(error("unlabeled_X.bin", &[]).contains("holds no images"));
    let full = stl_images(2);
    for cut in [1, 96, 9216, IMAGE - 1, IMAGE + 1, 2 * IMAGE - 1] {
        let cut = error("test_X.bin", &full[..cut]);
        assert!(cut.contains("no whole number of 27648-byte images,"), "{cut}");
    }
    // Too large by the size alone: nothing of it is read.
    let folder = stl10_folder();
    let file = folder.path().join("train_X.bin");
    let large = fs::File::create(&file).unwrap();
    large.set_len(5001 * IMAGE as u64).unwrap();
    assert!(text(open_stl(folder.path()), &file).contains("oversized"));

    for name in ["train_X.bin", "train_y.bin", "test_X.bin", "test_y.bin"] {
        let folder = stl10_folder();
        fs::remove_file(folder.path().join(name)).unwrap();
        let missing = text(open_stl(folder.path()), folder.path());
        assert!(missing.contains(&format!("{name} is missing")), "{missing}");
    }
}

#[test]
fn a_file_that_shrinks_is_an_error() {
    let folder = stl10_folder();
    let data = open_stl(folder.path()).unwrap();
    let file = folder.path().join("unlabeled_X.bin");
    let length = 3 * IMAGE as u64 + 5;
    let shrunk = fs::OpenOptions::new().write(true).open(&file).unwrap();
    shrunk.set_len(length).unwrap();
    assert!(data.train.read(2).is_ok());
    let error = data.train.read(3).unwrap_err().to_string();
    assert!(error.contains(&format!("it had 110592 bytes when it was opened and now has {length}")), "{error}");
}
