//! SimSiam on any GPU.

pub mod augment;
pub mod config;
pub mod data;
pub mod random;
