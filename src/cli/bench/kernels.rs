//! `simsiam bench kernels`: every candidate kernel on every shape of a training step.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use serde_json::{Value, json};
use simsiam::augment::ViewGroup;
use simsiam::config::Precision;
use simsiam::gpu::{Gpu, Roofline};
use simsiam::graph::tune::{Measured, OpSignature, Trial, TrialOutcome, Work, measure, signatures};
use simsiam::graph::{self, Graph, Shape, Target, Tensor};
use simsiam::method::{self, training_step};
use simsiam::model::Parameters;

use super::gemm;
use super::network::Network;
use crate::cli::device::DeviceArg;
use crate::cli::{UsageError, say};

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    network: Network,
    /// Seconds for candidates beyond the first of each shape; shapes with the most operations come first. The yardstick at the end
    /// has as many.
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0, value_parser = seconds)]
    budget: f64,
    /// Only operators whose name contains this.
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceArg,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.0..=1e6).contains(&seconds) => Ok(seconds),
        _ => Err("expected a number of seconds".to_owned()),
    }
}

/// A kind of node and how its candidates did.
struct Row {
    kind: OpSignature,
    measured: Measured,
}

impl Row {
    fn new(gpu: &Gpu, kind: OpSignature, bytes: u64, seconds: f64) -> Result<Row> {
        let candidates = kind.candidates(&Target::of(gpu));
        let measured = measure(gpu, &kind, &candidates, bytes, &mut |_| seconds)?;
        Ok(Row { kind, measured })
    }

    fn chosen(&self) -> &Trial {
        &self.measured.trials[self.measured.chosen]
    }

    /// Of all its nodes in a step, with the chosen candidate.
    fn step_seconds(&self) -> f64 {
        self.kind.nodes as f64 * self.chosen().seconds().unwrap_or(0.0)
    }

    fn gflops(&self, trial: &Trial) -> Option<f64> {
        let flops = self.kind.flops() as f64;
        let seconds = trial.seconds().filter(|_| flops > 0.0)?;
        Some(flops / seconds * 1e-9)
    }

    /// Inputs and outputs.
    fn shapes(&self) -> String {
        let list = |shapes: &[Shape]| {
            let texts: Vec<String> = shapes.iter().map(|shape| format!("{shape:?}")).collect();
            texts.join(" ")
        };
        let io = &self.kind.io;
        format!("{} -> {}", list(&io.inputs), list(&io.outputs))
    }
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let config = args.network.config()?;
    let gpu = args.device.open()?;
    let batch = config.optim.batch_size;
    let mut graph = Graph::new();
    let groups = method::of(&config).views(&config);
    let view = |group: &ViewGroup| Shape::rows([group.count() * batch, group.size, group.size, 3]);
    let views: Vec<Tensor> = groups.iter().map(|group| graph.input("views", view(group))).collect();
    training_step(&mut graph, &views, batch, &config, &mut Parameters::new())?;
    let bytes = graph.memory(&Target::of(&gpu))?.total();
    let began = Instant::now();
    let mut left = args.budget;
    let mut rows = Vec::new();
    let work = Work { graph: &graph, runs: 1 };
    let mut kinds = signatures(&[work]);
    kinds.retain(|kind| kind.op.name().contains(&args.only));
    if kinds.is_empty() {
        let line = format!("--only {}: no operator of the step has it in its name", args.only);
        return Err(UsageError(line).into());
    }
    for kind in kinds {
        let row = Row::new(&gpu, kind, bytes, left.max(0.0))?;
        if row.measured.trials.len() > 1 {
            left -= row.measured.spent;
        }
        rows.push(row);
    }
    let activations = match config.run.precision {
        Precision::F32 => graph::Precision::F32,
        Precision::F16 => graph::Precision::F16,
    };
    let yardstick = Row::new(&gpu, gemm::product(activations)?, u64::MAX, args.budget)?;
    // Fused multiply-adds in registers.
    let roofline = Roofline::measure(&gpu)?;
    let peak = roofline.flops(config.run.precision == Precision::F16) * 1e-9;
    rows.sort_by(|a, b| b.step_seconds().total_cmp(&a.step_seconds()));
    let step: f64 = rows.iter().map(Row::step_seconds).sum();
    let took = began.elapsed().as_secs_f64();
    let report = gpu.report();
    if args.json {
        let kernels: Vec<Value> = rows.iter().map(|row| object(row, step, peak)).collect();
        let line = json!({
            "adapter": report.name,
            "backend": report.backend,
            "driver": report.driver,
            "arch": config.model.arch.name(),
            "width": config.model.width,
            "image_size": config.data.image_size,
            "batch_size": config.optim.batch_size,
            "dim": config.model.dim,
            "precision": config.run.precision.name(),
            "seconds": took,
            "kernel_seconds_a_step": step,
            "kernels": kernels,
            "peak_gflops_per_second": peak,
            "gemm_512": object(&yardstick, step, peak),
        });
        say!("{line}");
        return Ok(ExitCode::SUCCESS);
    }
    say!("device   {} ({}, driver {})", report.name, report.backend, report.driver);
    say!(
        "step     {} of width {}, {size}x{size} pixels, batch {}, d {}: {} shapes, {:.1} ms in kernels; measured in {took:.1} s",
        config.model.arch,
        config.model.width,
        config.optim.batch_size,
        config.model.dim,
        rows.len(),
        step * 1e3,
        size = config.data.image_size,
    );
    say!("");
    say!(
        "{:>7} {:>5}  {:46} {:>12} {:>9} {:>8}",
        "share",
        "nodes",
        "kernel (* is chosen)",
        "time",
        "GFLOP/s",
        "of peak"
    );
    for row in &rows {
        say!(
            "{:>5.1} % {:>5}  {} {}",
            100.0 * row.step_seconds() / step,
            row.kind.nodes,
            row.kind.op.name(),
            row.shapes()
        );
        print(row, peak);
    }
    say!("");
    let side = gemm::SIDE;
    say!("yardstick: a product of two {side}x{side} matrices");
    print(&yardstick, peak);
    if let Some(gflops) = yardstick.gflops(yardstick.chosen()) {
        say!("best GEMM rate: {gflops:.1} GFLOP/s; peak of the adapter in registers: {peak:.1} GFLOP/s");
    }
    Ok(ExitCode::SUCCESS)
}

