//! Rows scaled to unit length.

use crate::graph::{Array, Graph, InputGradients, Io, Lowered, Node, Op, Shape, Target, Tensor};
use crate::ops::check::{Case, Fill};
use crate::ops::{expect, rows};

/// `[M, C]` → `[M, C]`: y = x / max(|x|, eps) over channels, `torch.nn.functional.normalize` (its eps is 1e-12).
#[derive(Debug, Clone)]
pub struct L2Normalize {
    /// Smallest length divided by.
    pub eps: f32,
}

/// Inputs dy, x → dx.
#[derive(Debug, Clone)]
pub struct L2NormalizeGradient {
    /// As in the forward operator.
    pub eps: f32,
}

fn lower(shader: &'static str, eps: f32, io: &Io) -> Lowered {
    rows::to_rows(io, rows::kernel(shader, &io.outputs[0]).with("EPS", eps))
}

impl Op for L2Normalize {
    facts!("l2_normalize");

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        Ok(vec![expect::matrix(inputs)?.clone()])
    }

    fn gradient(&self, graph: &mut Graph, node: &Node, dy: Tensor, _wanted: &[bool]) -> InputGradients {
        let op = L2NormalizeGradient { eps: self.eps };
        Ok(vec![Some(graph.add_one(op, &[dy, node.inputs[0]])?)])
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        lower("l2_normalize", self.eps, io)
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let mut y = inputs[0].clone();
        for row in y.data.chunks_exact_mut(inputs[0].channels()) {
            let length = rows::dot(row, row).sqrt().max(f64::from(self.eps));
            row.iter_mut().for_each(|v| *v /= length);
        }
        vec![y]
    }
}

impl Op for L2NormalizeGradient {
    facts!("l2_normalize_gradient");

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        Ok(vec![expect::matrix_pair(inputs)?.clone()])
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        lower("l2_normalize_gradient", self.eps, io)
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let (dy, x) = (inputs[0], inputs[1]);
        let mut data = Vec::with_capacity(x.data.len());
        for (dy, x) in dy.rows().zip(x.rows()) {
            let (norm, eps) = (rows::dot(x, x).sqrt(), f64::from(self.eps));
            let pull = if norm > eps { rows::dot(x, dy) / (norm * norm) } else { 0.0 };
            data.extend(dy.iter().zip(x).map(|(dy, x)| (dy - x * pull) / norm.max(eps)));
        }
        vec![x.like(data)]
    }
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (m, c) in [(5, 7), (3, 300)] {
        let shape = Shape::rows([m, c]);
        cases.extend([
            Case::new(&format!("l2_normalize {m}x{c}"), L2Normalize { eps: 1e-12 }).input(shape.clone(), Fill::Normal),
            // Some rows are shorter than eps, some are longer.
            Case::new(&format!("l2_normalize {m}x{c} short"), L2Normalize { eps: (c as f32).sqrt() })
                .input(shape.clone(), Fill::Normal),
            Case::new(&format!("l2_normalize_gradient {m}x{c}"), L2NormalizeGradient { eps: 1e-12 })
                .fixed(shape.clone(), Fill::Normal)
                .fixed(shape, Fill::Normal),
        ]);
    }
    cases
}
