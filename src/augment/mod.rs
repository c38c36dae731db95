//! From an image to a view: what is drawn at random ([`draws`]), and the kernels that apply it ([`views()`]).

pub mod draws;
mod views;

pub use draws::{Jitter, JitterOp, ViewDraws};
pub use views::{Source, ViewOptions, blur_kernel_size, table_rows, views};
