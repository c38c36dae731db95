//! What a network has learnt: without training it further.

mod knn;

pub use knn::{EvalError, Knn, KnnPlan, missing};
