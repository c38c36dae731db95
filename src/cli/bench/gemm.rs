//! The rate of a square matrix product: what the kernels reach where shapes are kind.

use std::time::Instant;

use anyhow::Result;
use simsiam::gpu::Gpu;
use simsiam::graph::{Choices, Graph, Precision, Program, Shape, Store, Target};
use simsiam::ops::Linear;
use simsiam::random::{Draw, Purpose};

/// Timed runs of a candidate, after one that compiles inside the driver.
const RUNS: usize = 5;
/// No candidate is begun after so long; the best guesses come first.
const SECONDS: f64 = 4.0;

/// Operations a second of the best candidate for `[side, side]`·`[side, side]`, with activations in this precision.
pub fn flops(gpu: &Gpu, side: usize, precision: Precision) -> Result<f64> {
    let began = Instant::now();
    // A fast GPU is through with one before a submit is through the driver.
    let products = if gpu.is_software() { 1 } else { 64 };
    let mut graph = Graph::new();
    let x = graph.input("x", Shape::rows([side, side]).with(precision));
    let w = graph.input("w", Shape::weight([side, side]));
    for _ in 0..products {
        graph.add_one(Linear { bias: false }, &[x, w])?;
    }
    let mut draw = Draw::new(0, Purpose::Benchmark, 0, 0, 0);
    let values: Vec<f32> = (0..side * side).map(|_| draw.normal() as f32).collect();
    let node = graph.nodes()[0].clone();
    let candidates = node.op.candidates(&graph.io(&node), &Target::of(gpu));
    let mut best = f64::INFINITY;
    for candidate in candidates {
        if began.elapsed().as_secs_f64() > SECONDS {
            break;
        }
        let choice = (graph.signature(&node), candidate.name);
        graph.choose(&Choices([choice].into_iter().collect()));
        let mut program = Program::compile(&graph, &mut Store::new(gpu))?;
        program.write(x, &values);
        program.write(w, &values);
        for run in 0..=RUNS {
            let began = Instant::now();
            program.run(None)?;
            gpu.wait()?;
            if run > 0 {
                best = best.min(began.elapsed().as_secs_f64());
            }
        }
    }
    Ok(graph.flops() as f64 / best)
}
