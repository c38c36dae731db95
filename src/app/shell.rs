//! The window's contents without a window: threads and panes, held together. A test drives it as the real window does. [`news`] is what
//! comes from the threads, [`wishes`] what goes to them, [`closing`] how it ends.

mod closing;
mod folders;
mod news;
mod wishes;

use std::path::{Path, PathBuf};
use std::time::Instant;

use egui::{Key, Modifiers, Ui};

use self::closing::Closing;
pub use self::closing::Interrupt;
use super::panes;
use super::panes::pane::Pane;
use super::state::config_editor::ConfigEditor;
use super::state::notices::Grade;
use super::state::record::Record;
use super::state::window_settings::WindowSettings;
use super::state::{Activity, AppState, Wish};
use super::widgets::{bar, notice_bar, run_list, theme};
use super::workers::dialogs::Dialog;
use super::workers::estimate::{self, EstimateAnswer, EstimateQuestion};
use super::workers::listing::{self, Lister};
use super::workers::resource_cache::ResourceCache;
use super::workers::session::Session;
use super::workers::worker::{Wake, Worker};
use crate::gpu;
use crate::train::RunFolder;

/// How the window begins.
#[derive(Debug, Clone, Default)]
pub struct AppOptions {
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

/// Runs of a folder that are opened with it: more curves cannot be told apart.
const OPENED: usize = 60;

/// Numbers of the panes.
const START: usize = 0;
const CURVES: usize = 1;
const NEIGHBOURS: usize = 4;

/// The window's contents.
pub struct App {
    state: AppState,
    panes: Vec<Box<dyn Pane>>,
    session: Option<Session>,
    estimates: Worker<EstimateQuestion, EstimateAnswer>,
    asked: Option<EstimateQuestion>,
    devices: Worker<(), Vec<String>>,
    lister: Lister,
    dialog: Option<Dialog>,
    closing: Closing,
    settings: Option<PathBuf>,
    interrupt: Interrupt,
    resources: ResourceCache,
    wake: Wake,
    installed: bool,
    /// When it was last looked whether open runs are still there.
    looked: Instant,
}

impl App {
    /// Starts the threads. `wake` is called, on any of them, when there is something to show. Fails where a preset cannot be read.
    pub fn new(options: AppOptions, wake: Wake) -> anyhow::Result<App> {
        let mut settings = options.settings.as_deref().map(WindowSettings::read).unwrap_or_default();
        let mut editor = ConfigEditor::new()?;
        editor.device = options.device.or_else(|| settings.device.clone());
        if let Some(data) = &options.data {
            editor.set_source(data);
        }
        let mut open = Vec::new();
        for run in &options.runs {
            match RunFolder::is_run(run) {
                true => open.push(run.clone()),
                // A folder that holds runs, or will: all of them lie over each other.
                false => {
                    settings.runs.clone_from(run);
                    // The newest is opened last, and in front.
                    open.extend(listing::folders(run).into_iter().take(OPENED).rev());
                }
            }
        }
        if let Some(out) = options.out {
            settings.runs = out;
        }
        settings.pane = match open.is_empty() {
            true if options.data.is_some() => START,
            true => settings.pane,
            false => CURVES,
        };
        options.interrupt.wakes(wake.clone());
        let resources = ResourceCache::default();
        let panes = panes::all(&resources, &wake);
        settings.pane = settings.pane.min(panes.len() - 1);
        let devices = Worker::new("devices", wake.clone(), |(), _| {
            let names = gpu::adapters().into_iter();
            Some(names.filter(|a| a.lack().is_none()).map(|a| a.name).collect())
        });
        devices.ask(());
        let lister = Lister::start(&settings.runs, wake.clone());
        let mut app = App {
            state: AppState::new(editor, settings),
            panes,
            session: None,
            estimates: estimate::worker(resources.clone(), wake.clone()),
            asked: None,
            devices,
            lister,
            dialog: None,
            closing: Closing::No,
            settings: options.settings,
            interrupt: options.interrupt,
            resources,
            wake,
            installed: false,
            looked: Instant::now(),
        };
        for folder in open {
            app.open(&folder);
        }
        Ok(app)
    }

