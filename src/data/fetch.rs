//! Gets a data set from where it is published: [`find`] its [`CatalogueEntry`], [`fetch`] it into a folder.
//!
//! Everything that is not finished lies in one hidden folder, `DIR/.NAME.part`: the files that are being downloaded, a lock, and what
//! is being unpacked. A file is used when its SHA-256 is the pinned one, whoever sent it; the set gets its final name,
//! `DIR/cifar-10-batches-bin` say, by one rename when all of it is there. The hidden folder stays when fetching fails or is
//! interrupted, so that the next call continues; it goes, archives included, when the set is complete.

mod catalogue;
mod download;
mod error;
mod unpack;

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use catalogue::{CatalogueEntry, Form, RemoteFile, catalogue, find};
pub use error::FetchError;

/// How to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchOptions {
    /// Another place of the files: an address (`http://host/folder`) or a folder. The sums decide there too.
    pub from: Option<String>,
    /// Longest silence of a server.
    pub timeout: Duration,
    /// How often to try again where a server does not get on.
    pub retries: u32,
    /// Wait before the first of these tries; it doubles, to half a minute at most.
    pub wait: Duration,
    /// Whether to use the proxies that the environment names (`ALL_PROXY`, `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`).
    pub proxy: bool,
}

impl Default for FetchOptions {
    fn default() -> Self {
        Self { from: None, timeout: Duration::from_secs(30), retries: 4, wait: Duration::from_secs(1), proxy: true }
    }
}

/// What goes on.
#[derive(Debug)]
pub enum FetchEvent<'a> {
    /// A server began to send; `have` bytes were there already.
    Downloading {
        /// What it sends.
        file: &'a RemoteFile,
        /// Bytes on disk.
        have: u64,
    },
    /// More came.
    Bytes {
        /// Bytes on disk.
        have: u64,
    },
    /// A try failed, another follows.
    Retry {
        /// Why.
        problem: &'a str,
        /// When.
        wait: Duration,
    },
    /// An address was given up, the next one follows.
    NextServer {
        /// Why.
        error: &'a FetchError,
    },
    /// The sum is being computed.
    Checking {
        /// Of what.
        file: &'a RemoteFile,
    },
    /// The set is being put together.
    Unpacking {
        /// From this archive.
        file: &'a RemoteFile,
    },
    /// The set is complete, but the hidden folder could not be removed.
    Leftover {
        /// The folder.
        folder: &'a Path,
        /// What the system says.
        problem: String,
    },
}

/// What [`fetch`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchOutcome {
    /// The set is new, in this folder.
    Fetched(PathBuf),
    /// It was there already: all its files, each with its right length.
    AlreadyThere(PathBuf),
}

impl FetchOutcome {
    /// The set's folder.
    pub fn folder(&self) -> &Path {
        match self {
            Self::Fetched(folder) | Self::AlreadyThere(folder) => folder,
        }
    }
}

/// Gets `entry` into the folder `to/` + [`CatalogueEntry::folder`]; `to` is made where it is missing. Blocks until done.
///
/// Fails with the first problem that no other try and no other server fixes; then there is nothing under the final name, and
/// nothing was written outside `to`.
pub fn fetch(
    entry: &CatalogueEntry,
    to: &Path,
    options: &FetchOptions,
    listen: &mut dyn FnMut(FetchEvent),
) -> Result<FetchOutcome, FetchError> {
    let needed = || {
        let bytes = entry.download_bytes() + entry.unpacked_bytes();
        format!("{:.1} GB", bytes as f64 / 1e9)
    };
    run(entry, to, options, listen).map_err(|error| match error {
        FetchError::Full { path, .. } => FetchError::Full { path, needed: needed() },
        error => error,
    })
}

fn run(
    entry: &CatalogueEntry,
    to: &Path,
    options: &FetchOptions,
    listen: &mut dyn FnMut(FetchEvent),
) -> Result<FetchOutcome, FetchError> {
    let target = to.join(&entry.folder);
    if already_there(entry, &target)? {
        return Ok(FetchOutcome::AlreadyThere(target));
    }
    let source = Source::new(entry, options)?;
    let work = to.join(format!(".{}.part", entry.name));
    make_folder(&work)?;
    let lock = lock(&work)?;
    // Another process may have finished it before this one got the lock.
    if already_there(entry, &target)? {
        return Ok(FetchOutcome::AlreadyThere(target));
    }
    let mut files = Vec::new();
    for file in &entry.files {
        files.push((file, source.obtain(file, &work, options, listen)?));
    }
    let staged = work.join("unpacked");
    // What a killed process left.
    remove_folder(&staged)?;
    let result = stage(entry, &files, &staged, listen).and_then(|()| finish(&staged, &target));
    if result.is_err() {
        // The next call would remove it too; the first problem is the one to tell.
        let _ = remove_folder(&staged);
    }
    result?;
    drop(lock);
    if let Err(e) = fs::remove_dir_all(&work) {
        let problem = e.to_string();
        listen(FetchEvent::Leftover { folder: &work, problem });
    }
    Ok(FetchOutcome::Fetched(target))
}

/// Where the files come from.
enum Source {
    /// Servers: the catalogue's, or one folder on another.
    Web(ureq::Agent, Option<String>),
    Folder(PathBuf),
}

