//! `simsiam train`: configuration from a preset, a file and flags; data; device; a run folder; the loop.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc;

use anyhow::Result;
use simsiam::config::Config;
use simsiam::data::Dataset;
use simsiam::gpu::Gpu;
use simsiam::graph::tune::Cache;
use simsiam::paths::native;
use simsiam::train::checkpoint::Checkpoint;
use simsiam::train::{Alarm, Done, Event, Outcome, Run, RunFolder, Start, TrainError, TrainPlan, train_through_losses};

use super::UsageError;
use super::device::DeviceArg;
use super::devices::caution;
use super::progress::TrainProgress;
use super::ranks::Job as Ranks;
use super::settings::{self, Settings};
use super::signals::Signals;
use super::train_summary as summary;
use super::tuning::{Measuring, tell};
use super::{follower, note, say};

/// Default output directory.
const RUNS: &str = "runs";

const AFTER_HELP: &str = "\
Without --preset and --config, the data selects the preset: demo, fashion-mnist for idx data, cifar10 for CIFAR, \
photos for image files. Flags override the preset or file, --set overrides everything.

Ctrl-C saves a checkpoint and exits with code 0; before training has begun there is none to save, and the exit code is 1.";

#[derive(clap::Args)]
#[command(after_help = AFTER_HELP, after_long_help = format!("{AFTER_HELP}\n\n{}", settings::keys_help()))]
pub struct Args {
    #[command(flatten)]
    settings: Settings,
    /// Output directory [default: the first free runs/NAME-NNN].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Continue this run from its last checkpoint, with its settings.
    #[arg(
        long,
        value_name = "DIR",
        conflicts_with_all = ["preset", "method", "config", "out", "batch_size", "seed", "limit_train", "limit_test", "labels", "set"]
    )]
    resume: Option<PathBuf>,
    /// Passes over the training images. With --resume more than the run has: it trains further, finished or not, and the learning rate goes on along the schedule of all N epochs.
    #[arg(long, value_name = "N")]
    epochs: Option<String>,
    /// Images per step.
    #[arg(long, value_name = "N")]
    batch_size: Option<String>,
    /// Device memory limit, such as 4GiB; activation checkpointing recomputes blocks in the backward pass to stay below it.
    #[arg(long, value_name = "SIZE")]
    memory: Option<String>,
    #[command(flatten)]
    pub(super) device: DeviceArg,
    /// Use each operator's default kernel: no tuning, no cached tuning results. A resumed run keeps its kernels.
    #[arg(long)]
    pub(super) no_tune: bool,
    /// With several ranks (`mpirun -n N`): let them share GPUs where a host has fewer GPUs than ranks.
    #[arg(long)]
    pub(super) share_devices: bool,
}

/// What is to be run, and where.
struct Job {
    config: Config,
    /// Epochs that the run had, where it gets more.
    longer_than: Option<usize>,
    /// Where the settings come from, for people.
    settings: String,
    place: Place,
    /// Whether the batch size follows from the number of images where the preset's is too large.
    chooses_batch: bool,
}

enum Place {
    New(PathBuf),
    Continued(RunFolder, Box<Checkpoint>),
}

impl Place {
    /// The folder of the run.
    fn path(&self) -> &Path {
        match self {
            Place::New(path) => path,
            Place::Continued(folder, _) => folder.path(),
        }
    }

