//! `simsiam train`: configuration from a preset, a file and flags; data; device; a run folder; the loop.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};

use anyhow::{Context, Result};
use simsiam::config::Config;
use simsiam::data::{self, Dataset, Limits, Spec};
use simsiam::gpu::{Gpu, Options};
use simsiam::graph::Recomputed;
use simsiam::graph::tune::Cache;
use simsiam::train::checkpoint::Checkpoint;
use simsiam::train::{
    Blueprint, Command, Done, Event, FolderError, Kernels, MetricsFile, Outcome, RunFolder, Start,
    Trainer,
};

use super::devices::{caution, size};
use super::progress::{Progress, duration};
use super::tuning::{Measuring, tell};
use super::{UsageError, say};

/// Where runs go that are not told where.
const RUNS: &str = "runs";

#[derive(clap::Args)]
#[command(after_help = "\
Without --preset and --config the data chooses: demo, fashion-mnist for idx data, cifar10 for CIFAR, photos for image files.
Flags go over the preset or file, --set over all. Ctrl-C writes a checkpoint and ends with exit code 0.")]
pub struct Args {
    /// Start from a preset: demo, fashion-mnist, cifar10, photos or imagenet.
    #[arg(long, value_name = "NAME", conflicts_with = "config")]
    preset: Option<String>,
    /// Start from a TOML file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The images: demo, a folder, or KIND:FOLDER with folder, idx, cifar10 or cifar100.
    #[arg(long, value_name = "SPEC")]
    data: Option<String>,
    /// The folder of the new run; the first free runs/NAME-NNN where it is not given.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Continue the run in this folder from its last checkpoint, with its settings.
    #[arg(
        long,
        value_name = "DIR",
        conflicts_with_all = ["preset", "config", "out", "epochs", "batch_size", "seed", "limit_train", "limit_test", "set"]
    )]
    resume: Option<PathBuf>,
    /// Passes over the training images.
    #[arg(long, value_name = "N")]
    epochs: Option<String>,
    /// Images a step.
    #[arg(long, value_name = "N")]
    batch_size: Option<String>,
    /// Seed of every random number.
    #[arg(long, value_name = "N")]
    seed: Option<String>,
    /// Use only the first N training images.
    #[arg(long, value_name = "N")]
    limit_train: Option<String>,
    /// Use only the first N test images.
    #[arg(long, value_name = "N")]
    limit_test: Option<String>,
    /// Device memory that the run may take, such as 4GiB; where it needs more, blocks are computed twice.
    #[arg(long, value_name = "SIZE")]
    memory: Option<String>,
    /// Set any key of the configuration, such as optim.lr=0.1; may be given several times.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// The adapter: its number in `simsiam devices` or a part of its name.
    #[arg(long, value_name = "INDEX|NAME")]
    device: Option<String>,
    /// Run every operator's first kernel instead of the fastest: measure none, and use none measured before. A run that continues
    /// keeps its kernels in any case.
    #[arg(long)]
    no_tune: bool,
}

/// What is to be run, and where.
struct Job {
    config: Config,
    /// Where the settings come from, for people.
    settings: String,
    place: Place,
}

enum Place {
    New(PathBuf),
    Continued(RunFolder, Box<Checkpoint>),
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let job = match &args.resume {
        Some(path) => continued(path, args)?,
        None => new_job(args)?,
    };
    let spec: Spec = job.config.data.source.parse()?;
    let dataset = Arc::new(data::open(&spec, Limits::from(&job.config.data))?);
    // Cheap to say before a device is opened.
    job.config.validate()?;
    job.config.check_against(dataset.train.len())?;
    let gpu = Gpu::open(args.device.as_deref(), Options { checked: false })?;
    let report = gpu.report();
    say!(
        "device   {} ({}, driver {})",
        report.name,
        report.backend,
        report.driver
    );
    if let Some(line) = caution(report) {
        say!("         {line}");
    }
    let mut blueprint = Blueprint::new(&gpu, &job.config, dataset.clone())?;
    choose_kernels(&mut blueprint, &gpu, &job.place, args.no_tune)?;
    let kernels = blueprint.kernels();
    let start = blueprint.start().clone();
    introduce(&start, &job, &dataset);

