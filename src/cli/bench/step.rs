//! `simsiam bench step`: what a training step costs on this adapter, and what share of the adapter's limit that is.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use simsiam::config::{self, Config};
use simsiam::gpu::{Gpu, GpuError, Roofline};
use simsiam::graph::tune::Tuned;
use simsiam::graph::{GraphError, Precision, Recomputed};

use super::gemm::{self, SIDE};
use super::network::Network;
use super::profile::Profile;
use super::subject::{StepTimes, Subject};
use crate::cli::device::DeviceArg;
use crate::cli::train_summary::recomputation;
use crate::cli::tuning::tell;
use crate::cli::{UsageError, say};

const MIB: f64 = (1 << 20) as f64;

#[derive(clap::Args)]
pub struct Args {
    /// resnet18, resnet34, resnet50, resnet101 or resnet_tiny.
    #[arg(long, value_name = "NAME", default_value = "resnet18")]
    arch: String,
    /// Channels of the first stage; a list such as 16,32,64 prints a table.
    #[arg(long, value_name = "N", default_value = "64", value_delimiter = ',')]
    width: Vec<String>,
    /// Side of a view in pixels.
    #[arg(long, value_name = "N", default_value = "32")]
    image_size: String,
    /// Images per step, two views each; a list prints a table.
    #[arg(long, value_name = "N", default_value = "64", value_delimiter = ',')]
    batch_size: Vec<String>,
    /// Width of the output z, of the projector's hidden layers, and four times that of the predictor.
    #[arg(long, value_name = "N", default_value = "2048")]
    dim: String,
    /// f32, or f16 for activations and their gradients.
    #[arg(long, value_name = "P", default_value = "f32")]
    precision: String,
    /// Device memory limit, such as 4GiB; activation checkpointing recomputes blocks in the backward pass to stay below it.
    #[arg(long, value_name = "SIZE", default_value = "none")]
    memory: String,
    /// Steps to time, after four warm-up steps.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=2_000))]
    steps: u32,
    /// Also print the time of every kernel and layer, by the device's clock.
    #[arg(long)]
    profile: bool,
    /// Write the dispatches of one step as a Chrome trace, for chrome://tracing or ui.perfetto.dev.
    #[arg(long, value_name = "FILE.json")]
    trace: Option<PathBuf>,
    /// Print one JSON object per measurement.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceArg,
    /// Use each operator's default kernel: no tuning, no cached tuning results.
    #[arg(long)]
    no_tune: bool,
}

/// What the adapter reaches where nothing is in the way, in operations and bytes a second.
struct DeviceLimits {
    roofline: Roofline,
    gemm: f64,
}

impl DeviceLimits {
    fn measure(gpu: &Gpu, precision: config::Precision) -> Result<DeviceLimits> {
        let activations = match precision {
            config::Precision::F32 => Precision::F32,
            config::Precision::F16 => Precision::F16,
        };
        Ok(DeviceLimits { roofline: Roofline::measure(gpu)?, gemm: gemm::flops(gpu, activations)? })
    }

    /// The roofline for the precision of a step.
    fn peak(&self, config: &Config) -> f64 {
        self.roofline.flops(config.run.precision == config::Precision::F16)
    }
}

