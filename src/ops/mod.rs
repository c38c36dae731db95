//! How one node runs: an operator a file, its kernel of the same name in `shaders/`, its CPU reference beside it.
//!
//! Adding one: a `.wgsl` in `shaders/` (and its name in `gpu/shader.rs`), a file here that implements [`Op`], and its
//! cases in the list of [`cases`]; the kernel, gradient and shader tests and `simsiam devices --self-test` pick it up there.

mod add;
mod batch_norm_apply;
mod batch_norm_eval;
mod batch_norm_gradient;
mod batch_norm_statistics;
pub mod check;
mod color_jitter;
mod column_std;
mod conv2d;
mod conv2d_grad_weight;
mod conv2d_grad_weight_register;
mod conv2d_grad_weight_tiled;
mod correlation;
mod correlation_register;
mod correlation_tiled;
mod cosine;
mod crop;
mod cross_entropy;
mod gaussian_blur;
mod global_avg_pool;
mod knn_vote;
mod l2_normalize;
mod linear;
mod max_pool;
mod mean;
mod relu;
mod sgd;
mod sum_parts;
mod tile;
mod view_row;
mod views;

use std::sync::Arc;

pub use add::Add;
pub use batch_norm_apply::BatchNormApply;
pub use batch_norm_eval::BatchNormEval;
pub use batch_norm_gradient::BatchNormGradient;
pub use batch_norm_statistics::BatchNormStatistics;
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
pub use linear::{Linear, LinearGradInput, LinearGradWeight, MatmulTransposed, SumRows};
pub use max_pool::{MaxPool, MaxPoolGradient};
pub use mean::{Mean, MeanGradient};
pub use relu::{AddRelu, Relu, ReluGradient};
pub use sgd::Sgd;
pub use view_row::{Normalize, RowJitter, ViewRow};
pub use views::{StopGradient, SwapViews};

use crate::graph::{Graph, GraphError, Op, Tensor};
use check::Case;

/// The cases of every operator, on shapes that no tile divides.
pub fn cases() -> Vec<Case> {
    [
        add::cases(),
        batch_norm_apply::cases(),
        batch_norm_eval::cases(),
        batch_norm_gradient::cases(),
        batch_norm_statistics::cases(),
        color_jitter::cases(),
        column_std::cases(),
        conv2d::cases(),
        conv2d_grad_weight::cases(),
        cosine::cases(),
        crop::cases(),
        cross_entropy::cases(),
        gaussian_blur::cases(),
        global_avg_pool::cases(),
        knn_vote::cases(),
        l2_normalize::cases(),
        linear::cases(),
        max_pool::cases(),
        mean::cases(),
        relu::cases(),
        sgd::cases(),
        views::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The gradient of `loss` with respect to each tensor; see [`Graph::gradients`].
pub fn gradients(
    graph: &mut Graph,
    loss: Tensor,
    of: &[Tensor],
) -> Result<Vec<Option<Tensor>>, GraphError> {
    let sum: Arc<dyn Op> = Arc::new(Add);
    graph.gradients(loss, of, &sum)
}
