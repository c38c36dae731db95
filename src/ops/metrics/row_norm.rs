//! Length of rows: how large projections and predictions are.

use crate::graph::{Array, Io, Lowered, Op, Shape, Target};
use crate::ops::check::{Case, Fill};
use crate::ops::{expect, rows};

/// x `[M, C]` → `[M]`: |x| over channels, `torch.linalg.vector_norm(x, dim=1)`. Watched, not trained: it has no gradient.
#[derive(Debug, Clone)]
pub struct RowNorm;

impl Op for RowNorm {
    facts!("row_norm");

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        Ok(vec![Shape::rows([expect::matrix(inputs)?.dims()[0]])])
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        rows::to_vector(io, rows::kernel("row_norm", &io.inputs[0]))
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let length = |row: &[f64]| rows::dot(row, row).sqrt();
        vec![Array { dims: vec![inputs[0].dims[0]], data: inputs[0].rows().map(length).collect() }]
    }
}

pub(super) fn cases() -> Vec<Case> {
    let shapes = [[5, 7], [6, 10], [3, 300], [1, 1]].into_iter();
    let case = |dims: [usize; 2]| {
        Case::new(&format!("row_norm {}x{}", dims[0], dims[1]), RowNorm).fixed(Shape::rows(dims), Fill::Normal)
    };
    shapes.map(case).collect()
}
