//! Below the top: what the user should know.

use egui::{Align, Frame, Label, Layout, Margin, RichText, ScrollArea, Stroke, Ui};

use super::theme;
use crate::app::state::notices::Notice;
use crate::app::state::{AppState, Wish};

/// No more of the window's height goes to notices; the newest are seen, the others scrolled to.
const HEIGHT: f32 = 96.0;

/// Draws the notices.
pub(in crate::app) fn ui(ui: &mut Ui, state: &mut AppState) {
    let mut dismissed = None;
    let notices = state.notices.list().to_vec();
    if notices.is_empty() {
        return;
    }
    ScrollArea::vertical().id_salt("notices").max_height(HEIGHT).auto_shrink([false, true]).stick_to_bottom(true).show(
        ui,
        |ui| {
            for (place, notice) in notices.iter().enumerate() {
                if one(ui, state, notice) {
                    dismissed = Some(place);
                }
            }
        },
    );
    if let Some(place) = dismissed {
        state.notices.dismiss(place);
    }
}

/// Whether it has served.
fn one(ui: &mut Ui, state: &mut AppState, notice: &Notice) -> bool {
    let color = theme::grade(ui, notice.grade);
    let mut done = false;
    Frame::new()
        .fill(color.gamma_multiply(0.12))
        .stroke(Stroke::new(1.0, color.gamma_multiply(0.5)))
        .corner_radius(4.0)
        .inner_margin(Margin::symmetric(10, 5))
        .show(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.horizontal(|ui| {
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    done |= ui.button("Dismiss").clicked();
                    if let Some(remedy) = &notice.remedy {
                        let free = !state.is_training();
                        if ui.add_enabled(free, egui::Button::new(remedy.label())).clicked() {
                            state.wish(Wish::Remedy(remedy.clone()));
                            done = true;
                        }
                    }
                    ui.with_layout(Layout::top_down(Align::LEFT).with_main_align(Align::Center), |ui| {
                        let mut text = notice.text.clone();
                        if notice.times > 1 {
                            text += &format!(" ({} times)", notice.times);
                        }
                        ui.add(Label::new(RichText::new(text).color(color)).wrap());
                        if !notice.advice.is_empty() {
                            let advice = format!("What usually helps: {}", notice.advice);
                            ui.add(Label::new(advice).wrap());
                        }
                    });
                });
            });
        });
    done
}
