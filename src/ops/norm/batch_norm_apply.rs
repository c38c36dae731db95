//! Batch normalisation in training with given statistics, fused with what follows it in a residual network.

use super::batch_norm::{by_runs, check_inputs, finish};
use super::batch_norm_gradient::BatchNormGradient;
use super::batch_norm_statistics::{BatchNormStatistics, check_views, statistics};
use crate::gpu::Kernel;
use crate::graph::{Array, Graph, InputGradients, Io, Launch, Lowered, Node, Op, Shape, Slot, Target, Tensor};
use crate::ops::check::{Case, Fill};
use crate::ops::{AllReduce, BatchNormGradientApply, BatchNormGradientSums};
use crate::ranks::Ranks;

/// y = relu?(norm(x)·weight + bias + residual), as `torch.nn.BatchNorm2d` (or 1d) in training.
///
/// Inputs x `[.., C]`, its statistics `[views, 2, C]` from [`BatchNormStatistics`](crate::ops::BatchNormStatistics), (weight `[C]`,
/// bias `[C]`), (residual like x). The gradient of x is that through the statistics too, so they have none of their own. A
/// node of its own: y costs one pass over x and need not be kept for the backward pass.
#[derive(Debug, Clone)]
pub struct BatchNormApply {
    /// Parts that are normalised by themselves.
    pub views: usize,
    /// Whether a ReLU follows.
    pub relu: bool,
    /// Whether there are weight and bias.
    pub affine: bool,
    /// Whether a tensor is added before the ReLU.
    pub residual: bool,
    /// The ranks whose batch the statistics are of.
    pub ranks: Ranks,
}

impl BatchNormApply {
    fn inputs(&self) -> usize {
        2 + 2 * usize::from(self.affine) + usize::from(self.residual)
    }
}

impl Op for BatchNormApply {
    facts!("batch_norm_apply", takes_f16, cheap);

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        if inputs.len() != self.inputs() {
            return Err(format!("expected {} inputs", self.inputs()));
        }
        let x = &inputs[0];
        check_inputs(
            x,
            self.affine.then(|| [&inputs[2], &inputs[3]]),
            self.residual.then(|| &inputs[inputs.len() - 1]),
        )?;
        check_views(x, self.views)?;
        let wanted = statistics(x, self.views);
        if inputs[1] != wanted {
            return Err(format!("expected statistics {wanted:?}"));
        }
        Ok(vec![x.clone()])
    }

    fn gradient(&self, graph: &mut Graph, node: &Node, dy: Tensor, _wanted: &[bool]) -> InputGradients {
        let op = BatchNormGradient {
            views: self.views,
            relu: self.relu,
            affine: self.affine,
            residual: self.residual && self.relu,
        };
        let mut inputs = vec![dy, node.inputs[0], node.inputs[1]];
        // Where nothing was added, x says where the ReLU was closed.
        inputs.extend(op.residual.then(|| node.outputs[0]));
        inputs.extend(self.affine.then(|| node.inputs[2]));
        inputs.extend(op.reads_bias().then(|| node.inputs[3]));
        let made = match self.ranks.is_alone() {
            true => graph.add(op, &inputs)?,
            false => {
                let mut made = graph.add(BatchNormGradientSums(op.clone()), &inputs)?;
                let sums = graph.add_one(AllReduce::mean(self.ranks), &[made.remove(0)])?;
                inputs.push(sums);
                let mut applied = graph.add(BatchNormGradientApply(op), &inputs)?;
                let dresidual = applied.split_off(1);
                [applied, made, dresidual].concat()
            }
        };
        let mut gradients: Vec<Option<Tensor>> = made.into_iter().map(Some).collect();
        gradients.insert(1, None);
        if self.residual && !self.relu {
            gradients.push(Some(dy));
        }
        Ok(gradients)
    }

    fn lower(&self, io: &Io, target: &Target) -> Lowered {
        let x = &io.inputs[0];
        let kernel = Kernel::new("batch_norm_apply")
            .with("F16", x.is_f16())
            .with("AFFINE", self.affine)
            .with("RESIDUAL", self.residual)
            .with("RELU", self.relu);
        let (kernel, workgroups) = by_runs(kernel, x, self.views, target);
        let mut slots = vec![Slot::input(0), Slot::input(1), Slot::output(0)];
        slots.extend((2..io.inputs.len()).map(Slot::input));
        Lowered::one(Launch::new(kernel, slots, workgroups))
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let (x, stats) = (inputs[0], inputs[1]);
        let channels = x.channels();
        let rows = x.data.len() / channels / self.views;
        let normalised = |i: usize| {
            let (c, view) = (i % channels, i / (rows * channels));
            (x.data[i] - stats.data[view * 2 * channels + c]) * stats.data[(view * 2 + 1) * channels + c]
        };
        let mut rest = vec![x];
        rest.extend(&inputs[2..]);
        vec![finish(&rest, self.affine, self.residual, self.relu, normalised)]
    }
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
        (vec![6, 2, 3, 5], 2, true, false, false),
    ] {
        let channels = shape[shape.len() - 1];
        let name = format!(
            "batch_norm_apply {shape:?} {views} views{}{}{}",
            if affine { " affine" } else { "" },
            if residual { " residual" } else { "" },
            if relu { " relu" } else { "" }
        );
        let x = Shape::rows(shape);
        let vector = Shape::rows([channels]);
        let op = BatchNormApply { views, relu, affine, residual, ranks: Ranks::ONE };
        // The gradient goes through the statistics, so they are made here too.
        let statistics = BatchNormStatistics { views, eps: 1e-5, momentum: 0.1 };
        let mut case = Case::new(&name, op).after(statistics).input(x.clone(), Fill::Normal);
        if affine {
            case = case.input(vector.clone(), Fill::Uniform(0.5, 1.5)).input(vector.clone(), Fill::Normal);
        }
        if residual {
            case = case.input(x, Fill::Normal);
        }
        cases.push(case.update(vector.clone(), Fill::Normal).update(vector, Fill::Uniform(0.5, 2.0)));
    }
    cases
}
