//! Where a run is: what a checkpoint must keep beside the network so that the next numbers come out the same.

use std::sync::Arc;

use super::checkpoint::Checkpoint;
use super::metrics::Readings;
use crate::method::metric::names;
use crate::method::{Cadence, Metric, PerEpoch};

/// Numbers by the names of their metrics.
type Numbers = Vec<(&'static str, f64)>;

/// Steps done, the sums of the epoch under way, and what kNN said.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Position {
    /// Steps whose numbers have arrived.
    pub step: u64,
    /// Over the steps of the epoch under way, of metrics whose mean an epoch reports.
    sums: Numbers,
    /// Steps of the epoch under way without numbers.
    lost: u64,
    /// Steps of the whole run without numbers.
    skipped: u64,
    /// The same since the last step with numbers.
    in_a_row: u64,
    /// [`last_numbers`] of an epoch whose steps are done and which has not been classified and reported yet. At step 0 that is epoch 0.
    pub pending: Option<Numbers>,
    /// kNN of the untrained network.
    pub knn_untrained: Option<f64>,
    /// kNN of the network when it was last asked.
    pub knn: Option<f64>,
}

/// After this many skipped steps in a row the next would be skipped too: whether an activation overflows does not depend on the loss scale,
/// so one may be chance and two are not.
const STUCK: u64 = 2;

const LOST: &str = "epoch.lost_steps";
const SKIPPED: &str = "steps.skipped";
const KNN_UNTRAINED: &str = "knn.untrained";
pub(super) const KNN: &str = "knn.last";

fn sum_key(name: &str) -> String {
    format!("epoch.{name}_sum")
}

fn last_key(name: &str) -> String {
    format!("epoch.{name}")
}

/// The numbers of a step that its epoch reports where it is the last.
pub(super) fn last_numbers(readings: [&Readings; 2]) -> Numbers {
    let all = readings.into_iter().flat_map(Readings::iter);
    let last = all.filter(|(metric, _)| metric.per_epoch == Some(PerEpoch::Last));
    last.map(|(metric, number)| (metric.name, number)).collect()
}

