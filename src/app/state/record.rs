//! A run as the panes draw it: made from the lines of `metrics.jsonl`, or from the events that become those lines. Panes need nothing
//! else, so recorded events alone fill them.

use super::channels::Channels;
use super::series::Series;
use crate::config::Config;
use crate::method;
use crate::train::{AlarmLine, Event, Line, StartLine};

/// What is drawn over the steps of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Curve {
    /// The loss of every step.
    Loss,
    /// Mean std of the outputs' channels.
    OutputStd,
    /// Effective rank of the outputs.
    Rank,
    /// kNN's accuracy on the test images, in per cent.
    Knn,
    /// Learning rate of the encoder.
    Lr,
    /// Images a second.
    Speed,
}

impl Curve {
    /// All of them, in the order of the window.
    pub const ALL: [Curve; 6] = [Curve::Loss, Curve::OutputStd, Curve::Rank, Curve::Knn, Curve::Lr, Curve::Speed];

    /// Its heading.
    pub fn name(self) -> &'static str {
        match self {
            Curve::Loss => "Loss",
            Curve::OutputStd => "Output std",
            Curve::Rank => "Effective rank",
            Curve::Knn => "kNN accuracy, %",
            Curve::Lr => "Learning rate",
            Curve::Speed => "Images per second",
        }
    }
}

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
    curves: [Series; 6],
    /// The std of every channel over time.
    pub channels: Channels,
    /// What the user was warned of.
    pub alarms: Vec<AlarmLine>,
    /// kNN's accuracy before training, in per cent.
    pub knn_untrained: Option<f64>,
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
        Record {
            config: config.resolved(),
            start: None,
            curves: Default::default(),
            channels: Channels::default(),
            alarms: Vec::new(),
            knn_untrained: None,
            step: 0,
            epochs: 0,
            end: RunEnd::Open,
        }
    }

    /// Takes an event of the training, as `metrics.jsonl` would tell it.
    pub fn observe(&mut self, event: &Event) {
        if let Some(line) = line(event) {
            self.take(&line);
        }
    }

    /// Takes a line of `metrics.jsonl`.
    pub fn take(&mut self, line: &Line) {
        match line {
            Line::Start(line) => self.start = Some(line.clone()),
            Line::Step(line) => {
                let at = line.step as f64;
                self.step = self.step.max(line.step);
                self.end = RunEnd::Open;
                let values = [
                    (Curve::Loss, line.loss),
                    (Curve::OutputStd, line.output_std),
                    (Curve::Lr, line.lr),
                    (Curve::Speed, line.images_per_second.filter(|&rate| rate > 0.0)),
                ];
                for (curve, value) in values {
                    self.push(curve, at, value);
                }
            }
            Line::Watch(line) => {
                self.push(Curve::Rank, line.step as f64, line.effective_rank);
                let channels: Option<Vec<f32>> = line.channel_std.iter().map(|v| v.map(|v| v as f32)).collect();
                self.channels.push(line.step, channels.unwrap_or_default());
            }
            Line::Epoch(line) => {
                let at = line.epoch as f64 * self.steps_per_epoch();
                self.epochs = self.epochs.max(line.epoch);
                let percent = line.knn_top1.map(|share| 100.0 * share);
                if line.epoch == 0 {
                    self.knn_untrained = percent;
                    self.push(Curve::Loss, at, line.loss);
                    self.push(Curve::OutputStd, at, line.output_std);
                }
                // Its last step was watched, where the run's version did that.
                if self.curve(Curve::Rank).last().is_none_or(|[last, _]| last < at) {
                    self.push(Curve::Rank, at, line.effective_rank);
                }
                self.push(Curve::Knn, at, percent);
            }
            Line::Alarm(line) => self.alarms.push(line.clone()),
            Line::Done(line) => {
                self.step = self.step.max(line.steps);
                self.end = RunEnd::Done;
            }
            Line::Failed(line) => self.end = RunEnd::Failed(line.message.clone()),
        }
    }

    fn push(&mut self, curve: Curve, x: f64, y: Option<f64>) {
        self.curves[curve as usize].push(x, y.unwrap_or(f64::NAN));
    }

    /// Its points over steps.
    pub fn curve(&self, curve: Curve) -> &Series {
        &self.curves[curve as usize]
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

/// The line of an event that has one.
fn line(event: &Event) -> Option<Line> {
    match event {
        Event::Tuning(_) | Event::Checkpoint(_) | Event::Warning(_) => None,
        event => serde_json::from_value(serde_json::to_value(event).ok()?).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::{Step, Watch};

    #[test]
    fn events_and_lines_tell_the_same() {
        let mut record = Record::new(&Config::default());
        let lines = r#"{"event":"start","steps":20,"epochs":2}
{"event":"epoch","epoch":0,"loss":0.1,"output_std":0.09,"effective_rank":3.5,"knn_top1":0.4,"seconds":1.0}"#;
        for line in lines.lines().filter_map(Line::parse) {
            record.take(&line);
        }
        record.observe(&Event::Step(Step {
            step: 1,
            epoch: 1,
            loss: -0.5,
            output_std: 0.08,
            lr: 0.1,
            predictor_lr: 0.1,
            loss_scale: None,
            gradient_norm: None,
            z_norm: 1.0,
            p_norm: 1.0,
            view_cosine: 0.5,
            images_per_second: 0.0,
        }));
        record.observe(&Event::Watch(Watch {
            step: 1,
            epoch: 1,
            effective_rank: 4.0,
            gradient_norms: vec![("stem".into(), 0.5)],
            channel_std: vec![0.25, 0.5],
            ends_epoch: false,
        }));
        let line = r#"{"event":"epoch","epoch":1,"effective_rank":9.0,"knn_top1":0.5}"#;
        record.take(&Line::parse(line).expect("a line"));
        assert_eq!(record.steps_per_epoch(), 10.0);
        assert_eq!(record.curve(Curve::Loss).last(), Some([1.0, -0.5]));
        assert_eq!(record.curve(Curve::Loss).len(), 2);
        assert!(record.curve(Curve::Speed).is_empty(), "no rate is no point");
        assert_eq!(record.curve(Curve::Knn).last(), Some([10.0, 50.0]));
        assert_eq!(record.curve(Curve::Rank).last(), Some([10.0, 9.0]));
        assert_eq!(record.channels.newest(), Some(&(1, vec![0.25, 0.5])));
        assert_eq!((record.knn_untrained, record.step), (Some(40.0), 1));
    }
}
