//! Stochastic gradient descent with momentum over all parameters at once.

use super::check::{Case, Fill};
use crate::gpu::Kernel;
use crate::graph::{Array, Io, Launch, Lowered, Op, Shape, Slot, Target, grid};

/// `torch.optim.SGD` with dampening 0, over flat arenas: inputs gradients `[n]`, rates `[2]` and, where the gradients are those of a
/// scaled loss, the factor `[1]` that undoes it ([`LossScale`](super::LossScale)); updates parameters `[n]` and momentum `[n]`,
/// neither where the factor is 0. m = momentum · m + gradient + weight_decay · w, then w = w - rate · m, where m starts as zero.
#[derive(Debug, Clone)]
pub struct Sgd {
    /// What is kept of the last step.
    pub momentum: f32,
    /// Added to the gradient, times the parameter.
    pub weight_decay: f32,
    /// Elements before this one, a multiple of 64, take `rates[0]`; the others `rates[1]` (a predictor with its own rate).
    pub split: usize,
    /// Whether there is a factor on the gradients.
    pub scaled: bool,
}

/// Bindings start at multiples of this many words.
const ALIGNMENT: usize = 64;

impl Op for Sgd {
    fn name(&self) -> &'static str {
        "sgd"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        match inputs {
            [gradients, rates, factor @ ..]
                if gradients.dims().len() == 1
                    && rates.dims() == [2]
                    && factor.len() == usize::from(self.scaled)
                    && factor.iter().all(|f| f.dims() == [1]) =>
            {
                // A split inside a vec4 could not be honoured.
                match self.split.is_multiple_of(ALIGNMENT) {
                    true => Ok(Vec::new()),
                    false => Err(format!("the split at {} is no multiple of {ALIGNMENT}", self.split)),
                }
            }
            _ => Err("gradients [n], rates [2] and perhaps a factor [1] are wanted".to_string()),
        }
    }

    fn lower(&self, io: &Io, target: &Target) -> Lowered {
        let all = io.inputs[0].stored_len();
        // The arenas may be larger than the device binds at once.
        let most = (target.max_words / ALIGNMENT * ALIGNMENT).max(ALIGNMENT);
        let launches = (0..all)
            .step_by(most)
            .map(|first| {
                let words = most.min(all - first);
                let vectors = words / 4;
                let kernel = Kernel::new("sgd")
                    .with("SCALED", self.scaled)
                    .with("VECTORS", vectors)
                    .with("SPLIT", self.split.saturating_sub(first).min(words) / 4)
                    .with("MOMENTUM", self.momentum)
                    .with("WEIGHT_DECAY", self.weight_decay);
                let mut slots = vec![
                    Slot::input(0).part(first, words),
                    Slot::input(1),
                    Slot::update(0).part(first, words),
                    Slot::update(1).part(first, words),
                ];
                slots.extend(self.scaled.then(|| Slot::input(2)));
                Launch::new(kernel, slots, grid(vectors.div_ceil(64)))
            })
            .collect();
        Lowered { launches, scratch: Vec::new() }
    }

    fn reference(&self, inputs: &[&Array], updates: &mut [Array]) -> Vec<Array> {
        let (gradients, rates) = (inputs[0], inputs[1]);
        let [parameters, momentum] = updates else {
            return Vec::new();
        };
        let factor = if self.scaled { inputs[2].data[0] } else { 1.0 };
        if factor == 0.0 {
            return Vec::new();
        }
        for (i, (w, m)) in parameters.data.iter_mut().zip(&mut momentum.data).enumerate() {
            let rate = rates.data[usize::from(i >= self.split)];
            *m = f64::from(self.momentum) * *m + factor * gradients.data[i] + f64::from(self.weight_decay) * *w;
            *w -= rate * *m;
        }
        Vec::new()
    }
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = [(0, 203), (128, 331), (640, 331)]
        .into_iter()
        .map(|(split, n)| {
            let op = Sgd { momentum: 0.9, weight_decay: 0.01, split, scaled: false };
            Case::new(&format!("sgd {n} split {split}"), op)
                .fixed(Shape::rows([n]), Fill::Normal)
                .fixed(Shape::rows([2]), Fill::Uniform(0.1, 0.9))
                .update(Shape::rows([n]), Fill::Normal)
                .update(Shape::rows([n]), Fill::Normal)
        })
        .collect();
    for (name, gradient, factor) in [("scaled", 2.0, 0.25), ("skipped", f32::INFINITY, 0.0)] {
        let op = Sgd { momentum: 0.9, weight_decay: 0.01, split: 128, scaled: true };
        cases.push(
            Case::new(&format!("sgd {name}"), op)
                .fixed(Shape::rows([203]), Fill::Values(vec![gradient; 203]))
                .fixed(Shape::rows([2]), Fill::Uniform(0.1, 0.9))
                .fixed(Shape::rows([1]), Fill::Values(vec![factor]))
                .update(Shape::rows([203]), Fill::Normal)
                .update(Shape::rows([203]), Fill::Normal),
        );
    }
    cases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arenas_larger_than_a_binding_take_several_launches() {
        let op = Sgd { momentum: 0.9, weight_decay: 0.0, split: 192, scaled: false };
        let io = Io {
            inputs: vec![Shape::rows([300]), Shape::rows([2])],
            outputs: vec![],
            updates: vec![Shape::rows([300]), Shape::rows([300])],
        };
        let target = Target { max_words: 130, ..Target::basic(true) };
        let launches = op.lower(&io, &target).launches;
        let value = |launch: &Launch, name: &str| {
            let found = launch.kernel.constants.iter().find(|(n, _)| *n == name);
            found.map(|(_, v)| *v)
        };
        let sizes: Vec<_> = launches.iter().map(|l| value(l, "VECTORS")).collect();
        let splits: Vec<_> = launches.iter().map(|l| value(l, "SPLIT")).collect();
        assert_eq!(sizes, [32usize, 32, 11].map(|v| Some(v.into())));
        assert_eq!(splits, [32usize, 16, 0].map(|v| Some(v.into())));
    }
}
