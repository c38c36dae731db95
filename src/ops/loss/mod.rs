//! Losses, row by row, and their mean.

mod cosine;
mod cross_entropy;
mod info_nce;
pub(super) mod label_cross_entropy;
mod mean;
mod sinkhorn;
mod swapped_prediction;

pub use cosine::{CosineSimilarity, CosineSimilarityGradient};
pub use cross_entropy::{SoftCrossEntropy, SoftCrossEntropyGradient};
pub use info_nce::{InfoNce, InfoNceGradient};
pub use label_cross_entropy::{LabelCrossEntropy, LabelCrossEntropyGradient};
pub use mean::{Mean, MeanGradient};
pub use sinkhorn::{Sinkhorn, SinkhornGradient};
pub use swapped_prediction::{SwappedPrediction, SwappedPredictionCodeGradient, SwappedPredictionGradient};

use super::check::Case;

pub(super) fn cases() -> Vec<Case> {
    [
        cosine::cases(),
        cross_entropy::cases(),
        info_nce::cases(),
        label_cross_entropy::cases(),
        mean::cases(),
        sinkhorn::cases(),
        swapped_prediction::cases(),
    ]
    .concat()
}
