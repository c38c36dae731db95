//! The weight gradient of a convolution: a GEMM whose inner dimension is all output pixels of the batch, so it is split
//! among threads and the parts are summed in a fixed order.
//! Three kernels compute it: `conv2d_grad_weight.wgsl` in registers, `conv2d_grad_weight_tiled.wgsl` in workgroup memory,
//! `conv2d_grad_weight_coop.wgsl` with cooperative matrices.

use super::conv2d::{Geometry, Window, geometries, multiply_adds};
use super::tile::{self, first};
use super::{conv2d_coop, conv2d_grad_weight_register, conv2d_grad_weight_tiled};
use crate::gpu::Kernel;
use crate::graph::{Array, Candidate, Io, Launch, Lowered, Op, Shape, Slot, Target};
use crate::ops::check::{Case, Fill};
use crate::ops::sum_parts::sum_parts;

/// x `[N, H, W, IC]`, dy `[N, OH, OW, OC]` → dw `[KH, KW, IC, OC]`.
#[derive(Debug, Clone)]
pub struct Conv2dGradWeight {
    /// As of the convolution.
    pub stride: usize,
    /// As of the convolution.
    pub padding: usize,
    /// KH and KW.
    pub kernel: [usize; 2],
}

impl Op for Conv2dGradWeight {
    fn name(&self) -> &'static str {
        "conv2d_grad_weight"
    }

    fn takes_f16(&self) -> bool {
        true
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        let [x, dy] = inputs else {
            return Err("an image and a gradient are wanted".to_string());
        };
        if x.precision() != dy.precision() {
            return Err("image and gradient of one precision are wanted".to_string());
        }
        Ok(vec![Shape::weight([self.kernel[0], self.kernel[1], x.channels(), dy.channels()])])
    }

    fn lower(&self, io: &Io, target: &Target) -> Lowered {
        first(self.candidates(io, target))
    }

    fn candidates(&self, io: &Io, target: &Target) -> Vec<Candidate> {
        let (x, dy) = (io.inputs[0].dims(), io.inputs[1].dims());
        let weight = WeightGradient {
            rows: dy[0] * dy[1],
            in_h: x[1],
            in_w: x[2],
            out_h: dy[1],
            out_w: dy[2],
            kernel: self.kernel,
            stride: self.stride,
            padding: self.padding,
            ic4: io.inputs[0].stored_channels() / 4,
            oc4: io.inputs[1].stored_channels() / 4,
            f16: io.inputs[0].is_f16(),
        };
        weight.candidates(target)
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let (x, dy) = (inputs[0], inputs[1]);
        let (ic, oc) = (x.dims[3], dy.dims[3]);
        let mut dw = Array::zeros(&[self.kernel[0], self.kernel[1], ic, oc]);
        Window::new(&x.dims, self.kernel, self.stride, self.padding).for_each(|pixel, tap, out| {
            for c in 0..ic {
                for o in 0..oc {
                    dw.data[(tap * ic + c) * oc + o] += x.data[pixel * ic + c] * dy.data[out * oc + o];
                }
            }
        });
        vec![dw]
    }

    fn flops(&self, io: &Io) -> u64 {
        multiply_adds(&io.inputs[1], io.outputs[0].dims()) * 2
    }
}

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

    /// The ways to compute it. Software gets no tiles in workgroup memory: barriers are dear there.
    pub fn candidates(&self, target: &Target) -> Vec<Candidate> {
        let registers = conv2d_grad_weight_register::candidates(self, target);
        if target.software {
            return tile::distinct(registers);
        }
        let coop = conv2d_coop::weight_candidates(self, target);
        let tiled = conv2d_grad_weight_tiled::candidates(self, target);
        tile::distinct(coop.into_iter().chain(tiled).chain(registers))
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

pub(super) fn cases() -> Vec<Case> {
    geometries()
        .into_iter()
        .map(|geometry| {
            let Geometry { name, image, kernel, stride, padding, .. } = geometry;
            let op = Conv2dGradWeight { stride, padding, kernel: [kernel; 2] };
            Case::new(&format!("conv2d_grad_weight {name}"), op)
                .fixed(Shape::rows(image), Fill::Normal)
                .fixed(geometry.output(), Fill::Normal)
        })
        .collect()
}
