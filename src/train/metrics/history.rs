//! What a run has left: its folder read back into numbers.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{AlarmLine, Columns, DoneLine, FailedLine, Line, MetricsReader, StartLine, declared};
use crate::config::Config;
use crate::method::Metric;
use crate::method::metric::names;
use crate::regular;
use crate::train::folder::CONFIG;
use crate::train::{FolderError, RunFolder, TrainError};

/// A run as its folder has it: the settings and the numbers of every line of `metrics.jsonl`, in the order of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    /// The run's folder.
    pub folder: PathBuf,
    /// Every effective value.
    pub config: Config,
    /// What was trained where; `None` where the run has not begun.
    pub start: Option<StartLine>,
    /// What a run with these settings measures. Its version of the program may have written less.
    pub metrics: Arc<[Metric]>,
    /// Every step.
    pub steps: Columns,
    /// Every epoch, the untrained network (0) among them.
    pub epochs: Columns,
    /// What is measured every few steps.
    pub watch: Columns,
    /// Std of every output channel when it was last written.
    pub channel_std: Vec<f64>,
    /// What a user was warned of.
    pub alarms: Vec<AlarmLine>,
    /// The end, where all epochs were done.
    pub done: Option<DoneLine>,
    /// The end, where the numbers left their range.
    pub failed: Option<FailedLine>,
}

impl History {
    /// Reads the run in `folder`, finished or not. Fails where its settings are missing or cannot be read. Lines of `metrics.jsonl`
    /// that are unknown or cut short (a run may be writing) are passed over; without that file a run has not begun.
    pub fn read(folder: &Path) -> Result<History, TrainError> {
        let file = folder.join(CONFIG);
        let text = regular::read_to_string(&file).map_err(|reason| match reason.kind() {
            ErrorKind::NotFound => FolderError::NoRun { folder: folder.to_path_buf(), what: CONFIG },
            _ => FolderError::Read { path: file.clone(), reason },
        })?;
        let config = Config::from_toml(&text, &file.display().to_string())?;
        let config = config.resolved();
        let mut history = History {
            folder: folder.to_path_buf(),
            metrics: declared(&config),
            config,
            start: None,
            steps: Columns::default(),
            epochs: Columns::default(),
            watch: Columns::default(),
            channel_std: Vec::new(),
            alarms: Vec::new(),
            done: None,
            failed: None,
        };
        let path = RunFolder::metrics_of(folder);
        match MetricsReader::read_all(&path, |lines| history.take(lines)) {
            Ok(()) => {}
            Err(reason) if reason.kind() == ErrorKind::NotFound => {}
            Err(reason) => return Err(FolderError::Read { path, reason }.into()),
        }
        Ok(history)
    }

    fn take(&mut self, lines: Vec<Line>) {
        for line in lines {
            match line {
                Line::Start(line) => self.start = Some(line),
                Line::Step(line) => self.steps.push(line.step, &line.numbers),
                Line::Epoch(line) => self.epochs.push(line.epoch, &line.numbers),
                Line::Watch(line) => {
                    self.watch.push(line.step, &line.numbers);
                    if !line.channel_std.is_empty() {
                        self.channel_std = line.channel_std.into_iter().flatten().collect();
                    }
                }
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

    /// Epochs done after training began.
    pub fn epochs_done(&self) -> u64 {
        self.epochs.at().last().copied().unwrap_or(0)
    }

    /// A number of the last epoch after training began.
    pub fn last_epoch(&self, name: &str) -> Option<f64> {
        let row = self.epochs.len().checked_sub(1).filter(|_| self.epochs_done() > 0)?;
        self.epochs.get(row, name)
    }

    /// A number of the untrained network.
    pub fn untrained(&self, name: &str) -> Option<f64> {
        let (epoch, value) = self.epochs.points(name).next()?;
        value.filter(|_| epoch == 0)
    }

    /// kNN's accuracy when it was last measured after training began, as a share.
    pub fn knn(&self) -> Option<f64> {
        let trained = self.epochs.points(names::KNN_TOP1).filter(|(epoch, _)| *epoch > 0);
        trained.rev().find_map(|(_, value)| value)
    }

    /// Seconds of all epochs, kNN included.
    pub fn seconds(&self) -> f64 {
        self.epochs.points("seconds").filter_map(|(_, value)| value).sum()
    }

    /// The median rate of its steps in images (not views) a second.
    pub fn images_per_second(&self) -> Option<f64> {
        let mut rates: Vec<f64> = self.steps.points(names::IMAGES_PER_SECOND).filter_map(|(_, rate)| rate).collect();
        rates.sort_by(f64::total_cmp);
        rates.get(rates.len() / 2).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

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
        assert_eq!((run.steps.get(0, "loss"), run.steps.get(1, "z_norm")), (None, Some(2.0)));
        assert_eq!((run.untrained("knn_top1"), run.knn()), (Some(0.4), Some(0.5)));
        assert_eq!((run.seconds(), run.images_per_second()), (5.0, Some(30.0)));
        assert_eq!((run.steps_per_epoch(), run.ended()), (10.0, false));
        fs::write(folder.metrics(), "{\"event\":\"failed\",\"step\":7,\"message\":\"NaN\"}\n")?;
        assert!(History::read(&path)?.ended());
        Ok(())
    }
}
