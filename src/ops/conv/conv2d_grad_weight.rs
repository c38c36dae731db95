//! The weight gradient of a convolution: a GEMM whose inner dimension is all output pixels of the batch, so it is split
//! among threads and the parts are summed in a fixed order.
//! Three kernels compute it: `conv2d_grad_weight.wgsl` in registers, `conv2d_grad_weight_tiled.wgsl` in workgroup memory,
//! `conv2d_grad_weight_coop.wgsl` with cooperative matrices.

use super::candidates;
use super::tile::first;
use super::weight_gradient::WeightGradient;
use super::window::{Geometry, Window, geometries, multiply_adds};
use crate::graph::{Array, Candidate, Io, Lowered, Op, Shape, Target};
use crate::ops::check::{Case, Fill};

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
    facts!("conv2d_grad_weight", takes_f16);

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        let [x, dy] = inputs else {
            return Err("expected an image and a gradient".to_string());
        };
        if x.precision() != dy.precision() {
            return Err("expected image and gradient of one precision".to_string());
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
        candidates::weight_gradient(&weight, target)
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
