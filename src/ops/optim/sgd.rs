//! Stochastic gradient descent with momentum, over parameter groups.

use super::groups::{Groups, Segment, parts};
use crate::gpu::Kernel;
use crate::graph::{Array, Io, Launch, Lowered, Op, Shape, Slot, Target, grid};
use crate::ops::check::{Case, Fill};

/// `torch.optim.SGD` with dampening 0: inputs gradients, rates `[R]`, then, where there are any, the scales of LARS
/// ([`LarsScale`](super::LarsScale)) and the factor `[1]` that undoes the scale of a loss
/// ([`LossScale`](crate::ops::LossScale)); updates parameters and momentum, shaped as the gradients, neither where the factor
/// is 0. m = momentum · m + scale · (gradient + weight_decay · w), then w = w - rate · m, where m starts as zero.
#[derive(Debug, Clone)]
pub struct Sgd {
    /// What is kept of the last step.
    pub momentum: f32,
    /// Added to the gradient, times the parameter, in the groups that have it.
    pub weight_decay: f32,
    /// Which elements take which rate.
    pub groups: Groups,
    /// Whether there are scales: LARS (You et al. 2017, "Large Batch Training of Convolutional Networks").
    pub lars: bool,
    /// Whether there is a factor on the gradients.
    pub scaled: bool,
}

/// Words that a workgroup takes.
const PIECE: usize = 4096;

impl Sgd {
    fn kernel(&self) -> Kernel {
        // Bindings after the four that are always there.
        let factor = 4 + usize::from(self.lars);
        Kernel::new("sgd")
            .with("COLUMNS", matches!(self.groups, Groups::Columns(_)))
            .with("DECAY", self.weight_decay != 0.0)
            .with("LARS", self.lars)
            .with("SCALED", self.scaled)
            .with("FACTOR_AT", factor)
            .with("PIECES_AT", factor + usize::from(self.scaled))
            .with("MOMENTUM", self.momentum)
            .with("WEIGHT_DECAY", self.weight_decay)
    }

    /// Of `words` words from `first` on.
    fn slots(&self, first: usize, words: usize) -> Vec<Slot> {
        let part = |slot: Slot| slot.part(first, words);
        let mut slots = vec![part(Slot::input(0)), Slot::input(1), part(Slot::update(0)), part(Slot::update(1))];
        slots.extend((2..2 + usize::from(self.lars) + usize::from(self.scaled)).map(Slot::input));
        slots
    }
}

impl Op for Sgd {
    facts!("sgd");

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        let [gradients, rates, others @ ..] = inputs else {
            return Err("gradients and rates are needed".to_string());
        };
        let mut dims = Vec::new();
        dims.extend(self.lars.then(|| vec![self.groups.count()]));
        dims.extend(self.scaled.then(|| vec![1]));
        match others.iter().map(Shape::dims).eq(dims.iter().map(Vec::as_slice)) && rates.dims().len() == 1 {
            true => self.groups.check(gradients, Some(rates.len())).map(|()| Vec::new()),
            false => Err(format!("after gradients and rates [R] come tensors of {dims:?}")),
        }
    }

    fn lower(&self, io: &Io, target: &Target) -> Lowered {
        let gradients = &io.inputs[0];
        let all = gradients.stored_len();
        let segments = match &self.groups {
            Groups::Segments(segments) => segments,
            Groups::Columns(groups) => {
                let vectors = gradients.vectors();
                let kernel = self
                    .kernel()
                    .with("VECTORS", vectors)
                    .with("C4", gradients.stored_channels() / 4)
                    .with("GROUPS", *groups)
                    .with("CLASSES", gradients.channels() / groups);
                return Lowered::one(Launch::new(kernel, self.slots(0, all), grid(vectors.div_ceil(64))));
            }
        };
        // The arenas may be larger than the device binds at once.
        let launches = parts(&Groups::ends(segments), all, PIECE, target).into_iter().map(|part| {
            let row = |piece: &super::groups::Piece| {
                let Segment { rate, decay, .. } = segments[piece.segment];
                [piece.first, piece.vectors, 2 * rate + usize::from(decay), piece.segment].map(|word| word as u32)
            };
            let kernel = self.kernel().with("PIECES", part.pieces.len());
            let slots = self.slots(part.first, part.words);
            Launch::new(kernel, slots, grid(part.pieces.len())).table(part.pieces.iter().flat_map(row).collect())
        });
        Lowered { launches: launches.collect(), scratch: Vec::new() }
    }

    fn reference(&self, inputs: &[&Array], updates: &mut [Array]) -> Vec<Array> {
        let (gradients, rates) = (inputs[0], inputs[1]);
        let [parameters, momentum] = updates else {
            return Vec::new();
        };
        let factor = if self.scaled { inputs[inputs.len() - 1].data[0] } else { 1.0 };
        if factor == 0.0 {
            return Vec::new();
        }
        let columns = gradients.channels();
        for (i, (w, m)) in parameters.data.iter_mut().zip(&mut momentum.data).enumerate() {
            let group = self.groups.of(i, columns);
            let (rate, decay, _) = self.groups.settings(group);
            let scale = if self.lars { inputs[2].data[group] } else { 1.0 };
            let decay = if decay { f64::from(self.weight_decay) } else { 0.0 };
            *m = f64::from(self.momentum) * *m + scale * (factor * gradients.data[i] + decay * *w);
            *w -= rates.data[rate] * *m;
        }
        Vec::new()
    }
}

