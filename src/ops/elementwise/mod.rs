//! Element by element: sums, activations, precision.

mod add;
mod cast;
mod relu;
mod scale_gradient;

pub use add::Add;
pub use cast::{Cast, cast};
pub use relu::{AddRelu, Relu, ReluGradient};
pub use scale_gradient::{Scale, ScaleGradient};

use super::check::{Case, with_f16};
use crate::gpu::Kernel;
use crate::graph::{Io, Lowered};

/// A thread a vec4, in the precision of the output.
fn lower(shader: &'static str, io: &Io) -> Lowered {
    Lowered::per_vector(io, Kernel::new(shader).with("F16", io.outputs[0].is_f16()))
}

pub(super) fn cases() -> Vec<Case> {
    [with_f16(add::cases()), cast::cases(), with_f16(relu::cases()), scale_gradient::cases()].concat()
}
