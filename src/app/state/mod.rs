//! The state of the window: everything that panes draw, and what they wish for. It holds no thread and no device, so recorded numbers
//! alone can fill it.

pub(in crate::app) mod channels;
pub(in crate::app) mod config_editor;
pub(in crate::app) mod notices;
pub(in crate::app) mod record;
pub(in crate::app) mod run_health;
pub(in crate::app) mod run_table;
pub(in crate::app) mod seeds;
pub(in crate::app) mod series;
pub(in crate::app) mod window_settings;

use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::app::workers::estimate::{Estimate, Obstacle};
use crate::app::workers::follow::Follow;
use crate::app::workers::listing::Listed;
use crate::method::{Drawn, Metric};
use config_editor::ConfigEditor;
use notices::{Notices, Remedy};
use record::{Record, RunEnd};
use window_settings::WindowSettings;

/// An open run.
pub(in crate::app) struct OpenRun {
    pub name: String,
    pub folder: PathBuf,
    pub record: Record,
    /// What it has in common with runs that differ in their seed only.
    pub group: u64,
    /// Number of its colour.
    pub color: usize,
    /// Whether its curves are drawn.
    pub visible: bool,
    /// Whether its folder is no longer there.
    pub gone: bool,
    /// Where its numbers come from; none where this window trains it, or they were given.
    pub follow: Option<Follow>,
}

/// What this window trains.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::app) enum Activity {
    Idle,
    /// What is done before the first step.
    Preparing(String),
    Training {
        paused: bool,
    },
    /// It was asked to stop, and has not yet.
    Stopping,
}

/// What a pane asks for.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::app) enum Wish {
    Start,
    Pause,
    Resume,
    Stop,
    Checkpoint,
    /// Open a run, in front.
    Open(PathBuf),
    /// Take it away.
    Close(PathBuf),
    /// Give a run's folder another name.
    Rename(PathBuf, String),
    /// Write a note into a run's folder.
    Note(PathBuf, String),
    /// Move a run's folder to the bin of the system.
    Delete(PathBuf),
    /// Open every run that is listed, over each other.
    OpenAll,
    /// Train it on, to so many epochs where it is to get more.
    Continue {
        folder: PathBuf,
        epochs: Option<usize>,
    },
    /// Take its settings; with a change of one of them, start at once.
    Again {
        folder: PathBuf,
        change: Option<(String, String)>,
    },
    /// Show the neighbours of the run in front.
    Neighbours,
    /// Ask for a folder of images or a run.
    AskFolder,
    /// Ask where runs lie.
    AskRuns,
    /// Take this data.
    Take(String),
    /// Train a few steps to see how long they take.
    Measure,
    Remedy(Remedy),
}

/// The time that a training takes.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::app) struct Clock {
    /// When its first step of this session came, and which it was.
    pub first: Option<(Instant, u64)>,
    /// When it was paused; time stands still since.
    pub paused: Option<Instant>,
}

impl Clock {
    /// Seconds to the end, by the steps of this session, kNN included.
    pub fn left(&self, steps: u64, step: u64) -> Option<f64> {
        let (began, first) = self.first?;
        let done = step.checked_sub(first).filter(|done| *done >= 5)?;
        let now = self.paused.unwrap_or_else(Instant::now);
        let each = now.saturating_duration_since(began).as_secs_f64() / done as f64;
        Some(each * steps.saturating_sub(step) as f64)
    }
}

/// The state of the window.
pub(in crate::app) struct AppState {
    pub editor: ConfigEditor,
    pub shown: Vec<OpenRun>,
    /// Which of them is in front.
    pub focus: usize,
    /// The folder of the run that this window trains.
    pub trained: Option<PathBuf>,
    pub activity: Activity,
    pub clock: Clock,
    pub notices: Notices,
    pub settings: WindowSettings,
    /// Names of the adapters, once they are known.
    pub devices: Vec<String>,
    pub estimate: Option<Estimate>,
    pub obstacle: Option<Obstacle>,
    /// Whether time is being measured.
    pub measuring: bool,
    pub listed: Vec<Listed>,
    /// Another number after every change of that.
    pub listed_version: u64,
    wishes: Vec<Wish>,
}

