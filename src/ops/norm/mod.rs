//! Normalisation: batch norm in training and evaluation, and rows of unit length.

mod batch_norm;
mod batch_norm_apply;
mod batch_norm_eval;
mod batch_norm_gradient;
mod batch_norm_gradient_of_ranks;
mod batch_norm_of_ranks;
mod batch_norm_statistics;
mod l2_normalize;
mod unit_columns;

pub use batch_norm_apply::BatchNormApply;
pub use batch_norm_eval::BatchNormEval;
pub use batch_norm_gradient::BatchNormGradient;
pub use batch_norm_gradient_of_ranks::{BatchNormGradientApply, BatchNormGradientSums};
pub use batch_norm_of_ranks::{BatchNormMerge, BatchNormMoments};
pub use batch_norm_statistics::BatchNormStatistics;
pub use l2_normalize::{L2Normalize, L2NormalizeGradient};
pub use unit_columns::UnitColumns;

use super::check::{Case, with_f16};

pub(super) fn cases() -> Vec<Case> {
    [
        with_f16(batch_norm_apply::cases()),
        with_f16(batch_norm_eval::cases()),
        with_f16(batch_norm_gradient::cases()),
        with_f16(batch_norm_gradient_of_ranks::cases()),
        with_f16(batch_norm_of_ranks::cases()),
        with_f16(batch_norm_statistics::cases()),
        l2_normalize::cases(),
        unit_columns::cases(),
    ]
    .concat()
}
