//! A file a subcommand.

mod app;
mod bench;
mod counter;
mod data;
mod device;
mod devices;
mod embed;
mod eval;
mod experiment;
mod progress;
mod report;
mod settings;
mod train;
mod trained;
mod tuning;
mod views;

use std::error::Error;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use simsiam::config::ConfigError;
use simsiam::data::DataError;
use simsiam::data::fetch::FetchError;
use simsiam::error::Classified;
use simsiam::eval::EvalError;
use simsiam::experiment::ExperimentError;
use simsiam::gpu::GpuError;
use simsiam::picture::PictureError;
use simsiam::train::{FolderError, TrainError};

/// Writes a line for people. A closed pipe is no reason to end a training.
macro_rules! say {
    ($($argument:tt)*) => {{
        use std::io::Write;
        let _ = writeln!(std::io::stdout(), $($argument)*);
    }};
}
pub(crate) use say;

/// SimSiam, trained from scratch on any GPU: every forward and backward pass is a WGSL compute shader.
#[derive(Parser)]
#[command(name = "simsiam", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Train a network on images without labels. With no options: on built-in images, within minutes.
    Train(Box<train::Args>),
    /// Open the window: train, watch, and see the views.
    App(app::Args),
    /// Picture the views that a network is trained on, with what was drawn for them.
    Views(Box<views::Args>),
    /// Say what the network of a run has learnt: by its neighbours, or by a linear classifier.
    Eval(eval::Args),
    /// Write the features of every image, and draw a map of them.
    Embed(Box<embed::Args>),
    /// Say what a data set holds before anything is trained on it, or get one.
    Data(data::Args),
    /// Repeat the paper's comparisons, or your own, and report what came out.
    Experiment(Box<experiment::Args>),
    /// Lay runs side by side in one HTML file.
    Report(report::Args),
    /// Show the adapters of this machine, and check the kernels on one of them.
    Devices(devices::Args),
    /// Measure what a training step costs on an adapter.
    Bench(bench::Args),
}

/// What only typing something else can fix.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct UsageError(String);

impl Classified for UsageError {
    fn is_usage(&self) -> bool {
        true
    }
}

/// Runs the command that was typed.
pub fn run() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Train(args) => train::run(&args),
        Command::App(args) => app::run(&args),
        Command::Views(args) => views::run(&args),
        Command::Eval(args) => eval::run(&args),
        Command::Embed(args) => embed::run(&args),
        Command::Data(args) => data::run(&args),
        Command::Experiment(args) => experiment::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Devices(args) => devices::run(&args),
        Command::Bench(args) => bench::run(&args),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            // Drivers and compilers speak in several lines.
            let text = format!("{error:#}");
            eprintln!("error: {}", text.split_whitespace().collect::<Vec<_>>().join(" "));
            ExitCode::from(if is_usage(&error) { 2 } else { 1 })
        }
    }
}

/// Whether what was typed is at fault, by the first error in the chain that says so.
fn is_usage(error: &anyhow::Error) -> bool {
    fn says<E: Classified + 'static>(cause: &(dyn Error + 'static)) -> bool {
        cause.downcast_ref::<E>().is_some_and(E::is_usage)
    }
    let kinds = [
        says::<UsageError>,
        says::<ConfigError>,
        says::<DataError>,
        says::<EvalError>,
        says::<ExperimentError>,
        says::<FetchError>,
        says::<FolderError>,
        says::<GpuError>,
        says::<PictureError>,
        says::<TrainError>,
    ];
    error.chain().any(|cause| kinds.iter().any(|says| says(cause)))
}
