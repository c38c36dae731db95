//! y = a + b, elementwise: sums the gradients of a tensor that is used twice.

use super::lower;
use crate::graph::{Array, Graph, InputGradients, Io, Lowered, Node, Op, Shape, Target, Tensor};
use crate::ops::check::{Case, Fill};
use crate::ops::expect;

/// y = a + b. Shapes are equal.
#[derive(Debug, Clone)]
pub struct Add;

impl Op for Add {
    facts!("add", takes_f16, cheap);

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        Ok(vec![expect::pair(inputs)?.clone()])
    }

    fn gradient(&self, _graph: &mut Graph, _node: &Node, dy: Tensor, _wanted: &[bool]) -> InputGradients {
        Ok(vec![Some(dy), Some(dy)])
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        lower("add", io)
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        vec![inputs[0].zip(inputs[1], |a, b| a + b)]
    }
}

pub(super) fn cases() -> Vec<Case> {
    let shape = Shape::rows([3, 5, 7]);
    vec![Case::new("add", Add).input(shape.clone(), Fill::Normal).input(shape, Fill::Normal)]
}
