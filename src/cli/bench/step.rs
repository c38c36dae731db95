//! `simsiam bench step`: what a training step costs on this adapter.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use serde_json::json;
use simsiam::config::Config;
use simsiam::gpu::{Gpu, Options};
use simsiam::graph::{Graph, Program, Shape, Store, Target, refuse_above};
use simsiam::method::simsiam::training_step;
use simsiam::model::Parameters;
use simsiam::random::{Draw, Purpose};

use crate::cli::train::recomputation;
use crate::cli::{UsageError, say};

#[derive(clap::Args)]
pub struct Args {
    /// resnet18, resnet34, resnet50, resnet101 or resnet_tiny.
    #[arg(long, value_name = "NAME", default_value = "resnet18")]
    arch: String,
    /// Channels of the first stage.
    #[arg(long, value_name = "N", default_value = "64")]
    width: String,
    /// Side of a view in pixels.
    #[arg(long, value_name = "N", default_value = "32")]
    image_size: String,
    /// Images a step; each gives two views.
    #[arg(long, value_name = "N", default_value = "64")]
    batch_size: String,
    /// Width of the output z, of the projector's hidden layers, and four times that of the predictor.
    #[arg(long, value_name = "N", default_value = "2048")]
    dim: String,
    /// f32.
    #[arg(long, value_name = "P", default_value = "f32")]
    precision: String,
    /// Device memory that the step may take, such as 4GiB; where it needs more, blocks are computed twice.
    #[arg(long, value_name = "SIZE", default_value = "none")]
    memory: String,
    /// Steps timed, after two that are not.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    steps: u32,
    /// One JSON object instead of lines.
    #[arg(long)]
    json: bool,
    /// The adapter: its number in `simsiam devices` or a part of its name.
    #[arg(long, value_name = "INDEX|NAME")]
    device: Option<String>,
}

/// The paper's CIFAR network with another shape: ResNet with the CIFAR stem, 3-layer projector, predictor.
fn configuration(args: &Args) -> Result<Config> {
    let mut config = Config::default();
    for (flag, key, value) in [
        ("--arch", "model.arch", args.arch.as_str()),
        ("--width", "model.width", &args.width),
        ("--image-size", "data.image_size", &args.image_size),
        ("--batch-size", "optim.batch_size", &args.batch_size),
        ("--dim", "model.dim", &args.dim),
        ("--dim", "model.projector_hidden", &args.dim),
        ("--precision", "run.precision", &args.precision),
        ("--memory", "run.memory", &args.memory),
    ] {
        config.assign(flag, key, value)?;
    }
    config.set("model.stem=cifar")?;
    config.set("model.projector_layers=3")?;
    if config.model.dim < 4 {
        return Err(UsageError(format!("--dim {}: at least 4 is wanted", args.dim)).into());
    }
    config.validate()?;
    Ok(config)
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let config = configuration(args)?;
    let gpu = Gpu::open(args.device.as_deref(), Options { checked: false })?;
    let (batch, size) = (config.optim.batch_size, config.data.image_size);

    let mut graph = Graph::new();
    let mut parameters = Parameters::new();
    let views = graph.input("views", Shape::rows([2 * batch, size, size, 3]));
    let nodes = training_step(&mut graph, views, &config, &mut parameters)?;
    let mut store = Store::new(&gpu);
    parameters.allocate(&mut store)?;
    let (target, allowed) = (Target::of(&gpu), config.run.memory.0);
    let left = allowed.map(|bytes| bytes.saturating_sub(store.bytes()));
    let mut recomputed = graph.recompute(&target, left)?;
    recomputed.before += store.bytes();
    recomputed.after += store.bytes();
    refuse_above(recomputed.after, allowed, gpu.report().memory)?;
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
            "recomputed": recomputed,
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
    if let Some(line) = recomputation(&recomputed) {
        say!("         {line}");
    }
    Ok(ExitCode::SUCCESS)
}
