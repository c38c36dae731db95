//! Rows without their mean: what a covariance or a rank is computed of.

use crate::gpu::Kernel;
use crate::graph::{Array, Io, Lowered, Op, Shape, Target};
use crate::ops::check::{Case, Fill};
use crate::ops::expect;

/// x `[M, C]` → `[rows, C]`, stored as a weight so that it can be either factor of a product: the first `rows` rows minus their
/// mean row. Watched, not trained: it has no gradient.
#[derive(Debug, Clone)]
pub struct CenterColumns {
    /// How many rows count, at least one.
    pub rows: usize,
}

impl Op for CenterColumns {
    facts!("center_columns");

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        let x = expect::matrix_of(inputs, self.rows, 1)?;
        Ok(vec![Shape::weight([self.rows, x.channels()])])
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        let channels = io.inputs[0].stored_channels() / 4;
        let kernel = Kernel::new("center_columns")
            .with("ROWS", self.rows)
            .with("STORED_ROWS", io.outputs[0].stored_dims()[0])
            .with("CHANNELS", channels);
        Lowered::of(io, kernel, channels.div_ceil(8))
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let x = inputs[0];
        let mut y = Array::zeros(&[self.rows, x.channels()]);
        for c in 0..x.channels() {
            let column = || x.rows().take(self.rows).map(|row| row[c]);
            let mean = column().sum::<f64>() / self.rows as f64;
            for (row, v) in column().enumerate() {
                y.data[row * x.channels() + c] = v - mean;
            }
        }
        vec![y]
    }
}

pub(super) fn cases() -> Vec<Case> {
    let case = |rows, dims: [usize; 2]| {
        let name = format!("center_columns {rows} of {}x{}", dims[0], dims[1]);
        Case::new(&name, CenterColumns { rows }).fixed(Shape::rows(dims), Fill::Normal)
    };
    vec![case(5, [9, 7]), case(30, [30, 70]), case(11, [12, 33]), case(2, [2, 3])]
}