    /// From which the run continues.
    fn checkpoint(&self) -> Option<&Checkpoint> {
        match self {
            Place::New(_) => None,
            Place::Continued(_, checkpoint) => Some(checkpoint),
        }
    }
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let ranks = Ranks::join()?;
    let (sender, commands) = mpsc::channel();
    let signals = Signals::catch(sender, ranks.ranks())?;
    if !ranks.ranks().is_first() {
        return follower::run(args, &ranks, &signals, &commands);
    }
    let (job, dataset) = ranks.together(begin(args))?;
    follower::send(&ranks, &job.config, job.place.checkpoint())?;
    let prepared = prepare(args, &ranks, &job, &dataset);
    let (gpu, mut plan) = ranks.together(prepared)?;
    ranks.agree(&dataset)?;
    let report = gpu.report();
    note!("device   {} ({}, driver {})", report.name, report.backend, report.driver);
    if let Some(line) = caution(report) {
        note!("         {line}");
    }
    for (rank, device) in ranks.texts(&report.name)?.into_iter().enumerate().skip(1) {
        note!("rank {rank:<3} {device}");
    }
    ranks.together(choose_kernels(&mut plan, &gpu, &job.place, args.no_tune))?;
    follower::send_kernels(&ranks, &plan)?;
    let (start, config) = (plan.start().clone(), job.config.clone());
    summary::introduce(&start, &config, &job.settings, job.place.path(), &dataset, plan.compiled_kernels());

    let knn = plan.has_knn();
    let run = ranks.together(open(plan, job, &start))?;

