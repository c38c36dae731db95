//! Augmentation on the device: one row of a table says what is done to each image.

mod augment_params;
mod box_blur;
mod color_jitter;
mod crop;
mod gaussian_blur;
mod solarize;

pub use augment_params::{AugmentParams, JitterParams, Normalize};
pub use box_blur::BoxBlur;
pub use color_jitter::ColorJitter;
pub use crop::Crop;
pub use gaussian_blur::GaussianBlur;
pub use solarize::Solarize;

use super::check::Case;

pub(super) fn cases() -> Vec<Case> {
    [color_jitter::cases(), crop::cases(), gaussian_blur::cases(), solarize::cases()].concat()
}
