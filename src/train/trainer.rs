//! The training loop.

mod epoch;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use super::TrainError;
use super::blueprint::Blueprint;
use super::checkpoint::Checkpoint;
use super::event::{Command, Done, Event, Saved, Start, Step, Warning};
use super::folder::LAST;
use super::meter::Meter;
use super::position::Position;
use super::schedule::LearningRates;
use crate::augment::Batches;
use crate::config::{Config, Precision};
use crate::data::Dataset;
use crate::eval::{EvalError, Knn};
use crate::gpu::{Plan, Readback};
use crate::graph::{Program, Store, Tensor};
use crate::method::{LossScale, simsiam};
use crate::model::Parameters;

/// The newest checkpoint is never older, also where an epoch takes hours.
const CHECKPOINT_AFTER: Duration = Duration::from_secs(600);

/// Metadata of a checkpoint.
const TRAIN_IMAGES: &str = "data.train_images";
const LOSS_SCALE: &str = "loss_scale.scale";
const GOOD_STEPS: &str = "loss_scale.good_steps";

/// How a training ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outcome {
    /// All epochs are done.
    Done,
    /// [`Command::Stop`] came after so many steps; a checkpoint was written where there is a place for it.
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
    views: Tensor,
    nodes: simsiam::Step,
    knn: Option<Knn>,
    rates: LearningRates,
    start: Start,
    remarks: Vec<String>,
    readback: Readback,
    position: Position,
    /// Whether it continues from a checkpoint.
    restored: bool,
    checkpoints: Option<PathBuf>,
    last_saved: Instant,
    /// Whether a collapse has been told.
    collapsed: bool,
    /// Commands that came during an evaluation, where only [`Command::Stop`] is followed.
    deferred: VecDeque<Command>,
    meter: Meter,
    /// Steps sent to the device; `position` counts those whose numbers have arrived.
    sent: u64,
}

type Listener<'a> = dyn FnMut(&Event) + 'a;

fn warn(messages: Vec<String>, listener: &mut Listener) {
    for message in messages {
        listener(&Event::Warning(Warning { message }));
    }
}

impl Trainer {
    /// Allocates, compiles the kernels that the blueprint has chosen, and gives the parameters their first values. Checkpoints go to the folder `checkpoints`, if one is given.
    pub fn new(blueprint: Blueprint, checkpoints: Option<&Path>) -> Result<Trainer, TrainError> {
        let Blueprint {
            gpu,
            config,
            data,
            parameters,
            graph,
            feed,
            views,
            step: nodes,
            knn,
            remarks,
            start,
            ..
        } = blueprint;
        let mut store = Store::new(&gpu);
        parameters.allocate(&mut store)?;
        let mut program = Program::compile(&graph, &mut store)?;
        if !gpu.is_software() {
            program.plan().bound_submits(Plan::HEADLESS);
        }
        if let Some(images) = data.train.in_memory() {
            feed.load(&program, images);
        }
        let batches = Batches::new(&config, data.train.clone(), feed, start.steps);
        let knn = match knn {
            Some(plan) => Some(plan.compile(&mut store)?),
            None => None,
        };
        parameters.write(&store, &parameters.initialize(config.run.seed));
        LossScale::INITIAL.write(&store);
        let mut watched = vec![nodes.loss, nodes.mean_output_std];
        watched.extend(nodes.loss_scale);
        let steps_per_epoch = start.steps as usize / config.optim.epochs.max(1);
        Ok(Trainer {
            readback: program.readback(&watched),
            rates: LearningRates::new(&config.optim, steps_per_epoch),
            config,
            data,
            parameters,
            store,
            program,
            batches,
            views,
            nodes,
            knn,
            start,
            remarks,
            position: Position::default(),
            restored: false,
            checkpoints: checkpoints.map(Path::to_path_buf),
            last_saved: Instant::now(),
            collapsed: false,
            deferred: VecDeque::new(),
            meter: Meter::default(),
            sent: 0,
        })
    }

