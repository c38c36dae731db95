//! A folder of image files, read one by one. What its subfolders mean is decided by the `Tree`.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::duplicates::{hold_out, shared};
use super::kind::Kind;
use super::table;
use super::tree::{self, Found, Tree};
use crate::data::read::decode::decode_file;
use crate::data::{DataError, Dataset, Decoding, Image, ImageSet, LeftOut, Limits, Subset};

/// Image files, read on demand.
#[derive(Debug)]
struct Files {
    /// The data set's folder.
    base: PathBuf,
    /// Below it.
    paths: Vec<PathBuf>,
    labels: Option<Vec<u32>>,
    decoding: Decoding,
}

impl ImageSet for Files {
    fn len(&self) -> usize {
        self.paths.len()
    }

    fn read(&self, index: usize) -> Result<Image<'_>, DataError> {
        let inside = self
            .paths
            .get(index)
            .ok_or_else(|| DataError::Shape { problem: format!("no image {index} among {}", self.paths.len()) })?;
        let path = self.base.join(inside);
        let failed = |problem: String| DataError::Unreadable { file: path.display().to_string(), problem };
        decode_file(&path, self.decoding).map_err(failed)
    }

    fn name(&self, index: usize) -> String {
        self.paths.get(index).map_or_else(String::new, |path| path.display().to_string())
    }

    fn file(&self, index: usize) -> Option<PathBuf> {
        self.paths.get(index).map(|path| self.base.join(path))
    }

    fn labels(&self) -> Option<&[u32]> {
        self.labels.as_deref()
    }
}

/// Image files by their paths, without classes; each is opened when it is read.
pub fn image_files(paths: Vec<PathBuf>, decoding: Decoding) -> Arc<dyn ImageSet> {
    Arc::new(Files { base: PathBuf::new(), paths, labels: None, decoding })
}

/// Whether an image lies below `folder`.
pub(in crate::data) fn is_here(folder: &Path) -> bool {
    tree::kinds(folder).any(|kind| kind == Kind::Image)
}

/// Whether a file lies below `folder` that would be an image if a decoder here read its format.
pub(in crate::data) fn is_nearly_here(folder: &Path) -> bool {
    tree::kinds(folder).any(|kind| matches!(kind, Kind::Foreign(_)))
}

/// Looks through a folder; no image is decoded. `progress` is called with how many files were seen.
pub(in crate::data) fn open(
    name: String,
    folder: &Path,
    limits: Limits,
    progress: &mut dyn FnMut(usize),
) -> Result<Dataset, DataError> {
    let Tree { mut train, mut test, mut remarks, mut left_out, tables } = Tree::read(folder, progress)?;
    if train.is_empty() {
        remarks.extend(LeftOut::warnings(&left_out));
        return Err(DataError::NoImageFiles { folder: folder.to_owned(), why: remarks.join("; ") });
    }
    table::label(folder, [&mut train, &mut test], tables, &limits.labels, &mut remarks, &mut left_out)?;
    let (shared, pair) = shared(folder, &train, &test);
    if let Some((of_test, of_train)) = pair {
        remarks.push(format!(
            "{shared} of {} test images are training images too, such as {} = {}: kNN sees images that it knows",
            test.len(),
            test[of_test].path.display(),
            train[of_train].path.display()
        ));
    }
    let classes = classes(&train, &mut remarks);
    if test.is_empty() && classes.len() > 1 && limits.holdout > 0.0 {
        test = hold_out(folder, &mut train, limits.holdout);
        let all = train.len() + test.len();
        remarks.push(format!("{} of {all} images are held out to test on (data.holdout; 0 trains on all)", test.len()));
    }
    let train = Arc::new(files(folder, train, &classes, limits.decoding));
    let test = Arc::new(files(folder, test, &classes, limits.decoding));
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
        left_out,
        shared,
        ..Dataset::new(Subset::spread(train, limits.train), Subset::spread(test, limits.test))
    })
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
fn files(base: &Path, found: Vec<Found>, classes: &[OsString], decoding: Decoding) -> Files {
    let label = |found: &Found| {
        let class = classes.binary_search(found.class.as_ref()?).ok()?;
        u32::try_from(class).ok()
    };
    let labels: Option<Vec<u32>> = match classes {
        [] => None,
        _ => found.iter().map(label).collect(),
    };
    Files { base: base.to_owned(), paths: found.into_iter().map(|found| found.path).collect(), labels, decoding }
}
