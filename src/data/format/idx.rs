//! The idx format of MNIST, Fashion-MNIST and their kin: big-endian numbers (magic, count, for images rows and columns), then unsigned
//! bytes. Plain or gzipped, with the names of the originals.
//!
//! The format does not say how many classes there are. These sets have ten, so a label above 9 is an error; a file `classes.txt`
//! in the folder, one name a line (1 to 256), gives another number, and names in place of digits.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::data::read::source::{ByteSource, find};
use crate::data::{DataError, Dataset, Images, Limits};

/// Largest `classes.txt`, in bytes: 256 names of 256 bytes.
const CLASSES_MOST: u64 = 1 << 16;

/// The spellings in use for one of the four files: `train-images-idx3-ubyte`, `train-images.idx3-ubyte`, and gzipped.
fn names(part: &str, dimensions: u32) -> Vec<String> {
    ["", ".gz"].iter().flat_map(|end| ["-", "."].map(|dot| format!("{part}{dot}idx{dimensions}-ubyte{end}"))).collect()
}

fn locate(folder: &Path, part: &str, dimensions: u32) -> Result<PathBuf, DataError> {
    let names = names(part, dimensions);
    find(folder, &names)
        .ok_or_else(|| DataError::MissingFile { folder: folder.to_owned(), names: format!("{} (or .gz)", names[0]) })
}

/// Whether any of the four files is in `folder`.
pub(in crate::data) fn is_here(folder: &Path) -> bool {
    [("train-images", 3), ("train-labels", 1), ("t10k-images", 3), ("t10k-labels", 1)]
        .iter()
        .any(|(part, dimensions)| find(folder, &names(part, *dimensions)).is_some())
}

/// Reads the four files of a folder.
pub(in crate::data) fn open(name: String, folder: &Path, limits: Limits) -> Result<Dataset, DataError> {
    // All four are checked first, so that a missing one is reported before minutes of reading.
    let paths = [
        locate(folder, "train-images", 3)?,
        locate(folder, "train-labels", 1)?,
        locate(folder, "t10k-images", 3)?,
        locate(folder, "t10k-labels", 1)?,
    ];
    let classes = classes(folder)?;
    let part = |images: &Path, labels: &Path, limit| {
        images_with_labels(ByteSource::open(images)?, ByteSource::open(labels)?, classes.len(), limit)
    };
    let train = part(&paths[0], &paths[1], limits.train)?;
    let test = part(&paths[2], &paths[3], limits.test)?;
    Ok(Dataset { name, classes, ..Dataset::new(Arc::new(train), Arc::new(test)) })
}

fn classes(folder: &Path) -> Result<Vec<String>, DataError> {
    let path = folder.join("classes.txt");
    if !path.is_file() {
        return Ok((0..10).map(|n| n.to_string()).collect());
    }
    let names = crate::data::read::source::lines(&path, CLASSES_MOST)?;
    match names.len() {
        1..=256 => Ok(names),
        found => Err(DataError::Classes { file: path.display().to_string(), found, expected: "1 to 256" }),
    }
}

/// Reads a file of images and the file of their labels. Both are checked whole; the first `limit` images are kept (0: all).
pub(in crate::data) fn images_with_labels(
    images: ByteSource,
    labels: ByteSource,
    classes: usize,
    limit: usize,
) -> Result<Images, DataError> {
    let file = labels.name.clone();
    let (mut images, count) = read_images(images, limit)?;
    let bytes = read_labels(labels)?;
    if bytes.len() != count {
        return Err(DataError::LabelCount { file, labels: bytes.len(), images: count });
    }
    if let Some((index, label)) = bytes.iter().enumerate().find(|(_, label)| usize::from(**label) >= classes) {
        let fix = "download it again, or name all classes in a classes.txt beside it, one a line";
        return Err(DataError::Label { file, index, label: u32::from(*label), first: 0, classes, fix });
    }
    images.labels = Some(bytes.into_iter().take(images.len()).map(u32::from).collect());
    Ok(images)
}

/// Gray images without labels, and how many the file holds.
fn read_images(mut source: ByteSource, limit: usize) -> Result<(Images, usize), DataError> {
    let file = source.name.clone();
    check_magic(&mut source, 0x0803, "unsigned bytes, 3 dimensions: images")?;
    let [count, height, width] = source.numbers()?;
    if count == 0 {
        return Err(DataError::NoImages { file });
    }
    if width == 0 || height == 0 {
        return Err(DataError::EmptyImages { file, width, height });
    }
    let size = u128::from(width) * u128::from(height);
    let keep = match limit {
        0 => count,
        limit => count.min(u32::try_from(limit).unwrap_or(u32::MAX)),
    };
    // Beyond usize there cannot be such a file; `rest` finds it truncated.
    let keep = usize::try_from(size * u128::from(keep)).unwrap_or(usize::MAX);
    let pixels = source.rest(size * u128::from(count), keep)?;
    Ok((Images::new(width, height, 1, pixels, None)?, count as usize))
}

fn read_labels(mut source: ByteSource) -> Result<Vec<u8>, DataError> {
    check_magic(&mut source, 0x0801, "unsigned bytes, 1 dimension: labels")?;
    let [count] = source.numbers()?;
    source.rest(u128::from(count), count as usize)
}

fn check_magic(source: &mut ByteSource, expected: u32, meaning: &'static str) -> Result<(), DataError> {
    match source.numbers()? {
        [found] if found == expected => Ok(()),
        [found] => Err(DataError::Magic { file: source.name.clone(), found, expected, meaning }),
    }
}
