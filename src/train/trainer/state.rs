//! The state of a training in and out of checkpoints.

use std::time::Instant;

use super::{Listener, Trainer, warn};
use crate::method::{Advice, AlarmKind, LossScaleState};
use crate::model::Arena;
use crate::train::TrainError;
use crate::train::checkpoint::Checkpoint;
use crate::train::event::{Event, Saved};
use crate::train::position::Position;

/// Metadata of a checkpoint.
const TRAIN_IMAGES: &str = "data.train_images";
const LOSS_SCALE: &str = "loss_scale.scale";
const GOOD_STEPS: &str = "loss_scale.good_steps";

impl Trainer {
    /// Continues from a checkpoint of the same configuration: what follows has the same bits as if there had been no interruption,
    /// where the kernels are the same (see [`TrainPlan::continue_with`](crate::train::TrainPlan::continue_with)).
    pub fn restore(&mut self, checkpoint: &Checkpoint) -> Result<(), TrainError> {
        let has = self.data.train.len();
        if let Some(had) = checkpoint.extra.get(TRAIN_IMAGES)
            && *had != has.to_string()
        {
            let had = had.clone();
            return Err(TrainError::OtherData { had, has });
        }
        let Checkpoint { step, epoch, .. } = *checkpoint;
        let steps = self.start.steps;
        if step > steps || epoch > step / self.steps_per_epoch() {
            return Err(TrainError::BeyondEnd { step, epoch, steps });
        }
        self.load(checkpoint)?;
        self.position = Position::read(checkpoint, &self.start.metrics);
        self.monitor.read(checkpoint);
        self.keep.read(checkpoint);
        self.sent = self.position.step;
        self.saved_step = self.position.step;
        self.restored = !checkpoint.is_imported();
        if checkpoint.is_imported() {
            self.first = Some(self.capture()?);
        }
        Ok(())
    }

    /// Writes the weights of a checkpoint, and what else a step changes, to the device.
    pub(super) fn load(&self, checkpoint: &Checkpoint) -> Result<(), TrainError> {
        checkpoint.restore(&self.parameters, &self.store)?;
        let number = |key: &str| checkpoint.extra.get(key).and_then(|text| text.parse().ok());
        if let (Some(scale), Some(good_steps)) = (number(LOSS_SCALE), number(GOOD_STEPS)) {
            LossScaleState { scale, good_steps }.write(&self.store);
        }
        Ok(())
    }

    /// What [`Trainer::load`] writes, after the steps sent.
    pub(super) fn capture(&self) -> Result<Checkpoint, TrainError> {
        let mut checkpoint = Checkpoint::capture(&self.parameters, &self.store)?;
        checkpoint.step = self.sent;
        if let Some(LossScaleState { scale, good_steps }) = LossScaleState::read(&self.store)? {
            let values = [(LOSS_SCALE, scale), (GOOD_STEPS, good_steps)];
            let values = values.map(|(key, value)| (key.to_owned(), format!("{value:?}")));
            checkpoint.extra.extend(values);
        }
        Ok(checkpoint)
    }

    /// Writes the state before the first step to the device.
    pub(super) fn reset(&self) -> Result<(), TrainError> {
        if let Some(first) = &self.first {
            return self.load(first);
        }
        self.parameters.write(&self.store, &self.parameters.initialize(self.config.run.seed));
        LossScaleState::INITIAL.write(&self.store);
        let zeros: Vec<Vec<f32>> =
            self.parameters.of(Arena::PARAMETERS).map(|entry| vec![0.0; entry.shape.len()]).collect();
        self.parameters.write_twins(&self.store, Arena::MOMENTUM, &zeros);
        Ok(())
    }

    /// Writes the state under these names, which replaces what is there only by weights that are finite and that a step has changed, once `listener` keeps what was reported. All steps sent must have arrived.
    pub(super) fn save(&mut self, names: &[String], listener: &mut Listener) -> Result<(), TrainError> {
        let step = self.position.step;
        let Some(folder) = self.checkpoints.clone() else {
            return Ok(());
        };
        if let Some(steps) = self.position.stuck(self.saved_step) {
            let saved = self.saved_step;
            let message = format!(
                "no checkpoint at step {step}: the last {steps} steps were skipped and have changed nothing; the one of step {saved} stays"
            );
            warn(vec![message], listener);
            return Ok(());
        }
        let remarks = listener.secure()?;
        warn(remarks, listener);
        let mut checkpoint = self.capture()?;
        if let Some(tensor) = checkpoint.not_finite() {
            return Err(self.not_finite(tensor.to_owned()));
        }
        checkpoint.config = Some(self.config.to_toml()?);
        checkpoint.epoch = self.position.epochs(self.steps_per_epoch());
        let images = self.data.train.len().to_string();
        checkpoint.extra.insert(TRAIN_IMAGES.to_owned(), images);
        self.position.write(&mut checkpoint);
        self.monitor.write(&mut checkpoint);
        self.keep.write(&mut checkpoint);
        for name in names {
            let path = folder.join(name);
            checkpoint.save(&path)?;
            listener.on_event(&Event::Checkpoint(Saved { path, step }));
        }
        (self.last_saved, self.saved_step) = (Instant::now(), step);
        Ok(())
    }

    /// Fails where the network has values that are not finite: a classification by it would be no measurement.
    pub(super) fn check_weights(&self) -> Result<(), TrainError> {
        let weights = self.parameters.read(&self.store)?;
        let mut entries = self.parameters.entries().iter().zip(&weights);
        match entries.find(|(_, values)| !values.iter().all(|value| value.is_finite())) {
            Some((entry, _)) => Err(self.not_finite(entry.name.clone())),
            None => Ok(()),
        }
    }

    fn not_finite(&self, tensor: String) -> TrainError {
        let advice = Advice::line(AlarmKind::Divergence, &self.config);
        TrainError::NotFinite { step: self.position.step, tensor, advice, resume: self.resume() }
    }
}
