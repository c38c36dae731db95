//! The gradient of batch normalisation whose batch is that of several ranks, in two halves: between them the sums of all ranks are brought
//! together ([`AllReduce`](crate::ops::AllReduce)). The kernels are those of [`BatchNormGradient`].

use super::batch_norm_gradient::{BatchNormGradient, cases_of};
use super::batch_norm_statistics::{Parts, statistics};
use crate::graph::{Array, Io, Lowered, Op, Shape, Slot, Target};
use crate::ops::check::Case;

/// The first half. Inputs as of [`BatchNormGradient`]; outputs Σ g and Σ g·xhat of every view `[views, 2, C]` and (dweight, dbias), of
/// the rows of this rank.
#[derive(Debug, Clone)]
pub struct BatchNormGradientSums(
    /// Of what.
    pub BatchNormGradient,
);

/// The second half. Inputs as of [`BatchNormGradient`], then the mean over the ranks of their sums `[views, 2, C]`; outputs dx and
/// (dresidual).
#[derive(Debug, Clone)]
pub struct BatchNormGradientApply(
    /// Of what.
    pub BatchNormGradient,
);

impl Op for BatchNormGradientSums {
    facts!("batch_norm_gradient_sums", takes_f16);

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        let mut outputs = self.0.shapes(inputs)?;
        outputs.truncate(if self.0.affine { 3 } else { 1 });
        outputs[0] = statistics(&inputs[1], self.0.views);
        Ok(outputs)
    }

    fn lower(&self, io: &Io, target: &Target) -> Lowered {
        let x = &io.inputs[1];
        let slots = [Slot::scratch(0), Slot::output(0)];
        let launches = self.0.sums(x, target, slots, [Slot::output(1), Slot::output(2)]).to_vec();
        Lowered { scratch: vec![Parts::new(x, self.0.views, target).words(self.0.views)], launches }
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let mut outputs = self.0.reference_sums(inputs, &self.0.incoming(inputs)).to_vec();
        outputs.truncate(if self.0.affine { 3 } else { 1 });
        outputs
    }
}

impl Op for BatchNormGradientApply {
    facts!("batch_norm_gradient_apply", takes_f16);

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        let Some((sums, others)) = inputs.split_last() else {
            return Err("expected the sums".to_string());
        };
        let mut outputs = self.0.shapes(others)?;
        if *sums != statistics(&inputs[1], self.0.views) {
            return Err("expected the sums of every view".to_string());
        }
        if self.0.affine {
            outputs.drain(1..3);
        }
        Ok(outputs)
    }

    fn lower(&self, io: &Io, target: &Target) -> Lowered {
        let sums = Slot::input(io.inputs.len() - 1);
        let outputs = [Slot::output(0), Slot::output(io.outputs.len() - 1)];
        Lowered::one(self.0.apply(&io.inputs[1], target, sums, outputs))
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let (sums, others) = (inputs[inputs.len() - 1], &inputs[..inputs.len() - 1]);
        let g = self.0.incoming(others);
        let mut outputs = vec![self.0.reference_apply(others, &g, sums)];
        outputs.extend(self.0.residual.then_some(g));
        outputs
    }
}

pub(super) fn cases() -> Vec<Case> {
    let sums = cases_of("batch_norm_gradient_sums", BatchNormGradientSums, false);
    [sums, cases_of("batch_norm_gradient_apply", BatchNormGradientApply, true)].concat()
}
