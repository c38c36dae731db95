//! Convolutions as matrix products: the operators, and the kernels that compute them.

pub(super) mod candidates;
mod conv2d;
mod conv2d_coop;
mod conv2d_grad_weight;
mod conv2d_grad_weight_register;
mod conv2d_grad_weight_tiled;
pub(super) mod implicit_gemm;
mod implicit_gemm_register;
mod implicit_gemm_tiled;
mod implicit_gemm_winograd;
pub(super) mod tile;
pub(super) mod weight_gradient;
mod window;

pub use conv2d::{Conv2d, Conv2dGradInput};
pub use conv2d_grad_weight::Conv2dGradWeight;

use super::check::{Case, with_f16};

pub(super) fn cases() -> Vec<Case> {
    [with_f16(conv2d::cases()), with_f16(conv2d_grad_weight::cases())].concat()
}
