//! Formats of data sets, one a file.

pub(super) mod cifar;
pub(super) mod demo;
mod duplicates;
pub(super) mod folder;
pub(super) mod idx;
mod kind;
pub mod pack;
pub(super) mod parquet;
pub(super) mod stl10;
mod table;
mod tree;
