//! A run as the panes draw it: made from the lines of `metrics.jsonl`, or from the events that become those lines. Panes need nothing
//! else, so recorded events alone fill them.

use std::sync::Arc;

use super::channels::Channels;
use super::run_health::RunHealth;
use super::series::Series;
use crate::config::Config;
use crate::method::metric::names;
use crate::method::{self, Cadence, Drawn, Level, Metric};
use crate::train::{AlarmLine, Event, Fields, HealthStatus, Line, StartLine, declared};

/// How a run stands.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum RunEnd {
    /// Nothing has ended it for good.
    #[default]
    Open,
    /// All epochs are done.
    Done,
    /// The numbers have left their range: why.
    Failed(String),
}

/// The numbers of a run.
#[derive(Debug, Clone)]
pub struct Record {
    /// Every effective value.
    pub config: Config,
    /// What is trained where, once that is known.
    pub start: Option<StartLine>,
    /// What it measures.
    pub metrics: Arc<[Metric]>,
    /// One a metric; those that the window does not draw stay empty.
    curves: Vec<Series>,
    none: Series,
    /// Seconds of training at every step, kNN included.
    elapsed: Series,
    /// Seconds of the epochs that are done.
    epoch_seconds: f64,
    /// When the newest of its numbers was written, in seconds since 1970.
    pub written: Option<f64>,
    /// The std of every channel over time.
    pub channels: Channels,
    health: RunHealth,
    /// What the user was warned of.
    pub alarms: Vec<AlarmLine>,
    /// Steps done.
    pub step: u64,
    /// Epochs done.
    pub epochs: u64,
    /// How it stands.
    pub end: RunEnd,
}

impl Record {
    /// Of a run with this configuration that has not begun.
    pub fn new(config: &Config) -> Record {
        let config = config.resolved();
        let metrics = declared(&config);
        Record {
            start: None,
            curves: vec![Series::default(); metrics.len()],
            none: Series::default(),
            elapsed: Series::default(),
            epoch_seconds: 0.0,
            written: None,
            metrics,
            config,
            channels: Channels::default(),
            health: RunHealth::default(),
            alarms: Vec::new(),
            step: 0,
            epochs: 0,
            end: RunEnd::Open,
        }
    }

    /// Takes an event of the training: the numbers that `metrics.jsonl` gets too.
    pub fn observe(&mut self, event: &Event) {
        if let Some(line) = Line::of(event) {
            self.take(&line);
        }
    }

    /// Takes a line of `metrics.jsonl`.
    pub fn take(&mut self, line: &Line) {
        self.health.take(&self.config, line);
        match line {
            Line::Start(line) => self.start = Some(line.clone()),
            Line::Step(line) => {
                self.step = self.step.max(line.step);
                self.end = RunEnd::Open;
                let rate = line.numbers.get(names::IMAGES_PER_SECOND).filter(|rate| *rate > 0.0);
                let took = rate.map_or(0.0, |rate| self.config.optim.batch_size as f64 / rate);
                let before = self.elapsed.last().map_or(0.0, |[_, seconds]| seconds);
                self.elapsed.push(line.step as f64, before + took);
                self.push(line.step as f64, &line.numbers, |metric, _| metric.cadence == Cadence::Step);
            }
            Line::Watch(line) => {
                self.push(line.step as f64, &line.numbers, |metric, _| metric.cadence == Cadence::Watched);
                let channels: Option<Vec<f32>> = line.channel_std.iter().map(|v| v.map(|v| v as f32)).collect();
                self.channels.push(line.step, channels.unwrap_or_default());
            }
            Line::Epoch(line) => {
                let at = line.epoch as f64 * self.steps_per_epoch();
                self.epochs = self.epochs.max(line.epoch);
                // What lies between steps, such as kNN, is in an epoch's time only.
                self.epoch_seconds += line.numbers.get("seconds").unwrap_or(0.0);
                let before = self.elapsed.last().map_or(0.0, |[_, seconds]| seconds);
                self.elapsed.push(at, self.epoch_seconds.max(before));
                self.push(at, &line.numbers, |metric, curve| match metric.cadence {
                    // Means over its steps; those of the untrained network begin the curve.
                    Cadence::Step => line.epoch == 0,
                    // Its last step was watched, where the run's version did that.
                    Cadence::Watched => curve.last().is_none_or(|[last, _]| last < at),
                    Cadence::Epoch => true,
                });
            }
            Line::Alarm(line) => self.alarms.push(line.clone()),
            Line::Done(line) => {
                self.step = self.step.max(line.steps);
                self.end = RunEnd::Done;
            }
            Line::Failed(line) => self.end = RunEnd::Failed(line.message.clone()),
        }
    }

