//! One process trains a run at a time. The system holds the lock for as long as the process lives; that the file exists means nothing.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::Path;

use super::FolderError;
use crate::regular;

/// The file that is locked, in the folder of a run.
pub(super) const LOCK: &str = ".lock";
/// Longest text about the holder that is read.
const HOLDER: u64 = 200;

/// Held by the process that trains a run.
#[derive(Debug)]
pub(super) struct RunLock {
    /// `None` where the file system has no locks.
    _file: Option<File>,
}

impl RunLock {
    /// Takes the lock of the run in `folder`, which is there; an error that says who has it.
    pub fn take(folder: &Path) -> Result<RunLock, FolderError> {
        let path = folder.join(LOCK);
        let mut options = OpenOptions::new();
        let mut file = regular::open_with(&path, options.read(true).write(true).create(true).truncate(false))
            .map_err(|reason| FolderError::Write { path: path.clone(), reason })?;
        match file.try_lock() {
            Ok(()) => {
                // Only for people: what the system says counts.
                let _ = file.set_len(0).and_then(|()| file.write_all(this_process().as_bytes()));
                Ok(RunLock { _file: Some(file) })
            }
            Err(TryLockError::WouldBlock) => {
                Err(FolderError::InUse { folder: folder.to_path_buf(), holder: holder(&mut file) })
            }
            Err(TryLockError::Error(_)) => Ok(RunLock { _file: None }),
        }
    }
}

fn this_process() -> String {
    let host = sysinfo::System::host_name().unwrap_or_else(|_| "this machine".to_owned());
    format!("process {} on {host}", std::process::id())
}

/// As the holder wrote it. Some systems keep others from reading a locked file.
fn holder(file: &mut File) -> String {
    let mut text = String::new();
    match file.take(HOLDER).read_to_string(&mut text) {
        Ok(_) if !text.trim().is_empty() => text.trim().to_owned(),
        _ => "another process".to_owned(),
    }
}
