//! The gradient of batch normalisation, through the statistics too.

use super::batch_norm::{by_runs, finish};
use super::batch_norm_statistics::Parts;
use crate::gpu::Kernel;
use crate::graph::{Array, Io, Launch, Lowered, Op, Shape, Slot, Target};
use crate::ops::check::{Case, Fill};

/// Inputs dy, x, statistics `[views, 2, C]`, (y, when there is a residual), (weight), (bias, when a ReLU followed without
/// residual); outputs dx, (dweight, dbias), (dresidual).
///
/// With g = dy where y > 0 (y is recomputed from x where there is no residual: two reads of it saved) and xhat = (x − mean)/σ: dx = weight/σ · (g − mean(g) − xhat·mean(g·xhat)), means over a view;
/// dweight = Σ g·xhat and dbias = Σ g over all views.
#[derive(Debug, Clone)]
pub struct BatchNormGradient {
    /// Parts that were normalised by themselves.
    pub views: usize,
    /// Whether a ReLU followed.
    pub relu: bool,
    /// Whether there were weight and bias.
    pub affine: bool,
    /// Whether a residual was added and a ReLU followed. Without the ReLU the residual's gradient is dy.
    pub residual: bool,
}

impl BatchNormGradient {
    /// Whether y is recomputed, to know where the ReLU was closed.
    fn remakes_y(&self) -> bool {
        self.relu && !self.residual
    }

    /// Whether the bias is an input, the last.
    pub(super) fn reads_bias(&self) -> bool {
        self.remakes_y() && self.affine
    }
}

impl Op for BatchNormGradient {
    facts!("batch_norm_gradient", takes_f16);

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        let expected = 3 + usize::from(self.residual) + usize::from(self.affine) + usize::from(self.reads_bias());
        if inputs.len() != expected {
            return Err(format!("expected {expected} inputs"));
        }
        if inputs[0] != inputs[1] {
            return Err("expected a gradient like the input".to_string());
        }
        let (x, vector) = (&inputs[1], Shape::rows([inputs[1].channels()]));
        let mut outputs = vec![x.clone()];
        if self.affine {
            outputs.extend([vector.clone(), vector]);
        }
        outputs.extend(self.residual.then(|| x.clone()));
        Ok(outputs)
    }

    fn lower(&self, io: &Io, target: &Target) -> Lowered {
        let x = &io.inputs[1];
        let parts = Parts::new(x, self.views, target);
        let partial = parts.describe(
            Kernel::new("batch_norm_gradient_partial")
                .with("Y", self.residual)
                .with("REMAKE_Y", self.remakes_y())
                .with("AFFINE", self.reads_bias()),
            self.views,
        );
        let merge =
            parts.describe_merge(Kernel::new("batch_norm_gradient_merge").with("AFFINE", self.affine), self.views);
        let apply = Kernel::new("batch_norm_gradient_apply")
            .with("F16", x.is_f16())
            .with("Y", self.residual)
            .with("REMAKE_Y", self.remakes_y())
            .with("AFFINE", self.affine);
        let (apply, apply_workgroups) = by_runs(apply, x, self.views, target);
        // dy, x, statistics; then y, weight and bias, those that there are.
        let read = [0, 1, 2].map(Slot::input);
        let weight = 3 + usize::from(self.residual);
        let mut partial_slots = [&read[..], &[Slot::scratch(0)]].concat();
        let mut merge_slots = vec![Slot::scratch(0), Slot::scratch(1)];
        let mut apply_slots = [&read[..], &[Slot::scratch(1), Slot::output(0)]].concat();
        if self.affine {
            merge_slots.extend([Slot::output(1), Slot::output(2)]);
            apply_slots.push(Slot::input(weight));
        }
        if self.reads_bias() {
            partial_slots.extend([Slot::input(weight), Slot::input(weight + 1)]);
            apply_slots.push(Slot::input(weight + 1));
        }
        if self.residual {
            partial_slots.push(Slot::input(3));
            apply_slots.extend([Slot::input(3), Slot::output(io.outputs.len() - 1)]);
        }
        Lowered {
            scratch: vec![parts.words(self.views), self.views * 2 * parts.c4 * 4],
            launches: vec![
                Launch::new(partial, partial_slots, parts.grid(self.views)),
                Launch::new(merge, merge_slots, parts.merge_grid()),
                Launch::new(apply, apply_slots, apply_workgroups),
            ],
        }
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let [dy, x, stats] = [inputs[0], inputs[1], inputs[2]];
        let channels = x.channels();
        let rows = x.data.len() / channels / self.views;
        let scale = |i: usize| stats.data[(i / (rows * channels) * 2 + 1) * channels + i % channels];
        let normalised =
            |i: usize| (x.data[i] - stats.data[i / (rows * channels) * 2 * channels + i % channels]) * scale(i);
        let mut g = dy.clone();
        if self.relu {
            let y = match self.residual {
                true => inputs[3].clone(),
                false => {
                    let operands = [&[x], &inputs[3..]].concat();
                    finish(&operands, self.affine, false, true, normalised)
                }
            };
            for (g, y) in g.data.iter_mut().zip(&y.data) {
                *g = if *y > 0.0 { *g } else { 0.0 };
            }
        }
        let mut sums = Array::zeros(&[self.views, 2, channels]);
        for (i, g) in g.data.iter().enumerate() {
            let at = i / (rows * channels) * 2 * channels + i % channels;
            sums.data[at] += g;
            sums.data[at + channels] += g * normalised(i);
        }
        let mut dx = x.clone();
        for (i, d) in dx.data.iter_mut().enumerate() {
            let at = i / (rows * channels) * 2 * channels + i % channels;
            let mean = (sums.data[at] + normalised(i) * sums.data[at + channels]) / rows as f64;
            let weight = if self.affine { inputs[3 + usize::from(self.residual)].data[i % channels] } else { 1.0 };
            *d = weight * scale(i) * (g.data[i] - mean);
        }
        let mut outputs = vec![dx];
        if self.affine {
            for which in [1, 0] {
                let mut vector = Array::zeros(&[channels]);
                for (i, v) in sums.data.iter().enumerate() {
                    if i / channels % 2 == which {
                        vector.data[i % channels] += v;
                    }
                }
                outputs.push(vector);
            }
        }
        outputs.extend(self.residual.then_some(g));
        outputs
    }
}

pub(super) fn cases() -> Vec<Case> {
    let small = [4, 3, 7, 5];
    // More parts than a workgroup has lanes.
    let tall = [2, 41, 37, 3];
    [
        (small, true, true, true),
        (small, true, true, false),
        (small, false, true, false),
        (small, false, false, false),
        (small, true, false, true),
        (small, true, false, false),
        (tall, true, true, false),
    ]
    .into_iter()
    .map(|(shape, relu, affine, residual)| {
        let (x, channels) = (Shape::rows(shape), shape[3]);
        let name = format!("batch_norm_gradient {shape:?} relu {relu} affine {affine} residual {residual}");
        let op = BatchNormGradient { views: 2, relu, affine, residual };
        let mut case = Case::new(&name, op)
            .fixed(x.clone(), Fill::Normal)
            .fixed(x.clone(), Fill::Normal)
            .fixed(Shape::rows([2, 2, channels]), Fill::Uniform(0.5, 1.5));
        let vector = Shape::rows([channels]);
        if residual {
            case = case.fixed(x, Fill::Normal);
        }
        if affine {
            case = case.fixed(vector.clone(), Fill::Normal);
        }
        if relu && affine && !residual {
            case = case.fixed(vector, Fill::Normal);
        }
        case
    })
    .collect()
}