    /// Continues from a checkpoint of the same configuration: what follows has the same bits as if there had been no interruption,
    /// where the kernels are the same (see [`Blueprint::continue_with`]).
    pub fn restore(&mut self, checkpoint: &Checkpoint) -> Result<(), TrainError> {
        let has = self.data.train.len();
        if let Some(had) = checkpoint.extra.get(TRAIN_IMAGES)
            && *had != has.to_string()
        {
            let had = had.clone();
            return Err(TrainError::OtherData { had, has });
        }
        checkpoint.restore(&self.parameters, &self.store)?;
        let number = |key: &str| checkpoint.extra.get(key).and_then(|text| text.parse().ok());
        if let (Some(scale), Some(good_steps)) = (number(LOSS_SCALE), number(GOOD_STEPS)) {
            LossScale { scale, good_steps }.write(&self.store);
        }
        self.position = Position::read(checkpoint);
        self.sent = self.position.step;
        self.restored = true;
        Ok(())
    }

    /// Steps whose numbers have arrived.
    pub fn steps_done(&self) -> u64 {
        self.position.step
    }

    /// The views of the step that ran last, the first views of all its images before the second ones: `[2 * batch, size, size, 3]`,
    /// normalised, as the network got them. `None` in f16, where their memory serves other tensors by the end of the step.
    pub fn views(&self) -> Result<Option<Vec<f32>>, TrainError> {
        Ok(match self.config.run.precision {
            Precision::F32 => Some(self.program.read(self.views)?),
            Precision::F16 => None,
        })
    }

    /// The table of parameters and the store that holds them.
    pub fn state(&self) -> (&Parameters, &Store) {
        (&self.parameters, &self.store)
    }

    /// Trains until all epochs are done or a command stops it. `listener` hears every event, in order, on this thread.
    pub fn run(
        &mut self,
        commands: &Receiver<Command>,
        listener: &mut Listener,
    ) -> Result<Outcome, TrainError> {
        let outcome = self.steps(commands, listener);
        if let Err(TrainError::Data(_) | TrainError::Eval(EvalError::Data(_))) = outcome {
            // The network is as good as before its images went away.
            self.stop(listener)?;
        }
        outcome
    }

