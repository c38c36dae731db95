//! Which kernels may compute a convolution or a product, the best guess first; a tuner may know better.
//!
//! Software gets no tiles in workgroup memory: barriers are dear there.

use super::implicit_gemm::ImplicitGemm;
use super::weight_gradient::WeightGradient;
use super::{
    conv2d_coop, conv2d_grad_weight_register, conv2d_grad_weight_tiled, implicit_gemm_register, implicit_gemm_tiled,
    implicit_gemm_winograd, tile,
};
use crate::graph::{Candidate, Slot, Target};

/// The ways to compute a node that is one or several (the phases of a stride) of these; `slots` are input, weight, (bias),
/// output.
///
/// Winograd's tiles come last: they need memory, so only a measurement chooses them.
pub(in crate::ops) fn implicit_gemm(phases: &[ImplicitGemm], slots: &[Slot], target: &Target) -> Vec<Candidate> {
    let winograd = implicit_gemm_winograd::candidate(phases, slots, target, |product, slots| {
        direct(&[*product], slots, target).into_iter().next()?.lowered.launches.into_iter().next()
    });
    tile::distinct(direct(phases, slots, target).into_iter().chain(winograd))
}

fn direct(phases: &[ImplicitGemm], slots: &[Slot], target: &Target) -> Vec<Candidate> {
    let registers = implicit_gemm_register::candidates(phases, slots, target);
    if target.software {
        return registers;
    }
    let coop = conv2d_coop::candidates(phases, slots, target);
    let tiled = implicit_gemm_tiled::candidates(phases, slots, target);
    [coop, tiled, registers].concat()
}

/// The ways to compute a weight gradient from inputs 0 (x) and 1 (dy).
pub(in crate::ops) fn weight_gradient(weight: &WeightGradient, target: &Target) -> Vec<Candidate> {
    let registers = conv2d_grad_weight_register::candidates(weight, target);
    if target.software {
        return tile::distinct(registers);
    }
    let coop = conv2d_coop::weight_candidates(weight, target);
    let tiled = conv2d_grad_weight_tiled::candidates(weight, target);
    tile::distinct([coop, tiled, registers].concat())
}

#[cfg(test)]
mod tests {
    use super::super::implicit_gemm::ConvAxis;
    use super::super::implicit_gemm_winograd::{LEAST, NUMBERS};
    use super::*;

    fn offered(images: usize, channels: usize, stride: usize, target: &Target) -> Option<Candidate> {
        let axis = ConvAxis::forward(9, 3, stride, 1);
        let gemm = ImplicitGemm {
            images,
            y: axis,
            x: axis,
            k4: channels / 4,
            n4: channels / 4,
            transposed: false,
            bias: false,
            f16: false,
        };
        let slots = [Slot::input(0), Slot::input(1), Slot::output(0)];
        let all = implicit_gemm(&[gemm], &slots, target);
        let place = all.iter().position(|c| c.name.starts_with("winograd"));
        // The guess of who does not measure needs no memory.
        assert_ne!(place, Some(0));
        place.map(|place| all[place].clone())
    }

    #[test]
    fn winograd_is_offered_where_it_may_win_and_fits() {
        for software in [false, true] {
            let target = Target::basic(software);
            assert!(offered(3, LEAST - 4, 1, &target).is_none());
            assert!(offered(3, LEAST, 2, &target).is_none());
            // 25 tiles an image, each 16 numbers a channel.
            let most = target.max_words / (25 * NUMBERS * LEAST);
            assert!(offered(most + 1, LEAST, 1, &target).is_none());
            let large = offered(most, LEAST, 1, &target).expect("it fits");
            let [v, u, m] = large.lowered.scratch[..] else { panic!("three buffers") };
            assert_eq!([v, m], [most * 25 * NUMBERS * LEAST; 2]);
            assert_eq!(u, NUMBERS * LEAST * LEAST);
            assert_eq!(large.lowered.launches.len(), NUMBERS + 3);
        }
    }
}