/// The candidates of a row, fastest first, then those without a time.
fn print(row: &Row, peak: f64) {
    let mut trials: Vec<(usize, &Trial)> = row.measured.trials.iter().enumerate().collect();
    let order = |trial: &Trial| trial.seconds().unwrap_or(f64::INFINITY);
    trials.sort_by(|(_, a), (_, b)| order(a).total_cmp(&order(b)));
    let untried = trials.len();
    trials.retain(|(_, trial)| trial.outcome != TrialOutcome::Untried);
    let untried = untried - trials.len();
    for (index, trial) in trials {
        let mark = if index == row.measured.chosen { "*" } else { " " };
        let outcome = match &trial.outcome {
            TrialOutcome::Seconds(seconds) => {
                let rate = row.gflops(trial);
                let rate = rate.map(|g| format!(" {g:>9.1} {:>6.1} %", 100.0 * g / peak));
                format!("{:>9.3} ms{}", seconds * 1e3, rate.unwrap_or_default())
            }
            other => explain(other),
        };
        say!("{:15} {mark} {:44} {outcome}", "", trial.name);
    }
    if untried > 0 {
        say!("{:17} {untried} not tried: the budget is used up", "");
    }
}

/// Why there is no time.
fn explain(outcome: &TrialOutcome) -> String {
    match outcome {
        TrialOutcome::Seconds(_) => "timed".to_owned(),
        TrialOutcome::Failed(reason) => {
            let words: Vec<&str> = reason.split_whitespace().collect();
            format!("fails: {}", words.join(" "))
        }
        TrialOutcome::Differs(by) => format!("differs from the first by {by:.1e}"),
        TrialOutcome::TooLarge => "needs too much memory".to_owned(),
        TrialOutcome::Untried => "not tried: the budget is used up".to_owned(),
    }
}

fn object(row: &Row, step: f64, peak: f64) -> Value {
    let candidates: Vec<Value> = row
        .measured
        .trials
        .iter()
        .map(|trial| {
            json!({
                "name": trial.name,
                "outcome": explain(&trial.outcome),
                "seconds": trial.seconds(),
                "gflops_per_second": row.gflops(trial),
                "share_of_peak": row.gflops(trial).map(|g| g / peak),
            })
        })
        .collect();
    let dims = |shapes: &[Shape]| -> Vec<Vec<usize>> { shapes.iter().map(|shape| shape.dims().to_vec()).collect() };
    json!({
        "operator": row.kind.op.name(),
        "label": row.kind.label,
        "inputs": dims(&row.kind.io.inputs),
        "outputs": dims(&row.kind.io.outputs),
        "nodes": row.kind.nodes,
        "flops": row.kind.flops(),
        "share": row.step_seconds() / step,
        "chosen": row.chosen().name,
        "gflops_per_second": row.gflops(row.chosen()),
        "share_of_peak": row.gflops(row.chosen()).map(|g| g / peak),
        "candidates": candidates,
    })
}
