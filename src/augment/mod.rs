//! From an image to a view: what is drawn at random ([`draws`]), and the kernels that apply it ([`views()`]).

pub mod draws;
mod feed;
mod views;

pub use draws::{Jitter, JitterOp, ViewDraws};
pub use feed::Feed;
pub use views::{Source, ViewOptions, blur_kernel_size, table_rows, views};
