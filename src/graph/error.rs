//! What a graph can refuse.

use crate::gpu::GpuError;
use crate::ranks::RanksError;

/// A graph that cannot be built or does not fit.
#[derive(Debug, thiserror::Error)]
pub enum GraphError {
    /// An operator was given shapes it cannot take.
    #[error("{label}: {op} cannot take {inputs}: {reason}")]
    Shape {
        /// Where in the model.
        label: String,
        /// The operator.
        op: &'static str,
        /// The shapes given.
        inputs: String,
        /// What is wrong with them.
        reason: String,
    },
    /// A gradient was asked of an operator that has none.
    #[error("{label}: {op} has no gradient")]
    NoGradient {
        /// Where in the model.
        label: String,
        /// The operator.
        op: &'static str,
    },
    /// One tensor exceeds the adapter's largest storage binding.
    #[error(
        "tensor `{tensor}` {shape} needs {needs} MiB, this adapter binds at most {limit} MiB at once: use a smaller \
         batch_size, image_size or width"
    )]
    TensorTooLarge {
        /// Its name.
        tensor: String,
        /// Its shape.
        shape: String,
        /// MiB needed.
        needs: u64,
        /// MiB the adapter binds.
        limit: u64,
    },
    /// Tensors in f16 on an adapter without.
    #[error(
        "run.precision = f16 needs 16-bit floats and subgroups in shaders, and this adapter lacks them: set run.precision = f32 or \
         choose another adapter with --device"
    )]
    NoF16,
    /// More memory than the adapter has.
    #[error(
        "the run needs about {needs} MiB and the adapter has {has} MiB: use a smaller batch_size, image_size or width"
    )]
    Memory {
        /// MiB needed.
        needs: u64,
        /// MiB there.
        has: u64,
    },
    /// More memory than was allowed.
    #[error(
        "the run needs at least {needs} MiB, even with activation checkpointing, and may take {limit} MiB: allow --memory \
         {needs}MiB, or use a smaller batch_size, image_size or width"
    )]
    MemoryLimit {
        /// MiB needed, rounded up.
        needs: u64,
        /// MiB allowed.
        limit: u64,
    },
    /// From below.
    #[error(transparent)]
    Gpu(#[from] GpuError),
    /// From other ranks.
    #[error(transparent)]
    Ranks(#[from] RanksError),
}