struct Row {
    config: Config,
    parameters: usize,
    dispatches: usize,
    flops: u64,
    memory: u64,
    recomputed: Recomputed,
    pace: StepTimes,
    profile: Option<Profile>,
    /// What was chosen, unless nothing was to be.
    tuned: Option<Tuned>,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let mut configs = Vec::new();
    for width in &args.width {
        for batch in &args.batch_size {
            configs.push(configuration(args, width, batch)?);
        }
    }
    let table = configs.len() > 1;
    if table && (args.profile || args.trace.is_some()) {
        let what = "--profile and --trace take one --width and one --batch-size".to_owned();
        return Err(UsageError(what).into());
    }
    let gpu = args.device.open()?;
    // A step that does not fit is refused before anything is measured.
    let mut first = (!table).then(|| Subject::new(&gpu, &configs[0], !args.no_tune)).transpose()?;
    let limits = DeviceLimits::measure(&gpu, configs[0].run.precision)?;
    if table && !args.json {
        head(&gpu, &limits, &configs[0]);
    }
    for config in configs {
        let subject = first.take().map_or_else(|| Subject::new(&gpu, &config, !args.no_tune), Ok);
        let row = match subject.and_then(|subject| measure(args, &gpu, &config, subject, &limits)) {
            Ok(row) => row,
            // A table says which of its rows this adapter cannot hold, and goes on.
            Err(error) if table && is_too_large(&error) => {
                refused(args, &config, &error);
                continue;
            }
            Err(error) => return Err(error),
        };
        match (args.json, table) {
            (true, _) => say!("{}", object(args, &gpu, &limits, &row)),
            (false, true) => line(&limits, &row),
            (false, false) => text(args, &gpu, &limits, &row),
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// One row of the table.
fn configuration(args: &Args, width: &str, batch: &str) -> Result<Config> {
    let network = Network {
        arch: args.arch.clone(),
        width: width.to_owned(),
        image_size: args.image_size.clone(),
        batch_size: batch.to_owned(),
        dim: args.dim.clone(),
        precision: args.precision.clone(),
    };
    let mut config = network.config()?;
    config.assign("--memory", "run.memory", &args.memory)?;
    Ok(config)
}

fn measure(args: &Args, gpu: &Gpu, config: &Config, mut subject: Subject, limits: &DeviceLimits) -> Result<Row> {
    let pace = subject.pace(args.steps as usize, gpu.has_timestamps())?;
    let wanted = args.profile || args.trace.is_some();
    let profile = wanted.then(|| {
        let peak = limits.peak(config);
        Profile::take(&mut subject.program, peak, limits.roofline.copy_bytes)
    });
    let profile = profile.transpose()?;
    if let (Some(path), Some(profile)) = (&args.trace, &profile) {
        let text = profile.trace(&gpu.report().name).to_string();
        std::fs::write(path, text).with_context(|| format!("{} was not written", path.display()))?;
    }
    Ok(Row {
        parameters: subject.parameters,
        dispatches: subject.program.dispatches(),
        flops: subject.flops,
        memory: subject.memory,
        recomputed: subject.recomputed,
        tuned: subject.tuned,
        config: config.clone(),
        pace,
        profile,
    })
}

impl Row {
    fn rate(&self) -> f64 {
        self.flops as f64 / self.pace.median
    }

    fn images_per_second(&self) -> f64 {
        self.config.optim.batch_size as f64 / self.pace.median
    }

    fn share_of_peak(&self, limits: &DeviceLimits) -> f64 {
        self.rate() / limits.peak(&self.config)
    }
}

fn object(args: &Args, gpu: &Gpu, limits: &DeviceLimits, row: &Row) -> Value {
    let (config, pace) = (&row.config, &row.pace);
    json!({
        "adapter": gpu.report().name,
        "backend": gpu.report().backend,
        "driver": gpu.report().driver,
        "checked": gpu.is_checked(),
        "arch": config.model.arch.name(),
        "width": config.model.width,
        "image_size": config.data.image_size,
        "batch_size": config.optim.batch_size,
        "dim": config.model.dim,
        "precision": config.run.precision.name(),
        "parameters": row.parameters,
        "dispatches": row.dispatches,
        "steps": args.steps,
        "tuned": row.tuned.is_some(),
        "step_seconds": pace.median,
        "step_seconds_least": pace.least,
        "images_per_second": row.images_per_second(),
        "flops": row.flops,
        "gflops_per_second": row.rate() * 1e-9,
        "share_of_peak": row.share_of_peak(limits),
        "share_of_gemm_512": row.rate() / limits.gemm,
        "gemm_512_gflops": limits.gemm * 1e-9,
        "ceilings": {
            "f32_gflops": limits.roofline.f32_flops * 1e-9,
            "f16_gflops": limits.roofline.f16_flops.map(|flops| flops * 1e-9),
            "coop_gflops": limits.roofline.coop_flops.map(|flops| flops * 1e-9),
            "copy_gb_per_second": limits.roofline.copy_bytes * 1e-9,
        },
        "host_share": pace.host / pace.median,
        "idle_share": pace.idle.map(|idle| idle / pace.median),
        "memory_bytes": row.memory,
        "recomputed": row.recomputed,
        "loss": pace.loss,
        "profile": row.profile.as_ref().map(Profile::object),
    })
}

fn limits_in_words(limits: &DeviceLimits) -> String {
    let also = |what: &str, flops: Option<f64>| match flops {
        Some(flops) => format!(", {what} {:.0}", flops * 1e-9),
        None => String::new(),
    };
    format!(
        "{:.0} GFLOP/s of multiply-adds in registers{}{}; a copy {:.1} GB/s; product of {SIDE}x{SIDE} matrices {:.1} GFLOP/s",
        limits.roofline.f32_flops * 1e-9,
        also("in f16", limits.roofline.f16_flops),
        also("with cooperative matrices", limits.roofline.coop_flops),
        limits.roofline.copy_bytes * 1e-9,
        limits.gemm * 1e-9,
    )
}

fn text(args: &Args, gpu: &Gpu, limits: &DeviceLimits, row: &Row) {
    let (report, config, pace) = (gpu.report(), &row.config, &row.pace);
    say!("device   {} ({}, driver {})", report.name, report.backend, report.driver);
    say!("limits   {}", limits_in_words(limits));
    if let Some(tuned) = &row.tuned {
        tell(tuned);
    }
    say!(
        "step     {} of width {}, {size}x{size} pixels, batch {}, d {}, {}: {} parameters, {} dispatches",
        config.model.arch,
        config.model.width,
        config.optim.batch_size,
        config.model.dim,
        config.run.precision.name(),
        row.parameters,
        row.dispatches,
        size = config.data.image_size,
    );
    say!("time     {:.1} ms a step (median of {}, least {:.1} ms)", pace.median * 1e3, args.steps, pace.least * 1e3);
    say!(
        "rate     {:.1} images/s, {:.1} GFLOP/s: {:.0} % of the limit, {:.0} % of the matrix product",
        row.images_per_second(),
        row.rate() * 1e-9,
        row.share_of_peak(limits) * 1e2,
        row.rate() / limits.gemm * 1e2
    );
    let idle = match pace.idle {
        Some(idle) => format!("idle {:.2} % of it", idle / pace.median * 1e2),
        None => "without a clock".to_owned(),
    };
    say!("host     busy {:.2} % of a step; device between steps {idle}", pace.host / pace.median * 1e2);
    say!("memory   {:.1} MiB", row.memory as f64 / MIB);
    if let Some(line) = recomputation(&row.recomputed) {
        say!("         {line}");
    }
    if let (true, Some(profile)) = (args.profile, &row.profile) {
        profile.print();
    }
}

fn head(gpu: &Gpu, limits: &DeviceLimits, config: &Config) {
    let report = gpu.report();
    say!("{} ({}, driver {}): {}", report.name, report.backend, report.driver, limits_in_words(limits));
    say!(
        "{}, {size}x{size} pixels, d {}, {}",
        config.model.arch,
        config.model.dim,
        config.run.precision.name(),
        size = config.data.image_size,
    );
    say!("width batch   ms a step  ms an image  images/s  GFLOP/s  of peak       MiB  host %  idle %");
}

fn line(limits: &DeviceLimits, row: &Row) {
    let (config, pace) = (&row.config, &row.pace);
    let batch = config.optim.batch_size;
    let idle = match pace.idle {
        Some(idle) => format!("{:.2}", idle / pace.median * 1e2),
        None => "-".to_owned(),
    };
    say!(
        "{:5} {batch:5}  {:10.1}  {:11.2}  {:8.1}  {:7.1}  {:5.0} %  {:8.1}  {:6.2}  {idle:>6}",
        config.model.width,
        pace.median * 1e3,
        pace.median * 1e3 / batch as f64,
        row.images_per_second(),
        row.rate() * 1e-9,
        row.share_of_peak(limits) * 1e2,
        row.memory as f64 / MIB,
        pace.host / pace.median * 1e2,
    );
}

fn is_too_large(error: &anyhow::Error) -> bool {
    let gpu = |e: &GpuError| matches!(e, GpuError::OutOfMemory { .. });
    error.chain().any(|cause| {
        match cause.downcast_ref::<GraphError>() {
            Some(GraphError::TensorTooLarge { .. } | GraphError::Memory { .. } | GraphError::MemoryLimit { .. }) => {
                return true;
            }
            Some(GraphError::Gpu(error)) => return gpu(error),
            _ => {}
        }
        cause.downcast_ref().is_some_and(gpu)
    })
}

fn refused(args: &Args, config: &Config, error: &anyhow::Error) {
    let (width, batch) = (config.model.width, config.optim.batch_size);
    match args.json {
        true => say!("{}", json!({"width": width, "batch_size": batch, "refused": error.to_string()})),
        false => say!("{width:5} {batch:5}  refused: {error}"),
    }
}
