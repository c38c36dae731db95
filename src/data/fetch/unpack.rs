//! Unpacks a gzipped tar archive that is not trusted.
//!
//! Only regular files and folders are made, only under the given folder, only new ones. Links, devices, absolute paths and `..` are
//! refused, never skipped: an archive that holds them is not the expected one. How much is written is bounded by what the set
//! is known to hold, so a bomb stops early.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use flate2::bufread::GzDecoder;
use tar::{Archive, EntryType};

use super::{CatalogueEntry, FetchError};
use crate::regular;

/// More than any of these archives has.
const ENTRIES_MOST: usize = 1000;

/// Room for what is not in the catalogue: names of classes, a page about the set. Bytes.
const EXTRA: u64 = 1 << 20;

/// Largest extended header that is skipped, in bytes; they hold times and owners.
const HEADER_MOST: u64 = 1 << 16;

/// Unpacks `archive` of `entry` into `into`, an empty folder.
pub(super) fn unpack(archive: &Path, entry: &CatalogueEntry, into: &Path) -> Result<(), FetchError> {
    let refuse = |problem: String| FetchError::Archive { file: archive.to_owned(), problem };
    let damaged = |e: io::Error| refuse(format!("it is damaged ({e})"));
    let file = regular::open(archive).map_err(|e| FetchError::disk(archive, "read", e))?;
    let mut tar = Archive::new(GzDecoder::new(io::BufReader::with_capacity(1 << 18, file)));
    let file_most = entry.contents.iter().map(|(_, bytes)| *bytes).max();
    let file_most = file_most.unwrap_or(0).max(EXTRA);
    let mut left = entry.unpacked_bytes().saturating_add(EXTRA);
    // Raw: the reader would take the long names of extended headers whole into memory, whatever length they claim.
    for (index, member) in tar.entries().map_err(damaged)?.raw(true).enumerate() {
        if index >= ENTRIES_MOST {
            return Err(refuse(format!("it holds more than {ENTRIES_MOST} entries")));
        }
        let mut member = member.map_err(damaged)?;
        let name = String::from_utf8_lossy(&member.path_bytes()).into_owned();
        let size = member.size();
        match member.header().entry_type() {
            EntryType::XHeader | EntryType::XGlobalHeader if size <= HEADER_MOST => {}
            EntryType::Directory => {
                let path = into.join(inside(&name).map_err(refuse)?);
                fs::create_dir_all(&path).map_err(|e| FetchError::disk(&path, "made", e))?;
            }
            EntryType::Regular | EntryType::Continuous => {
                let path = into.join(inside(&name).map_err(refuse)?);
                if size > file_most || size > left {
                    return Err(refuse(format!("{name:?} has {size} bytes, more than the set has")));
                }
                left -= size;
                write(&mut member, &path, &name, size, &refuse)?;
            }
            kind => {
                return Err(refuse(format!("{name:?} is {}, neither a file nor a folder", describe(kind))));
            }
        }
    }
    Ok(())
}

/// Writes one file, which must not be there yet.
fn write(
    member: &mut impl Read,
    path: &Path,
    name: &str,
    size: u64,
    refuse: &impl Fn(String) -> FetchError,
) -> Result<(), FetchError> {
    let failed = |e| FetchError::disk(path, "written", e);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    let mut file = match File::create_new(path) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            return Err(refuse(format!("{name:?} comes twice")));
        }
        other => other.map_err(failed)?,
    };
    let mut buffer = vec![0; 1 << 18];
    let mut written = 0;
    loop {
        // Whether reading or writing failed matters: one is the archive's fault, the other the disk's.
        let n = match member.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(refuse(format!("it is damaged at {name:?} ({e})"))),
        };
        io::Write::write_all(&mut file, &buffer[..n]).map_err(failed)?;
        written += n as u64;
    }
    if written != size {
        return Err(refuse(format!("it ends inside {name:?}, after {written} of {size} bytes")));
    }
    // On disk before the folder gets its final name: a power cut must not leave empty files there.
    file.sync_all().map_err(failed)
}

/// The path below the folder, or what is wrong with it.
fn inside(name: &str) -> Result<PathBuf, String> {
    let mut path = PathBuf::new();
    for part in Path::new(name).components() {
        match part {
            Component::Normal(part) => path.push(part),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                return Err(format!("{name:?} leads out of its folder"));
            }
        }
    }
    Ok(path)
}

fn describe(kind: EntryType) -> &'static str {
    match kind {
        EntryType::Symlink => "a symbolic link",
        EntryType::Link => "a hard link",
        EntryType::GNULongName | EntryType::GNULongLink => "a name that is too long",
        EntryType::Char | EntryType::Block | EntryType::Fifo => "a device or pipe",
        _ => "something special",
    }
}
