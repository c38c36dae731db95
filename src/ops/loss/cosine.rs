//! Cosine similarity of rows, the measure of SimSiam's loss (paper equation 1).

use crate::graph::{Array, Graph, InputGradients, Io, Lowered, Node, Op, Shape, Target, Tensor};
use crate::ops::check::{Case, Fill};
use crate::ops::{expect, rows};

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

impl Op for CosineSimilarity {
    facts!("cosine_similarity");

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        Ok(vec![Shape::rows([expect::matrix_pair(inputs)?.dims()[0]])])
    }

    fn gradient(&self, graph: &mut Graph, node: &Node, dy: Tensor, wanted: &[bool]) -> InputGradients {
        rows::gradients(wanted, |i| {
            let op = CosineSimilarityGradient { eps: self.eps };
            graph.add_one(op, &[dy, node.inputs[i], node.inputs[1 - i]])
        })
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        rows::to_vector(io, rows::kernel("cosine_similarity", &io.inputs[0]).with("EPS", self.eps))
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let (p, z) = (inputs[0], inputs[1]);
        let length = |v: &[f64]| rows::dot(v, v).sqrt().max(f64::from(self.eps));
        let data = p.rows().zip(z.rows()).map(|(p, z)| rows::dot(p, z) / (length(p) * length(z))).collect();
        vec![Array { dims: vec![p.dims[0]], data }]
    }
}

impl Op for CosineSimilarityGradient {
    facts!("cosine_similarity_gradient");

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        Ok(vec![expect::vector_and_matrix_pair(inputs)?.clone()])
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        rows::to_rows(io, rows::kernel("cosine_similarity_gradient", &io.inputs[1]).with("EPS", self.eps))
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let (dy, a, b) = (inputs[0], inputs[1], inputs[2]);
        let eps = f64::from(self.eps);
        let mut data = Vec::with_capacity(a.data.len());
        for ((dy, a), b) in dy.data.iter().zip(a.rows()).zip(b.rows()) {
            let (square, length) = (rows::dot(a, a), rows::dot(a, a).sqrt());
            let scale = 1.0 / (length.max(eps) * rows::dot(b, b).sqrt().max(eps));
            let pull = if length > eps { rows::dot(a, b) / square } else { 0.0 };
            data.extend(a.iter().zip(b).map(|(a, b)| dy * scale * (b - a * pull)));
        }
        vec![a.like(data)]
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
