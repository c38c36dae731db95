//! A folder of image files. `train/` and `val/` or `test/` are splits where they are there; in a labelled tree every image lies in a
//! subfolder, and the first level of subfolders are the classes.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use walkdir::WalkDir;

use crate::data::read::decode::decode;
use crate::data::{DataError, Dataset, Image, ImageSet, Limits, Subset};

/// Names that image files end in; the contents decide what they are.
const ENDINGS: [&str; 9] = ["jpg", "jpeg", "png", "webp", "bmp", "tif", "tiff", "gif", "jfif"];
const TRAIN: &[&str] = &["train", "training"];
const TEST: &[&str] = &["val", "valid", "validation", "test"];
/// Larger files are no images that the decoder would take.
const MOST_BYTES: u64 = 1 << 31;
/// So many things that were passed over are named.
const NAMED: usize = 5;

/// Image files, read on demand.
#[derive(Debug)]
struct Files {
    /// The data set's folder.
    base: PathBuf,
    paths: Vec<PathBuf>,
    labels: Option<Vec<u32>>,
}

impl ImageSet for Files {
    fn len(&self) -> usize {
        self.paths.len()
    }

    fn read(&self, index: usize) -> Result<Image<'_>, DataError> {
        let path = self
            .paths
            .get(index)
            .ok_or_else(|| DataError::Shape { problem: format!("no image {index} among {}", self.paths.len()) })?;
        let failed = |problem: String| DataError::Unreadable { file: path.display().to_string(), problem };
        let length = fs::metadata(path).map_err(|e| failed(e.to_string()))?.len();
        if length > MOST_BYTES {
            return Err(failed(format!("it has {length} bytes")));
        }
        let bytes = fs::read(path).map_err(|e| failed(e.to_string()))?;
        decode(&bytes).map_err(failed)
    }

    fn name(&self, index: usize) -> String {
        let inside = |path: &PathBuf| {
            let path = path.strip_prefix(&self.base).unwrap_or(path);
            path.display().to_string()
        };
        self.paths.get(index).map_or_else(String::new, inside)
    }

    fn labels(&self) -> Option<&[u32]> {
        self.labels.as_deref()
    }
}

/// A file found, and the subfolder of its split that it lies in.
struct Found {
    path: PathBuf,
    class: Option<OsString>,
}

/// Whether anything with the name of an image lies below `folder`.
pub(in crate::data) fn is_here(folder: &Path) -> bool {
    let entries = WalkDir::new(folder).follow_links(true);
    entries
        .into_iter()
        .filter_entry(|entry| entry.depth() == 0 || !is_hidden(entry.file_name()))
        .filter_map(Result::ok)
        .any(|entry| is_image(entry.path()))
}

/// Looks through a folder; no image is read.
pub(in crate::data) fn open(name: String, folder: &Path, limits: Limits) -> Result<Dataset, DataError> {
    let part = |names: &[&str]| {
        let paths = names.iter().map(|name| folder.join(name));
        paths.into_iter().find(|path| path.is_dir())
    };
    let mut remarks = Vec::new();
    let (train, test) = match part(TRAIN) {
        Some(train) => {
            let test = part(TEST);
            if let Some(path) = &test {
                remarks.extend(others(folder, TEST, path));
            }
            let test = test.map(|path| walk(&path, &mut remarks));
            (walk(&train, &mut remarks), test.unwrap_or_default())
        }
        None => (walk(folder, &mut remarks), Vec::new()),
    };
    if train.is_empty() {
        return Err(DataError::NoImageFiles { folder: folder.to_owned(), why: remarks.join("; ") });
    }
    let classes = classes(&train, &mut remarks);
    let train = Arc::new(files(folder, train, &classes));
    let test = Arc::new(files(folder, test, &classes));
    if train.labels.is_some() && test.labels.is_none() && !test.is_empty() {
        remarks.push("some test images are of no class of the training images".to_owned());
    }
    if classes.len() > 1 && test.is_empty() {
        remarks.push(format!(
            "no test images: for kNN move some into {}, the others into train beside it, with the same subfolders",
            folder.join("val").display()
        ));
    }
    let names = classes.iter().map(|c| c.to_string_lossy().into_owned());
    Ok(Dataset {
        name,
        classes: names.collect(),
        remarks,
        ..Dataset::new(Subset::spread(train, limits.train), Subset::spread(test, limits.test))
    })
}

/// Says which splits are left unused.
fn others(folder: &Path, names: &[&str], used: &Path) -> Option<String> {
    let more: Vec<String> = names
        .iter()
        .map(|name| folder.join(name))
        .filter(|path| path.is_dir() && path != used)
        .map(|path| path.display().to_string())
        .collect();
    (!more.is_empty())
        .then(|| format!("the test images are those of {}; {} is not used", used.display(), more.join(", ")))
}

/// All image files below `base`, sorted by path, so that an image's number does not depend on the file system.
fn walk(base: &Path, remarks: &mut Vec<String>) -> Vec<Found> {
    let mut found = Vec::new();
    let mut problems = Vec::new();
    let entries = WalkDir::new(base)
        .follow_links(true)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(|entry| entry.depth() == 0 || !is_hidden(entry.file_name()));
    for entry in entries {
        match entry {
            Ok(entry) if entry.file_type().is_file() && is_image(entry.path()) => {
                let inside = entry.path().strip_prefix(base).unwrap_or(entry.path());
                let mut steps = inside.components();
                let first = steps.next().map(|c| c.as_os_str().to_owned());
                let class = first.filter(|_| steps.next().is_some());
                let path = entry.into_path();
                found.push(Found { path, class });
            }
            Ok(_) => {}
            // A folder that contains itself by a link, one without permission, a file that has just gone.
            Err(error) => problems.push(error.to_string()),
        }
    }
    if !problems.is_empty() {
        let more = problems.len().saturating_sub(NAMED);
        problems.truncate(NAMED);
        let more = match more {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        remarks.push(format!("passed over: {}{more}", problems.join("; ")));
    }
    found
}

/// The classes of a labelled tree, sorted by name; none where some image lies in no subfolder, or all in one.
fn classes(train: &[Found], remarks: &mut Vec<String>) -> Vec<OsString> {
    let names: BTreeSet<&OsString> = train.iter().filter_map(|f| f.class.as_ref()).collect();
    let loose = train.iter().filter(|f| f.class.is_none()).count();
    if loose > 0 && names.len() > 1 {
        remarks.push(format!(
            "{loose} of {} images lie in no subfolder: subfolders are not taken as classes",
            train.len()
        ));
    }
    match (loose, names.len()) {
        (0, 2..) => names.into_iter().cloned().collect(),
        _ => Vec::new(),
    }
}

/// Labels are given where every file lies in one of `classes`.
fn files(base: &Path, found: Vec<Found>, classes: &[OsString]) -> Files {
    let label = |found: &Found| {
        let class = classes.binary_search(found.class.as_ref()?).ok()?;
        u32::try_from(class).ok()
    };
    let labels: Option<Vec<u32>> = match classes {
        [] => None,
        _ => found.iter().map(label).collect(),
    };
    Files { base: base.to_owned(), paths: found.into_iter().map(|found| found.path).collect(), labels }
}

/// Such as `.DS_Store`, and the `._photo.jpg` that a Mac leaves on foreign disks.
fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

fn is_image(path: &Path) -> bool {
    path.extension().and_then(OsStr::to_str).is_some_and(|end| ENDINGS.iter().any(|e| end.eq_ignore_ascii_case(e)))
}
