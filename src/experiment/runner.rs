//! Runs what is missing, one run after the other.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use super::{ExperimentError, ExperimentPlan, Folder, Planned, report};
use crate::config::{Config, DataConfig};
use crate::data::{self, Dataset, Limits, Spec};
use crate::gpu::Gpu;
use crate::graph::tune::Cache;
use crate::train::{Command, Event, History, Outcome, Run, RunFolder, Start, TrainError, TrainPlan};

/// What is reported while experiments run.
#[derive(Debug)]
pub enum ExperimentEvent<'a> {
    /// A run is about to begin or to go on.
    Run {
        /// Its number among all that are planned, from 1.
        number: usize,
        /// How many are planned.
        of: usize,
        /// Which one.
        run: &'a Planned,
        /// What is trained.
        start: &'a Start,
        /// Steps done in an earlier session.
        steps_done: u64,
        /// An estimate for all that is left, this run included, in seconds; `None` before the first run has ended.
        seconds_left: Option<f64>,
    },
    /// What the run tells.
    Event(&'a Event),
    /// The run has ended because its numbers have left their range.
    Diverged(&'a TrainError),
    /// The report is there, with all that has ended so far.
    Report(&'a Path),
}

/// Where and how the runs of a plan are trained.
pub struct Runner<'a> {
    /// The device.
    pub gpu: &'a Gpu,
    /// The folder.
    pub folder: &'a Folder,
    /// What to run.
    pub plan: &'a ExperimentPlan,
    /// Whether new runs get the fastest kernels, or every operator's first one.
    pub tune: bool,
}

impl Runner<'_> {
    /// Trains every run of the plan that is missing in the folder, and goes on with those that were interrupted. After each, and where none is
    /// missing, the report is written. `commands` may stop it: the run that is under way then leaves a
    /// checkpoint, and the next call goes on from there.
    pub fn run(
        &self,
        commands: &Receiver<Command>,
        listener: &mut dyn FnMut(ExperimentEvent),
    ) -> Result<Outcome, ExperimentError> {
        let Runner { folder, plan, .. } = self;
        let mut images = Images::default();
        let mut found = folder.runs()?;
        let missing: Vec<Planned> = plan.missing(&found).cloned().collect();
        // Before hours go into the first one.
        for planned in &missing {
            let images = images.open(&planned.config)?.train.len();
            planned.check_against(images)?;
        }
        folder.make(&plan.base)?;
        for (i, planned) in missing.iter().enumerate() {
            let mut run = self.open(planned, &found, images.open(&planned.config)?, listener)?;
            listener(ExperimentEvent::Run {
                number: plan.runs.len() - missing.len() + i + 1,
                of: plan.runs.len(),
                run: planned,
                start: &run.start().clone(),
                steps_done: run.steps_done(),
                seconds_left: seconds_left(&found, &missing[i..]),
            });
            let outcome = run.train(commands, &mut |event| listener(ExperimentEvent::Event(event)));
            let stopped = match outcome {
                Ok(Outcome::Done) => None,
                Ok(stopped) => Some(stopped),
                // A result too, which its metrics tell.
                Err(error) if error.is_divergence() => {
                    listener(ExperimentEvent::Diverged(&error));
                    None
                }
                Err(error) => return Err(error.into()),
            };
            found = folder.runs()?;
            if stopped.is_some() || i + 1 < missing.len() {
                listener(ExperimentEvent::Report(&report::experiments(folder, plan, &found)?));
            }
            if let Some(stopped) = stopped {
                return Ok(stopped);
            }
        }
        listener(ExperimentEvent::Report(&report::experiments(folder, plan, &found)?));
        Ok(Outcome::Done)
    }

    /// A new run, or the one of these settings that was interrupted.
    fn open(
        &self,
        planned: &Planned,
        found: &[History],
        images: Arc<Dataset>,
        listener: &mut dyn FnMut(ExperimentEvent),
    ) -> Result<Run, ExperimentError> {
        let place = planned.find(found).map(|run| run.folder.clone());
        let place = place.unwrap_or_else(|| self.folder.run(&planned.name));
        if place.exists() && !RunFolder::is_unbegun(&place) {
            let (folder, config, checkpoint) = RunFolder::open(&place, None)?;
            let mut plan = TrainPlan::new(self.gpu, &config, images)?;
            plan.continue_from(&folder)?;
            return Ok(Run::resume(plan, folder, &checkpoint)?);
        }
        let mut plan = TrainPlan::new(self.gpu, &planned.config, images)?;
        if self.tune {
            plan.tune(&mut Cache::open(self.gpu), &mut |event| listener(ExperimentEvent::Event(event)))?;
        }
        Ok(Run::create(plan, &place)?)
    }
}

/// The images, opened again only where a run has others than the one before.
#[derive(Default)]
struct Images(Option<(DataConfig, Arc<Dataset>)>);

impl Images {
    fn open(&mut self, config: &Config) -> Result<Arc<Dataset>, ExperimentError> {
        if let Some((of, images)) = &self.0
            && *of == config.data
        {
            return Ok(images.clone());
        }
        let spec: Spec = config.data.source.parse()?;
        let images = Arc::new(data::open(&spec, Limits::from(&config.data))?);
        self.0 = Some((config.data.clone(), images.clone()));
        Ok(images)
    }
}

/// What all of `missing` take if a step's images take as long as in those that have ended; a part that is done already does not count.
fn seconds_left(found: &[History], missing: &[Planned]) -> Option<f64> {
    let ended: Vec<&History> = found.iter().filter(|run| run.done.is_some()).collect();
    let seconds: f64 = ended.iter().map(|run| run.seconds()).sum();
    let epochs: usize = ended.iter().map(|run| run.config.optim.epochs).sum();
    let per_epoch = (epochs > 0).then(|| seconds / epochs as f64)?;
    let left = |planned: &Planned| {
        let done = planned.find(found).map_or(0, History::epochs_done);
        (planned.config.optim.epochs as u64).saturating_sub(done) as f64
    };
    Some(per_epoch * missing.iter().map(left).sum::<f64>())
}
