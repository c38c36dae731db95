//! Folders of runs that ended before their first checkpoint.

use std::fs;
use std::path::Path;

use super::folder::{CHECKPOINTS, CONFIG, KERNELS, METRICS, VIEWS};
use super::lock::LOCK;
use super::metrics::{Line, MetricsReader};
use super::tensorboard::is_events;
use crate::atomic;

/// Whether all that `path` holds is what a run leaves that ended before its first checkpoint: nothing of it is a result, and nothing is anyone
/// else's.
pub(super) fn is_unbegun(path: &Path) -> bool {
    let checkpoints = path.join(CHECKPOINTS);
    let known = [CHECKPOINTS, CONFIG, KERNELS, METRICS, VIEWS, LOCK];
    checkpoints.is_dir()
        && holds_only(path, |name| known.contains(&name) || is_events(name))
        && holds_only(&checkpoints, |_| false)
        && !has_numbers(&path.join(METRICS))
}

/// Removes what [`is_unbegun`] found, but the lock, which its holder keeps.
pub(super) fn clear(path: &Path) {
    atomic::remove_partial(&path.join(CHECKPOINTS));
    atomic::remove_partial(path);
    for name in [CONFIG, KERNELS, METRICS, VIEWS] {
        // What is not there is not to be removed; what stays will be written over or refused.
        let _ = fs::remove_file(path.join(name));
    }
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(is_events) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Whether a folder can be listed and has no entry but those of known names and unfinished files.
fn holds_only(folder: &Path, known: impl Fn(&str) -> bool) -> bool {
    let known = |name: &str| known(name) || atomic::is_partial(name);
    let Ok(mut entries) = fs::read_dir(folder) else {
        return false;
    };
    entries.all(|entry| entry.is_ok_and(|entry| entry.file_name().to_str().is_some_and(known)))
}

/// Whether a metrics file holds more than a start; one that cannot be read may.
fn has_numbers(path: &Path) -> bool {
    if !path.exists() {
        return false;
    }
    let mut numbers = false;
    let read = MetricsReader::read_all(path, |lines| {
        numbers |= lines.iter().any(|line| !matches!(line, Line::Start(_) | Line::Failed(_)));
    });
    numbers || read.is_err()
}
