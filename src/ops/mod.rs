//! How one node runs: an operator a file, its kernel of the same name in `shaders/`, its CPU reference beside it.
//!
//! Adding one: a `.wgsl` in `shaders/` (and its name in `gpu/shader.rs`), a file here that implements [`Op`], and its
//! cases in the list of [`cases`]; the kernel, gradient and shader tests and `simsiam devices --self-test` pick it up there.

mod add;
pub mod check;
mod conv2d;
mod conv2d_grad_weight;
mod correlation;
mod sum_parts;

use std::sync::Arc;

pub use add::Add;
pub use conv2d::{Conv2d, Conv2dGradInput};
pub use conv2d_grad_weight::Conv2dGradWeight;

use crate::graph::{Graph, GraphError, Op, Tensor};
use check::Case;

/// The cases of every operator, on shapes that no tile divides.
pub fn cases() -> Vec<Case> {
    [add::cases(), conv2d::cases(), conv2d_grad_weight::cases()]
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
