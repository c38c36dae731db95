//! Recognises a collapse, a stagnation and a divergence in the numbers of a run: a state machine without a device, fed with the events
//! of a run, or with what `metrics.jsonl` keeps of them.

use serde::{Deserialize, Serialize};

use super::checkpoint::Checkpoint;
use super::event::{Alarm, Event, Warning};
use super::metrics::Line;
use crate::config::Config;
use crate::method::metric::names;
use crate::method::{self, Advice, AlarmKind, Health};

// The thresholds lie between what runs of the demo preset showed (1,000 images, 90 steps; tests/data/alarms.jsonl holds the numbers
// of 36, of all methods, which a test replays). "Healthy" are several seeds and learning rates, asymmetric, cross_entropy, batch_norm all,
// output_affine false, batch 32 and 128, d 32 and 512. A learning rate 30 times too large and batch_norm none do not diverge there, they collapse.

/// Loss and output std are smoothed over about this many steps: batches differ by more than the signal.
const SMOOTHING: f64 = 16.0;
/// A problem must persist over this many steps, and this many measurements, in a row.
const LASTING: u64 = 16;
const WATCHES: u64 = 3;
/// An output std below this part of the largest that the run had: nearly a point, and the rank is that of the noise around it, which
/// looks healthy. Healthy runs of SimSiam and SimCLR kept .99, BYOL .87; MoCo went through .50 (v1 .54) while its queue filled, SwAV .53. Without
/// any batch norm in the heads .24 was left (loss -.99), without predictor too .07; BYOL without predictor .25, SwAV without stop-gradient .34.
const POINT: f64 = 0.4;
/// A low rank alone is a warning: with a learning rate three times too large it fell to .25 on the demo and to .22 on small pictures, and
/// came back in runs that learnt. It is a collapse where the output std too is below this part of its largest.
const SHRUNK: f64 = 0.92;
/// It is one where the rank is below this part of what counts as low.
const DEEP: f64 = 0.5;
/// And it is one where after so many steps, and two epochs, the rank is within this factor of its lowest.
const LONG: u64 = 40;
const RISEN: f64 = 1.05;
/// So many steps, and at least two epochs, are given to a loss to move.
const PATIENCE: u64 = 48;
/// A loss that has moved by less than its method's part of its range ([`Health::moves`]), and in the second half of that time by less than
/// this, does not move. By step 90 healthy runs of SimSiam had moved .34 to .64, a frozen predictor .17, a learning rate 10,000 times too
/// small .00.
const STILL: f64 = 0.05;
/// A loss above its best by this part of its range has left what was learnt. No run at this size did; healthy ones stayed within .02.
const RISE: f64 = 0.25;

/// Observes the numbers of one run, and reports once a kind what is wrong.
#[derive(Debug, Clone)]
pub struct HealthMonitor {
    config: Config,
    health: Health,
    steps_per_epoch: u64,
    state: State,
    seen: Seen,
}

/// What was seen last, and what was reported first: for [`HealthMonitor::status`].
#[derive(Debug, Clone, Default)]
struct Seen {
    step: u64,
    rank: Option<f64>,
    alarm: Option<Alarm>,
}

/// A number by the name of its metric; NaN where there is none.
type Numbers<'a> = &'a dyn Fn(&str) -> f64;

/// What is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
struct State {
    /// Of the untrained network.
    first_loss: f64,
    first_rank: f64,
    /// Smoothed.
    loss: f64,
    std: f64,
    /// The best that they were.
    least_loss: f64,
    most_std: f64,
    /// `least_loss` when it was last asked whether it moves.
    asked_loss: f64,
    /// Watches in a row that looked collapsed, and the step of the first.
    low: u64,
    low_since: u64,
    /// The lowest rank; 0 where none was seen. Checkpoints of earlier versions lack it.
    #[serde(default)]
    lowest_rank: f64,
    /// Whether a low rank was reported.
    #[serde(default)]
    warned: bool,
    /// Steps in a row whose loss was far above its best.
    high: u64,
    /// Whether a collapse, a stagnation, a divergence was reported.
    #[serde(rename = "told")]
    reported: [bool; 3],
}

/// Metadata of a checkpoint.
const STATE: &str = "alarm.state";

