//! What can go wrong with weights for other programs and from them.

use std::path::PathBuf;

use crate::error::{Classified, write_advice};
use crate::graph::GraphError;
use crate::train::TrainError;
use crate::train::checkpoint::CheckpointError;

/// Weights that cannot be written or taken.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A name that does not end in `.safetensors` or `.onnx`.
    #[error("{} ends neither in .safetensors nor in .onnx: name the file so", .file.display())]
    Extension {
        /// The name.
        file: PathBuf,
    },
    /// Weights that are no numbers.
    #[error("{}: tensor {tensor} holds values that are not finite: use an earlier checkpoint with --checkpoint", .file.display())]
    NotFinite {
        /// The checkpoint.
        file: PathBuf,
        /// The tensor.
        tensor: String,
    },
    /// A model beyond what an ONNX file holds.
    #[error("{} would have {bytes} bytes, and an ONNX file holds less than 2 GiB: export .safetensors", .file.display())]
    TooLarge {
        /// The file.
        file: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// A layer that has no translation.
    #[error("the layer {label} has no counterpart in ONNX: export .safetensors")]
    Operator {
        /// Where it stands in the network.
        label: String,
    },
    /// A network that cannot be built.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// A checkpoint that does not fit the network.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A file that cannot be written.
    #[error("{} cannot be written: {reason}; {}", .file.display(), write_advice(.reason))]
    Write {
        /// The file.
        file: PathBuf,
        /// The system's words.
        reason: std::io::Error,
    },
    /// A file that cannot be read.
    #[error("{} cannot be read: {reason}; check the path", .file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// The system's words.
        reason: std::io::Error,
    },
    /// A file that holds no weights that can be read.
    #[error("{}: {problem}", .file.display())]
    Format {
        /// The file.
        file: PathBuf,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// Weights of another network.
    #[error("{}: {problem}", .file.display())]
    Network {
        /// The file.
        file: PathBuf,
        /// What is wrong, and what to do.
        problem: String,
    },
}

impl Classified for ExportError {
    fn is_usage(&self) -> bool {
        matches!(self, Self::Extension { .. })
    }
}

/// What can go wrong where a run begins with weights from a file.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The weights.
    #[error(transparent)]
    Weights(#[from] ExportError),
    /// The run.
    #[error(transparent)]
    Run(#[from] TrainError),
}

impl Classified for ImportError {
    fn is_usage(&self) -> bool {
        match self {
            Self::Weights(error) => error.is_usage(),
            Self::Run(error) => error.is_usage(),
        }
    }
}
