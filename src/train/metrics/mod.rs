//! The numbers of a run: read back from the device ([`step_metrics`]), carried by events ([`Readings`]), written to `metrics.jsonl`
//! ([`MetricsFile`]) and read from there ([`MetricsReader`], [`History`]). What they are is declared where they are made, see
//! [`Metric`]: nothing here knows one by name but those that the trainer itself measures.

mod columns;
mod file;
mod history;
mod line;
mod reader;
mod readings;
pub(super) mod step_metrics;
mod table;

use std::sync::Arc;

pub use columns::Columns;
pub use file::MetricsFile;
pub use history::History;
pub use line::{AlarmLine, DoneLine, EpochLine, FailedLine, Fields, Line, StartLine, StepLine, WatchLine};
pub use reader::{MetricsReader, Part};
pub use readings::Readings;
pub use table::{MetricsTable, TableFormat};

use crate::config::Config;
use crate::method::metric::{self, Cadence, Drawn, Level, Metric, Source, names};

/// The metrics of a training with this configuration. Where its step cannot be built, those that the trainer itself measures.
pub fn declared(config: &Config) -> Arc<[Metric]> {
    with_host(metric::declared(config).unwrap_or_default())
}

/// The metrics of a step and those that the trainer measures around it.
pub(super) fn with_host(step: Vec<Metric>) -> Arc<[Metric]> {
    let speed = Metric {
        unit: " images/s",
        help: "How fast the run is: images (not views) a second.",
        short: Some(""),
        digits: 0,
        drawn: Drawn::Window,
        ..Metric::new(names::IMAGES_PER_SECOND, "Images per second", Source::Host)
    };
    let knn = Metric {
        short: Some("kNN"),
        help: "How many test images get the class of their nearest training images, by the network's features alone. Healthy is above the \
               dashed line, which is the untrained network's, and rising; labels are used for nothing else.",
        unit: " %",
        scale: 100.0,
        cadence: Cadence::Epoch,
        level: Some(Level::Untrained),
        drawn: Drawn::First,
        ..Metric::new(names::KNN_TOP1, "kNN accuracy", Source::Host)
    };
    step.into_iter().chain([speed, knn]).collect()
}
