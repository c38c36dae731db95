//! The paper's comparisons as data, and reports of runs.
//!
//! A [`Definition`] is a small file: a question, variants of the settings, what the paper found. [`ExperimentPlan`] makes it the runs of a
//! [`Folder`], each variant with some seeds, and finds those that are there already, whichever experiment they were made for;
//! a [`Runner`] trains what is missing. [`report`] writes what came out, for experiments and for any runs laid side by side.

mod definition;
mod error;
mod folder;
mod plan;
pub mod report;
mod runner;
mod verdict;

pub use definition::{Claim, Definition, Variant};
pub use error::ExperimentError;
pub use folder::Folder;
pub use plan::{Experiment, ExperimentPlan, Planned};
pub use runner::{ExperimentEvent, Runner};
pub use verdict::{Figures, Sample, Verdict};
