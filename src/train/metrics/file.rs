//! `metrics.jsonl`: a listener that keeps the numbers of a run, one JSON object a line.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::Line;
use crate::train::checkpoint::Checkpoint;
use crate::train::position::Position;
use crate::train::{Event, FolderError, Watch};

/// The open file.
#[derive(Debug)]
pub struct MetricsFile {
    path: PathBuf,
    file: File,
    /// Whether the start line is there.
    started: bool,
}

impl MetricsFile {
    /// The file of a new run.
    pub fn create(path: &Path) -> Result<MetricsFile, FolderError> {
        Self::open(path, false)
    }

    /// The file of a run that continues from a checkpoint. Lines of later steps and epochs are dropped, because they will be written
    /// again: the file becomes that of a run that was never interrupted.
    pub fn resume(path: &Path, checkpoint: &Checkpoint) -> Result<MetricsFile, FolderError> {
        let (step, epochs) = (checkpoint.step, Position::epoch_lines(checkpoint));
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(reason) => {
                return Err(FolderError::Read { path: path.to_path_buf(), reason });
            }
        };
        let kept: String = text.split_inclusive('\n').filter(|line| keeps(line, step, epochs)).collect();
        if kept != text {
            // Beside it and renamed: a crash here must not lose what there is.
            let partial = path.with_extension("jsonl.partial");
            fs::write(&partial, &kept)
                .and_then(|()| fs::rename(&partial, path))
                .map_err(|reason| FolderError::Write { path: path.to_path_buf(), reason })?;
        }
        Self::open(path, !kept.is_empty())
    }

    fn open(path: &Path, started: bool) -> Result<MetricsFile, FolderError> {
        match OpenOptions::new().append(true).create(true).open(path) {
            Ok(file) => Ok(MetricsFile { path: path.to_path_buf(), file, started }),
            Err(reason) => Err(FolderError::Write { path: path.to_path_buf(), reason }),
        }
    }

    /// Appends the line of an event that has one: start (once), step, watch, alarm, epoch, done,
    /// failed.
    pub fn write(&mut self, event: &Event) -> Result<(), FolderError> {
        match event {
            Event::Start(_) if self.started => return Ok(()),
            Event::Start(_) => self.started = true,
            Event::Watch(watch) => return self.append(&Event::Watch(shortened(watch))),
            Event::Step(_) | Event::Alarm(_) | Event::Epoch(_) | Event::Done(_) | Event::Failed(_) => {}
            Event::Tuning(_) | Event::Checkpoint(_) | Event::Warning(_) => return Ok(()),
        }
        self.append(event)
    }

    fn append(&mut self, event: &Event) -> Result<(), FolderError> {
        // One write a line: a reader, or what is left after a crash, sees whole lines.
        serde_json::to_string(event)
            .map_err(std::io::Error::other)
            .and_then(|line| self.file.write_all(format!("{line}\n").as_bytes()))
            .map_err(|reason| FolderError::Write { path: self.path.clone(), reason })
    }
}

/// As the file keeps it: thousands of channels a few times an epoch would make gigabytes.
fn shortened(watch: &Watch) -> Watch {
    let four_digits = |v: &f32| format!("{v:.3e}").parse().unwrap_or(*v);
    let kept = watch.channel_std.iter().filter(|_| watch.ends_epoch);
    Watch { channel_std: kept.map(four_digits).collect(), ..watch.clone() }
}

/// Whether a line stays: steps up to `step`, and the first `epochs` epochs, epoch 0 counted.
fn keeps(line: &str, step: u64, epochs: u64) -> bool {
    // A whole line ends; the last may be cut short by a full disk where it still parses.
    line.ends_with('\n')
        && match Line::parse(line) {
            Some(Line::Start(_)) => true,
            Some(Line::Step(line)) => line.step <= step,
            Some(Line::Watch(line)) => line.step <= step,
            Some(Line::Alarm(line)) => line.step <= step,
            Some(Line::Epoch(line)) => line.epoch < epochs,
            Some(Line::Done(_) | Line::Failed(_)) | None => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::method::Cadence;
    use crate::train::Readings;

    #[test]
    fn what_will_be_written_again_is_dropped() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("metrics.jsonl");
        let start = "{\"event\":\"start\"}\n";
        let epoch = |n: u64| format!("{{\"event\":\"epoch\",\"epoch\":{n}}}\n");
        let step = |n: u64| format!("{{\"event\":\"step\",\"step\":{n},\"epoch\":1}}\n");
        let watch = |n: u64| format!("{{\"event\":\"watch\",\"step\":{n}}}\n");
        let alarm = |n: u64| format!("{{\"event\":\"alarm\",\"step\":{n}}}\n");
        let first = [start.into(), epoch(0), step(1), watch(1), alarm(1)].concat();
        let before = [first.clone(), step(2), watch(2), epoch(1)].concat();
        let after = [step(3), watch(3), alarm(3), epoch(2), "{\"event\":\"done\"}\n".into(), "{\"ev".into()].concat();
        fs::write(&path, before.clone() + &after)?;
        let at = |step, epoch, pending| {
            let mut checkpoint = Checkpoint::default();
            let mut position = Position::default();
            (position.step, position.pending) = (step, pending);
            position.write(&mut checkpoint);
            checkpoint.epoch = epoch;
            checkpoint
        };
        MetricsFile::resume(&path, &at(2, 1, None))?;
        assert_eq!(fs::read_to_string(&path)?, before);
        let mut file = MetricsFile::resume(&path, &at(1, 0, None))?;
        assert_eq!(fs::read_to_string(&path)?, first);
        let warning = crate::train::Warning { message: "no line".into() };
        file.write(&Event::Warning(warning))?;
        assert_eq!(fs::read_to_string(&path)?, first);
        // Epoch 0 was reported and the program ended before its checkpoint: it will be reported again.
        MetricsFile::resume(&path, &at(0, 0, Some(vec![("effective_rank", 7.5)])))?;
        assert_eq!(fs::read_to_string(&path)?, start);
        Ok(())
    }

    #[test]
    fn channels_are_kept_once_an_epoch_in_four_digits() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("metrics.jsonl");
        let mut file = MetricsFile::create(&path)?;
        for ends_epoch in [false, true] {
            file.write(&Event::Watch(Watch {
                step: 7,
                epoch: 1,
                readings: Readings::given(Cadence::Watched, &[("effective_rank", 2.5)]),
                gradient_norms: vec![("stem".into(), 0.5), ("layer1".into(), 0.25)],
                channel_std: vec![0.088_388_346, 1.0 / 3.0],
                ends_epoch,
            }))?;
        }
        let common =
            r#"{"event":"watch","step":7,"epoch":1,"effective_rank":2.5,"gradient_norms":{"stem":0.5,"layer1":0.25}"#;
        let expected = format!("{common}}}\n{common},\"channel_std\":[0.08839,0.3333]}}\n");
        assert_eq!(fs::read_to_string(&path)?, expected);
        Ok(())
    }
}
