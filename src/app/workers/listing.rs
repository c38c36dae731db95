//! The runs in a folder, the newest first, what their files say of them, and a thread that looks whether there is something new.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, SystemTime};

use super::worker::Wake;
use crate::app::state::record::RunEnd;
use crate::app::state::run_health::RunHealth;
use crate::config::Config;
use crate::method::metric::names;
use crate::regular;
use crate::train::{HealthStatus, Line, MetricsReader, Part, RunFolder, StartLine};

/// A run that was found.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::app) struct Listed {
    pub folder: PathBuf,
    pub name: String,
    /// Whether it wrote so lately that somebody seems to train it.
    pub live: bool,
    /// When its settings were written.
    pub began: SystemTime,
    pub summary: Summary,
}

/// What the files of a run say of it.
#[derive(Debug, Clone, PartialEq, Default)]
pub(in crate::app) struct Summary {
    pub end: RunEnd,
    pub step: u64,
    /// Of the whole run; 0 before it has begun.
    pub steps: u64,
    /// Per cent, when it was last measured, and before training.
    pub knn: Option<f64>,
    pub untrained: Option<f64>,
    pub health: Option<HealthStatus>,
    /// Every key with its value; none where the settings cannot be read.
    pub settings: Arc<Vec<(String, String)>>,
    /// What the user wrote about it.
    pub note: String,
}

/// Runs shown at most.
const MOST: usize = 500;
/// How often it is looked.
const EVERY: Duration = Duration::from_secs(2);
/// A run that has written since then is live: a step may take some seconds.
const LATELY: Duration = Duration::from_secs(20);
/// Parts of a file that are read before the next run has its turn: what is known of many runs comes soon.
const PARTS: usize = 8;
/// The user's note, in the run's folder.
pub(in crate::app) const NOTE: &str = "note.txt";

/// A folder as it is compared: one path, wherever it came from. Links are kept, because their names are the user's.
pub(in crate::app) fn absolute(folder: &Path) -> PathBuf {
    std::path::absolute(folder).unwrap_or_else(|_| folder.to_path_buf())
}

/// What a run is called: its folder's name.
pub(in crate::app) fn name(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or(folder.as_os_str());
    name.to_string_lossy().into_owned()
}

fn modified(file: &Path) -> Option<SystemTime> {
    file.metadata().and_then(|meta| meta.modified()).ok()
}

/// The folders of the runs directly in `parent`, those that began last first; none where it cannot be read.
pub(in crate::app) fn folders(parent: &Path) -> Vec<PathBuf> {
    found(parent).into_iter().map(|(_, folder)| folder).collect()
}

fn found(parent: &Path) -> Vec<(SystemTime, PathBuf)> {
    let Ok(entries) = std::fs::read_dir(absolute(parent)) else {
        return Vec::new();
    };
    let paths = entries.flatten().map(|entry| entry.path()).filter(|path| RunFolder::is_run(path));
    let mut runs: Vec<(SystemTime, PathBuf)> =
        paths.map(|folder| (modified(&folder.join("config.toml")).unwrap_or(SystemTime::UNIX_EPOCH), folder)).collect();
    // A run keeps its place while it is trained.
    runs.sort_by(|a, b| b.cmp(a));
    runs.truncate(MOST);
    runs
}

/// What was read of a run so far.
struct Reading {
    /// When its settings were written that were read.
    began: SystemTime,
    config: Option<Config>,
    reader: MetricsReader,
    health: RunHealth,
    summary: Summary,
}

impl Reading {
    fn new(folder: &Path, began: SystemTime) -> Reading {
        let config = RunFolder::config(folder).ok().map(|config| config.resolved());
        let settings = config.iter().flat_map(|config| {
            let keys = config.keys().into_iter();
            keys.filter_map(|key| Some((key.name.clone(), config.text(&key.name)?)))
        });
        Reading {
            began,
            summary: Summary { settings: Arc::new(settings.collect()), ..Summary::default() },
            config,
            reader: MetricsReader::new(&RunFolder::metrics_of(folder)),
            health: RunHealth::default(),
        }
    }

    /// Reads on; whether there may be more.
    fn read(&mut self, folder: &Path) -> bool {
        let note = regular::read_to_string(&folder.join(NOTE)).unwrap_or_default();
        note.trim().clone_into(&mut self.summary.note);
        for _ in 0..PARTS {
            match self.reader.next_part() {
                Ok(Some(Part::Lines(lines))) => lines.iter().for_each(|line| self.take(line)),
                Ok(Some(Part::Cut)) => {
                    let settings = self.summary.settings.clone();
                    self.summary = Summary { settings, ..Summary::default() };
                    self.health = RunHealth::default();
                }
                // A run before its first line, or one that may not be read, says nothing.
                Ok(None) | Err(_) => {
                    self.summary.health = self.health.status();
                    return false;
                }
            }
        }
        self.summary.health = self.health.status();
        true
    }

