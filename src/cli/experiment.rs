//! `simsiam experiment`: the paper's comparisons, or a user's own, on any data.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc;

use anyhow::Result;
use simsiam::experiment::{Definition, ExperimentEvent, ExperimentPlan, Folder, Runner};
use simsiam::format::duration;
use simsiam::paths::native;
use simsiam::regular;
use simsiam::train::{Event, Outcome};

use super::device::DeviceArg;
use super::devices::caution;
use super::progress::TrainProgress;
use super::settings::Settings;
use super::signals::Signals;
use super::tuning::Measuring;
use super::{UsageError, note, say};

#[derive(clap::Args)]
#[command(after_help = "\
NAME is one of --list, `all`, or your own .toml file in the format of assets/experiments. Settings come from a \
preset, file or flags as in `simsiam train`; the experiment varies some of them.

Ctrl-C saves a checkpoint; the same command continues and runs only what is missing. DIR/report.html is updated \
after every run.")]
pub struct Args {
    /// Which experiment.
    #[arg(required_unless_present = "list")]
    name: Option<String>,
    /// Folder for the runs and the report.
    #[arg(long, value_name = "DIR", required_unless_present = "list")]
    out: Option<PathBuf>,
    /// List the built-in experiments and their questions.
    #[arg(long)]
    list: bool,
    /// Seeds per variant.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: u64,
    #[command(flatten)]
    settings: Settings,
    /// Passes over the training images.
    #[arg(long, value_name = "N")]
    epochs: Option<String>,
    /// Images per step.
    #[arg(long, value_name = "N")]
    batch_size: Option<String>,
    #[command(flatten)]
    device: DeviceArg,
    /// Use each operator's default kernel: no tuning.
    #[arg(long)]
    no_tune: bool,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let (false, Some(name), Some(out)) = (args.list, &args.name, &args.out) else {
        return list();
    };
    let definitions = definitions(name)?;
    let configured = args.settings.configure(&[
        ("--epochs", "optim.epochs", &args.epochs),
        ("--batch-size", "optim.batch_size", &args.batch_size),
    ])?;
    let preset = args.settings.config.is_none().then_some(configured.name.as_str());
    let plan = ExperimentPlan::of_preset(definitions, &configured.config, preset, args.seeds)?;
    let out = &native(out);
    let folder = Folder::open(out, &plan.base)?;
    let missing = plan.missing(&folder.runs()?).count();
    let gpu = args.device.open()?;
    let adapter = gpu.report();
    note!("device   {} ({}, driver {})", adapter.name, adapter.backend, adapter.driver);
    if let Some(line) = caution(adapter) {
        note!("         {line}");
    }
    note!("settings {}, data {}", configured.origin, plan.base.data.source);
    note!("runs     {} in {}, {missing} to do", plan.runs.len(), out.display());

    let (sender, commands) = mpsc::channel();
    Signals::catch(sender, simsiam::ranks::Ranks::ONE)?.training();
    let mut screen = Screen::default();
    let runner = Runner { gpu: &gpu, folder: &folder, plan: &plan, tune: !args.no_tune };
    let outcome = runner.run(&commands, &mut |event| screen.show(event));
    screen.end();
    if let Outcome::Stopped { .. } = outcome? {
        say!("stopped; the same command goes on from here");
    }
    Ok(ExitCode::SUCCESS)
}

fn list() -> Result<ExitCode> {
    for name in Definition::names() {
        let definition = Definition::built_in(name)?;
        say!("{name:<14} {} ({})", definition.question, definition.source);
    }
    Ok(ExitCode::SUCCESS)
}

fn definitions(name: &str) -> Result<Vec<Definition>> {
    if name == "all" {
        let all: Result<_, _> = Definition::names().map(Definition::built_in).collect();
        return Ok(all?);
    }
    let path = Path::new(name);
    if path.extension().is_none_or(|extension| extension != "toml") {
        return Ok(vec![Definition::built_in(name)?]);
    }
    let text =
        regular::read_to_string(path).map_err(|e| UsageError(format!("{name} cannot be read: {e}; check the path")))?;
    let stem = path.file_stem().map_or("experiment".into(), |stem| stem.to_string_lossy());
    Ok(vec![Definition::parse(&stem, &text, name)?])
}

/// What people see: the runs one after the other.
#[derive(Default)]
struct Screen {
    measuring: Option<Measuring>,
    progress: Option<TrainProgress>,
}

impl Screen {
    fn show(&mut self, event: ExperimentEvent) {
        match event {
            ExperimentEvent::Event(Event::Tuning(tuning)) => {
                self.measuring.get_or_insert_with(Measuring::new).at(tuning.done, tuning.of);
            }
            ExperimentEvent::Run { number, of, run, start, steps_done, seconds_left } => {
                self.end();
                let left =
                    seconds_left.map_or(String::new(), |left| format!("; about {} left for all", duration(left)));
                let from = if steps_done > 0 { format!(", from step {steps_done} on") } else { String::new() };
                note!("");
                note!("run {number} of {of}: {}{from}{left}", run.name);
                let knn = run.config.run.knn_every > 0;
                self.progress = Some(TrainProgress::new(start, steps_done, knn));
            }
            ExperimentEvent::Event(event) => {
                if let Some(progress) = &mut self.progress {
                    progress.listen(event);
                }
            }
            ExperimentEvent::Diverged(error) => {
                self.end();
                say!("diverged, which is a result too: {error}");
            }
            ExperimentEvent::Report(path) => {
                self.end();
                say!("report   {}", path.display());
            }
        }
    }

    fn end(&mut self) {
        if let Some(measuring) = self.measuring.take() {
            measuring.end();
        }
        if let Some(progress) = self.progress.take() {
            progress.end();
        }
    }
}
