//! 3x3 convolutions and their input gradients by Winograd's F(2x2, 3x3) (Lavin and Gray, "Fast Algorithms for Convolutional
//! Neural Networks", 2016): weights (`winograd_weight.wgsl`) and 4x4 tiles of the input (`winograd_input.wgsl`) are transformed, 16
//! products of matrices follow, one tap each, and their results become 2x2 pixels a tile (`winograd_output.wgsl`). That is 2.25
//! times fewer multiply-adds, and scratch memory in f32 for four times the numbers of the input, four times those of the output and
//! 16/9 of those of the weight, for as long as the node runs. It is f32 where activations are f16 too: sums of several inputs
//! would be rounded once more.
//!
//! Time of the best register tiles over its own on llvmpipe (Mesa 22.3, two cores), forward and input gradient:
//!
//! | images      | 32 channels | 64        | 128       | 256       |
//! |-------------|-------------|-----------|-----------|-----------|
//! | 128 x 16x16 | 0.78 0.75   |           |           |           |
//! | 32 x 16x16  |             | 0.98 0.96 | 1.36 1.38 | 1.73 1.68 |
//! | 128 x 8x8   |             | 0.75 0.84 | 1.09 1.20 |           |
//! | 128 x 4x4   |             |           | 0.96 1.06 | 1.29 1.34 |
//!
//! Not timed on a GPU yet.
//!
//! The 16 products decide: at 32 channels they take two thirds of the time, at 256 nine tenths: few channels reuse little.
//!
//! Rejected there: weights of the input gradient turned to `[input, output]` while they are transformed, for products that are not
//! transposed: reads far apart, 1.5 times the time of the whole at 512 channels and 2x2 pixels, and at most 4 % gained elsewhere. Smaller and larger register
//! tiles for the products than their first guess: slower, or at most a tenth faster.

use super::implicit_gemm::{ConvAxis, ImplicitGemm};
use crate::graph::{Candidate, Launch, Lowered, Slot, Target, grid};

/// Numbers of a transformed tile.
pub(super) const NUMBERS: usize = 16;
/// Input and output channels from which on it may be the fastest: see the table.
pub(super) const LEAST: usize = 64;

fn suits(axis: &ConvAxis) -> bool {
    axis.taps == 3 && axis.kernel == 3 && axis.in_stride == 1 && axis.out_stride == 1
}

/// The way to compute an implicit GEMM by this, where it may win and fits; `multiply` says how one of the products is computed.
pub(super) fn candidate(
    phases: &[ImplicitGemm],
    slots: &[Slot],
    target: &Target,
    multiply: impl Fn(&ImplicitGemm, &[Slot]) -> Option<Launch>,
) -> Option<Candidate> {
    let (&[phase], &[input, weight, output]) = (phases, slots) else {
        return None;
    };
    let ImplicitGemm { images, y, x, k4, n4, .. } = phase;
    if !suits(&y) || !suits(&x) || phase.bias || k4.min(n4) * 4 < LEAST {
        return None;
    }
    let (tiles_y, tiles_x) = (y.output.div_ceil(2), x.output.div_ceil(2));
    let tiles = images * tiles_y * tiles_x;
    let words = [tiles * k4 * 4, k4 * n4 * 16, tiles * n4 * 4];
    // A part of a buffer starts at a multiple of 64 words.
    let strides = words.map(|words| words.next_multiple_of(64));
    let scratch = strides.map(|stride| NUMBERS * stride);
    if scratch.iter().any(|&words| words > target.max_words) {
        return None;
    }
    let transform = |shader, i: usize, slots: [Slot; 2]| {
        let kernel = phase
            .kernel(shader)
            .with("TILES_Y", tiles_y)
            .with("TILES_X", tiles_x)
            .with("STRIDE", strides[i] / 4)
            .with("VECTORS", words[i] / 4);
        Launch::new(kernel, slots, grid((words[i] / 4).div_ceil(64)))
    };
    let product = ImplicitGemm {
        images: 1,
        y: ConvAxis::forward(1, 1, 1, 0),
        x: ConvAxis::forward(tiles, 1, 1, 0),
        k4,
        n4,
        transposed: phase.transposed,
        bias: false,
        f16: false,
    };
    let [v, u, m] = [0, 1, 2].map(Slot::scratch);
    let product = multiply(&product, &[v, u, m])?;
    let mut launches = vec![transform("winograd_weight", 1, [weight, u]), transform("winograd_input", 0, [input, v])];
    launches.extend((0..NUMBERS).map(|number| {
        let part = |i: usize| Slot::scratch(i).part(number * strides[i], words[i]);
        let slots = [0, 1, 2].map(part);
        Launch::new(product.kernel.clone(), slots, product.workgroups)
    }));
    launches.push(transform("winograd_output", 2, [m, output]));
    Some(Candidate { name: String::from("winograd 2x2"), lowered: Lowered { launches, scratch: scratch.to_vec() } })
}