    let knn = blueprint.has_knn();
    let (folder, mut trainer, mut metrics) = match job.place {
        Place::New(path) => {
            let folder = RunFolder::create(&path, &job.config)?;
            match Trainer::new(blueprint, Some(&folder.checkpoints())) {
                Ok(trainer) => {
                    kernels.write(&folder.kernels())?;
                    let metrics = MetricsFile::create(&folder.metrics())?;
                    (folder, trainer, metrics)
                }
                Err(error) => {
                    folder.discard();
                    return Err(error.into());
                }
            }
        }
        Place::Continued(folder, checkpoint) => {
            let mut trainer = Trainer::new(blueprint, Some(&folder.checkpoints()))?;
            trainer.restore(&checkpoint)?;
            let step = checkpoint.step;
            say!("continue after step {step} of {}", start.steps);
            let metrics = MetricsFile::resume(&folder.metrics(), &checkpoint)?;
            (folder, trainer, metrics)
        }
    };

    let (sender, commands) = mpsc::channel();
    let mut progress = Progress::new(&start, trainer.steps_done(), knn);
    stop_on_signal(sender.clone())?;
    let mut done: Option<Done> = None;
    let mut broken: Option<FolderError> = None;
    let outcome = trainer.run(&commands, &mut |event| {
        if broken.is_none()
            && let Err(error) = metrics.write(event)
        {
            broken = Some(error);
            // The receiver lives as long as the training.
            let _ = sender.send(Command::Stop);
        }
        if let Event::Done(event) = event {
            done = Some(event.clone());
        }
        progress.listen(event);
    });
    progress.end();
    let outcome = outcome?;
    if let Some(error) = broken {
        return Err(error.into());
    }
    match (outcome, done) {
        (Outcome::Stopped { step }, _) => {
            let path = folder.path().display();
            say!(
                "stopped after step {step} of {}; continue with: simsiam train --resume {path}",
                start.steps
            );
        }
        (Outcome::Done, done) => summarize(done.as_ref(), &job.config, &start, &folder),
    }
    Ok(ExitCode::SUCCESS)
}

