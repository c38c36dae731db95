//! The top of the window: the panes' tabs, how the training stands, and its buttons.

use egui::{Align, Button, Layout, ProgressBar, RichText, Ui};

use crate::app::state::record::RunEnd;
use crate::app::state::window_settings::Look;
use crate::app::state::{Activity, AppState, Wish};
use crate::format;
use crate::method::{Drawn, Level, Metric};

/// Draws it; `names` are those of the panes.
pub(in crate::app) fn ui(ui: &mut Ui, state: &mut AppState, names: &[&'static str]) {
    ui.horizontal(|ui| {
        let side = if state.settings.side { "Hide runs" } else { "Runs" };
        if ui.button(side).clicked() {
            state.settings.side = !state.settings.side;
        }
        ui.separator();
        for (place, name) in names.iter().enumerate() {
            let text = RichText::new(*name).size(15.0);
            let tab = ui.selectable_label(state.settings.pane == place, text);
            if tab.on_hover_text(format!("Key {}", place + 1)).clicked() {
                state.settings.pane = place;
            }
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            look(ui, state);
            ui.separator();
            buttons(ui, state);
        });
    });
    if let Some(text) = preparing(state) {
        ui.label(RichText::new(text).weak());
    } else if state.front().is_some() {
        status(ui, state);
    }
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

/// From right to left.
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
                state.wish(Wish::Continue(folder));
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

/// How the run in front stands.
fn status(ui: &mut Ui, state: &AppState) {
    let Some(run) = state.front() else { return };
    let record = &run.record;
    let steps = record.start.as_ref().map_or(0, |start| start.steps);
    let own = state.is_own(&run.folder);
    ui.horizontal(|ui| {
        ui.label(RichText::new(&run.name).strong());
        let standing = match (&record.end, own, &state.activity) {
            (_, true, Activity::Training { paused: true }) => "paused",
            (_, true, Activity::Stopping) => "stopping",
            (_, true, _) => "training",
            (RunEnd::Done, ..) => "done",
            (RunEnd::Failed(_), ..) => "failed",
            _ if state.is_live(&run.folder) => "trained by another process",
            _ => "stopped",
        };
        ui.label(standing);
        if steps > 0 {
            let part = record.step as f32 / steps as f32;
            ui.add(ProgressBar::new(part).desired_width(130.0).desired_height(10.0));
            ui.label(format!("{:.0} %", 100.0 * part));
        }
        let epochs = record.start.as_ref().map_or(0, |start| start.epochs);
        let epoch = (record.step as f64 / record.steps_per_epoch()).ceil();
        let mut parts =
            vec![format!("epoch {epoch:.0} of {epochs}"), format!("step {}", format::count(record.step as usize))];
        let mut metrics: Vec<&Metric> = record.metrics.iter().filter(|metric| metric.drawn <= Drawn::Window).collect();
        metrics.sort_by_key(|metric| metric.drawn);
        // How fast a run is says something while it runs.
        for metric in metrics.into_iter().filter(|metric| own || metric.drawn == Drawn::First) {
            let (Some(short), Some([_, last])) = (metric.short, record.curve(metric.name).last()) else { continue };
            let (name, value) = match metric.level {
                Some(Level::Healthy { value, factor, .. }) => (format!("{short} · {factor}"), last / value),
                _ => (short.to_owned(), last),
            };
            let digits = metric.digits;
            parts.push(format!("{name} {value:.digits$}{}", metric.unit).trim().replace('-', "−"));
        }
        if own && let Some(left) = left(state, steps, record.step) {
            parts.push(format!("{} left", format::duration(left)));
        }
        ui.label(RichText::new(parts.join("   ")).weak());
    });
}

/// Seconds to the end, by the steps of this session, kNN included.
fn left(state: &AppState, steps: u64, step: u64) -> Option<f64> {
    let (began, first) = state.clock.first?;
    let done = step.checked_sub(first).filter(|done| *done >= 5)?;
    let each = began.elapsed().as_secs_f64() / done as f64;
    Some(each * steps.saturating_sub(step) as f64)
}
