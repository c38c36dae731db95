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
    /// Where weight and bias are among the inputs.
    fn weight(&self) -> usize {
        3 + usize::from(self.residual)
    }

    /// Checks dy, x, statistics and what else is read; the shapes of dx, (dweight, dbias), (dresidual).
    pub(super) fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        let expected = self.weight() + usize::from(self.affine) + usize::from(self.reads_bias());
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

    /// Σ g and Σ g·xhat of every view into `sums`, by way of `partial`, and their sums over the views into the vectors dweight and dbias.
    pub(super) fn sums(
        &self,
        x: &Shape,
        target: &Target,
        [partial, sums]: [Slot; 2],
        vectors: [Slot; 2],
    ) -> [Launch; 2] {
        let parts = Parts::new(x, self.views, target);
        let kernel = Kernel::new("batch_norm_gradient_partial")
            .with("Y", self.residual)
            .with("REMAKE_Y", self.remakes_y())
            .with("AFFINE", self.reads_bias());
        let kernel = parts.describe(kernel, self.views);
        let merge =
            parts.describe_merge(Kernel::new("batch_norm_gradient_merge").with("AFFINE", self.affine), self.views);
        let mut slots = vec![Slot::input(0), Slot::input(1), Slot::input(2), partial];
        if self.reads_bias() {
            slots.extend([Slot::input(self.weight()), Slot::input(self.weight() + 1)]);
        }
        slots.extend(self.residual.then(|| Slot::input(3)));
        let mut merge_slots = vec![partial, sums];
        merge_slots.extend(vectors.into_iter().filter(|_| self.affine));
        [Launch::new(kernel, slots, parts.grid(self.views)), Launch::new(merge, merge_slots, parts.merge_grid())]
    }

    /// dx, and the gradient of the residual where there is one.
    pub(super) fn apply(&self, x: &Shape, target: &Target, sums: Slot, [dx, dresidual]: [Slot; 2]) -> Launch {
        let kernel = Kernel::new("batch_norm_gradient_apply")
            .with("F16", x.is_f16())
            .with("Y", self.residual)
            .with("REMAKE_Y", self.remakes_y())
            .with("AFFINE", self.affine);
        let (kernel, workgroups) = by_runs(kernel, x, self.views, target);
        let mut slots = vec![Slot::input(0), Slot::input(1), Slot::input(2), sums, dx];
        slots.extend(self.affine.then(|| Slot::input(self.weight())));
        slots.extend(self.reads_bias().then(|| Slot::input(self.weight() + 1)));
        if self.residual {
            slots.extend([Slot::input(3), dresidual]);
        }
        Launch::new(kernel, slots, workgroups)
    }

    /// Of the normalised input: at an index of x.
    fn normalised<'a>(&self, inputs: &[&'a Array]) -> impl Fn(usize) -> f64 + 'a + Copy {
        let (x, stats) = (inputs[1], inputs[2]);
        let channels = x.channels();
        let view = x.data.len() / self.views;
        move |i| {
            let at = i / view * 2 * channels + i % channels;
            (x.data[i] - stats.data[at]) * stats.data[at + channels]
        }
    }

    /// g, for the references.
    pub(super) fn incoming(&self, inputs: &[&Array]) -> Array {
        let mut g = inputs[0].clone();
        if self.relu {
            let y = match self.residual {
                true => inputs[3].clone(),
                false => {
                    let operands = [&[inputs[1]], &inputs[3..]].concat();
                    finish(&operands, self.affine, false, true, self.normalised(inputs))
                }
            };
            for (g, y) in g.data.iter_mut().zip(&y.data) {
                *g = if *y > 0.0 { *g } else { 0.0 };
            }
        }
        g
    }

    /// Σ g and Σ g·xhat of every view, dweight and dbias, for the references.
    pub(super) fn reference_sums(&self, inputs: &[&Array], g: &Array) -> [Array; 3] {
        let (channels, normalised) = (g.channels(), self.normalised(inputs));
        let view = g.data.len() / self.views;
        let mut sums = Array::zeros(&[self.views, 2, channels]);
        for (i, g) in g.data.iter().enumerate() {
            let at = i / view * 2 * channels + i % channels;
            sums.data[at] += g;
            sums.data[at + channels] += g * normalised(i);
        }
        let [mut dweight, mut dbias] = [0; 2].map(|_| Array::zeros(&[channels]));
        for (i, v) in sums.data.iter().enumerate() {
            let vector = if i / channels % 2 == 1 { &mut dweight } else { &mut dbias };
            vector.data[i % channels] += v;
        }
        [sums, dweight, dbias]
    }

    /// dx, for the references.
    pub(super) fn reference_apply(&self, inputs: &[&Array], g: &Array, sums: &Array) -> Array {
        let (channels, normalised) = (g.channels(), self.normalised(inputs));
        let view = g.data.len() / self.views;
        let rows = view / channels;
        let mut dx = g.clone();
        for (i, d) in dx.data.iter_mut().enumerate() {
            let at = i / view * 2 * channels + i % channels;
            let mean = (sums.data[at] + normalised(i) * sums.data[at + channels]) / rows as f64;
            let weight = if self.affine { inputs[self.weight()].data[i % channels] } else { 1.0 };
            *d = weight * inputs[2].data[at + channels] * (*d - mean);
        }
        dx
    }
}

impl Op for BatchNormGradient {
    facts!("batch_norm_gradient", takes_f16);

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        self.shapes(inputs)
    }

    fn lower(&self, io: &Io, target: &Target) -> Lowered {
        let x = &io.inputs[1];
        let parts = Parts::new(x, self.views, target);
        let vectors = [Slot::output(1), Slot::output(2)];
        let mut launches = self.sums(x, target, [Slot::scratch(0), Slot::scratch(1)], vectors).to_vec();
        let dresidual = Slot::output(io.outputs.len() - 1);
        launches.push(self.apply(x, target, Slot::scratch(1), [Slot::output(0), dresidual]));
        Lowered { scratch: vec![parts.words(self.views), self.views * 2 * parts.c4 * 4], launches }
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let g = self.incoming(inputs);
        let [sums, dweight, dbias] = self.reference_sums(inputs, &g);
        let mut outputs = vec![self.reference_apply(inputs, &g, &sums)];
        if self.affine {
            outputs.extend([dweight, dbias]);
        }
        outputs.extend(self.residual.then_some(g));
        outputs
    }
}

pub(super) fn cases() -> Vec<Case> {
    cases_of("batch_norm_gradient", |op| op, false)
}

/// Cases of an operator that reads what this one reads, and the sums of every view where it wants them.
pub(super) fn cases_of<O: Op>(name: &str, make: impl Fn(BatchNormGradient) -> O, sums: bool) -> Vec<Case> {
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
        let name = format!("{name} {shape:?} relu {relu} affine {affine} residual {residual}");
        let op = BatchNormGradient { views: 2, relu, affine, residual };
        let per_view = Shape::rows([2, 2, channels]);
        let mut case = Case::new(&name, make(op))
            .fixed(x.clone(), Fill::Normal)
            .fixed(x.clone(), Fill::Normal)
            .fixed(per_view.clone(), Fill::Uniform(0.5, 1.5));
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
        if sums {
            case = case.fixed(per_view, Fill::Normal);
        }
        case
    })
    .collect()
}
