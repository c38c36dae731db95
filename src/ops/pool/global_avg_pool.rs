//! The mean over all pixels of an image.

use crate::gpu::Kernel;
use crate::graph::{Array, Graph, InputGradients, Io, Lowered, Node, Op, Shape, Target, Tensor};
use crate::ops::check::{Case, Fill};
use crate::ops::expect;

/// `[N, H, W, C]` → `[N, C]`, `torch.nn.functional.adaptive_avg_pool2d(x, 1)`.
#[derive(Debug, Clone)]
pub struct GlobalAvgPool;

/// dy `[N, C]` → dx `[N, height, width, C]`.
#[derive(Debug, Clone)]
pub struct GlobalAvgPoolGradient {
    /// Rows of pixels.
    pub height: usize,
    /// Columns of pixels.
    pub width: usize,
}

fn kernel(shader: &'static str, images: &Shape) -> Kernel {
    let dims = images.dims();
    Kernel::new(shader)
        .with("F16", images.is_f16())
        .with("PIXELS", dims[1] * dims[2])
        .with("CHANNELS", images.stored_channels() / 4)
}

impl Op for GlobalAvgPool {
    facts!("global_avg_pool", takes_f16);

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        let x = expect::images(inputs)?;
        Ok(vec![Shape::rows([x.dims()[0], x.channels()]).with(x.precision())])
    }

    fn gradient(&self, graph: &mut Graph, node: &Node, dy: Tensor, _wanted: &[bool]) -> InputGradients {
        let dims = graph.shape(node.inputs[0]).dims();
        let op = GlobalAvgPoolGradient { height: dims[1], width: dims[2] };
        Ok(vec![Some(graph.add_one(op, &[dy])?)])
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        Lowered::per_vector(io, kernel("global_avg_pool", &io.inputs[0]))
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let x = inputs[0];
        let (pixels, channels) = (x.dims[1] * x.dims[2], x.dims[3]);
        let mut y = Array::zeros(&[x.dims[0], channels]);
        for (i, row) in x.rows().enumerate() {
            for (c, v) in row.iter().enumerate() {
                y.data[i / pixels * channels + c] += v / pixels as f64;
            }
        }
        vec![y]
    }
}

impl Op for GlobalAvgPoolGradient {
    facts!("global_avg_pool_gradient", takes_f16);

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        let dy = expect::matrix(inputs)?;
        Ok(vec![Shape::rows([dy.dims()[0], self.height, self.width, dy.channels()]).with(dy.precision())])
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        Lowered::per_vector(io, kernel("global_avg_pool_gradient", &io.outputs[0]))
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let dy = inputs[0];
        let pixels = self.height * self.width;
        let data = dy.rows().flat_map(|row| row.repeat(pixels)).map(|v| v / pixels as f64).collect();
        vec![Array { dims: vec![dy.dims[0], self.height, self.width, dy.dims[1]], data }]
    }
}

pub(super) fn cases() -> Vec<Case> {
    let gradient = GlobalAvgPoolGradient { height: 5, width: 3 };
    vec![
        Case::new("global_avg_pool", GlobalAvgPool).input(Shape::rows([3, 5, 3, 7]), Fill::Normal),
        Case::new("global_avg_pool 1x1", GlobalAvgPool).input(Shape::rows([2, 1, 1, 4]), Fill::Normal),
        Case::new("global_avg_pool_gradient", gradient).fixed(Shape::rows([3, 7]), Fill::Normal),
    ]
}
