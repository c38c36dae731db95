//! What can go wrong with fetching, each in one line that names the file, the value and the mend.

use std::io;
use std::path::{Path, PathBuf};

use crate::error::Classified;
use thiserror::Error;

/// Why a data set was not fetched. Whatever it was, there is no half set under its final name.
#[derive(Debug, Error)]
pub enum FetchError {
    /// A name that is not in the catalogue.
    #[error("no data set is called {name:?}; choose {known}")]
    Unknown {
        /// As given.
        name: String,
        /// The names there are.
        known: String,
    },
    /// Another source that is neither a web address nor a folder.
    #[error(
        "{from:?} is neither an address that begins with http:// or https:// nor a folder; give the one that holds {file}"
    )]
    Source {
        /// As given.
        from: String,
        /// The first file that is looked for there.
        file: String,
    },
    /// A file is not in the folder that was given as source.
    #[error("{}: no such file; put the original file there, or leave out the other source to download it", file.display())]
    NotThere {
        /// Its path.
        file: PathBuf,
    },
    /// Something else is where the set is to be.
    #[error("{} is there but is no complete set ({problem}); move it away, or choose another folder", path.display())]
    Foreign {
        /// What is in the way.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Another process has the lock.
    #[error("{}: another process is fetching this set into the same folder; wait for it", folder.display())]
    Busy {
        /// The folder of parts.
        folder: PathBuf,
    },
    /// The disk is full.
    #[error("{}: no space left; {needed} are needed in all, make room and run this again: it continues", path.display())]
    Full {
        /// What was being written.
        path: PathBuf,
        /// For the download and the unpacked set.
        needed: String,
    },
    /// The operating system refuses.
    #[error("{}: cannot be {doing}: {problem}; {mend}", path.display())]
    Disk {
        /// What was used.
        path: PathBuf,
        /// What was done with it.
        doing: &'static str,
        /// What the system says.
        problem: io::Error,
        /// What to do about it.
        mend: &'static str,
    },
    /// The server refuses.
    #[error("{url}: the server answers {status}; try again later, or name another server with the same file")]
    Status {
        /// What was asked for.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// The connection fails again and again.
    #[error("{url}: {problem}, {tries} times; {have} of {bytes} bytes are kept, run this again to continue")]
    Connection {
        /// What was asked for.
        url: String,
        /// The last problem.
        problem: String,
        /// How often it was tried without getting on.
        tries: u32,
        /// Bytes on disk.
        have: u64,
        /// Bytes of the whole file.
        bytes: u64,
    },
    /// The server's answer makes no sense.
    #[error("{url}: {problem}; name another server with the same file")]
    Server {
        /// What was asked for.
        url: String,
        /// What it did.
        problem: String,
    },
    /// The server has another file.
    #[error(
        "{url}: {found} bytes where the original has {expected}; it is another file, name another server with the original"
    )]
    Length {
        /// What was asked for.
        url: String,
        /// In words: a number, or more than one.
        found: String,
        /// Bytes of the original.
        expected: u64,
    },
    /// The bytes are not those of the original.
    #[error("{source_name}: wrong bytes: SHA-256 {found} where the original has {expected}; {mend}")]
    Checksum {
        /// Address or path.
        source_name: String,
        /// Of what came.
        found: String,
        /// Of the original.
        expected: String,
        /// What was done or is to be done.
        mend: &'static str,
    },
    /// An archive that is damaged, dangerous or another one.
    #[error("{}: not unpacked: {problem}; nothing of it is kept", file.display())]
    Archive {
        /// The archive.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

impl Classified for FetchError {
    fn is_usage(&self) -> bool {
        matches!(self, Self::Unknown { .. } | Self::Source { .. })
    }
}

impl FetchError {
    /// An error of the operating system about `path`, which was being `doing`.
    pub(super) fn disk(path: &Path, doing: &'static str, problem: io::Error) -> Self {
        let path = path.to_owned();
        if problem.kind() == io::ErrorKind::StorageFull {
            // The amount is filled in where the set is known.
            let needed = String::new();
            return Self::Full { path, needed };
        }
        let mend = match problem.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                "choose a folder that may be written"
            }
            _ => "check the path and the disk",
        };
        Self::Disk { path, doing, problem, mend }
    }

    /// Whether another server would not help.
    pub(super) fn is_local(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::Disk { .. })
    }
}
