//! What the tree below a folder of images is: which files are images, which folders are splits, which are classes, and what is left out.
//!
//! - A folder that holds everything is stepped into.
//! - `train` beside `val`, `test` and the like are splits, and so is `train` beside a folder with the same classes; another folder of that
//!   name is a class like any other.
//! - The folders of a split are its classes where every image lies in one.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::kind::Kind;
use super::table;
use crate::data::{DataError, LeftOut};

/// Names of a training split, in any case, the likeliest first.
const TRAIN: &[&str] = &["train", "training"];
/// Names of a split to test on, as `TRAIN`.
const TEST: &[&str] = &["val", "valid", "validation", "test", "testing", "dev", "eval", "evaluation"];
/// So many things that cannot be entered are named.
const NAMED: usize = 5;

/// An image file, and the folder of its split that it lies in.
#[derive(Debug)]
pub(super) struct Found {
    /// Below the data set's folder.
    pub path: PathBuf,
    pub class: Option<OsString>,
}

/// What is used of a tree, sorted by path, so that an image's number does not depend on the file system, and what is not.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub train: Vec<Found>,
    pub test: Vec<Found>,
    pub remarks: Vec<String>,
    pub left_out: Vec<LeftOut>,
    /// Files that may hold labels, below the data set's folder.
    pub tables: Vec<PathBuf>,
}

impl Tree {
    /// Looks through a folder. Files without a telling name are opened, no image is decoded.
    pub(super) fn read(folder: &Path, progress: &mut dyn FnMut(usize)) -> Result<Tree, DataError> {
        let mut tree = Tree::default();
        let images = tree.list(folder, progress);
        let base = tree.step_into(&images);
        tree.part(folder, &base, images)?;
        Ok(tree)
    }

    /// All image files, below `folder`. `progress` is called with how many files were seen.
    fn list(&mut self, folder: &Path, progress: &mut dyn FnMut(usize)) -> Vec<PathBuf> {
        let mut seen = 0;
        let (mut images, mut problems) = (Vec::new(), Vec::new());
        let mut entries = WalkDir::new(folder).follow_links(true).sort_by_file_name().into_iter();
        while let Some(entry) = entries.next() {
            let entry = match entry {
                Ok(entry) => entry,
                // A folder that contains itself by a link, one without permission, a file that has just gone.
                Err(error) => {
                    problems.push(error.to_string());
                    continue;
                }
            };
            seen += 1;
            progress(seen);
            let path = entry.path().strip_prefix(folder).unwrap_or(entry.path());
            let (hidden, kind) = (entry.depth() > 0 && is_hidden(entry.file_name()), entry.file_type());
            let mut leave = |reason: &str, matters| LeftOut::add(&mut self.left_out, reason, path, matters);
            if kind.is_dir() {
                let run = is_run(entry.path());
                if hidden || run {
                    match run {
                        true => leave("folders of runs of this program", true),
                        false => leave("hidden files and folders", false),
                    }
                    entries.skip_current_dir();
                }
            } else if hidden {
                leave("hidden files and folders", false);
            } else if !kind.is_file() {
                leave("things that are no files: pipes, sockets, devices", true);
            } else if table::is_table(path) {
                self.tables.push(path.to_owned());
            } else {
                match Kind::of(entry.path()) {
                    Kind::Image => images.push(path.to_owned()),
                    Kind::Foreign(format) => leave(
                        &format!(
                            "{format} files, which cannot be read: convert them, for example by magick mogrify -format png"
                        ),
                        true,
                    ),
                    Kind::Other => leave("files that are no images", false),
                }
            }
        }
        if !problems.is_empty() {
            let more = problems.len().saturating_sub(NAMED);
            problems.truncate(NAMED);
            let more = if more == 0 { String::new() } else { format!("; and {more} more") };
            self.remarks.push(format!("passed over: {}{more}", problems.join("; ")));
        }
        images
    }

