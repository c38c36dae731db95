//! What the operators on rows `[M, C]` share: a workgroup goes through one row.

use crate::gpu::Kernel;
use crate::graph::{Io, Lowered, Shape};

/// A kernel over the rows of `x`.
pub(super) fn kernel(shader: &'static str, x: &Shape) -> Kernel {
    Kernel::new(shader).with("ROWS", x.row_count()).with("CHANNELS", x.stored_channels() / 4)
}

/// To a vector `[M]`; workgroups beyond M fill its padding.
pub(super) fn to_vector(io: &Io, kernel: Kernel) -> Lowered {
    let stored = io.outputs[0].stored_len();
    Lowered::of(io, kernel.with("STORED_ROWS", stored), stored)
}

/// To as many rows.
pub(super) fn to_rows(io: &Io, kernel: Kernel) -> Lowered {
    Lowered::of(io, kernel, io.outputs[0].row_count())
}

/// The scalar product of two rows, for the references.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The logarithm of a row's softmax, for the references.
pub(super) fn log_softmax(row: &[f64]) -> Vec<f64> {
    let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let log_sum = row.iter().map(|v| (v - most).exp()).sum::<f64>().ln();
    row.iter().map(|v| v - most - log_sum).collect()
}
