//! SimSiam on any GPU.

/// What is drawn at random for a view, and the kernels that apply it.
pub mod augment;
/// One configuration: file, flags and form are three views of it.
pub mod config;
pub mod gpu;
pub mod graph;
/// Which branches there are, which loss they share, what is updated how.
pub mod method;
/// The networks: they only add nodes to a graph, under PyTorch's names.
pub mod model;
pub mod ops;
/// Counter-based random numbers.
pub mod random;
/// The training loop and what it leaves.
pub mod train;
