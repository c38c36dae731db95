//! SimSiam on any GPU.

/// One configuration: file, flags and form are three views of it.
pub mod config;
/// Counter-based random numbers.
pub mod random;
