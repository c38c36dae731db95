//! Self-supervised methods: which branches there are, which loss they share, what is updated how. One file a method.

mod loss_scale;
mod optimizer;
pub mod simsiam;
mod targets;
pub mod watch;

pub use loss_scale::LossScale;
pub use targets::Targets;
