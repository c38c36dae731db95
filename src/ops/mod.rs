//! How one node runs: an operator a file, its kernel of the same name in `shaders/`, its CPU reference beside it.
//!
//! Adding one: a `.wgsl` in `shaders/` (and its name in `gpu/shader.rs`), a file here that implements [`Op`], and its
//! cases in the list of [`cases`]; the kernel, gradient and shader tests and `simsiam devices --self-test` pick it up there.

mod add;
mod batch_norm_apply;
mod batch_norm_eval;
mod batch_norm_gradient;
mod batch_norm_statistics;
mod cast;
mod center_columns;
pub mod check;
mod color_jitter;
mod column_std;
mod conv2d;
mod conv2d_coop;
mod conv2d_grad_weight;
mod conv2d_grad_weight_register;
mod conv2d_grad_weight_tiled;
mod correlation;
mod correlation_register;
mod correlation_tiled;
mod correlation_winograd;
mod cosine;
mod crop;
mod cross_entropy;
mod gaussian_blur;
mod global_avg_pool;
mod knn_vote;
mod l2_normalize;
mod label_cross_entropy;
mod label_rank;
mod linear;
mod loss_scale;
mod max_pool;
mod mean;
mod optim;
mod relu;
mod row_norm;
mod solarize;
mod sum_parts;
mod table;
mod tile;
mod view_row;
mod views;

use std::sync::Arc;

pub use add::Add;
pub use batch_norm_apply::BatchNormApply;
pub use batch_norm_eval::BatchNormEval;
pub use batch_norm_gradient::BatchNormGradient;
pub use batch_norm_statistics::BatchNormStatistics;
pub use cast::{Cast, cast};
pub use center_columns::CenterColumns;
pub use color_jitter::ColorJitter;
pub use column_std::ColumnStd;
pub use conv2d::{Conv2d, Conv2dGradInput};
pub use conv2d_grad_weight::Conv2dGradWeight;
pub use cosine::{CosineSimilarity, CosineSimilarityGradient};
pub use crop::Crop;
pub use cross_entropy::{SoftCrossEntropy, SoftCrossEntropyGradient};
pub use gaussian_blur::GaussianBlur;
pub use global_avg_pool::{GlobalAvgPool, GlobalAvgPoolGradient};
pub use knn_vote::KnnVote;
pub use l2_normalize::{L2Normalize, L2NormalizeGradient};
pub use label_cross_entropy::{LabelCrossEntropy, LabelCrossEntropyGradient};
pub use label_rank::LabelRank;
pub use linear::{Linear, LinearGradInput, LinearGradWeight, MatmulTransposed, SumRows};
pub use loss_scale::LossScale;
pub use max_pool::{MaxPool, MaxPoolGradient};
pub use mean::{Mean, MeanGradient};
pub use optim::{Ema, Groups, LarsScale, Segment, SegmentNorms, Sgd};
pub use relu::{AddRelu, Relu, ReluGradient};
pub use row_norm::RowNorm;
pub use solarize::Solarize;
pub use table::{IndexSelect, MovingAverage};
pub use view_row::{Normalize, RowJitter, ViewRow};
pub use views::{StopGradient, SwapViews};

use crate::graph::{Graph, GraphError, Op, Tensor};
use check::{Case, with_f16};

/// The cases of every operator, on shapes that no tile divides, in every precision it takes.
pub fn cases() -> Vec<Case> {
    [
        with_f16(add::cases()),
        with_f16(batch_norm_apply::cases()),
        with_f16(batch_norm_eval::cases()),
        with_f16(batch_norm_gradient::cases()),
        with_f16(batch_norm_statistics::cases()),
        cast::cases(),
        center_columns::cases(),
        color_jitter::cases(),
        column_std::cases(),
        with_f16(conv2d::cases()),
        with_f16(conv2d_grad_weight::cases()),
        cosine::cases(),
        crop::cases(),
        cross_entropy::cases(),
        gaussian_blur::cases(),
        with_f16(global_avg_pool::cases()),
        knn_vote::cases(),
        l2_normalize::cases(),
        label_cross_entropy::cases(),
        label_rank::cases(),
        with_f16(linear::cases()),
        with_f16(max_pool::cases()),
        loss_scale::cases(),
        mean::cases(),
        optim::cases(),
        with_f16(relu::cases()),
        row_norm::cases(),
        solarize::cases(),
        table::cases(),
        views::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The gradient of `start` times `loss`, where `start` has the shape of `loss`; see [`Graph::gradients_from`].
pub fn gradients_from(
    graph: &mut Graph,
    loss: Tensor,
    start: Tensor,
    of: &[Tensor],
) -> Result<Vec<Option<Tensor>>, GraphError> {
    let sum: Arc<dyn Op> = Arc::new(Add);
    graph.gradients_from(loss, start, of, &sum)
}

/// The gradient of `loss` with respect to each tensor; see [`Graph::gradients`].
pub fn gradients(graph: &mut Graph, loss: Tensor, of: &[Tensor]) -> Result<Vec<Option<Tensor>>, GraphError> {
    let sum: Arc<dyn Op> = Arc::new(Add);
    graph.gradients(loss, of, &sum)
}
