//! How one node runs: an operator a file, its kernel of the same name in `shaders/`, its CPU reference beside it.
//!
//! Adding one: a `.wgsl` in `shaders/` (and its name in `gpu/shader.rs`), a file here that implements [`Op`], and its
//! cases in the list of [`cases`]; the kernel, gradient and shader tests and `simsiam devices --self-test` pick it up there.

mod add;
pub mod check;
mod color_jitter;
mod crop;
mod gaussian_blur;
mod knn_vote;
mod view;

use std::sync::Arc;

pub use add::Add;
pub use color_jitter::ColorJitter;
pub use crop::Crop;
pub use gaussian_blur::GaussianBlur;
pub use knn_vote::KnnVote;
pub use view::{Normalize, RowJitter, ViewRow};

use crate::graph::{Graph, GraphError, Op, Tensor};
use check::Case;

/// The cases of every operator, on shapes that no tile divides.
pub fn cases() -> Vec<Case> {
    [
        add::cases(),
        crop::cases(),
        color_jitter::cases(),
        gaussian_blur::cases(),
        knn_vote::cases(),
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
