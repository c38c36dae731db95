//! The training loop: [`step`] is what happens in it, [`epoch`] what happens around an epoch's steps.

mod command;
mod epoch;
mod listen;
mod state;
mod step;
mod trace;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

pub use listen::Listen;

use super::TrainError;
use super::checkpoint::Checkpoint;
use super::event::{Command, Done, Event, Failed, Start, Warning};
use super::folder::LAST;
use super::health_monitor::HealthMonitor;
use super::keep::Keep;
use super::meter::Meter;
use super::metrics::step_metrics::{Inbox, is_watched};
use super::plan::TrainPlan;
use super::position::Position;
use super::precomputed_targets::PrecomputedTargets;
use super::schedule::LearningRates;
use super::slow_rank;
use crate::augment::Batches;
use crate::config::{Config, Precision};
use crate::data::Dataset;
use crate::eval::{EvalError, Knn};
use crate::graph::{Program, Store, Tensor};
use crate::method::{LossScaleState, TrainStep};
use crate::model::Parameters;

/// The newest checkpoint is never older, also where an epoch takes hours.
const CHECKPOINT_AFTER: Duration = Duration::from_secs(600);

/// How a training ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outcome {
    /// All epochs are done.
    Done,
    /// [`Command::Stop`] came after this many steps; a checkpoint was written where there is a place for it.
    Stopped {
        /// Steps done.
        step: u64,
    },
}

/// A training on a device.
pub struct Trainer {
    config: Config,
    data: Arc<Dataset>,
    parameters: Parameters,
    store: Store,
    program: Program,
    batches: Batches,
    views: Vec<Tensor>,
    nodes: TrainStep,
    precomputed: Option<PrecomputedTargets>,
    knn: Option<Knn>,
    rates: LearningRates,
    start: Start,
    remarks: Vec<String>,
    inbox: Inbox,
    position: Position,
    /// Whether it continues from a checkpoint.
    restored: bool,
    /// The state before the first step, where that does not follow from the seed.
    first: Option<Checkpoint>,
    checkpoints: Option<PathBuf>,
    last_saved: Instant,
    /// Steps done in the newest checkpoint.
    saved_step: u64,
    monitor: HealthMonitor,
    keep: Keep,
    /// Commands that came during an evaluation or a wait for images, where only [`Command::Stop`] is followed.
    deferred: VecDeque<Command>,
    meter: Meter,
    /// What it had waited for other ranks when the epoch began, and whether a slow one has been named.
    waited: Duration,
    slow_rank_named: bool,
    /// Steps sent to the device; `position` counts those whose numbers have arrived.
    sent: u64,
}

type Listener<'a> = dyn Listen + 'a;

fn warn(messages: Vec<String>, listener: &mut Listener) {
    for message in messages {
        listener.on_event(&Event::Warning(Warning { message }));
    }
}

impl Trainer {
    /// Allocates, compiles the kernels that the plan has chosen, and gives the parameters their first values. Checkpoints go to the folder `checkpoints`, if one is given.
    pub fn new(plan: TrainPlan, checkpoints: Option<&Path>) -> Result<Trainer, TrainError> {
        let TrainPlan {
            gpu,
            config,
            data,
            parameters,
            graph,
            feed,
            views,
            step: nodes,
            precompute,
            knn,
            remarks,
            start,
            submit,
            link,
            ..
        } = plan;
        let mut store = Store::linked(&gpu, link);
        parameters.allocate(&mut store)?;
        let mut program = Program::compile(&graph, &mut store)?;
        if !gpu.is_software() {
            program.plan().bound_submits(submit);
        }
        if let Some(images) = data.train.in_memory() {
            feed.load(&program, images);
        }
        let steps_per_epoch = start.steps as usize / config.optim.epochs.max(1);
        let precomputed = match precompute {
            Some(plan) => {
                let (set, per_epoch) = (data.train.clone(), steps_per_epoch as u64);
                let mut pass = plan.compile(&config, set, start.steps, per_epoch, &mut store)?;
                if !gpu.is_software() {
                    pass.program.plan().bound_submits(submit);
                }
                Some(pass)
            }
            None => None,
        };
        let batches = Batches::new(&config, data.train.clone(), feed, start.steps);
        let knn = match knn {
            Some(plan) => {
                let mut knn = plan.compile(&mut store)?;
                if !gpu.is_software() {
                    knn.bound_submits(submit);
                }
                Some(knn)
            }
            None => None,
        };
        parameters.write(&store, &parameters.initialize(config.run.seed));
        LossScaleState::INITIAL.write(&store);
        let monitor = HealthMonitor::new(&config, steps_per_epoch as u64);
        Ok(Trainer {
            inbox: Inbox::new(&program, &nodes, &start.metrics, start.dim),
            rates: LearningRates::new(&config.optim, steps_per_epoch),
            keep: Keep::new(config.run.keep),
            config,
            data,
            parameters,
            store,
            program,
            batches,
            views,
            nodes,
            precomputed,
            knn,
            start,
            remarks,
            position: Position::default(),
            restored: false,
            first: None,
            checkpoints: checkpoints.map(Path::to_path_buf),
            last_saved: Instant::now(),
            saved_step: 0,
            monitor,
            deferred: VecDeque::new(),
            meter: Meter::default(),
            waited: Duration::ZERO,
            slow_rank_named: false,
            sent: 0,
        })
    }

