//! `simsiam bench step`: what a training step costs on this adapter.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use serde_json::json;
use simsiam::gpu::{Gpu, Options};
use simsiam::graph::tune::{Budget, Cache, Work, tune};
use simsiam::graph::{Graph, Program, Store, Target};
use simsiam::random::{Draw, Purpose};

use super::network::{Network, Training};
use crate::cli::say;
use crate::cli::tuning::Measuring;

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    network: Network,
    /// Steps timed, after two that are not.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    steps: u32,
    /// One JSON object instead of lines.
    #[arg(long)]
    json: bool,
    /// The adapter: its number in `simsiam devices` or a part of its name.
    #[arg(long, value_name = "INDEX|NAME")]
    device: Option<String>,
    /// Run every operator's first kernel instead of the fastest: measure none, and use none measured before.
    #[arg(long)]
    no_tune: bool,
}

/// As many steps as a training has: its kernels are measured as well.
const STEPS: u64 = 10_000;

/// Chooses the kernels that a long training would.
fn choose(gpu: &Gpu, graph: &mut Graph, quiet: bool) -> Result<()> {
    let target = Target::of(gpu);
    let budget = Budget {
        share: f64::INFINITY,
        ..Budget::training(gpu, graph.memory(&target)?.total())
    };
    let work = [Work { graph, runs: STEPS }];
    let measuring = Measuring::new();
    let mut cache = Cache::open(gpu);
    let tuned = tune(gpu, &target, &work, &budget, &mut cache, &mut |done, of| {
        measuring.at(done, of)
    })?;
    graph.choose(&tuned.choices);
    if !quiet {
        measuring.end(&tuned);
    }
    Ok(())
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let config = args.network.config()?;
    let gpu = Gpu::open(args.device.as_deref(), Options { checked: false })?;
    let (batch, size) = (config.optim.batch_size, config.data.image_size);

    let Training {
        mut graph,
        parameters,
        views,
        nodes,
    } = Training::new(&config)?;
    if !args.no_tune {
        choose(&gpu, &mut graph, args.json)?;
    }
    let mut store = Store::new(&gpu);
    parameters.allocate(&mut store)?;
    parameters.write(&store, &parameters.initialize(0));
    let mut program = Program::compile(&graph, &mut store)?;
    let mut draw = Draw::new(0, Purpose::Benchmark, 0, 0, 0);
    let pixels: Vec<f32> = (0..graph.shape(views).len())
        .map(|_| draw.normal() as f32)
        .collect();
    program.write(views, &pixels);
    program.write(nodes.rates, &[0.03, 0.03]);

    let mut seconds = Vec::new();
    for index in 0..args.steps + 2 {
        let began = Instant::now();
        program.run(None)?;
        gpu.wait()?;
        // The first compiles inside the driver, the second fills its caches.
        if index >= 2 {
            seconds.push(began.elapsed().as_secs_f64());
        }
    }
    seconds.sort_by(f64::total_cmp);
    let median = seconds[seconds.len() / 2];
    let flops = graph.flops();
    let memory = program.memory().total() + store.bytes();
    let loss = program.read(nodes.loss)?[0];
    if args.json {
        let line = json!({
            "adapter": gpu.report().name,
            "backend": gpu.report().backend,
            "driver": gpu.report().driver,
            "arch": config.model.arch.name(),
            "width": config.model.width,
            "image_size": size,
            "batch_size": batch,
            "dim": config.model.dim,
            "precision": config.run.precision.name(),
            "parameters": parameters.trained(),
            "steps": args.steps,
            "step_seconds": median,
            "step_seconds_least": seconds[0],
            "images_per_second": batch as f64 / median,
            "flops": flops,
            "gflops_per_second": flops as f64 / median * 1e-9,
            "memory_bytes": memory,
            "tuned": !args.no_tune,
            "loss": loss,
        });
        say!("{line}");
        return Ok(ExitCode::SUCCESS);
    }
    say!(
        "device   {} ({}, driver {})",
        gpu.report().name,
        gpu.report().backend,
        gpu.report().driver
    );
    say!(
        "step     {} of width {}, {size}x{size} pixels, batch {batch}, d {}: {} parameters, {} dispatches",
        config.model.arch,
        config.model.width,
        config.model.dim,
        parameters.trained(),
        program.dispatches()
    );
    say!(
        "time     {:.1} ms a step (median of {}, least {:.1} ms)",
        median * 1e3,
        args.steps,
        seconds[0] * 1e3
    );
    say!(
        "rate     {:.1} images/s, {:.1} GFLOP/s",
        batch as f64 / median,
        flops as f64 / median * 1e-9
    );
    say!("memory   {:.1} MiB", memory as f64 / f64::from(1 << 20));
    Ok(ExitCode::SUCCESS)
}
