//! What can be wrong with a checkpoint, each in one line that names the file and the fix.

use std::path::PathBuf;

use crate::error::write_advice;

/// A checkpoint that cannot be read, written or used.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// There is no such file.
    #[error("checkpoint {} does not exist; give the path of a .safetensors file", .file.display())]
    NotFound {
        /// The path.
        file: PathBuf,
    },
    /// The file cannot be read.
    #[error("checkpoint {} cannot be read: {reason}", .file.display())]
    Read {
        /// The path.
        file: PathBuf,
        /// The system's words.
        reason: std::io::Error,
    },
    /// The file cannot be written.
    #[error(
        "checkpoint {} cannot be written: {reason}; {}", .file.display(), write_advice(.reason)
    )]
    Write {
        /// The path.
        file: PathBuf,
        /// The system's words.
        reason: std::io::Error,
    },
    /// Cut short, or something else.
    #[error("{} is no complete safetensors file ({reason}); use another checkpoint", .file.display())]
    Format {
        /// The path.
        file: PathBuf,
        /// The parser's words.
        reason: String,
    },
    /// Metadata of this program that makes no sense.
    #[error("{}: metadata {key} = {value:?} is no whole number below 2^63; use another checkpoint", .file.display())]
    Metadata {
        /// The path.
        file: PathBuf,
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
    },
    /// Written by a later version of this program.
    #[error(
        "{} is a checkpoint of version {version}, this program reads up to {known}; use a newer one", .file.display()
    )]
    Version {
        /// The path.
        file: PathBuf,
        /// Its version.
        version: u64,
        /// The highest known.
        known: u64,
    },
    /// Its contents are not those that were written.
    #[error(
        "{}: {part} differs from its checksum: the file was damaged after it was written; use another checkpoint", .file.display()
    )]
    Damaged {
        /// The path.
        file: PathBuf,
        /// A tensor's name, or the header.
        part: String,
    },
    /// Weights of a training that had left the range of numbers.
    #[error("{}: tensor {tensor} holds values that are not finite, so nothing can be computed with it; use another checkpoint", .file.display())]
    NotFinite {
        /// The path.
        file: PathBuf,
        /// The tensor.
        tensor: String,
    },
    /// A tensor is not there.
    #[error("{} has no tensor {tensor}; {fix}", .file.display())]
    Missing {
        /// The path.
        file: PathBuf,
        /// The tensor.
        tensor: String,
        /// What to do.
        fix: &'static str,
    },
    /// A tensor has another shape than the model's.
    #[error(
        "{}: tensor {tensor} has shape {has:?}, the model expects {wanted:?}; use the model settings it was trained with \
         (arch, blocks, width, stem, dim, …)", .file.display()
    )]
    Shape {
        /// The path.
        file: PathBuf,
        /// The tensor.
        tensor: String,
        /// In the file, PyTorch's order.
        has: Vec<usize>,
        /// In the model, PyTorch's order.
        wanted: Vec<usize>,
    },
    /// A tensor is not of 32-bit floats.
    #[error("{}: tensor {tensor} holds {has}, not F32; convert the file to 32-bit floats", .file.display())]
    Type {
        /// The path.
        file: PathBuf,
        /// The tensor.
        tensor: String,
        /// Its type.
        has: String,
    },
}
