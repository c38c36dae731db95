//! Where a training has left the range of numbers: the steps since the last checkpoint run again, which gives the same bits, and the first
//! one whose state or loss is not finite runs node by node.

use std::sync::mpsc::Receiver;

use super::{LAST, Trainer};
use crate::graph::NotFinite;
use crate::model::{Arena, Entry};
use crate::train::TrainError;
use crate::train::checkpoint::Checkpoint;
use crate::train::event::Command;

/// The state is checked every so many steps, and where it is not finite then, after each of these again: reading it can take as long as a step.
const STRIDE: u64 = 16;

impl Trainer {
    /// What made the first value that is not finite, up to `step`, in one line; nothing where a command to stop came first. The state of
    /// the training is then one before that step.
    pub(super) fn trace(&mut self, step: u64, commands: &Receiver<Command>) -> Option<String> {
        Some(match self.first_not_finite(step, commands) {
            Ok(None) => return None,
            Ok(Some((step, Some(found)))) => {
                let place = found.state.and_then(|(arena, word)| self.entry_at(arena, word));
                format!("step {step}: {}", found.describe(place.map(|entry| entry.name.as_str())))
            }
            Ok(Some((step, None))) => format!(
                "up to step {step} every value was finite when the same steps ran again: the device or its memory may be at fault"
            ),
            Err(error) => format!("what made the first value that is not finite could not be found: {error}"),
        })
    }

    fn entry_at(&self, arena: &'static str, word: usize) -> Option<&Entry> {
        let arena = match Arena(arena) {
            Arena::MOMENTUM | Arena::GRADIENTS => Arena::PARAMETERS,
            other => other,
        };
        self.parameters.of(arena).filter(|entry| entry.offset <= word).last()
    }

    /// The step and the node; `None` for a command to stop, and where no state from before the step is left.
    fn first_not_finite(
        &mut self,
        mut step: u64,
        commands: &Receiver<Command>,
    ) -> Result<Option<(u64, Option<NotFinite>)>, TrainError> {
        // Ranks would have to look for it together.
        if !self.store.link().ranks().is_alone() {
            return Ok(None);
        }
        let newest = self.checkpoints.as_ref().map(|folder| folder.join(LAST)).filter(|path| path.exists());
        let mut before = match newest {
            Some(path) => Checkpoint::load(&path)?,
            None if self.restored => return Ok(None),
            None => {
                self.reset()?;
                self.sent = 0;
                self.capture()?
            }
        };
        if before.step >= step.max(1) {
            return Ok(None);
        }
        self.load(&before)?;
        let mut stride = STRIDE;
        while before.step + 1 < step {
            let next = (before.step + stride).min(step - 1);
            for at in before.step..next {
                if !self.ready(at, commands) {
                    return Ok(None);
                }
                self.prepare(self.rates.at(at))?;
                self.program.run(None)?;
            }
            self.sent = next;
            let after = self.capture()?;
            if after.not_finite().is_none() {
                before = after;
                continue;
            }
            self.load(&before)?;
            match next == before.step + 1 {
                true => step = next,
                false => stride = 1,
            }
        }
        if !self.ready(before.step, commands) {
            return Ok(None);
        }
        // Before the first step there is one whose rates are zero.
        let rates = if step == 0 { [0.0; 2] } else { self.rates.at(before.step) };
        self.prepare(rates)?;
        Ok(Some((step, self.program.trace()?)))
    }

    /// Waits for the images of the step after `at`; false for a command to stop.
    fn ready(&mut self, at: u64, commands: &Receiver<Command>) -> bool {
        self.sent = at;
        let deferred = &mut self.deferred;
        let mut go_on = || {
            deferred.extend(commands.try_iter());
            !deferred.contains(&Command::Stop)
        };
        go_on() && self.batches.wait(at, &mut go_on)
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::sync::{Arc, mpsc};

    use super::*;
    use crate::config::Config;
    use crate::data::{self, Limits, Spec};
    use crate::gpu::{Gpu, GpuOptions, Tier};
    use crate::method::{self, Cadence, metric::names};
    use crate::train::metrics::{Readings, step_metrics::StepMetrics};
    use crate::train::{Event, TrainPlan};

    type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

    /// Of a network with few channels, three epochs of eight steps.
    fn trainer(gpu: &Gpu, method: &str, settings: &[&str]) -> Result<Trainer> {
        let mut config = Config::preset_for("demo", method)?;
        let all = [
            "data.limit_train=133",
            "data.limit_test=37",
            "data.image_size=12",
            "model.blocks=[1]",
            "model.width=4",
            "model.projector_hidden=16",
            "model.dim=16",
            "optim.epochs=3",
            "optim.batch_size=16",
            "run.knn_every=0",
        ];
        for assignment in all.iter().chain(settings) {
            config.set(assignment)?;
        }
        let spec: Spec = config.data.source.parse()?;
        let data = Arc::new(data::open(&spec, Limits::from(&config.data))?);
        Ok(Trainer::new(TrainPlan::new(gpu, &config, data)?, None)?)
    }

    /// The steps that a trace runs are those of the training, and none of their values is taken for one that is not finite.
    #[test]
    fn a_healthy_training_is_the_same_traced() -> Result {
        let gpu = Gpu::open(None, GpuOptions { checked: true })?;
        let (_sender, commands) = mpsc::channel();
        let half: &[&str] = if gpu.report().tier >= Tier::F16 { &["run.precision=f16"] } else { &[] };
        let methods = method::names().iter().map(|&name| (name, &[] as &[&str])).chain([("simsiam", half)]);
        for (name, settings) in methods {
            let mut trainer = trainer(&gpu, name, settings)?;
            // Over the border of a stride.
            assert_eq!(trainer.first_not_finite(19, &commands)?, Some((19, None)), "{name}");
            trainer.sent = 0;
            let traced = trainer.capture()?;
            trainer.reset()?;
            for step in 0..19 {
                trainer.send(trainer.rates.at(step), false)?;
            }
            trainer.sent = 0;
            assert_eq!(trainer.capture()?, traced, "{name}");
        }
        Ok(())
    }

    #[test]
    fn the_first_step_and_node_are_found_and_a_stop_ends_the_search() -> Result {
        let gpu = Gpu::open(None, GpuOptions { checked: true })?;
        let (sender, commands) = mpsc::channel();
        let mut trainer = trainer(&gpu, "simsiam", &["optim.lr=3e38", "optim.weight_decay=1e38"])?;
        // As if it had been seen long after.
        let line = trainer.trace(20, &commands).unwrap_or_default();
        let expected = "step 1: sgd made the first value that is not finite, in encoder.conv1.weight; its inputs were finite, up to ";
        assert!(line.starts_with(expected), "{line}");
        sender.send(Command::Stop)?;
        assert_eq!(trainer.trace(20, &commands), None);

        // A loss may be finite where its gradient is not.
        let readings = Readings::given(Cadence::Step, &[(names::LOSS, -0.5), (names::GRADIENT_NORM, f64::NAN)]);
        let numbers = StepMetrics { step: 1, readings, gradient_norms: Vec::new(), watched: None };
        let error = trainer.arrived(numbers, &mut super::super::listen::Events(&mut |_: &Event| {}));
        assert!(matches!(error, Err(TrainError::Gradient { step: 1, .. })), "{error:?}");
        Ok(())
    }
}
