//! Below the top: what the user should know.

use egui::{Align, Frame, Label, Layout, Margin, RichText, ScrollArea, Stroke, Ui};

use super::theme;
use crate::app::state::notices::Notice;
use crate::app::state::{AppState, Wish};

/// No more of the window's height goes to notices; the newest are seen, the others scrolled to.
const HEIGHT: f32 = 96.0;

/// Draws the notices.
pub(in crate::app) fn ui(ui: &mut Ui, state: &mut AppState) {
    if let Some(next) = state.notices.age() {
        ui.ctx().request_repaint_after(next);
    }
    let notices = state.notices.list().to_vec();
    if notices.is_empty() {
        return;
    }
    let (mut dismissed, mut folded) = (None, None);
    ScrollArea::vertical().id_salt("notices").max_height(HEIGHT).auto_shrink([false, true]).stick_to_bottom(true).show(
        ui,
        |ui| {
            for (place, notice) in notices.iter().enumerate() {
                match one(ui, state, notice) {
                    Done::Dismissed => dismissed = Some(place),
                    Done::Folded => folded = Some(place),
                    Done::Nothing => {}
                }
            }
        },
    );
    if let Some(place) = folded {
        state.notices.fold(place);
    }
    if let Some(place) = dismissed {
        state.notices.dismiss(place);
    }
}

/// What was done with a notice.
#[derive(PartialEq)]
enum Done {
    Nothing,
    /// It has served.
    Dismissed,
    /// All of it is to be shown, or a line again.
    Folded,
}

fn one(ui: &mut Ui, state: &mut AppState, notice: &Notice) -> Done {
    let color = theme::grade(ui, notice.grade);
    let mut done = Done::Nothing;
    Frame::new()
        .fill(color.gamma_multiply(0.12))
        .stroke(Stroke::new(1.0, color.gamma_multiply(0.5)))
        .corner_radius(4.0)
        .inner_margin(Margin::symmetric(10, 3))
        .show(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.horizontal(|ui| {
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    if ui.button("Dismiss").clicked() {
                        done = Done::Dismissed;
                    }
                    if let Some(remedy) = &notice.remedy {
                        let free = !state.is_training();
                        if ui.add_enabled(free, egui::Button::new(remedy.label())).clicked() {
                            state.wish(Wish::Remedy(remedy.clone()));
                            done = Done::Dismissed;
                        }
                    }
                    ui.with_layout(Layout::left_to_right(Align::Center).with_main_wrap(notice.unfolded), |ui| {
                        let mut text = notice.text.clone();
                        if notice.times > 1 {
                            text += &format!(" ({} times)", notice.times);
                        }
                        if !notice.advice.is_empty() {
                            text += &format!(" What usually helps: {}.", notice.advice);
                        }
                        let label = Label::new(RichText::new(text).color(color)).sense(egui::Sense::click());
                        let label = if notice.unfolded { label.wrap() } else { label.truncate() };
                        if ui.add(label).clicked() {
                            done = Done::Folded;
                        }
                    });
                });
            });
        });
    done
}
