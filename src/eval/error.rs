//! What can keep a network from being evaluated.

use std::path::PathBuf;

use crate::data::DataError;
use crate::error::Classified;
use crate::gpu::GpuError;
use crate::graph::GraphError;
use crate::ranks::RanksError;

/// An evaluation that cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    /// The features of the training images do not fit one binding.
    #[error(
        "kNN needs the features of {images} training images in {needs} MiB and this adapter binds at most {limit} MiB at once: set \
         run.knn_every = 0 or a smaller data.limit_train (--limit-train)"
    )]
    BankTooLarge {
        /// Training images.
        images: usize,
        /// MiB needed.
        needs: u64,
        /// MiB the adapter binds.
        limit: u64,
    },
    /// Something that the evaluation cannot do without.
    #[error("{data} has no {missing}, which this evaluation needs; give other data with --data")]
    Missing {
        /// The data's name.
        data: String,
        /// What is not there.
        missing: &'static str,
    },
    /// So many images could not be read that nothing is left.
    #[error("{data}: none of the {part} images can be read; give other data with --data")]
    NothingLeft {
        /// The data's name.
        data: String,
        /// Which images.
        part: &'static str,
    },
    /// Too few images to normalise a batch by.
    #[error(
        "{data}: fine-tuning needs two labelled training images and more, and there are {images}; give more with --label-percent or --data"
    )]
    TooFewLabels {
        /// The data's name.
        data: String,
        /// Labelled images.
        images: usize,
    },
    /// Fine-tuning has left the range of numbers.
    #[error(
        "the loss of epoch {epoch} is {loss}: fine-tuning has diverged; give smaller learning rates with --lr and --classifier-lr"
    )]
    Diverged {
        /// From 1.
        epoch: usize,
        /// Its mean loss.
        loss: f64,
    },
    /// A frozen network that is not what it was.
    #[error(
        "{tensor} changed while a classifier was trained on the frozen network, so its accuracy means nothing; report this as a bug"
    )]
    Changed {
        /// PyTorch's name of the first tensor that differs.
        tensor: String,
    },
    /// A network that makes no numbers of an image.
    #[error(
        "the network makes values of image {image} that are not finite, so nothing can be measured; use another checkpoint"
    )]
    NotFinite {
        /// The image's number in its set.
        image: u32,
    },
    /// A file name that ends in none of `.safetensors`, `.npy` and `.parquet`.
    #[error("{}: features are written as .safetensors, .npy or .parquet; end the file's name in one of them", file.display())]
    Kind {
        /// As given.
        file: PathBuf,
    },
    /// A file name that does not end in `.csv`.
    #[error("{}: predictions are written as .csv; end the file's name in that", file.display())]
    PredictionKind {
        /// As given.
        file: PathBuf,
    },
    /// A file cannot be written.
    #[error("{}: cannot be written ({reason}); check the folder, its permissions and the space left", file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// What the system says.
        reason: std::io::Error,
    },
    /// From below.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// From other ranks.
    #[error(transparent)]
    Ranks(#[from] RanksError),
    /// Images cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// From below.
    #[error(transparent)]
    Gpu(#[from] GpuError),
}

impl Classified for EvalError {
    fn is_usage(&self) -> bool {
        matches!(self, Self::Kind { .. } | Self::PredictionKind { .. })
    }
}
