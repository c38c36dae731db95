//! One step: out to the device, and its numbers back some steps later.

use super::{LAST, Listener, Trainer};
use crate::method::metric::names;
use crate::method::{Advice, AlarmKind, LossScaleState, StepInfo};
use crate::train::TrainError;
use crate::train::event::{Event, Step, Warning, Watch};
use crate::train::metrics::step_metrics::{StepMetrics, WatchedMetrics};
use crate::train::position::last_numbers;

impl Trainer {
    /// Sends the next step to the device; more of its numbers come back where it is watched.
    pub(super) fn send(&mut self, rates: [f64; 2], watched: bool) -> Result<(), TrainError> {
        self.prepare(rates)?;
        self.sent += 1;
        let tag = self.sent;
        Ok(self.program.run(Some((self.inbox.ring(watched), tag)))?)
    }

    /// Writes what the next step reads.
    pub(super) fn prepare(&mut self, rates: [f64; 2]) -> Result<(), TrainError> {
        if let Some(pass) = &mut self.precomputed {
            pass.before(self.sent)?;
        }
        if !self.nodes.inputs.is_empty() {
            let images = self.batches.images(self.sent);
            let (steps, steps_per_epoch) = (self.start.steps, self.steps_per_epoch());
            let info = StepInfo { step: self.sent, steps, steps_per_epoch, images: &images };
            for input in &self.nodes.inputs {
                input.write(&self.program, &info);
            }
        }
        self.batches.write(&self.program, self.sent)?;
        let rates = rates.map(|rate| rate as f32);
        self.program.write(self.nodes.rates, &rates);
        Ok(())
    }

    /// The numbers of a step are here.
    pub(super) fn arrived(&mut self, numbers: StepMetrics, listener: &mut Listener) -> Result<(), TrainError> {
        let StepMetrics { step, mut readings, gradient_norms, watched } = numbers;
        let loss = readings.get(names::LOSS) as f32;
        let loss_scale = readings.has(names::LOSS_SCALE).then(|| readings.get(names::LOSS_SCALE) as f32);
        let ends_epoch = step.is_multiple_of(self.steps_per_epoch());
        if let (true, Some(watched)) = (ends_epoch, &watched) {
            self.position.pending = Some(last_numbers([&readings, &watched.readings]));
        }
        let [lr, predictor_lr] = self.rates.at(step - 1);
        let batch = self.config.optim.batch_size;
        self.meter.tick();
        if let Some(scale) = loss_scale
            && scale <= LossScaleState::LEAST
        {
            let resume = self.resume();
            return Err(TrainError::LossScale { step, scale, resume });
        }
        let gradient_lost = || !readings.get(names::GRADIENT_NORM).is_finite();
        match (loss.is_finite(), loss_scale) {
            (true, None) if gradient_lost() => {
                let advice = Advice::line(AlarmKind::Divergence, &self.config);
                return Err(TrainError::Gradient { step, advice, resume: self.resume() });
            }
            (true, _) => self.position.add(step, &readings),
            (false, None) => return Err(self.diverged(step, loss)),
            // Such a step has moved nothing, and the scale falls with every further one.
            (false, Some(_)) => {
                self.position.skip(step);
                let message = format!("step {step} was skipped: an activation has left the range of 16-bit floats");
                listener.on_event(&Event::Warning(Warning { message }));
                return Ok(());
            }
        }
        let epoch = (step - 1) / self.steps_per_epoch() + 1;
        readings.set(names::LR, lr);
        readings.set(names::PREDICTOR_LR, predictor_lr);
        readings.set(names::IMAGES_PER_SECOND, self.meter.steps_per_second() * batch as f64);
        self.report(Event::Step(Step { step, epoch, readings }), listener);
        if let Some(WatchedMetrics { readings, channel_std }) = watched {
            let stages = self.nodes.gradient_norms.stages.iter().cloned();
            let gradient_norms = stages.zip(gradient_norms).collect();
            let event = Event::Watch(Watch { step, epoch, readings, gradient_norms, channel_std, ends_epoch });
            self.report(event, listener);
        }
        Ok(())
    }

    /// Reports numbers, and the alarm or warning that follows from them.
    pub(super) fn report(&mut self, event: Event, listener: &mut Listener) {
        listener.on_event(&event);
        if let Some(seen) = self.monitor.observe(&event) {
            listener.on_event(&seen);
        }
    }

    pub(super) fn diverged(&self, step: u64, loss: f32) -> TrainError {
        TrainError::Diverged {
            step,
            loss,
            advice: Advice::line(AlarmKind::Divergence, &self.config),
            resume: self.resume(),
        }
    }

    /// Where the last good weights are, as errors say it.
    pub(super) fn resume(&self) -> String {
        let last = self.checkpoints.as_ref().map(|folder| folder.join(LAST));
        last.map(|last| format!(" (the weights before are in {})", last.display())).unwrap_or_default()
    }

    /// Waits for the numbers of all steps sent.
    pub(super) fn drain(&mut self, listener: &mut Listener) -> Result<(), TrainError> {
        while let Some(numbers) = self.inbox.wait()? {
            self.arrived(numbers, listener)?;
        }
        Ok(())
    }
}
