//! Element by element: sums, activations, precision.

mod add;
mod cast;
mod relu;

pub use add::Add;
pub use cast::{Cast, cast};
pub use relu::{AddRelu, Relu, ReluGradient};

use super::check::{Case, with_f16};

pub(super) fn cases() -> Vec<Case> {
    [with_f16(add::cases()), cast::cases(), with_f16(relu::cases())].concat()
}
