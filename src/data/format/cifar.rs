//! The binary versions of CIFAR-10 and CIFAR-100: records of one label byte (CIFAR-100: coarse, then fine) and 3072 pixels,
//! channel after channel.
//!
//! The original files hold 10,000 records each (CIFAR-100's `train.bin` 50,000). Fewer are accepted as long as they are whole, so that
//! a set can be cut down; more, or a part of a record, is an error.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::data::read::source::{ByteSource, lines};
use crate::data::{DataError, Dataset, Images, Limits};

const SIDE: usize = 32;
const PLANE: usize = SIDE * SIDE;

/// Largest file of class names, in bytes; the originals have 61 and 864.
const NAMES_MOST: u64 = 1 << 16;

/// Which of the two sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::data) enum CifarVersion {
    Cifar10,
    Cifar100,
}

impl CifarVersion {
    /// Training files and the records each may hold.
    fn train_files(self) -> (&'static [&'static str], usize) {
        match self {
            Self::Cifar10 => (
                &["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"],
                10_000,
            ),
            Self::Cifar100 => (&["train.bin"], 50_000),
        }
    }

    fn test_file(self) -> &'static str {
        match self {
            Self::Cifar10 => "test_batch.bin",
            Self::Cifar100 => "test.bin",
        }
    }

    /// The folder in the originals' archive.
    fn archive_folder(self) -> &'static str {
        match self {
            Self::Cifar10 => "cifar-10-batches-bin",
            Self::Cifar100 => "cifar-100-binary",
        }
    }

    fn names_file(self) -> &'static str {
        match self {
            Self::Cifar10 => "batches.meta.txt",
            Self::Cifar100 => "fine_label_names.txt",
        }
    }

    fn classes(self) -> usize {
        match self {
            Self::Cifar10 => 10,
            Self::Cifar100 => 100,
        }
    }

    /// Label bytes before the pixels; the last one is the class.
    fn label_bytes(self) -> usize {
        match self {
            Self::Cifar10 => 1,
            Self::Cifar100 => 2,
        }
    }

    /// Where the files are: `folder` itself, or the archive's folder inside it.
    fn locate(self, folder: &Path) -> Option<PathBuf> {
        let (train, _) = self.train_files();
        [folder.to_owned(), folder.join(self.archive_folder())]
            .into_iter()
            .find(|place| train.iter().any(|name| place.join(name).is_file()) || place.join(self.test_file()).is_file())
    }

    /// Whether any of the set's files is there.
    pub(in crate::data) fn is_here(self, folder: &Path) -> bool {
        self.locate(folder).is_some()
    }
}

/// Whether `folder` holds the pickled version, which is offered beside the binary one.
pub(in crate::data) fn is_python_version(folder: &Path) -> bool {
    folder.join("cifar-10-batches-py").is_dir()
        || folder.join("cifar-100-python").is_dir()
        || folder.join("data_batch_1").is_file()
        || (folder.join("meta").is_file() && folder.join("train").is_file())
}

/// Reads a folder.
pub(in crate::data) fn open(
    kind: CifarVersion,
    name: String,
    folder: &Path,
    limits: Limits,
) -> Result<Dataset, DataError> {
    let place = match kind.locate(folder) {
        Some(place) => place,
        None if is_python_version(folder) => {
            return Err(DataError::PythonCifar { folder: folder.to_owned() });
        }
        None => folder.to_owned(),
    };
    let (train_files, train_records) = kind.train_files();
    // All are checked first, so that a missing one is reported before reading starts.
    for file in train_files.iter().copied().chain([kind.test_file()]) {
        if !place.join(file).is_file() {
            return Err(DataError::MissingFile { folder: place, names: file.to_owned() });
        }
    }
    let classes = classes(kind, &place)?;
    let train = read(kind, &place, train_files, train_records, limits.train)?;
    let test = read(kind, &place, &[kind.test_file()], 10_000, limits.test)?;
    Ok(Dataset { name, classes, ..Dataset::new(Arc::new(train), Arc::new(test)) })
}

/// Names from the set's own file; without it CIFAR-10's well-known ones, or numbers.
fn classes(kind: CifarVersion, place: &Path) -> Result<Vec<String>, DataError> {
    let path = place.join(kind.names_file());
    if path.is_file() {
        let names = lines(&path, NAMES_MOST)?;
        if names.len() != kind.classes() {
            let expected = if kind == CifarVersion::Cifar10 { "10" } else { "100" };
            return Err(DataError::Classes { file: path.display().to_string(), found: names.len(), expected });
        }
        return Ok(names);
    }
    Ok(match kind {
        CifarVersion::Cifar10 => {
            ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
                .map(str::to_owned)
                .to_vec()
        }
        CifarVersion::Cifar100 => (0..100).map(|n| n.to_string()).collect(),
    })
}

/// Reads the first `limit` records (0: all) of some files. The lengths of all files are checked, also beyond the limit.
fn read(kind: CifarVersion, place: &Path, files: &[&str], most: usize, limit: usize) -> Result<Images, DataError> {
    let record = kind.label_bytes() + 3 * PLANE;
    let mut left = if limit == 0 { usize::MAX } else { limit };
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for name in files {
        let source = ByteSource::open(&place.join(name))?;
        let file = source.name.clone();
        let length = source.known_length().ok_or_else(|| DataError::Gzip {
            file: file.clone(),
            problem: "it is gzipped; unpack it first, this format is read plain".to_owned(),
        })?;
        let full = (most * record) as u128;
        if u128::from(length) > full {
            return Err(DataError::Oversized { file, expected: full });
        }
        // At most 154 MB by the check above.
        let length = length as usize;
        if length == 0 {
            return Err(DataError::NoImages { file });
        }
        if !length.is_multiple_of(record) {
            let found = format!("{length} bytes, no whole number of {record}-byte images,");
            return Err(DataError::Truncated { file, found, expected: full });
        }
        let records = (length / record).min(left);
        left -= records;
        let bytes = source.rest(length as u128, records * record)?;
        for bytes in bytes.chunks_exact(record) {
            let (label, planes) = bytes.split_at(kind.label_bytes());
            let label = u32::from(label[kind.label_bytes() - 1]);
            if label as usize >= kind.classes() {
                let (index, classes) = (labels.len(), kind.classes());
                return Err(DataError::Label {
                    file,
                    index,
                    label,
                    first: 0,
                    classes,
                    fix: "the file is damaged or of another set, download it again",
                });
            }
            labels.push(label);
            pixels.extend((0..PLANE).flat_map(|i| [planes[i], planes[PLANE + i], planes[2 * PLANE + i]]));
        }
    }
    Images::new(SIDE as u32, SIDE as u32, 3, pixels, Some(labels))
}
