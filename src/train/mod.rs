//! The training loop and what it leaves.
//!
//! [`TrainPlan`] builds the graphs and estimates what they need; [`Trainer`] allocates, compiles and trains. It emits [`Event`]s and takes
//! [`Command`]s, and knows no listener: [`MetricsFile`] is one, TensorBoard's file, a progress bar and a window are others.
//! [`RunFolder`] is where a run lies, [`Run`] a training in one, and [`History`] reads it back.

pub mod checkpoint;
mod error;
mod event;
mod folder;
mod health_monitor;
mod keep;
mod kernels;
mod lock;
mod meter;
mod metrics;
#[cfg(test)]
mod mutations;
mod plan;
mod position;
mod precomputed_targets;
mod preset;
mod rank;
mod recovery;
mod run;
mod schedule;
mod slow_rank;
mod tensorboard;
mod trainer;
mod unbegun;

pub use crate::method::AlarmKind;
pub use error::{FolderError, TrainError};
pub use event::{Alarm, Command, Done, Epoch, Event, Failed, Saved, Start, Step, Tuning, Warning, Watch};
pub use folder::RunFolder;
pub use health_monitor::{HealthGrade, HealthMonitor, HealthStatus};
pub use kernels::Kernels;
pub use metrics::{
    AlarmLine, Columns, DoneLine, EpochLine, FailedLine, Fields, History, Line, MetricsFile, MetricsReader,
    MetricsTable, Part, Readings, StartLine, StepLine, TableFormat, WatchLine, declared,
};
pub use plan::{RESIDENT_SHARE, TrainPlan};
pub use preset::preset_for;
pub use rank::effective_rank;
pub use recovery::train_through_losses;
pub use run::Run;
pub use schedule::LearningRates;
pub use tensorboard::EventsFile;
pub use trainer::{Listen, Outcome, Trainer};
