//! Batch normalisation in training, fused with what follows it in a residual network.

use super::batch_norm_gradient::BatchNormGradient;
use super::check::{Case, Fill};
use crate::gpu::Kernel;
use crate::graph::{
    Array, Graph, GraphError, Io, Launch, Lowered, Node, Op, Shape, Slot, Target, Tensor, grid,
};

/// y = relu?(norm(x)·weight + bias + residual), as `torch.nn.BatchNorm2d` (or 1d) in training.
///
/// Inputs x `[.., C]`, (weight `[C]`, bias `[C]`), (residual like x); updates running mean and variance `[C]`; outputs y and
/// the statistics `[views, 2, C]` (mean, 1/sqrt(var + eps)). Rows are split into `views` equal parts, each normalised by
/// itself and counted once in the running statistics, as when the encoder runs once a view.
#[derive(Debug, Clone)]
pub struct BatchNorm {
    /// Parts that are normalised by themselves.
    pub views: usize,
    /// Whether a ReLU follows.
    pub relu: bool,
    /// Whether there are weight and bias.
    pub affine: bool,
    /// Whether a tensor is added before the ReLU.
    pub residual: bool,
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
    pub f16: bool,
    /// A workgroup merges the parts of a vec4 of channels, instead of a thread: barriers are dear in software.
    wide: bool,
}

impl Parts {
    pub fn new(x: &Shape, views: usize, target: &Target) -> Parts {
        let (rows, c4) = (x.row_count() / views, x.stored_channels() / 4);
        let threads = if target.software { 1024 } else { 32_768 };
        // A part of less than 16 rows costs more in merging than it saves.
        let parts = (threads / (views * c4)).clamp(1, rows.div_ceil(16));
        let rows_per_part = rows.div_ceil(parts);
        Parts {
            rows,
            parts: rows.div_ceil(rows_per_part),
            rows_per_part,
            c4,
            f16: x.is_f16(),
            wide: !target.software,
        }
    }

    /// Adds what every kernel wants to know.
    pub fn describe(&self, kernel: Kernel, views: usize) -> Kernel {
        kernel
            .with("F16", self.f16)
            .with("VIEWS", views)
            .with("ROWS", self.rows)
            .with("PARTS", self.parts)
            .with("ROWS_PER_PART", self.rows_per_part)
            .with("C4", self.c4)
    }

    /// Adds what the kernels that merge parts want to know besides.
    pub fn describe_merge(&self, kernel: Kernel, views: usize) -> Kernel {
        self.describe(kernel, views)
            .with("WIDE", self.wide)
            .with("STEP", if self.wide { 64usize } else { 1 })
    }

    pub fn merge_grid(&self) -> [u32; 3] {
        grid(if self.wide {
            self.c4
        } else {
            self.c4.div_ceil(64)
        })
    }

    pub fn words(&self, views: usize) -> usize {
        views * self.parts * 2 * self.c4 * 4
    }

    pub fn grid(&self, views: usize) -> [u32; 3] {
        grid((views * self.parts * self.c4).div_ceil(64))
    }
}

impl BatchNorm {
    fn inputs(&self) -> usize {
        1 + 2 * usize::from(self.affine) + usize::from(self.residual)
    }
}

/// Checks x, (weight, bias) and (residual) of an operator of this family.
pub(super) fn check_inputs(
    x: &Shape,
    affine: Option<[&Shape; 2]>,
    residual: Option<&Shape>,
) -> Result<(), String> {
    if affine.is_some_and(|pair| pair.iter().any(|s| s.dims() != [x.channels()])) {
        return Err(format!(
            "weight and bias of {} numbers are wanted",
            x.channels()
        ));
    }
    match residual {
        Some(r) if r != x => Err(format!(
            "the residual {r:?} is not of the shape of the input"
        )),
        _ => Ok(()),
    }
}

impl Op for BatchNorm {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn takes_f16(&self) -> bool {
        true
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        if inputs.len() != self.inputs() {
            return Err(format!("{} inputs are wanted", self.inputs()));
        }
        let x = &inputs[0];
        check_inputs(
            x,
            self.affine.then(|| [&inputs[1], &inputs[2]]),
            self.residual.then(|| &inputs[inputs.len() - 1]),
        )?;
        if self.views == 0 || !x.row_count().is_multiple_of(self.views) {
            return Err(format!(
                "{} rows are not {} views",
                x.row_count(),
                self.views
            ));
        }
        if x.row_count() / self.views < 2 {
            return Err(
                "batch normalisation needs at least two values a channel: use a larger batch_size"
                    .to_string(),
            );
        }
        Ok(vec![x.clone(), Shape::rows([self.views, 2, x.channels()])])
    }

    fn gradient(
        &self,
        graph: &mut Graph,
        node: &Node,
        outputs: &[Option<Tensor>],
        wanted: &[bool],
    ) -> Result<Vec<Option<Tensor>>, GraphError> {
        let Some(dy) = outputs[0] else {
            return Ok(vec![None; wanted.len()]);
        };
        let op = BatchNormGradient {
            views: self.views,
            relu: self.relu,
            affine: self.affine,
            residual: self.residual && self.relu,
        };
        let mut inputs = vec![dy, node.inputs[0], node.outputs[1]];
        inputs.extend(self.relu.then(|| node.outputs[0]));
        inputs.extend(self.affine.then(|| node.inputs[1]));
        let made = graph.add(op, &inputs)?;
        let mut gradients: Vec<Option<Tensor>> = made.into_iter().map(Some).collect();
        if self.residual && !self.relu {
            gradients.push(Some(dy));
        }
        Ok(gradients)
    }

