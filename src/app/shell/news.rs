//! What the window's threads tell: taken from their channels and laid on the desk.

use std::time::Instant;

use super::closing::Closing;
use super::{App, START};
use crate::app::desk::Activity;
use crate::app::dialogs::{Dialog, Purpose};
use crate::app::estimate::Answer;
use crate::app::follow::Found;
use crate::app::notices::{Grade, Remedy};
use crate::app::record::Record;
use crate::app::session::{Ending, Session, Told};
use crate::train::{Event, Line};

impl App {
    /// Takes what the threads have told. Cheap, and to be called whenever they wake the window, also where nothing is painted.
    pub fn news(&mut self) {
        for told in self.session.as_mut().map(Session::hear).unwrap_or_default() {
            self.told(told);
        }
        self.followed();
        if let Some(names) = self.devices.poll() {
            self.desk.devices = names;
        }
        if let Some(listed) = self.lister.poll() {
            self.desk.listed = listed;
        }
        if let Some((purpose, folder)) = self.dialog.as_ref().and_then(Dialog::poll) {
            self.dialog = None;
            match (purpose, folder) {
                (_, None) => {}
                (Purpose::Open, Some(folder)) => self.take(&folder),
                (Purpose::Runs, Some(folder)) => {
                    self.lister.look(&folder);
                    self.desk.kept.runs = folder;
                }
            }
        }
        if let Some(answer) = self.estimates.poll() {
            self.estimated(answer);
        }
        if self.interrupt.is_asked() && self.closing != Closing::Yes {
            self.stop_and_close();
        }
    }

    pub(super) fn told(&mut self, told: Told) {
        match told {
            Told::Preparing(text) => {
                if let Activity::Preparing(before) = &mut self.desk.activity {
                    *before = text;
                }
            }
            Told::Began { folder, config } => {
                if let Activity::Preparing(_) = self.desk.activity {
                    self.desk.activity = Activity::Training { paused: false };
                }
                // Its numbers come from the training itself from here on.
                self.desk.lay(&folder, Record::new(&config), None);
                self.desk.trained = Some(folder);
                self.lister.look(&self.desk.kept.runs);
            }
            Told::Before(lines) => {
                if let Some(run) = self.desk.own() {
                    lines.iter().for_each(|line| run.record.take(line));
                }
            }
            Told::Event(event) => self.heard(&event),
            Told::Ended(ending) => self.ended(ending),
        }
    }

    pub(super) fn heard(&mut self, event: &Event) {
        if let Some(run) = self.desk.own() {
            run.record.hear(event);
        }
        match event {
            Event::Step(step) => {
                self.desk.clock.first.get_or_insert((Instant::now(), step.step));
            }
            Event::Alarm(alarm) => {
                let text = format!("Step {}: {}", alarm.step, alarm.message);
                self.desk.notices.say(Grade::Warning, text, alarm.advice.clone());
            }
            Event::Warning(warning) => {
                self.desk.notices.say(Grade::Info, warning.message.clone(), "");
            }
            _ => {}
        }
    }

    pub(super) fn ended(&mut self, ending: Ending) {
        if let Some(session) = self.session.take() {
            session.join();
        }
        let begun = self.desk.own().is_some();
        self.desk.activity = Activity::Idle;
        let folder = self.desk.trained.clone().filter(|_| begun);
        match ending {
            Ending::Done => {
                let text = "The training is done.".to_owned();
                self.desk.notices.say(Grade::Info, text, "");
            }
            Ending::Stopped { step } => {
                let text = format!("Stopped after step {step}, with a checkpoint; the run can be continued.");
                self.desk.notices.say(Grade::Info, text, "");
            }
            Ending::Failed { error, device_lost } => match folder {
                Some(folder) if device_lost => {
                    self.desk.notices.offer(error, Remedy::Continue(folder));
                }
                None if device_lost => self.desk.notices.offer(error, Remedy::Start),
                _ => self.desk.notices.say(Grade::Error, error, ""),
            },
        }
        if !begun && self.desk.shown.is_empty() {
            self.desk.kept.pane = START;
        }
        self.lister.look(&self.desk.kept.runs);
        self.closing = match self.closing {
            Closing::Stopping => Closing::Yes,
            // There is nothing left to ask about.
            Closing::Asked => Closing::No,
            other => other,
        };
    }

    pub(super) fn followed(&mut self) {
        let mut said: Vec<(String, String)> = Vec::new();
        for run in &mut self.desk.shown {
            let Some(follow) = &run.follow else { continue };
            let listed = &self.desk.listed;
            let live = listed.iter().any(|l| l.live && l.folder == run.folder);
            for found in follow.poll() {
                match found {
                    Found::Lines(lines) => {
                        for line in &lines {
                            run.record.take(line);
                            // What went wrong with runs of old shows in their curves.
                            if let (Line::Alarm(alarm), true) = (line, live) {
                                let text = format!("{}, step {}: {}", run.name, alarm.step, alarm.message);
                                said.push((text, alarm.advice.clone()));
                            }
                        }
                    }
                    Found::Anew => run.record = Record::new(&run.record.config),
                    Found::Error(error) => said.push((error, String::new())),
                }
            }
        }
        for (text, advice) in said {
            self.desk.notices.say(Grade::Warning, text, advice);
        }
    }

    pub(super) fn estimated(&mut self, answer: Answer) {
        self.desk.measuring &= !answer.question.trial;
        let current = answer.question == self.question(answer.question.trial);
        if !current {
            // The form has moved on; what it says now is asked again.
            self.asked = None;
            return;
        }
        let draft = &mut self.desk.draft;
        if let Some(preset) = answer.preset
            && draft.follows_data()
            && draft.preset() != preset
        {
            if let Err(error) = draft.take_preset(preset, false) {
                self.desk.notices.say(Grade::Error, error.to_string(), "");
            }
            return;
        }
        match answer.estimate {
            Ok(estimate) => {
                self.desk.estimate = Some(estimate);
                self.desk.obstacle = None;
            }
            Err(obstacle) => {
                self.desk.estimate = None;
                self.desk.obstacle = Some(obstacle);
            }
        }
    }
}
