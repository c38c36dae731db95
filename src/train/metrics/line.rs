//! The lines of `metrics.jsonl` as they are read, and as events make them without a file.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use super::Readings;
use crate::train::Event;

/// The line `start`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct StartLine {
    /// The adapter's name.
    pub adapter: String,
    /// Vulkan, Metal, Dx12 or Gl.
    pub backend: String,
    /// The driver and its version.
    pub driver: String,
    /// Trained values.
    pub parameters: usize,
    /// Training images.
    pub train_images: usize,
    /// Test images.
    pub test_images: usize,
    /// Epochs of the whole run.
    pub epochs: u64,
    /// Steps of the whole run.
    pub steps: u64,
}

impl StartLine {
    /// Steps an epoch, at least 1; those of the whole run over its epochs.
    pub fn steps_per_epoch(&self) -> f64 {
        (self.steps as f64 / self.epochs.max(1) as f64).max(1.0)
    }
}

/// The metrics of a line by name. One that is no number (JSON has no NaN) is left out.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Fields(Vec<(Cow<'static, str>, f64)>);

impl Fields {
    /// Every name with its number.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), *value))
    }

    /// The number `name`.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.iter().find(|(other, _)| *other == name).map(|(_, value)| value)
    }

    /// Sets the number `name`.
    pub fn set(&mut self, name: &'static str, value: f64) {
        match self.0.iter_mut().find(|(other, _)| other == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((Cow::Borrowed(name), value)),
        }
    }

    /// Those of them that are numbers.
    fn of(numbers: impl Iterator<Item = (&'static str, f64)>) -> Fields {
        let finite = numbers.filter(|(_, value)| value.is_finite());
        Fields(finite.map(|(name, value)| (Cow::Borrowed(name), value)).collect())
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Fields, D::Error> {
        struct Numbers;

        impl<'de> Visitor<'de> for Numbers {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Loose>()? {
                    // Where the line belongs is no metric, and what a newer program wrote beside numbers is not known here.
                    if let Loose::Number(value) = value
                        && name != "epoch"
                    {
                        fields.push((Cow::Owned(name), value));
                    }
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(Numbers)
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Loose {
    Number(f64),
    Other(IgnoredAny),
}

/// A line `step`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
pub struct StepLine {
    /// Steps done.
    pub step: u64,
    /// Its metrics.
    #[serde(flatten)]
    pub numbers: Fields,
}

/// A line `epoch`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct EpochLine {
    /// Epochs done; 0 is the untrained network.
    pub epoch: u64,
    /// Its metrics.
    #[serde(flatten)]
    pub numbers: Fields,
}

/// A line `watch`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct WatchLine {
    /// Steps done.
    pub step: u64,
    /// Std of every output channel, at the end of an epoch; empty at other times.
    #[serde(default)]
    pub channel_std: Vec<Option<f64>>,
    /// L2 norm of the gradient of each stage.
    #[serde(default)]
    pub gradient_norms: Fields,
    /// Its metrics.
    #[serde(flatten)]
    pub numbers: Fields,
}

/// A line `alarm`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct AlarmLine {
    /// Steps done.
    pub step: u64,
    /// collapse, stagnation or divergence.
    #[serde(default)]
    pub kind: String,
    /// What was seen.
    #[serde(default)]
    pub message: String,
    /// What usually helps.
    #[serde(default)]
    pub advice: String,
}

/// The line `done`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct DoneLine {
    /// Steps of the whole run.
    pub steps: u64,
}

/// The line `failed`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct FailedLine {
    /// Steps done.
    pub step: u64,
    /// Why.
    #[serde(default)]
    pub message: String,
}

/// A line of `metrics.jsonl`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Line {
    /// What was trained where.
    Start(StartLine),
    /// A step.
    Step(StepLine),
    /// An epoch.
    Epoch(EpochLine),
    /// More of a step.
    Watch(WatchLine),
    /// A warning.
    Alarm(AlarmLine),
    /// The end, where all epochs were done.
    Done(DoneLine),
    /// The end, where the numbers left their range.
    Failed(FailedLine),
}

impl Line {
    /// A line of the file; `None` where it is unknown or cut short.
    pub fn parse(text: &str) -> Option<Line> {
        serde_json::from_str(text).ok()
    }

    /// The line of an event that has one.
    pub fn of(event: &Event) -> Option<Line> {
        let fields = |readings: &Readings| Fields::of(readings.iter().map(|(metric, value)| (metric.name, value)));
        Some(match event {
            Event::Start(start) => Line::Start(StartLine {
                adapter: start.adapter.clone(),
                backend: start.backend.clone(),
                driver: start.driver.clone(),
                parameters: start.parameters,
                train_images: start.train_images,
                test_images: start.test_images,
                epochs: start.epochs,
                steps: start.steps,
            }),
            Event::Step(step) => Line::Step(StepLine { step: step.step, numbers: fields(&step.readings) }),
            Event::Watch(watch) => Line::Watch(WatchLine {
                step: watch.step,
                channel_std: watch.channel_std.iter().map(|&std| Some(f64::from(std))).collect(),
                gradient_norms: Fields(
                    watch.gradient_norms.iter().map(|(stage, norm)| (stage.clone().into(), f64::from(*norm))).collect(),
                ),
                numbers: fields(&watch.readings),
            }),
            Event::Epoch(epoch) => {
                let numbers = epoch.readings.iter().map(|(metric, value)| (metric.name, value));
                let numbers = Fields::of(numbers.chain([("seconds", epoch.seconds)]));
                Line::Epoch(EpochLine { epoch: epoch.epoch, numbers })
            }
            Event::Alarm(alarm) => Line::Alarm(AlarmLine {
                step: alarm.step,
                kind: alarm.kind.name().to_owned(),
                message: alarm.message.clone(),
                advice: alarm.advice.clone(),
            }),
            Event::Done(done) => Line::Done(DoneLine { steps: done.steps }),
            Event::Failed(failed) => Line::Failed(FailedLine { step: failed.step, message: failed.message.clone() }),
            Event::Tuning(_) | Event::Checkpoint(_) | Event::Warning(_) => return None,
        })
    }
}
