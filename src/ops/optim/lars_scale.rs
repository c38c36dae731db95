//! LARS: how far the gradient of a tensor is scaled, by the lengths of its parameters and of its gradient.

use super::groups::{Groups, parts};
use super::sgd::segments;
use crate::gpu::Kernel;
use crate::graph::{Array, Io, Launch, Lowered, Op, Shape, Slot, Target, grid};
use crate::ops::check::{Case, Fill};

/// Inputs parameters and gradients of one shape and, where these are those of a scaled loss, the factor `[1]` that undoes it
/// ([`LossScale`](crate::ops::LossScale)); output `[groups]`: trust · |w| / (|g| + weight_decay · |w| + eps) of each group. 1
/// where w is zero, and 0 where g is: such a tensor stays, without decay.
///
/// You et al. 2017, "Large Batch Training of Convolutional Networks", eq. 6, as NVIDIA apex's `LARC(trust_coefficient=trust, clip=False)`
/// has it. A group that LARS does not apply to has 1. Meaningless where the factor is 0: such a step is skipped.
#[derive(Debug, Clone)]
pub struct LarsScale {
    /// The tensors.
    pub groups: Groups,
    /// The trust coefficient.
    pub trust: f32,
    /// That of the optimiser, for the groups that have it.
    pub weight_decay: f32,
    /// Added to the divisor.
    pub eps: f32,
    /// Whether there is a factor on the gradients.
    pub scaled: bool,
}

/// Words that a workgroup takes.
const PIECE: usize = 16_384;

impl LarsScale {
    /// `eps` of apex.
    pub const EPS: f32 = 1e-8;

    /// What sums squares into scratch memory: first those of parameters, then, from sum `n` on, those of gradients. The kernels, `n`,
    /// and begin and end of the sums of each group.
    fn norms(&self, parameters: &Shape, target: &Target) -> (Vec<Launch>, usize, Vec<(usize, usize)>) {
        let mut slots = vec![Slot::input(0), Slot::input(1), Slot::scratch(0)];
        slots.extend(self.scaled.then(|| Slot::input(2)));
        let segments = match &self.groups {
            Groups::Segments(segments) => segments,
            Groups::Columns(groups) => {
                let c4 = parameters.stored_channels() / 4;
                let kernel = Kernel::new("lars_column_norms")
                    .with("SCALED", self.scaled)
                    .with("ROWS", parameters.vectors() / c4)
                    .with("C4", c4);
                let classes = parameters.channels() / groups;
                let ranges = (0..*groups).map(|group| (group * classes, (group + 1) * classes));
                return (vec![Launch::new(kernel, slots, grid(c4.div_ceil(64)))], 4 * c4, ranges.collect());
            }
        };
        let parts = parts(&Groups::ends(segments), parameters.stored_len(), PIECE, target);
        let count = parts.iter().map(|part| part.pieces.len()).sum();
        let mut ranges = vec![(usize::MAX, 0); segments.len()];
        let mut launches = Vec::new();
        let mut at = 0;
        for part in parts {
            let kernel = Kernel::new("lars_norms")
                .with("SCALED", self.scaled)
                .with("FIRST", at)
                .with("PIECES", part.pieces.len())
                .with("ALL", count)
                .with("PIECES_AT", 3 + usize::from(self.scaled));
            let mut table = Vec::new();
            for piece in &part.pieces {
                let (begin, end) = &mut ranges[piece.segment];
                (*begin, *end) = ((*begin).min(at), at + 1);
                at += 1;
                table.extend([piece.first as u32, piece.vectors as u32]);
            }
            let mut slots = slots.clone();
            for slot in &mut slots[..2] {
                *slot = slot.part(part.first, part.words);
            }
            launches.push(Launch::new(kernel, slots, grid(part.pieces.len())).table(table));
        }
        (launches, count, ranges)
    }
}

