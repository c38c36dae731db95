//! SimSiam on any GPU.
pub mod gpu;
pub mod graph;
pub mod ops;