    /// The folder below which all images lie with further folders among them.
    fn step_into(&mut self, images: &[PathBuf]) -> PathBuf {
        let mut base = PathBuf::new();
        while let Some(first) = images.first().and_then(|path| folder_below(path, &base)) {
            let inside = base.join(first);
            let deeper = images.iter().any(|path| folder_below(path, &inside).is_some());
            if !deeper || !images.iter().all(|path| path.starts_with(&inside)) {
                break;
            }
            base = inside;
        }
        if base.iter().any(|name| rank(name, TEST).is_some()) {
            self.remarks.push(format!(
                "all images lie in {}, named as a split to test on: they are trained on, and none is left to test on",
                base.display()
            ));
        } else if base.iter().any(|name| rank(name, TRAIN).is_none()) {
            self.remarks
                .push(format!("all images lie in {}, whose folders count as those of the data set", base.display()));
        }
        base
    }

    /// Sorts images below `base` into splits.
    fn part(&mut self, folder: &Path, base: &Path, images: Vec<PathBuf>) -> Result<(), DataError> {
        let mut folders: BTreeMap<OsString, BTreeSet<OsString>> = BTreeMap::new();
        for path in &images {
            if let Some(first) = folder_below(path, base) {
                let below = folder_below(path, &base.join(first)).map(OsStr::to_owned);
                folders.entry(first.to_owned()).or_default().extend(below);
            }
        }
        let best = |names: &[&str]| {
            let ranked = folders.keys().filter_map(|name| Some((rank(name, names)?, name)));
            ranked.min().map(|(_, name)| name.clone())
        };
        let (train, test) = (best(TRAIN), best(TEST));
        let flat = images.iter().any(|path| folder_below(path, base).is_none());
        let is_split = |name: &&OsString| rank(name, TEST).is_some();
        if train.is_none() && !flat && folders.len() > 1 && folders.keys().all(|name| is_split(&name)) {
            let names: Vec<String> = folders.keys().map(|name| name.display().to_string()).collect();
            return Err(DataError::NoTrainFolder { folder: folder.join(base), found: names.join(", ") });
        }
        let like_train = train.as_ref().is_some_and(|train| {
            let classes = &folders[train];
            !classes.is_empty() && folders.iter().any(|(name, other)| name != train && other == classes)
        });
        let Some(train) = train.filter(|_| test.is_some() || like_train) else {
            self.train = images.into_iter().map(|path| found(path, base)).collect();
            return Ok(());
        };
        let of_train = base.join(&train);
        let of_test = test.map(|test| base.join(test));
        for path in images {
            if path.starts_with(&of_train) {
                self.train.push(found(path, &of_train));
            } else if let Some(test) = of_test.as_ref().filter(|test| path.starts_with(test)) {
                self.test.push(found(path, test));
            } else {
                let reason = match folder_below(&path, base) {
                    Some(other) => format!("images of {}, which is no split in use", base.join(other).display()),
                    None => "images beside the splits".to_owned(),
                };
                LeftOut::add(&mut self.left_out, &reason, &path, true);
            }
        }
        Ok(())
    }
}

/// What the files below `folder` are.
pub(super) fn kinds(folder: &Path) -> impl Iterator<Item = Kind> {
    let entries = WalkDir::new(folder).follow_links(true).into_iter();
    let entries = entries.filter_entry(|entry| entry.depth() == 0 || !is_hidden(entry.file_name()));
    let files = entries.filter_map(Result::ok).filter(|entry| entry.file_type().is_file());
    files.map(|entry| Kind::of(entry.path()))
}

/// The place of a folder's name among names of splits.
fn rank(name: &OsStr, names: &[&str]) -> Option<usize> {
    let name = name.to_str()?;
    names.iter().position(|other| other.eq_ignore_ascii_case(name))
}

/// The folder directly below `base` that `path` lies in; `None` where it lies in `base` itself.
fn folder_below<'a>(path: &'a Path, base: &Path) -> Option<&'a OsStr> {
    let mut inside = path.strip_prefix(base).ok()?.iter();
    let first = inside.next()?;
    inside.next().map(|_| first)
}

fn found(path: PathBuf, base: &Path) -> Found {
    let class = folder_below(&path, base).map(OsStr::to_owned);
    Found { path, class }
}

/// Such as `.DS_Store`, and the `._photo.jpg` that a Mac leaves on foreign disks.
fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

/// Whether a training of this program has left the folder: its pictures are no data.
fn is_run(folder: &Path) -> bool {
    folder.join("config.toml").is_file()
        && (folder.join("metrics.jsonl").is_file() || folder.join("checkpoints").is_dir())
}
