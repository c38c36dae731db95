//! A stream of bytes from a file or from the program itself, unpacked where it is gzipped, read without trusting what a header
//! promises: the promise is held against the file's length first.

use std::io::{self, BufReader, Cursor, ErrorKind, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::GzDecoder;

use crate::data::DataError;
use crate::regular;

/// Deflate packs at most 1032 bytes into one (zlib's technical notes), so a short file cannot promise a large one.
const GZIP_MOST: u64 = 1032;

/// How many bytes a stream can give.
#[derive(Clone, Copy)]
enum Length {
    Exactly(u64),
    /// Compressed: an upper bound.
    AtMost(u64),
}

/// An open stream and what to call it in errors.
pub(in crate::data) struct ByteSource {
    /// Path, or a name for what is built in.
    pub name: String,
    stream: Box<dyn Read>,
    length: Length,
    /// Bytes read so far.
    read: u64,
}

impl ByteSource {
    /// Opens a file; gzip is recognised by its first bytes, so that a file that was unpacked without being renamed works too.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let name = path.display().to_string();
        let failed = |e: io::Error| DataError::Read { file: path.display().to_string(), problem: e.to_string() };
        let mut file = regular::open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let mut start = Vec::new();
        (&mut file).take(2).read_to_end(&mut start).map_err(failed)?;
        Ok(Self::new(name, start, file, length))
    }

    /// Bytes inside the program.
    pub fn built_in(name: &str, bytes: &'static [u8]) -> Self {
        let start = bytes.get(..2).unwrap_or(bytes);
        Self::new(name.to_owned(), start.to_vec(), &bytes[start.len()..], bytes.len() as u64)
    }

    fn new(name: String, start: Vec<u8>, rest: impl Read + 'static, length: u64) -> Self {
        let gzip = start == [0x1f, 0x8b];
        let all = BufReader::new(Cursor::new(start).chain(rest));
        let (stream, length): (Box<dyn Read>, _) = match gzip {
            true => (Box::new(GzDecoder::new(all)), Length::AtMost(length.saturating_mul(GZIP_MOST))),
            false => (Box::new(all), Length::Exactly(length)),
        };
        Self { name, stream, length, read: 0 }
    }

    /// Length of the stream, where it is known before reading.
    pub fn known_length(&self) -> Option<u64> {
        match self.length {
            Length::Exactly(length) => Some(length),
            Length::AtMost(_) => None,
        }
    }

    /// The next `N` big-endian 32-bit numbers.
    pub fn numbers<const N: usize>(&mut self) -> Result<[u32; N], DataError> {
        let bytes = self.bytes(4 * N)?;
        if bytes.len() < 4 * N {
            return Err(self.truncated(u128::from(self.read) - bytes.len() as u128 + 4 * N as u128));
        }
        let mut numbers = [0; N];
        for (number, bytes) in numbers.iter_mut().zip(bytes.chunks_exact(4)) {
            *number = bytes.iter().fold(0, |value, byte| value << 8 | u32::from(*byte));
        }
        Ok(numbers)
    }

    /// Reads the rest, which must be `total` bytes, and gives the first `keep` of them.
    pub fn rest(mut self, total: u128, keep: usize) -> Result<Vec<u8>, DataError> {
        let expected = u128::from(self.read) + total;
        match self.length {
            Length::Exactly(length) if u128::from(length) > expected => {
                return Err(self.oversized(expected));
            }
            Length::Exactly(length) | Length::AtMost(length) if u128::from(length) < expected => {
                return Err(self.truncated(expected));
            }
            _ => {}
        }
        let kept = self.bytes(keep)?;
        // Fits: it is at most `length`.
        let skip = total.saturating_sub(kept.len() as u128) as u64;
        let skipped = io::copy(&mut (&mut self.stream).take(skip), &mut io::sink()).map_err(|e| self.failed(e))?;
        self.read += skipped;
        if kept.len() < keep || skipped < skip {
            return Err(self.truncated(expected));
        }
        // One byte further: finds what is too much, and lets the decompressor compare its checksum.
        if !self.bytes(1)?.is_empty() {
            return Err(self.oversized(expected));
        }
        Ok(kept)
    }

    /// Up to `n` bytes, fewer at the end. Memory grows with what is really there.
    fn bytes(&mut self, n: usize) -> Result<Vec<u8>, DataError> {
        let mut bytes = Vec::new();
        if let Length::Exactly(length) = self.length {
            bytes.reserve_exact(n.min(usize::try_from(length).unwrap_or(usize::MAX)));
        }
        let read = (&mut self.stream).take(n as u64).read_to_end(&mut bytes).map_err(|e| self.failed(e))?;
        self.read += read as u64;
        Ok(bytes)
    }

    fn failed(&self, error: io::Error) -> DataError {
        let (file, problem) = (self.name.clone(), error.to_string());
        match (self.length, error.kind()) {
            (Length::AtMost(_), ErrorKind::UnexpectedEof) => {
                DataError::Gzip { file, problem: "it ends before its contents do: truncated".to_owned() }
            }
            (Length::AtMost(_), ErrorKind::InvalidInput | ErrorKind::InvalidData) => DataError::Gzip { file, problem },
            _ => DataError::Read { file, problem },
        }
    }

    fn truncated(&self, expected: u128) -> DataError {
        let found = match self.length {
            Length::Exactly(length) => format!("{length}"),
            Length::AtMost(length) if u128::from(length) < expected => {
                format!("at most {length} (gzipped)")
            }
            Length::AtMost(_) => format!("{} (unpacked)", self.read),
        };
        DataError::Truncated { file: self.name.clone(), found, expected }
    }

    fn oversized(&self, expected: u128) -> DataError {
        DataError::Oversized { file: self.name.clone(), expected }
    }
}

/// The lines of a small text file of at most `most` bytes, without blanks around them; empty lines at the end do not count.
pub(in crate::data) fn lines(path: &Path, most: u64) -> Result<Vec<String>, DataError> {
    let file = path.display().to_string();
    let mut bytes = Vec::new();
    regular::open(path)
        .and_then(|file| file.take(most + 1).read_to_end(&mut bytes))
        .map_err(|e| DataError::Read { file: file.clone(), problem: e.to_string() })?;
    if bytes.len() as u64 > most {
        return Err(DataError::Oversized { file, expected: u128::from(most) });
    }
    let text =
        String::from_utf8(bytes).map_err(|_| DataError::Read { file, problem: "it is no UTF-8 text".to_owned() })?;
    Ok(text.trim_end().lines().map(|line| line.trim().to_owned()).collect())
}

/// The first of `names` that is a file in `folder`.
pub(in crate::data) fn find(folder: &Path, names: &[String]) -> Option<PathBuf> {
    names.iter().map(|name| folder.join(name)).find(|path| path.is_file())
}
