//! The statistics of batch normalisation over the batch of several ranks, in two halves: between them the moments of all ranks are gathered
//! ([`AllGather`](crate::ops::AllGather)). The kernels are those of [`BatchNormStatistics`](crate::ops::BatchNormStatistics), for which the
//! moments of a rank are those of a part.

use super::batch_norm_statistics::{Parts, check_views, statistics};
use crate::gpu::Kernel;
use crate::graph::{Array, Io, Launch, Lowered, Op, Shape, Slot, Target};
use crate::ops::check::{Case, Fill};
use crate::ops::expect;

/// The first half: x `[.., C]` → mean and sum of squared deviations from it of every channel of a view, `[views, 2, C]`, of the rows of this
/// rank.
#[derive(Debug, Clone)]
pub struct BatchNormMoments {
    /// Parts that are normalised by themselves.
    pub views: usize,
}

/// The second half: the moments of all ranks `[views · ranks, 2, C]`, of each view those of rank 0 first; updates running mean and variance
/// `[C]`; output `[views, 2, C]`: mean and 1/sqrt(var + eps).
#[derive(Debug, Clone)]
pub struct BatchNormMerge {
    /// Parts that are normalised by themselves.
    pub views: usize,
    /// Rows of a view that a rank has.
    pub rows: usize,
    /// Whether the activations are kept in f16: what has left its range must not reach the running statistics.
    pub f16: bool,
    /// Added to the variance.
    pub eps: f32,
    /// Share of the new in the running statistics.
    pub momentum: f32,
}

impl Op for BatchNormMoments {
    facts!("batch_norm_moments", takes_f16, stops_gradient);

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        let x = expect::one(inputs)?;
        if self.views == 0 || x.row_count() < self.views || !x.row_count().is_multiple_of(self.views) {
            return Err(format!("{} rows are not {} views", x.row_count(), self.views));
        }
        Ok(vec![statistics(x, self.views)])
    }

    fn lower(&self, io: &Io, target: &Target) -> Lowered {
        let x = &io.inputs[0];
        let parts = Parts::new(x, self.views, target);
        let partial = parts.describe(Kernel::new("batch_norm_partial"), self.views);
        let merge = parts.describe_merge(Kernel::new("batch_norm_merge"), self.views).with("MOMENTS", true);
        Lowered {
            scratch: vec![parts.words(self.views)],
            launches: vec![
                Launch::new(partial, [Slot::input(0), Slot::scratch(0)], parts.grid(self.views)),
                Launch::new(merge, [Slot::scratch(0), Slot::output(0)], parts.merge_grid()),
            ],
        }
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let x = inputs[0];
        let channels = x.channels();
        let rows = x.data.len() / channels / self.views;
        let mut moments = Array::zeros(&[self.views, 2, channels]);
        for view in 0..self.views {
            let value = |row: usize, c: usize| x.data[(view * rows + row) * channels + c];
            for c in 0..channels {
                let mean = (0..rows).map(|r| value(r, c)).sum::<f64>() / rows as f64;
                moments.data[view * 2 * channels + c] = mean;
                moments.data[(view * 2 + 1) * channels + c] = (0..rows).map(|r| (value(r, c) - mean).powi(2)).sum();
            }
        }
        vec![moments]
    }
}

impl BatchNormMerge {
    fn ranks(&self, moments: &Shape) -> usize {
        moments.dims()[0] / self.views.max(1)
    }
}

impl Op for BatchNormMerge {
    facts!("batch_norm_merge", stops_gradient);

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        let moments = expect::one(inputs)?;
        match moments.dims() {
            &[parts, 2, channels] if self.views > 0 && parts.is_multiple_of(self.views) => {
                check_views(&Shape::rows([self.rows * parts, channels]), self.views)?;
                Ok(vec![Shape::rows([self.views, 2, channels])])
            }
            _ => Err(format!("expected moments of {} views", self.views)),
        }
    }

    fn lower(&self, io: &Io, target: &Target) -> Lowered {
        let moments = &io.inputs[0];
        let parts = Parts::of_ranks(self.rows, self.ranks(moments), moments.stored_channels() / 4, self.f16, target);
        let merge = parts
            .describe_merge(Kernel::new("batch_norm_merge"), self.views)
            .with("CHANNELS", moments.channels())
            .with("EPS", self.eps)
            .with("MOMENTUM", self.momentum)
            .with("MOMENTS", false);
        let slots = [Slot::input(0), Slot::output(0), Slot::update(0), Slot::update(1)];
        Lowered::one(Launch::new(merge, slots, parts.merge_grid()))
    }

    fn reference(&self, inputs: &[&Array], updates: &mut [Array]) -> Vec<Array> {
        let (moments, channels) = (inputs[0], inputs[0].channels());
        let ranks = moments.dims[0] / self.views;
        let (eps, momentum, rows) = (f64::from(self.eps), f64::from(self.momentum), self.rows as f64);
        let mut stats = Array::zeros(&[self.views, 2, channels]);
        let all = rows * ranks as f64;
        for view in 0..self.views {
            let moment =
                |rank: usize, which: usize, c: usize| moments.data[((view * ranks + rank) * 2 + which) * channels + c];
            for c in 0..channels {
                let mean = (0..ranks).map(|r| moment(r, 0, c)).sum::<f64>() / ranks as f64;
                let of_rank = |r| moment(r, 1, c) + rows * (moment(r, 0, c) - mean).powi(2);
                let squares = (0..ranks).map(of_rank).sum::<f64>();
                stats.data[view * 2 * channels + c] = mean;
                stats.data[(view * 2 + 1) * channels + c] = (squares / all + eps).sqrt().recip();
                for (state, new) in updates.iter_mut().zip([mean, squares / (all - 1.0)]) {
                    state.data[c] += momentum * (new - state.data[c]);
                }
            }
        }
        vec![stats]
    }
}

pub(super) fn cases() -> Vec<Case> {
    let moments = |name: &str, views, dims: &[usize]| {
        Case::new(&format!("batch_norm_moments {name}"), BatchNormMoments { views })
            .fixed(Shape::rows(dims), Fill::Normal)
    };
    let merge = |ranks: usize, views, channels: usize| {
        let vector = Shape::rows([channels]);
        let op = BatchNormMerge { views, rows: 9, f16: false, eps: 1e-5, momentum: 0.1 };
        Case::new(&format!("batch_norm_merge of {ranks} ranks, {views} views"), op)
            .fixed(Shape::rows([views * ranks, 2, channels]), Fill::Uniform(0.5, 2.0))
            .update(vector.clone(), Fill::Normal)
            .update(vector, Fill::Uniform(0.5, 2.0))
    };
    vec![
        moments("of two views", 2, &[4, 3, 5, 7]),
        moments("of many rows", 1, &[2, 41, 37, 3]),
        merge(3, 2, 7),
        // More ranks than a workgroup has lanes.
        merge(70, 1, 5),
    ]
}
