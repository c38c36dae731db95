//! Batch normalisation with the running statistics.

use super::batch_norm::{check_inputs, finish};
use crate::gpu::Kernel;
use crate::graph::{Array, Io, Launch, Lowered, Op, Shape, Slot, Target, grid};
use crate::ops::check::{Case, Fill};

/// y = relu?(norm(x)·weight + bias + residual), as `torch.nn.BatchNorm2d` (or 1d) in evaluation.
///
/// Inputs x `[.., C]`, running mean and variance `[C]`, (weight, bias), (residual like x).
#[derive(Debug, Clone)]
pub struct BatchNormEval {
    /// Whether a ReLU follows.
    pub relu: bool,
    /// Whether there are weight and bias.
    pub affine: bool,
    /// Whether a tensor is added before the ReLU.
    pub residual: bool,
    /// Added to the variance; PyTorch's default is 1e-5.
    pub eps: f32,
}

impl Op for BatchNormEval {
    facts!("batch_norm_eval", takes_f16);

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        let expected = 3 + 2 * usize::from(self.affine) + usize::from(self.residual);
        if inputs.len() != expected {
            return Err(format!("expected {expected} inputs"));
        }
        let x = &inputs[0];
        check_inputs(x, Some([&inputs[1], &inputs[2]]), None)?;
        check_inputs(x, self.affine.then(|| [&inputs[3], &inputs[4]]), self.residual.then(|| &inputs[expected - 1]))?;
        Ok(vec![x.clone()])
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        let x = &io.inputs[0];
        let vectors = x.vectors();
        let kernel = Kernel::new("batch_norm_eval")
            .with("F16", x.is_f16())
            .with("AFFINE", self.affine)
            .with("RESIDUAL", self.residual)
            .with("RELU", self.relu)
            .with("EPS", self.eps)
            .with("C4", x.stored_channels() / 4)
            .with("VECTORS", vectors);
        let mut slots = vec![Slot::input(0), Slot::input(1), Slot::input(2), Slot::output(0)];
        slots.extend((3..io.inputs.len()).map(Slot::input));
        Lowered::one(Launch::new(kernel, slots, grid(vectors.div_ceil(64))))
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let (x, mean, var) = (inputs[0], inputs[1], inputs[2]);
        let channels = x.channels();
        let normalised = |i: usize| {
            let c = i % channels;
            (x.data[i] - mean.data[c]) / (var.data[c] + f64::from(self.eps)).sqrt()
        };
        let mut rest = vec![x];
        rest.extend(&inputs[3..]);
        vec![finish(&rest, self.affine, self.residual, self.relu, normalised)]
    }
}

pub(super) fn cases() -> Vec<Case> {
    [(true, true, true), (false, true, false), (false, false, false), (true, false, true)]
        .into_iter()
        .map(|(relu, affine, residual)| {
            let (x, vector) = (Shape::rows([2, 3, 5, 7]), Shape::rows([7]));
            let name = format!("batch_norm_eval relu {relu} affine {affine} residual {residual}");
            let mut case = Case::new(&name, BatchNormEval { relu, affine, residual, eps: 1e-5 })
                .fixed(x.clone(), Fill::Normal)
                .fixed(vector.clone(), Fill::Normal)
                .fixed(vector.clone(), Fill::Uniform(0.1, 2.0));
            if affine {
                case = case.fixed(vector.clone(), Fill::Normal).fixed(vector, Fill::Normal);
            }
            if residual {
                case = case.fixed(x, Fill::Normal);
            }
            case
        })
        .collect()
}
