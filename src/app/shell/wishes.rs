//! What panes and keys wish for, done: trainings begin and are commanded, runs are opened, questions are asked.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::{App, CURVES, NEIGHBOURS, START};
use crate::app::state::notices::{Grade, Remedy};
use crate::app::state::record::Record;
use crate::app::state::{Activity, Wish};
use crate::app::workers::dialogs::{Dialog, DialogPurpose};
use crate::app::workers::estimate::EstimateQuestion;
use crate::app::workers::follow::Follow;
use crate::app::workers::listing;
use crate::app::workers::session::{Session, SessionJob};
use crate::train::{Command, RunFolder};

impl App {
    pub(super) fn fulfil(&mut self, wish: Wish) {
        match wish {
            Wish::Start => {
                let config = self.state.editor.config().clone();
                self.state.settings.remember(&config.data.source);
                self.begin(SessionJob::New {
                    config: Box::new(config),
                    parent: listing::absolute(&self.state.settings.runs),
                    name: self.state.editor.preset().to_owned(),
                });
            }
            Wish::Continue { folder, epochs } => self.begin(SessionJob::Continue { folder, epochs }),
            Wish::Again { folder, change } => self.again(&folder, change),
            Wish::Rename(folder, name) => self.rename(&folder, name.trim()),
            Wish::Note(folder, text) => self.note(&folder, text.trim()),
            Wish::Delete(folder) => self.delete(&folder),
            Wish::Neighbours => self.state.settings.pane = NEIGHBOURS,
            Wish::OpenAll => self.open_all(),
            Wish::Pause => self.command(Command::Pause),
            Wish::Resume => self.command(Command::Resume),
            Wish::Stop => self.command(Command::Stop),
            Wish::Checkpoint => self.command(Command::CheckpointNow),
            Wish::Open(folder) => self.open(&folder),
            Wish::Close(folder) => {
                if !self.state.is_own(&folder) {
                    self.state.close(&folder);
                }
            }
            Wish::AskFolder => self.ask(DialogPurpose::Open),
            Wish::AskRuns => self.ask(DialogPurpose::Runs),
            Wish::Take(source) => {
                self.state.editor.set_source(&source);
                self.state.settings.pane = START;
            }
            Wish::Measure => {
                let question = self.question(true);
                self.state.measuring = true;
                self.estimates.ask(question);
            }
            Wish::Remedy(Remedy::Continue(folder)) => self.fulfil(Wish::Continue { folder, epochs: None }),
            Wish::Remedy(Remedy::Start) => self.fulfil(Wish::Start),
            Wish::Remedy(Remedy::Batch(size)) => self.state.editor.set("optim.batch_size", &size.to_string()),
            Wish::Remedy(Remedy::HoldOut) => self.state.editor.set("data.holdout", "0.1"),
            Wish::Remedy(Remedy::Skip { share, .. }) => {
                self.state.editor.set("data.max_unreadable", &share.to_string());
            }
        }
    }

    /// A folder or file that the user pointed at: a run, or images.
    pub(super) fn take(&mut self, path: &Path) {
        match RunFolder::is_run(path) {
            true => self.open(path),
            false => self.fulfil(Wish::Take(path.display().to_string())),
        }
    }

    pub(super) fn ask(&mut self, purpose: DialogPurpose) {
        if self.dialog.is_none() {
            let start = match purpose {
                DialogPurpose::Open => PathBuf::from(&self.state.editor.config().data.source),
                DialogPurpose::Runs => self.state.settings.runs.clone(),
            };
            self.dialog = Some(Dialog::open(purpose, Some(&start), self.wake.clone()));
        }
    }

    /// Opens a run, or brings it to the front where it is open.
    pub(super) fn open(&mut self, folder: &Path) {
        let folder = &listing::absolute(folder);
        if let Some(place) = self.state.place(folder) {
            self.state.focus = place;
            self.state.shown[place].visible = true;
            return;
        }
        match RunFolder::config(folder) {
            Ok(config) => {
                let follow = Follow::start(folder, self.wake.clone());
                self.state.lay(folder, Record::new(&config), Some(follow));
                if self.state.settings.pane == START {
                    self.state.settings.pane = CURVES;
                }
            }
            Err(error) => self.state.notices.say(Grade::Error, error.to_string(), ""),
        }
    }

    /// Opens every run that is listed, over each other; the one in front stays there.
    pub(super) fn open_all(&mut self) {
        let front = self.state.front().map(|run| run.folder.clone());
        let folders: Vec<PathBuf> = self.state.listed.iter().map(|run| run.folder.clone()).collect();
        for folder in &folders {
            self.open(folder);
        }
        if let Some(folder) = front {
            self.open(&folder);
        }
        self.state.settings.pane = CURVES;
    }

    /// Takes the settings of an open run into the form; with a change, starts that.
    fn again(&mut self, folder: &Path, change: Option<(String, String)>) {
        let Some(run) = self.state.place(folder).and_then(|place| self.state.shown.get(place)) else { return };
        let config = run.record.config.clone();
        self.state.editor.take(&config);
        match change {
            Some((key, value)) => {
                self.state.editor.set(&key, &value);
                self.start();
            }
            None => self.state.settings.pane = START,
        }
    }

    pub(super) fn begin(&mut self, job: SessionJob) {
        if self.state.is_training() {
            return;
        }
        self.state.notices.clear();
        self.state.activity = Activity::Preparing("Starting…".to_owned());
        self.state.clock = Default::default();
        self.state.trained = match &job {
            SessionJob::New { .. } => None,
            SessionJob::Continue { folder, .. } => Some(folder.clone()),
        };
        let device = self.state.editor.device.clone();
        self.session = Some(Session::start(job, device, self.wake.clone()));
        self.state.settings.pane = self.state.settings.pane.max(CURVES);
    }

    pub(super) fn command(&mut self, command: Command) {
        let Some(session) = &self.session else { return };
        session.command(command);
        match (command, &mut self.state.activity) {
            (Command::Stop, activity) => *activity = Activity::Stopping,
            (Command::Pause, Activity::Training { paused }) => {
                *paused = true;
                self.state.clock.paused = Some(Instant::now());
            }
            (Command::Resume, Activity::Training { paused }) => {
                *paused = false;
                // The pause is no part of the time that is left.
                self.state.clock = Default::default();
            }
            _ => {}
        }
    }

    pub(super) fn question(&self, trial: bool) -> EstimateQuestion {
        EstimateQuestion { config: self.state.editor.config().clone(), device: self.state.editor.device.clone(), trial }
    }

    /// Asks what the settings of the form would take, where they have changed.
    pub(super) fn estimate(&mut self) {
        if !self.state.editor.problems().is_empty() {
            // What is wrong is said beside its field; the rest is known when it is fixed.
            self.asked = None;
            self.state.estimate = None;
            return;
        }
        let question = self.question(false);
        if self.asked.as_ref() != Some(&question) && !self.state.measuring {
            self.estimates.ask(question.clone());
            self.asked = Some(question);
        }
    }
}
