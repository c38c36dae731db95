//! The learning rates of a step.

use crate::config::{OptimConfig, Schedule};

/// Learning rates as a function of the step.
///
/// The rate is `optim.lr * batch_size / 256` (Goyal et al. 2017, the linear scaling rule), times a cosine that falls to zero at the
/// end (paper §3), or a tenth for every milestone that has come (`torch.optim.lr_scheduler.MultiStepLR`). The cosine moves every step or, as in the authors' code, once an epoch. A warm-up, where there is one, rises linearly step
/// by step and reaches the full rate with its last; the cosine then covers the epochs that remain. The predictor's rate takes part in
/// the warm-up and then follows the cosine or stays where it is.
#[derive(Debug, Clone, PartialEq)]
pub struct LearningRates {
    base: f64,
    steps_per_epoch: u64,
    epochs: u64,
    warmup_epochs: u64,
    by_epoch: bool,
    fixed_predictor: bool,
    /// Epochs with which the rate falls to a tenth; `None` where it follows the cosine.
    milestones: Option<Vec<u64>>,
}

impl LearningRates {
    /// The rates of a run of `steps_per_epoch` steps an epoch.
    pub fn new(config: &OptimConfig, steps_per_epoch: usize) -> LearningRates {
        LearningRates {
            base: config.lr * config.batch_size as f64 / 256.0,
            steps_per_epoch: steps_per_epoch.max(1) as u64,
            epochs: config.epochs.max(1) as u64,
            warmup_epochs: config.warmup_epochs as u64,
            by_epoch: config.schedule == Schedule::Epoch,
            fixed_predictor: config.fixed_predictor_lr,
            milestones: (config.schedule == Schedule::Milestones)
                .then(|| config.milestones.iter().map(|&epoch| epoch as u64).collect()),
        }
    }

    /// Rates of encoder and predictor in the step after `step` steps.
    pub fn at(&self, step: u64) -> [f64; 2] {
        let warmup_steps = self.warmup_epochs * self.steps_per_epoch;
        if step < warmup_steps {
            let rate = self.base * (step + 1) as f64 / warmup_steps as f64;
            return [rate, rate];
        }
        let cosine_epochs = self.epochs.saturating_sub(self.warmup_epochs).max(1);
        // Whole numbers before the division: one rounding, and the authors' very numbers where the rate moves by epoch.
        let progress = match self.by_epoch {
            true => {
                let epoch = step / self.steps_per_epoch - self.warmup_epochs;
                epoch as f64 / cosine_epochs as f64
            }
            false => {
                let steps = cosine_epochs * self.steps_per_epoch;
                (step - warmup_steps) as f64 / steps as f64
            }
        };
        let part = match &self.milestones {
            None => 0.5 * (1.0 + (std::f64::consts::PI * progress.min(1.0)).cos()),
            Some(milestones) => {
                let epoch = step / self.steps_per_epoch;
                let passed = milestones.iter().filter(|&&milestone| milestone <= epoch).count();
                0.1_f64.powi(i32::try_from(passed).unwrap_or(i32::MAX))
            }
        };
        let rate = self.base * part;
        let predictor = match self.fixed_predictor {
            true => self.base,
            false => rate,
        };
        [rate, predictor]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> OptimConfig {
        OptimConfig { lr: 0.05, batch_size: 512, epochs: 4, ..OptimConfig::default() }
    }

    fn table(config: &OptimConfig, steps_per_epoch: usize, steps: u64) -> Vec<[f64; 2]> {
        let rates = LearningRates::new(config, steps_per_epoch);
        (0..steps).map(|step| rates.at(step)).collect()
    }

    fn assert_rates(got: &[[f64; 2]], expected: &[[f64; 2]]) {
        assert_eq!(got.len(), expected.len());
        for (step, (got, expected)) in got.iter().zip(expected).enumerate() {
            let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
            assert!(near(got[0], expected[0]) && near(got[1], expected[1]), "step {step}: {got:?}, not {expected:?}");
        }
    }

    /// `adjust_learning_rate` of the authors' code: init_lr * 0.5 * (1 + cos(pi * epoch / epochs)), init_lr = 0.05 * 512 / 256.
    #[test]
    fn by_epoch_as_the_authors() {
        let config = OptimConfig { schedule: Schedule::Epoch, ..config() };
        let e = [0.1, 0.085_355_339_06, 0.05, 0.014_644_660_94];
        let expected: Vec<_> = (0..8).map(|step| [e[step / 2], 0.1]).collect();
        assert_rates(&table(&config, 2, 8), &expected);
    }

    #[test]
    fn the_authors_hundred_epochs() {
        let config = OptimConfig { schedule: Schedule::Epoch, epochs: 100, fixed_predictor_lr: false, ..config() };
        let rates = LearningRates::new(&config, 2502);
        for (epoch, rate) in [(0, 0.1), (25, 0.085_355_339_06), (50, 0.05), (99, 2.467_198_17e-5)] {
            for step in [0, 1250, 2501] {
                let got = rates.at(epoch * 2502 + step);
                assert_rates(&[got], &[[rate, rate]]);
            }
        }
    }

    #[test]
    fn by_step() {
        let config = OptimConfig { epochs: 2, ..config() };
        let expected = [0.1, 0.085_355_339_06, 0.05, 0.014_644_660_94].map(|rate| [rate, 0.1]);
        assert_rates(&table(&config, 2, 4), &expected);
    }

    #[test]
    fn the_predictor_may_follow() {
        let config = OptimConfig { epochs: 2, fixed_predictor_lr: false, ..config() };
        assert_rates(&table(&config, 1, 2), &[[0.1, 0.1], [0.05, 0.05]]);
    }

    #[test]
    fn warm_up_rises_to_the_full_rate_and_the_cosine_takes_what_remains() {
        let config = OptimConfig { warmup_epochs: 2, ..config() };
        let warm = [0.025, 0.05, 0.075, 0.1].map(|rate| [rate, rate]);
        let cosine = [0.1, 0.085_355_339_06, 0.05, 0.014_644_660_94].map(|rate| [rate, 0.1]);
        assert_rates(&table(&config, 2, 8), &[warm, cosine].concat());
        let config = OptimConfig { schedule: Schedule::Epoch, ..config };
        let cosine = [0.1, 0.1, 0.05, 0.05].map(|rate| [rate, 0.1]);
        assert_rates(&table(&config, 2, 8), &[warm, cosine].concat());
    }

    #[test]
    fn a_tenth_at_every_milestone() {
        let config = OptimConfig {
            schedule: Schedule::Milestones,
            milestones: vec![1, 3],
            fixed_predictor_lr: false,
            ..config()
        };
        let expected = [0.1, 0.1, 0.01, 0.01, 0.01, 0.01, 0.001, 0.001].map(|rate| [rate, rate]);
        assert_rates(&table(&config, 2, 8), &expected);
    }

    #[test]
    fn past_the_end_the_rate_is_zero() {
        assert_rates(&[LearningRates::new(&config(), 3).at(50)], &[[0.0, 0.1]]);
    }
}
