//! Below the top: what the user should know.

use egui::{Align, Frame, Label, Layout, Margin, RichText, Stroke, Ui};

use super::desk::{Desk, Wish};
use super::notices::Notice;
use super::theme;

/// Draws the notices.
pub(super) fn ui(ui: &mut Ui, desk: &mut Desk) {
    let mut dismissed = None;
    for (place, notice) in desk.notices.list().to_vec().iter().enumerate() {
        if one(ui, desk, notice) {
            dismissed = Some(place);
        }
    }
    if let Some(place) = dismissed {
        desk.notices.dismiss(place);
    }
}

/// Whether it has served.
fn one(ui: &mut Ui, desk: &mut Desk, notice: &Notice) -> bool {
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
                        let free = !desk.is_training();
                        if ui.add_enabled(free, egui::Button::new("Retry")).clicked() {
                            desk.wish(Wish::Remedy(remedy.clone()));
                            done = true;
                        }
                    }
                    ui.with_layout(
                        Layout::top_down(Align::LEFT).with_main_align(Align::Center),
                        |ui| {
                            let mut text = notice.text.clone();
                            if notice.times > 1 {
                                text += &format!(" ({} times)", notice.times);
                            }
                            ui.add(Label::new(RichText::new(text).color(color)).wrap());
                            if !notice.advice.is_empty() {
                                let advice = format!("What usually helps: {}", notice.advice);
                                ui.add(Label::new(advice).wrap());
                            }
                        },
                    );
                });
            });
        });
    done
}