    /// Adds what the user should know before the first step, a line each.
    pub(super) fn remark(&mut self, lines: Vec<String>) {
        self.remarks.extend(lines);
    }

    /// Steps whose numbers have arrived.
    pub fn steps_done(&self) -> u64 {
        self.position.step
    }

    /// The first group of views of the step that ran last, the first views of all its images before the second ones:
    /// `[2 * batch, size, size, 3]`, normalised, as the network got them. `None` in f16, where their memory serves other tensors by the end of the step.
    pub fn views(&self) -> Result<Option<Vec<f32>>, TrainError> {
        let first = self.views.first().filter(|_| self.config.run.precision == Precision::F32);
        Ok(first.map(|&views| self.program.read(views)).transpose()?)
    }

    /// The table of parameters and the store that holds them.
    pub fn state(&self) -> (&Parameters, &Store) {
        (&self.parameters, &self.store)
    }

    /// Trains until all epochs are done or a command stops it. `listener` receives every event, in order, on this thread.
    pub fn run(
        &mut self,
        commands: &Receiver<Command>,
        listener: &mut dyn FnMut(&Event),
    ) -> Result<Outcome, TrainError> {
        self.run_with(commands, &mut listen::Events(listener))
    }

    /// The same with a listener that keeps what it receives.
    pub fn run_with(&mut self, commands: &Receiver<Command>, listener: &mut Listener) -> Result<Outcome, TrainError> {
        let outcome = self.steps(commands, listener);
        match &outcome {
            // The network is as good as before its images went away.
            Err(TrainError::Data(_) | TrainError::Eval(EvalError::Data(_))) => {
                self.stop(listener)?;
            }
            Err(error) => {
                let Some(step) = error.diverged_at() else { return outcome };
                let found = self.trace(step, commands);
                let message = std::iter::once(error.to_string()).chain(found.clone()).collect::<Vec<_>>().join("; ");
                warn(found.into_iter().collect(), listener);
                listener.on_event(&Event::Failed(Failed { step: self.position.step, message }));
            }
            _ => {}
        }
        outcome
    }

    fn steps(&mut self, commands: &Receiver<Command>, listener: &mut Listener) -> Result<Outcome, TrainError> {
        let began = Instant::now();
        listener.on_event(&Event::Start(self.start.clone()));
        warn(std::mem::take(&mut self.remarks), listener);
        if !self.restored {
            self.measure_untrained()?;
            self.save(&[LAST.to_owned()], listener)?;
        }
        let per_epoch = self.steps_per_epoch();
        let mut epoch_began = began;
        self.meter.restart();
        loop {
            if self.position.pending.is_some() {
                if !self.end_epoch(epoch_began, commands, listener)? {
                    return self.stop(listener);
                }
                epoch_began = Instant::now();
                self.waited = self.program.waited_for_ranks();
                self.meter.restart();
            }
            if self.sent >= self.start.steps {
                break;
            }
            let go_on = self.obey(commands, listener)?;
            if !self.all_go_on(go_on)? {
                return self.stop(listener);
            }
            let (deferred, alone) = (&mut self.deferred, self.store.link().ranks().is_alone());
            let mut go_on = || {
                deferred.extend(commands.try_iter());
                !deferred.contains(&Command::Stop) || !alone
            };
            if !self.batches.wait(self.sent, &mut go_on) {
                return self.stop(listener);
            }
            let rates = self.rates.at(self.sent);
            self.send(rates, is_watched(self.sent + 1, per_epoch))?;
            warn(self.batches.remarks(), listener);
            if let Some(pass) = &self.precomputed {
                warn(pass.remarks(), listener);
            }
            while let Some(numbers) = self.inbox.poll()? {
                self.arrived(numbers, listener)?;
            }
            if self.sent.is_multiple_of(per_epoch) {
                // Its last step has left the rank.
                self.drain(listener)?;
                self.compare_ranks(epoch_began.elapsed(), listener)?;
            } else if self.last_saved.elapsed() > CHECKPOINT_AFTER {
                self.drain(listener)?;
                self.save(&[LAST.to_owned()], listener)?;
            }
        }
        if let Some(steps) = self.position.stuck(self.saved_step) {
            return Err(TrainError::Stuck { step: self.position.step, steps, resume: self.resume() });
        }
        listener.on_event(&Event::Done(Done {
            steps: self.position.step,
            seconds: began.elapsed().as_secs_f64(),
            knn_top1: self.position.knn.filter(|top1| top1.is_finite()),
            knn_top1_untrained: self.position.knn_untrained.filter(|top1| top1.is_finite()),
        }));
        Ok(Outcome::Done)
    }

    /// After the steps of an epoch, which took so long: names a rank that the others wait for, once.
    fn compare_ranks(&mut self, took: Duration, listener: &mut Listener) -> Result<(), TrainError> {
        let link = self.store.link();
        if link.ranks().is_alone() {
            return Ok(());
        }
        let own = took.saturating_sub(self.program.waited_for_ranks() - self.waited);
        let seconds = slow_rank::step_seconds(&**link, own.as_secs_f64() / self.steps_per_epoch() as f64)?;
        if let Some(line) = slow_rank::line(&seconds).filter(|_| link.ranks().is_first() && !self.slow_rank_named) {
            self.slow_rank_named = true;
            warn(vec![line], listener);
        }
        Ok(())
    }

    fn steps_per_epoch(&self) -> u64 {
        (self.start.steps / self.start.epochs.max(1)).max(1)
    }
}
