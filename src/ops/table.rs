//! Rows of a table that outlives a step: targets that are computed ahead, or averaged per image (paper section 5.2).

use super::check::{Case, Fill};
use crate::gpu::Kernel;
use crate::graph::{Array, Io, Layout, Lowered, Op, Shape, Target};

/// Inputs table `[T, ..]` and index `[R]` (words) → `[R, ..]`: r is index\[r\] of the table, `torch.index_select` of rows or images. It passes no
/// gradient on.
#[derive(Debug, Clone)]
pub struct IndexSelect;

/// Inputs x `[R, C]` and index `[R]` (words, no two alike); updates table `[T, C]`: table\[index\[r\]\] = keep · table\[index\[r\]\] +
/// (1 - keep) · x\[r\]. Output `[R, C]`: the new rows. Numbers of x that are infinite or NaN change nothing, so that a step that left the range
/// of f16 leaves no trace. It passes no gradient on.
#[derive(Debug, Clone)]
pub struct MovingAverage {
    /// What is kept of the row that was there, 0 to below 1: with 0 the rows are written.
    pub keep: f32,
}

fn kernel(shader: &'static str, table: &Shape, rows: &Shape) -> Kernel {
    Kernel::new(shader)
        .with("TABLE", table.dims()[0])
        .with("ROWS", rows.dims()[0])
        .with("CHANNELS", rows.vectors() / rows.dims()[0].max(1))
}

impl Op for IndexSelect {
    facts!("index_select", stops_gradient);

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        match inputs {
            [table, index] if table.dims().len() >= 2 && table.layout() == Layout::Rows && index.dims().len() == 1 => {
                Ok(vec![Shape::rows([&[index.len()], &table.dims()[1..]].concat())])
            }
            _ => Err("expected a table [T, ..] and an index [R]".to_string()),
        }
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        let kernel = kernel("index_select", &io.inputs[0], &io.outputs[0]);
        Lowered::of(io, kernel, io.outputs[0].vectors().div_ceil(64))
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let (table, index) = (inputs[0], inputs[1]);
        let width = table.dims[1..].iter().product();
        let mut y = Array::zeros(&[&[index.data.len()], &table.dims[1..]].concat());
        for (row, &at) in y.data.chunks_exact_mut(width).zip(&index.data) {
            row.copy_from_slice(&table.data[at as usize * width..][..width]);
        }
        vec![y]
    }
}

impl Op for MovingAverage {
    facts!("moving_average", stops_gradient);

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        match inputs {
            [x, index] if x.dims().len() == 2 && index.dims() == [x.dims()[0]] => Ok(vec![x.clone()]),
            _ => Err("expected x [R, C] and an index [R]".to_string()),
        }
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        let kernel = kernel("moving_average", &io.updates[0], &io.inputs[0]).with("KEEP", self.keep);
        Lowered::of(io, kernel, io.inputs[0].vectors().div_ceil(64))
    }

    fn reference(&self, inputs: &[&Array], updates: &mut [Array]) -> Vec<Array> {
        let (x, index, table) = (inputs[0], inputs[1], &mut updates[0]);
        let (width, keep) = (x.channels(), f64::from(self.keep));
        let mut y = x.clone();
        for (row, &at) in y.data.chunks_exact_mut(width).zip(&index.data) {
            let kept = &mut table.data[at as usize * width..][..width];
            for (new, old) in row.iter_mut().zip(kept) {
                if new.is_finite() {
                    *old = keep * *old + (1.0 - keep) * *new;
                }
                *new = *old;
            }
        }
        vec![y]
    }
}

pub(super) fn cases() -> Vec<Case> {
    let index = |rows: &[u32]| (Shape::words(rows.len()), Fill::Words(rows.to_vec()));
    let select = |name: &str, dims: &[usize], rows: &[u32]| {
        let (shape, fill) = index(rows);
        Case::new(&format!("index_select {name}"), IndexSelect)
            .fixed(Shape::rows(dims), Fill::Normal)
            .fixed(shape, fill)
    };
    let average = |name: &str, keep, [table, width]: [usize; 2], rows: &[u32]| {
        let (shape, fill) = index(rows);
        Case::new(&format!("moving_average {name}"), MovingAverage { keep })
            .fixed(Shape::rows([rows.len(), width]), Fill::Normal)
            .fixed(shape, fill)
            .update(Shape::rows([table, width]), Fill::Normal)
    };
    vec![
        select("7x5", &[7, 5], &[6, 0, 3, 3]),
        select("wide", &[3, 70], &[2, 1, 0, 2, 0]),
        select("images", &[4, 3, 5, 3], &[3, 1, 0, 2]),
        average("7x5", 0.8, [7, 5], &[5, 0, 2]),
        average("wide", 0.25, [9, 70], &[8, 1, 4, 3, 0]),
        average("that only writes", 0.0, [6, 9], &[1, 5, 0]),
        Case::new("moving_average of what is no number", MovingAverage { keep: 0.5 })
            .fixed(Shape::rows([2, 3]), Fill::Values(vec![f32::INFINITY, 1.0, f32::NAN, f32::NEG_INFINITY, 2.0, -3.0]))
            .fixed(Shape::words(2), Fill::Words(vec![2, 0]))
            .update(Shape::rows([4, 3]), Fill::Normal),
    ]
}
