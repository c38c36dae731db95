//! Pooling over the pixels of an image.

mod global_avg_pool;
mod max_pool;

pub use global_avg_pool::{GlobalAvgPool, GlobalAvgPoolGradient};
pub use max_pool::{MaxPool, MaxPoolGradient};

use super::check::{Case, with_f16};

pub(super) fn cases() -> Vec<Case> {
    [with_f16(global_avg_pool::cases()), with_f16(max_pool::cases())].concat()
}
