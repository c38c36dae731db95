//! Tensors, and where their memory comes from.

use super::Shape;

/// A tensor of one graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tensor(pub(super) u32);

/// Where a tensor's memory comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Place {
    /// Lives inside a step; memory is shared with tensors that live at other times.
    Pool,
    /// Written by the host between steps.
    Host,
    /// The same value everywhere, written once.
    Constant(f32),
    /// Outlives the step: part of a named arena that several graphs share, from a word on.
    State {
        /// The arena.
        arena: &'static str,
        /// First word, a multiple of 64.
        offset: usize,
    },
    /// The memory of another tensor.
    Alias(Tensor),
}

/// What is known of a tensor.
#[derive(Debug, Clone)]
pub struct TensorInfo {
    /// For errors and profiles.
    pub name: String,
    /// Dimensions and layout.
    pub shape: Shape,
    /// Where its memory is.
    pub place: Place,
    /// Read by the host after a step, so its memory is not reused.
    pub kept: bool,
}
