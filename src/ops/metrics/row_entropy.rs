//! Entropy of rows: how sharp codes are.

use crate::graph::{Array, Io, Lowered, Op, Shape, Target};
use crate::ops::check::{Case, Fill};
use crate::ops::{expect, rows};

/// x `[M, C]`, 0 or more → `[M]`: the entropy of x / Σ x over channels, in nats; ln C where all are alike. Watched, not trained: it has no
/// gradient.
#[derive(Debug, Clone)]
pub struct RowEntropy;

impl Op for RowEntropy {
    facts!("row_entropy");

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        Ok(vec![Shape::rows([expect::matrix(inputs)?.dims()[0]])])
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        rows::to_vector(io, rows::kernel("row_entropy", &io.inputs[0]))
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let entropy = |row: &[f64]| {
            let sum: f64 = row.iter().sum();
            -row.iter().map(|v| v / sum).filter(|p| *p > 0.0).map(|p| p * p.ln()).sum::<f64>()
        };
        vec![Array { dims: vec![inputs[0].dims[0]], data: inputs[0].rows().map(entropy).collect() }]
    }
}

pub(super) fn cases() -> Vec<Case> {
    let case = |dims: [usize; 2], fill| {
        Case::new(&format!("row_entropy {}x{}", dims[0], dims[1]), RowEntropy).fixed(Shape::rows(dims), fill)
    };
    // Zeros too.
    let sparse = (0..18).map(|i| if i % 3 == 0 { (i + 1) as f32 } else { 0.0 }).collect();
    let shares = || Fill::Uniform(0.0, 2.0);
    vec![case([5, 7], shares()), case([3, 300], shares()), case([2, 9], Fill::Values(sparse))]
}
