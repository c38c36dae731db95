//! Reads at a position of an open file, from several threads at once.
//!
//! Not a memory map: a file that shrinks or a disk that fails under a map ends the program with a signal; a read gives an error.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::data::DataError;
use crate::regular;

/// An open file of a length that is known.
#[derive(Debug)]
pub(in crate::data) struct Positioned {
    file: File,
    /// What to call it in errors.
    pub path: PathBuf,
    /// Bytes in it when it was opened.
    pub length: u64,
}

impl Positioned {
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let open = || {
            let file = regular::open(path)?;
            let length = file.metadata()?.len();
            Ok((file, length))
        };
        let (file, length) = open().map_err(|e| failed(path, &e))?;
        Ok(Self { file, path: path.to_owned(), length })
    }

    /// A file that is open already; `path` is what to call it.
    pub fn from_file(file: File, path: PathBuf, length: u64) -> Self {
        Self { file, path, length }
    }

    /// `bytes` bytes from `offset` on. Asks for no memory where they are not all inside the file.
    pub fn read(&self, offset: u64, bytes: usize) -> Result<Vec<u8>, DataError> {
        let end = offset.checked_add(bytes as u64);
        if end.is_none_or(|end| end > self.length) {
            return Err(DataError::Truncated {
                file: self.path.display().to_string(),
                found: self.length.to_string(),
                expected: u128::from(offset) + bytes as u128,
            });
        }
        let mut buffer = vec![0; bytes];
        match read_exact_at(&self.file, &mut buffer, offset) {
            Ok(()) => Ok(buffer),
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                let now = self.file.metadata().map_or(0, |data| data.len());
                Err(DataError::Read {
                    file: self.path.display().to_string(),
                    problem: format!("it had {} bytes when it was opened and now has {now}", self.length),
                })
            }
            Err(e) => Err(failed(&self.path, &e)),
        }
    }
}

fn failed(path: &Path, error: &io::Error) -> DataError {
    DataError::Read { file: path.display().to_string(), problem: error.to_string() }
}

#[cfg(unix)]
fn read_exact_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
    use std::os::windows::fs::FileExt;
    // Moves the file's own position too, which is unused.
    while !buffer.is_empty() {
        match file.seek_read(buffer, offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => {
                buffer = buffer.get_mut(n..).unwrap_or_default();
                offset += n as u64;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}
