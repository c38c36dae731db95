//! Standard deviation of every channel over the batch: of normalised outputs it shows a collapse (paper section 4.1).

use crate::gpu::Kernel;
use crate::graph::{Array, Io, Lowered, Op, Shape, Target};
use crate::ops::check::{Case, Fill};
use crate::ops::expect;

/// x `[M, C]` → `[C]`: unbiased standard deviation over the first `rows` rows, `torch.Tensor.std(0)`. Watched, not trained:
/// it has no gradient.
#[derive(Debug, Clone)]
pub struct ColumnStd {
    /// How many rows count, at least two.
    pub rows: usize,
}

impl Op for ColumnStd {
    facts!("column_std");

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        let x = expect::matrix_of(inputs, self.rows, 2)?;
        Ok(vec![Shape::rows([x.channels()])])
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        let channels = io.inputs[0].stored_channels() / 4;
        let kernel = Kernel::new("column_std").with("ROWS", self.rows).with("CHANNELS", channels);
        Lowered::of(io, kernel, channels.div_ceil(8))
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let x = inputs[0];
        let mut y = Array::zeros(&[x.channels()]);
        for (c, y) in y.data.iter_mut().enumerate() {
            let column = || x.rows().take(self.rows).map(|row| row[c]);
            let mean = column().sum::<f64>() / self.rows as f64;
            let squares: f64 = column().map(|v| (v - mean) * (v - mean)).sum();
            *y = (squares / (self.rows - 1) as f64).sqrt();
        }
        vec![y]
    }
}

pub(super) fn cases() -> Vec<Case> {
    let case =
        |name: &str, rows, dims: [usize; 2], fill| Case::new(name, ColumnStd { rows }).fixed(Shape::rows(dims), fill);
    vec![
        case("column_std", 5, [9, 7], Fill::Normal),
        case("column_std wide", 30, [30, 70], Fill::Normal),
        // A sum of squares minus the squared mean would lose every digit here.
        case("column_std offset", 40, [40, 6], Fill::Uniform(1000.0, 1000.5)).tolerance(1e-4),
        case("column_std two rows", 2, [4, 3], Fill::Normal),
    ]
}
