//! 2-D convolution without bias, as `torch.nn.functional.conv2d` with square stride and padding.

use super::candidates;
use super::conv2d_grad_weight::Conv2dGradWeight;
use super::implicit_gemm::{ConvAxis, ImplicitGemm};
use super::tile::first;
use super::window::{Geometry, Window, geometries, multiply_adds};
use crate::graph::{Array, Candidate, Graph, InputGradients, Io, Lowered, Node, Op, Shape, Target, Tensor};
use crate::ops::check::{Case, Fill};

/// x `[N, H, W, IC]`, w `[KH, KW, IC, OC]` → y `[N, OH, OW, OC]`, OH = (H + 2·padding − KH) / stride + 1.
#[derive(Debug, Clone)]
pub struct Conv2d {
    /// Step between windows, both axes.
    pub stride: usize,
    /// Zeros around the image, each side.
    pub padding: usize,
}

/// dy `[N, OH, OW, OC]`, w → dx `[N, H, W, IC]`.
#[derive(Debug, Clone)]
pub struct Conv2dGradInput {
    /// As of the convolution.
    pub stride: usize,
    /// As of the convolution.
    pub padding: usize,
    /// H and W.
    pub size: [usize; 2],
}

impl Op for Conv2d {
    facts!("conv2d", takes_f16);

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        let [x, w] = inputs else {
            return Err("expected an image and a weight".to_string());
        };
        let (&[n, h, width, ic], &[kh, kw, wic, oc]) = (x.dims(), w.dims()) else {
            return Err("expected an image [N, H, W, C] and a weight [KH, KW, IN, OUT]".to_string());
        };
        if ic != wic {
            return Err(format!("the image has {ic} channels and the weight expects {wic}"));
        }
        if self.stride == 0 || h + 2 * self.padding < kh || width + 2 * self.padding < kw {
            return Err(format!("a {kh}x{kw} window with padding {} does not fit", self.padding));
        }
        let out = |size: usize, k: usize| (size + 2 * self.padding - k) / self.stride + 1;
        let y = Shape::rows([n, out(h, kh), out(width, kw), oc]);
        Ok(vec![y.with(x.precision())])
    }

    fn gradient(&self, graph: &mut Graph, node: &Node, dy: Tensor, wanted: &[bool]) -> InputGradients {
        let (x, w) = (node.inputs[0], node.inputs[1]);
        let Conv2d { stride, padding } = *self;
        let dims = graph.shape(x).dims();
        let size = [dims[1], dims[2]];
        let kernel = [graph.shape(w).dims()[0], graph.shape(w).dims()[1]];
        let dw = match wanted[1] {
            true => Some(graph.add_one(Conv2dGradWeight { stride, padding, kernel }, &[x, dy])?),
            false => None,
        };
        let dx = match wanted[0] {
            true => Some(graph.add_one(Conv2dGradInput { stride, padding, size }, &[dy, w])?),
            false => None,
        };
        Ok(vec![dx, dw])
    }

    fn lower(&self, io: &Io, target: &Target) -> Lowered {
        first(self.candidates(io, target))
    }

    fn candidates(&self, io: &Io, target: &Target) -> Vec<Candidate> {
        let (x, w) = (io.inputs[0].dims(), io.inputs[1].dims());
        let axis = |i: usize| ConvAxis::forward(x[1 + i], w[i], self.stride, self.padding);
        let gemm = ImplicitGemm::of(io, x[0], [axis(0), axis(1)], false);
        candidates::implicit_gemm(&[gemm], &io.slots(), target)
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let (x, w) = (inputs[0], inputs[1]);
        let window = Window::new(&x.dims, [w.dims[0], w.dims[1]], self.stride, self.padding);
        let (ic, oc) = (x.dims[3], w.dims[3]);
        let mut y = Array::zeros(&[x.dims[0], window.out[0], window.out[1], oc]);
        window.for_each(|pixel, tap, out| {
            for c in 0..ic {
                for o in 0..oc {
                    y.data[out * oc + o] += x.data[pixel * ic + c] * w.data[(tap * ic + c) * oc + o];
                }
            }
        });
        vec![y]
    }

    fn flops(&self, io: &Io) -> u64 {
        multiply_adds(&io.outputs[0], io.inputs[1].dims()) * 2
    }
}

impl Op for Conv2dGradInput {
    facts!("conv2d_grad_input", takes_f16);

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        let [dy, w] = inputs else {
            return Err("expected a gradient and a weight".to_string());
        };
        let dx = Shape::rows([dy.dims()[0], self.size[0], self.size[1], w.dims()[2]]);
        Ok(vec![dx.with(dy.precision())])
    }

    fn lower(&self, io: &Io, target: &Target) -> Lowered {
        first(self.candidates(io, target))
    }

    fn candidates(&self, io: &Io, target: &Target) -> Vec<Candidate> {
        let (images, w) = (io.inputs[0].dims()[0], io.inputs[1].dims());
        let axis = |i: usize, phase| ConvAxis::backward(self.size[i], w[i], self.stride, self.padding, phase);
        let mut phases = Vec::new();
        for y in 0..self.stride.min(self.size[0]) {
            for x in 0..self.stride.min(self.size[1]) {
                phases.push(ImplicitGemm::of(io, images, [axis(0, y), axis(1, x)], true));
            }
        }
        candidates::implicit_gemm(&phases, &io.slots(), target)
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let (dy, w) = (inputs[0], inputs[1]);
        let (ic, oc) = (w.dims[2], w.dims[3]);
        let mut dx = Array::zeros(&[dy.dims[0], self.size[0], self.size[1], ic]);
        let window = Window::new(&dx.dims, [w.dims[0], w.dims[1]], self.stride, self.padding);
        window.for_each(|pixel, tap, out| {
            for c in 0..ic {
                for o in 0..oc {
                    dx.data[pixel * ic + c] += dy.data[out * oc + o] * w.data[(tap * ic + c) * oc + o];
                }
            }
        });
        vec![dx]
    }

    fn flops(&self, io: &Io) -> u64 {
        multiply_adds(&io.inputs[0], io.inputs[1].dims()) * 2
    }
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for geometry in geometries() {
        let Geometry { name, image, kernel, out_channels, stride, padding } = geometry;
        let weight = Shape::weight([kernel, kernel, image[3], out_channels]);
        let conv2d = Case::new(&format!("conv2d {name}"), Conv2d { stride, padding });
        // Finite differences of the large ones would take minutes.
        cases.push(match weight.len() < 5000 {
            true => conv2d.input(Shape::rows(image), Fill::Normal).input(weight.clone(), Fill::Normal),
            false => conv2d.fixed(Shape::rows(image), Fill::Normal).fixed(weight.clone(), Fill::Normal),
        });
        let size = [image[1], image[2]];
        cases.push(
            Case::new(&format!("conv2d_grad_input {name}"), Conv2dGradInput { stride, padding, size })
                .fixed(geometry.output(), Fill::Normal)
                .fixed(weight, Fill::Normal),
        );
    }
    cases
}
