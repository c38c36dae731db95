//! A file as the `parquet` crate reads it: by positioned reads, and without believing a length that the file does not have.

use std::io::{self, BufReader, Read};
use std::sync::Arc;

use ::bytes::Bytes;
use ::parquet::errors::{ParquetError, Result};
use ::parquet::file::reader::{ChunkReader, Length};

use crate::data::read::positioned::Positioned;

/// The file; clones share it.
#[derive(Clone)]
pub(super) struct Chunks(pub Arc<Positioned>);

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.0.length
    }
}

impl ChunkReader for Chunks {
    type T = BufReader<Rest>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(BufReader::new(Rest { file: self.0.clone(), at: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let read = self.0.read(start, length);
        read.map(Bytes::from).map_err(|e| ParquetError::General(e.to_string()))
    }
}

/// Reads from a position on.
pub(super) struct Rest {
    file: Arc<Positioned>,
    at: u64,
}

impl Read for Rest {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.file.length.saturating_sub(self.at);
        let bytes = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let read = self.file.read(self.at, bytes).map_err(io::Error::other)?;
        // Exactly as long as asked for.
        buffer[..bytes].copy_from_slice(&read);
        self.at += bytes as u64;
        Ok(bytes)
    }
}
