//! Lengths of the parts of a flat arena: how large the gradient of each part of a network is.

use super::check::{Case, Fill};
use crate::gpu::Kernel;
use crate::graph::{Array, Io, Launch, Lowered, Op, Shape, Slot, Target, grid};

/// Inputs gradients `[n]` and, where they are those of a scaled loss, the factor `[1]` that undoes it
/// ([`LossScale`](super::LossScale)); output `[ranges]`: the L2 norm of every range, as `torch.nn.utils.get_total_norm` of its
/// tensors. Padding inside a range must be zero. Meaningless where the factor is 0: such a step is skipped.
#[derive(Debug, Clone)]
pub struct RangeNorms {
    /// Where the ranges end, ascending; each begins where the one before ends, the first at 0. All but the last are multiples of
    /// 64; the last is n or more.
    pub ends: Vec<usize>,
    /// Whether there is a factor on the gradients.
    pub scaled: bool,
}

/// Bindings start at multiples of this many words.
const ALIGNMENT: usize = 64;

impl RangeNorms {
    /// First word and end of every range among `n` words, the last of which is the last range's, padding or not.
    fn ranges(&self, n: usize) -> impl Iterator<Item = (usize, usize)> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        let inner = &self.ends[..self.ends.len().saturating_sub(1)];
        begins.zip(inner.iter().copied().chain([n]))
    }

    /// Whether the ranges hold every one of `n` words, and none is empty.
    fn covers(&self, n: usize) -> bool {
        let Some((&last, inner)) = self.ends.split_last() else {
            return false;
        };
        inner.iter().all(|end| end.is_multiple_of(ALIGNMENT))
            && self.ranges(n).all(|(begin, end)| begin < end)
            && last >= n
    }
}

impl Op for RangeNorms {
    fn name(&self) -> &'static str {
        "range_norms"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        match inputs {
            [gradients, factor @ ..]
                if gradients.dims().len() == 1
                    && factor.len() == usize::from(self.scaled)
                    && factor.iter().all(|f| f.dims() == [1]) =>
            {
                match self.covers(gradients.len()) {
                    true => Ok(vec![Shape::rows([self.ends.len()])]),
                    false => Err(format!(
                        "ranges must end at ascending multiples of {ALIGNMENT}, the last at the arena's end, not at {:?}",
                        self.ends
                    )),
                }
            }
            _ => Err("gradients [n] and perhaps a factor [1] are wanted".to_string()),
        }
    }

    fn lower(&self, io: &Io, target: &Target) -> Lowered {
        let all = io.inputs[0].stored_len();
        // A range may be larger than the device binds at once: its pieces are added up in the same parts.
        let most = (target.max_words / ALIGNMENT * ALIGNMENT).max(ALIGNMENT);
        let groups = if target.software { 8 } else { 512 };
        let groups = groups.min(all.div_ceil(4 * 64)).max(1);
        let mut launches = Vec::new();
        for (range, (begin, end)) in self.ranges(all).enumerate() {
            for first in (begin..end).step_by(most) {
                let words = most.min(end - first);
                let kernel = Kernel::new("square_parts")
                    .with("SCALED", self.scaled)
                    .with("ADD", first > begin)
                    .with("FIRST", range * groups)
                    .with("GROUPS", groups)
                    .with("VECTORS", words / 4);
                let mut slots = vec![Slot::input(0).part(first, words), Slot::scratch(0)];
                slots.extend(self.scaled.then(|| Slot::input(1)));
                launches.push(Launch::new(kernel, slots, grid(groups)));
            }
        }
        let stored = io.outputs[0].stored_len();
        let kernel = Kernel::new("range_norms")
            .with("RANGES", self.ends.len())
            .with("STORED_RANGES", stored)
            .with("GROUPS", groups);
        let slots = [Slot::scratch(0), Slot::output(0)];
        launches.push(Launch::new(kernel, slots, grid(stored)));
        Lowered { launches, scratch: vec![self.ends.len() * groups] }
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let x = &inputs[0].data;
        let factor = if self.scaled { inputs[1].data[0] } else { 1.0 };
        let squares = |(begin, end): (usize, usize)| x[begin..end].iter().map(|v| v * v).sum();
        let norm = |range| factor.abs() * f64::sqrt(squares(range));
        vec![Array { dims: vec![self.ends.len()], data: self.ranges(x.len()).map(norm).collect() }]
    }
}

pub(super) fn cases() -> Vec<Case> {
    let case = |name: &str, n: usize, ends: &[usize]| {
        let op = RangeNorms { ends: ends.to_vec(), scaled: false };
        Case::new(&format!("range_norms {name}"), op).fixed(Shape::rows([n]), Fill::Normal)
    };
    let scaled = RangeNorms { ends: vec![64, 203], scaled: true };
    vec![
        case("one", 203, &[203]),
        case("five", 1000, &[64, 128, 640, 960, 1000]),
        // More than all workgroups take at once.
        case("long", 150_007, &[64, 140_032, 150_007]),
        // Squares that overflow where the factor comes too late.
        Case::new("range_norms scaled", scaled)
            .fixed(Shape::rows([203]), Fill::Uniform(1e25, 2e25))
            .fixed(Shape::rows([1]), Fill::Values(vec![1.0e-24])),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_larger_than_a_binding_take_several_launches() {
        let op = RangeNorms { ends: vec![64, 300], scaled: false };
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

    #[test]
    fn what_it_cannot_bind_is_refused() {
        let refused = |ends: &[usize], n: usize| {
            let op = RangeNorms { ends: ends.to_vec(), scaled: false };
            op.infer(&[Shape::rows([n])]).is_err()
        };
        // No range, one that ends inside a vec4, one too short, an empty one; and one that is well.
        let ends: [&[usize]; 5] = [&[], &[7, 65], &[64], &[0, 65], &[64, 128]];
        assert_eq!(ends.map(|ends| refused(ends, 65)), [true, true, true, true, false]);
    }
}
