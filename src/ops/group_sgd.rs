//! Stochastic gradient descent with a learning rate for each of several classifiers whose parameters lie beside each other.

use super::check::{Case, Fill};
use crate::gpu::Kernel;
use crate::graph::{Array, Io, Launch, Lowered, Op, Shape, Slot, Target, grid};

/// `torch.optim.SGD` with dampening 0 and no weight decay: inputs gradients `[.., groups · C]`, rates `[groups]` and, where
/// trusted, ratios `[groups]` ([`TrustRatio`](super::TrustRatio)); updates parameters and momentum, shaped as the gradients.
/// m = momentum · m + ratio · gradient, then w = w - rate · m, where m starts as zero.
#[derive(Debug, Clone)]
pub struct GroupSgd {
    /// Number of classifiers.
    pub groups: usize,
    /// What is kept of the last step.
    pub momentum: f32,
    /// Whether there are ratios: LARS (You et al. 2017, "Large Batch Training of Convolutional Networks").
    pub trusted: bool,
}

impl Op for GroupSgd {
    fn name(&self) -> &'static str {
        "group_sgd"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        match inputs {
            [gradients, factors @ ..]
                if factors.len() == 1 + usize::from(self.trusted)
                    && factors.iter().all(|f| f.dims() == [self.groups])
                    && gradients.channels().is_multiple_of(self.groups.max(1)) =>
            {
                Ok(Vec::new())
            }
            _ => Err(format!("gradients [.., {0} C], rates [{0}] and perhaps ratios [{0}] are wanted", self.groups)),
        }
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        let gradients = &io.inputs[0];
        let vectors = gradients.vectors();
        let kernel = Kernel::new("group_sgd")
            .with("TRUSTED", self.trusted)
            .with("VECTORS", vectors)
            .with("C4", gradients.stored_channels() / 4)
            .with("GROUPS", self.groups)
            .with("CLASSES", gradients.channels() / self.groups)
            .with("MOMENTUM", self.momentum);
        let mut slots = vec![Slot::input(0), Slot::input(1), Slot::update(0), Slot::update(1)];
        slots.extend(self.trusted.then(|| Slot::input(2)));
        Lowered::one(Launch::new(kernel, slots, grid(vectors.div_ceil(64))))
    }

    fn reference(&self, inputs: &[&Array], updates: &mut [Array]) -> Vec<Array> {
        let (gradients, rates) = (inputs[0], inputs[1]);
        let [parameters, momentum] = updates else {
            return Vec::new();
        };
        let columns = gradients.channels();
        let state = parameters.data.iter_mut().zip(&mut momentum.data);
        for (i, ((w, m), gradient)) in state.zip(&gradients.data).enumerate() {
            let group = i % columns / (columns / self.groups);
            let ratio = if self.trusted { inputs[2].data[group] } else { 1.0 };
            *m = f64::from(self.momentum) * *m + ratio * gradient;
            *w -= rates.data[group] * *m;
        }
        Vec::new()
    }
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (shape, groups) in
        [(Shape::weight([13, 21]), 3), (Shape::weight([5, 80]), 8), (Shape::rows([70]), 7), (Shape::rows([3]), 1)]
    {
        for trusted in [false, true] {
            let op = GroupSgd { groups, momentum: 0.9, trusted };
            let factors = Fill::Uniform(0.1, 0.9);
            let name = format!("group_sgd {shape:?} of {groups}, trusted {trusted}");
            let mut case =
                Case::new(&name, op).fixed(shape.clone(), Fill::Normal).fixed(Shape::rows([groups]), factors.clone());
            if trusted {
                case = case.fixed(Shape::rows([groups]), factors);
            }
            cases.push(case.update(shape.clone(), Fill::Normal).update(shape.clone(), Fill::Normal));
        }
    }
    cases
}
