//! What people see of a training: a bar in a terminal, plain lines elsewhere.

use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use simsiam::format::duration;
use simsiam::method::Level;
use simsiam::method::metric::names;
use simsiam::train::{Epoch, Event, Readings, Start, Step};

use super::bar::bar;
use super::{log_only, note, output, say};

/// Between two plain lines inside an epoch.
const EVERY: Duration = Duration::from_secs(10);

/// A listener of a trainer.
pub struct TrainProgress {
    start: Start,
    bar: Option<ProgressBar>,
    last: Instant,
    knn: bool,
}

impl TrainProgress {
    /// Of a run that has done `step` steps. `knn` says whether there are labels to classify by.
    pub fn new(start: &Start, step: u64, knn: bool) -> TrainProgress {
        let bar = output::is_watched().then(|| bar(start.steps, "{pos}/{len}  {wide_msg}")).flatten();
        if let Some(bar) = &bar {
            bar.set_position(step);
        }
        TrainProgress { start: start.clone(), bar, last: Instant::now(), knn }
    }

    /// Prints a line above the bar.
    fn line(&self, text: &str) {
        self.above(|| say!("{text}"));
    }

    fn above(&self, print: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    /// Takes the bar away.
    pub fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// What is going on where no step is.
    pub fn busy(&self, what: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(what.to_owned());
        }
    }

    pub fn listen(&mut self, event: &Event) {
        match event {
            Event::Start(_) => {
                self.busy(if self.knn { "compiling, then kNN before training" } else { "compiling" });
                self.last = Instant::now();
            }
            Event::Step(step) => self.step(step),
            Event::Epoch(epoch) => {
                self.above(|| note!("{}", self.epoch(epoch)));
                self.last = Instant::now();
            }
            Event::Warning(warning) => self.line(&format!("warning: {}", warning.message)),
            Event::Alarm(alarm) => {
                self.line(&format!("alarm: {}", alarm.message));
                self.line(&format!("       what usually helps: {}", alarm.advice));
            }
            Event::Tuning(_) | Event::Watch(_) | Event::Checkpoint(_) | Event::Done(_) | Event::Failed(_) => {}
        }
    }

    fn step(&mut self, step: &Step) {
        let speed = step.readings.get(names::IMAGES_PER_SECOND);
        let left = self.start.steps.saturating_sub(step.step) as f64 * self.start.batch_size as f64 / speed.max(1e-9);
        let text = format!("{} left  {}  {}", duration(left), status(&step.readings), rate(speed));
        let line = self.last.elapsed() >= EVERY;
        if line {
            self.last = Instant::now();
        }
        match &self.bar {
            Some(bar) => {
                bar.set_position(step.step);
                if line {
                    log_only!("  step {}/{}  {text}", step.step, self.start.steps);
                }
                bar.set_message(text);
            }
            None if line => note!("  step {}/{}  {text}", step.step, self.start.steps),
            None => {}
        }
    }

    fn epoch(&self, epoch: &Epoch) -> String {
        let digits = self.start.epochs.to_string().len();
        let mut text = format!(
            "epoch {:>digits$}/{}  {}  {}",
            epoch.epoch,
            self.start.epochs,
            status(&epoch.readings),
            duration(epoch.seconds)
        );
        if epoch.epoch == 0 {
            text += "  (untrained)";
        }
        text
    }
}

/// Those numbers that have a place in a line of status; a healthy level beside its own in the same unit.
fn status(readings: &Readings) -> String {
    let mut parts = Vec::new();
    for (metric, value) in readings.iter().filter(|(_, value)| !value.is_nan()) {
        let Some(name) = metric.short.filter(|name| !name.is_empty()) else {
            continue;
        };
        parts.push(match metric.level {
            Some(Level::Healthy { value: healthy, .. }) => format!("{name} {value:.4} (healthy {healthy:.4})"),
            _ => format!("{name} {:.*}{}", metric.digits, metric.scale * value, metric.unit),
        });
    }
    parts.join("  ")
}

fn rate(images_per_second: f64) -> String {
    match images_per_second {
        r if r < 10.0 => format!("{r:.1} images/s"),
        r => format!("{r:.0} images/s"),
    }
}
