//! Around the steps of an epoch: the untrained network as epoch 0, and what is measured and reported at an epoch's end.

use std::sync::mpsc::Receiver;
use std::time::Instant;

use super::{LAST, Listener, Trainer, warn};
use crate::eval::EvalError;
use crate::method::metric::names;
use crate::train::TrainError;
use crate::train::event::{Command, Epoch, Event};
use crate::train::keep;
use crate::train::position::last_numbers;

impl Trainer {
    /// Epoch 0: the loss of the untrained network on the first batch. The step that shows it runs with a rate of zero, and what it
    /// leaves in momentum and running statistics is taken back.
    pub(super) fn measure_untrained(&mut self) -> Result<(), TrainError> {
        self.send([0.0; 2], true)?;
        self.sent = 0;
        let Some(numbers) = self.inbox.wait()? else {
            return Ok(()); // cannot be: one was sent
        };
        let loss = numbers.readings.get(names::LOSS) as f32;
        if !loss.is_finite() {
            return Err(self.diverged(0, loss));
        }
        self.position.add(0, &numbers.readings);
        self.position.pending = numbers.watched.map(|watched| last_numbers([&numbers.readings, &watched.readings]));
        self.reset()?;
        Ok(())
    }

    /// Classifies and reports an epoch whose steps are done; false where a command to stop came first.
    pub(super) fn end_epoch(
        &mut self,
        began: Instant,
        commands: &Receiver<Command>,
        listener: &mut Listener,
    ) -> Result<bool, TrainError> {
        let epoch = self.position.step / self.steps_per_epoch();
        let every = self.config.run.knn_every as u64;
        // The last network is always classified: it is what the run is about.
        let due = every > 0 && (epoch.is_multiple_of(every) || epoch == self.start.epochs);
        if due && self.knn.is_some() {
            self.check_weights()?;
        }
        let mut knn_top1 = None;
        if let (Some(knn), true) = (&mut self.knn, due) {
            let (deferred, alone) = (&mut self.deferred, self.store.link().ranks().is_alone());
            let mut go_on = || {
                deferred.extend(commands.try_iter());
                !deferred.contains(&Command::Stop) || !alone
            };
            knn_top1 = match knn.top1(&self.data, &mut go_on) {
                Err(error @ EvalError::NotFinite { .. }) => {
                    warn(vec![format!("no kNN: {error}")], listener);
                    Some(f64::NAN)
                }
                other => other?,
            };
            warn(knn.remarks(), listener);
            if knn_top1.is_none() {
                return Ok(false);
            }
        }
        if epoch == 0 {
            self.position.knn_untrained = knn_top1;
        }
        self.position.knn = knn_top1.or(self.position.knn);
        let steps = if epoch == 0 { 1 } else { self.steps_per_epoch() };
        let mut readings = self.position.end_epoch(steps, &self.start.metrics);
        readings.set(names::KNN_TOP1, knn_top1.unwrap_or(f64::NAN));
        let event = Event::Epoch(Epoch { epoch, readings, seconds: began.elapsed().as_secs_f64() });
        self.report(event, listener);
        let every = self.config.run.checkpoint_every as u64;
        let mut names = Vec::new();
        if every > 0 && epoch > 0 && epoch.is_multiple_of(every) {
            names.push(keep::name(epoch));
            self.keep.note(epoch, knn_top1);
        }
        // The newest one last: a run that continues from it has no reason to write the other again.
        names.push(LAST.to_owned());
        self.save(&names, listener)?;
        if let Some(folder) = &self.checkpoints {
            self.keep.prune(folder, epoch);
        }
        Ok(true)
    }
}
