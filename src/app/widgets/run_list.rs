//! The left of the window: the runs of a folder. One is in front; any number lie over each other in the curves.

use egui::{Button, RichText, ScrollArea, Ui};

use super::theme;
use crate::app::state::{AppState, Wish};

/// Draws it.
pub(in crate::app) fn ui(ui: &mut Ui, state: &mut AppState) {
    ui.horizontal(|ui| {
        ui.label(RichText::new("Runs").strong().size(15.0));
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            let place = state.settings.runs.display().to_string();
            if ui.small_button("Folder…").on_hover_text(place).clicked() {
                state.wish(Wish::AskRuns);
            }
        });
    });
    ui.label(RichText::new("A click opens a run; its box lays it over the others.").size(12.0).weak());
    ui.add_space(4.0);
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        let mut rows: Vec<(std::path::PathBuf, String, bool)> = state
            .listed
            .iter()
            .map(|run| {
                let live = state.is_live(&run.folder);
                (run.folder.clone(), run.name.clone(), live)
            })
            .collect();
        // Those from elsewhere come first.
        for run in state.shown.iter().rev() {
            if !rows.iter().any(|(folder, ..)| *folder == run.folder) {
                rows.insert(0, (run.folder.clone(), run.name.clone(), false));
            }
        }
        if rows.is_empty() {
            ui.label(RichText::new("None yet.").weak());
        }
        for (folder, name, live) in rows {
            row(ui, state, &folder, &name, live);
        }
    });
}

fn row(ui: &mut Ui, state: &mut AppState, folder: &std::path::Path, name: &str, live: bool) {
    let place = state.place(folder);
    let front = place == Some(state.focus) && place.is_some();
    let own = state.is_own(folder);
    ui.horizontal(|ui| {
        let mut open = place.is_some();
        let check = ui.checkbox(&mut open, "");
        check.widget_info(|| egui::WidgetInfo::selected(egui::Role::CheckBox, true, open, format!("Compare {name}")));
        if check.changed() {
            state.wish(match open {
                true => Wish::Open(folder.to_path_buf()),
                false => Wish::Close(folder.to_path_buf()),
            });
        }
        let color =
            place.and_then(|place| state.shown.get(place)).map(|run| theme::run(ui.visuals().dark_mode, run.color));
        // Square at rest, round where it is trained.
        let (swatch, _) = ui.allocate_exact_size(egui::vec2(10.0, 10.0), egui::Sense::hover());
        let rounding = if own || live { 5.0 } else { 2.0 };
        if let Some(color) = color.or(live.then(|| theme::good(ui))) {
            ui.painter().rect_filled(swatch, rounding, color);
        }
        let gone = place.and_then(|place| state.shown.get(place)).is_some_and(|run| run.gone);
        let mut text = RichText::new(name);
        if gone {
            text = text.strikethrough();
        }
        if place.is_some() {
            text = text.strong();
        }
        let hint = match (own, live) {
            (true, _) => "This window trains it",
            (false, true) => "Another process is writing it",
            _ if place.and_then(|place| state.shown.get(place)).is_some_and(|run| run.gone) => "Its folder is gone",
            _ => "Open it",
        };
        let layout = egui::Layout::top_down_justified(egui::Align::LEFT);
        ui.with_layout(layout, |ui| {
            let button = ui.add(Button::selectable(front, text).truncate());
            let hint = format!("{hint}: {}", folder.display());
            if button.on_hover_text(hint).clicked() {
                state.wish(Wish::Open(folder.to_path_buf()));
            }
        });
    });
}
