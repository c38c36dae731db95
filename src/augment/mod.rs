//! From an image to a view: what is drawn at random ([`draws`]).

pub mod draws;

pub use draws::{Jitter, JitterOp, ViewDraws};
