//! y = max(x, 0), alone or after a residual sum; one gradient for both, from the output.

use super::lower;
use crate::graph::{Array, Graph, InputGradients, Io, Lowered, Node, Op, Shape, Target, Tensor};
use crate::ops::check::{Case, Fill};
use crate::ops::expect;

/// y = max(x, 0), `torch.relu`.
#[derive(Debug, Clone)]
pub struct Relu;

/// y = max(a + b, 0): the end of a residual block. Shapes are equal.
#[derive(Debug, Clone)]
pub struct AddRelu;

/// dx = dy where y > 0, else 0. Inputs: dy, y.
#[derive(Debug, Clone)]
pub struct ReluGradient;

impl Op for Relu {
    facts!("relu", takes_f16, cheap);

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        Ok(vec![expect::one(inputs)?.clone()])
    }

    fn gradient(&self, graph: &mut Graph, node: &Node, dy: Tensor, _wanted: &[bool]) -> InputGradients {
        Ok(vec![Some(graph.add_one(ReluGradient, &[dy, node.outputs[0]])?)])
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        lower("relu", io)
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        vec![inputs[0].map(|x| x.max(0.0))]
    }
}

impl Op for AddRelu {
    facts!("add_relu", takes_f16, cheap);

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        Ok(vec![expect::pair(inputs)?.clone()])
    }

    fn gradient(&self, graph: &mut Graph, node: &Node, dy: Tensor, _wanted: &[bool]) -> InputGradients {
        let both = graph.add_one(ReluGradient, &[dy, node.outputs[0]])?;
        Ok(vec![Some(both), Some(both)])
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        lower("add_relu", io)
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        vec![inputs[0].zip(inputs[1], |a, b| (a + b).max(0.0))]
    }
}

impl Op for ReluGradient {
    facts!("relu_gradient", takes_f16);

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        Ok(vec![expect::pair(inputs)?.clone()])
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        lower("relu_gradient", io)
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        vec![inputs[0].zip(inputs[1], |dy, y| if y > 0.0 { dy } else { 0.0 })]
    }
}

pub(super) fn cases() -> Vec<Case> {
    let shape = Shape::rows([3, 5, 2, 7]);
    vec![
        Case::new("relu", Relu).input(shape.clone(), Fill::Normal),
        Case::new("add_relu", AddRelu).input(shape.clone(), Fill::Normal).input(shape.clone(), Fill::Normal),
        Case::new("relu_gradient", ReluGradient).fixed(shape.clone(), Fill::Normal).fixed(shape, Fill::Normal),
    ]
}
