//! 2-D convolution without bias, as `torch.nn.functional.conv2d` with square stride and padding.

use super::conv2d_grad_weight::Conv2dGradWeight;
use super::implicit_gemm::{self, Axis, ImplicitGemm};
use super::tile::first;
use crate::graph::{Array, Candidate, Graph, GraphError, Io, Lowered, Node, Op, Shape, Slot, Target, Tensor};
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
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn takes_f16(&self) -> bool {
        true
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        let [x, w] = inputs else {
            return Err("an image and a weight are wanted".to_string());
        };
        let (&[n, h, width, ic], &[kh, kw, wic, oc]) = (x.dims(), w.dims()) else {
            return Err("an image [N,H,W,C] and a weight [KH,KW,IN,OUT] are wanted".to_string());
        };
        if ic != wic {
            return Err(format!("the image has {ic} channels and the weight wants {wic}"));
        }
        if self.stride == 0 || h + 2 * self.padding < kh || width + 2 * self.padding < kw {
            return Err(format!("a {kh}x{kw} window with padding {} does not fit", self.padding));
        }
        let out = |size: usize, k: usize| (size + 2 * self.padding - k) / self.stride + 1;
        let y = Shape::rows([n, out(h, kh), out(width, kw), oc]);
        Ok(vec![y.with(x.precision())])
    }

    fn gradient(
        &self,
        graph: &mut Graph,
        node: &Node,
        outputs: &[Option<Tensor>],
        wanted: &[bool],
    ) -> Result<Vec<Option<Tensor>>, GraphError> {
        let (Some(dy), &[x, w]) = (outputs[0], &node.inputs[..]) else {
            return Ok(vec![None, None]);
        };
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
        let gemm = ImplicitGemm {
            images: x[0],
            y: Axis::forward(x[1], w[0], self.stride, self.padding),
            x: Axis::forward(x[2], w[1], self.stride, self.padding),
            k4: io.inputs[0].stored_channels() / 4,
            n4: io.outputs[0].stored_channels() / 4,
            transposed: false,
            bias: false,
            f16: io.inputs[0].is_f16(),
        };
        implicit_gemm::candidates(&[gemm], &[Slot::input(0), Slot::input(1), Slot::output(0)], target)
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

/// Multiply-adds of a convolution with this output and weight, logical sizes.
pub(super) fn multiply_adds(y: &Shape, w: &[usize]) -> u64 {
    y.row_count() as u64 * w.iter().product::<usize>() as u64
}

impl Op for Conv2dGradInput {
    fn name(&self) -> &'static str {
        "conv2d_grad_input"
    }

    fn takes_f16(&self) -> bool {
        true
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        let [dy, w] = inputs else {
            return Err("a gradient and a weight are wanted".to_string());
        };
        let dx = Shape::rows([dy.dims()[0], self.size[0], self.size[1], w.dims()[2]]);
        Ok(vec![dx.with(dy.precision())])
    }

    fn lower(&self, io: &Io, target: &Target) -> Lowered {
        first(self.candidates(io, target))
    }

    fn candidates(&self, io: &Io, target: &Target) -> Vec<Candidate> {
        let w = io.inputs[1].dims();
        let mut phases = Vec::new();
        for phase_y in 0..self.stride.min(self.size[0]) {
            for phase_x in 0..self.stride.min(self.size[1]) {
                phases.push(ImplicitGemm {
                    images: io.inputs[0].dims()[0],
                    y: Axis::backward(self.size[0], w[0], self.stride, self.padding, phase_y),
                    x: Axis::backward(self.size[1], w[1], self.stride, self.padding, phase_x),
                    k4: io.inputs[0].stored_channels() / 4,
                    n4: io.outputs[0].stored_channels() / 4,
                    transposed: true,
                    bias: false,
                    f16: io.inputs[0].is_f16(),
                });
            }
        }
        implicit_gemm::candidates(&phases, &[Slot::input(0), Slot::input(1), Slot::output(0)], target)
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

/// Which pixels a convolution brings together, for the references.
pub(super) struct Window {
    images: usize,
    size: [usize; 2],
    kernel: [usize; 2],
    pub out: [usize; 2],
    stride: usize,
    padding: usize,
}

impl Window {
    pub fn new(image: &[usize], kernel: [usize; 2], stride: usize, padding: usize) -> Window {
        let size = [image[1], image[2]];
        let out = [0, 1].map(|i| (size[i] + 2 * padding - kernel[i]) / stride + 1);
        Window { images: image[0], size, kernel, out, stride, padding }
    }

    /// Calls `f(input pixel, tap, output pixel)` for every pair inside the image.
    pub fn for_each(&self, mut f: impl FnMut(usize, usize, usize)) {
        let position = |o: usize, k: usize| (o * self.stride + k).checked_sub(self.padding);
        for n in 0..self.images {
            for oy in 0..self.out[0] {
                for ox in 0..self.out[1] {
                    for ky in 0..self.kernel[0] {
                        for kx in 0..self.kernel[1] {
                            let (Some(y), Some(x)) = (position(oy, ky), position(ox, kx)) else {
                                continue;
                            };
                            if y < self.size[0] && x < self.size[1] {
                                let pixel = (n * self.size[0] + y) * self.size[1] + x;
                                let out = (n * self.out[0] + oy) * self.out[1] + ox;
                                f(pixel, ky * self.kernel[1] + kx, out);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A convolution of the cases.
pub(super) struct Geometry {
    pub name: &'static str,
    pub image: [usize; 4],
    pub kernel: usize,
    pub out_channels: usize,
    pub stride: usize,
    pub padding: usize,
}

impl Geometry {
    pub fn output(&self) -> Shape {
        let window = Window::new(&self.image, [self.kernel; 2], self.stride, self.padding);
        Shape::rows([self.image[0], window.out[0], window.out[1], self.out_channels])
    }
}

/// Odd sizes, and every kind the models use.
pub(super) fn geometries() -> Vec<Geometry> {
    let of = |name, image, kernel, out_channels, stride, padding| Geometry {
        name,
        image,
        kernel,
        out_channels,
        stride,
        padding,
    };
    vec![
        of("3x3", [2, 5, 7, 3], 3, 6, 1, 1),
        of("3x3 stride 2", [3, 7, 6, 5], 3, 9, 2, 1),
        // With channels enough for Winograd's tiles.
        of("3x3 many channels", [3, 5, 7, 67], 3, 70, 1, 1),
        of("1x1", [2, 3, 5, 9], 1, 7, 1, 0),
        of("1x1 stride 2", [2, 5, 5, 4], 1, 13, 2, 0),
        of("7x7 stride 2", [1, 11, 9, 3], 7, 5, 2, 3),
        of("3x3 wide image", [1, 3, 35, 4], 3, 4, 1, 1),
        of("2x2 stride 3", [1, 8, 7, 2], 2, 4, 3, 0),
        of("3x3 one pixel", [5, 1, 1, 8], 3, 12, 1, 1),
        of("1x1 one channel", [1, 1, 1, 1], 1, 1, 1, 0),
        of("3x3 7x7 pixels", [1, 7, 7, 17], 3, 21, 1, 1),
        // Large enough for large tiles.
        of("2x2 many channels", [1, 24, 10, 27], 2, 123, 1, 1),
        of("3x3 many channels unpadded", [3, 8, 3, 64], 3, 129, 1, 0),
        of("3x3 stride 2 many channels", [2, 15, 17, 123], 3, 70, 2, 1),
    ]
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
