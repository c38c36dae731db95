//! Reports: one HTML file that needs nothing else, light and dark, and the charts as PNG beside it.

mod compare;
mod curves;
mod experiments;
mod facts;
mod group;
mod html;

use std::io::Write;
use std::path::Path;

use super::ExperimentError;
use crate::atomic;

pub use super::folder::{runs_at, runs_of};
pub use compare::compare;
pub use experiments::{ExperimentResult, experiments, results};

/// Writes a page whole or not at all.
fn write(path: &Path, page: &str) -> Result<(), ExperimentError> {
    atomic::write(path, |file: &mut dyn Write| file.write_all(page.as_bytes()))
        .map_err(|reason| ExperimentError::Write { path: path.to_path_buf(), reason })
}

#[cfg(test)]
mod tests;
