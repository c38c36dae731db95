//! What a run would take, before it is started: which data there is, which preset fits it, how much memory, how many steps; and, where
//! that is asked, how long, by training a few steps for real.

use std::sync::mpsc;
use std::time::Instant;

use super::resource_cache::ResourceCache;
use super::worker::{Wake, Worker};
use crate::app::state::notices::{Remedy, without_flag};
use crate::config::{Config, ConfigError};
use crate::data::{DataError, Dataset};
use crate::graph::tune::Cache;
use crate::train::{self, Command, Event, TrainError, TrainPlan, Trainer};

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::app) struct EstimateQuestion {
    pub config: Config,
    pub device: Option<String>,
    /// Whether to measure the time.
    pub trial: bool,
}

/// What a run would take.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::app) struct Estimate {
    /// The data in words.
    pub data: String,
    /// What the user should know of it.
    pub remarks: Vec<String>,
    /// What a button does about that.
    pub remedy: Option<Remedy>,
    pub parameters: usize,
    pub memory: u64,
    /// What the device has.
    pub available: Option<u64>,
    pub adapter: String,
    pub steps: u64,
    pub epochs: u64,
    pub batch: usize,
    /// Seconds a step, where it was measured.
    pub seconds: Option<f64>,
}

/// What is in the way.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::app) struct Obstacle {
    /// The key whose field it stands beside, where it is one's.
    pub key: Option<String>,
    pub text: String,
    /// What a button does about it.
    pub remedy: Option<Remedy>,
}

/// An estimate, or what is in the way of one.
pub(in crate::app) struct EstimateAnswer {
    pub question: EstimateQuestion,
    /// The preset that fits the data.
    pub preset: Option<&'static str>,
    /// A batch size that fits, with the number of images, where the one in the form is larger than the training set.
    pub batch: Option<(usize, usize)>,
    pub estimate: Result<Estimate, Obstacle>,
}

/// Steps of a trial, and those before it that are not counted.
const TRIAL: u64 = 4;
const BEFORE: u64 = 2;

/// The thread that estimates.
pub(in crate::app) fn worker(resources: ResourceCache, wake: Wake) -> Worker<EstimateQuestion, EstimateAnswer> {
    Worker::new("estimate", wake, move |question: EstimateQuestion, stale| {
        let preset = train::preset_for(&question.config.data.source);
        let mut batch = None;
        let estimate = match &preset {
            Err(error) => Err(Obstacle::data(error)),
            Ok(_) => estimate(&resources, &question, &mut batch, stale),
        };
        Some(EstimateAnswer { preset: preset.ok(), batch, estimate, question })
    })
}

fn estimate(
    resources: &ResourceCache,
    question: &EstimateQuestion,
    batch: &mut Option<(usize, usize)>,
    stale: &dyn Fn() -> bool,
) -> Result<Estimate, Obstacle> {
    let config = &question.config;
    let dataset = resources.dataset(config).map_err(|e| Obstacle::data(&e))?;
    let images = dataset.train.len();
    *batch = config.clone().fit_batch(images).map(|size| (size, images));
    config.check_against(images).map_err(|error| {
        let obstacle = Obstacle::from(TrainError::from(error));
        let fits = batch.filter(|_| obstacle.key.as_deref() == Some("optim.batch_size"));
        Obstacle { remedy: fits.map(|(size, _)| Remedy::Batch(size)).or(obstacle.remedy.clone()), ..obstacle }
    })?;
    let device = |error| Obstacle::new(Some("device"), TrainError::Gpu(error).to_string());
    let gpu = resources.gpu(question.device.as_deref()).map_err(device)?;
    let mut plan = TrainPlan::new(&gpu, config, dataset.clone())?;
    let start = plan.start().clone();
    let seconds = match question.trial {
        false => None,
        true => {
            plan.share_device();
            plan.tune(&mut Cache::open(&gpu), &mut |_| {})?;
            trial(plan, stale)?
        }
    };
    let report = gpu.report();
    Ok(Estimate {
        data: describe(&dataset),
        remarks: dataset.warnings(),
        remedy: (dataset.test.is_empty() && dataset.classes.len() > 1 && config.data.holdout == 0.0)
            .then_some(Remedy::HoldOut),
        parameters: start.parameters,
        memory: start.memory_bytes,
        available: report.memory,
        adapter: report.name.clone(),
        steps: start.steps,
        epochs: start.epochs,
        batch: start.batch_size,
        seconds,
    })
}

/// Seconds a step, by some steps that leave nothing.
fn trial(plan: TrainPlan, stale: &dyn Fn() -> bool) -> Result<Option<f64>, Obstacle> {
    let (sender, commands) = mpsc::channel();
    let mut trainer = Trainer::new(plan, None)?;
    let (mut began, mut seconds) = (None, None);
    trainer.run(&commands, &mut |event| {
        let Event::Step(step) = event else { return };
        match step.step {
            BEFORE => began = Some(Instant::now()),
            n if n == BEFORE + TRIAL => {
                seconds = began.map(|began| began.elapsed().as_secs_f64() / TRIAL as f64);
            }
            _ => {}
        }
        if seconds.is_some() || stale() {
            // The receiver lives as long as the training.
            let _ = sender.send(Command::Stop);
        }
    })?;
    Ok(seconds)
}

/// What a data set is, in a few words.
fn describe(dataset: &Dataset) -> String {
    let count = crate::format::count;
    let mut text = format!("{} training and {} test images", count(dataset.train.len()), count(dataset.test.len()));
    if let Some((width, height)) = dataset.train.size() {
        text += &format!(" of {width} × {height} pixels");
    }
    match dataset.classes.len() {
        0 => text += ", no labels: no kNN",
        n => text += &format!(", {n} classes (for kNN only)"),
    }
    text
}

impl Obstacle {
    fn new(key: Option<&str>, text: String) -> Obstacle {
        Obstacle { key: key.map(str::to_owned), text, remedy: None }
    }

    fn data(error: &DataError) -> Obstacle {
        let key = match error {
            DataError::Dark { .. } => "data.white_level",
            DataError::Labels { .. } | DataError::LabelsWithoutFiles { .. } => "data.labels",
            _ => "data.source",
        };
        Obstacle { remedy: Remedy::of(error), ..Obstacle::new(Some(key), without_flag(error)) }
    }
}

impl From<TrainError> for Obstacle {
    fn from(error: TrainError) -> Obstacle {
        match error {
            TrainError::Data(error) => Obstacle::data(&error),
            TrainError::Config(ConfigError::Value { key, problem, .. }) => Obstacle::new(Some(&key), problem),
            other => Obstacle::new(None, other.to_string()),
        }
    }
}
