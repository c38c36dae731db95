//! From an image to a view: what is drawn at random ([`draws`]), the pixels that it needs ([`Patch`]), made ahead by a [`Loader`], and
//! the kernels that apply it ([`views()`]).

mod batches;
pub mod draws;
mod feed;
mod group;
mod loader;
mod patch;
mod preview;
mod views;

pub use batches::Batches;
pub use draws::{Jitter, JitterOp, ViewDraws};
pub use feed::Feed;
pub use group::{ViewGroup, ViewSource};
pub use loader::{Batch, Loader, Pace, Views};
pub use patch::Patch;
pub use preview::{Preview, PreviewError, Seen};
pub use views::{Source, ViewOptions, table_rows, views};
