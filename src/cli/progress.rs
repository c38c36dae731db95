//! What people see of a training: a bar in a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use simsiam::format::duration;
use simsiam::method::Level;
use simsiam::method::metric::names;
use simsiam::train::{Epoch, Event, Readings, Start, Step};

use super::say;

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
        let terminal = std::io::stdout().is_terminal() && std::io::stderr().is_terminal();
        let bar = terminal.then(|| {
            let bar = ProgressBar::new(start.steps);
            // The template is a constant; where it were wrong, the default style would show.
            if let Ok(style) = ProgressStyle::with_template("{wide_bar:.cyan/blue} {pos}/{len} {prefix}{msg}") {
                bar.set_style(style);
            }
            bar.set_position(step);
            bar
        });
        TrainProgress { start: start.clone(), bar, last: Instant::now(), knn }
    }

    /// Prints a line above the bar.
    pub fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| say!("{text}")),
            None => say!("{text}"),
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
                self.line(&self.epoch(epoch));
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
        let text = format!("{}  {}  {} left", status(&step.readings), rate(speed), duration(left));
        match &self.bar {
            Some(bar) => {
                bar.set_position(step.step);
                bar.set_message(text);
            }
            None if self.last.elapsed() >= EVERY => {
                say!("  step {}/{}  {text}", step.step, self.start.steps);
                self.last = Instant::now();
            }
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
