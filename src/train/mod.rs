//! The training loop and what it leaves.

pub mod checkpoint;