    /// Adds a point to every curve that is drawn here and that `takes` one.
    fn push(&mut self, x: f64, numbers: &Fields, takes: impl Fn(&Metric, &Series) -> bool) {
        for (metric, curve) in self.metrics.iter().zip(&mut self.curves) {
            if metric.drawn <= Drawn::Window && takes(metric, curve) {
                curve.push(x, numbers.get(metric.name).map_or(f64::NAN, |value| shown(metric, value)));
            }
        }
    }

    /// The points of a metric over steps, by its name, as they are drawn: what has a healthy level as its ratio to that.
    pub fn curve(&self, name: &str) -> &Series {
        let place = self.metrics.iter().position(|metric| metric.name == name);
        place.and_then(|place| self.curves.get(place)).unwrap_or(&self.none)
    }

    /// The steps of the first and last point of all curves.
    pub fn extent(&self) -> Option<[f64; 2]> {
        let ends = self.curves.iter().filter_map(Series::extent);
        ends.reduce(|[from, to], [a, b]| [from.min(a), to.max(b)])
    }

    /// Seconds of training at a step, kNN included.
    pub fn elapsed(&self, step: f64) -> f64 {
        self.elapsed.between(step).unwrap_or(0.0)
    }

    /// The step after so many seconds of training.
    pub fn step_after(&self, seconds: f64) -> f64 {
        self.elapsed.reaches(seconds).unwrap_or(0.0)
    }

    /// When training began, in seconds since 1970, as if it had never been interrupted.
    pub fn began(&self) -> Option<f64> {
        Some(self.written? - self.elapsed.last()?[1])
    }

    /// What a metric of this run is compared with.
    pub fn level(&self, name: &str) -> Option<f64> {
        let metric = self.metrics.iter().find(|metric| metric.name == name)?;
        match metric.level? {
            Level::Healthy { .. } => Some(1.0),
            Level::Untrained => self.untrained(name),
        }
    }

    /// The number of a metric before training, as it is drawn.
    pub fn untrained(&self, name: &str) -> Option<f64> {
        self.curve(name).at(0.0).filter(|[at, _]| *at == 0.0).map(|[_, value]| value)
    }

    /// How the run stands; none before it has begun.
    pub fn health(&self) -> Option<HealthStatus> {
        self.health.status()
    }

    /// Steps an epoch; 1 before the run has begun.
    pub fn steps_per_epoch(&self) -> f64 {
        self.start.as_ref().map_or(1.0, StartLine::steps_per_epoch)
    }

    /// Width d of the outputs.
    pub fn dim(&self) -> usize {
        self.config.model.dim
    }

    /// The output std of a healthy run.
    pub fn healthy_std(&self) -> f64 {
        method::of(&self.config).health(&self.config).output_std
    }
}

/// A number of a metric as it is drawn.
fn shown(metric: &Metric, value: f64) -> f64 {
    metric.scale * value / metric.healthy().unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::{Readings, Step, Watch};

    #[test]
    fn events_and_lines_are_the_same_numbers() {
        let mut record = Record::new(&Config::default());
        let lines = r#"{"event":"start","steps":20,"epochs":2}
{"event":"epoch","epoch":0,"loss":0.1,"output_std":0.09,"effective_rank":3.5,"knn_top1":0.4,"seconds":1.0}"#;
        for line in lines.lines().filter_map(Line::parse) {
            record.take(&line);
        }
        record.observe(&Event::Step(Step {
            step: 1,
            epoch: 1,
            readings: Readings::given(
                Cadence::Step,
                &[(names::LOSS, -0.5), (names::OUTPUT_STD, 0.08), (names::LR, 0.1), ("z_norm", 1.0)],
            ),
        }));
        record.observe(&Event::Watch(Watch {
            step: 1,
            epoch: 1,
            readings: Readings::given(Cadence::Watched, &[(names::EFFECTIVE_RANK, 4.0)]),
            gradient_norms: vec![("stem".into(), 0.5)],
            channel_std: vec![0.25, 0.5],
            ends_epoch: false,
        }));
        let line = r#"{"event":"epoch","epoch":1,"effective_rank":9.0,"knn_top1":0.5}"#;
        record.take(&Line::parse(line).expect("a line"));
        assert_eq!(record.steps_per_epoch(), 10.0);
        assert_eq!(record.curve("loss").last(), Some([1.0, -0.5]));
        assert_eq!(record.curve("loss").len(), 2);
        assert!(record.curve("images_per_second").is_empty(), "no rate is no point");
        assert_eq!(record.curve("knn_top1").last(), Some([10.0, 50.0]));
        assert_eq!(record.curve("effective_rank").last(), Some([10.0, 9.0]));
        assert_eq!(record.channels.newest(), Some(&(1, vec![0.25, 0.5])));
        assert_eq!((record.untrained("knn_top1"), record.step), (Some(40.0), 1));
    }
}
