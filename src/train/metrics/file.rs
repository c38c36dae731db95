//! `metrics.jsonl`: a listener that keeps the numbers of a run, one JSON object a line.

mod resume;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::atomic;
use crate::regular;
use crate::train::checkpoint::Checkpoint;
use crate::train::{Event, FolderError, Watch};

/// The open file.
#[derive(Debug)]
pub struct MetricsFile {
    path: PathBuf,
    file: File,
    /// Bytes of the lines in the file.
    length: u64,
    /// Lines that wait because the file could not be written.
    waiting: Vec<u8>,
    /// Whether a part of a line may lie behind `length`.
    torn: bool,
    /// Whether the start line is there.
    started: bool,
    /// What the user should know of a file that was continued.
    remarks: Vec<String>,
}

impl MetricsFile {
    /// The file of a new run.
    pub fn create(path: &Path) -> Result<MetricsFile, FolderError> {
        Self::open(path, false)
    }

    /// The file of a run that continues from a checkpoint. Lines of later steps and epochs are dropped, because they will be written
    /// again: the file becomes that of a run that was never interrupted. Lines that are damaged are dropped too, and what is missing is
    /// said in [`MetricsFile::remarks`].
    pub fn resume(path: &Path, checkpoint: &Checkpoint) -> Result<MetricsFile, FolderError> {
        let bytes = match regular::read(path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(reason) => return Err(FolderError::Read { path: path.to_path_buf(), reason }),
        };
        let kept = resume::kept(&bytes, checkpoint);
        if kept.bytes.len() != bytes.len() {
            atomic::write(path, |file| file.write_all(&kept.bytes))
                .map_err(|reason| FolderError::Write { path: path.to_path_buf(), reason })?;
        }
        let remarks = kept.remarks(path);
        Ok(MetricsFile { remarks, ..Self::open(path, !kept.bytes.is_empty())? })
    }

    fn open(path: &Path, started: bool) -> Result<MetricsFile, FolderError> {
        let open = || {
            let file = open_file(path)?;
            let length = file.metadata()?.len();
            Ok((file, length))
        };
        let (file, length) = open().map_err(|reason| FolderError::Write { path: path.to_path_buf(), reason })?;
        atomic::sync_folder_of(path);
        let path = path.to_path_buf();
        Ok(MetricsFile { path, file, length, waiting: Vec::new(), torn: false, started, remarks: Vec::new() })
    }

    /// What the user should know of the file, each reported once.
    pub fn remarks(&mut self) -> Vec<String> {
        std::mem::take(&mut self.remarks)
    }

    /// Appends the line of an event that has one: start (once), step, watch, alarm, epoch, done,
    /// failed. Where that fails, the line waits in memory for the next write.
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

    /// Waits until the disk has every line that was written. Where the file has gone since, its lines are written again from the file
    /// that is still open.
    pub fn sync(&mut self) -> Result<(), FolderError> {
        self.restore().and_then(|()| self.flush()).and_then(|()| self.file.sync_all()).map_err(|e| self.failed(e))
    }

    fn append(&mut self, event: &Event) -> Result<(), FolderError> {
        let line = serde_json::to_string(event).map_err(|e| self.failed(e.into()))?;
        self.waiting.extend_from_slice(line.as_bytes());
        self.waiting.push(b'\n');
        self.flush().map_err(|e| self.failed(e))
    }

    /// One write for all that waits: a reader, or what is left after a crash, sees whole lines.
    fn flush(&mut self) -> io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        if self.torn {
            self.cut()?;
        }
        if let Err(error) = self.file.write_all(&self.waiting) {
            self.torn = true;
            // Or before the next write.
            let _ = self.cut();
            return Err(error);
        }
        self.length += self.waiting.len() as u64;
        self.waiting.clear();
        Ok(())
    }

    /// Takes away the part of a line that a failed write left.
    fn cut(&mut self) -> io::Result<()> {
        if self.file.metadata()?.len() > self.length {
            self.file.set_len(self.length)?;
        }
        self.torn = false;
        Ok(())
    }

    /// Sees that the file is still the one that was opened, and whole.
    fn restore(&mut self) -> io::Result<()> {
        let name = self.path.display();
        if !is_same(&self.file, &self.path) {
            let mut message = format!("{name} was removed while the run wrote it: it is written again");
            if fs::symlink_metadata(&self.path).is_ok() {
                let other = self.path.with_extension("jsonl.replaced");
                fs::rename(&self.path, &other)?;
                message = format!(
                    "{name} was replaced while the run wrote it: it is written again, the other is {}",
                    other.display()
                );
            }
            let mut old = &self.file;
            old.seek(SeekFrom::Start(0))?;
            atomic::write(&self.path, |new| io::copy(&mut old.take(self.length), new).map(drop))?;
            self.file = open_file(&self.path)?;
            self.remarks.push(message);
        }
        let length = self.file.metadata()?.len();
        if length < self.length {
            let lost = self.length - length;
            self.remarks.push(format!("{name} was cut while the run wrote it: {lost} bytes of numbers are lost"));
            // What is left may end inside a line.
            if length > 0 && !self.waiting.starts_with(b"\n") {
                self.waiting.insert(0, b'\n');
            }
            self.length = length;
        }
        Ok(())
    }

    fn failed(&self, reason: io::Error) -> FolderError {
        FolderError::Write { path: self.path.clone(), reason }
    }
}