impl HealthMonitor {
    /// Of a run with this configuration.
    pub fn new(config: &Config, steps_per_epoch: u64) -> HealthMonitor {
        let health = method::of(config).health(config);
        HealthMonitor {
            config: config.clone(),
            health,
            steps_per_epoch: steps_per_epoch.max(1),
            state: State::default(),
            seen: Seen::default(),
        }
    }

    /// Takes an event of the run, all of them in their order; the alarm or warning that follows from it, if one does.
    pub fn observe(&mut self, event: &Event) -> Option<Event> {
        match event {
            Event::Epoch(epoch) if epoch.epoch == 0 => self.begin(&|name| epoch.readings.get(name)),
            Event::Step(step) => return self.step(step.step, &|name| step.readings.get(name)).map(Event::Alarm),
            Event::Watch(watch) => return self.watch(watch.step, &|name| watch.readings.get(name)),
            _ => {}
        }
        None
    }

    /// Takes a line of `metrics.jsonl`, all of them in their order: what it says then of [`HealthMonitor::status`] it says of the run.
    pub fn replay(&mut self, line: &Line) {
        match line {
            Line::Epoch(line) if line.epoch == 0 => self.begin(&|name| line.numbers.get(name).unwrap_or(f64::NAN)),
            Line::Step(line) => {
                self.step(line.step, &|name| line.numbers.get(name).unwrap_or(f64::NAN));
            }
            Line::Watch(line) => {
                self.watch(line.step, &|name| line.numbers.get(name).unwrap_or(f64::NAN));
            }
            _ => {}
        }
    }

    /// The epoch of a step, from 1.
    fn epoch_of(&self, step: u64) -> u64 {
        step.saturating_sub(1) / self.steps_per_epoch + 1
    }

    fn begin(&mut self, number: Numbers) {
        let (loss, std) = (number(names::LOSS), number(names::OUTPUT_STD));
        self.state = State {
            first_loss: loss,
            first_rank: number(names::EFFECTIVE_RANK),
            loss,
            std,
            least_loss: loss,
            most_std: std,
            asked_loss: loss,
            ..State::default()
        };
        self.seen = Seen::default();
    }

    fn step(&mut self, step: u64, number: Numbers) -> Option<Alarm> {
        self.seen.step = step;
        let range = self.health.loss_range;
        let state = &mut self.state;
        if let Some((settles, unlearnt)) = self.health.settles
            && step <= settles
        {
            let loss = number(names::LOSS);
            (state.first_loss, state.loss, state.least_loss, state.asked_loss) = (unlearnt, loss, loss, loss);
        }
        state.loss += (number(names::LOSS) - state.loss) / SMOOTHING;
        state.std += (number(names::OUTPUT_STD) - state.std) / SMOOTHING;
        state.least_loss = state.least_loss.min(state.loss);
        state.most_std = state.most_std.max(state.std);
        let above = state.loss - state.least_loss > RISE * range;
        state.high = if above { state.high + 1 } else { 0 };
        if state.high >= LASTING {
            let message = format!(
                "the loss leaves what was learnt: {:+.3} after it was at {:+.3}, gradient norm {:.3}",
                state.loss,
                state.least_loss,
                Some(number(names::GRADIENT_NORM)).filter(|norm| norm.is_finite()).unwrap_or(f64::INFINITY)
            );
            return self.alarm(AlarmKind::Divergence, step, message);
        }
        self.stagnation(step)
    }

    /// Steps after the warm-up, and after what the loss depends on has filled.
    fn steps_that_count(&self, step: u64) -> u64 {
        let warmup = self.config.optim.warmup_epochs as u64 * self.steps_per_epoch;
        step.saturating_sub(warmup.max(self.health.settles.map_or(0, |(steps, _)| steps)))
    }

    fn half_patience(&self) -> u64 {
        (PATIENCE / 2).max(self.steps_per_epoch)
    }

