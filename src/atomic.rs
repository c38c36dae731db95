//! Files that are there whole or not at all.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// How the names of files begin and end that are being written.
const PREFIX: &str = ".simsiam-";
const SUFFIX: &str = ".partial";

/// Writes what `content` writes into a file beside `path`, waits until the disk has it, and gives it that name: a crash, a full disk or
/// a reader at the wrong moment finds the file that was there before.
pub fn write<E: From<io::Error>>(path: &Path, content: impl FnOnce(&mut dyn Write) -> Result<(), E>) -> Result<(), E> {
    let folder = folder_of(path);
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX).suffix(SUFFIX);
    // Temporary files are private by default; this one gets the permissions of any other new file.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = BufWriter::with_capacity(1 << 20, builder.tempfile_in(folder)?);
    content(&mut file)?;
    let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|e| e.error)?;
    // The rename itself must outlive a power cut. Other systems do not open folders as files.
    #[cfg(unix)]
    fs::File::open(folder)?.sync_all()?;
    Ok(())
}

/// Waits until the disk has the name of a new file. Where that cannot be asked, the system does it in its own time.
pub fn sync_folder_of(path: &Path) {
    #[cfg(unix)]
    let _ = fs::File::open(folder_of(path)).and_then(|folder| folder.sync_all());
    #[cfg(not(unix))]
    let _ = path;
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Whether a file of this name is one that [`write`] has not finished.
pub fn is_partial(name: &str) -> bool {
    name.starts_with(PREFIX) && name.ends_with(SUFFIX)
}

/// Removes what writes that were killed left in `folder`. No other process may be writing there.
pub fn remove_partial(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let ours = entry.file_name().to_str().is_some_and(is_partial);
        if ours && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            // What cannot be removed stays, and does no harm.
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let text = |text: &'static str| move |file: &mut dyn Write| file.write_all(text.as_bytes());
        write(&path, text("first")).unwrap();
        let failed = write(&path, |file| {
            file.write_all(b"half")?;
            Err(io::Error::other("no more"))
        });
        assert_eq!(failed.unwrap_err().to_string(), "no more");
        assert_eq!(fs::read_to_string(&path).unwrap(), "first");
        write(&path, text("second")).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "second");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(write(&folder.path().join("no/folder"), text("")).is_err());
        for name in [".simsiam-x1y2.partial", ".simsiam-mine", "other.partial"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        fs::create_dir(folder.path().join(".simsiam-folder.partial")).unwrap();
        remove_partial(folder.path());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4);
        assert!(!folder.path().join(".simsiam-x1y2.partial").exists());
    }
}
