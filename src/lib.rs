//! SimSiam on any GPU.
pub mod gpu;
pub mod graph;
pub mod ops;

/// What is drawn at random for a view, and the kernels that apply it.
pub mod augment;
/// One configuration: file, flags and form are three views of it.
pub mod config;
/// Counter-based random numbers.
pub mod random;
