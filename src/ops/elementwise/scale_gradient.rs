//! A gradient times a number that changes from step to step.

use crate::gpu::Kernel;
use crate::graph::{Array, Graph, InputGradients, Io, Lowered, Node, Op, Shape, Target, Tensor};
use crate::ops::check::{Case, Fill};

/// Inputs x and factor `[1]` → x, whose memory is shared; its gradient is multiplied by the factor: with 0, nothing is learnt through it.
#[derive(Debug, Clone)]
pub struct ScaleGradient;

/// Inputs x and factor `[1]` → factor · x.
#[derive(Debug, Clone)]
pub struct Scale;

fn infer(inputs: &[Shape]) -> Result<Vec<Shape>, String> {
    match inputs {
        [x, factor] if factor.dims() == [1] => Ok(vec![x.clone()]),
        _ => Err("expected a tensor and a factor [1]".to_string()),
    }
}

impl Op for ScaleGradient {
    facts!("scale_gradient");

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        infer(inputs)
    }

    fn gradient(&self, graph: &mut Graph, node: &Node, dy: Tensor, _wanted: &[bool]) -> InputGradients {
        Ok(vec![Some(graph.add_one(Scale, &[dy, node.inputs[1]])?), None])
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

impl Op for Scale {
    facts!("scale");

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        infer(inputs)
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        Lowered::per_vector(io, Kernel::new("scale"))
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let factor = inputs[1].data[0];
        vec![inputs[0].like(inputs[0].data.iter().map(|v| factor * v))]
    }
}

pub(super) fn cases() -> Vec<Case> {
    let factor = || (Shape::rows([1]), Fill::Values(vec![0.75]));
    let case = |name: &str, shape: Shape| {
        let (one, fill) = factor();
        Case::new(&format!("scale {name}"), Scale).fixed(shape, Fill::Normal).fixed(one, fill)
    };
    let (one, fill) = (Shape::rows([1]), Fill::Values(vec![1.0]));
    vec![
        case("rows", Shape::rows([3, 5, 7])),
        case("weight", Shape::weight([9, 6])),
        // Another factor than 1 is no derivative.
        Case::new("scale_gradient", ScaleGradient).input(Shape::rows([3, 5]), Fill::Normal).fixed(one, fill),
    ]
}
