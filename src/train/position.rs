//! Where a run is: what a checkpoint must keep beside the network so that the next numbers come out the same.

use super::checkpoint::Checkpoint;

/// Steps done, the sums of the epoch under way, and what kNN said.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Position {
    /// Steps whose numbers have arrived.
    pub step: u64,
    loss_sum: f64,
    output_std_sum: f64,
    /// Steps of the epoch under way without numbers.
    lost: u64,
    /// Effective rank of an epoch whose steps are done and which has not been classified and reported yet. At step 0 that is epoch 0.
    pub pending: Option<f64>,
    /// kNN of the untrained network.
    pub knn_untrained: Option<f64>,
    /// kNN of the network when it was last asked.
    pub knn: Option<f64>,
}

const LOSS_SUM: &str = "epoch.loss_sum";
const OUTPUT_STD_SUM: &str = "epoch.output_std_sum";
const LOST: &str = "epoch.lost_steps";
const PENDING: &str = "epoch.effective_rank";
const KNN_UNTRAINED: &str = "knn.untrained";
const KNN: &str = "knn.last";

impl Position {
    /// Counts a step.
    pub fn add(&mut self, step: u64, loss: f32, output_std: f32) {
        self.step = step;
        self.loss_sum += f64::from(loss);
        self.output_std_sum += f64::from(output_std);
    }

    /// Counts a step that was skipped because its numbers had left the range of f16.
    pub fn skip(&mut self, step: u64) {
        self.step = step;
        self.lost += 1;
    }

    /// Epochs that have been reported, epoch 0 not counted.
    pub fn epochs(&self, steps_per_epoch: u64) -> u64 {
        let done = self.step / steps_per_epoch;
        done.saturating_sub(u64::from(self.pending.is_some()))
    }

    /// Epochs, epoch 0 counted, that had been reported when a checkpoint was written.
    pub fn epoch_lines(checkpoint: &Checkpoint) -> u64 {
        let unreported = checkpoint.step == 0 && checkpoint.extra.contains_key(PENDING);
        checkpoint.epoch + u64::from(!unreported)
    }

    /// Means of loss and output std over those of an epoch's `steps` steps that had numbers; the next begins.
    pub fn end_epoch(&mut self, steps: u64) -> [f64; 2] {
        self.pending = None;
        let counted = steps.saturating_sub(std::mem::take(&mut self.lost)).max(1);
        let sums = [&mut self.loss_sum, &mut self.output_std_sum];
        sums.map(|sum| std::mem::take(sum) / counted as f64)
    }

    /// Puts it into a checkpoint.
    pub fn write(&self, checkpoint: &mut Checkpoint) {
        checkpoint.step = self.step;
        let values = [
            (LOSS_SUM, Some(self.loss_sum)),
            (OUTPUT_STD_SUM, Some(self.output_std_sum)),
            (LOST, (self.lost > 0).then_some(self.lost as f64)),
            (PENDING, self.pending),
            (KNN_UNTRAINED, self.knn_untrained),
            (KNN, self.knn),
        ];
        for (key, value) in values {
            if let Some(value) = value {
                // The shortest text that reads back as the same bits.
                checkpoint.extra.insert(key.to_owned(), format!("{value:?}"));
            }
        }
    }

    /// Takes it from a checkpoint.
    pub fn read(checkpoint: &Checkpoint) -> Position {
        let number = |key: &str| checkpoint.extra.get(key).and_then(|text| text.parse().ok());
        Position {
            step: checkpoint.step,
            loss_sum: number(LOSS_SUM).unwrap_or(0.0),
            output_std_sum: number(OUTPUT_STD_SUM).unwrap_or(0.0),
            lost: number(LOST).unwrap_or(0.0) as u64,
            pending: number(PENDING),
            knn_untrained: number(KNN_UNTRAINED),
            knn: number(KNN),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_keeps_every_bit() {
        let mut position = Position { knn: Some(1.0 / 3.0), pending: Some(0.1 + 0.2), ..Position::default() };
        for step in 1..100 {
            match step {
                50 => position.skip(step),
                _ => position.add(step, -0.1 / step as f32, 1e-9),
            }
        }
        let mut checkpoint = Checkpoint::default();
        position.write(&mut checkpoint);
        assert_eq!(Position::read(&checkpoint), position);
        assert_eq!(position.epochs(33), 2);
        let [loss, _] = position.end_epoch(99);
        assert_eq!(position.epochs(33), 3);
        assert!((-0.1..0.0).contains(&loss));
        assert_eq!(position.end_epoch(1), [0.0, 0.0]);
    }
}
