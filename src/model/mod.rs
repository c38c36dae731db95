//! The networks. They only add nodes to a graph; every weight has PyTorch's name.
//!
//! [`Builder`] is what model code writes to: a graph, the table of [`Parameters`] behind it, and the [`Mode`] that says
//! whether batch normalisation uses the batch or the running statistics. Training and evaluation graphs come from the same
//! code, called with two modes; [`Parameters`] sees to it that both use the same memory.

mod build;
mod heads;
mod parameters;
mod pytorch;
mod resnet;
mod values;

pub use build::{Bias, Builder, Mode, Norm};
pub use heads::{Affine, Mlp};
pub use parameters::{Arena, Entry, Init, Parameters, RateGroup};
pub use pytorch::Format;
pub use resnet::features;

#[cfg(test)]
mod tests;