impl Op for LarsScale {
    facts!("lars_scale");

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        match inputs {
            [parameters, gradients, factor @ ..]
                if parameters == gradients
                    && factor.len() == usize::from(self.scaled)
                    && factor.iter().all(|f| f.dims() == [1]) =>
            {
                self.groups.check(parameters, None)?;
                Ok(vec![Shape::rows([self.groups.count()])])
            }
            _ => Err("parameters and gradients of one shape and perhaps a factor [1] are needed".to_string()),
        }
    }

    fn lower(&self, io: &Io, target: &Target) -> Lowered {
        let (mut launches, sums, ranges) = self.norms(&io.inputs[0], target);
        let stored = io.outputs[0].stored_len();
        let scale = Kernel::new("lars_scale")
            .with("DECAY", self.weight_decay != 0.0)
            .with("GROUPS", ranges.len())
            .with("STORED", stored)
            .with("SUMS", sums)
            .with("TRUST", self.trust)
            .with("WEIGHT_DECAY", self.weight_decay)
            .with("EPS", self.eps);
        let row = |(group, (begin, end)): (usize, (usize, usize))| {
            let (_, decay, lars) = self.groups.settings(group);
            [begin as u32, end as u32, decay.into(), lars.into()]
        };
        let slots = [Slot::scratch(0), Slot::output(0)];
        let table = ranges.into_iter().enumerate().flat_map(row).collect();
        launches.push(Launch::new(scale, slots, grid(stored.div_ceil(64))).table(table));
        Lowered { launches, scratch: vec![2 * sums] }
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let columns = inputs[0].channels();
        let factor = if self.scaled { inputs[2].data[0].abs() } else { 1.0 };
        let mut squares = vec![[0.0; 2]; self.groups.count()];
        for (i, (w, g)) in inputs[0].data.iter().zip(&inputs[1].data).enumerate() {
            let [of_w, of_g] = &mut squares[self.groups.of(i, columns)];
            *of_w += w * w;
            *of_g += g * g;
        }
        let scale = |(group, [w, g]): (usize, [f64; 2])| {
            let (w, g) = (w.sqrt(), factor * g.sqrt());
            let (_, decay, lars) = self.groups.settings(group);
            let decay = if decay { f64::from(self.weight_decay) } else { 0.0 };
            match lars {
                true if g == 0.0 => 0.0,
                true if w > 0.0 => f64::from(self.trust) * w / (g + decay * w + f64::from(self.eps)),
                _ => 1.0,
            }
        };
        let data: Vec<f64> = squares.into_iter().enumerate().map(scale).collect();
        vec![Array { dims: vec![data.len()], data }]
    }
}

pub(super) fn cases() -> Vec<Case> {
    let op = |groups: Groups, weight_decay: f32, scaled: bool| LarsScale {
        groups,
        trust: 0.5,
        weight_decay,
        eps: LarsScale::EPS,
        scaled,
    };
    let case = |shape: Shape, groups: Groups, decay: f32, fills: [Fill; 2]| {
        let name = format!("lars_scale {shape:?}, {} groups, decay {decay}", groups.count());
        let [parameters, gradients] = fills;
        Case::new(&name, op(groups, decay, false)).fixed(shape.clone(), parameters).fixed(shape, gradients)
    };
    let normal = || [Fill::Normal, Fill::Normal];
    let zero = || Fill::Uniform(0.0, 0.0);
    vec![
        case(Shape::weight([13, 21]), Groups::Columns(3), 0.0, normal()),
        case(Shape::weight([70, 30]), Groups::Columns(5), 0.0, [Fill::Uniform(1.0, 3.0), Fill::Normal]),
        case(Shape::rows([301]), Groups::Columns(7), 0.5, normal()),
        // A bias starts at zero; what the loss does not depend on has no gradient.
        case(Shape::rows([6]), Groups::Columns(2), 0.0, [zero(), Fill::Normal]),
        case(Shape::rows([203]), segments(&[64, 128, 203]), 0.5, [Fill::Normal, zero()]),
        case(Shape::rows([203]), segments(&[64, 128, 203]), 0.5, normal()),
        // Of several pieces, and with no LARS in every third.
        case(Shape::rows([40_003]), segments(&[64, 33_024, 33_088, 36_800, 40_003]), 0.5, normal()),
        // Squares that overflow where the factor comes too late.
        Case::new("lars_scale scaled", op(segments(&[64, 203]), 0.1, true))
            .fixed(Shape::rows([203]), Fill::Normal)
            .fixed(Shape::rows([203]), Fill::Uniform(1e25, 2e25))
            .fixed(Shape::rows([1]), Fill::Values(vec![1.0e-24])),
        Case::new("lars_scale scaled, columns", op(Groups::Columns(3), 0.1, true))
            .fixed(Shape::weight([13, 21]), Fill::Normal)
            .fixed(Shape::weight([13, 21]), Fill::Uniform(1e25, 2e25))
            .fixed(Shape::rows([1]), Fill::Values(vec![1.0e-24])),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arenas_larger_than_a_binding_take_several_launches() {
        let op = LarsScale { groups: segments(&[192, 300]), trust: 0.1, weight_decay: 0.0, eps: 0.0, scaled: false };
        let arena = || Shape::rows([300]);
        let io = Io { inputs: vec![arena(), arena()], outputs: vec![Shape::rows([2])], updates: vec![] };
        let target = Target { max_words: 130, ..Target::basic(true) };
        let lowered = op.lower(&io, &target);
        let tables: Vec<&[u32]> = lowered.launches.iter().flat_map(|l| &l.tables).map(Vec::as_slice).collect();
        // First vec4 and vec4s of every piece; then begin and end of the sums, decay, LARS.
        let expected: [&[u32]; 4] = [&[0, 32], &[0, 16, 16, 16], &[0, 11], &[0, 2, 1, 0, 2, 4, 0, 1]];
        assert_eq!(tables, expected);
        assert_eq!(lowered.scratch, [8]);
    }
}
