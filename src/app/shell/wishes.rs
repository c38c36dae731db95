//! What panes and keys wish for, done: trainings begin and are commanded, runs are opened, questions are asked.

use std::path::{Path, PathBuf};

use super::{App, CURVES, START};
use crate::app::desk::{Activity, Wish};
use crate::app::dialogs::{Dialog, Purpose};
use crate::app::estimate::Question;
use crate::app::follow::Follow;
use crate::app::listing;
use crate::app::notices::{Grade, Remedy};
use crate::app::record::Record;
use crate::app::session::{Job, Session};
use crate::train::{Command, RunFolder};

impl App {
    pub(super) fn fulfil(&mut self, wish: Wish) {
        match wish {
            Wish::Start => {
                let config = self.desk.draft.config().clone();
                self.desk.kept.remember(&config.data.source);
                self.begin(Job::New {
                    config: Box::new(config),
                    parent: listing::absolute(&self.desk.kept.runs),
                    name: self.desk.draft.preset().to_owned(),
                });
            }
            Wish::Continue(folder) => self.begin(Job::Continue(folder)),
            Wish::Pause => self.command(Command::Pause),
            Wish::Resume => self.command(Command::Resume),
            Wish::Stop => self.command(Command::Stop),
            Wish::Checkpoint => self.command(Command::CheckpointNow),
            Wish::Open(folder) => self.open(&folder),
            Wish::Close(folder) => {
                if !self.desk.is_own(&folder) {
                    self.desk.close(&folder);
                }
            }
            Wish::AskFolder => self.ask(Purpose::Open),
            Wish::AskRuns => self.ask(Purpose::Runs),
            Wish::Take(source) => {
                self.desk.draft.set_source(&source);
                self.desk.kept.pane = START;
            }
            Wish::Measure => {
                let question = self.question(true);
                self.desk.measuring = true;
                self.estimates.ask(question);
            }
            Wish::Remedy(Remedy::Continue(folder)) => self.fulfil(Wish::Continue(folder)),
            Wish::Remedy(Remedy::Start) => self.fulfil(Wish::Start),
        }
    }

    /// A folder or file that the user pointed at: a run, or images.
    pub(super) fn take(&mut self, path: &Path) {
        match RunFolder::is_run(path) {
            true => self.open(path),
            false => self.fulfil(Wish::Take(path.display().to_string())),
        }
    }

    pub(super) fn ask(&mut self, purpose: Purpose) {
        if self.dialog.is_none() {
            let start = match purpose {
                Purpose::Open => PathBuf::from(&self.desk.draft.config().data.source),
                Purpose::Runs => self.desk.kept.runs.clone(),
            };
            self.dialog = Some(Dialog::open(purpose, Some(&start), self.wake.clone()));
        }
    }

    /// Lays a run on the desk, or in front where it lies there.
    pub(super) fn open(&mut self, folder: &Path) {
        let folder = &listing::absolute(folder);
        if let Some(place) = self.desk.place(folder) {
            self.desk.focus = place;
            self.desk.shown[place].visible = true;
            return;
        }
        match RunFolder::config(folder) {
            Ok(config) => {
                let follow = Follow::start(folder, self.wake.clone());
                self.desk.lay(folder, Record::new(&config), Some(follow));
                if self.desk.kept.pane == START {
                    self.desk.kept.pane = CURVES;
                }
            }
            Err(error) => self.desk.notices.say(Grade::Error, error.to_string(), ""),
        }
    }

    pub(super) fn begin(&mut self, job: Job) {
        if self.desk.is_training() {
            return;
        }
        self.desk.notices.clear();
        self.desk.activity = Activity::Preparing("Starting…".to_owned());
        self.desk.clock = Default::default();
        self.desk.trained = match &job {
            Job::New { .. } => None,
            Job::Continue(folder) => Some(folder.clone()),
        };
        let device = self.desk.draft.device.clone();
        self.session = Some(Session::start(job, device, self.wake.clone()));
        self.desk.kept.pane = self.desk.kept.pane.max(CURVES);
    }

    pub(super) fn command(&mut self, command: Command) {
        let Some(session) = &self.session else { return };
        session.command(command);
        match (command, &mut self.desk.activity) {
            (Command::Stop, activity) => *activity = Activity::Stopping,
            (Command::Pause, Activity::Training { paused }) => *paused = true,
            (Command::Resume, Activity::Training { paused }) => {
                *paused = false;
                // The pause is no part of the time that is left.
                self.desk.clock = Default::default();
            }
            _ => {}
        }
    }

    pub(super) fn question(&self, trial: bool) -> Question {
        Question { config: self.desk.draft.config().clone(), device: self.desk.draft.device.clone(), trial }
    }

    /// Asks what the settings of the form would take, where they have changed.
    pub(super) fn estimate(&mut self) {
        if !self.desk.draft.problems().is_empty() {
            // What is wrong is said beside its field; the rest is known when it is mended.
            self.asked = None;
            self.desk.estimate = None;
            return;
        }
        let question = self.question(false);
        if self.asked.as_ref() != Some(&question) && !self.desk.measuring {
            self.estimates.ask(question.clone());
            self.asked = Some(question);
        }
    }
}
