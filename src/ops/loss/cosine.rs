//! Cosine similarity of rows, the measure of SimSiam's loss (paper equation 1).

use crate::gpu::Kernel;
use crate::graph::{Array, Graph, GraphError, Io, Launch, Lowered, Node, Op, Shape, Slot, Target, Tensor, grid};
use crate::ops::check::{Case, Fill};

/// p `[M, C]`, z `[M, C]` → `[M]`: p·z / (max(|p|, eps) max(|z|, eps)), `torch.nn.functional.cosine_similarity` over channels
/// (its eps is 1e-8).
#[derive(Debug, Clone)]
pub struct CosineSimilarity {
    /// Smallest length divided by.
    pub eps: f32,
}

/// Inputs dy `[M]`, a, b → gradient for a. The similarity is symmetric, so the gradient for b is that of (dy, b, a).
#[derive(Debug, Clone)]
pub struct CosineSimilarityGradient {
    /// As in the forward operator.
    pub eps: f32,
}

fn kernel(shader: &'static str, eps: f32, rows: &Shape) -> Kernel {
    Kernel::new(shader).with("ROWS", rows.row_count()).with("CHANNELS", rows.stored_channels() / 4).with("EPS", eps)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

impl Op for CosineSimilarity {
    fn name(&self) -> &'static str {
        "cosine_similarity"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        match inputs {
            [p, z] if p == z && p.dims().len() == 2 => Ok(vec![Shape::rows([p.dims()[0]])]),
            _ => Err("two tensors of one shape [M, C] are wanted".to_string()),
        }
    }

    fn gradient(
        &self,
        graph: &mut Graph,
        node: &Node,
        outputs: &[Option<Tensor>],
        wanted: &[bool],
    ) -> Result<Vec<Option<Tensor>>, GraphError> {
        let mut gradients = vec![None, None];
        let Some(dy) = outputs[0] else {
            return Ok(gradients);
        };
        for (i, gradient) in gradients.iter_mut().enumerate() {
            if wanted[i] {
                let op = CosineSimilarityGradient { eps: self.eps };
                let (a, b) = (node.inputs[i], node.inputs[1 - i]);
                *gradient = Some(graph.add_one(op, &[dy, a, b])?);
            }
        }
        Ok(gradients)
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        let stored = io.outputs[0].stored_len();
        let kernel = kernel("cosine_similarity", self.eps, &io.inputs[0]).with("STORED_ROWS", stored);
        let slots = [Slot::input(0), Slot::input(1), Slot::output(0)];
        Lowered::one(Launch::new(kernel, slots, grid(stored)))
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let (p, z) = (inputs[0], inputs[1]);
        let length = |v: &[f64]| dot(v, v).sqrt().max(f64::from(self.eps));
        let data = p.rows().zip(z.rows()).map(|(p, z)| dot(p, z) / (length(p) * length(z))).collect();
        vec![Array { dims: vec![p.dims[0]], data }]
    }
}

impl Op for CosineSimilarityGradient {
    fn name(&self) -> &'static str {
        "cosine_similarity_gradient"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        match inputs {
            [dy, a, b] if a == b && a.dims().len() == 2 && dy.dims() == [a.dims()[0]] => Ok(vec![a.clone()]),
            _ => Err("dy [M] and two tensors of one shape [M, C] are wanted".to_string()),
        }
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        let a = &io.inputs[1];
        let kernel = kernel("cosine_similarity_gradient", self.eps, a);
        let slots = [Slot::input(0), Slot::input(1), Slot::input(2), Slot::output(0)];
        Lowered::one(Launch::new(kernel, slots, grid(a.row_count())))
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let (dy, a, b) = (inputs[0], inputs[1], inputs[2]);
        let eps = f64::from(self.eps);
        let mut data = Vec::with_capacity(a.data.len());
        for ((dy, a), b) in dy.data.iter().zip(a.rows()).zip(b.rows()) {
            let (square, length) = (dot(a, a), dot(a, a).sqrt());
            let scale = 1.0 / (length.max(eps) * dot(b, b).sqrt().max(eps));
            let pull = if length > eps { dot(a, b) / square } else { 0.0 };
            data.extend(a.iter().zip(b).map(|(a, b)| dy * scale * (b - a * pull)));
        }
        vec![Array { dims: a.dims.clone(), data }]
    }
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    // With a large eps some rows are shorter than it.
    for (m, c, eps) in [(5, 7, 1e-8), (6, 10, 3.0), (3, 300, 1e-8)] {
        let shape = Shape::rows([m, c]);
        let name = format!("cosine_similarity {m}x{c} eps {eps}");
        let gradient = CosineSimilarityGradient { eps };
        cases.extend([
            Case::new(&name, CosineSimilarity { eps })
                .input(shape.clone(), Fill::Normal)
                .input(shape.clone(), Fill::Normal),
            Case::new(&format!("{name} gradient"), gradient)
                .fixed(Shape::rows([m]), Fill::Normal)
                .fixed(shape.clone(), Fill::Normal)
                .fixed(shape, Fill::Normal),
        ]);
    }
    cases
}
