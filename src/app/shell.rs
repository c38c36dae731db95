//! The window's contents without a window: threads and panes, held together. A test drives it as the real window does.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use egui::{Key, Modifiers, Ui};

use super::desk::{Activity, Desk, Wish};
use super::dialogs::{Dialog, Purpose};
use super::draft::Draft;
use super::estimate::{self, Answer, Question};
use super::follow::{Follow, Found};
use super::keep::Kept;
use super::listing::{self, Lister};
use super::notices::{Grade, Remedy};
use super::pane::Pane;
use super::record::Record;
use super::session::{Ending, Job, Session, Told};
use super::shelf::Shelf;
use super::worker::{Wake, Worker};
use super::{bar, notice_bar, panes, side, theme};
use crate::gpu;
use crate::train::{Command, Event, RunFolder};

/// How the window begins.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The data of the form.
    pub data: Option<String>,
    /// Runs to open, the last in front; a folder of runs opens its list.
    pub runs: Vec<PathBuf>,
    /// Where new runs go.
    pub out: Option<PathBuf>,
    /// The adapter.
    pub device: Option<String>,
    /// Where the window keeps what it remembers; nothing is kept without.
    pub settings: Option<PathBuf>,
    /// Ends the program from another thread.
    pub interrupt: Interrupt,
}

/// Closes the window from any thread, as a signal does: without asking, and with a checkpoint.
#[derive(Clone, Default)]
pub struct Interrupt(Arc<(AtomicBool, Mutex<Option<Wake>>)>);

impl Interrupt {
    /// Closes it; whether that was asked for before.
    pub fn close(&self) -> bool {
        let before = self.0.0.swap(true, Ordering::SeqCst);
        let wake = self.0.1.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(wake) = &*wake {
            wake();
        }
        before
    }

    fn wakes(&self, wake: Wake) {
        *self.0.1.lock().unwrap_or_else(PoisonError::into_inner) = Some(wake);
    }

    fn is_asked(&self) -> bool {
        self.0.0.load(Ordering::SeqCst)
    }
}

impl std::fmt::Debug for Interrupt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Interrupt").field(&self.is_asked()).finish()
    }
}

/// Numbers of the panes.
const START: usize = 0;
const CURVES: usize = 1;

/// Whether the window may close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Closing {
    No,
    /// The user is asked.
    Asked,
    /// The training was told to stop.
    Stopping,
    Yes,
}

/// The window's contents.
pub struct App {
    desk: Desk,
    panes: Vec<Box<dyn Pane>>,
    session: Option<Session>,
    estimates: Worker<Question, Answer>,
    asked: Option<Question>,
    devices: Worker<(), Vec<String>>,
    lister: Lister,
    dialog: Option<Dialog>,
    closing: Closing,
    settings: Option<PathBuf>,
    interrupt: Interrupt,
    wake: Wake,
    installed: bool,
}

impl App {
    /// Starts the threads. `wake` is called, on any of them, when there is something to show. Fails where a preset cannot be read.
    pub fn new(options: Options, wake: Wake) -> anyhow::Result<App> {
        let mut kept = options
            .settings
            .as_deref()
            .map(Kept::read)
            .unwrap_or_default();
        let mut draft = Draft::new()?;
        draft.device = options.device.or_else(|| kept.device.clone());
        if let Some(data) = &options.data {
            draft.set_source(data);
        }
        let mut open = Vec::new();
        for run in &options.runs {
            match RunFolder::is_run(run) {
                true => open.push(run.clone()),
                // A folder that holds runs, or will.
                false => kept.runs.clone_from(run),
            }
        }
        if let Some(out) = options.out {
            kept.runs = out;
        }
        kept.pane = match open.is_empty() {
            true if options.data.is_some() => START,
            true => kept.pane,
            false => CURVES,
        };
        options.interrupt.wakes(wake.clone());
        let shelf = Shelf::default();
        let panes = panes::all(&shelf, &wake);
        kept.pane = kept.pane.min(panes.len() - 1);
        let devices = Worker::new("devices", wake.clone(), |(), _| {
            let names = gpu::adapters().into_iter();
            Some(
                names
                    .filter(|a| a.lack().is_none())
                    .map(|a| a.name)
                    .collect(),
            )
        });
        devices.ask(());
        let lister = Lister::start(&kept.runs, wake.clone());
        let mut app = App {
            desk: Desk::new(draft, kept),
            panes,
            session: None,
            estimates: estimate::worker(shelf, wake.clone()),
            asked: None,
            devices,
            lister,
            dialog: None,
            closing: Closing::No,
            settings: options.settings,
            interrupt: options.interrupt,
            wake,
            installed: false,
        };
        for folder in open {
            app.open(&folder);
        }
        Ok(app)
    }

