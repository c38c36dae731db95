//! The rate of a square matrix product: what the kernels reach where shapes are kind.

use anyhow::Result;
use simsiam::gpu::Gpu;
use simsiam::graph::tune::{OpSignature, Trial, Work, measure, signatures};
use simsiam::graph::{Graph, GraphError, Precision, Shape, Target};
use simsiam::ops::Linear;

/// Side of the matrices.
pub const SIDE: usize = 512;
/// No candidate is begun after so long; the best guesses come first.
const SECONDS: f64 = 4.0;

/// `[SIDE, SIDE]`·`[SIDE, SIDE]`, activations in this precision.
pub fn product(precision: Precision) -> Result<OpSignature, GraphError> {
    let mut graph = Graph::new();
    let x = graph.input("x", Shape::rows([SIDE, SIDE]).with(precision));
    let w = graph.input("w", Shape::weight([SIDE, SIDE]));
    graph.add_one(Linear { bias: false }, &[x, w])?;
    let work = Work { graph: &graph, runs: 1 };
    Ok(signatures(&[work]).remove(0))
}

/// Operations a second of its fastest candidate.
pub fn flops(gpu: &Gpu, precision: Precision) -> Result<f64> {
    let kind = product(precision)?;
    let candidates = kind.candidates(&Target::of(gpu));
    let measured = measure(gpu, &kind, &candidates, u64::MAX, &mut |_| SECONDS)?;
    let times = measured.trials.iter().filter_map(Trial::seconds);
    Ok(kind.flops() as f64 / times.fold(f64::INFINITY, f64::min))
}
