//! `simsiam experiment`: the paper's comparisons, or a user's own, on any data.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc;

use anyhow::Result;
use serde_json::{Value, json};
use simsiam::experiment::report::{self, ExperimentResult};
use simsiam::experiment::{Definition, ExperimentEvent, ExperimentPlan, Figures, Folder, Runner, Sample};
use simsiam::format::duration;
use simsiam::paths::native;
use simsiam::ranks::Ranks;
use simsiam::regular;
use simsiam::train::{Event, Outcome};

use super::device::DeviceArg;
use super::devices::caution;
use super::progress::TrainProgress;
use super::settings::Settings;
use super::signals::Signals;
use super::tuning::Measuring;
use super::{UsageError, note, output, say};

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
    /// Print one JSON object at the end, with verdicts and figures, and nothing else.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let (false, Some(name), Some(out)) = (args.list, &args.name, &args.out) else {
        return list(args.json);
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
    if !args.json {
        let adapter = gpu.report();
        note!("device   {} ({}, driver {})", adapter.name, adapter.backend, adapter.driver);
        if let Some(line) = caution(adapter) {
            note!("         {line}");
        }
        note!("settings {}, data {}", configured.origin, plan.base.data.source);
        note!("runs     {} in {}, {missing} to do", plan.runs.len(), out.display());
    }

    let (sender, commands) = mpsc::channel();
    Signals::catch(sender, Ranks::ONE)?.training();
    let mut screen = Screen { quiet: args.json, ..Screen::default() };
    let runner = Runner { gpu: &gpu, folder: &folder, plan: &plan, tune: !args.no_tune };
    let outcome = runner.run(&commands, &mut |event| screen.show(event));
    screen.end();
    let stopped = matches!(outcome?, Outcome::Stopped { .. });
    match (args.json, stopped) {
        (true, _) => {
            let runs = folder.runs()?;
            let experiments: Vec<Value> = report::results(&plan, &runs)?.iter().map(as_json).collect();
            let object = json!({
                "folder": out.display().to_string(),
                "report": screen.report.map(|path| path.display().to_string()),
                "adapter": gpu.report().name,
                "data": plan.base.data.source,
                "runs": plan.runs.len(),
                "missing_runs": plan.missing(&runs).count(),
                "experiments": experiments,
            });
            say!("{object}");
        }
        (false, true) => say!("stopped; the same command goes on from here"),
        (false, false) => {}
    }
    Ok(ExitCode::SUCCESS)
}

fn as_json(result: &ExperimentResult) -> Value {
    let ExperimentResult { definition, verdicts, variants } = result;
    let claims = verdicts.iter().map(|(verdict, text)| json!({ "verdict": verdict.name(), "text": text }));
    let variants = definition.variants.iter().zip(variants).map(|(variant, (label, figures))| {
        let mut value = figures_as_json(figures);
        value["name"] = json!(variant.name);
        value["label"] = json!(label);
        value
    });
    json!({
        "name": definition.name,
        "title": definition.title,
        "question": definition.question,
        "source": definition.source,
        "claims": claims.collect::<Vec<_>>(),
        "variants": variants.collect::<Vec<_>>(),
    })
}

/// Numbers are means over the seeds, with what they are between them.
fn figures_as_json(figures: &Figures) -> Value {
    let sample = |sample: &Sample| json!({ "mean": sample.mean(), "std": sample.spread(), "seeds": sample.0 });
    json!({
        "ended": figures.ended,
        "unfinished": figures.unfinished,
        "diverged": figures.diverged,
        "collapsed": figures.collapsed,
        "knn_top1_untrained": sample(&figures.knn_untrained),
        "knn_top1": sample(&figures.knn),
        "loss": sample(&figures.loss),
        "output_std": sample(&figures.output_std),
        "effective_rank": sample(&figures.rank),
        "seconds": sample(&figures.seconds),
        "images_per_second": sample(&figures.images_per_second),
    })
}

fn list(as_json: bool) -> Result<ExitCode> {
    let all: Vec<Definition> = Definition::names().map(Definition::built_in).collect::<Result<_, _>>()?;
    if as_json {
        let experiment =
            |d: &Definition| json!({ "name": d.name, "title": d.title, "question": d.question, "source": d.source });
        say!("{}", json!({ "experiments": all.iter().map(experiment).collect::<Vec<_>>() }));
        return Ok(ExitCode::SUCCESS);
    }
    for Definition { name, question, source, .. } in all {
        say!("{name:<14} {question} ({source})");
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
    /// Nothing but the result may go to the standard output.
    quiet: bool,
    /// Where the last report is.
    report: Option<PathBuf>,
}

impl Screen {
    fn show(&mut self, event: ExperimentEvent) {
        if let ExperimentEvent::Report(path) = &event {
            self.report = Some(path.to_path_buf());
        }
        if self.quiet {
            if let ExperimentEvent::Event(Event::Warning(warning)) = event {
                output::error_line(&format!("warning: {}", warning.message));
            }
            return;
        }
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
