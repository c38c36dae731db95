//! The runs of a folder as a table: how each stands, what came of it, in what they differ; and what is done with them.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use egui::{Align, Button, Key, Label, Layout, RichText, ScrollArea, TextEdit, Ui};

use crate::app::panes::pane::Pane;
use crate::app::state::run_table::{Column, Differing, RunTable, state as state_of};
use crate::app::state::{AppState, Wish};
use crate::app::widgets::{badge, theme};
use crate::app::workers::listing::Listed;
use crate::format;
use crate::train::HealthGrade;

/// Widths of the columns, the box first; the settings have what is left.
type Widths = [f32; 6];
const WIDTHS: Widths = [28.0, 190.0, 92.0, 118.0, 108.0, 132.0];
/// Of the settings at least, and of the button behind them.
const REST: f32 = 150.0;

/// The widths in so much room: where it is little, the date goes, then the state, and names are shorter.
fn widths(room: f32) -> Widths {
    let mut widths = WIDTHS;
    let needs =
        |widths: &Widths| widths.iter().filter(|width| **width > 0.0).map(|width| width + 8.0).sum::<f32>() + REST;
    for (column, least) in [(1, 130.0), (5, 0.0), (2, 0.0), (1, 90.0), (4, 62.0)] {
        if needs(&widths) > room {
            widths[column] = least;
        }
    }
    widths
}

const ROW: f32 = 26.0;

/// What is being written about a run.
enum Edit {
    Name(PathBuf, String),
    Note(PathBuf, String),
    Delete(PathBuf),
}

/// The pane.
#[derive(Default)]
pub(in crate::app) struct RunsPane {
    table: RunTable,
    differing: Differing,
    /// How many changes of the list `differing` knows.
    version: u64,
    /// Whether the pointer was over the rows in the last frame.
    over: bool,
    edit: Option<Edit>,
}

impl Pane for RunsPane {
    fn name(&self) -> &'static str {
        "Runs"
    }

    fn ui(&mut self, ui: &mut Ui, state: &mut AppState) {
        if self.version != state.listed_version {
            self.differing = Differing::of(&state.listed);
            self.version = state.listed_version;
        }
        if state.listed.is_empty() {
            let place = state.settings.runs.display();
            super::empty(ui, &format!("No runs in {place} yet."), "Start one, or choose another folder on the left.");
            return;
        }
        self.controls(ui, state);
        ui.add_space(4.0);
        let wishes = self.rows(ui, state);
        wishes.into_iter().for_each(|wish| state.wish(wish));
        self.edit_ui(ui, state);
    }
}

impl RunsPane {
    fn controls(&mut self, ui: &mut Ui, state: &mut AppState) {
        ui.horizontal_wrapped(|ui| {
            let label = ui.label("Filter");
            let field = TextEdit::singleline(&mut self.table.filter).hint_text("name, state, setting, note");
            ui.add(field.desired_width(200.0)).labelled_by(label.id);
            ui.separator();
            let shown = state.listed.iter().filter(|run| state.place(&run.folder).is_some()).count();
            let all = state.listed.len();
            if ui
                .add_enabled(shown < all, Button::new("Tick all"))
                .on_hover_text("Lays the curves of all over each other")
                .clicked()
            {
                state.wish(Wish::OpenAll);
            }
            if ui.add_enabled(shown > 0, Button::new("Tick none")).clicked() {
                for run in state.listed.clone() {
                    state.wish(Wish::Close(run.folder));
                }
            }
            ui.label(
                RichText::new(format!(
                    "{} {}, {shown} ticked",
                    format::count(all),
                    if all == 1 { "run" } else { "runs" }
                ))
                .weak(),
            );
        });
    }

    fn rows(&mut self, ui: &mut Ui, state: &AppState) -> Vec<Wish> {
        let mut wishes = Vec::new();
        let widths = widths(ui.available_width());
        self.head(ui, &widths);
        let rows = self.table.rows(&state.listed, &self.differing, self.over);
        if rows.is_empty() {
            ui.label(RichText::new("No run has all these words.").weak());
        }
        let area = ScrollArea::vertical().auto_shrink(false).show_rows(ui, ROW, rows.len(), |ui, range| {
            for run in &rows[range] {
                ui.allocate_ui_with_layout(
                    egui::vec2(ui.available_width(), ROW),
                    Layout::left_to_right(Align::Center),
                    |ui| row(ui, state, run, (&widths, &self.differing), &mut wishes, &mut self.edit),
                );
            }
        });
        let pointer = ui.input(|input| input.pointer.hover_pos());
        self.over = pointer.is_some_and(|at| area.inner_rect.contains(at));
        wishes
    }

