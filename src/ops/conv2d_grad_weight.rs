//! The weight gradient of a convolution: a GEMM whose inner dimension is all output pixels of the batch, so it is split
//! among threads and the parts are summed in a fixed order.
//!
//! Measured on llvmpipe (Mesa 22.3, two cores), the kernels of a ResNet-18 step, before and after lanes share dy: 1.9 times
//! faster. Eight vec4s of output channels instead of four: a tenth faster, twice as long to compile; two: a third slower.

use super::check::{Case, Fill};
use super::conv2d::{Geometry, Window, geometries, multiply_adds};
use super::sum_parts::sum_parts;
use crate::gpu::Kernel;
use crate::graph::{Array, Io, Launch, Lowered, Op, Shape, Slot, Target, grid};

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
        Ok(vec![Shape::weight([
            self.kernel[0],
            self.kernel[1],
            x.channels(),
            dy.channels(),
        ])])
    }

    fn lower(&self, io: &Io, target: &Target) -> Lowered {
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
        weight.lower(target)
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let (x, dy) = (inputs[0], inputs[1]);
        let (ic, oc) = (x.dims[3], dy.dims[3]);
        let mut dw = Array::zeros(&[self.kernel[0], self.kernel[1], ic, oc]);
        Window::new(&x.dims, self.kernel, self.stride, self.padding).for_each(|pixel, tap, out| {
            for c in 0..ic {
                for o in 0..oc {
                    dw.data[(tap * ic + c) * oc + o] +=
                        x.data[pixel * ic + c] * dy.data[out * oc + o];
                }
            }
        });
        vec![dw]
    }

    fn flops(&self, io: &Io) -> u64 {
        multiply_adds(&io.inputs[1], io.outputs[0].dims()) * 2
    }
}

/// The launches of `conv2d_grad_weight.wgsl` for inputs 0 (x) and 1 (dy) and output 0 (dw). A linear layer is an image of
/// one row.
pub(super) struct WeightGradient {
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

fn divisor(n: usize, most: usize) -> usize {
    (1..=most).rev().find(|t| n.is_multiple_of(*t)).unwrap_or(1)
}

impl WeightGradient {
    pub fn lower(&self, target: &Target) -> Lowered {
        let [kernel_h, kernel_w] = self.kernel;
        // Software: large tiles, since every load is done lane by lane. A GPU: what fits its registers.
        let share = target.subgroup.filter(|_| target.software);
        let (most_out, lanes, threads) = match (target.software, share) {
            (true, Some(lanes)) => (4, lanes, 128),
            (true, None) => (2, 8, 64),
            (false, _) => (1, 64, 32_768),
        };
        let (ti, to) = (1, divisor(self.oc4, most_out));
        let inputs = kernel_h * (self.ic4 / ti);
        let blocks = inputs * (self.oc4 / to);
        let pixels = share.map_or(1, |lanes| (lanes / to).max(1));
        // Spans of columns, so that one long row (a linear layer) can be split as well as many short ones.
        let span = if self.rows == 1 {
            self.out_w.min(64)
        } else {
            self.out_w
        };
        let spans = self.rows * self.out_w.div_ceil(span);
        let parts = (threads / blocks).clamp(1, spans);
        let spans_per_part = spans.div_ceil(parts);
        let parts = spans.div_ceil(spans_per_part);
        let words = kernel_h * kernel_w * self.ic4 * self.oc4 * 16;
        let kernel = Kernel::new("conv2d_grad_weight")
            .with("F16", self.f16)
            .with("TI", ti)
            .with("TO", to)
            .with("LANES", lanes)
            .with("BLOCKS", blocks)
            .with("PARTS", parts)
            .with("SPANS", spans)
            .with("SPAN", span)
            .with("SPANS_PER_PART", spans_per_part)
            .with("IC4", self.ic4)
            .with("OC4", self.oc4)
            .with("IN_H", self.in_h)
            .with("IN_W", self.in_w)
            .with("OUT_H", self.out_h)
            .with("OUT_W", self.out_w)
            .with("KERNEL_H", kernel_h)
            .with("KERNEL_W", kernel_w)
            .with("SHARE", share.is_some())
            .with("SUBGROUP", share.unwrap_or(1))
            .with("PIXELS", pixels)
            .with("HELD", (pixels * to).div_ceil(share.unwrap_or(1)))
            .with("SHARED", kernel_w.saturating_sub(self.stride))
            .with("FRESH", kernel_w.min(self.stride))
            .with("COLUMNS", kernel_w * ti)
            .with("STRIDE", self.stride)
            .with("PADDING", self.padding);
        let groups = match share {
            Some(lanes) => parts * (self.oc4 / to) * inputs.div_ceil(lanes),
            None => (blocks * parts).div_ceil(lanes),
        };
        let workgroups = grid(groups);
        let mut lowered = Lowered::default();
        if parts == 1 {
            let slots = [Slot::input(0), Slot::input(1), Slot::output(0)];
            lowered
                .launches
                .push(Launch::new(kernel, slots, workgroups));
        } else {
            let slots = [Slot::input(0), Slot::input(1), Slot::scratch(0)];
            lowered
                .launches
                .push(Launch::new(kernel, slots, workgroups));
            lowered.scratch.push(parts * words);
            lowered
                .launches
                .push(sum_parts(parts, words, Slot::scratch(0), Slot::output(0)));
        }
        lowered
    }
}

pub(super) fn cases() -> Vec<Case> {
    geometries()
        .into_iter()
        .map(|geometry| {
            let Geometry {
                name,
                image,
                kernel,
                stride,
                padding,
                ..
            } = geometry;
            let op = Conv2dGradWeight {
                stride,
                padding,
                kernel: [kernel; 2],
            };
            Case::new(&format!("conv2d_grad_weight {name}"), op)
                .fixed(Shape::rows(image), Fill::Normal)
                .fixed(geometry.output(), Fill::Normal)
        })
        .collect()
}
