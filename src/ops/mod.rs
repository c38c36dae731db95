//! How one node runs: an operator a file, its kernel of the same name in the same folder of `shaders/`, its CPU reference beside it.
//!
//! Adding one: a `.wgsl` in a folder of `shaders/` (and its name in `gpu/shader.rs`), a file in the folder here that implements
//! [`Op`], and its cases in the folder's list; the kernel, gradient and shader tests and `simsiam devices --self-test` pick it up
//! there. `expect` checks shapes, `rows` and `elementwise` have the launches that most operators share.

/// What is constant of an operator: its name, and which of the questions of [`Op`] that are answered by yes or no it answers by yes.
macro_rules! facts {
    ($name:literal $(, $yes:ident)*) => {
        fn name(&self) -> &'static str {
            $name
        }
        $(fn $yes(&self) -> bool {
            true
        })*
    };
}

mod augment;
pub mod check;
mod conv;
mod elementwise;
mod expect;
mod linear;
mod loss;
mod metrics;
mod norm;
mod optim;
mod pool;
mod ranks;
mod relayout;
mod rows;
mod sum_parts;
mod table;
mod views;

use std::sync::Arc;

pub use augment::*;
pub use conv::*;
pub use elementwise::*;
pub use linear::{Linear, LinearGradInput, LinearGradWeight, MatmulTransposed, SumRows};
pub use loss::*;
pub use metrics::*;
pub use norm::*;
pub use optim::*;
pub use pool::*;
pub use ranks::{AllGather, AllReduce, OwnRows};
pub use relayout::{Relayout, as_weight};
pub use table::{IndexSelect, MovingAverage};
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
        optim::cases(),
        pool::cases(),
        ranks::cases(),
        relayout::cases(),
        with_f16(linear::cases()),
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
