//! Parquet files with images in a column, as the Hugging Face hub serves them: `train-00000-of-00002.parquet`, `test-…`,
//! `validation-…`, in a folder `data`, in folders named after the splits, or in one named after the data set.
//!
//! The encoded images are copied once into a temporary file without a name, as large as they are, and decoded from there when they are
//! wanted: a row of a parquet file cannot be reached without unpacking all before it. Row groups are gone through one at a time.

mod bytes;
mod columns;
mod labels;
mod unpack;

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use walkdir::WalkDir;

use self::labels::Classes;
use self::unpack::{Rows, Unpacked, unpack};
use crate::data::read::decode::decode;
use crate::data::read::positioned::Positioned;
use crate::data::{DataError, Dataset, Decoding, Image, ImageSet, Limits};
use crate::regular;

const TRAIN: &[&str] = &["train", "training"];
/// Before the test images, whose labels many sets keep secret.
const VALIDATION: &[&str] = &["validation", "valid", "val", "dev"];
const TEST: &[&str] = &["test", "testing", "eval", "evaluation"];

/// A file that was found.
struct Found {
    path: PathBuf,
    /// The split that its name, or a folder's, says.
    split: Option<String>,
    /// The folders that say no split: the hub puts each configuration of a data set into one.
    configuration: PathBuf,
}

/// Whether a file begins as a parquet file.
pub(in crate::data) fn is_parquet(path: &Path) -> bool {
    let mut start = [0; 4];
    regular::open(path).is_ok_and(|mut file| file.read_exact(&mut start).is_ok()) && start == *b"PAR1"
}

/// Whether any file named so lies below `folder`.
pub(in crate::data) fn is_here(folder: &Path) -> bool {
    files(folder).next().is_some()
}

/// The paths of a specification: itself where there is such a file or folder, else its parts between commas, all of which must exist.
pub(in crate::data) fn split(paths: &Path) -> Result<Vec<PathBuf>, DataError> {
    let parts = match paths.to_str() {
        Some(text) if !paths.exists() => text.split(',').map(PathBuf::from).collect(),
        _ => vec![paths.to_owned()],
    };
    match parts.iter().find(|path| !path.exists()) {
        Some(missing) => Err(DataError::NoFile { file: missing.clone() }),
        None => Ok(parts),
    }
}

/// All files named `*.parquet` below a folder, sorted; hidden ones, such as a download's leftovers, are passed over.
fn files(folder: &Path) -> impl Iterator<Item = PathBuf> {
    WalkDir::new(folder)
        .follow_links(true)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(|entry| entry.depth() == 0 || !entry.file_name().as_encoded_bytes().starts_with(b"."))
        .filter_map(Result::ok)
        .filter(|entry| {
            let end = entry.path().extension();
            entry.file_type().is_file() && end.is_some_and(|e| e.eq_ignore_ascii_case("parquet"))
        })
        .map(walkdir::DirEntry::into_path)
}

/// The split that a name says, as `train` in `train-00000-of-00002`.
fn split_of(name: &str) -> Option<&'static str> {
    let words: Vec<String> = name.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase).collect();
    [("train", TRAIN), ("validation", VALIDATION), ("test", TEST)]
        .into_iter()
        .find(|(_, names)| words.iter().any(|word| names.contains(&word.as_str())))
        .map(|(split, _)| split)
}

/// A split of another name: what stands before `-00000-of-00002`.
fn other_split(stem: &str) -> Option<&str> {
    let mut parts = stem.rsplitn(4, '-');
    let (of, word, number) = (parts.next()?, parts.next()?, parts.next()?);
    let number_like = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    (word == "of" && number_like(of) && number_like(number)).then(|| parts.next()).flatten()
}

fn found(base: &Path, path: PathBuf) -> Found {
    let inside = path.strip_prefix(base).unwrap_or(&path);
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let mut split = split_of(&stem).or_else(|| other_split(&stem));
    // The innermost folder that says a split counts, and the file's own name before it.
    let mut folder_split = None;
    let mut configuration = PathBuf::new();
    for folder in inside.parent().into_iter().flat_map(Path::components) {
        let name = folder.as_os_str().to_string_lossy();
        match split_of(&name) {
            Some(said) => folder_split = Some(said),
            None if name != "data" => configuration.push(folder),
            None => {}
        }
    }
    split = split.or(folder_split);
    Found { split: split.map(str::to_owned), configuration, path }
}

/// The files of the two parts.
struct Splits {
    train: Vec<PathBuf>,
    test: Vec<PathBuf>,
}

