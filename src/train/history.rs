//! What a run has left: its folder read back into numbers.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::folder::CONFIG;
use super::{FolderError, RunFolder, TrainError};
use crate::config::Config;

/// A run as its folder tells it: the settings and every line of `metrics.jsonl`, in the order of the file. A number that was none
/// (JSON has no NaN) is `None`, as is one that the run's version of the program did not write.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    /// The run's folder.
    pub folder: PathBuf,
    /// Every effective value.
    pub config: Config,
    /// What was trained where; `None` where the run has not begun.
    pub start: Option<StartLine>,
    /// Every step.
    pub steps: Vec<StepLine>,
    /// Every epoch, the untrained network (0) among them.
    pub epochs: Vec<EpochLine>,
    /// What is measured every few steps.
    pub watch: Vec<WatchLine>,
    /// What a user was warned of.
    pub alarms: Vec<AlarmLine>,
    /// The end, where all epochs were done.
    pub done: Option<DoneLine>,
    /// The end, where the numbers left their range.
    pub failed: Option<FailedLine>,
}

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

/// A line `step`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct StepLine {
    /// Steps done.
    pub step: u64,
    /// Of its batch.
    pub loss: Option<f64>,
    /// Mean std of the outputs' channels.
    pub output_std: Option<f64>,
    /// Learning rate of the encoder.
    pub lr: Option<f64>,
    /// Over the last steps.
    pub images_per_second: Option<f64>,
    /// L2 norm of all gradients.
    pub gradient_norm: Option<f64>,
    /// Mean L2 norm of the projections.
    pub z_norm: Option<f64>,
    /// Mean L2 norm of the predictions.
    pub p_norm: Option<f64>,
    /// Mean cosine of the two views' projections.
    pub view_cosine: Option<f64>,
}

/// A line `epoch`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct EpochLine {
    /// Epochs done; 0 is the untrained network.
    pub epoch: u64,
    /// Mean over its steps.
    pub loss: Option<f64>,
    /// Mean over its steps.
    pub output_std: Option<f64>,
    /// In its last batch.
    pub effective_rank: Option<f64>,
    /// Share of the test images, where it was measured.
    pub knn_top1: Option<f64>,
    /// Seconds it took.
    pub seconds: Option<f64>,
}

/// A line `watch`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct WatchLine {
    /// Steps done.
    pub step: u64,
    /// In this step's batch.
    pub effective_rank: Option<f64>,
    /// Std of every output channel, at the end of an epoch; empty at other times.
    #[serde(default)]
    pub channel_std: Vec<Option<f64>>,
}

/// A line `alarm`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct AlarmLine {
    /// Steps done.
    pub step: u64,
    /// collapse, stagnation or divergence.
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
}

impl History {
    /// Reads the run in `folder`, finished or not. Fails where its settings are missing or cannot be read. Lines of `metrics.jsonl`
    /// that are unknown or cut short (a run may be writing) are passed over; without that file a run has not begun.
    pub fn read(folder: &Path) -> Result<History, TrainError> {
        let file = folder.join(CONFIG);
        let text = fs::read_to_string(&file).map_err(|reason| match reason.kind() {
            ErrorKind::NotFound => FolderError::NoRun { folder: folder.to_path_buf(), what: CONFIG },
            _ => FolderError::Read { path: file.clone(), reason },
        })?;
        let config = Config::from_toml(&text, &file.display().to_string())?;
        let mut history = History {
            folder: folder.to_path_buf(),
            config: config.resolved(),
            start: None,
            steps: Vec::new(),
            epochs: Vec::new(),
            watch: Vec::new(),
            alarms: Vec::new(),
            done: None,
            failed: None,
        };
        let path = RunFolder::metrics_of(folder);
        match fs::read(&path) {
            // A line cut short may end inside a letter.
            Ok(bytes) => history.take(&String::from_utf8_lossy(&bytes)),
            Err(reason) if reason.kind() == ErrorKind::NotFound => {}
            Err(reason) => return Err(FolderError::Read { path, reason }.into()),
        }
        Ok(history)
    }

    fn take(&mut self, text: &str) {
        for line in text.lines().filter_map(Line::parse) {
            match line {
                Line::Start(line) => self.start = Some(line),
                Line::Step(line) => self.steps.push(line),
                Line::Epoch(line) => self.epochs.push(line),
                Line::Watch(line) => self.watch.push(line),
                Line::Alarm(line) => self.alarms.push(line),
                Line::Done(line) => self.done = Some(line),
                Line::Failed(line) => self.failed = Some(line),
            }
        }
    }

