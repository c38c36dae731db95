//! Between activations and weights in memory: rows as the second factor of a product.

use super::check::{Case, Fill};
use crate::gpu::Kernel;
use crate::graph::{Array, Graph, GraphError, InputGradients, Io, Layout, Lowered, Node, Op, Shape, Target, Tensor};

/// x `[M, C]` → the same numbers as they lie in a weight, or from there as they lie in an activation: weights have their rows padded
/// to a multiple of four.
#[derive(Debug, Clone)]
pub struct Relayout {
    /// To a weight, or from one.
    pub to_weight: bool,
    /// Whether M is a multiple of four: then both are the same in memory, which is shared.
    pub shared: bool,
}

impl Relayout {
    /// For this many rows.
    pub fn of(rows: usize, to_weight: bool) -> Relayout {
        Relayout { to_weight, shared: rows.is_multiple_of(4) }
    }
}

/// Rows `[M, C]` as they lie in a weight, the second factor of [`MatmulTransposed`](super::MatmulTransposed).
pub fn as_weight(graph: &mut Graph, x: Tensor) -> Result<Tensor, GraphError> {
    let shape = graph.shape(x);
    match shape.layout() {
        Layout::Weight => Ok(x),
        _ => {
            let op = Relayout::of(shape.row_count(), true);
            graph.add_one(op, &[x])
        }
    }
}

impl Op for Relayout {
    facts!("relayout");

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        let from = if self.to_weight { Layout::Rows } else { Layout::Weight };
        match inputs {
            [x] if x.dims().len() == 2 && x.layout() == from && (!self.shared || x.row_count().is_multiple_of(4)) => {
                let to = if self.to_weight { Shape::weight } else { Shape::rows };
                Ok(vec![to(x.dims().to_vec())])
            }
            _ => Err(format!(
                "expected one matrix stored as {from:?}, of a multiple of four rows where memory is shared"
            )),
        }
    }

    fn gradient(&self, graph: &mut Graph, _node: &Node, dy: Tensor, _wanted: &[bool]) -> InputGradients {
        let op = Relayout { to_weight: !self.to_weight, shared: self.shared };
        Ok(vec![Some(graph.add_one(op, &[dy])?)])
    }

    fn alias(&self) -> Option<usize> {
        self.shared.then_some(0)
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        let x = &io.inputs[0];
        let count = x.row_count() * x.stored_channels() / 4;
        Lowered::per_vector(io, Kernel::new("relayout").with("COUNT", count))
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        vec![inputs[0].clone()]
    }
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for dims in [[5, 7], [67, 5], [8, 6]] {
        let name = |what: &str| format!("relayout {}x{} {what}", dims[0], dims[1]);
        cases.push(Case::new(&name("to a weight"), Relayout::of(dims[0], true)).input(Shape::rows(dims), Fill::Normal));
        cases.push(
            Case::new(&name("from a weight"), Relayout::of(dims[0], false)).input(Shape::weight(dims), Fill::Normal),
        );
    }
    cases
}
