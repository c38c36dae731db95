//! The exponential moving average of parameters: a momentum encoder.

use super::groups::most_words;
use crate::gpu::Kernel;
use crate::graph::{Array, Io, Launch, Lowered, Op, Shape, Slot, Target, grid};
use crate::ops::check::{Case, Fill};

/// Inputs online parameters `[n]`, momentum `[1]` and, where steps may be skipped, the factor `[1]` of the optimiser
/// ([`LossScale`](crate::ops::LossScale)); updates the target parameters `[n]`: momentum · target + (1 - momentum) · online, and nothing
/// where the factor is 0. Both may be any range of an arena, but not of the same one. MoCo's momentum encoder (He et al. 2019, eq. 2) and
/// BYOL's target network (Grill et al. 2020, eq. 1).
#[derive(Debug, Clone)]
pub struct Ema {
    /// Whether there is a factor.
    pub scaled: bool,
}

impl Op for Ema {
    facts!("ema");

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        match inputs {
            [online, single @ ..]
                if online.dims().len() == 1
                    && single.len() == 1 + usize::from(self.scaled)
                    && single.iter().all(|s| s.dims() == [1]) =>
            {
                Ok(Vec::new())
            }
            _ => Err("online parameters [n], momentum [1] and perhaps a factor [1] are needed".to_string()),
        }
    }

    fn lower(&self, io: &Io, target: &Target) -> Lowered {
        let all = io.inputs[0].stored_len();
        // The arenas may be larger than the device binds at once.
        let most = most_words(target);
        let launches = (0..all).step_by(most).map(|first| {
            let words = most.min(all - first);
            let vectors = words / 4;
            let kernel = Kernel::new("ema").with("SCALED", self.scaled).with("VECTORS", vectors);
            let part = |slot: Slot| slot.part(first, words);
            let mut slots = vec![part(Slot::input(0)), Slot::input(1), part(Slot::update(0))];
            slots.extend(self.scaled.then(|| Slot::input(2)));
            Launch::new(kernel, slots, grid(vectors.div_ceil(64)))
        });
        Lowered { launches: launches.collect(), scratch: Vec::new() }
    }

    fn reference(&self, inputs: &[&Array], updates: &mut [Array]) -> Vec<Array> {
        let (online, momentum) = (inputs[0], inputs[1].data[0]);
        if self.scaled && inputs[2].data[0] == 0.0 {
            return Vec::new();
        }
        for (target, online) in updates.iter_mut().flat_map(|t| &mut t.data).zip(&online.data) {
            *target = momentum * *target + (1.0 - momentum) * online;
        }
        Vec::new()
    }
}

pub(super) fn cases() -> Vec<Case> {
    let case = |name: &str, n: usize, momentum: f32, factor: Option<f32>| {
        let one = |value: f32| (Shape::rows([1]), Fill::Values(vec![value]));
        let (shape, fill) = one(momentum);
        let mut case = Case::new(&format!("ema {name}"), Ema { scaled: factor.is_some() })
            .fixed(Shape::rows([n]), Fill::Normal)
            .fixed(shape, fill);
        if let Some(factor) = factor {
            let (shape, fill) = one(factor);
            case = case.fixed(shape, fill);
        }
        case.update(Shape::rows([n]), Fill::Normal)
    };
    vec![
        case("203", 203, 0.996, None),
        case("copy", 331, 0.0, None),
        case("frozen", 7, 1.0, None),
        case("good step", 203, 0.9, Some(0.25)),
        case("skipped", 203, 0.9, Some(0.0)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arenas_larger_than_a_binding_take_several_launches() {
        let arena = || Shape::rows([300]);
        let io = Io { inputs: vec![arena(), Shape::rows([1])], outputs: vec![], updates: vec![arena()] };
        let target = Target { max_words: 130, ..Target::basic(true) };
        let lowered = Ema { scaled: false }.lower(&io, &target);
        let sizes: Vec<_> = lowered.launches.iter().map(|launch| launch.kernel.constants[1]).collect();
        assert_eq!(sizes, [32usize, 32, 11].map(|v| ("VECTORS", v.into())));
    }
}
