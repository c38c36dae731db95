//! What a run has learnt, for other programs: weights under the names that PyTorch's programs use, or the network as an ONNX model, with a card
//! that says how to load them; and weights that other programs have trained, as the beginning of a run.

mod card;
mod error;
mod import;
mod onnx;
mod pth;
mod state_dict;
mod weights;

use std::collections::BTreeMap;
use std::path::Path;

pub use error::{ExportError, ImportError};
pub use import::{Import, Imported};
pub use onnx::OnnxExport;
pub use state_dict::{StateDict, Tensor};
pub use weights::{Export, Part};

use crate::config::Config;
use crate::train::checkpoint::Checkpoint;

/// A kind of file that a network can be written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    /// Weights.
    Safetensors,
    /// A model.
    Onnx,
}

impl ExportFormat {
    /// What the name of a file says.
    pub fn of(path: &Path) -> Result<ExportFormat, ExportError> {
        let is = |known: &str| path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(known));
        match (is("safetensors"), is("onnx")) {
            (true, _) => Ok(ExportFormat::Safetensors),
            (_, true) => Ok(ExportFormat::Onnx),
            _ => Err(ExportError::Extension { file: path.to_owned() }),
        }
    }
}

fn check_finite(checkpoint: &Checkpoint) -> Result<(), ExportError> {
    match checkpoint.not_finite() {
        Some(tensor) => Err(ExportError::NotFinite { file: checkpoint.origin().to_owned(), tensor: tensor.to_owned() }),
        None => Ok(()),
    }
}

/// What a reader needs to use a network, as a file's metadata.
fn facts(config: &Config, checkpoint: &Checkpoint) -> BTreeMap<String, String> {
    let Config { data, augment, model, method, .. } = config;
    let list = |values: [f64; 3]| format!("{values:?}");
    let mut all = BTreeMap::from(
        [
            ("method", method.name().to_owned()),
            ("arch", model.arch.to_string()),
            ("blocks", format!("{:?}", model.blocks())),
            ("width", model.width.to_string()),
            ("stem", model.stem.to_string()),
            ("image_size", data.image_size.to_string()),
            ("mean", list(augment.mean)),
            ("std", list(augment.std)),
            ("epoch", checkpoint.epoch.to_string()),
            ("step", checkpoint.step.to_string()),
        ]
        .map(|(key, value)| (key.to_owned(), value)),
    );
    all.extend(checkpoint.knn().map(|knn| ("knn_top1".to_owned(), knn.to_string())));
    all
}