    fn steps(
        &mut self,
        commands: &Receiver<Command>,
        listener: &mut Listener,
    ) -> Result<Outcome, TrainError> {
        let began = Instant::now();
        listener(&Event::Start(self.start.clone()));
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
                self.meter.restart();
            }
            if self.sent >= self.start.steps {
                break;
            }
            if !self.obey(commands, listener)? {
                return self.stop(listener);
            }
            let rates = self.rates.at(self.sent);
            self.send(rates)?;
            warn(self.batches.remarks(), listener);
            while let Some((tag, values)) = self.readback.poll()? {
                self.arrived(tag, &values, listener)?;
            }
            if self.sent.is_multiple_of(per_epoch) {
                self.drain(listener)?;
                self.position.pending = Some(self.effective_rank()?);
            } else if self.last_saved.elapsed() > CHECKPOINT_AFTER {
                self.drain(listener)?;
                self.save(&[LAST.to_owned()], listener)?;
            }
        }
        listener(&Event::Done(Done {
            steps: self.position.step,
            seconds: began.elapsed().as_secs_f64(),
            knn_top1: self.position.knn,
            knn_top1_untrained: self.position.knn_untrained,
        }));
        Ok(Outcome::Done)
    }

    /// Waits for what was sent and writes a checkpoint.
    fn stop(&mut self, listener: &mut Listener) -> Result<Outcome, TrainError> {
        self.drain(listener)?;
        self.save(&[LAST.to_owned()], listener)?;
        Ok(Outcome::Stopped {
            step: self.position.step,
        })
    }

    fn steps_per_epoch(&self) -> u64 {
        (self.start.steps / self.start.epochs.max(1)).max(1)
    }

    /// Sends the next step to the device.
    fn send(&mut self, rates: [f64; 2]) -> Result<(), TrainError> {
        self.batches.write(&self.program, self.sent)?;
        let rates = rates.map(|rate| rate as f32);
        self.program.write(self.nodes.rates, &rates);
        self.sent += 1;
        let tag = self.sent;
        Ok(self.program.run(Some((&mut self.readback, tag)))?)
    }

    /// The numbers of a step are here.
    fn arrived(
        &mut self,
        step: u64,
        values: &[Vec<f32>],
        listener: &mut Listener,
    ) -> Result<(), TrainError> {
        let [loss, output_std] = [values[0][0], values[1][0]];
        let loss_scale = values.get(2).map(|scale| scale[0]);
        let [lr, predictor_lr] = self.rates.at(step - 1);
        let batch = self.config.optim.batch_size;
        self.meter.tick();
        if let Some(scale) = loss_scale
            && scale <= LossScale::LEAST
        {
            let resume = self.resume();
            return Err(TrainError::LossScale {
                step,
                scale,
                resume,
            });
        }
        match (loss.is_finite(), loss_scale) {
            (true, _) => self.position.add(step, loss, output_std),
            (false, None) => return Err(self.diverged(step, loss)),
            // Such a step has moved nothing, and the scale falls with every further one.
            (false, Some(_)) => {
                self.position.skip(step);
                let message = format!(
                    "step {step} was skipped: an activation has left the range of 16-bit floats"
                );
                listener(&Event::Warning(Warning { message }));
                return Ok(());
            }
        }
        listener(&Event::Step(Step {
            step,
            epoch: (step - 1) / self.steps_per_epoch() + 1,
            loss,
            output_std,
            lr,
            predictor_lr,
            loss_scale,
            images_per_second: self.meter.steps_per_second() * batch as f64,
        }));
        Ok(())
    }

    fn diverged(&self, step: u64, loss: f32) -> TrainError {
        let resume = self.resume();
        TrainError::Diverged { step, loss, resume }
    }

    /// Where the last good weights are, as errors say it.
    fn resume(&self) -> String {
        let last = self.checkpoints.as_ref().map(|folder| folder.join(LAST));
        last.map(|last| format!(" (the weights before are in {})", last.display()))
            .unwrap_or_default()
    }

    /// Waits for the numbers of all steps sent.
    fn drain(&mut self, listener: &mut Listener) -> Result<(), TrainError> {
        while let Some((tag, values)) = self.readback.wait()? {
            self.arrived(tag, &values, listener)?;
        }
        Ok(())
    }

    /// Follows the commands that have come; false means stop. Steps before a pause or a checkpoint are waited for.
    fn obey(
        &mut self,
        commands: &Receiver<Command>,
        listener: &mut Listener,
    ) -> Result<bool, TrainError> {
        let mut paused = false;
        loop {
            let command = match paused {
                false => match self
                    .deferred
                    .pop_front()
                    .map_or_else(|| commands.try_recv(), Ok)
                {
                    Ok(command) => command,
                    Err(TryRecvError::Empty | TryRecvError::Disconnected) => return Ok(true),
                },
                // Where nobody is left to resume it, a paused training goes on.
                true => match self.deferred.pop_front() {
                    Some(command) => command,
                    None => commands.recv().unwrap_or(Command::Resume),
                },
            };
            match command {
                Command::Stop => return Ok(false),
                Command::Pause => {
                    self.drain(listener)?;
                    paused = true;
                }
                Command::Resume => {
                    paused = false;
                    self.meter.restart();
                }
                Command::CheckpointNow => {
                    self.drain(listener)?;
                    self.save(&[LAST.to_owned()], listener)?;
                }
            }
        }
    }

    /// Writes the state under these names. All steps sent must have arrived.
    fn save(&mut self, names: &[String], listener: &mut Listener) -> Result<(), TrainError> {
        let Some(folder) = &self.checkpoints else {
            return Ok(());
        };
        let mut checkpoint = Checkpoint::capture(&self.parameters, &self.store)?;
        checkpoint.config = Some(self.config.to_toml()?);
        checkpoint.epoch = self.position.epochs(self.steps_per_epoch());
        let images = self.data.train.len().to_string();
        checkpoint.extra.insert(TRAIN_IMAGES.to_owned(), images);
        if let Some(LossScale { scale, good_steps }) = LossScale::read(&self.store)? {
            let values = [(LOSS_SCALE, scale), (GOOD_STEPS, good_steps)];
            let values = values.map(|(key, value)| (key.to_owned(), format!("{value:?}")));
            checkpoint.extra.extend(values);
        }
        self.position.write(&mut checkpoint);
        for name in names {
            let path = folder.join(name);
            checkpoint.save(&path)?;
            let step = self.position.step;
            listener(&Event::Checkpoint(Saved { path, step }));
        }
        self.last_saved = Instant::now();
        Ok(())
    }
}
