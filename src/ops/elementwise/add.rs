//! y = a + b, elementwise: sums the gradients of a tensor that is used twice.

use crate::gpu::Kernel;
use crate::graph::{Array, Graph, GraphError, Io, Launch, Lowered, Node, Op, Shape, Slot, Target, Tensor, grid};
use crate::ops::check::{Case, Fill};

/// y = a + b. Shapes are equal.
#[derive(Debug, Clone)]
pub struct Add;

impl Op for Add {
    fn name(&self) -> &'static str {
        "add"
    }

    fn takes_f16(&self) -> bool {
        true
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        match inputs {
            [a, b] if a == b => Ok(vec![a.clone()]),
            _ => Err("two tensors of one shape are wanted".to_string()),
        }
    }

    fn gradient(
        &self,
        _graph: &mut Graph,
        _node: &Node,
        outputs: &[Option<Tensor>],
        _wanted: &[bool],
    ) -> Result<Vec<Option<Tensor>>, GraphError> {
        Ok(vec![outputs[0], outputs[0]])
    }

    fn cheap(&self) -> bool {
        true
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        let vectors = io.outputs[0].vectors();
        let kernel = Kernel::new("add").with("F16", io.outputs[0].is_f16()).with("VECTORS", vectors);
        let slots = [Slot::input(0), Slot::input(1), Slot::output(0)];
        Lowered::one(Launch::new(kernel, slots, grid(vectors.div_ceil(64))))
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let data = inputs[0].data.iter().zip(&inputs[1].data).map(|(a, b)| a + b).collect();
        vec![Array { dims: inputs[0].dims.clone(), data }]
    }
}

pub(super) fn cases() -> Vec<Case> {
    let shape = Shape::rows([3, 5, 7]);
    vec![Case::new("add", Add).input(shape.clone(), Fill::Normal).input(shape, Fill::Normal)]
}
