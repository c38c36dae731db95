//! The weight gradient of a convolution or a linear layer as a GEMM, apart from the kernels that compute it.

use crate::gpu::Kernel;
use crate::graph::{Launch, Lowered, Slot, Target};
use crate::ops::sum_parts::sum_parts;

/// What the kernels compute, for inputs 0 (x) and 1 (dy) and output 0 (dw). A linear layer is an image of one row.
pub(in crate::ops) struct WeightGradient {
    /// Output rows of all images.
    pub rows: usize,
    pub in_h: usize,
    pub in_w: usize,
    pub out_h: usize,
    pub out_w: usize,
    pub kernel: [usize; 2],
    pub stride: usize,
    pub padding: usize,
    pub ic4: usize,
    pub oc4: usize,
    /// x and dy are kept in f16.
    pub f16: bool,
}

impl WeightGradient {
    /// Numbers of the weight in vec4s of M (taps and input channels) and of N.
    pub fn m4(&self) -> usize {
        self.kernel[0] * self.kernel[1] * self.ic4
    }

    /// A kernel of `shader`, one in tiles, with the constants that say what is computed.
    pub fn kernel(&self, shader: &'static str) -> Kernel {
        Kernel::new(shader)
            .with("F16", self.f16)
            .with("ROWS", self.rows)
            .with("IC4", self.ic4)
            .with("OC4", self.oc4)
            .with("IN_H", self.in_h)
            .with("IN_W", self.in_w)
            .with("OUT_H", self.out_h)
            .with("OUT_W", self.out_w)
            .with("KERNEL_H", self.kernel[0])
            .with("KERNEL_W", self.kernel[1])
            .with("STRIDE", self.stride)
            .with("PADDING", self.padding)
    }

    /// `kernel`, which makes `parts` copies of the weight, and their sum.
    pub fn summed(&self, kernel: Kernel, workgroups: [u32; 3], parts: usize) -> Lowered {
        let words = self.m4() * self.oc4 * 16;
        let slots = |to| [Slot::input(0), Slot::input(1), to];
        if parts == 1 {
            return Lowered::one(Launch::new(kernel, slots(Slot::output(0)), workgroups));
        }
        Lowered {
            launches: vec![
                Launch::new(kernel, slots(Slot::scratch(0)), workgroups),
                sum_parts(parts, words, Slot::scratch(0), Slot::output(0)),
            ],
            scratch: vec![parts * words],
        }
    }
}

/// Words that all parts may take together: 64 MiB.
const SCRATCH: usize = 1 << 24;

/// How many copies of the weight may lie in scratch memory.
pub(in crate::ops) fn most_parts(weight: &WeightGradient, target: &Target) -> usize {
    SCRATCH.min(target.max_words) / (weight.m4() * weight.oc4 * 16)
}
