//! The scaled mean of a vector: a loss over the batch.

use crate::gpu::Kernel;
use crate::graph::{Array, Graph, InputGradients, Io, Lowered, Node, Op, Shape, Target, Tensor};
use crate::ops::check::{Case, Fill};

/// x `[M]` → `[1]`: scale times the mean of the first `count` elements.
#[derive(Debug, Clone)]
pub struct Mean {
    /// How many elements count, at least one.
    pub count: usize,
    /// Multiplies the mean.
    pub scale: f32,
}

/// dy `[1]` → dx `[len]`: scale · dy / count in the first `count` elements, zero in the others.
#[derive(Debug, Clone)]
pub struct MeanGradient {
    /// The forward operator.
    pub mean: Mean,
    /// Length of its input.
    pub len: usize,
}

impl Op for Mean {
    facts!("mean");

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        match inputs {
            [x] if x.dims().len() == 1 && (1..=x.len()).contains(&self.count) => Ok(vec![Shape::rows([1])]),
            _ => Err(format!("expected one vector of at least {} elements", self.count.max(1))),
        }
    }

    fn gradient(&self, graph: &mut Graph, node: &Node, dy: Tensor, _wanted: &[bool]) -> InputGradients {
        let op = MeanGradient { mean: self.clone(), len: graph.shape(node.inputs[0]).len() };
        Ok(vec![Some(graph.add_one(op, &[dy])?)])
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        let kernel = Kernel::new("mean").with("COUNT", self.count).with("SCALE", self.scale / self.count as f32);
        Lowered::of(io, kernel, 1)
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let sum: f64 = inputs[0].data[..self.count].iter().sum();
        vec![Array { dims: vec![1], data: vec![f64::from(self.scale) * sum / self.count as f64] }]
    }
}

impl Op for MeanGradient {
    facts!("mean_gradient");

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        match inputs {
            [dy] if dy.dims() == [1] && (1..=self.len).contains(&self.mean.count) => Ok(vec![Shape::rows([self.len])]),
            _ => Err("expected one element".to_string()),
        }
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        let kernel = Kernel::new("mean_gradient")
            .with("COUNT", self.mean.count)
            .with("SCALE", self.mean.scale / self.mean.count as f32);
        Lowered::per_vector(io, kernel)
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let mut dx = Array::zeros(&[self.len]);
        let each = f64::from(self.mean.scale) * inputs[0].data[0] / self.mean.count as f64;
        dx.data[..self.mean.count].fill(each);
        vec![dx]
    }
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (count, len, scale) in [(5, 7, -1.0), (70, 70, 0.5), (200, 203, 1.0), (1, 1, 3.0)] {
        let mean = Mean { count, scale };
        cases.push(
            Case::new(&format!("mean {count} of {len}"), mean.clone())
                .input(Shape::rows([len]), Fill::Uniform(0.5, 1.5)),
        );
        cases.push(
            Case::new(&format!("mean_gradient {count} of {len}"), MeanGradient { mean, len })
                .fixed(Shape::rows([1]), Fill::Normal),
        );
    }
    cases
}
