//! `simsiam bench data`: how fast images are decoded and cut into patches, and whether a training step has to wait for them.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use serde_json::json;
use simsiam::augment::{Batches, Feed, Loader, Pace, Views};
use simsiam::config::Config;
use simsiam::data::{self, Dataset, ImageSet, Limits, Sequence, Spec, steps_per_epoch};
use simsiam::gpu::Plan;
use simsiam::graph::{Graph, Program, Store, Target};
use simsiam::method::{self, LossScaleState, StepInfo, training_step};
use simsiam::model::Parameters;

use super::network::Network;
use super::subject::median;
use crate::cli::device::DeviceArg;
use crate::cli::{UsageError, say};

/// Rounds of steps with the loader and of steps without, in turns.
const ROUNDS: usize = 3;

#[derive(clap::Args)]
pub struct Args {
    /// The images: demo, a folder, or KIND:PLACE.
    #[arg(value_name = "SPEC")]
    data: String,
    #[command(flatten)]
    network: Network,
    /// Decoding threads; 0 is all cores but one.
    #[arg(long, value_name = "N", default_value = "0")]
    threads: String,
    /// Passes over all images.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=1000))]
    epochs: u32,
    /// Also time this many training steps fed by the loader, and the same steps on a batch already on the device.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1000))]
    steps: u32,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceArg,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let mut config = args.network.config()?;
    config.assign("SPEC", "data.source", &args.data)?;
    config.assign("--threads", "data.threads", &args.threads)?;
    config.optim.epochs = args.epochs as usize;
    let spec: Spec = args.data.parse()?;
    let dataset = data::open(&spec, Limits::default())?;
    let per_epoch = steps_per_epoch(dataset.train.len(), config.optim.batch_size);
    if per_epoch == 0 {
        let (batch, n) = (config.optim.batch_size, dataset.train.len());
        return Err(UsageError(format!("--batch-size {batch}: there are {n} images")).into());
    }
    let passes = alone(&config, &dataset, per_epoch)?;
    let threads = Pace::new(&config, 1).threads;
    let rate = median(passes.iter().map(|pass| pass.images / pass.seconds).collect());
    let bytes = passes.last().map_or(0.0, |pass| pass.bytes / pass.images);
    let step = match args.steps {
        0 => None,
        steps => Some(against_resident(args, &config, &dataset, steps as usize)?),
    };
    if args.json {
        say!(
            "{}",
            json!({
                "data": dataset.name,
                "threads": threads,
                "images_per_second": rate,
                "images_per_second_per_thread": rate / threads as f64,
                "bytes_per_image": bytes,
                "resident_memory_bytes": passes.iter().map(|pass| pass.memory).collect::<Vec<_>>(),
                "step_seconds_with_loader": step.map(|s| s[0]),
                "step_seconds_resident": step.map(|s| s[1]),
            })
        );
        return Ok(ExitCode::SUCCESS);
    }
    say!(
        "loader   {rate:.0} images/s with {threads} threads, {:.0} a thread; {:.0} kB an image go to the device",
        rate / threads as f64,
        bytes / 1e3
    );
    for (index, pass) in passes.iter().enumerate() {
        let memory = pass
            .memory
            .map_or(String::new(), |bytes| format!(", {:.0} MiB of memory", bytes as f64 / f64::from(1 << 20)));
        say!("         pass {}: {:.0} images in {:.2} s{memory}", index + 1, pass.images, pass.seconds);
    }
    if let Some([loaded, resident]) = step {
        say!(
            "step     {:.1} ms with the loader, {:.1} ms on a resident batch: {:.3} times",
            1e3 * loaded,
            1e3 * resident,
            loaded / resident
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// One pass over the images.
struct Pass {
    images: f64,
    seconds: f64,
    /// Bytes of the patches.
    bytes: f64,
    /// What the process takes at its end, where the system tells.
    memory: Option<u64>,
}

fn training(config: &Config, len: usize) -> Views {
    Views::Training {
        groups: method::of(config).views(config),
        sequence: Sequence::new(config.run.seed, len, config.optim.batch_size),
        seed: config.run.seed,
    }
}

/// The loader without a consumer to wait for.
fn alone(config: &Config, dataset: &Dataset, per_epoch: usize) -> Result<Vec<Pass>> {
    let batch = config.optim.batch_size;
    let set: &Arc<dyn ImageSet> = &dataset.train;
    let images = (per_epoch * batch) as u64;
    let mut loader = Loader::new(
        set.clone(),
        training(config, set.len()),
        config.data.max_unreadable,
        Pace::new(config, batch),
        0..images * config.optim.epochs as u64,
    );
    let mut passes = Vec::new();
    for _ in 0..config.optim.epochs {
        let begin = Instant::now();
        let mut bytes = 0;
        for _ in 0..per_epoch {
            bytes += loader.next_batch(batch)?.bytes.len();
        }
        passes.push(Pass {
            images: images as f64,
            seconds: begin.elapsed().as_secs_f64(),
            bytes: bytes as f64,
            memory: resident_memory(),
        });
    }
    Ok(passes)
}

/// Bytes of this process that are in memory.
fn resident_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes << 10)
}

/// Seconds of a whole training step, views included, fed by the loader and on the batch that the device holds: means.
fn against_resident(args: &Args, config: &Config, dataset: &Dataset, steps: usize) -> Result<[f64; 2]> {
    let gpu = args.device.open()?;
    let (batch, groups) = (config.optim.batch_size, method::of(config).views(config));
    let mut graph = Graph::new();
    let mut parameters = Parameters::new();
    let feed = Feed::streamed(&mut graph, dataset.train.size(), &groups, batch);
    let views = feed.views(&mut graph)?;
    let nodes = training_step(&mut graph, &views, dataset.train.len(), config, &mut parameters)?;
    let mut store = Store::new(&gpu);
    parameters.allocate(&mut store)?;
    graph.recompute(&Target::of(&gpu), None)?;
    parameters.write(&store, &parameters.initialize(0));
    let mut program = Program::compile(&graph, &mut store)?;
    LossScaleState::INITIAL.write(&store);
    if !gpu.is_software() {
        program.plan().bound_submits(Plan::HEADLESS);
    }
    program.write(nodes.rates, &[0.0, 0.0]);
    let first: Vec<u32> = (0..batch as u32).collect();
    let info = StepInfo { step: 0, steps: 1, steps_per_epoch: 1, images: &first };
    nodes.inputs.iter().for_each(|input| input.write(&program, &info));
    let mut readback = program.readback(&[nodes.loss]);
    // More than are asked for, so that the loader is never at its end.
    let mut batches = Batches::new(config, dataset.train.clone(), feed, u64::MAX / batch as u64);
    let mut next = 0;
    let mut timed = |loaded: bool| -> Result<Vec<f64>> {
        let mut times = Vec::new();
        // The first two find a full queue, or compile inside the driver.
        for index in 0..steps + 2 {
            let begin = Instant::now();
            if loaded {
                batches.write(&program, next)?;
                next += 1;
            }
            program.run(Some((&mut readback, 0)))?;
            while readback.wait()?.is_some() {}
            if index >= 2 {
                times.push(begin.elapsed().as_secs_f64());
            }
        }
        Ok(times)
    };
    let (mut loaded, mut resident) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        loaded.extend(timed(true)?);
        resident.extend(timed(false)?);
    }
    Ok([mean(&loaded), mean(&resident)])
}

/// A step that waits for its images shows in the mean, not in the median.
fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}