    fn head(&mut self, ui: &mut Ui, widths: &Widths) {
        ui.horizontal(|ui| {
            ui.add_space(widths[0] + 8.0);
            let columns = [
                (Column::Name, "Name", "The folder's name"),
                (Column::State, "State", "running, done, stopped (can be continued), failed"),
                (Column::Health, "Health", "By the run's alarms and numbers"),
                (Column::Knn, "kNN", "Test images that get the class of their nearest training images; behind it the gain over the untrained network"),
                (Column::Began, "Began", "When its settings were written, UTC"),
            ];
            for ((column, name, hint), width) in columns.into_iter().zip(&widths[1..]) {
                cell(ui, *width, |ui| {
                    let button = ui.add(Button::new(RichText::new(name).strong()).frame(false));
                    if column == self.table.column {
                        triangle(ui, self.table.falling);
                    }
                    button.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, format!("Sort by {name}")));
                    if button.on_hover_text(hint).clicked() {
                        self.table.sort_by(column);
                    }
                });
            }
            let hint = "What a run has other than most of these runs";
            ui.add(Label::new(RichText::new("Settings that differ").strong()).truncate()).on_hover_text(hint);
        });
    }

    fn edit_ui(&mut self, ui: &mut Ui, state: &mut AppState) {
        let Some(edit) = &mut self.edit else { return };
        let (mut done, mut wish) = (ui.input(|input| input.key_pressed(Key::Escape)), None);
        let frame = egui::Frame::popup(ui.style()).inner_margin(18.0);
        egui::Modal::new(egui::Id::unique("edit run")).frame(frame).show(ui.ctx(), |ui| {
            ui.set_width(420.0);
            let (title, action) = match edit {
                Edit::Name(folder, _) => (format!("Rename {}", name(folder)), "Rename"),
                Edit::Note(folder, _) => (format!("Note on {}", name(folder)), "Save the note"),
                Edit::Delete(folder) => (format!("Move {} to the bin?", name(folder)), "Move to the bin"),
            };
            let label = ui.heading(title);
            let mut enter = false;
            match edit {
                Edit::Name(_, text) => {
                    let field = ui.add(TextEdit::singleline(text).desired_width(f32::INFINITY)).labelled_by(label.id);
                    enter = field.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
                    field.request_focus();
                }
                Edit::Note(_, text) => {
                    ui.add(TextEdit::multiline(text).desired_rows(3).desired_width(f32::INFINITY))
                        .labelled_by(label.id);
                }
                Edit::Delete(folder) => {
                    ui.label(format!(
                        "{} with its checkpoints, curves and pictures. The bin of the system keeps it.",
                        folder.display()
                    ));
                }
            }
            ui.add_space(8.0);
            ui.horizontal(|ui| {
                if ui.button(action).clicked() || enter {
                    wish = Some(match edit {
                        Edit::Name(folder, text) => Wish::Rename(folder.clone(), text.clone()),
                        Edit::Note(folder, text) => Wish::Note(folder.clone(), text.clone()),
                        Edit::Delete(folder) => Wish::Delete(folder.clone()),
                    });
                }
                done |= ui.button("Cancel").clicked();
            });
        });
        if done || wish.is_some() {
            self.edit = None;
            wish.into_iter().for_each(|wish| state.wish(wish));
            ui.ctx().request_repaint();
        }
    }
}

/// Which way a column is sorted.
fn triangle(ui: &mut Ui, falling: bool) {
    let (rect, _) = ui.allocate_exact_size(egui::vec2(9.0, 8.0), egui::Sense::hover());
    let mut points = match falling {
        true => [rect.left_top(), rect.right_top(), rect.center_bottom()],
        false => [rect.right_bottom(), rect.left_bottom(), rect.center_top()],
    };
    points.iter_mut().for_each(|point| point.y += 1.0);
    let color = ui.visuals().text_color();
    ui.painter().add(egui::Shape::convex_polygon(points.to_vec(), color, egui::Stroke::NONE));
}

fn name(folder: &Path) -> String {
    crate::app::workers::listing::name(folder)
}

/// What stands in a column; nothing where it has no width.
fn cell<R>(ui: &mut Ui, width: f32, content: impl FnOnce(&mut Ui) -> R) {
    if width == 0.0 {
        return;
    }
    let size = egui::vec2(width, ui.available_height().min(ROW));
    ui.allocate_ui_with_layout(size, Layout::left_to_right(Align::Center), |ui| {
        ui.set_min_width(width);
        ui.set_max_width(width);
        content(ui);
    });
}

