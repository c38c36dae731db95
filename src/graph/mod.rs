//! What is computed: tensors of static shape, nodes in execution order, reverse-mode gradients, activation checkpointing,
//! memory planning, and the way down to a recorded plan.
//!
//! The graph knows what an operator is ([`Op`]), not which ones there are. Nodes run in the order they were added, so a
//! graph reads like a straight-line program; a node may also update state (a parameter, a running mean) in place.

mod array;
mod choice;
mod error;
mod gradient;
mod interpret;
mod launch;
mod memory;
mod op;
mod program;
mod recompute;
mod shape;
mod store;
mod target;
mod tensor;
mod trace;
pub mod tune;

pub use array::Array;
pub use choice::Choices;
pub use error::GraphError;
pub use interpret::interpret;
pub use launch::{Candidate, Io, Launch, Lowered, Slot, grid};
pub use memory::{Memory, refuse_above};
pub use op::{Graph, InputGradients, Node, Op};
pub use program::Program;
pub use recompute::Recomputed;
pub use shape::{Layout, Precision, Shape};
pub use store::Store;
pub use target::Target;
pub use tensor::{Place, Tensor, TensorInfo};
pub use trace::NotFinite;
