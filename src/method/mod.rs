//! Self-supervised methods: which branches there are, which loss they share, what is updated how. One file a method.

mod optimizer;
pub mod simsiam;