    /// Asks twice a patience whether the loss moves.
    fn stagnation(&mut self, step: u64) -> Option<Alarm> {
        let half = self.half_patience();
        let steps = self.steps_that_count(step);
        if steps == 0 || !steps.is_multiple_of(half) {
            return None;
        }
        let range = self.health.loss_range;
        let state = &mut self.state;
        let moved = state.first_loss - state.least_loss;
        let lately = state.asked_loss - state.least_loss;
        state.asked_loss = state.least_loss;
        let still = moved < self.health.moves * range && lately < STILL * range;
        if steps < 2 * half || !still || state.low > 0 {
            return None;
        }
        let message = format!(
            "the loss hardly moves: {:+.3} after {} steps, {:+.3} {}",
            state.loss,
            step,
            state.first_loss,
            match self.health.settles {
                None => "before training",
                Some(_) => "where nothing is learnt",
            }
        );
        self.alarm(AlarmKind::Stagnation, step, message)
    }

    fn watch(&mut self, step: u64, number: Numbers) -> Option<Event> {
        let healthy = self.health.output_std;
        let patience = LONG.max(2 * self.steps_per_epoch);
        let state = &mut self.state;
        let rank = number(names::EFFECTIVE_RANK);
        self.seen.rank = Some(rank).filter(|rank| rank.is_finite()).or(self.seen.rank);
        if state.lowest_rank == 0.0 || rank < state.lowest_rank {
            state.lowest_rank = rank;
        }
        let point = state.std < POINT * state.most_std;
        let shrinks = self
            .health
            .shrinks
            .is_some_and(|[std, part]| state.std < std * state.most_std && rank < part * state.first_rank);
        // A rank that is no number says nothing.
        let least = self.health.least_rank * state.first_rank;
        if !point && !shrinks && (rank.is_nan() || rank >= least) {
            state.low = 0;
            return None;
        }
        if state.low == 0 {
            state.low_since = step;
        }
        state.low += 1;
        let lasted = step - state.low_since;
        if state.low < WATCHES || lasted < LASTING {
            return None;
        }
        let numbers = format!(
            "output std {:.4} (healthy {healthy:.4}), effective rank {rank:.1} ({:.1} before training), loss {:+.3}",
            state.std, state.first_rank, state.loss
        );
        let shrunk = state.std < SHRUNK * state.most_std;
        let stays = lasted >= patience && rank <= RISEN * state.lowest_rank;
        if !point && !shrinks && !shrunk && !stays && rank >= DEEP * least {
            let message = format!(
                "step {}: the outputs of all images may be about to fall into few directions: {numbers}; watch whether the rank comes back \
                 above {least:.1}",
                step
            );
            let first = !std::mem::replace(&mut state.warned, true) && !state.reported[AlarmKind::Collapse as usize];
            return first.then_some(Event::Warning(Warning { message }));
        }
        let seen = match (point, rank < least) {
            (true, _) => "the outputs of all images come together in one point",
            (false, true) => "the outputs of all images fall into few directions",
            (false, false) => "the outputs of all images shrink into few directions",
        };
        self.alarm(AlarmKind::Collapse, step, format!("{seen}: {numbers}")).map(Event::Alarm)
    }

    /// The alarm, where it is the first of its kind.
    fn alarm(&mut self, kind: AlarmKind, step: u64, message: String) -> Option<Alarm> {
        let reported = &mut self.state.reported[kind as usize];
        if std::mem::replace(reported, true) {
            return None;
        }
        let epoch = self.epoch_of(step);
        let alarm = Alarm { step, epoch, kind, message, advice: Advice::line(kind, &self.config) };
        self.seen.alarm.get_or_insert_with(|| alarm.clone());
        Some(alarm)
    }

    /// Puts what is remembered into a checkpoint, to the last bit.
    pub(super) fn write(&self, checkpoint: &mut Checkpoint) {
        // A struct of numbers and flags can always be written.
        if let Ok(text) = toml::to_string(&self.state) {
            checkpoint.extra.insert(STATE.to_owned(), text);
        }
    }

    /// Takes it from a checkpoint, where it is there.
    pub(super) fn read(&mut self, checkpoint: &Checkpoint) {
        let text = checkpoint.extra.get(STATE);
        if let Some(state) = text.and_then(|text| toml::from_str(text).ok()) {
            self.state = state;
        }
    }
}

mod status;
#[cfg(test)]
mod tests;

pub use status::{HealthGrade, HealthStatus};
