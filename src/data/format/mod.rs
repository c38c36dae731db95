//! Formats of data sets, one a file.

pub(super) mod cifar;
pub(super) mod demo;
pub(super) mod folder;
pub(super) mod idx;
pub mod pack;
pub(super) mod parquet;
pub(super) mod stl10;
