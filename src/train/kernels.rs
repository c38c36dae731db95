//! `kernels.json`: which kernels a run uses. A resumed run uses the same, so that its bits are the same.

use std::io::ErrorKind;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::FolderError;
use crate::atomic;
use crate::graph::Choices;
use crate::regular;

/// Which kernels a run uses, and on what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Kernels {
    /// The adapter they were chosen for.
    pub adapter: String,
    /// Its back end.
    pub backend: String,
    /// Its driver and version.
    pub driver: String,
    /// Hash over the text and the dispatches of all kernels, in hexadecimal.
    pub hash: String,
    /// The candidate of every kind of node that had more than one.
    pub choices: Choices,
}

impl Kernels {
    /// Writes the file.
    pub fn write(&self, path: &Path) -> Result<(), FolderError> {
        atomic::write(path, |file| {
            serde_json::to_writer_pretty(&mut *file, self)?;
            file.write_all(b"\n")
        })
        .map_err(|reason| FolderError::Write { path: path.to_path_buf(), reason })
    }

    /// Reads the file; `None` where there is none, as in runs of older versions.
    pub fn read(path: &Path) -> Result<Option<Kernels>, FolderError> {
        let text = match regular::read_to_string(path) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            read => read,
        };
        text.and_then(|text| Ok(serde_json::from_str(&text)?))
            .map_err(|reason| FolderError::Read { path: path.to_path_buf(), reason })
    }

    /// Why a run that began with `then` and goes on with `now` cannot have the bits of one that was never interrupted, if it cannot.
    pub(super) fn changed(then: Option<&Kernels>, now: &Kernels) -> Option<String> {
        let Some(then) = then else {
            return Some(
                "the run kept no kernels.json: from here on its numbers may differ in their last bits from a run without interruption"
                    .to_owned(),
            );
        };
        let on = |k: &Kernels| format!("{} ({}, driver {})", k.adapter, k.backend, k.driver);
        let what = match (on(then), on(now)) {
            (then, now) if then != now => format!("the run began on {then} and goes on on {now}"),
            _ if then.hash != now.hash => "the program's kernels are not those that the run began with".to_owned(),
            _ => return None,
        };
        Some(format!("{what}: from here on its numbers may differ in their last bits from a run without interruption"))
    }
}
