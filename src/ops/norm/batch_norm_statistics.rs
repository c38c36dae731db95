//! The statistics of batch normalisation in training: one pass over the input, merged in a fixed order.

use crate::gpu::Kernel;
use crate::graph::{Array, Io, Launch, Lowered, Op, Shape, Slot, Target, grid};
use crate::ops::check::{Case, Fill};
use crate::ops::expect;

/// Mean and 1/sqrt(var + eps) of every channel, as `torch.nn.BatchNorm2d` (or 1d) in training has them.
///
/// Input x `[.., C]`; updates running mean and variance `[C]`; output `[views, 2, C]`. Rows are split into `views` equal parts,
/// each normalised by itself and counted once in the running statistics, as when the encoder runs once a view. Its gradient is a
/// part of that of [`BatchNormApply`](crate::ops::BatchNormApply).
#[derive(Debug, Clone)]
pub struct BatchNormStatistics {
    /// Parts that are normalised by themselves.
    pub views: usize,
    /// Added to the variance; PyTorch's default is 1e-5.
    pub eps: f32,
    /// Share of the new in the running statistics; PyTorch's default is 0.1.
    pub momentum: f32,
}

/// How the rows of a view are cut into parts that are summed by different threads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts {
    pub rows: usize,
    pub parts: usize,
    pub rows_per_part: usize,
    pub c4: usize,
    /// The activations are kept in f16.
    f16: bool,
    /// A workgroup merges the parts of a vec4 of channels, instead of a thread: barriers are expensive in software.
    wide: bool,
}

impl Parts {
    pub fn new(x: &Shape, views: usize, target: &Target) -> Parts {
        let (rows, c4) = (x.row_count() / views, x.stored_channels() / 4);
        let threads = if target.software { 1024 } else { 32_768 };
        // A part of less than 16 rows costs more in merging than it saves.
        let parts = (threads / (views * c4)).clamp(1, rows.div_ceil(16));
        let rows_per_part = rows.div_ceil(parts);
        Parts { rows, parts: rows.div_ceil(rows_per_part), rows_per_part, c4, f16: x.is_f16(), wide: !target.software }
    }

    /// Of ranks, for which each of them is a part of `rows` rows.
    pub fn of_ranks(rows: usize, ranks: usize, c4: usize, f16: bool, target: &Target) -> Parts {
        Parts { rows: rows * ranks, parts: ranks, rows_per_part: rows, c4, f16, wide: !target.software }
    }

    /// Adds the constants of every kernel.
    pub fn describe(&self, kernel: Kernel, views: usize) -> Kernel {
        kernel
            .with("F16", self.f16)
            .with("VIEWS", views)
            .with("ROWS", self.rows)
            .with("PARTS", self.parts)
            .with("ROWS_PER_PART", self.rows_per_part)
            .with("C4", self.c4)
    }

    /// Adds those of the kernels that merge parts.
    pub fn describe_merge(&self, kernel: Kernel, views: usize) -> Kernel {
        self.describe(kernel, views).with("WIDE", self.wide).with("STEP", if self.wide { 64usize } else { 1 })
    }

    pub fn merge_grid(&self) -> [u32; 3] {
        grid(if self.wide { self.c4 } else { self.c4.div_ceil(64) })
    }

    pub fn words(&self, views: usize) -> usize {
        views * self.parts * 2 * self.c4 * 4
    }

    pub fn grid(&self, views: usize) -> [u32; 3] {
        grid((views * self.parts * self.c4).div_ceil(64))
    }
}

/// Checks that the rows of x are views of at least two values a channel.
pub(super) fn check_views(x: &Shape, views: usize) -> Result<(), String> {
    if views == 0 || !x.row_count().is_multiple_of(views) {
        return Err(format!("{} rows are not {views} views", x.row_count()));
    }
    if x.row_count() / views < 2 {
        return Err("batch normalisation needs at least two values a channel: use a larger batch_size".to_string());
    }
    Ok(())
}

/// The shape of the statistics of x.
pub(super) fn statistics(x: &Shape, views: usize) -> Shape {
    Shape::rows([views, 2, x.channels()])
}

impl Op for BatchNormStatistics {
    facts!("batch_norm_statistics", takes_f16);

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        let x = expect::one(inputs)?;
        check_views(x, self.views)?;
        Ok(vec![statistics(x, self.views)])
    }

    fn lower(&self, io: &Io, target: &Target) -> Lowered {
        let x = &io.inputs[0];
        let parts = Parts::new(x, self.views, target);
        let partial = parts.describe(Kernel::new("batch_norm_partial"), self.views);
        let merge = parts
            .describe_merge(Kernel::new("batch_norm_merge"), self.views)
            .with("CHANNELS", x.channels())
            .with("EPS", self.eps)
            .with("MOMENTUM", self.momentum)
            .with("MOMENTS", false);
        Lowered {
            scratch: vec![parts.words(self.views)],
            launches: vec![
                Launch::new(partial, [Slot::input(0), Slot::scratch(0)], parts.grid(self.views)),
                Launch::new(
                    merge,
                    [Slot::scratch(0), Slot::output(0), Slot::update(0), Slot::update(1)],
                    parts.merge_grid(),
                ),
            ],
        }
    }

    fn reference(&self, inputs: &[&Array], updates: &mut [Array]) -> Vec<Array> {
        let x = inputs[0];
        let channels = x.channels();
        let rows = x.data.len() / channels / self.views;
        let (eps, momentum) = (f64::from(self.eps), f64::from(self.momentum));
        let mut stats = Array::zeros(&[self.views, 2, channels]);
        for view in 0..self.views {
            let value = |row: usize, c: usize| x.data[(view * rows + row) * channels + c];
            for c in 0..channels {
                let mean = (0..rows).map(|r| value(r, c)).sum::<f64>() / rows as f64;
                let squares = (0..rows).map(|r| (value(r, c) - mean).powi(2)).sum::<f64>();
                stats.data[view * 2 * channels + c] = mean;
                stats.data[(view * 2 + 1) * channels + c] = (squares / rows as f64 + eps).sqrt().recip();
                for (state, new) in updates.iter_mut().zip([mean, squares / (rows - 1) as f64]) {
                    state.data[c] += momentum * (new - state.data[c]);
                }
            }
        }
        vec![stats]
    }
}

pub(super) fn cases() -> Vec<Case> {
    let op = |views| BatchNormStatistics { views, eps: 1e-5, momentum: 0.1 };
    let case = |name: &str, views: usize, dims: &[usize], fill: Fill| {
        let vector = Shape::rows([dims[dims.len() - 1]]);
        Case::new(&format!("batch_norm_statistics {name}"), op(views))
            .fixed(Shape::rows(dims), fill)
            .update(vector.clone(), Fill::Normal)
            .update(vector, Fill::Uniform(0.5, 2.0))
    };
    vec![
        case("of two views", 2, &[4, 3, 5, 7], Fill::Normal),
        case("of one view", 1, &[9, 5], Fill::Normal),
        // More parts than a workgroup has lanes.
        case("of many rows", 2, &[2, 41, 37, 3], Fill::Normal),
        // A mean of a hundred deviations: f32 itself keeps five digits of what is left.
        case("far from zero", 1, &[8, 5, 5, 4], Fill::Uniform(99.9, 100.1)).tolerance(1e-4),
    ]
}