fn row(
    ui: &mut Ui,
    state: &AppState,
    run: &Listed,
    (widths, differing): (&Widths, &Differing),
    wishes: &mut Vec<Wish>,
    edit: &mut Option<Edit>,
) {
    let place = state.place(&run.folder);
    let open = place.and_then(|place| state.shown.get(place));
    let own = state.is_own(&run.folder);
    cell(ui, widths[0], |ui| {
        let mut ticked = place.is_some();
        let check = ui.checkbox(&mut ticked, "");
        let name = format!("Tick {}", run.name);
        check.widget_info(|| egui::WidgetInfo::selected(egui::Role::CheckBox, true, ticked, &name));
        if check.changed() {
            wishes.push(match ticked {
                true => Wish::Open(run.folder.clone()),
                false => Wish::Close(run.folder.clone()),
            });
        }
    });
    cell(ui, widths[1], |ui| {
        if let Some(open) = open {
            let (swatch, _) = ui.allocate_exact_size(egui::vec2(10.0, 10.0), egui::Sense::hover());
            ui.painter().rect_filled(swatch, 2.0, theme::run(ui.visuals().dark_mode, open.color));
        }
        let front = place == Some(state.focus) && place.is_some();
        let button = ui.add(Button::selectable(front, run.name.as_str()).truncate());
        let button = match run.summary.note.is_empty() {
            true => button.on_hover_text(run.folder.display().to_string()),
            false => button.on_hover_text(&run.summary.note),
        };
        if button.clicked() {
            wishes.push(Wish::Open(run.folder.clone()));
        }
        button.context_menu(|ui| menu(ui, run, own || state.is_live(&run.folder), edit));
    });
    cell(ui, widths[2], |ui| {
        let part = match (run.summary.steps, &run.summary.end) {
            (1.., crate::app::state::record::RunEnd::Open) => {
                format!(" {:.0} %", 100.0 * run.summary.step as f64 / run.summary.steps as f64)
            }
            _ => String::new(),
        };
        ui.add(Label::new(format!("{}{part}", if own { "training" } else { state_of(run) })).truncate());
    });
    cell(ui, widths[3], |ui| {
        if let Some(health) = &run.summary.health {
            badge::label(ui, health.grade).on_hover_text(&health.reason);
        }
    });
    cell(ui, widths[4], |ui| {
        if let Some(knn) = run.summary.knn {
            ui.label(format!("{} %", format::number(knn, 1)));
            // After an alarm a gain is not what the training was for.
            let alarmed =
                matches!(run.summary.health.as_ref().map(|health| health.grade), Some(HealthGrade::Alarmed(_)));
            if let Some(before) = run.summary.untrained.filter(|_| !alarmed) {
                let gain = knn - before;
                let sign = if gain >= 0.0 { "+" } else { "" };
                ui.label(RichText::new(format!("{sign}{}", format::number(gain, 1))).weak());
            }
        }
    });
    cell(ui, widths[5], |ui| ui.label(RichText::new(date(run.began)).weak()));
    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
        let more = ui.menu_button("…", |ui| menu(ui, run, own || state.is_live(&run.folder), edit));
        let name = format!("Menu of {}", run.name);
        more.response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, &name));
        ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
            let text = match run.summary.note.is_empty() {
                true => differing.special(run),
                false => format!("{} · {}", run.summary.note.replace('\n', " "), differing.special(run)),
            };
            let all = differing.text(run);
            ui.add(Label::new(RichText::new(text).weak()).truncate()).on_hover_text(all);
        });
    });
}

/// What is done with a run. While it is trained its folder stays where it is.
fn menu(ui: &mut Ui, run: &Listed, trained: bool, edit: &mut Option<Edit>) {
    let folder = || run.folder.clone();
    if ui.button("Note…").clicked() {
        *edit = Some(Edit::Note(folder(), run.summary.note.clone()));
        ui.close();
    }
    if ui.button("Copy the folder's path").clicked() {
        ui.ctx().copy_text(run.folder.display().to_string());
        ui.close();
    }
    ui.add_enabled_ui(!trained, |ui| {
        if ui.button("Rename…").on_disabled_hover_text("It is being trained").clicked() {
            *edit = Some(Edit::Name(folder(), run.name.clone()));
            ui.close();
        }
        if ui.button("Move to the bin…").on_disabled_hover_text("It is being trained").clicked() {
            *edit = Some(Edit::Delete(folder()));
            ui.close();
        }
    });
}

fn date(time: SystemTime) -> String {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let time = chrono::DateTime::from_timestamp(seconds as i64, 0);
    time.map(|time| time.format("%F %R").to_string()).unwrap_or_default()
}
