//! How a run stands, in a word and a sentence: for a badge, and for the end of a training.

use super::{AlarmKind, HealthMonitor, POINT, STILL};
use crate::format::number;
use crate::train::Alarm;

/// A run is watched where its output std is below this part of its largest (healthy MoCo runs went through .50), or its rank below this
/// multiple of what counts as low.
const NEAR_POINT: f64 = 0.47;
const NEAR_RANK: f64 = 1.2;

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HealthGrade {
    /// No step has been measured.
    Unknown,
    /// Nothing is near a threshold.
    Healthy,
    /// Something is near or beyond a threshold, not long enough for an alarm; or an alarm was raised and its numbers have come back.
    Watch,
    /// An alarm was raised.
    Alarmed(AlarmKind),
}

impl HealthGrade {
    /// In a word or two.
    pub fn name(self) -> &'static str {
        match self {
            HealthGrade::Unknown => "Not measured",
            HealthGrade::Healthy => "Healthy",
            HealthGrade::Watch => "Watch",
            HealthGrade::Alarmed(AlarmKind::Collapse) => "Collapsed",
            HealthGrade::Alarmed(AlarmKind::Stagnation) => "Not learning",
            HealthGrade::Alarmed(AlarmKind::Divergence) => "Diverged",
        }
    }
}

/// How a run stands, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct HealthStatus {
    /// How it stands.
    pub grade: HealthGrade,
    /// Why, in a sentence.
    pub reason: String,
    /// The first alarm that was raised.
    pub alarm: Option<Alarm>,
}

impl HealthMonitor {
    /// How the run stands after what was observed.
    pub fn status(&self) -> HealthStatus {
        if let Some(alarm) = &self.seen.alarm {
            return self.after(alarm);
        }
        if self.seen.step == 0 {
            let reason = "No step has been measured yet.".to_owned();
            return HealthStatus { grade: HealthGrade::Unknown, reason, alarm: None };
        }
        let (grade, reason) = match self.near() {
            Some(reason) => (HealthGrade::Watch, reason),
            None => (HealthGrade::Healthy, format!("Nothing is near a threshold: {}.", self.numbers())),
        };
        HealthStatus { grade, reason, alarm: None }
    }

    /// How a run stands for which this alarm was raised.
    pub fn after(&self, alarm: &Alarm) -> HealthStatus {
        let (kind, step) = (alarm.kind, alarm.step);
        let back = self.seen.step > step
            && match kind {
                AlarmKind::Collapse => self.state.low == 0,
                AlarmKind::Stagnation => self.moved() >= self.health.moves,
                AlarmKind::Divergence => self.state.high == 0,
            };
        let (grade, reason) = match back {
            true => {
                let numbers = self.numbers();
                let kind = kind.name();
                let reason = format!(
                    "An alarm ({kind}) was raised at step {step}, and the numbers have come back since: {numbers}."
                );
                (HealthGrade::Watch, reason)
            }
            false => {
                let reason = format!("It {} at step {step}: {}.", kind.happened(), alarm.message);
                (HealthGrade::Alarmed(kind), reason)
            }
        };
        HealthStatus { grade, reason, alarm: Some(alarm.clone()) }
    }

    /// How far the loss has fallen, as a part of its range.
    fn moved(&self) -> f64 {
        (self.state.first_loss - self.state.least_loss) / self.health.loss_range
    }

    /// What is near a threshold.
    fn near(&self) -> Option<String> {
        let (state, rank) = (&self.state, self.seen.rank.unwrap_or(f64::NAN));
        let least = self.health.least_rank * state.first_rank;
        let part = state.std / state.most_std;
        if state.high > 0 {
            let above = state.loss - state.least_loss;
            return Some(format!("The loss is {above:.3} above its best, and has been for {} steps.", state.high));
        }
        if part < NEAR_POINT {
            return Some(format!(
                "The output std has fallen to {part:.2} of its highest; below {POINT} the outputs of all images come together in one point."
            ));
        }
        if let Some([std, _]) = self.health.shrinks
            && part < std
        {
            return Some(format!(
                "The output std has fallen to {part:.2} of its highest; healthy runs of this method stay above {std}."
            ));
        }
        if rank < NEAR_RANK * least {
            let since = match state.low {
                0 => String::new(),
                _ => format!(" since step {}", state.low_since),
            };
            return Some(format!(
                "The effective rank is {rank:.1}{since}; below {least:.1} ({:.0} % of that before training) for long, the outputs fall into few \
                 directions.",
                100.0 * self.health.least_rank
            ));
        }
        (self.steps_that_count(self.seen.step) >= self.half_patience() && self.moved() < STILL).then(|| {
            format!(
                "The loss has hardly moved: {} after {} steps, {} at first.",
                number(state.loss, 3),
                self.seen.step,
                number(state.first_loss, 3)
            )
        })
    }

    fn numbers(&self) -> String {
        let (state, healthy) = (&self.state, self.health.output_std);
        let rank = match self.seen.rank {
            Some(rank) if state.first_rank.is_finite() => {
                format!(", effective rank {rank:.1} ({:.1} before training)", state.first_rank)
            }
            Some(rank) => format!(", effective rank {rank:.1}"),
            None => String::new(),
        };
        format!("output std {:.2} of its healthy level{rank}, loss {}", state.std / healthy, number(state.loss, 3))
    }
}