    let began_at = run.steps_done();
    let mut progress = TrainProgress::new(&start, began_at, knn);
    signals.training();
    let (mut done, mut alarmed): (Option<Done>, Option<Alarm>) = (None, None);
    let mut listener = |event: &Event| {
        if let Event::Done(event) = event {
            done = Some(event.clone());
        }
        if let (Event::Alarm(alarm), None) = (event, &alarmed) {
            alarmed = Some(alarm.clone());
        }
        progress.listen(event);
    };
    let folder = run.folder().path().to_path_buf();
    drop(gpu);
    let outcome = match ranks.ranks().is_alone() {
        true => train_through_losses(run, &commands, &mut listener, &mut |path| again(path, args, dataset.clone())),
        // Others would wait for a device that comes back.
        false => { run }.train(&commands, &mut listener),
    };
    progress.end();
    match (ranks.ended(outcome)?, done) {
        (Outcome::Stopped { step }, _) => {
            let path = folder.display();
            say!("stopped after step {step} of {}; continue with: simsiam train --resume {path}", start.steps);
            if let Some(alarm) = &alarmed {
                say!("it {} at step {}", alarm.kind.happened(), alarm.step);
                summary::advise(alarm, &folder);
            }
        }
        (Outcome::Done, done) => {
            if let Some(done) = &done {
                summary::result(done, began_at, &start, dataset.shared, alarmed.as_ref());
            }
            summary::next(&config, &start, &folder, alarmed.as_ref());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What is to be run, and its data.
fn begin(args: &Args) -> Result<(Job, Arc<Dataset>)> {
    let mut job = match &args.resume {
        Some(path) => continued(path, args)?,
        None => new_job(args)?,
    };
    let dataset = Arc::new(settings::open(&job.config)?);
    if let Some(size) = job.chooses_batch.then(|| job.config.fit_batch(dataset.train.len())).flatten() {
        say!("batch    {size}, to fit {} training images (--batch-size N sets it)", dataset.train.len());
    }
    Ok((job, dataset))
}

/// The device and the plan.
fn prepare(args: &Args, ranks: &Ranks, job: &Job, dataset: &Arc<Dataset>) -> Result<(Gpu, TrainPlan)> {
    // Cheap to say before a device is opened.
    job.config.validate()?;
    job.config.check_against(dataset.train.len())?;
    let gpu = ranks.open(&args.device, args.share_devices)?;
    let plan = TrainPlan::linked(&gpu, &job.config, dataset.clone(), ranks.link())?;
    Ok((gpu, plan))
}

/// The run in its folder.
fn open(plan: TrainPlan, job: Job, start: &Start) -> Result<Run> {
    Ok(match job.place {
        Place::New(path) => Run::create(plan, &path)?,
        Place::Continued(folder, checkpoint) => {
            if let Some(epochs) = job.longer_than {
                summary::longer(&job.config, epochs, start, checkpoint.step);
                folder.write_config(&job.config)?;
            }
            let run = Run::resume(plan, folder, &checkpoint)?;
            note!("continue after step {} of {}", checkpoint.step, start.steps);
            run
        }
    })
}

/// The run in `path` from its last checkpoint, on a new device.
fn again(path: &Path, args: &Args, data: Arc<Dataset>) -> Result<Run, TrainError> {
    let (folder, mut config, checkpoint) = RunFolder::open(path, None)?;
    if let Some(memory) = &args.memory {
        config.assign("--memory", "run.memory", memory)?;
    }
    let mut plan = TrainPlan::new(&args.device.open()?, &config, data)?;
    plan.continue_from(&folder)?;
    Run::resume(plan, folder, &checkpoint)
}

/// A new run gets the fastest kernels; one that continues gets those that it began with.
fn choose_kernels(plan: &mut TrainPlan, gpu: &Gpu, place: &Place, no_tune: bool) -> Result<()> {
    match place {
        Place::Continued(folder, checkpoint) if !checkpoint.is_imported() => plan.continue_from(folder)?,
        _ if no_tune => {}
        _ => {
            let measuring = Measuring::new();
            let tuned = plan.tune(&mut Cache::open(gpu), &mut |event| {
                if let Event::Tuning(tuning) = event {
                    measuring.at(tuning.done, tuning.of);
                }
            })?;
            measuring.end();
            tell(&tuned);
        }
    }
    Ok(())
}

/// A new run.
fn new_job(args: &Args) -> Result<Job> {
    let configured = args.settings.configure(&[
        ("--epochs", "optim.epochs", &args.epochs),
        ("--batch-size", "optim.batch_size", &args.batch_size),
        ("--memory", "run.memory", &args.memory),
    ])?;
    let path = match &args.out {
        Some(path) => native(path),
        None => RunFolder::next(Path::new(RUNS), &configured.name),
    };
    RunFolder::vacant(&path)?;
    // Unless somebody has chosen it.
    let chooses_batch = args.batch_size.is_none() && !args.settings.chooses("optim.batch_size");
    let (config, settings) = (configured.config, configured.origin);
    Ok(Job { config, longer_than: None, settings, place: Place::New(path), chooses_batch })
}

fn continued(path: &Path, args: &Args) -> Result<Job> {
    let path = &native(path);
    if RunFolder::is_unbegun(path) {
        return begins_again(path, args);
    }
    let (folder, mut config, checkpoint) = RunFolder::open(path, args.settings.data.as_deref())?;
    if let Some(memory) = &args.memory {
        config.assign("--memory", "run.memory", memory)?;
    }
    let had = config.optim.epochs;
    if let Some(epochs) = &args.epochs {
        config.assign("--epochs", "optim.epochs", epochs)?;
        if config.optim.epochs <= had {
            let line = format!(
                "--epochs {epochs}: the run in {} has {had} epochs; give more to train it further",
                path.display()
            );
            return Err(UsageError(line).into());
        }
    }
    Ok(Job {
        longer_than: (config.optim.epochs > had).then_some(had),
        config,
        settings: format!("of {}", path.display()),
        place: Place::Continued(folder, Box::new(checkpoint)),
        chooses_batch: false,
    })
}

/// A run that ended before its first checkpoint has nothing to continue from but its settings.
fn begins_again(path: &Path, args: &Args) -> Result<Job> {
    let mut config = RunFolder::config(path)?;
    if let Some(source) = &args.settings.data {
        config.assign("--data", "data.source", source)?;
    }
    for (flag, key, value) in [("--memory", "run.memory", &args.memory), ("--epochs", "optim.epochs", &args.epochs)] {
        if let Some(value) = value {
            config.assign(flag, key, value)?;
        }
    }
    let settings = format!("of {}, which ended before its first checkpoint and begins again", path.display());
    Ok(Job { config, longer_than: None, settings, place: Place::New(path.to_path_buf()), chooses_batch: false })
}