    fn lower(&self, io: &Io, target: &Target) -> Lowered {
        let x = &io.inputs[0];
        let parts = Parts::new(x, self.views, target);
        let vectors = x.vectors();
        let partial = parts.describe(Kernel::new("batch_norm_partial"), self.views);
        let merge = parts
            .describe_merge(Kernel::new("batch_norm_merge"), self.views)
            .with("CHANNELS", x.channels())
            .with("EPS", self.eps)
            .with("MOMENTUM", self.momentum);
        let apply = Kernel::new("batch_norm_apply")
            .with("F16", parts.f16)
            .with("AFFINE", self.affine)
            .with("RESIDUAL", self.residual)
            .with("RELU", self.relu)
            .with("ROWS", parts.rows)
            .with("C4", parts.c4)
            .with("VECTORS", vectors);
        let mut slots = vec![Slot::input(0), Slot::output(1), Slot::output(0)];
        slots.extend((1..io.inputs.len()).map(Slot::input));
        Lowered {
            scratch: vec![parts.words(self.views)],
            launches: vec![
                Launch::new(
                    partial,
                    [Slot::input(0), Slot::scratch(0)],
                    parts.grid(self.views),
                ),
                Launch::new(
                    merge,
                    [
                        Slot::scratch(0),
                        Slot::output(1),
                        Slot::update(0),
                        Slot::update(1),
                    ],
                    parts.merge_grid(),
                ),
                Launch::new(apply, slots, grid(vectors.div_ceil(64))),
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
                stats.data[(view * 2 + 1) * channels + c] =
                    (squares / rows as f64 + eps).sqrt().recip();
                for (state, new) in updates.iter_mut().zip([mean, squares / (rows - 1) as f64]) {
                    state.data[c] += momentum * (new - state.data[c]);
                }
            }
        }
        let normalised = |i: usize| {
            let (c, view) = (i % channels, i / (rows * channels));
            (x.data[i] - stats.data[view * 2 * channels + c])
                * stats.data[(view * 2 + 1) * channels + c]
        };
        let y = finish(inputs, self.affine, self.residual, self.relu, normalised);
        vec![y, stats]
    }
}

/// relu?(normalised·weight + bias + residual)
pub(super) fn finish(
    inputs: &[&Array],
    affine: bool,
    residual: bool,
    relu: bool,
    normalised: impl Fn(usize) -> f64,
) -> Array {
    let channels = inputs[0].channels();
    let mut y = inputs[0].clone();
    for (i, v) in y.data.iter_mut().enumerate() {
        *v = normalised(i);
        if affine {
            *v = *v * inputs[1].data[i % channels] + inputs[2].data[i % channels];
        }
        if residual {
            *v += inputs[inputs.len() - 1].data[i];
        }
        if relu {
            *v = v.max(0.0);
        }
    }
    y
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (shape, views, relu, affine, residual) in [
        (vec![4, 3, 5, 7], 2, true, true, true),
        (vec![4, 5, 3, 6], 2, true, true, false),
        (vec![6, 13], 2, false, true, false),
        (vec![9, 5], 1, false, false, false),
        (vec![4, 9, 9, 3], 2, false, true, true),
        (vec![4, 2, 2, 9], 1, true, false, true),
    ] {
        let channels = shape[shape.len() - 1];
        let name = format!(
            "batch_norm {shape:?} {views} views{}{}{}",
            if affine { " affine" } else { "" },
            if residual { " residual" } else { "" },
            if relu { " relu" } else { "" }
        );
        let x = Shape::rows(shape);
        let vector = Shape::rows([channels]);
        let op = BatchNorm {
            views,
            relu,
            affine,
            residual,
            eps: 1e-5,
            momentum: 0.1,
        };
        let mut case = Case::new(&name, op).input(x.clone(), Fill::Normal);
        if affine {
            case = case
                .input(vector.clone(), Fill::Uniform(0.5, 1.5))
                .input(vector.clone(), Fill::Normal);
        }
        if residual {
            case = case.input(x, Fill::Normal);
        }
        cases.push(
            case.update(vector.clone(), Fill::Normal)
                .update(vector, Fill::Uniform(0.5, 2.0)),
        );
    }
    // More parts than a workgroup has lanes.
    let op = BatchNorm {
        views: 2,
        relu: false,
        affine: false,
        residual: false,
        eps: 1e-5,
        momentum: 0.1,
    };
    cases.push(
        Case::new("batch_norm of many rows", op)
            .fixed(Shape::rows([2, 41, 37, 3]), Fill::Normal)
            .update(Shape::rows([3]), Fill::Normal)
            .update(Shape::rows([3]), Fill::Uniform(0.5, 2.0)),
    );
    // A mean of a hundred deviations: f32 itself keeps five digits of what is left.
    let x = Shape::rows([8, 5, 5, 4]);
    let op = BatchNorm {
        views: 1,
        relu: false,
        affine: false,
        residual: false,
        eps: 1e-5,
        momentum: 0.1,
    };
    cases.push(
        Case::new("batch_norm far from zero", op)
            .fixed(x, Fill::Uniform(99.9, 100.1))
            .update(Shape::rows([4]), Fill::Normal)
            .update(Shape::rows([4]), Fill::Normal)
            .tolerance(1e-4),
    );
    cases
}