/// Segments that end there, of rates 0, 1, …; every second one without weight decay.
pub(super) fn segments(ends: &[usize]) -> Groups {
    let segment =
        |(i, &end): (usize, &usize)| Segment { end, rate: i, decay: i.is_multiple_of(2), lars: !i.is_multiple_of(3) };
    Groups::Segments(ends.iter().enumerate().map(segment).collect())
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let factors = Fill::Uniform(0.1, 0.9);
    let mut add = |shape: Shape, groups: Groups, weight_decay: f32, lars: bool| {
        let rates = Shape::rows([groups.count()]);
        let name = format!("sgd {shape:?}, {} groups, decay {weight_decay}, lars {lars}", groups.count());
        let op = Sgd { momentum: 0.9, weight_decay, groups, lars, scaled: false };
        let mut case = Case::new(&name, op).fixed(shape.clone(), Fill::Normal).fixed(rates.clone(), factors.clone());
        if lars {
            case = case.fixed(rates, factors.clone());
        }
        cases.push(case.update(shape.clone(), Fill::Normal).update(shape, Fill::Normal));
    };
    add(Shape::rows([203]), segments(&[203]), 0.01, false);
    add(Shape::rows([331]), segments(&[128, 331]), 0.01, false);
    add(Shape::rows([331]), segments(&[128, 640]), 0.0, false);
    add(Shape::rows([9001]), segments(&[64, 8256, 8320, 9001]), 0.01, true);
    for (shape, groups) in
        [(Shape::weight([13, 21]), 3), (Shape::weight([5, 80]), 8), (Shape::rows([70]), 7), (Shape::rows([3]), 1)]
    {
        for lars in [false, true] {
            add(shape.clone(), Groups::Columns(groups), 0.0, lars);
        }
    }
    add(Shape::weight([13, 21]), Groups::Columns(3), 0.01, true);
    for (name, gradient, factor, lars) in
        [("scaled", 2.0, 0.25, false), ("scaled", 2.0, 0.25, true), ("skipped", f32::INFINITY, 0.0, true)]
    {
        let op = Sgd { momentum: 0.9, weight_decay: 0.01, groups: segments(&[128, 203]), lars, scaled: true };
        let mut case = Case::new(&format!("sgd {name}, lars {lars}"), op)
            .fixed(Shape::rows([203]), Fill::Values(vec![gradient; 203]))
            .fixed(Shape::rows([2]), Fill::Uniform(0.1, 0.9));
        if lars {
            case = case.fixed(Shape::rows([2]), Fill::Uniform(0.1, 0.9));
        }
        cases.push(
            case.fixed(Shape::rows([1]), Fill::Values(vec![factor]))
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
        let op = Sgd { momentum: 0.9, weight_decay: 0.0, groups: segments(&[192, 300]), lars: false, scaled: false };
        let io = Io {
            inputs: vec![Shape::rows([300]), Shape::rows([2])],
            outputs: vec![],
            updates: vec![Shape::rows([300]), Shape::rows([300])],
        };
        let target = Target { max_words: 130, ..Target::basic(true) };
        let launches = op.lower(&io, &target).launches;
        let tables: Vec<&[u32]> = launches.iter().flat_map(|l| &l.tables).map(Vec::as_slice).collect();
        // First vec4, vec4s, rate and decay, segment.
        let expected: [&[u32]; 3] = [&[0, 32, 1, 0], &[0, 16, 1, 0, 16, 16, 2, 1], &[0, 11, 2, 1]];
        assert_eq!(tables, expected);
    }
}
