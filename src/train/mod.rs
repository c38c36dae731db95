//! The training loop and what it leaves.
//!
//! [`Blueprint`] builds the graphs and tells what they need; [`Trainer`] allocates, compiles and trains. It tells [`Event`]s and takes
//! [`Command`]s, and knows nobody who listens: [`MetricsFile`] is one listener, a progress bar and a window are others.
//! [`RunFolder`] is where a run lies, [`Run`] a training in one, and [`History`] reads it back.

mod alarm;
mod blueprint;
pub mod checkpoint;
mod error;
mod event;
mod folder;
mod history;
mod kernels;
mod meter;
mod metrics;
mod numbers;
mod position;
mod precomputed_targets;
mod preset;
mod rank;
mod run;
mod schedule;
mod trainer;

pub use crate::method::AlarmKind;
pub use alarm::Watchman;
pub use blueprint::{Blueprint, RESIDENT_SHARE};
pub use error::{FolderError, TrainError};
pub use event::{Alarm, Command, Done, Epoch, Event, Failed, Saved, Start, Step, Tuning, Warning, Watch};
pub use folder::RunFolder;
pub use history::{AlarmLine, DoneLine, EpochLine, FailedLine, History, Line, StartLine, StepLine, WatchLine};
pub use kernels::Kernels;
pub use metrics::MetricsFile;
pub use preset::preset_for;
pub use rank::effective_rank;
pub use run::Run;
pub use schedule::LearningRates;
pub use trainer::{Outcome, Trainer};