fn open_file(path: &Path) -> io::Result<File> {
    // Readable too, so that its lines are not lost with its name.
    regular::open_with(path, OpenOptions::new().read(true).append(true).create(true))
}

/// Whether `path` still is the name of an open file.
#[cfg(unix)]
fn is_same(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    match (file.metadata(), fs::metadata(path)) {
        (Ok(file), Ok(path)) => identity(file) == identity(path),
        _ => false,
    }
}

/// Whether `path` still is the name of an open file; other systems keep that of an open one from being given to another.
#[cfg(not(unix))]
fn is_same(_: &File, path: &Path) -> bool {
    path.exists()
}

/// As the file keeps it: thousands of channels a few times an epoch would make gigabytes.
fn shortened(watch: &Watch) -> Watch {
    let four_digits = |v: &f32| format!("{v:.3e}").parse().unwrap_or(*v);
    let kept = watch.channel_std.iter().filter(|_| watch.ends_epoch);
    Watch { channel_std: kept.map(four_digits).collect(), ..watch.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::method::Cadence;
    use crate::train::Readings;
    use crate::train::position::Position;

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

    /// A run of three steps, its file, and its checkpoint after the second.
    fn three_steps(path: &Path) -> Result<(MetricsFile, Checkpoint), FolderError> {
        let mut file = MetricsFile::create(path)?;
        for number in 1..=3 {
            file.write(&step(number))?;
        }
        let (mut checkpoint, mut position) = (Checkpoint::default(), Position::default());
        position.pending = Some(vec![("effective_rank", 7.5)]);
        position.write(&mut checkpoint);
        checkpoint.step = 2;
        checkpoint.extra.remove("epoch.effective_rank");
        Ok((file, checkpoint))
    }

    fn step(step: u64) -> Event {
        Event::Step(crate::train::Step { step, epoch: 1, readings: Readings::given(Cadence::Step, &[("loss", 0.5)]) })
    }

    fn line(step: u64) -> String {
        format!("{{\"event\":\"step\",\"step\":{step},\"epoch\":1,\"loss\":0.5}}\n")
    }

    #[test]
    fn damaged_and_missing_lines_are_said() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("metrics.jsonl");
        let (file, checkpoint) = three_steps(&path)?;
        drop(file);
        let epoch = "{\"event\":\"epoch\",\"epoch\":0}\n";
        let mut bytes = [epoch, &line(1), &line(2), &line(3)].concat().into_bytes();
        fs::write(&path, &bytes)?;
        let remarks = |path: &Path| MetricsFile::resume(path, &checkpoint).map(|mut file| file.remarks());
        assert_eq!(remarks(&path)?, [] as [String; 0]);
        assert_eq!(fs::read_to_string(&path)?, [epoch, &line(1), &line(2)].concat());
        // One byte that is no UTF-8.
        bytes[epoch.len() + 3] = 0xff;
        fs::write(&path, &bytes)?;
        let said = remarks(&path)?.join("; ");
        assert!(said.contains("1 damaged line was dropped") && said.contains("of 1 of 2 steps before"), "{said}");
        assert_eq!(fs::read_to_string(&path)?, [epoch, &line(2)].concat());
        fs::remove_file(&path)?;
        let said = remarks(&path)?.join("; ");
        assert!(said.contains("no lines of 2 of 2 steps and of 1 of 1 epochs"), "{said}");
        Ok(())
    }

    #[test]
    fn lines_that_cannot_be_written_wait() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("metrics.jsonl");
        let (mut file, _) = three_steps(&path)?;
        // A file that is open for reading only takes nothing, as a full disk does.
        let good = std::mem::replace(&mut file.file, File::open(&path)?);
        assert!(file.write(&step(4)).is_err() && file.sync().is_err());
        file.file = good;
        // A part of a line that a failed write left.
        file.file.write_all(b"{\"ev")?;
        file.torn = true;
        file.write(&step(5))?;
        file.sync()?;
        assert_eq!(fs::read_to_string(&path)?, (1..=5).map(line).collect::<String>());
        assert_eq!(file.remarks(), [] as [String; 0]);
        Ok(())
    }

    #[test]
    fn a_file_that_is_removed_replaced_or_cut_is_noticed() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("metrics.jsonl");
        let (mut file, _) = three_steps(&path)?;
        if cfg!(unix) {
            fs::remove_file(&path)?;
            file.write(&step(4))?;
            file.sync()?;
            assert!(file.remarks().concat().contains("was removed"));
            assert_eq!(fs::read_to_string(&path)?, (1..=4).map(line).collect::<String>());
            fs::rename(&path, folder.path().join("mine"))?;
            fs::write(&path, "notes")?;
            file.sync()?;
            assert!(file.remarks().concat().contains("was replaced"));
            assert_eq!(fs::read_to_string(&path)?, (1..=4).map(line).collect::<String>());
            assert_eq!(fs::read_to_string(path.with_extension("jsonl.replaced"))?, "notes");
        }
        let written = fs::metadata(&path)?.len();
        OpenOptions::new().write(true).open(&path)?.set_len(line(1).len() as u64 + 3)?;
        file.sync()?;
        let lost = written - line(1).len() as u64 - 3;
        assert!(file.remarks().concat().contains(&format!("{lost} bytes of numbers are lost")));
        file.write(&step(5))?;
        assert_eq!(fs::read_to_string(&path)?, [&line(1), "{\"e\n", &line(5)].concat());
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
