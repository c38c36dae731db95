//! The runs in a folder, the newest first, and a thread that looks whether there are others now.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, SystemTime};

use super::worker::Wake;
use crate::train::RunFolder;

/// A run that was found.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::app) struct Listed {
    pub folder: PathBuf,
    pub name: String,
    /// Whether it wrote so lately that somebody seems to train it.
    pub live: bool,
}

/// Runs shown at most.
const MOST: usize = 200;
/// How often it is looked.
const EVERY: Duration = Duration::from_secs(2);
/// A run that has written since then is live: a step may take some seconds.
const LATELY: Duration = Duration::from_secs(20);

/// The runs directly in `parent`; none where it cannot be read.
pub(in crate::app) fn runs(parent: &Path) -> Vec<Listed> {
    let Ok(entries) = std::fs::read_dir(absolute(parent)) else {
        return Vec::new();
    };
    let written = |folder: &Path| {
        let metrics = RunFolder::metrics_of(folder).metadata();
        let written = metrics.and_then(|meta| meta.modified());
        written.unwrap_or(SystemTime::UNIX_EPOCH)
    };
    let mut runs: Vec<(SystemTime, PathBuf)> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| RunFolder::is_run(path))
        .map(|folder| (written(&folder), folder))
        .collect();
    runs.sort_by(|a, b| b.cmp(a));
    runs.truncate(MOST);
    runs.into_iter()
        .map(|(written, folder)| Listed {
            name: name(&folder),
            live: written.elapsed().is_ok_and(|since| since < LATELY),
            folder,
        })
        .collect()
}

/// A folder as it is compared: one path, wherever it came from. Links are kept, because their names are the user's.
pub(in crate::app) fn absolute(folder: &Path) -> PathBuf {
    std::path::absolute(folder).unwrap_or_else(|_| folder.to_path_buf())
}

/// What a run is called: its folder's name.
pub(in crate::app) fn name(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or(folder.as_os_str());
    name.to_string_lossy().into_owned()
}

/// The thread; it ends when this is dropped.
pub(in crate::app) struct Lister {
    parent: Sender<PathBuf>,
    found: Receiver<Vec<Listed>>,
}

impl Lister {
    /// Of the runs in `parent`. `wake` is called when they have changed.
    pub fn start(parent: &Path, wake: Wake) -> Lister {
        let (ask, asked) = mpsc::channel();
        let (tell, found) = mpsc::channel();
        let mut parent = parent.to_path_buf();
        let work = move || {
            let mut known = None;
            loop {
                let now = runs(&parent);
                if known.as_ref() != Some(&now) {
                    if tell.send(now.clone()).is_err() {
                        return;
                    }
                    known = Some(now);
                    wake();
                }
                match asked.recv_timeout(EVERY) {
                    Ok(other) => parent = other,
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        };
        // Where a system has no more threads, the list stays empty.
        let _ = thread::Builder::new().name("list".to_owned()).spawn(work);
        Lister { parent: ask, found }
    }

    /// Looks in another folder, or in the same one now.
    pub fn look(&self, parent: &Path) {
        let _ = self.parent.send(parent.to_path_buf());
    }

    /// The runs, where they have changed since the last call.
    pub fn poll(&self) -> Option<Vec<Listed>> {
        self.found.try_iter().last()
    }
}
