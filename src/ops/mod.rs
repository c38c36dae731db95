//! How one node runs: an operator a file, its kernel of the same name in `shaders/`, its CPU reference beside it.
//!
//! Adding one: a `.wgsl` in `shaders/` (and its name in `gpu/shader.rs`), a file here that implements [`Op`], and its
//! cases in the list of [`cases`]; the kernel, gradient and shader tests and `simsiam devices --self-test` pick it up there.

mod augment;
pub mod check;
mod conv;
mod elementwise;
mod expect;
mod group_sgd;
mod linear;
mod loss;
mod loss_scale;
mod metrics;
mod norm;
mod pool;
mod range_norms;
mod rows;
mod sgd;
mod sum_parts;
mod table;
mod trust_ratio;
mod views;

use std::sync::Arc;

pub use augment::*;
pub use conv::*;
pub use elementwise::*;
pub use group_sgd::GroupSgd;
pub use linear::{Linear, LinearGradInput, LinearGradWeight, MatmulTransposed, SumRows};
pub use loss::*;
pub use loss_scale::LossScale;
pub use metrics::*;
pub use norm::*;
pub use pool::*;
pub use range_norms::RangeNorms;
pub use sgd::Sgd;
pub use table::{IndexSelect, MovingAverage};
pub use trust_ratio::TrustRatio;
pub use views::{StopGradient, SwapViews};

use crate::graph::{Graph, GraphError, Op, Tensor};
use check::{Case, with_f16};

/// The cases of every operator, on shapes that no tile divides, in every precision it takes.
pub fn cases() -> Vec<Case> {
    [
        augment::cases(),
        conv::cases(),
        elementwise::cases(),
        loss::cases(),
        metrics::cases(),
        norm::cases(),
        pool::cases(),
        group_sgd::cases(),
        with_f16(linear::cases()),
        loss_scale::cases(),
        range_norms::cases(),
        sgd::cases(),
        table::cases(),
        trust_ratio::cases(),
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
