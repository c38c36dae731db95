//! Between f32 and f16: where the part of a network that is kept in half precision begins and ends.

use crate::gpu::Kernel;
use crate::graph::{Array, Graph, GraphError, InputGradients, Io, Lowered, Node, Op, Precision, Shape, Target, Tensor};
use crate::ops::check::{Case, Fill};

/// y = x in another precision, rounded where that is f16; beyond its 65504 to infinity, or to what the device makes of it.
#[derive(Debug, Clone)]
pub struct Cast {
    /// That of y.
    pub to: Precision,
}

/// The tensor in that precision: itself where it is.
pub fn cast(graph: &mut Graph, x: Tensor, to: Precision) -> Result<Tensor, GraphError> {
    match graph.shape(x).precision() == to {
        true => Ok(x),
        false => graph.add_one(Cast { to }, &[x]),
    }
}

impl Op for Cast {
    facts!("cast", takes_f16);

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        match inputs {
            [x] if x.precision() != self.to => Ok(vec![x.clone().with(self.to)]),
            _ => Err("expected one tensor of another precision".to_string()),
        }
    }

    fn gradient(&self, graph: &mut Graph, node: &Node, dy: Tensor, _wanted: &[bool]) -> InputGradients {
        let to = graph.shape(node.inputs[0]).precision();
        Ok(vec![Some(cast(graph, dy, to)?)])
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        Lowered::per_vector(io, Kernel::new("cast").with("F16", true).with("TO_F16", self.to == Precision::F16))
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        vec![inputs[0].clone()]
    }
}

pub(super) fn cases() -> Vec<Case> {
    let shape = Shape::rows([3, 5, 7]);
    let to = Precision::F16;
    vec![
        Case::new("cast to f16", Cast { to }).input(shape.clone(), Fill::Normal),
        // Below its least normal number f16 has fewer digits, and a device may make zeros of them.
        Case::new("cast to f16, small", Cast { to }).input(shape.clone(), Fill::Uniform(-1e-4, 1e-4)),
        Case::new("cast to f16, large", Cast { to }).input(shape.clone(), Fill::Uniform(-65504.0, 65504.0)),
        Case::new("cast to f32", Cast { to: Precision::F32 }).input(shape.with(to), Fill::Normal),
    ]
}
