//! Dynamic loss scaling: gradients in f16 are kept in its range by a factor on the loss that follows them.

use crate::gpu::Kernel;
use crate::graph::{Array, Io, Launch, Lowered, Op, Shape, Slot, Target, grid};
use crate::ops::check::{Case, Fill};

/// Inputs the gradients `[n]` of a loss times a scale; updates the scale `[1]` and the good steps since it moved `[1]`; output
/// `[1]`: what the optimiser multiplies the gradients with, 1 / scale, or 0 where one is not finite and the step is skipped.
///
/// `torch.amp.GradScaler` with its factors 2 and 1/2, as one node: the host is not asked.
#[derive(Debug, Clone)]
pub struct LossScale {
    /// Good steps after which the scale doubles.
    pub interval: u32,
    /// The scale falls no lower.
    pub least: f32,
    /// The scale rises no higher.
    pub most: f32,
}

/// Bindings start at multiples of this many words.
const ALIGNMENT: usize = 64;

impl Op for LossScale {
    facts!("loss_scale");

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        match inputs {
            [gradients] if gradients.dims().len() == 1 => Ok(vec![Shape::rows([1])]),
            _ => Err("expected gradients [n]".to_string()),
        }
    }

    fn lower(&self, io: &Io, target: &Target) -> Lowered {
        let all = io.inputs[0].stored_len();
        // The arena may be larger than the device binds at once.
        let most = (target.max_words / ALIGNMENT * ALIGNMENT).max(ALIGNMENT);
        let threads = if target.software { 256 } else { 16_384 };
        let threads = threads.min((all / 4).next_multiple_of(64));
        let pieces: Vec<usize> = (0..all).step_by(most).collect();
        let parts = pieces.len() * threads;
        let mut launches: Vec<Launch> = pieces
            .iter()
            .enumerate()
            .map(|(piece, &first)| {
                let words = most.min(all - first);
                let kernel = Kernel::new("finite_parts")
                    .with("THREADS", threads)
                    .with("FIRST", piece * threads)
                    .with("VECTORS", words / 4);
                let slots = [Slot::input(0).part(first, words), Slot::scratch(0)];
                Launch::new(kernel, slots, grid(threads / 64))
            })
            .collect();
        let kernel = Kernel::new("loss_scale")
            .with("PARTS", parts)
            .with("INTERVAL", self.interval as f32)
            .with("LEAST", self.least)
            .with("MOST", self.most);
        let slots = [Slot::scratch(0), Slot::output(0), Slot::update(0), Slot::update(1)];
        launches.push(Launch::new(kernel, slots, [1, 1, 1]));
        Lowered { launches, scratch: vec![parts] }
    }

    fn reference(&self, inputs: &[&Array], updates: &mut [Array]) -> Vec<Array> {
        let [scale, good_steps] = updates else {
            return Vec::new();
        };
        let (scale, good_steps) = (&mut scale.data[0], &mut good_steps.data[0]);
        let skip = inputs[0].data.iter().any(|v| !v.is_finite());
        let inverse = if skip { 0.0 } else { 1.0 / *scale };
        *good_steps = if skip { 0.0 } else { *good_steps + 1.0 };
        if skip {
            *scale = (0.5 * *scale).max(f64::from(self.least));
        } else if *good_steps >= f64::from(self.interval) {
            *scale = (2.0 * *scale).min(f64::from(self.most));
            *good_steps = 0.0;
        }
        let data = vec![inverse];
        vec![Array { dims: vec![1], data }]
    }
}

pub(super) fn cases() -> Vec<Case> {
    let op = LossScale { interval: 20, least: 0.25, most: 1024.0 };
    let case = |name: &str, gradients: Vec<f32>, scale: f32, good_steps: f32| {
        Case::new(&format!("loss_scale {name}"), op.clone())
            .fixed(Shape::rows([gradients.len()]), Fill::Values(gradients))
            .update(Shape::rows([1]), Fill::Values(vec![scale]))
            .update(Shape::rows([1]), Fill::Values(vec![good_steps]))
    };
    // Larger than any threads, and the bad number among the last.
    let with = |value: f32| {
        let mut gradients = vec![3.0e38; 70_003];
        gradients[70_001] = value;
        gradients
    };
    vec![
        case("good", with(0.0), 512.0, 7.0),
        case("doubles", with(-3.4e38), 512.0, 19.0),
        case("at most", with(1.0), 1024.0, 19.0),
        case("infinite", with(f32::INFINITY), 512.0, 19.0),
        case("minus infinite", with(f32::NEG_INFINITY), 512.0, 0.0),
        case("NaN", with(f32::NAN), 512.0, 7.0),
        case("at least", vec![f32::NAN; 3], 0.25, 1.0),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arenas_larger_than_a_binding_take_several_launches() {
        let op = LossScale { interval: 20, least: 0.25, most: 1024.0 };
        let one = || Shape::rows([1]);
        let io = Io { inputs: vec![Shape::rows([300])], outputs: vec![one()], updates: vec![one(), one()] };
        let target = Target { max_words: 130, ..Target::basic(true) };
        let lowered = op.lower(&io, &target);
        let value = |launch: &Launch, name: &str| {
            let found = launch.kernel.constants.iter().find(|(n, _)| *n == name);
            found.map(|(_, v)| *v)
        };
        let of = |name| -> Vec<_> { lowered.launches.iter().map(|l| value(l, name)).collect() };
        let sizes = [32usize, 32, 11].map(|v| Some(v.into()));
        assert_eq!(of("VECTORS")[..3], sizes);
        assert_eq!(of("FIRST")[..3], [0usize, 128, 256].map(|v| Some(v.into())));
        assert_eq!(of("PARTS")[3], Some(384usize.into()));
        assert_eq!(lowered.scratch, [384]);
    }
}
