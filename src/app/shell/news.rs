//! What the threads of the window report: taken from their channels and put into the state.

use std::time::{Duration, Instant, SystemTime};

use super::closing::Closing;
use super::{App, START};
use crate::app::state::Activity;
use crate::app::state::notices::{Grade, Remedy};
use crate::app::state::record::Record;
use crate::app::workers::dialogs::{Dialog, DialogPurpose};
use crate::app::workers::estimate::EstimateAnswer;
use crate::app::workers::follow::FollowEvent;
use crate::app::workers::session::{Ending, Session, SessionEvent};
use crate::method::metric::names;
use crate::train::{Event, HealthGrade, Line, RunFolder};

/// How often it is looked whether open runs are still there.
const GONE: Duration = Duration::from_secs(2);

impl App {
    /// Takes what the threads have reported. Cheap, and to be called whenever they wake the window, also where nothing is painted.
    pub fn news(&mut self) {
        for event in self.session.as_mut().map(Session::poll).unwrap_or_default() {
            self.session_event(event);
        }
        self.followed();
        if let Some(names) = self.devices.poll() {
            self.state.devices = names;
        }
        if let Some(listed) = self.lister.poll() {
            self.state.listed = listed;
            self.state.listed_version += 1;
        }
        if self.looked.elapsed() > GONE {
            self.looked = Instant::now();
            for run in self.state.shown.iter_mut().filter(|run| run.follow.is_some()) {
                run.gone = !run.folder.is_dir();
            }
        }
        if let Some((purpose, folder)) = self.dialog.as_ref().and_then(Dialog::poll) {
            self.dialog = None;
            match (purpose, folder) {
                (_, None) => {}
                (DialogPurpose::Open, Some(folder)) => self.take(&folder),
                (DialogPurpose::Runs, Some(folder)) => {
                    self.lister.look(&folder);
                    self.state.settings.runs = folder;
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

    pub(super) fn session_event(&mut self, event: SessionEvent) {
        match event {
            SessionEvent::Preparing(text) => {
                if let Activity::Preparing(before) = &mut self.state.activity {
                    *before = text;
                }
            }
            SessionEvent::Began { folder, config } => {
                if let Activity::Preparing(_) = self.state.activity {
                    self.state.activity = Activity::Training { paused: false };
                }
                // Its numbers come from the training itself from here on.
                self.state.lay(&folder, Record::new(&config), None);
                self.state.trained = Some(folder);
                self.lister.look(&self.state.settings.runs);
            }
            SessionEvent::Before(lines) => {
                if let Some(run) = self.state.own() {
                    lines.iter().for_each(|line| run.record.take(line));
                }
            }
            SessionEvent::Event(event) => self.observe(&event),
            SessionEvent::Ended(ending) => self.ended(ending),
        }
    }

    pub(super) fn observe(&mut self, event: &Event) {
        if let Some(run) = self.state.own() {
            run.record.observe(event);
            run.record.written = seconds(SystemTime::now());
        }
        match event {
            Event::Step(step) => {
                self.state.clock.first.get_or_insert((Instant::now(), step.step));
            }
            Event::Alarm(alarm) => {
                let text = alarm_text(alarm.step, &alarm.message);
                self.state.notices.say(Grade::Warning, text, alarm.advice.clone());
            }
            Event::Warning(warning) => {
                self.state.notices.say(Grade::Info, warning.message.clone(), "");
            }
            _ => {}
        }
    }

    pub(super) fn ended(&mut self, ending: Ending) {
        if let Some(session) = self.session.take() {
            session.join();
        }
        let begun = self.state.own().is_some();
        self.state.activity = Activity::Idle;
        let folder = self.state.trained.clone().filter(|_| begun);
        match ending {
            Ending::Done => self.done(),
            Ending::Stopped { step } => {
                let text = format!("Stopped after step {step}, with a checkpoint; the run can be continued.");
                self.state.notices.say(Grade::Info, text, "");
            }
            Ending::Failed { error, device_lost } => match folder {
                Some(folder) if device_lost => {
                    self.state.notices.offer(error, Remedy::Continue(folder));
                }
                None if device_lost => self.state.notices.offer(error, Remedy::Start),
                _ => self.state.notices.say(Grade::Error, error, ""),
            },
        }
        if !begun && self.state.shown.is_empty() {
            self.state.settings.pane = START;
        }
        self.lister.look(&self.state.settings.runs);
        self.closing = match self.closing {
            Closing::Stopping => Closing::Yes,
            // There is nothing left to ask about.
            Closing::Asked => Closing::No,
            other => other,
        };
    }

    /// All epochs are done: what came of them, and after an alarm what that says.
    fn done(&mut self) {
        let Some(run) = self.state.own_ended() else { return };
        let record = &run.record;
        let health = record.health();
        let Some((HealthGrade::Alarmed(kind), Some(alarm))) = health.map(|health| (health.grade, health.alarm)) else {
            self.state.notices.say(Grade::Info, "The training is done.", "");
            return;
        };
        let text = format!("The training has ended. It {} at step {}{}", kind.happened(), alarm.step, knn(record));
        // The same alarm was said when it was raised.
        self.state.notices.forget(&alarm_text(alarm.step, &alarm.message));
        self.state.notices.say(Grade::Warning, text, alarm.advice);
    }

    pub(super) fn followed(&mut self) {
        let mut said: Vec<(String, String)> = Vec::new();
        for run in &mut self.state.shown {
            let Some(follow) = &run.follow else { continue };
            let listed = &self.state.listed;
            let live = listed.iter().any(|l| l.live && l.folder == run.folder);
            for found in follow.poll() {
                match found {
                    FollowEvent::Lines(lines) => {
                        let file = RunFolder::metrics_of(&run.folder).metadata();
                        let written = file.and_then(|file| file.modified()).ok().and_then(seconds);
                        for line in &lines {
                            run.record.take(line);
                            run.record.written = written;
                            // What went wrong with runs of old shows in their curves.
                            if let (Line::Alarm(alarm), true) = (line, live) {
                                let text = format!("{}, step {}: {}", run.name, alarm.step, alarm.message);
                                said.push((text, alarm.advice.clone()));
                            }
                        }
                    }
                    FollowEvent::Anew => run.record = Record::new(&run.record.config),
                    FollowEvent::Error(error) => said.push((error, String::new())),
                }
            }
        }
        for (text, advice) in said {
            self.state.notices.say(Grade::Warning, text, advice);
        }
    }

    pub(super) fn estimated(&mut self, answer: EstimateAnswer) {
        self.state.measuring &= !answer.question.trial;
        let current = answer.question == self.question(answer.question.trial);
        if !current {
            // The form has moved on; what it says now is asked again.
            self.asked = None;
            return;
        }
        let editor = &mut self.state.editor;
        if let Some(preset) = answer.preset
            && editor.follows_data()
            && editor.preset() != preset
        {
            if let Err(error) = editor.take_preset(preset, false) {
                self.state.notices.say(Grade::Error, error.to_string(), "");
            }
            return;
        }
        if let Some((size, images)) = answer.batch
            && editor.fit_batch(size)
        {
            let text = format!("A batch of {size}, to fit {images} training images.");
            self.state.notices.say(Grade::Info, text, "");
            return;
        }
        match answer.estimate {
            Ok(estimate) => {
                self.state.estimate = Some(estimate);
                self.state.obstacle = None;
            }
            Err(obstacle) => {
                self.state.estimate = None;
                self.state.obstacle = Some(obstacle);
            }
        }
    }
}

/// What is said of an alarm.
fn alarm_text(step: u64, message: &str) -> String {
    format!("Step {step}: {message}.")
}

/// Since 1970.
fn seconds(time: SystemTime) -> Option<f64> {
    time.duration_since(SystemTime::UNIX_EPOCH).ok().map(|since| since.as_secs_f64())
}

/// What kNN said before and after; no gain is computed, because after an alarm it means nothing.
fn knn(record: &Record) -> String {
    let knn = record.curve(names::KNN_TOP1);
    match (record.untrained(names::KNN_TOP1), knn.last()) {
        (Some(before), Some([at, after])) if at > 0.0 => {
            format!("; kNN {before:.1} % before training, {after:.1} % after.")
        }
        _ => ".".to_owned(),
    }
}
