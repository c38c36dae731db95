//! SimSiam on any GPU.
pub mod augment;
pub mod config;
pub mod data;
pub mod gpu;
pub mod graph;
pub mod method;
pub mod model;
pub mod ops;
pub mod random;
pub mod train;
