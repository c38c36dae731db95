//! Length of rows: how large projections and predictions are.

use crate::gpu::Kernel;
use crate::graph::{Array, Io, Launch, Lowered, Op, Shape, Slot, Target, grid};
use crate::ops::check::{Case, Fill};

/// x `[M, C]` → `[M]`: |x| over channels, `torch.linalg.vector_norm(x, dim=1)`. Watched, not trained: it has no gradient.
#[derive(Debug, Clone)]
pub struct RowNorm;

impl Op for RowNorm {
    fn name(&self) -> &'static str {
        "row_norm"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        match inputs {
            [x] if x.dims().len() == 2 => Ok(vec![Shape::rows([x.dims()[0]])]),
            _ => Err("one tensor [M, C] is wanted".to_string()),
        }
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        let stored = io.outputs[0].stored_len();
        let kernel = Kernel::new("row_norm")
            .with("ROWS", io.inputs[0].row_count())
            .with("STORED_ROWS", stored)
            .with("CHANNELS", io.inputs[0].stored_channels() / 4);
        let slots = [Slot::input(0), Slot::output(0)];
        Lowered::one(Launch::new(kernel, slots, grid(stored)))
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let length = |row: &[f64]| row.iter().map(|v| v * v).sum::<f64>().sqrt();
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