    fn take(&mut self, line: &Line) {
        if let Some(config) = &self.config {
            self.health.take(config, line);
        }
        let summary = &mut self.summary;
        match line {
            Line::Start(StartLine { steps, .. }) => summary.steps = *steps,
            Line::Step(line) => {
                summary.step = summary.step.max(line.step);
                summary.end = RunEnd::Open;
            }
            Line::Epoch(line) => {
                let knn = line.numbers.get(names::KNN_TOP1).map(|share| 100.0 * share);
                match line.epoch {
                    0 => summary.untrained = knn,
                    _ => summary.knn = knn.or(summary.knn),
                }
            }
            Line::Done(_) => summary.end = RunEnd::Done,
            Line::Failed(line) => summary.end = RunEnd::Failed(line.message.clone()),
            Line::Watch(_) | Line::Alarm(_) => {}
        }
    }
}

/// The runs of a folder, with what has been read of them.
#[derive(Default)]
struct Listing {
    read: HashMap<PathBuf, Reading>,
}

impl Listing {
    /// The runs in `parent` now; and whether there is more to read of them.
    fn look(&mut self, parent: &Path) -> (Vec<Listed>, bool) {
        let found = found(parent);
        self.read.retain(|folder, _| found.iter().any(|(_, other)| other == folder));
        let mut more = false;
        let list = found.into_iter().map(|(began, folder)| {
            let reading = self.read.entry(folder.clone()).or_insert_with(|| Reading::new(&folder, began));
            if reading.began != began {
                *reading = Reading::new(&folder, began);
            }
            more |= reading.read(&folder);
            let written = modified(&RunFolder::metrics_of(&folder));
            Listed {
                name: name(&folder),
                live: written.is_some_and(|written| written.elapsed().is_ok_and(|since| since < LATELY)),
                began,
                summary: reading.summary.clone(),
                folder,
            }
        });
        (list.collect(), more)
    }
}

/// The thread; it ends when this is dropped.
pub(in crate::app) struct Lister {
    parent: Sender<PathBuf>,
    found: Receiver<Vec<Listed>>,
}

impl Lister {
    /// Of the runs in `parent`. `wake` is called when they have changed.
    pub fn start(parent: &Path, wake: Wake) -> Lister {
        let (ask, asked) = mpsc::channel();
        let (tell, found) = mpsc::channel();
        let mut parent = parent.to_path_buf();
        let work = move || {
            let mut listing = Listing::default();
            let mut known = None;
            loop {
                let (now, more) = listing.look(&parent);
                if known.as_ref() != Some(&now) {
                    if tell.send(now.clone()).is_err() {
                        return;
                    }
                    known = Some(now);
                    wake();
                }
                match asked.recv_timeout(if more { Duration::ZERO } else { EVERY }) {
                    Ok(other) => parent = other,
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        };
        // Where a system has no more threads, the list stays empty.
        let _ = thread::Builder::new().name("list".to_owned()).spawn(work);
        Lister { parent: ask, found }
    }

    /// Looks in another folder, or in the same one now.
    pub fn look(&self, parent: &Path) {
        let _ = self.parent.send(parent.to_path_buf());
    }

    /// The runs, where they have changed since the last call.
    pub fn poll(&self) -> Option<Vec<Listed>> {
        self.found.try_iter().last()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::HealthGrade;

    #[test]
    fn what_runs_have_written_is_read_on() -> Result<(), Box<dyn std::error::Error>> {
        let parent = tempfile::tempdir()?;
        let path = parent.path().join("run");
        let folder = RunFolder::create(&path, &Config::preset("demo")?)?;
        let mut listing = Listing::default();
        let (runs, more) = listing.look(parent.path());
        assert!(!more && runs.len() == 1 && runs[0].name == "run");
        assert_eq!((runs[0].summary.step, runs[0].summary.health.as_ref()), (0, None));
        assert!(runs[0].summary.settings.contains(&("optim.lr".to_owned(), "1.0".to_owned())), "{runs:?}");
        let mut text = r#"{"event":"start","steps":20,"epochs":2}
{"event":"epoch","epoch":0,"loss":0.0,"output_std":0.088,"effective_rank":40.0,"knn_top1":0.4,"seconds":1.0}
{"event":"step","step":1,"loss":-0.1,"output_std":0.088}
"#
        .to_owned();
        std::fs::write(folder.metrics(), &text)?;
        std::fs::write(path.join(NOTE), "the first\n")?;
        let (runs, _) = listing.look(parent.path());
        let summary = &runs[0].summary;
        assert_eq!((summary.step, summary.steps, summary.untrained, summary.knn), (1, 20, Some(40.0), None));
        assert_eq!(summary.health.as_ref().map(|health| health.grade), Some(HealthGrade::Healthy));
        assert_eq!(summary.note, "the first");
        text += r#"{"event":"alarm","step":1,"kind":"collapse","message":"m","advice":"a"}
{"event":"epoch","epoch":1,"knn_top1":0.5,"seconds":1.0}
{"event":"done","steps":20}
"#;
        std::fs::write(folder.metrics(), &text)?;
        let (runs, _) = listing.look(parent.path());
        assert_eq!((runs[0].summary.knn, &runs[0].summary.end), (Some(50.0), &RunEnd::Done));
        let grade = runs[0].summary.health.as_ref().map(|health| health.grade);
        assert_eq!(grade.map(HealthGrade::name), Some("Collapsed"));
        Ok(())
    }
}
