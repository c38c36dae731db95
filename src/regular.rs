//! Reading files that anyone may have put there. A pipe or a device may never end, or wait for its other end for ever, so only regular
//! files are read.

use std::fs::{self, File, FileType, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// Opens a regular file for reading; an error for anything else, without waiting for it.
pub fn open(path: &Path) -> io::Result<File> {
    open_with(path, OpenOptions::new().read(true))
}

/// The same with other options.
pub fn open_with(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    // By its name first: to open a device may do something. Then the file itself, because the name may have changed hands.
    match fs::metadata(path) {
        Ok(metadata) => check(metadata.file_type())?,
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(options, libc::O_NONBLOCK);
    let file = options.open(path)?;
    check(file.metadata()?.file_type())?;
    Ok(file)
}

/// The bytes of a regular file.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The text of a regular file.
pub fn read_to_string(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    open(path)?.read_to_string(&mut text)?;
    Ok(text)
}

fn check(kind: FileType) -> io::Result<()> {
    let what = match kind {
        kind if kind.is_file() => return Ok(()),
        kind if kind.is_dir() => "a folder",
        _ => "a pipe, socket or device",
    };
    Err(io::Error::new(ErrorKind::InvalidInput, format!("it is {what}, not a regular file")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_are_read() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("file");
        let reason = |path: &Path| read(path).err().map(|e| e.to_string()).unwrap_or_default();
        assert_eq!(open(&path).err().map(|e| e.kind()), Some(ErrorKind::NotFound));
        fs::write(&path, "text")?;
        assert_eq!(read_to_string(&path)?, "text");
        assert_eq!(reason(folder.path()), "it is a folder, not a regular file");
        #[cfg(unix)]
        {
            let pipe = folder.path().join("pipe");
            assert!(std::process::Command::new("mkfifo").arg(&pipe).status()?.success());
            for path in [&pipe, Path::new("/dev/zero")] {
                assert_eq!(reason(path), "it is a pipe, socket or device, not a regular file");
            }
        }
        Ok(())
    }
}