fn splits(paths: &Path, remarks: &mut Vec<String>) -> Result<Splits, DataError> {
    let mut all = Vec::new();
    for path in split(paths)? {
        match path.is_dir() {
            true => all.extend(files(&path).map(|file| found(&path, file))),
            false => {
                let base = path.parent().unwrap_or(Path::new("")).to_owned();
                all.push(found(&base, path));
            }
        }
    }
    let configurations: BTreeSet<&PathBuf> = all.iter().map(|f| &f.configuration).collect();
    if let Some(first) = configurations.iter().find(|c| !c.as_os_str().is_empty())
        && configurations.len() > 1
    {
        let names = configurations.iter().map(|c| match c.as_os_str().is_empty() {
            true => ".".to_owned(),
            false => c.display().to_string(),
        });
        return Err(DataError::Configurations {
            folder: paths.to_owned(),
            names: names.collect::<Vec<_>>().join(", "),
            first: paths.join(first),
        });
    }
    let names: BTreeSet<Option<String>> = all.iter().map(|f| f.split.clone()).collect();
    let has = |name: &str| names.contains(&Some(name.to_owned()));
    let train = match (has("train"), names.contains(&None)) {
        (true, _) => Some("train".to_owned()),
        (false, true) => None,
        // None of them says that it is the one to train on.
        (false, false) => match names.first() {
            Some(only) if names.len() == 1 => only.clone(),
            Some(_) => {
                let other = |name: &&Option<String>| !matches!(name.as_deref(), Some("validation" | "test"));
                let first = names.iter().find(other);
                first.or(names.last()).cloned().flatten()
            }
            None => {
                return Err(DataError::NoParquetFiles { path: paths.to_owned() });
            }
        },
    };
    let tests = ["validation", "test"];
    let test = tests.into_iter().map(|name| Some(name.to_owned()));
    let test = test.into_iter().find(|name| names.contains(name) && *name != train);
    let unused: Vec<&str> = names
        .iter()
        .filter(|name| **name != train && Some(*name) != test.as_ref())
        .map(|name| name.as_deref().unwrap_or("files without a split's name"))
        .collect();
    if !unused.is_empty() {
        let said = |name: &Option<String>| name.clone().unwrap_or_else(|| "all others".to_owned());
        remarks.push(format!(
            "trained on is {}, tested on {}; not used: {}",
            said(&train),
            test.as_ref().map_or("nothing".to_owned(), said),
            unused.join(", ")
        ));
    }
    let of = |split: &Option<String>| {
        let files = all.iter().filter(|file| file.split == *split);
        files.map(|file| file.path.clone()).collect()
    };
    Ok(Splits { train: of(&train), test: test.as_ref().map(of).unwrap_or_default() })
}

/// Opens all files, and copies the images out of them.
pub(in crate::data) fn open(name: String, paths: &Path, limits: Limits) -> Result<Dataset, DataError> {
    let mut remarks = Vec::new();
    let splits = splits(paths, &mut remarks)?;
    let mut spool = unpack::Spool::new()?;
    let mut classes = Classes::default();
    let mut part = |files: Vec<PathBuf>, limit| {
        let rows = Rows::new(&files, limit)?;
        unpack(rows, &mut spool, &mut classes, &mut remarks).map(|part| (files, part))
    };
    let train = part(splits.train, limits.train)?;
    let test = part(splits.test, limits.test)?;
    if train.1.places.is_empty() {
        return Err(DataError::NoImages { file: paths.display().to_string() });
    }
    let labels = classes.finish([train.1.labels.as_slice(), &test.1.labels], &mut remarks);
    let file = Arc::new(spool.finish()?);
    let part = |(files, part): (Vec<PathBuf>, Unpacked), labels| Encoded {
        file: file.clone(),
        files,
        places: part.places,
        labels,
        decoding: limits.decoding,
    };
    let [train_labels, test_labels] = labels.parts;
    Ok(Dataset {
        name,
        classes: labels.names,
        remarks,
        ..Dataset::new(Arc::new(part(train, train_labels)), Arc::new(part(test, test_labels)))
    })
}

/// Where an encoded image lies in the temporary file, and where it comes from.
#[derive(Debug, Clone, Copy)]
struct Place {
    offset: u64,
    bytes: u32,
    /// Number of its parquet file.
    file: u32,
    row: u32,
}

/// Images as they are in the files, decoded on demand.
#[derive(Debug)]
struct Encoded {
    file: Arc<Positioned>,
    files: Vec<PathBuf>,
    places: Vec<Place>,
    labels: Option<Vec<u32>>,
    decoding: Decoding,
}

impl ImageSet for Encoded {
    fn len(&self) -> usize {
        self.places.len()
    }

    fn read(&self, index: usize) -> Result<Image<'_>, DataError> {
        let place = self
            .places
            .get(index)
            .ok_or_else(|| DataError::Shape { problem: format!("no image {index} among {}", self.places.len()) })?;
        let bytes = self.file.read(place.offset, place.bytes as usize)?;
        decode(&bytes, self.decoding).map_err(|problem| DataError::Unreadable { file: self.name(index), problem })
    }

    fn name(&self, index: usize) -> String {
        let place = self.places.get(index);
        let file = place.and_then(|place| self.files.get(place.file as usize));
        match (place, file) {
            (Some(place), Some(file)) => format!("{} row {}", file.display(), place.row),
            _ => format!("image {index}"),
        }
    }

    fn labels(&self) -> Option<&[u32]> {
        self.labels.as_deref()
    }
}
