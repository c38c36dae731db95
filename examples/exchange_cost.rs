//! What an exchange between ranks costs: the round trip of a synchronised batch norm, and the sum of the gradients of a network.
//!
//!     cargo build --release --features mpi --example exchange_cost
//!     mpirun -n 2 target/release/examples/exchange_cost
//!
//! Started alone it shows what of it is the device: submit, read back, write.

use std::time::Instant;

use simsiam::gpu::{Gpu, GpuOptions};
use simsiam::graph::{Graph, Program, Shape, Store};
use simsiam::ops::{AllGather, AllReduce, Relu};
use simsiam::ranks::{self, Ranks};

/// Exchanges in a row, as many as a ResNet-18 has of its batch norms in a step, both ways.
const ROUNDS: usize = 46;
/// Words of the gradients of a ResNet-18 of width 64 with its heads.
const GRADIENTS: usize = 11_250_000;
const REPEATS: usize = 5;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let link = ranks::join()?;
    let ranks = link.ranks();
    let gpu = Gpu::open(None, GpuOptions::default())?;
    // The graph of a single rank has no exchanges. Started alone, it is built for two, and the link returns what it is given.
    let graph_ranks = if ranks.is_alone() { Ranks { rank: 0, size: 2 } } else { ranks };
    let say = |line: String| {
        if ranks.is_first() {
            println!("{line}");
        }
    };
    say(format!("{} ranks, rank 0 on {}", ranks.size, gpu.report().name));

    for channels in [64, 512] {
        let mut graph = Graph::of_ranks(graph_ranks);
        let x = graph.input("x", Shape::rows([2, 2, channels]));
        for _ in 0..ROUNDS {
            let y = graph.add_one(Relu, &[x])?;
            match ranks.is_alone() {
                true => graph.add_one(AllReduce::sum(graph_ranks), &[y])?,
                false => graph.add_one(AllGather { parts: 2, ranks }, &[y])?,
            };
        }
        let best = best(&graph, &gpu, &link)?;
        say(format!("{:>9.1} µs an exchange of {} bytes", 1e6 * best / ROUNDS as f64, 2 * 2 * channels * 4));
    }

    let mut graph = Graph::of_ranks(graph_ranks);
    let state = graph.state("gradients", Shape::rows([GRADIENTS]), "gradients", 0);
    AllReduce::sum(graph_ranks).of_state(&mut graph, state)?;
    let best = best(&graph, &gpu, &link)?;
    let megabytes = GRADIENTS as f64 * 4e-6;
    say(format!("{:>9.1} ms the sum of {megabytes:.0} MB: {:.2} GB/s", 1e3 * best, megabytes * 1e-3 / best));
    link.finish()?;
    Ok(())
}

/// Seconds of the fastest run.
fn best(graph: &Graph, gpu: &Gpu, link: &ranks::Link) -> Result<f64, Box<dyn std::error::Error>> {
    let mut program = Program::compile(graph, &mut Store::linked(gpu, link.clone()))?;
    let mut best = f64::INFINITY;
    for _ in 0..REPEATS {
        let began = Instant::now();
        program.run(None)?;
        gpu.wait()?;
        best = best.min(began.elapsed().as_secs_f64());
    }
    Ok(best)
}
