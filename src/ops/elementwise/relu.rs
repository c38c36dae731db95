//! y = max(x, 0), alone or after a residual sum; one gradient for both, from the output.

use crate::gpu::Kernel;
use crate::graph::{Array, Graph, GraphError, Io, Launch, Lowered, Node, Op, Shape, Slot, Target, Tensor, grid};
use crate::ops::check::{Case, Fill};

/// y = max(x, 0), `torch.relu`.
#[derive(Debug, Clone)]
pub struct Relu;

/// y = max(a + b, 0): the end of a residual block. Shapes are equal.
#[derive(Debug, Clone)]
pub struct AddRelu;

/// dx = dy where y > 0, else 0. Inputs: dy, y.
#[derive(Debug, Clone)]
pub struct ReluGradient;

/// Two inputs of one shape give an output of that shape.
fn same_shape(inputs: &[Shape]) -> Result<Vec<Shape>, String> {
    match inputs {
        [a, b] if a == b => Ok(vec![a.clone()]),
        _ => Err("two tensors of one shape are wanted".to_string()),
    }
}

/// One thread a vec4.
fn lower(shader: &'static str, io: &Io, slots: &[Slot]) -> Lowered {
    let vectors = io.outputs[0].vectors();
    let kernel = Kernel::new(shader).with("F16", io.outputs[0].is_f16()).with("VECTORS", vectors);
    Lowered::one(Launch::new(kernel, slots, grid(vectors.div_ceil(64))))
}

fn zip(a: &Array, b: &Array, f: impl Fn(f64, f64) -> f64) -> Vec<Array> {
    let data = a.data.iter().zip(&b.data).map(|(&a, &b)| f(a, b)).collect();
    vec![Array { dims: a.dims.clone(), data }]
}

impl Op for Relu {
    fn name(&self) -> &'static str {
        "relu"
    }

    fn takes_f16(&self) -> bool {
        true
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        match inputs {
            [x] => Ok(vec![x.clone()]),
            _ => Err("one tensor is wanted".to_string()),
        }
    }

    fn gradient(
        &self,
        graph: &mut Graph,
        node: &Node,
        outputs: &[Option<Tensor>],
        _wanted: &[bool],
    ) -> Result<Vec<Option<Tensor>>, GraphError> {
        let Some(dy) = outputs[0] else {
            return Ok(vec![None]);
        };
        let dx = graph.add_one(ReluGradient, &[dy, node.outputs[0]])?;
        Ok(vec![Some(dx)])
    }

    fn cheap(&self) -> bool {
        true
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        lower("relu", io, &[Slot::input(0), Slot::output(0)])
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        zip(inputs[0], inputs[0], |x, _| x.max(0.0))
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
        same_shape(inputs)
    }

    fn gradient(
        &self,
        graph: &mut Graph,
        node: &Node,
        outputs: &[Option<Tensor>],
        _wanted: &[bool],
    ) -> Result<Vec<Option<Tensor>>, GraphError> {
        let Some(dy) = outputs[0] else {
            return Ok(vec![None, None]);
        };
        let both = graph.add_one(ReluGradient, &[dy, node.outputs[0]])?;
        Ok(vec![Some(both), Some(both)])
    }

    fn cheap(&self) -> bool {
        true
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        let slots = [Slot::input(0), Slot::input(1), Slot::output(0)];
        lower("add_relu", io, &slots)
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        zip(inputs[0], inputs[1], |a, b| (a + b).max(0.0))
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
        same_shape(inputs)
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        let slots = [Slot::input(0), Slot::input(1), Slot::output(0)];
        lower("relu_gradient", io, &slots)
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        zip(inputs[0], inputs[1], |dy, y| if y > 0.0 { dy } else { 0.0 })
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
