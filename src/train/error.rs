//! What can end a training.

use std::path::PathBuf;

use super::checkpoint::CheckpointError;
use crate::augment::PreviewError;
use crate::config::ConfigError;
use crate::data::DataError;
use crate::error::{Classified, write_advice};
use crate::eval::EvalError;
use crate::gpu::GpuError;
use crate::graph::GraphError;
use crate::picture::PictureError;
use crate::ranks::RanksError;

/// A training that cannot begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The loss is no number any more.
    #[error(
        "the loss is {loss} at step {step}: the weights have left the range of numbers; what usually helps: {advice}{resume}"
    )]
    Diverged {
        /// The step.
        step: u64,
        /// Its loss.
        loss: f32,
        /// What usually helps.
        advice: String,
        /// Where the last good weights are.
        resume: String,
    },
    /// The gradients, or their norm, are NaN or infinite.
    #[error("the gradients at step {step} have left the range of numbers; what usually helps: {advice}{resume}")]
    Gradient {
        /// The step.
        step: u64,
        /// What usually helps.
        advice: String,
        /// Where the last good weights are.
        resume: String,
    },
    /// The loss scale of a run in f16 has fallen as low as it can.
    #[error(
        "the loss scale has fallen to {scale:e} at step {step}: activations or gradients leave the range of 16-bit floats in every \
         step; set run.precision = f32, or try a smaller optim.lr or a few optim.warmup_epochs{resume}"
    )]
    LossScale {
        /// The step.
        step: u64,
        /// The scale.
        scale: f32,
        /// Where the last good weights are.
        resume: String,
    },
    /// Steps have changed nothing for so long that they never will.
    #[error(
        "the last {steps} steps, up to step {step}, were skipped: activations leave the range of 16-bit floats whatever the loss scale; \
         set run.precision = f32, or try a smaller optim.lr or a few optim.warmup_epochs{resume}"
    )]
    Stuck {
        /// Steps done.
        step: u64,
        /// How many were skipped since the last one that was not.
        steps: u64,
        /// Where the last good weights are.
        resume: String,
    },
    /// What a checkpoint would keep is no number any more, although the loss was.
    #[error(
        "after step {step}, {tensor} holds values that are not finite: the weights have left the range of numbers; what usually helps: \
         {advice}{resume}"
    )]
    NotFinite {
        /// Steps done.
        step: u64,
        /// PyTorch's name of the first such tensor.
        tensor: String,
        /// What usually helps.
        advice: String,
        /// Where the last good weights are.
        resume: String,
    },
    /// A checkpoint of a step that the run does not have.
    #[error(
        "the checkpoint says step {step}, epoch {epoch} of a run of {steps} steps: it is damaged or of another run; use another one"
    )]
    BeyondEnd {
        /// In the checkpoint.
        step: u64,
        /// In the checkpoint.
        epoch: u64,
        /// Of the whole run.
        steps: u64,
    },
    /// A checkpoint is to be continued with other images than it began with.
    #[error("the run was trained on {had} images and the data now holds {has}; give the same data with --data")]
    OtherData {
        /// Training images then.
        had: String,
        /// Training images now.
        has: usize,
    },
    /// Settings that contradict each other or the data.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The data cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The device failed.
    #[error(transparent)]
    Gpu(#[from] GpuError),
    /// The network does not fit the device.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The network cannot be evaluated.
    #[error(transparent)]
    Eval(#[from] EvalError),
    /// A checkpoint cannot be read, written or used.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The views cannot be shown.
    #[error(transparent)]
    Preview(#[from] PreviewError),
    /// Their picture cannot be written.
    #[error("the picture of the views: {0}")]
    Picture(#[from] PictureError),
    /// The other ranks.
    #[error(transparent)]
    Ranks(#[from] RanksError),
    /// The run folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
}

impl Classified for TrainError {
    fn is_usage(&self) -> bool {
        match self {
            Self::Config(error) => error.is_usage(),
            Self::Data(error) => error.is_usage(),
            Self::Gpu(error) => error.is_usage(),
            Self::Folder(error) => error.is_usage(),
            _ => false,
        }
    }
}

impl TrainError {
    /// Whether the numbers of the training have left their range: the same run would do so again.
    pub fn is_divergence(&self) -> bool {
        self.diverged_at().is_some()
    }

    /// The step at which the numbers of the training were seen to have left their range.
    pub fn diverged_at(&self) -> Option<u64> {
        match *self {
            Self::Diverged { step, .. }
            | Self::Gradient { step, .. }
            | Self::LossScale { step, .. }
            | Self::Stuck { step, .. }
            | Self::NotFinite { step, .. } => Some(step),
            _ => None,
        }
    }

    /// Whether the device, and not the run, is at fault: the same run can be tried again, from its last checkpoint.
    pub fn is_lost_device(&self) -> bool {
        let error = match self {
            TrainError::Gpu(error)
            | TrainError::Graph(GraphError::Gpu(error))
            | TrainError::Eval(EvalError::Gpu(error) | EvalError::Graph(GraphError::Gpu(error))) => error,
            _ => return false,
        };
        matches!(error, GpuError::Lost { .. } | GpuError::Uncaptured { .. })
    }
}

/// What can be wrong with a run folder.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// There is a run already.
    #[error(
        "{0} already holds a run; continue it with --resume {0}, or choose another folder with --out", .folder.display()
    )]
    Exists {
        /// The folder.
        folder: PathBuf,
    },
    /// Another process trains it.
    #[error("{} is being trained by {holder}; wait until it ends, or stop it", .folder.display())]
    InUse {
        /// The folder.
        folder: PathBuf,
        /// Which one, as far as it is known.
        holder: String,
    },
    /// There is something else.
    #[error("{} is not empty and holds no run; choose another folder with --out", .folder.display())]
    NotEmpty {
        /// The folder.
        folder: PathBuf,
    },
    /// There is one of TensorBoard's files, whose steps would be there twice.
    #[error("{} already holds a file of TensorBoard's, and every step would be shown twice; give another folder", .folder.display())]
    HasEvents {
        /// The folder.
        folder: PathBuf,
    },
    /// There is no run.
    #[error("{} holds no run ({what} is missing); give the folder of an earlier run", .folder.display())]
    NoRun {
        /// The folder.
        folder: PathBuf,
        /// The missing part.
        what: &'static str,
    },
    /// The configuration is not the one that the checkpoint was trained with.
    #[error(
        "{}: it was changed since its checkpoint was written, and a run cannot change on the way; undo the change or start a new run",
        .file.display()
    )]
    ConfigChanged {
        /// The configuration file.
        file: PathBuf,
    },
    /// The system refuses to read.
    #[error("{} cannot be read: {reason}", .path.display())]
    Read {
        /// File or folder.
        path: PathBuf,
        /// The system's words.
        reason: std::io::Error,
    },
    /// The system refuses to write.
    #[error(
        "{} cannot be written: {reason}; {}", .path.display(), write_advice(.reason)
    )]
    Write {
        /// File or folder.
        path: PathBuf,
        /// The system's words.
        reason: std::io::Error,
    },
}

impl Classified for FolderError {
    fn is_usage(&self) -> bool {
        matches!(self, Self::Exists { .. } | Self::NotEmpty { .. } | Self::HasEvents { .. } | Self::NoRun { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_device_is_known_wherever_it_was_lost() {
        let lost = || GpuError::Lost { during: "conv2d".into(), reason: "gone".into() };
        let kinds: [TrainError; 3] =
            [lost().into(), GraphError::from(lost()).into(), EvalError::from(GraphError::from(lost())).into()];
        assert!(kinds.iter().all(TrainError::is_lost_device));
        assert!(!TrainError::from(GpuError::NoAdapter).is_lost_device());
    }
}
