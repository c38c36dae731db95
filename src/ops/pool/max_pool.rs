//! Max pooling. The gradient is gathered: each pixel asks the windows that contain it whether it was their first maximum,
//! so there are no atomics and no stored indices.

use crate::gpu::Kernel;
use crate::graph::{Array, Graph, InputGradients, Io, Lowered, Node, Op, Shape, Target, Tensor};
use crate::ops::check::{Case, Fill};
use crate::ops::expect;

/// `[N, H, W, C]` → `[N, OH, OW, C]`, `torch.nn.functional.max_pool2d`; OH = (H + 2 padding - kernel) / stride + 1, rounded
/// down. Padding never wins.
#[derive(Debug, Clone)]
pub struct MaxPool {
    /// Side of a window.
    pub kernel: usize,
    /// Distance between windows.
    pub stride: usize,
    /// Pixels added on each side, at most half a window.
    pub padding: usize,
}

/// Inputs dy, x, y → dx; of equal pixels of a window the first in row-major order gets the gradient, as in PyTorch.
#[derive(Debug, Clone)]
pub struct MaxPoolGradient {
    /// The forward operator.
    pub pool: MaxPool,
}

impl MaxPool {
    fn output_shape(&self, x: &Shape) -> Result<Shape, String> {
        let &[n, h, w, c] = x.dims() else {
            return Err("expected one tensor [N, H, W, C]".to_string());
        };
        if self.kernel == 0 || self.stride == 0 || 2 * self.padding > self.kernel {
            return Err(format!(
                "kernel {} and stride {} must be positive and padding {} at most half the kernel",
                self.kernel, self.stride, self.padding
            ));
        }
        let side = |size: usize| {
            (size + 2 * self.padding)
                .checked_sub(self.kernel)
                .map(|room| room / self.stride + 1)
                .ok_or_else(|| format!("an image of {h}x{w} is smaller than the window"))
        };
        Ok(Shape::rows([n, side(h)?, side(w)?, c]).with(x.precision()))
    }

    fn build(&self, shader: &'static str, x: &Shape, y: &Shape) -> Kernel {
        let (x_dims, y_dims) = (x.dims(), y.dims());
        Kernel::new(shader)
            .with("F16", x.is_f16())
            .with("KERNEL", self.kernel)
            .with("STRIDE", self.stride)
            .with("PADDING", self.padding)
            .with("H", x_dims[1])
            .with("W", x_dims[2])
            .with("OH", y_dims[1])
            .with("OW", y_dims[2])
            .with("CHANNELS", x.stored_channels() / 4)
    }

    /// For every output element, the index of the input element it comes from.
    fn sources(&self, x: &Array, y_dims: &[usize]) -> Vec<usize> {
        let (h, w, channels) = (x.dims[1], x.dims[2], x.dims[3]);
        let inside = |o: usize, size: usize| {
            let first = (o * self.stride).saturating_sub(self.padding);
            first..(o * self.stride + self.kernel - self.padding).min(size)
        };
        let mut sources = Vec::new();
        for image in 0..y_dims[0] {
            for oh in 0..y_dims[1] {
                for ow in 0..y_dims[2] {
                    for c in 0..channels {
                        let mut best: Option<usize> = None;
                        for row in inside(oh, h) {
                            for column in inside(ow, w) {
                                let i = ((image * h + row) * w + column) * channels + c;
                                if best.is_none_or(|b| x.data[i] > x.data[b]) {
                                    best = Some(i);
                                }
                            }
                        }
                        sources.extend(best);
                    }
                }
            }
        }
        sources
    }
}

impl Op for MaxPool {
    facts!("max_pool", takes_f16);

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        Ok(vec![self.output_shape(expect::one(inputs)?)?])
    }

    fn gradient(&self, graph: &mut Graph, node: &Node, dy: Tensor, _wanted: &[bool]) -> InputGradients {
        let op = MaxPoolGradient { pool: self.clone() };
        Ok(vec![Some(graph.add_one(op, &[dy, node.inputs[0], node.outputs[0]])?)])
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        Lowered::per_vector(io, self.build("max_pool", &io.inputs[0], &io.outputs[0]))
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let x = inputs[0];
        // The shapes were checked when the node was added.
        let Ok(shape) = self.output_shape(&Shape::rows(x.dims.clone())) else {
            return Vec::new();
        };
        let sources = self.sources(x, shape.dims());
        vec![Array { dims: shape.dims().to_vec(), data: sources.iter().map(|&i| x.data[i]).collect() }]
    }
}

impl Op for MaxPoolGradient {
    facts!("max_pool_gradient", takes_f16);

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        match inputs {
            [dy, x, y] if dy == y && *y == self.pool.output_shape(x)? => Ok(vec![x.clone()]),
            _ => Err("expected dy, x and y of one pooling".to_string()),
        }
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        Lowered::per_vector(io, self.pool.build("max_pool_gradient", &io.inputs[1], &io.inputs[2]))
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let (dy, x) = (inputs[0], inputs[1]);
        let mut dx = Array::zeros(&x.dims);
        for (&i, dy) in self.pool.sources(x, &dy.dims).iter().zip(&dy.data) {
            dx.data[i] += dy;
        }
        vec![dx]
    }
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (kernel, stride, padding, dims) in [
        (3, 2, 1, [2, 7, 6, 5]),
        (2, 2, 0, [3, 5, 4, 4]),
        (3, 1, 1, [1, 4, 5, 9]),
        (2, 3, 1, [2, 8, 7, 3]),
        (5, 2, 2, [1, 1, 3, 6]),
    ] {
        let pool = MaxPool { kernel, stride, padding };
        let name = format!("max_pool {kernel}x{kernel}/{stride}+{padding}");
        let x = Shape::rows(dims);
        cases.push(Case::new(&name, pool.clone()).input(x.clone(), Fill::Normal));
        // Few different values, many of them zero, as after a ReLU: every window has ties.
        let tied: Vec<f32> = (0..x.len()).map(|i| ((i * 7919 + i / 3) % 5).saturating_sub(2) as f32).collect();
        let y = pool.reference(&[&Array::from_f32(x.dims(), &tied)], &mut []);
        for y in y {
            let shape = Shape::rows(y.dims.clone());
            let op = MaxPoolGradient { pool: pool.clone() };
            cases.push(
                Case::new(&format!("{name} gradient, ties"), op)
                    .fixed(shape.clone(), Fill::Normal)
                    .fixed(x.clone(), Fill::Values(tied.clone()))
                    .fixed(shape, Fill::Values(y.to_f32())),
            );
        }
    }
    cases
}
