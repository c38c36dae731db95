//! What is computed: tensors of static shape, nodes in execution order, reverse-mode gradients, activation checkpointing,
//! memory planning, and the way down to a recorded plan.
//!
//! The graph knows what an operator is ([`Op`]), not which ones there are. Nodes run in the order they were added, so a
//! graph reads like a straight-line program; a node may also update state (a parameter, a running mean) in place.
//!
//! ```
//! use simsiam::{gpu::{Gpu, GpuOptions}, graph::{Graph, Program, Shape, Store}, ops};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut graph = Graph::new();
//! let x = graph.input("x", Shape::rows([6]));
//! let y = graph.add_one(ops::Relu, &[x])?;
//! let loss = graph.add_one(ops::Mean { count: 6, scale: 1.0 }, &[y])?;
//! let gradients = ops::gradients(&mut graph, loss, &[x])?;
//! let dx = gradients[0].ok_or("x does not reach the loss")?;
//! graph.keep(dx);
//! let mut program = Program::compile(&graph, &mut Store::new(&Gpu::open(None, GpuOptions::default())?))?;
//! program.write(x, &[-1.0, 2.0, -3.0, 4.0, 5.0, -6.0]);
//! program.run(None)?;
//! let sixth = 1.0 / 6.0;
//! assert_eq!(program.read(dx)?, [0.0, sixth, 0.0, sixth, sixth, 0.0]);
//! # Ok(())
//! # }
//! ```

mod array;
mod choice;
mod error;
mod exchange;
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
pub use exchange::Exchange;
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