/// A new run gets the fastest kernels; one that continues gets those that it began with.
fn choose_kernels(
    blueprint: &mut Blueprint,
    gpu: &Gpu,
    place: &Place,
    no_tune: bool,
) -> Result<()> {
    match place {
        Place::Continued(folder, _) => {
            let kept = Kernels::read(&folder.kernels()).unwrap_or_else(|error| {
                say!("warning: {error}");
                None
            });
            blueprint.continue_with(kept.as_ref())?;
        }
        Place::New(_) if no_tune => {}
        Place::New(_) => {
            let measuring = Measuring::new();
            let tuned = blueprint.tune(&mut Cache::open(gpu), &mut |event| {
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

/// A new run: preset or file, then flags, then `--set`.
fn new_job(args: &Args) -> Result<Job> {
    let (mut config, name, settings) = match (&args.config, &args.preset) {
        (Some(path), _) => {
            let file = path.display().to_string();
            let text = fs::read_to_string(path)
                .map_err(|e| UsageError(format!("{file} cannot be read: {e}; check the path")))?;
            let name = path.file_stem().map(|stem| stem.to_string_lossy());
            let name = name.unwrap_or_else(|| "run".into()).into_owned();
            (
                Config::from_toml(&text, &file)?,
                name,
                format!("file {file}"),
            )
        }
        (None, Some(name)) => (
            Config::preset(name)?,
            name.clone(),
            format!("preset {name}"),
        ),
        (None, None) => {
            let name = preset_for(args.data.as_deref())?;
            (
                Config::preset(name)?,
                name.to_owned(),
                format!("preset {name}"),
            )
        }
    };
    for (flag, key, value) in [
        ("--data", "data.source", &args.data),
        ("--epochs", "optim.epochs", &args.epochs),
        ("--batch-size", "optim.batch_size", &args.batch_size),
        ("--seed", "run.seed", &args.seed),
        ("--limit-train", "data.limit_train", &args.limit_train),
        ("--limit-test", "data.limit_test", &args.limit_test),
        ("--memory", "run.memory", &args.memory),
    ] {
        match (key, value) {
            (_, None) => {}
            // A folder may look like a number.
            ("data.source", Some(source)) => config.data.source.clone_from(source),
            (_, Some(value)) => config.assign(flag, key, value)?,
        }
    }
    for assignment in &args.set {
        config.set(assignment)?;
    }
    let path = match &args.out {
        Some(path) => path.clone(),
        None => RunFolder::next(Path::new(RUNS), &name),
    };
    RunFolder::vacant(&path)?;
    Ok(Job {
        config,
        settings,
        place: Place::New(path),
    })
}

/// The preset that fits the data.
fn preset_for(data: Option<&str>) -> Result<&'static str> {
    let spec: Spec = data.unwrap_or("demo").parse()?;
    Ok(match spec.recognise()? {
        Spec::Demo => "demo",
        Spec::Cifar10(_) | Spec::Cifar100(_) => "cifar10",
        Spec::Idx(_) => "fashion-mnist",
        Spec::Images(_) | Spec::Folder(_) => "photos",
    })
}

fn continued(path: &Path, args: &Args) -> Result<Job> {
    let (folder, mut config, checkpoint) = RunFolder::open(path, args.data.as_deref())?;
    if let Some(memory) = &args.memory {
        config.assign("--memory", "run.memory", memory)?;
    }
    Ok(Job {
        config,
        settings: format!("of {}", path.display()),
        place: Place::Continued(folder, Box::new(checkpoint)),
    })
}

fn introduce(start: &Start, job: &Job, data: &Dataset) {
    let Config {
        data: images,
        model,
        optim,
        ..
    } = &job.config;
    let classes = match (data.bank().labels(), data.classes.len()) {
        (None, _) => "no labels".to_owned(),
        (Some(_), n) => format!("{n} classes, used by kNN only"),
    };
    let pixels = match data.train.size() {
        Some((width, height)) => format!("{width}x{height} pixels"),
        None => "any size".to_owned(),
    };
    say!(
        "data     {}: {} training and {} test images of {pixels}, {classes}",
        data.name,
        start.train_images,
        start.test_images,
    );
    say!(
        "model    {} of width {} on {} pixels, d {}: {} parameters; settings: {}",
        model.arch,
        model.width,
        images.image_size,
        model.dim,
        grouped(start.parameters),
        job.settings
    );
    say!(
        "training {} epochs, batch {}, {} steps, seed {}; about {} of device memory",
        start.epochs,
        optim.batch_size,
        start.steps,
        job.config.run.seed,
        size(start.memory_bytes)
    );
    if let Some(line) = recomputation(&start.recomputed) {
        say!("         {line}");
    }
    let path = match &job.place {
        Place::New(path) => path,
        Place::Continued(folder, _) => folder.path(),
    };
    say!("run      {}", path.display());
}

/// Which blocks are computed twice, with what that costs and saves; `None` where none is.
pub fn recomputation(recomputed: &Recomputed) -> Option<String> {
    (!recomputed.blocks.is_empty()).then(|| {
        format!(
            "recomputes {} of {} blocks: {:.0} % more work, {} instead of {}",
            recomputed.blocks.len(),
            recomputed.of_blocks,
            100.0 * recomputed.work,
            size(recomputed.after),
            size(recomputed.before)
        )
    })
}

/// 1234567 → 1,234,567.
fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The first signal asks for a checkpoint and the end; the second ends at once.
fn stop_on_signal(sender: Sender<Command>) -> Result<()> {
    let asked = AtomicBool::new(false);
    ctrlc::set_handler(move || {
        if asked.swap(true, Ordering::SeqCst) {
            std::process::exit(1);
        }
        eprintln!("\nstopping with a checkpoint; once more to end at once");
        // Where nobody listens any more the program is about to end anyway.
        let _ = sender.send(Command::Stop);
    })
    .context("Ctrl-C cannot be caught")
}

fn summarize(done: Option<&Done>, config: &Config, start: &Start, folder: &RunFolder) {
    if let Some(done) = done {
        let took = duration(done.seconds);
        match (done.knn_top1_untrained, done.knn_top1) {
            (Some(before), Some(after)) => say!(
                "done in {took}: kNN {:.1} % before training, {:.1} % after ({:+.1} points)",
                100.0 * before,
                100.0 * after,
                100.0 * (after - before)
            ),
            _ => say!("done in {took}"),
        }
    }
    let path = folder.path().display();
    say!(
        "the run is in {path}: config.toml, metrics.jsonl, checkpoints/last.safetensors (PyTorch's names)"
    );
    let plain = Config::preset("demo").is_ok_and(|demo| demo.resolved() == config.resolved());
    let again = match plain {
        true => "simsiam train".to_owned(),
        false => format!("simsiam train --config {path}/config.toml"),
    };
    say!(
        "next     longer:             {again} --epochs {}",
        2 * start.epochs
    );
    if config.method.stop_gradient {
        say!("         to see it collapse: {again} --set method.stop_gradient=false");
    }
    if config.data.source == "demo" {
        say!("         on your images:     simsiam train --data FOLDER");
    }
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn digits_in_groups() {
        assert_eq!(
            [0, 999, 1000, 1234567].map(grouped),
            ["0", "999", "1,000", "1,234,567"]
        );
    }
}