impl Source {
    fn new(entry: &CatalogueEntry, options: &FetchOptions) -> Result<Self, FetchError> {
        let web = |from| Ok(Self::Web(download::agent(options), from));
        match &options.from {
            None => web(None),
            Some(from) if from.starts_with("http://") || from.starts_with("https://") => {
                web(Some(from.trim_end_matches('/').to_owned()))
            }
            Some(from) if Path::new(from).is_dir() => Ok(Self::Folder(PathBuf::from(from))),
            Some(from) => Err(FetchError::Source {
                from: from.clone(),
                file: entry.files.first().map(|f| f.name.clone()).unwrap_or_default(),
            }),
        }
    }

    /// The path of `file` with the right sum: in the hidden folder `work`, or in the folder that was given.
    fn obtain(
        &self,
        file: &RemoteFile,
        work: &Path,
        options: &FetchOptions,
        listen: &mut dyn FnMut(FetchEvent),
    ) -> Result<PathBuf, FetchError> {
        match self {
            Self::Web(agent, from) => {
                let path = work.join(&file.name);
                let urls = match from {
                    Some(from) => vec![format!("{from}/{}", file.name)],
                    None => file.urls.clone(),
                };
                download::download(agent, file, &urls, &path, options, listen)?;
                Ok(path)
            }
            Self::Folder(folder) => {
                let path = folder.join(&file.name);
                if !path.is_file() {
                    return Err(FetchError::NotThere { file: path });
                }
                listen(FetchEvent::Checking { file });
                let source = path.display().to_string();
                let fix = "it is damaged or another file, get the original";
                download::check(&path, file, &source, fix)?;
                Ok(path)
            }
        }
    }
}

/// Puts the whole set into `staged`.
fn stage(
    entry: &CatalogueEntry,
    files: &[(&RemoteFile, PathBuf)],
    staged: &Path,
    listen: &mut dyn FnMut(FetchEvent),
) -> Result<(), FetchError> {
    let folder = staged.join(&entry.folder);
    make_folder(staged)?;
    for (file, path) in files {
        match entry.form {
            Form::Archive => {
                listen(FetchEvent::Unpacking { file });
                unpack::unpack(path, entry, staged)?;
                if let Some(problem) = lacks(entry, &folder) {
                    let file = path.clone();
                    return Err(FetchError::Archive { file, problem });
                }
            }
            Form::Files => {
                make_folder(&folder)?;
                let copy = folder.join(&file.name);
                let failed = |e| FetchError::disk(&copy, "written", e);
                fs::copy(path, &copy).map_err(failed)?;
                let copied = File::options().append(true).open(&copy);
                copied.and_then(|copy| copy.sync_all()).map_err(failed)?;
            }
        }
    }
    match lacks(entry, &folder) {
        None => Ok(()),
        Some(problem) => Err(FetchError::Archive { file: folder, problem }),
    }
}

/// Gives the complete set its name.
fn finish(staged: &Path, target: &Path) -> Result<(), FetchError> {
    let folder = target.file_name().map_or_else(|| staged.to_owned(), |name| staged.join(name));
    fs::rename(folder, target).map_err(|e| FetchError::disk(target, "made", e))
}

/// Whether the complete set is there; something else under its name is an error.
fn already_there(entry: &CatalogueEntry, target: &Path) -> Result<bool, FetchError> {
    match fs::symlink_metadata(target) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
        Err(e) => Err(FetchError::disk(target, "read", e)),
        Ok(_) => match lacks(entry, target) {
            None => Ok(true),
            Some(problem) => Err(FetchError::Foreign { path: target.to_owned(), problem }),
        },
    }
}

/// What `folder` lacks to be the complete set.
fn lacks(entry: &CatalogueEntry, folder: &Path) -> Option<String> {
    if !folder.is_dir() {
        return Some(format!("{} is not a folder", entry.folder));
    }
    entry.contents.iter().find_map(|(name, expected)| {
        match fs::metadata(folder.join(name)).map(|data| (data.is_file(), data.len())) {
            Ok((true, found)) if found == *expected => None,
            Ok((true, found)) => Some(format!("{name} has {found} bytes, expected {expected}")),
            Ok((false, _)) => Some(format!("{name} is no file")),
            Err(e) if e.kind() == ErrorKind::NotFound => Some(format!("{name} is missing")),
            Err(e) => Some(format!("{name} cannot be read: {e}")),
        }
    })
}

/// Makes a folder, or takes the one that is there. A link in its place would lead elsewhere.
fn make_folder(folder: &Path) -> Result<(), FetchError> {
    fs::create_dir_all(folder).map_err(|e| FetchError::disk(folder, "made", e))?;
    match fs::symlink_metadata(folder) {
        Ok(data) if data.is_dir() => Ok(()),
        Ok(_) => Err(FetchError::Foreign { path: folder.to_owned(), problem: "it is a link".to_owned() }),
        Err(e) => Err(FetchError::disk(folder, "read", e)),
    }
}

fn remove_folder(folder: &Path) -> Result<(), FetchError> {
    match fs::remove_dir_all(folder) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(FetchError::disk(folder, "removed", e)),
        _ => Ok(()),
    }
}

/// Held until dropped: two processes that write the same part would spoil it.
fn lock(work: &Path) -> Result<File, FetchError> {
    let path = work.join("lock");
    let failed = |e| FetchError::disk(&path, "locked", e);
    let file = File::options().write(true).create(true).truncate(false).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(FetchError::Busy { folder: work.to_owned() }),
        // Some network file systems know no locks; without one it works as long as no other process does the same.
        Err(TryLockError::Error(e)) if e.kind() == ErrorKind::Unsupported => Ok(file),
        Err(TryLockError::Error(e)) => Err(failed(e)),
    }
}
