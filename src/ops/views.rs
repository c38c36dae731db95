//! What makes a network of two branches siamese: the views change places, and one side takes no gradient.
//!
//! Both views of a batch go through the network together, view 1 in the first half of the rows and view 2 in the second.

use super::check::{Case, Fill};
use super::expect;
use crate::gpu::Kernel;
use crate::graph::{Array, Graph, InputGradients, Io, Lowered, Node, Op, Shape, Target, Tensor};

/// `[2N, ..]` → `[2N, ..]`: the two halves of the rows change places, so that row i of view 1 meets row i of view 2.
#[derive(Debug, Clone)]
pub struct SwapViews;

/// Its input, through which no gradient passes (paper section 3, `detach` in PyTorch). It costs nothing: the memory is
/// shared.
#[derive(Debug, Clone)]
pub struct StopGradient;

impl Op for SwapViews {
    facts!("swap_views");

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        match inputs {
            [x] if x.dims().len() >= 2 && x.dims()[0] % 2 == 0 => Ok(vec![x.clone()]),
            _ => Err("expected one tensor [2N, ..]".to_string()),
        }
    }

    fn gradient(&self, graph: &mut Graph, _node: &Node, dy: Tensor, _wanted: &[bool]) -> InputGradients {
        Ok(vec![Some(graph.add_one(SwapViews, &[dy])?)])
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        Lowered::per_vector(io, Kernel::new("swap_views").with("HALF", io.outputs[0].vectors() / 2))
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let mut y = inputs[0].clone();
        let half = y.data.len() / 2;
        y.data.rotate_left(half);
        vec![y]
    }
}

impl Op for StopGradient {
    facts!("stop_gradient", stops_gradient, takes_f16);

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        Ok(vec![expect::one(inputs)?.clone()])
    }

    fn alias(&self) -> Option<usize> {
        Some(0)
    }

    fn lower(&self, _io: &Io, _target: &Target) -> Lowered {
        Lowered::default()
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        vec![inputs[0].clone()]
    }
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("swap_views", SwapViews).input(Shape::rows([6, 7]), Fill::Normal),
        Case::new("swap_views images", SwapViews).input(Shape::rows([2, 3, 3, 5]), Fill::Normal),
        Case::new("stop_gradient", StopGradient).fixed(Shape::rows([3, 5]), Fill::Normal),
    ]
}