    /// Draws everything, and then does what was clicked.
    pub fn ui(&mut self, ui: &mut Ui) {
        if !self.installed {
            theme::install(ui.ctx());
            self.installed = true;
        }
        let look = self.state.settings.look;
        self.news();
        self.keys(ui);
        let names: Vec<&'static str> = self.panes.iter().map(|pane| pane.name()).collect();
        egui::Panel::top("bar").show(ui, |ui| {
            ui.add_space(4.0);
            bar::ui(ui, &mut self.state, &names);
            notice_bar::ui(ui, &mut self.state);
            ui.add_space(2.0);
        });
        if self.state.settings.side {
            egui::Panel::left("runs")
                .default_size(190.0)
                .size_range(140.0..=420.0)
                .show(ui, |ui| run_list::ui(ui, &mut self.state));
        }
        let pane = self.state.settings.pane.min(self.panes.len() - 1);
        egui::CentralPanel::default().show(ui, |ui| self.panes[pane].ui(ui, &mut self.state));
        self.closing_ui(ui);
        if self.state.settings.pane == START {
            self.estimate();
        }
        let wishes = self.state.wishes();
        let moved = self.state.settings.pane != pane || self.state.settings.look != look || !wishes.is_empty();
        for wish in wishes {
            self.fulfil(wish);
        }
        if self.state.settings.look != look {
            theme::choose(ui.ctx(), self.state.settings.look);
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
            let numbers = [Key::Num1, Key::Num2, Key::Num3, Key::Num4, Key::Num5, Key::Num6];
            let (mut space, mut number) = (false, None);
            // A letter that is typed into a field is meant for it.
            if free {
                space = input.consume_key(Modifiers::NONE, Key::Space);
                number = numbers.iter().position(|&key| input.consume_key(Modifiers::NONE, key));
            }
            (open, start, space, number, std::mem::take(&mut input.raw.dropped_files))
        });
        if open {
            self.state.wish(Wish::AskFolder);
        }
        if start && self.state.obstacle.is_none() {
            self.start();
        }
        match (space, &self.state.activity) {
            (true, Activity::Training { paused: true }) => self.state.wish(Wish::Resume),
            (true, Activity::Training { paused: false }) => self.state.wish(Wish::Pause),
            _ => {}
        }
        if let Some(number) = number.filter(|&number| number < self.panes.len()) {
            self.state.settings.pane = number;
        }
        for file in dropped {
            self.take(file.path());
        }
    }

    /// The window was opened again, on another device: what was laid there is gone.
    pub(super) fn reopened(&mut self) {
        self.installed = false;
        self.panes = panes::all(&self.resources, &self.wake);
    }

    /// What the window keeps: its place and size are the window's to set.
    pub(super) fn settings(&mut self) -> &mut WindowSettings {
        &mut self.state.settings
    }

    /// Says something that is the window's own trouble.
    pub(super) fn trouble(&mut self, text: String) {
        self.state.notices.say(Grade::Warning, text, "");
    }

    /// A name for the system's list of windows.
    pub(super) fn title(&self) -> String {
        match self.state.front() {
            Some(run) => format!("simsiam: {}", run.name),
            None => "simsiam".to_owned(),
        }
    }

    /// Writes what is kept. Where that fails, the next start has forgotten it.
    pub fn save_settings(&self) {
        if let Some(path) = &self.settings
            && let Err(error) = self.state.settings.write(path)
        {
            log::warn!("{} cannot be written: {error}", path.display());
        }
    }

    /// Puts recorded numbers into the state, as a run that was opened.
    pub fn show(&mut self, folder: &Path, record: Record) {
        self.state.lay(folder, record, None);
    }

    /// Fills a field of the form.
    pub fn set(&mut self, key: &str, text: &str) {
        self.state.editor.set(key, text);
    }

    /// Starts what the form describes, as its button does; nothing where it is wrong or a training is under way.
    pub fn start(&mut self) {
        if self.state.editor.problems().is_empty() {
            self.fulfil(Wish::Start);
        }
    }

    /// Goes to a pane, by its place.
    pub fn go_to(&mut self, pane: usize) {
        self.state.settings.pane = pane.min(self.panes.len() - 1);
    }

    /// The run in front: its folder and its numbers.
    pub fn front(&self) -> Option<(&Path, &Record)> {
        let run = self.state.front()?;
        Some((&run.folder, &run.record))
    }

    /// Whether this window has a training under way, a paused one too.
    pub fn is_training(&self) -> bool {
        self.state.is_training()
    }
}
