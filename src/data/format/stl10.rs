//! The binary version of STL-10: images of 96x96 pixels as three planes (red, green, blue), each column after column; labels from 1
//! to 10, a byte each.
//!
//! The originals are `unlabeled_X.bin` (100,000 images), `train_X.bin` with `train_y.bin` (5,000), `test_X.bin` with `test_y.bin`
//! (8,000) and `class_names.txt`. Fewer images are accepted as long as they are whole, so that a set can be cut down; more, or a part
//! of an image, is an error. Images stay on the disk (2.7 GB) and are read by position when they are needed; not by a memory map,
//! because a file that shrinks under a map ends the program with a signal where a read gives an error.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::data::read::positioned::Positioned;
use crate::data::read::source::{ByteSource, lines};
use crate::data::{DataError, Dataset, Image, ImageSet, Limits, PixelInfo, Subset};

const SIDE: usize = 96;
const PLANE: usize = SIDE * SIDE;
const IMAGE: usize = 3 * PLANE;
const CLASSES: usize = 10;
/// Largest file of class names, in bytes; the original has 57.
const NAMES_MOST: u64 = 1 << 16;

const UNLABELED: (&str, u64) = ("unlabeled_X.bin", 100_000);
const TRAIN: (&str, u64) = ("train_X.bin", 5_000);
const TEST: (&str, u64) = ("test_X.bin", 8_000);
const TRAIN_LABELS: &str = "train_y.bin";
const TEST_LABELS: &str = "test_y.bin";

/// Where the files are: `folder` itself, or the archive's folder inside it.
fn locate(folder: &Path) -> Option<PathBuf> {
    let places = [folder.to_owned(), folder.join("stl10_binary")];
    places.into_iter().find(|place| {
        let mut names = [UNLABELED.0, TRAIN.0, TEST.0].into_iter();
        names.any(|name| place.join(name).is_file())
    })
}

/// Whether any of the set's files of images is there.
pub(in crate::data) fn is_here(folder: &Path) -> bool {
    locate(folder).is_some()
}

/// Opens a folder. The unlabelled images are trained on and the labelled training images vote in kNN; without the former the latter
/// do both.
pub(in crate::data) fn open(name: String, folder: &Path, limits: Limits) -> Result<Dataset, DataError> {
    let place = locate(folder).unwrap_or_else(|| folder.to_owned());
    for file in [TRAIN.0, TRAIN_LABELS, TEST.0, TEST_LABELS] {
        if !place.join(file).is_file() {
            return Err(DataError::MissingFile { folder: place, names: file.to_owned() });
        }
    }
    let classes = classes(&place)?;
    let labelled: Arc<dyn ImageSet> = Arc::new(Planes::open(&place, TRAIN, Some(TRAIN_LABELS))?);
    let test = Arc::new(Planes::open(&place, TEST, Some(TEST_LABELS))?);
    let mut remarks = Vec::new();
    let (train, bank) = match place.join(UNLABELED.0).is_file() {
        true => {
            let unlabelled = Arc::new(Planes::open(&place, UNLABELED, None)?);
            (unlabelled as Arc<dyn ImageSet>, Some(labelled))
        }
        false => {
            remarks.push(format!(
                "{} has no {}: the {} labelled images are trained on",
                place.display(),
                UNLABELED.0,
                labelled.len()
            ));
            (labelled, None)
        }
    };
    Ok(Dataset {
        name,
        classes,
        remarks,
        bank,
        ..Dataset::new(Subset::spread(train, limits.train), Subset::spread(test, limits.test))
    })
}

/// Names from the set's own file, or the well-known ones.
fn classes(place: &Path) -> Result<Vec<String>, DataError> {
    let path = place.join("class_names.txt");
    if path.is_file() {
        let names = lines(&path, NAMES_MOST)?;
        return match names.len() {
            CLASSES => Ok(names),
            found => Err(DataError::Classes { file: path.display().to_string(), found, expected: "10" }),
        };
    }
    let names = ["airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"];
    Ok(names.map(str::to_owned).to_vec())
}

/// A file of images, and the labels beside it.
#[derive(Debug)]
struct Planes {
    file: Positioned,
    images: usize,
    labels: Option<Vec<u32>>,
}

impl Planes {
    /// Checks the lengths; reads only the labels.
    fn open(place: &Path, (name, most): (&str, u64), labels: Option<&str>) -> Result<Self, DataError> {
        let file = Positioned::open(&place.join(name))?;
        let images = count(&file, most)?;
        let labels = match labels {
            Some(name) => Some(read_labels(&place.join(name), images, most as usize)?),
            None => None,
        };
        Ok(Self { file, images, labels })
    }
}

/// How many whole images a file holds; at most `most`.
fn count(file: &Positioned, most: u64) -> Result<usize, DataError> {
    let image = IMAGE as u64;
    let (name, full) = (file.path.display().to_string(), u128::from(most * image));
    match file.length {
        0 => Err(DataError::NoImages { file: name }),
        length if u128::from(length) > full => Err(DataError::Oversized { file: name, expected: full }),
        length if !length.is_multiple_of(image) => Err(DataError::Truncated {
            file: name,
            found: format!("{length} bytes, no whole number of {image}-byte images,"),
            expected: full,
        }),
        // At most 100,000.
        length => Ok((length / image) as usize),
    }
}

/// Labels from 0 on, one an image.
fn read_labels(path: &Path, images: usize, most: usize) -> Result<Vec<u32>, DataError> {
    let source = ByteSource::open(path)?;
    let file = source.name.clone();
    let length = source.known_length().ok_or_else(|| DataError::Gzip {
        file: file.clone(),
        problem: "it is gzipped; unpack it first, this format is read plain".to_owned(),
    })?;
    if length > most as u64 {
        return Err(DataError::Oversized { file, expected: most as u128 });
    }
    let bytes = source.rest(u128::from(length), length as usize)?;
    if bytes.len() != images {
        return Err(DataError::LabelCount { file, labels: bytes.len(), images });
    }
    let labels = bytes.iter().enumerate().map(|(index, &label)| match label {
        1..=10 => Ok(u32::from(label) - 1),
        _ => Err(DataError::Label {
            file: file.clone(),
            index,
            label: u32::from(label),
            first: 1,
            classes: CLASSES,
            fix: "the file is damaged or of another set, download it again",
        }),
    });
    labels.collect()
}

impl ImageSet for Planes {
    fn len(&self) -> usize {
        self.images
    }

    fn read(&self, index: usize) -> Result<Image<'_>, DataError> {
        if index >= self.images {
            return Err(DataError::Shape { problem: format!("no image {index} among {}", self.images) });
        }
        let planes = self.file.read((index * IMAGE) as u64, IMAGE)?;
        let mut pixels = Vec::with_capacity(IMAGE);
        for row in 0..SIDE {
            for column in 0..SIDE {
                let at = column * SIDE + row;
                pixels.extend([planes[at], planes[PLANE + at], planes[2 * PLANE + at]]);
            }
        }
        Ok(Image {
            width: SIDE as u32,
            height: SIDE as u32,
            channels: 3,
            pixels: pixels.into(),
            info: PixelInfo::default(),
        })
    }

    fn name(&self, index: usize) -> String {
        format!("{} image {index}", self.file.path.display())
    }

    fn labels(&self) -> Option<&[u32]> {
        self.labels.as_deref()
    }

    fn size(&self) -> Option<(u32, u32)> {
        Some((SIDE as u32, SIDE as u32))
    }
}
