//! What ranks exchange, as operators: they have no kernels, the host does it. A graph of one rank has none of them.
//!
//! The references compute as if every rank had the same: one process cannot know what others have.

use super::check::{Case, Fill};
use super::expect;
use crate::gpu::Kernel;
use crate::graph::{Array, Exchange, Graph, GraphError, InputGradients, Io, Lowered, Node, Op, Shape, Target, Tensor};
use crate::ranks::Ranks;

/// `[parts · n, ..]` → `[parts · N, ..]`: the rows of all ranks. Of each part, say a view, first those of rank 0, then of rank 1, and so on:
/// the order of a batch that one rank alone would have.
///
/// Its gradient is the part of the own rows, without any exchange, because every rank computes the same from what was gathered: the same
/// loss, and so the whole gradient. Nothing with parameters may stand between here and the loss, or each rank would count their gradient
/// once more.
#[derive(Debug, Clone)]
pub struct AllGather {
    /// Equal parts of the rows.
    pub parts: usize,
    /// The ranks.
    pub ranks: Ranks,
}

/// `[parts · N, ..]` → `[parts · n, ..]`: of rows that [`AllGather`] has gathered, those that came from here.
#[derive(Debug, Clone)]
pub struct OwnRows {
    /// Equal parts of the rows.
    pub parts: usize,
    /// The ranks.
    pub ranks: Ranks,
}

/// The sum over all ranks, made in their order, times `scale`: of its input, or of the state that it updates where it has no input.
#[derive(Debug, Clone)]
pub struct AllReduce {
    /// What the sum is multiplied by: 1 / ranks makes it a mean.
    pub scale: f32,
    /// The ranks.
    pub ranks: Ranks,
}

impl AllReduce {
    /// The sum.
    pub fn sum(ranks: Ranks) -> AllReduce {
        AllReduce { scale: 1.0, ranks }
    }

    /// The mean.
    pub fn mean(ranks: Ranks) -> AllReduce {
        AllReduce { scale: 1.0 / ranks.size as f32, ranks }
    }

    /// Adds the sum of a state, in place.
    pub fn of_state(self, graph: &mut Graph, state: Tensor) -> Result<(), GraphError> {
        graph.add_updating(std::sync::Arc::new(self), &[], &[state])?;
        Ok(())
    }
}

fn rows_in_parts(inputs: &[Shape], parts: usize) -> Result<&Shape, String> {
    match expect::one(inputs)? {
        x if x.dims().len() >= 2 && parts > 0 && x.dims()[0].is_multiple_of(parts) => Ok(x),
        _ => Err(format!("expected one tensor whose rows are {parts} equal parts")),
    }
}

fn with_rows(shape: &Shape, rows: usize) -> Shape {
    Shape::rows([&[rows], &shape.dims()[1..]].concat())
}

impl Op for AllGather {
    facts!("all_gather");

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        let x = rows_in_parts(inputs, self.parts)?;
        Ok(vec![with_rows(x, x.dims()[0] * self.ranks.size)])
    }

    fn gradient(&self, graph: &mut Graph, _node: &Node, dy: Tensor, _wanted: &[bool]) -> InputGradients {
        let own = OwnRows { parts: self.parts, ranks: self.ranks };
        Ok(vec![Some(graph.add_one(own, &[dy])?)])
    }

    fn lower(&self, _io: &Io, _target: &Target) -> Lowered {
        Lowered::default()
    }

    fn exchange(&self) -> Option<Exchange> {
        Some(Exchange::Gather { parts: self.parts })
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let x = inputs[0];
        let rows = x.dims[0] * self.ranks.size;
        let part = x.data.len() / self.parts;
        let copies = |values: &[f64]| values.repeat(self.ranks.size);
        let data: Vec<f64> = x.data.chunks_exact(part).flat_map(copies).collect();
        vec![Array { dims: [&[rows], &x.dims[1..]].concat(), data }]
    }
}

impl Op for OwnRows {
    facts!("own_rows");

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        let x = rows_in_parts(inputs, self.parts * self.ranks.size)?;
        Ok(vec![with_rows(x, x.dims()[0] / self.ranks.size)])
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        let kernel = Kernel::new("own_rows")
            .with("OWN", io.outputs[0].vectors() / self.parts)
            .with("RANKS", self.ranks.size)
            .with("RANK", self.ranks.rank);
        Lowered::per_vector(io, kernel)
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let x = inputs[0];
        let own = x.data.len() / self.parts / self.ranks.size;
        let of = |part: &[f64]| part[self.ranks.rank * own..][..own].to_vec();
        let data: Vec<f64> = x.data.chunks_exact(own * self.ranks.size).flat_map(of).collect();
        vec![Array { dims: [&[x.dims[0] / self.ranks.size], &x.dims[1..]].concat(), data }]
    }
}

impl Op for AllReduce {
    facts!("all_reduce");

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        Ok(inputs.to_vec())
    }

    fn lower(&self, _io: &Io, _target: &Target) -> Lowered {
        Lowered::default()
    }

    fn exchange(&self) -> Option<Exchange> {
        Some(Exchange::Sum { scale: self.scale })
    }

    fn reference(&self, inputs: &[&Array], updates: &mut [Array]) -> Vec<Array> {
        let factor = self.ranks.size as f64 * f64::from(self.scale);
        let times = |array: &Array| Array { data: array.data.iter().map(|v| v * factor).collect(), ..array.clone() };
        updates.iter_mut().for_each(|state| *state = times(state));
        inputs.iter().map(|input| times(input)).collect()
    }
}

pub(super) fn cases() -> Vec<Case> {
    let own = |rank, size, parts| OwnRows { parts, ranks: Ranks { rank, size } };
    vec![
        Case::new("own_rows of two views", own(1, 3, 2)).fixed(Shape::rows([12, 7]), Fill::Normal),
        Case::new("own_rows of images", own(0, 2, 1)).fixed(Shape::rows([6, 3, 5, 3]), Fill::Normal),
    ]
}
