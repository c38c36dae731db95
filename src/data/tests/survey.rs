//! Surveys of small folders against numbers worked out by hand.

use image::{DynamicImage, GrayImage, ImageBuffer, Luma, RgbImage};

use super::super::survey::{Class, SetSurvey, survey};
use super::*;

fn save(image: impl Into<DynamicImage>, folder: &Path, name: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    image.into().save(path).unwrap();
}

/// Two classes, gray, gray with 16 bits, colour, and a broken file.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    let root = folder.path();
    let gray = GrayImage::from_raw(2, 1, vec![0, 255]).unwrap();
    save(gray, root, "train/a/gray.png");
    let deep: ImageBuffer<Luma<u16>, _> = ImageBuffer::from_raw(1, 1, vec![0x3333]).unwrap();
    save(deep, root, "train/a/deep.png");
    let colour = RgbImage::from_raw(1, 2, vec![255, 0, 51, 0, 0, 153]).unwrap();
    save(colour, root, "train/b/colour.png");
    fs::write(root.join("train/b/broken.png"), "no image").unwrap();
    save(GrayImage::new(3, 3), root, "test/a/black.png");
    folder
}

fn close(found: [f64; 3], expected: [f64; 3]) {
    let near = |(a, b): (f64, f64)| (a - b).abs() < 1e-12;
    assert!(found.into_iter().zip(expected).all(near), "{found:?}, expected {expected:?}");
}

#[test]
fn a_folder_in_numbers() {
    let folder = folder();
    let spec = Spec::Folder(folder.path().to_owned());
    let data = open_unchecked(&spec, Limits::default(), &mut |_| {}).unwrap();
    let mut reported = Vec::new();
    let survey = survey(&data, &mut |done, of| reported.push((done, of)));
    assert_eq!(reported, [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]);

    let train = &survey.train;
    assert_eq!((train.images, train.readable(), train.unreadable), (4, 3, 1));
    assert_eq!((train.gray, train.colour, train.bytes), (2, 1, 2 + 1 + 6));
    assert!(train.labelled);
    assert_eq!(train.problems.len(), 1);
    assert!(train.problems[0].contains("broken.png: cannot be decoded"), "{:?}", train.problems);
    // Two pixels both ways: the narrower one is first.
    let sizes = train.sizes.unwrap();
    assert_eq!((sizes.smallest, sizes.median, sizes.largest), ([1, 1], [1, 2], [2, 1]));
    assert_eq!(sizes.one(), None);
    // In fifths of 255 red is 0 5 1 5 0, green 0 5 1 0 0, blue 0 5 1 1 3.
    close(train.mean, [0.44, 0.24, 0.4]);
    close(train.std, [5.36_f64, 3.76, 3.2].map(|v| v.sqrt() / 5.0));

    assert_eq!(survey.bank, None);
    assert_eq!(survey.test.sizes.unwrap().one(), Some([3, 3]));
    assert_eq!((survey.test.gray, survey.test.bytes), (1, 9));
    assert_eq!(survey.test.mean, [0.0; 3]);
    let class = |label, name: &str, train, test| Class { label, name: name.to_owned(), train, bank: None, test };
    assert_eq!(survey.classes, [class(0, "a", 2, 1), class(1, "b", 2, 0)]);
}

#[test]
fn images_in_memory_have_the_same_mean_to_the_bit() {
    let demo = open(&Spec::Demo, Limits::default()).unwrap();
    let found = survey(&demo, &mut |_, _| {});
    assert_eq!((found.train.mean, found.train.std), images(&demo.train).mean_std());
    assert_eq!(found.train.bytes, 5000 * 784);
    assert_eq!(found.classes.iter().map(|c| c.train).sum::<usize>(), 5000);
    assert_eq!(found.classes[9].name, "Ankle boot");
}

#[test]
fn a_bank_is_a_part_of_its_own() {
    let set = |labels: Option<Vec<u32>>| -> Arc<dyn ImageSet> {
        let pixels = vec![7; labels.as_ref().map_or(5, Vec::len)];
        Arc::new(Images::new(1, 1, 1, pixels, labels).unwrap())
    };
    let data = Dataset {
        bank: Some(set(Some(vec![0, 0, 9]))),
        classes: vec!["zero".to_owned(), "one".to_owned()],
        ..Dataset::new(set(None), set(Some(vec![1])))
    };
    let found = survey(&data, &mut |_, _| {});
    assert_eq!((found.train.images, found.train.labelled), (5, false));
    assert_eq!(found.bank.as_ref().map(|bank| bank.images), Some(3));
    let kinds: Vec<&str> = found.parts().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["training", "labelled", "test"]);
    let classes: Vec<_> = found.classes.iter().map(|c| (&*c.name, c.voters(), c.test)).collect();
    // A label without a name is a class too.
    assert_eq!(classes, [("zero", 2, 0), ("one", 0, 1), ("9", 1, 0)]);
}

#[test]
fn more_than_the_share_are_refused() {
    let part = |images, unreadable| SetSurvey { images, unreadable, ..SetSurvey::default() };
    assert!(!part(1000, 10).refused(0.01) && part(1000, 11).refused(0.01));
    // Of small sets a few.
    assert!(!part(100, 3).refused(0.01) && part(100, 4).refused(0.01) && !part(100, 4).refused(0.04));
    assert!(!part(20, 1).refused(0.01) && part(19, 1).refused(0.01));
    assert!(!part(0, 0).refused(0.0) && part(100, 1).refused(0.0));
}
