//! The optimiser: one family of operators over flat arenas, with parameter groups as in `torch.optim`.

mod ema;
mod groups;
mod lars_scale;
mod loss_scale;
mod segment_norms;
mod sgd;

pub use ema::Ema;
pub use groups::{Groups, Segment};
pub use lars_scale::LarsScale;
pub use loss_scale::LossScale;
pub use segment_norms::SegmentNorms;
pub use sgd::Sgd;

use super::check::Case;

pub(super) fn cases() -> Vec<Case> {
    [sgd::cases(), lars_scale::cases(), segment_norms::cases(), ema::cases(), loss_scale::cases()].concat()
}
