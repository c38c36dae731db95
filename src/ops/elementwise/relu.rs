//! y = max(x, 0), alone or after a residual sum; one gradient for both, from the output.

use super::lower;
use crate::graph::{Array, Gradients, Graph, Io, Lowered, Node, Op, Shape, Target, Tensor};
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
    fn name(&self) -> &'static str {
        "relu"
    }

    fn takes_f16(&self) -> bool {
        true
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        Ok(vec![expect::one(inputs)?.clone()])
    }

    fn gradient(&self, graph: &mut Graph, node: &Node, dy: Tensor, _wanted: &[bool]) -> Gradients {
        Ok(vec![Some(graph.add_one(ReluGradient, &[dy, node.outputs[0]])?)])
    }

    fn cheap(&self) -> bool {
        true
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        lower("relu", io)
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        vec![inputs[0].map(|x| x.max(0.0))]
    }
}

impl Op for AddRelu {
    fn name(&self) -> &'static str {
        "add_relu"
    }

    fn takes_f16(&self) -> bool {
        true
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        Ok(vec![expect::pair(inputs)?.clone()])
    }

    fn gradient(&self, graph: &mut Graph, node: &Node, dy: Tensor, _wanted: &[bool]) -> Gradients {
        let both = graph.add_one(ReluGradient, &[dy, node.outputs[0]])?;
        Ok(vec![Some(both), Some(both)])
    }

    fn cheap(&self) -> bool {
        true
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        lower("add_relu", io)
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        vec![inputs[0].zip(inputs[1], |a, b| (a + b).max(0.0))]
    }
}

impl Op for ReluGradient {
    fn name(&self) -> &'static str {
        "relu_gradient"
    }

    fn takes_f16(&self) -> bool {
        true
    }

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
