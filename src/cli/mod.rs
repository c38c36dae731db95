//! A file a subcommand.

#[cfg(feature = "app")]
mod app;
mod bar;
mod bench;
mod collection;
mod completions;
mod counter;
mod data;
mod dedup;
mod device;
mod devices;
mod embed;
mod eval;
mod experiment;
mod export;
mod follower;
mod import;
mod man;
mod metrics;
#[cfg(not(feature = "app"))]
mod no_app;
mod output;
mod progress;
mod ranks;
mod report;
mod search;
mod settings;
mod signals;
mod train;
mod train_summary;
mod trained;
mod tuning;
mod views;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgAction, Parser, Subcommand};
use log::LevelFilter;
#[cfg(not(feature = "app"))]
use no_app as app;
use output::{log_only, note, say};
use simsiam::config::ConfigError;
use simsiam::data::DataError;
use simsiam::data::fetch::FetchError;
use simsiam::error::Classified;
use simsiam::eval::EvalError;
use simsiam::experiment::ExperimentError;
use simsiam::export::{ExportError, ImportError};
use simsiam::gpu::GpuError;
use simsiam::picture::PictureError;
use simsiam::train::{FolderError, TrainError};

/// SimSiam and the methods it is compared with, trained from scratch on any GPU: every forward and backward pass is a WGSL compute shader.
#[derive(Parser)]
#[command(name = "simsiam", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    printing: OutputArgs,
}

/// How much is printed, of every command.
#[derive(clap::Args)]
#[command(next_help_heading = "Output")]
struct OutputArgs {
    /// Print results, warnings and errors only.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Print what the graphics libraries warn of; twice: what they do; three times: everything.
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
    /// Append every line to this file too, with its time (UTC).
    #[arg(long, global = true, value_name = "FILE")]
    log: Option<PathBuf>,
}

impl OutputArgs {
    fn begin(&self) -> anyhow::Result<()> {
        let level = match self.verbose {
            0 => LevelFilter::Off,
            1 => LevelFilter::Warn,
            2 => LevelFilter::Debug,
            _ => LevelFilter::Trace,
        };
        env_logger::Builder::new().filter_level(level).parse_default_env().init();
        output::begin(self.quiet, self.log.as_deref())
    }
}

#[derive(Subcommand)]
enum Command {
    /// Train a network on images, without labels. Without options: on the built-in images, within minutes.
    Train(Box<train::Args>),
    /// Open the window: train, watch and inspect views.
    #[cfg_attr(not(feature = "app"), command(hide = true))]
    App(app::Args),
    /// Save a picture of the augmented views, with the parameters drawn for each.
    Views(Box<views::Args>),
    /// Evaluate a run with k-NN, a linear probe, fine-tuning, or its features alone.
    Eval(eval::Args),
    /// Save the features of every image, and plot a map of them.
    Embed(Box<embed::Args>),
    /// Find the images of a data set that are most like an image.
    Search(Box<search::Args>),
    /// Find near-duplicates in a data set; deletes nothing.
    Dedup(Box<dedup::Args>),
    /// Write the weights of a run for PyTorch, or its network as an ONNX model.
    Export(export::Args),
    /// Begin a run with weights that another program has trained.
    Import(Box<import::Args>),
    /// Inspect, download or pack a data set.
    Data(data::Args),
    /// Run the paper's comparisons, or your own, and report the results.
    Experiment(Box<experiment::Args>),
    /// Compare runs in one HTML report.
    Report(report::Args),
    /// Write the metrics of runs as a table (CSV or Parquet) or for TensorBoard.
    Metrics(metrics::Args),
    /// List the GPUs of this machine, and check every kernel on one of them.
    Devices(devices::Args),
    /// Benchmark training steps, kernels and data loading.
    Bench(bench::Args),
    /// Print the completions of a shell.
    Completions(completions::Args),
    /// Write manual pages.
    Man(man::Args),
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
    let Cli { command, printing } = match Cli::try_parse() {
        Ok(cli) => cli,
        // All ranks were given the same.
        Err(_) if simsiam::ranks::follows() => return ExitCode::from(2),
        Err(error) => error.exit(),
    };
    if simsiam::ranks::follows() && !matches!(command, Command::Train(_)) {
        return ExitCode::SUCCESS;
    }
    // What a training says is in its folder too.
    let keeps_results = matches!(command, Command::Train(_) | Command::Experiment(_) | Command::App(_));
    let result = printing.begin().and_then(|()| match command {
        Command::Train(args) => train::run(&args),
        Command::App(args) => app::run(&args),
        Command::Views(args) => views::run(&args),
        Command::Eval(args) => eval::run(&args),
        Command::Embed(args) => embed::run(&args),
        Command::Search(args) => search::run(&args),
        Command::Dedup(args) => dedup::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Import(args) => import::run(&args),
        Command::Data(args) => data::run(&args),
        Command::Experiment(args) => experiment::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Metrics(args) => metrics::run(&args),
        Command::Devices(args) => devices::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    });
    let result = result.and_then(|code| match output::finish() {
        Err(error) if !keeps_results => Err(anyhow::anyhow!("the output cannot be written: {error}")),
        _ => Ok(code),
    });
    match result {
        Ok(code) => code,
        Err(error) if error.is::<ranks::ReportedElsewhere>() => ExitCode::FAILURE,
        Err(error) => {
            // Drivers and compilers speak in several lines.
            let text = format!("{error:#}");
            output::error_line(&format!("error: {}", text.split_whitespace().collect::<Vec<_>>().join(" ")));
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
        says::<ExportError>,
        says::<FetchError>,
        says::<ImportError>,
        says::<FolderError>,
        says::<GpuError>,
        says::<PictureError>,
        says::<TrainError>,
    ];
    error.chain().any(|cause| kinds.iter().any(|says| says(cause)))
}
