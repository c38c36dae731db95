//! One step: out to the device, and its numbers back some steps later.

use super::{LAST, Listener, Trainer};
use crate::method::LossScale;
use crate::train::TrainError;
use crate::train::event::{Event, Step, Warning};

impl Trainer {
    /// Sends the next step to the device.
    pub(super) fn send(&mut self, rates: [f64; 2]) -> Result<(), TrainError> {
        if let Some(ahead) = &mut self.ahead {
            ahead.before(self.sent)?;
        }
        if let Some(rows) = self.nodes.target_rows {
            let images = self.batches.images(self.sent);
            let views = self.config.method.views();
            let index = self.targets.index(self.sent, &images, views);
            self.program.write_words(rows, &index);
        }
        self.batches.write(&self.program, self.sent)?;
        let rates = rates.map(|rate| rate as f32);
        self.program.write(self.nodes.rates, &rates);
        self.sent += 1;
        let tag = self.sent;
        Ok(self.program.run(Some((&mut self.readback, tag)))?)
    }

    /// The numbers of a step are here.
    pub(super) fn arrived(
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

    pub(super) fn diverged(&self, step: u64, loss: f32) -> TrainError {
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
    pub(super) fn drain(&mut self, listener: &mut Listener) -> Result<(), TrainError> {
        while let Some((tag, values)) = self.readback.wait()? {
            self.arrived(tag, &values, listener)?;
        }
        Ok(())
    }
}