    /// Takes what the threads have told. Cheap, and to be called whenever they wake the window, also where nothing is painted.
    pub fn news(&mut self) {
        for told in self.session.as_ref().map(Session::hear).unwrap_or_default() {
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

    /// Draws everything, and then does what was clicked.
    pub fn ui(&mut self, ui: &mut Ui) {
        if !self.installed {
            theme::install(ui.ctx());
            self.installed = true;
        }
        let look = self.desk.kept.look;
        self.news();
        self.keys(ui);
        let names: Vec<&'static str> = self.panes.iter().map(|pane| pane.name()).collect();
        egui::Panel::top("bar").show(ui, |ui| {
            ui.add_space(4.0);
            bar::ui(ui, &mut self.desk, &names);
            notice_bar::ui(ui, &mut self.desk);
            ui.add_space(2.0);
        });
        if self.desk.kept.side {
            egui::Panel::left("runs")
                .default_size(190.0)
                .size_range(140.0..=420.0)
                .show(ui, |ui| side::ui(ui, &mut self.desk));
        }
        let pane = self.desk.kept.pane.min(self.panes.len() - 1);
        egui::CentralPanel::default().show(ui, |ui| self.panes[pane].ui(ui, &mut self.desk));
        self.closing_ui(ui);
        if self.desk.kept.pane == START {
            self.estimate();
        }
        let wishes = self.desk.wishes();
        let moved =
            self.desk.kept.pane != pane || self.desk.kept.look != look || !wishes.is_empty();
        for wish in wishes {
            self.fulfil(wish);
        }
        if self.desk.kept.look != look {
            theme::choose(ui.ctx(), self.desk.kept.look);
        }
        if moved {
            // What was just done is not on the screen yet.
            ui.ctx().request_repaint();
        }
    }

    fn keys(&mut self, ui: &Ui) {
        let free = ui.ctx().memory(|memory| memory.focused().is_none());
        let (open, start, space, number, dropped) = ui.ctx().input_mut(|input| {
            let open = input.consume_key(Modifiers::COMMAND, Key::O);
            let start = input.consume_key(Modifiers::COMMAND, Key::Enter);
            let numbers = [Key::Num1, Key::Num2, Key::Num3, Key::Num4, Key::Num5];
            let (mut space, mut number) = (false, None);
            // A letter that is typed into a field is meant for it.
            if free {
                space = input.consume_key(Modifiers::NONE, Key::Space);
                number = numbers
                    .iter()
                    .position(|&key| input.consume_key(Modifiers::NONE, key));
            }
            (
                open,
                start,
                space,
                number,
                std::mem::take(&mut input.raw.dropped_files),
            )
        });
        if open {
            self.desk.wish(Wish::AskFolder);
        }
        if start && self.desk.obstacle.is_none() {
            self.start();
        }
        match (space, &self.desk.activity) {
            (true, Activity::Training { paused: true }) => self.desk.wish(Wish::Resume),
            (true, Activity::Training { paused: false }) => self.desk.wish(Wish::Pause),
            _ => {}
        }
        if let Some(number) = number.filter(|&number| number < self.panes.len()) {
            self.desk.kept.pane = number;
        }
        for file in dropped {
            self.take(file.path());
        }
    }

    /// A folder or file that the user pointed at: a run, or images.
    fn take(&mut self, path: &Path) {
        match RunFolder::is_run(path) {
            true => self.open(path),
            false => self.fulfil(Wish::Take(path.display().to_string())),
        }
    }

    fn fulfil(&mut self, wish: Wish) {
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

    fn ask(&mut self, purpose: Purpose) {
        if self.dialog.is_none() {
            let start = match purpose {
                Purpose::Open => PathBuf::from(&self.desk.draft.config().data.source),
                Purpose::Runs => self.desk.kept.runs.clone(),
            };
            self.dialog = Some(Dialog::open(purpose, Some(&start), self.wake.clone()));
        }
    }

    /// Lays a run on the desk, or in front where it lies there.
    fn open(&mut self, folder: &Path) {
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

    fn begin(&mut self, job: Job) {
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

    fn command(&mut self, command: Command) {
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

    fn told(&mut self, told: Told) {
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

    fn heard(&mut self, event: &Event) {
        if let Some(run) = self.desk.own() {
            run.record.hear(event);
        }
        match event {
            Event::Step(step) => {
                self.desk
                    .clock
                    .first
                    .get_or_insert((Instant::now(), step.step));
            }
            Event::Alarm(alarm) => {
                let text = format!("Step {}: {}", alarm.step, alarm.message);
                self.desk
                    .notices
                    .say(Grade::Warning, text, alarm.advice.clone());
            }
            Event::Warning(warning) => {
                self.desk
                    .notices
                    .say(Grade::Info, warning.message.clone(), "");
            }
            _ => {}
        }
    }

    fn ended(&mut self, ending: Ending) {
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
                let text = format!(
                    "Stopped after step {step}, with a checkpoint; the run can be continued."
                );
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

    fn followed(&mut self) {
        let mut errors = Vec::new();
        for run in &mut self.desk.shown {
            let Some(follow) = &run.follow else { continue };
            for found in follow.poll() {
                match found {
                    Found::Lines(lines) => lines.iter().for_each(|line| run.record.take(line)),
                    Found::Anew => run.record = Record::new(&run.record.config),
                    Found::Error(error) => errors.push(error),
                }
            }
        }
        for error in errors {
            self.desk.notices.say(Grade::Warning, error, "");
        }
    }

    fn question(&self, trial: bool) -> Question {
        Question {
            config: self.desk.draft.config().clone(),
            device: self.desk.draft.device.clone(),
            trial,
        }
    }

    /// Asks what the settings of the form would take, where they have changed.
    fn estimate(&mut self) {
        if !self.desk.draft.problems().is_empty() {
            // What is wrong is said beside its field; the rest is known when it is mended.
            self.asked = None;
            self.desk.estimate = None;
            return;
        }
        let question = self.question(false);
        if self.asked.as_ref() != Some(&question) && !self.desk.measuring {
            self.estimates.ask(question.clone());
            self.desk.estimating = true;
            self.asked = Some(question);
        }
    }

    fn estimated(&mut self, answer: Answer) {
        self.desk.measuring &= !answer.question.trial;
        let current = answer.question == self.question(answer.question.trial);
        if !current {
            // The form has moved on; what it says now is asked again.
            self.asked = None;
            return;
        }
        self.desk.estimating = false;
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

    /// The user closes the window: whether it may close now. Where a training is under way it asks.
    pub fn close(&mut self) -> bool {
        match (self.closing, self.desk.is_training()) {
            (Closing::Yes, _) | (_, false) => self.closing = Closing::Yes,
            (Closing::No, true) => self.closing = Closing::Asked,
            (Closing::Asked | Closing::Stopping, true) => {}
        }
        self.may_close()
    }

    /// Whether everything is done that was to be done before closing.
    pub fn may_close(&self) -> bool {
        self.closing == Closing::Yes
    }

    fn stop_and_close(&mut self) {
        match self.desk.is_training() {
            false => self.closing = Closing::Yes,
            true if self.closing != Closing::Stopping => {
                self.closing = Closing::Stopping;
                self.command(Command::Stop);
            }
            true => {}
        }
    }

    fn closing_ui(&mut self, ui: &mut Ui) {
        let closing = self.closing;
        if !matches!(closing, Closing::Asked | Closing::Stopping) {
            return;
        }
        let (mut stop, mut keep, mut now) = (false, false, false);
        let frame = egui::Frame::popup(ui.style()).inner_margin(18.0);
        let modal = egui::Modal::new(egui::Id::unique("closing")).frame(frame);
        modal.show(ui.ctx(), |ui| {
            ui.set_width(380.0);
            match closing {
                Closing::Stopping => {
                    ui.heading("Writing the checkpoint…");
                    ui.label("The window closes by itself. Closing at once leaves the checkpoint before this one, at most an epoch or ten minutes old.");
                    ui.add_space(8.0);
                    now = ui.button("Close at once").clicked();
                }
                _ => {
                    ui.heading("A training is under way");
                    ui.label("It can stop now, with a checkpoint from which it can be continued.");
                    ui.add_space(8.0);
                    ui.horizontal(|ui| {
                        stop = ui.button("Stop and close").clicked();
                        keep = ui.button("Keep training").clicked();
                    });
                    keep |= ui.input(|input| input.key_pressed(Key::Escape));
                }
            }
        });
        if stop {
            self.stop_and_close();
        }
        if keep {
            self.closing = Closing::No;
        }
        if now {
            self.closing = Closing::Yes;
        }
        if stop || keep || now {
            ui.ctx().request_repaint();
        }
    }

    /// What the window keeps: its place and size are the window's to set.
    pub(super) fn kept(&mut self) -> &mut Kept {
        &mut self.desk.kept
    }

    /// Says something that is the window's own trouble.
    pub(super) fn trouble(&mut self, text: String) {
        self.desk.notices.say(Grade::Warning, text, "");
    }

    /// A name for the system's list of windows.
    pub(super) fn title(&self) -> String {
        match self.desk.front() {
            Some(run) => format!("simsiam: {}", run.name),
            None => "simsiam".to_owned(),
        }
    }

    /// Writes what is kept. Where that fails, the next start has forgotten it.
    pub fn keep(&self) {
        if let Some(path) = &self.settings
            && let Err(error) = self.desk.kept.write(path)
        {
            log::warn!("{} cannot be written: {error}", path.display());
        }
    }

    /// Lays recorded numbers on the desk, as a run that was opened.
    pub fn show(&mut self, folder: &Path, record: Record) {
        self.desk.lay(folder, record, None);
    }

    /// Fills a field of the form.
    pub fn set(&mut self, key: &str, text: &str) {
        self.desk.draft.set(key, text);
    }

    /// Starts what the form describes, as its button does; nothing where it is wrong or a training is under way.
    pub fn start(&mut self) {
        if self.desk.draft.problems().is_empty() {
            self.fulfil(Wish::Start);
        }
    }

    /// Goes to a pane, by its place.
    pub fn go_to(&mut self, pane: usize) {
        self.desk.kept.pane = pane.min(self.panes.len() - 1);
    }

    /// The run in front: its folder and its numbers.
    pub fn front(&self) -> Option<(&Path, &Record)> {
        let run = self.desk.front()?;
        Some((&run.folder, &run.record))
    }

    /// Whether this window has a training under way, a paused one too.
    pub fn is_training(&self) -> bool {
        self.desk.is_training()
    }
}

impl Drop for App {
    /// A training that is under way is stopped with a checkpoint. Where the user would not wait for that, it gets a moment to leave the
    /// driver before the program ends.
    fn drop(&mut self) {
        let Some(session) = self.session.take() else {
            return;
        };
        let most = match self.closing {
            Closing::Yes => Duration::from_secs(3),
            _ => Duration::from_secs(600),
        };
        if session.end_within(most) {
            session.join();
        }
    }
}
