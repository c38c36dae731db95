//! What a run has learnt, for PyTorch: weights under the names that its programs use, with a card that says how to load them; and weights
//! that other programs have trained, as the beginning of a run.

mod card;
mod error;
mod import;
mod pth;
mod state_dict;
mod weights;

pub use error::{ExportError, ImportError};
pub use import::{Import, Imported};
pub use state_dict::{StateDict, Tensor};
pub use weights::{Export, Part};