fn find(numbers: &[(&'static str, f64)], name: &str) -> Option<f64> {
    numbers.iter().find(|(other, _)| *other == name).map(|(_, number)| *number)
}

impl Position {
    /// Counts a step.
    pub fn add(&mut self, step: u64, readings: &Readings) {
        self.step = step;
        self.in_a_row = 0;
        for (metric, number) in readings.iter().filter(|(metric, _)| metric.per_epoch == Some(PerEpoch::Mean)) {
            match self.sums.iter_mut().find(|(name, _)| *name == metric.name) {
                Some((_, sum)) => *sum += number,
                None => self.sums.push((metric.name, number)),
            }
        }
    }

    /// Counts a step that was skipped because its numbers had left the range of f16.
    pub fn skip(&mut self, step: u64) {
        self.step = step;
        self.lost += 1;
        self.skipped += 1;
        self.in_a_row += 1;
    }

    /// How many of the last steps had no numbers, where those are enough to say that the weights make none: several, or all since `saved`.
    pub fn stuck(&self, saved: u64) -> Option<u64> {
        let since = self.step.saturating_sub(saved);
        (since > 0 && self.in_a_row >= STUCK.min(since)).then_some(self.in_a_row)
    }

    /// Epochs that have been reported, epoch 0 not counted.
    pub fn epochs(&self, steps_per_epoch: u64) -> u64 {
        let done = self.step / steps_per_epoch;
        done.saturating_sub(u64::from(self.pending.is_some()))
    }

    /// Epochs, epoch 0 counted, that had been reported when a checkpoint was written.
    pub fn epoch_lines(checkpoint: &Checkpoint) -> u64 {
        let unreported = checkpoint.step == 0 && checkpoint.extra.contains_key(&last_key(names::EFFECTIVE_RANK));
        checkpoint.epoch + u64::from(!unreported)
    }

    /// Steps that had been reported when a checkpoint was written; `None` where it does not say.
    pub fn step_lines(checkpoint: &Checkpoint) -> Option<u64> {
        let skipped = checkpoint.extra.get(SKIPPED)?.parse().ok()?;
        checkpoint.step.checked_sub(skipped)
    }

    /// The numbers of an epoch of `steps` steps, means over those steps that had numbers (NaN where none had); the next begins.
    pub fn end_epoch(&mut self, steps: u64, metrics: &Arc<[Metric]>) -> Readings {
        let counted = steps.saturating_sub(std::mem::take(&mut self.lost));
        let last = self.pending.take().unwrap_or_default();
        let sums = std::mem::take(&mut self.sums);
        let mut readings = Readings::new(metrics, Cadence::Epoch);
        readings.fill(|metric| match metric.per_epoch? {
            PerEpoch::Mean => find(&sums, metric.name).filter(|_| counted > 0).map(|sum| sum / counted as f64),
            PerEpoch::Last => find(&last, metric.name),
        });
        readings
    }

    /// Puts it into a checkpoint.
    pub fn write(&self, checkpoint: &mut Checkpoint) {
        checkpoint.step = self.step;
        let values =
            [(LOST, (self.lost > 0).then_some(self.lost as f64)), (KNN_UNTRAINED, self.knn_untrained), (KNN, self.knn)];
        let values = values.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
        let sums = self.sums.iter().map(|(name, sum)| (sum_key(name), *sum));
        let last = self.pending.iter().flatten().map(|(name, number)| (last_key(name), *number));
        for (key, value) in values.chain(sums).chain(last) {
            // The shortest text that reads back as the same bits.
            checkpoint.extra.insert(key, format!("{value:?}"));
        }
        checkpoint.extra.insert(SKIPPED.to_owned(), self.skipped.to_string());
    }

    /// Takes it from a checkpoint of a run with these metrics.
    pub fn read(checkpoint: &Checkpoint, metrics: &[Metric]) -> Position {
        let number = |key: &str| checkpoint.extra.get(key).and_then(|text| text.parse().ok());
        let reported = |what, key: fn(&str) -> String| -> Numbers {
            let metrics = metrics.iter().filter(|metric| metric.per_epoch == Some(what));
            metrics.filter_map(|metric| Some((metric.name, number(&key(metric.name))?))).collect()
        };
        let last = reported(PerEpoch::Last, last_key);
        Position {
            step: checkpoint.step,
            sums: reported(PerEpoch::Mean, sum_key),
            lost: number(LOST).unwrap_or(0.0) as u64,
            skipped: number(SKIPPED).unwrap_or(0.0) as u64,
            in_a_row: 0,
            pending: (!last.is_empty()).then_some(last),
            knn_untrained: number(KNN_UNTRAINED),
            knn: number(KNN),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::method::Source;

    #[test]
    fn a_checkpoint_keeps_every_bit() {
        let metric = |name, per_epoch| Metric { per_epoch, ..Metric::new(name, name, Source::Host) };
        let metrics: Arc<[Metric]> = Arc::new([
            metric("loss", Some(PerEpoch::Mean)),
            metric("lr", None),
            metric("temperature", Some(PerEpoch::Last)),
            metric("similarity", Some(PerEpoch::Mean)),
        ]);
        let mut readings = Readings::new(&metrics, Cadence::Step);
        let mut position = Position { knn: Some(1.0 / 3.0), ..Position::default() };
        for step in 1..100 {
            let numbers = [("loss", -0.1 / step as f64), ("lr", 1.0), ("temperature", 0.1), ("similarity", 1e-9)];
            numbers.iter().for_each(|(name, number)| readings.set(name, *number));
            match step {
                50 => position.skip(step),
                _ => position.add(step, &readings),
            }
        }
        position.pending = Some(last_numbers([&readings, &Readings::new(&metrics, Cadence::Watched)]));
        let mut checkpoint = Checkpoint::default();
        position.write(&mut checkpoint);
        assert_eq!(Position::read(&checkpoint, &metrics), position);
        assert_eq!(position.epochs(33), 2);
        let epoch = position.end_epoch(99, &metrics);
        assert_eq!(position.epochs(33), 3);
        assert!((-0.1..0.0).contains(&epoch.get("loss")) && (epoch.get("similarity") - 1e-9).abs() < 1e-20);
        assert!(epoch.get("temperature") == 0.1 && !epoch.has("lr"));
        assert!(position.end_epoch(1, &metrics).get("loss").is_nan(), "no step, no number");
        assert_eq!(Position::step_lines(&checkpoint), Some(98));
        // Once is chance.
        position.skip(100);
        assert_eq!([95, 99, 100].map(|saved| position.stuck(saved)), [None, Some(1), None]);
        position.skip(101);
        assert_eq!([95, 101].map(|saved| position.stuck(saved)), [Some(2), None]);
    }
}
