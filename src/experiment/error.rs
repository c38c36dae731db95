//! What can be wrong with an experiment or a report.

use std::io;
use std::path::PathBuf;

use crate::config::ConfigError;
use crate::data::DataError;
use crate::error::{Classified, write_advice};
use crate::picture::PictureError;
use crate::train::{FolderError, TrainError};

/// An experiment that cannot be planned, run or reported.
#[derive(Debug, thiserror::Error)]
pub enum ExperimentError {
    /// An experiment that does not exist.
    #[error("unknown experiment {name:?}; {fix}, all, or a file that ends in .toml")]
    Unknown {
        /// As written.
        name: String,
        /// Those that exist.
        fix: String,
    },
    /// A file that defines none.
    #[error("{origin}: {problem}")]
    Definition {
        /// The file.
        origin: String,
        /// What is wrong and what to write.
        problem: String,
    },
    /// A folder that holds something else.
    #[error("{} holds no experiments, but other things ({found}); choose another folder with --out", .folder.display())]
    OtherContent {
        /// The folder.
        folder: PathBuf,
        /// One of them.
        found: String,
    },
    /// The runs in a folder have other common settings.
    #[error(
        "{}: its runs were made with {key} = {had}, not {wanted}; give the same settings, or another folder with --out", .folder.display()
    )]
    OtherBase {
        /// The folder.
        folder: PathBuf,
        /// The first key that differs.
        key: String,
        /// Its value there.
        had: String,
        /// The value asked for.
        wanted: String,
    },
    /// A variant of the common settings needs more images than there are.
    #[error("run {run}, which one of the experiments needs: {problem}, or give smaller common settings")]
    DoesNotFit {
        /// The run's name.
        run: String,
        /// What does not fit.
        problem: ConfigError,
    },
    /// There is nothing to report on.
    #[error("{} holds no runs; give folders of runs, or a folder that holds some", .folder.display())]
    NoRuns {
        /// The folder.
        folder: PathBuf,
    },
    /// The system refuses to read.
    #[error("{} cannot be read: {reason}; check the path and its permissions", .path.display())]
    Read {
        /// File or folder.
        path: PathBuf,
        /// The system's words.
        reason: io::Error,
    },
    /// The system refuses to write.
    #[error("{} cannot be written: {reason}; {}", .path.display(), write_advice(.reason))]
    Write {
        /// File or folder.
        path: PathBuf,
        /// The system's words.
        reason: io::Error,
    },
    /// Settings that contradict each other or the data.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The data cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A run.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// A run's folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A picture.
    #[error(transparent)]
    Picture(#[from] PictureError),
}

impl Classified for ExperimentError {
    fn is_usage(&self) -> bool {
        match self {
            Self::Config(error) => error.is_usage(),
            Self::Data(error) => error.is_usage(),
            Self::Train(error) => error.is_usage(),
            Self::Folder(error) => error.is_usage(),
            Self::Picture(_) | Self::Read { .. } | Self::Write { .. } => false,
            _ => true,
        }
    }
}
