//! The top of the window: the panes' tabs, how the training stands, and its buttons.

use egui::{Align, Button, Layout, ProgressBar, RichText, Ui};

use crate::app::state::record::RunEnd;
use crate::app::state::window_settings::Look;
use crate::app::state::{Activity, AppState, OpenRun, Wish};
use crate::app::widgets::{badge, next_steps};
use crate::format;
use crate::method::{Drawn, Level, Metric};

/// Points that tabs and buttons need beside each other.
const WIDE: f32 = 860.0;

/// Height of a small window.
const LOW: f32 = 480.0;

/// Draws it; `names` are those of the panes.
pub(in crate::app) fn ui(ui: &mut Ui, state: &mut AppState, names: &[&'static str]) {
    // Where there is no room beside the tabs, the buttons follow below.
    match ui.available_width() > WIDE {
        true => ui.horizontal(|ui| {
            tabs(ui, state, names);
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| right(ui, state));
        }),
        false => ui.horizontal_wrapped(|ui| {
            tabs(ui, state, names);
            right(ui, state);
        }),
    };
    if let Some(text) = preparing(state) {
        ui.label(RichText::new(text).weak());
    } else if state.front().is_some() {
        status(ui, state);
        if let Some(run) = state.front() {
            badge::ui(ui, &run.record);
        }
        // A small window needs its height for the settings of the next run.
        if state.settings.pane != 0 || ui.ctx().content_rect().height() > LOW {
            next_steps::ui(ui, state);
        }
    }
}

fn tabs(ui: &mut Ui, state: &mut AppState, names: &[&'static str]) {
    let side = if state.settings.side { "Hide runs" } else { "Runs list" };
    if ui.button(side).clicked() {
        state.settings.side = !state.settings.side;
    }
    ui.separator();
    for (place, name) in names.iter().enumerate() {
        let text = RichText::new(*name).size(15.0);
        let here = state.settings.pane == place;
        let tab = ui.selectable_label(here, text);
        if tab.on_hover_text(format!("Key {}", place + 1)).clicked() {
            state.settings.pane = place;
        }
    }
}

fn right(ui: &mut Ui, state: &mut AppState) {
    look(ui, state);
    ui.separator();
    buttons(ui, state);
}

fn look(ui: &mut Ui, state: &mut AppState) {
    let name = match state.settings.look {
        Look::System => "Colours",
        Look::Light => "Light",
        Look::Dark => "Dark",
    };
    ui.menu_button(name, |ui| {
        for (look, name) in [(Look::System, "As the system"), (Look::Light, "Light"), (Look::Dark, "Dark")] {
            if ui.selectable_label(state.settings.look == look, name).clicked() {
                state.settings.look = look;
                ui.close();
            }
        }
    });
}

/// From right to left, where there is room.
fn buttons(ui: &mut Ui, state: &mut AppState) {
    match state.activity.clone() {
        Activity::Idle => {
            let front = state.front();
            let more = front.filter(|run| {
                let live = state.is_live(&run.folder);
                run.record.end == RunEnd::Open && run.record.start.is_some() && !live
            });
            let folder = more.map(|run| (run.folder.clone(), run.name.clone()));
            if let Some((folder, name)) = folder
                && ui
                    .button("Continue this run")
                    .on_hover_text(format!("Trains {name} on from its last checkpoint"))
                    .clicked()
            {
                state.wish(Wish::Continue { folder, epochs: None });
            }
        }
        Activity::Preparing(_) => {
            if ui.button("Stop").clicked() {
                state.wish(Wish::Stop);
            }
        }
        Activity::Training { paused } => {
            if ui.button("Stop").on_hover_text("Writes a checkpoint and ends; the run can be continued").clicked() {
                state.wish(Wish::Stop);
            }
            if ui.button("Checkpoint now").clicked() {
                state.wish(Wish::Checkpoint);
            }
            let (name, wish) = match paused {
                true => ("Resume", Wish::Resume),
                false => ("Pause", Wish::Pause),
            };
            let button = Button::new(name).min_size(egui::vec2(76.0, 0.0));
            if ui.add(button).on_hover_text("Space").clicked() {
                state.wish(wish);
            }
        }
        Activity::Stopping => {
            ui.add_enabled(false, Button::new("Stopping…"));
        }
    }
}

fn preparing(state: &AppState) -> Option<&str> {
    match &state.activity {
        Activity::Preparing(text) => Some(text),
        _ => None,
    }
}

/// What a run does now, in a word or two.
pub(in crate::app) fn standing(state: &AppState, run: &OpenRun) -> &'static str {
    match (&run.record.end, state.is_own(&run.folder), &state.activity) {
        _ if run.gone => "its folder is gone",
        (_, true, Activity::Training { paused: true }) => "paused",
        (_, true, Activity::Stopping) => "stopping",
        (_, true, _) => "training",
        (RunEnd::Done, ..) => "done",
        (RunEnd::Failed(_), ..) => "failed",
        _ if state.is_live(&run.folder) => "trained by another process",
        _ => "stopped",
    }
}

/// How the run in front stands.
fn status(ui: &mut Ui, state: &AppState) {
    let Some(run) = state.front() else { return };
    let record = &run.record;
    let steps = record.start.as_ref().map_or(0, |start| start.steps);
    let own = state.is_own(&run.folder);
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.y = 2.0;
        ui.label(RichText::new(&run.name).strong());
        ui.label(standing(state, run));
        if steps > 0 {
            let part = record.step as f32 / steps as f32;
            ui.add(ProgressBar::new(part).desired_width(130.0).desired_height(10.0));
            ui.label(format!("{:.0} %", 100.0 * part));
        }
        let epochs = record.start.as_ref().map_or(0, |start| start.epochs);
        let epoch = (record.step as f64 / record.steps_per_epoch()).ceil();
        let quiet = |text: String| egui::Label::new(RichText::new(text).weak()).extend();
        ui.add(quiet(format!("epoch {epoch:.0} of {epochs}")));
        ui.add(quiet(format!("step {}", format::count(record.step as usize))));
        let mut metrics: Vec<&Metric> = record.metrics.iter().filter(|metric| metric.drawn <= Drawn::Window).collect();
        metrics.sort_by_key(|metric| metric.drawn);
        // How fast a run is says something while it runs.
        for metric in metrics.into_iter().filter(|metric| own || metric.drawn == Drawn::First) {
            let (Some(short), Some([_, last])) = (metric.short, record.curve(metric.name).last()) else { continue };
            let name = match metric.level {
                Some(Level::Healthy { factor, .. }) => format!("{short} · {factor}"),
                _ => short.to_owned(),
            };
            let text = format!("{name} {}{}", format::number(last, metric.digits), metric.unit);
            ui.add(quiet(text.trim().to_owned())).on_hover_text(metric.help);
        }
        if own && let Some(left) = state.clock.left(steps, record.step) {
            ui.add(quiet(format!("{} left", format::duration(left))))
                .on_hover_text("By the steps since the training began or went on, kNN included");
        }
    });
}