impl AppState {
    pub fn new(editor: ConfigEditor, settings: WindowSettings) -> AppState {
        AppState {
            editor,
            shown: Vec::new(),
            focus: 0,
            trained: None,
            activity: Activity::Idle,
            clock: Clock::default(),
            notices: Notices::default(),
            settings,
            devices: Vec::new(),
            estimate: None,
            obstacle: None,
            measuring: false,
            listed: Vec::new(),
            listed_version: 0,
            wishes: Vec::new(),
        }
    }

    /// Asks the window to do something, after this frame.
    pub fn wish(&mut self, wish: Wish) {
        self.wishes.push(wish);
    }

    /// What was asked for since the last call.
    pub fn wishes(&mut self) -> Vec<Wish> {
        std::mem::take(&mut self.wishes)
    }

    /// The run in front.
    pub fn front(&self) -> Option<&OpenRun> {
        self.shown.get(self.focus)
    }

    /// What the open runs measure and the window draws, in the order of the charts. The run in front comes first.
    pub fn charted(&self) -> Vec<Metric> {
        let mut charted: Vec<Metric> = Vec::new();
        for run in self.front().into_iter().chain(&self.shown) {
            for metric in run.record.metrics.iter().filter(|metric| metric.drawn <= Drawn::Window) {
                if !charted.iter().any(|other| other.name == metric.name) {
                    charted.push(*metric);
                }
            }
        }
        charted.sort_by_key(|metric| metric.drawn);
        charted
    }

    /// Whether this window has a training under way.
    pub fn is_training(&self) -> bool {
        self.activity != Activity::Idle
    }

    /// Opens a run, in front.
    pub fn lay(&mut self, folder: &Path, record: Record, follow: Option<Follow>) {
        let used: Vec<usize> = self.shown.iter().map(|run| run.color).collect();
        let color = (0..).find(|color| !used.contains(color)).unwrap_or(0);
        let shown = OpenRun {
            name: crate::app::workers::listing::name(folder),
            folder: folder.to_path_buf(),
            group: seeds::group(&record.config),
            record,
            color,
            visible: true,
            gone: false,
            follow,
        };
        match self.place(folder) {
            Some(place) => {
                let color = self.shown[place].color;
                self.shown[place] = OpenRun { color, ..shown };
                self.focus = place;
            }
            None => {
                self.shown.push(shown);
                self.focus = self.shown.len() - 1;
            }
        }
    }

    /// Where a run lies.
    pub fn place(&self, folder: &Path) -> Option<usize> {
        self.shown.iter().position(|run| run.folder == folder)
    }

    /// Takes a run away.
    pub fn close(&mut self, folder: &Path) {
        if let Some(place) = self.place(folder) {
            self.shown.remove(place);
            if self.focus > place || self.focus >= self.shown.len() {
                self.focus = self.focus.saturating_sub(1);
            }
        }
    }

    /// The run that this window trains.
    pub fn own(&mut self) -> Option<&mut OpenRun> {
        let folder = self.trained.clone()?;
        let place = self.place(&folder)?;
        self.shown.get_mut(place)
    }

    /// The run that this window trained last.
    pub fn own_ended(&self) -> Option<&OpenRun> {
        self.shown.get(self.place(self.trained.as_deref()?)?)
    }

    /// Whether somebody else seems to train the run in a folder.
    pub fn is_live(&self, folder: &Path) -> bool {
        // What has ended wrote lately too.
        let open = |run: &Listed| run.summary.end == RunEnd::Open;
        let live = self.listed.iter().any(|run| run.live && run.folder == folder && open(run));
        // What this window trained lately has written lately too.
        live && self.trained.as_deref() != Some(folder)
    }

    /// Whether a run in a folder is the one that this window trains.
    pub fn is_own(&self, folder: &Path) -> bool {
        self.is_training() && self.trained.as_deref() == Some(folder)
    }
}
