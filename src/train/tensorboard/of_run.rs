//! The file of a run that is there already, from its `metrics.jsonl`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::{EventsFile, is_events};
use crate::regular;
use crate::train::{FolderError, History, Line, MetricsReader, RunFolder};

impl EventsFile {
    /// Writes the numbers of a run, and the picture of its views where there is one, as a file in `out`, which is made; returns the file. Refuses a
    /// folder that has such a file. The times are those at which the epochs ended, and evenly between them.
    pub fn of_run(run: &History, out: &Path) -> Result<PathBuf, FolderError> {
        let write = |reason: io::Error| FolderError::Write { path: out.to_path_buf(), reason };
        fs::create_dir_all(out).map_err(write)?;
        let mut entries = fs::read_dir(out).map_err(write)?.flatten();
        if entries.any(|entry| entry.file_name().to_str().is_some_and(is_events)) {
            return Err(FolderError::HasEvents { folder: out.to_path_buf() });
        }
        let path = RunFolder::metrics_of(&run.folder);
        let clock = Clock::new(run, fs::metadata(&path).and_then(|file| file.modified()).ok());
        let mut file = EventsFile::at(out, &run.metrics, Some(clock.begin));
        if let Ok(views) = regular::read(&RunFolder::views_of(&run.folder)) {
            file.picture("views", 0, &views);
        }
        let mut written = Ok(());
        let read = MetricsReader::read_all(&path, |lines| {
            for line in lines {
                if let Some(step) = step_of(&line, file.steps_per_epoch) {
                    file.time = Some(clock.at(step));
                }
                file.take_line(&line);
            }
            if written.is_ok() {
                written = file.flush();
            }
        });
        read.map_err(|reason| FolderError::Read { path, reason })?;
        written.and_then(|()| file.flush()).map_err(|reason| FolderError::Write { path: file.path.clone(), reason })?;
        Ok(file.path)
    }
}

/// Steps done at a line.
fn step_of(line: &Line, steps_per_epoch: u64) -> Option<u64> {
    match line {
        Line::Step(line) => Some(line.step),
        Line::Watch(line) => Some(line.step),
        Line::Alarm(line) => Some(line.step),
        Line::Epoch(line) => Some(line.epoch * steps_per_epoch),
        Line::Start(_) | Line::Done(_) | Line::Failed(_) => None,
    }
}

/// When the steps of a run were, in seconds since 1970.
struct Clock {
    begin: f64,
    /// Steps done at the end of every epoch, and the time.
    ends: Vec<(f64, f64)>,
}

impl Clock {
    /// Of a run whose last epoch ended at `end`; it is taken to have trained without a pause.
    fn new(run: &History, end: Option<SystemTime>) -> Clock {
        let end = end.and_then(|end| end.duration_since(UNIX_EPOCH).ok()).unwrap_or_default().as_secs_f64();
        let begin = end - run.seconds();
        let (steps, mut time) = (run.steps_per_epoch(), begin);
        let epochs = run.epochs.points("seconds").map(|(epoch, seconds)| {
            time += seconds.unwrap_or(0.0);
            (epoch as f64 * steps, time)
        });
        let ends = epochs.collect();
        Clock { begin, ends }
    }

    fn at(&self, step: u64) -> f64 {
        let step = step as f64;
        let next = self.ends.partition_point(|(end, _)| *end < step);
        let (from, start) = next.checked_sub(1).map_or((0.0, self.begin), |before| self.ends[before]);
        match self.ends.get(next) {
            Some(&(end, time)) if end > from => start + (time - start) * (step - from) / (end - from),
            Some(&(_, time)) => time,
            None => start,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    const LINES: &str = r#"{"event":"start","steps":4,"epochs":2}
{"event":"epoch","epoch":0,"loss":0.25,"knn_top1":0.4,"seconds":2.0}
{"event":"step","step":1,"epoch":1,"loss":null,"lr":0.1}
{"event":"step","step":2,"epoch":1,"loss":-0.1,"lr":0.1,"of_a_newer_program":7}
{"event":"watch","step":2,"epoch":1,"effective_rank":4.0,"gradient_norms":{"stem":0.5},"channel_std":[0.1,0.2]}
{"event":"epoch","epoch":1,"loss":-0.5,"knn_top1":null,"seconds":4.0}
{"event":"alarm","step":3,"epoch":2,"kind":"collapse","message":"m","advice":"a"}
{"event":"step","step":3,"epoch":2,"loss":-0.75,"lr":0.05}
"#;

    #[test]
    fn an_old_run_gets_the_file_it_did_not_have() -> Result<(), Box<dyn std::error::Error>> {
        let parent = tempfile::tempdir()?;
        let folder = RunFolder::create(&parent.path().join("run"), &Config::preset("demo")?)?;
        fs::write(folder.metrics(), LINES)?;
        fs::write(folder.views(), [&[0; 16][..], &[0, 0, 0, 2, 0, 0, 0, 1]].concat())?;
        let out = parent.path().join("board/run");
        let run = History::read(folder.path())?;
        let file = EventsFile::of_run(&run, &out)?;
        let events = super::super::tests::events(&file)?;
        let end = fs::metadata(folder.metrics())?.modified()?.duration_since(UNIX_EPOCH)?.as_secs_f64();
        let found: Vec<String> = events
            .iter()
            .flat_map(|event| {
                let seconds = (event.wall_time - end + 6.0).round();
                let values = event.summary.iter().flat_map(|summary| &summary.value);
                values.map(move |value| format!("{} {} at {seconds}", event.step, value.tag))
            })
            .collect();
        let expected = [
            "0 views at 0",
            "0 epoch/loss at 2",
            "0 epoch/knn_top1 at 2",
            "0 epoch/seconds at 2",
            "1 train/lr at 4",
            "2 train/loss at 6",
            "2 train/lr at 6",
            "2 train/of_a_newer_program at 6",
            "2 train/effective_rank at 6",
            "2 gradient_norm/stem at 6",
            "2 train/channel_std at 6",
            "2 epoch/loss at 6",
            "2 epoch/seconds at 6",
            "3 alarm at 6",
            "3 train/loss at 6",
            "3 train/lr at 6",
        ];
        assert_eq!(found, expected);
        let loss = events.iter().flat_map(|event| event.summary.iter().flat_map(|summary| &summary.value));
        let loss = loss.filter(|value| value.tag == "train/loss").filter_map(|value| value.simple_value);
        assert_eq!(loss.collect::<Vec<_>>(), [-0.1, -0.75], "to the bit");
        let again = EventsFile::of_run(&run, &out).map_err(|error| error.to_string());
        assert!(again.is_err_and(|error| error.contains("already holds a file of TensorBoard's")));
        Ok(())
    }
}
