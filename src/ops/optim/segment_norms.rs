//! Lengths of the parts of a flat arena: how large the gradient of each part of a network is.

use super::groups::{covers, most_words, ranges};
use crate::gpu::Kernel;
use crate::graph::{Array, Io, Launch, Lowered, Op, Shape, Slot, Target, grid};
use crate::ops::check::{Case, Fill};

/// Inputs gradients `[n]` and, where they are those of a scaled loss, the factor `[1]` that undoes it
/// ([`LossScale`](crate::ops::LossScale)); output `[segments]`: the L2 norm of every segment, as `torch.nn.utils.get_total_norm` of its
/// tensors. Padding inside a segment must be zero. Meaningless where the factor is 0: such a step is skipped.
#[derive(Debug, Clone)]
pub struct SegmentNorms {
    /// Where the segments end, ascending; each begins where the one before ends, the first at 0. All but the last are multiples of
    /// 64; the last is n or more.
    pub ends: Vec<usize>,
    /// Whether there is a factor on the gradients.
    pub scaled: bool,
}

impl Op for SegmentNorms {
    facts!("segment_norms");

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        match inputs {
            [gradients, factor @ ..]
                if gradients.dims().len() == 1
                    && factor.len() == usize::from(self.scaled)
                    && factor.iter().all(|f| f.dims() == [1]) =>
            {
                covers(&self.ends, gradients.len())?;
                Ok(vec![Shape::rows([self.ends.len()])])
            }
            _ => Err("gradients [n] and perhaps a factor [1] are needed".to_string()),
        }
    }

    fn lower(&self, io: &Io, target: &Target) -> Lowered {
        let all = io.inputs[0].stored_len();
        // A segment may be larger than the device binds at once: its pieces are added up in the same parts.
        let most = most_words(target);
        let groups = if target.software { 8 } else { 512 };
        let groups = groups.min(all.div_ceil(4 * 64)).max(1);
        let mut launches = Vec::new();
        for (segment, (begin, end)) in ranges(&self.ends, all).enumerate() {
            for first in (begin..end).step_by(most) {
                let words = most.min(end - first);
                let kernel = Kernel::new("square_parts")
                    .with("SCALED", self.scaled)
                    .with("ADD", first > begin)
                    .with("FIRST", segment * groups)
                    .with("GROUPS", groups)
                    .with("VECTORS", words / 4);
                let mut slots = vec![Slot::input(0).part(first, words), Slot::scratch(0)];
                slots.extend(self.scaled.then(|| Slot::input(1)));
                launches.push(Launch::new(kernel, slots, grid(groups)));
            }
        }
        let stored = io.outputs[0].stored_len();
        let kernel = Kernel::new("segment_norms")
            .with("SEGMENTS", self.ends.len())
            .with("STORED_SEGMENTS", stored)
            .with("GROUPS", groups);
        let slots = [Slot::scratch(0), Slot::output(0)];
        launches.push(Launch::new(kernel, slots, grid(stored)));
        Lowered { launches, scratch: vec![self.ends.len() * groups] }
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let x = &inputs[0].data;
        let factor = if self.scaled { inputs[1].data[0] } else { 1.0 };
        let squares = |(begin, end): (usize, usize)| x[begin..end].iter().map(|v| v * v).sum();
        let norm = |segment| factor.abs() * f64::sqrt(squares(segment));
        vec![Array { dims: vec![self.ends.len()], data: ranges(&self.ends, x.len()).map(norm).collect() }]
    }
}

pub(super) fn cases() -> Vec<Case> {
    let case = |name: &str, n: usize, ends: &[usize]| {
        let op = SegmentNorms { ends: ends.to_vec(), scaled: false };
        Case::new(&format!("segment_norms {name}"), op).fixed(Shape::rows([n]), Fill::Normal)
    };
    let scaled = SegmentNorms { ends: vec![64, 203], scaled: true };
    vec![
        case("one", 203, &[203]),
        case("five", 1000, &[64, 128, 640, 960, 1000]),
        // More than all workgroups take at once.
        case("long", 150_007, &[64, 140_032, 150_007]),
        // Squares that overflow where the factor comes too late.
        Case::new("segment_norms scaled", scaled)
            .fixed(Shape::rows([203]), Fill::Uniform(1e25, 2e25))
            .fixed(Shape::rows([1]), Fill::Values(vec![1.0e-24])),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_larger_than_a_binding_take_several_launches() {
        let op = SegmentNorms { ends: vec![64, 300], scaled: false };
        let io = Io { inputs: vec![Shape::rows([300])], outputs: vec![Shape::rows([2])], updates: vec![] };
        let target = Target { max_words: 130, ..Target::basic(true) };
        let lowered = op.lower(&io, &target);
        let of = |name| -> Vec<_> {
            let value = |launch: &Launch| {
                let found = launch.kernel.constants.iter().find(|(n, _)| *n == name);
                found.map(|(_, v)| *v)
            };
            lowered.launches[..3].iter().map(value).collect()
        };
        assert_eq!(lowered.launches.len(), 4);
        assert_eq!(of("VECTORS"), [16usize, 32, 27].map(|v| Some(v.into())));
        assert_eq!(of("FIRST"), [0usize, 2, 2].map(|v| Some(v.into())));
        assert_eq!(of("ADD"), [false, false, true].map(|v| Some(v.into())));
        assert_eq!(lowered.scratch, [4]);
    }
}