    /// Whether nothing more will come: done, or failed for good.
    pub fn ended(&self) -> bool {
        self.done.is_some() || self.failed.is_some()
    }

    /// Steps an epoch; 1 before the run has begun.
    pub fn steps_per_epoch(&self) -> f64 {
        self.start.as_ref().map_or(1.0, StartLine::steps_per_epoch)
    }

    /// The last epoch's line after training began; `None` before.
    pub fn last_epoch(&self) -> Option<&EpochLine> {
        self.epochs.last().filter(|line| line.epoch > 0)
    }

    /// kNN's accuracy when it was last measured after training began, as a share.
    pub fn knn(&self) -> Option<f64> {
        let trained = self.epochs.iter().filter(|line| line.epoch > 0);
        trained.rev().find_map(|line| line.knn_top1)
    }

    /// kNN's accuracy before training, as a share.
    pub fn knn_untrained(&self) -> Option<f64> {
        let first = self.epochs.first().filter(|line| line.epoch == 0)?;
        first.knn_top1
    }

    /// Seconds of all epochs, kNN included.
    pub fn seconds(&self) -> f64 {
        self.epochs.iter().filter_map(|line| line.seconds).sum()
    }

    /// The median rate of its steps in images (not views) a second.
    pub fn images_per_second(&self) -> Option<f64> {
        let mut rates: Vec<f64> = self.steps.iter().filter_map(|s| s.images_per_second).collect();
        rates.sort_by(f64::total_cmp);
        rates.get(rates.len() / 2).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_crash_and_a_newer_program_leave_is_read() -> Result<(), Box<dyn std::error::Error>> {
        let parent = tempfile::tempdir()?;
        let path = parent.path().join("run");
        let missing = History::read(&path).map_err(|e| e.to_string());
        assert!(missing.is_err_and(|e| e.contains("config.toml is missing")));
        let folder = RunFolder::create(&path, &Config::preset("demo")?)?;
        let empty = History::read(&path)?;
        assert!(empty.start.is_none() && !empty.ended() && empty.steps_per_epoch() == 1.0);

        let lines = r#"{"event":"start","adapter":"A","backend":"Vulkan","driver":"D","steps":20,"epochs":2,"news":[1]}
{"event":"epoch","epoch":0,"loss":0.1,"output_std":0.09,"effective_rank":3.5,"knn_top1":0.4,"seconds":1.0}
{"event":"step","step":1,"epoch":1,"loss":null,"output_std":0.1,"lr":0.1,"images_per_second":10.0}
{"event":"step","step":2,"epoch":1,"loss":-0.5,"output_std":0.1,"lr":0.1,"images_per_second":30.0,"z_norm":2.0}
{"event":"epoch","epoch":1,"loss":-0.4,"output_std":0.1,"effective_rank":5.0,"knn_top1":0.5,"seconds":2.0}
{"event":"epoch","epoch":2,"loss":-0.4,"output_std":0.1,"effective_rank":5.0,"knn_top1":null,"seconds":2.0}
{"event":"unheard","of":1}
{"event":"watch","step":2,"epoch":1,"effective_rank":4.0,"more":1}
{"event":"alarm","step":2,"kind":"collapse","message":"m","advice":"a"}
{"event":"step","step":3,"ep"#;
        fs::write(folder.metrics(), [lines.as_bytes(), b"\xc3"].concat())?;
        let run = History::read(&path)?;
        assert_eq!(run.start.as_ref().map(|start| start.adapter.as_str()), Some("A"));
        assert_eq!((run.steps.len(), run.epochs.len()), (2, 3));
        assert_eq!((run.watch.len(), run.alarms.len()), (1, 1));
        assert_eq!((run.steps[0].loss, run.steps[1].z_norm), (None, Some(2.0)));
        assert_eq!((run.knn_untrained(), run.knn()), (Some(0.4), Some(0.5)));
        assert_eq!((run.seconds(), run.images_per_second()), (5.0, Some(30.0)));
        assert_eq!((run.steps_per_epoch(), run.ended()), (10.0, false));
        fs::write(folder.metrics(), "{\"event\":\"failed\",\"step\":7,\"message\":\"NaN\"}\n")?;
        assert!(History::read(&path)?.ended());
        Ok(())
    }
}
