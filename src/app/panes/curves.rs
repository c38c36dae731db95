//! What the open runs measure, over each other: a chart a metric.

use egui::{RichText, Ui};

use crate::app::panes::pane::Pane;
use crate::app::state::AppState;
use crate::app::widgets::chart::{self, Looks};
use crate::app::widgets::theme;

/// The pane.
pub(in crate::app) struct CurvesPane {
    looks: Looks,
    /// Slider of the smoothing.
    smoothing: f64,
    /// Whether the next frame shows everything again.
    fit: bool,
}

impl Default for CurvesPane {
    fn default() -> Self {
        CurvesPane {
            looks: Looks { epochs: true, log_x: false, log_y: false, smoothing: 0.0 },
            smoothing: 0.0,
            fit: false,
        }
    }
}

impl Pane for CurvesPane {
    fn name(&self) -> &'static str {
        "Curves"
    }

    fn ui(&mut self, ui: &mut Ui, state: &mut AppState) {
        if state.shown.is_empty() {
            super::no_run(ui);
            return;
        }
        self.controls(ui);
        legend(ui, state);
        let space = ui.available_size();
        let columns = if space.x > 900.0 { 3 } else { 2 };
        let metrics = state.charted();
        let rows = metrics.len().div_ceil(columns).max(1);
        let gap = 12.0;
        let width = (space.x - gap * (columns as f32 - 1.0)) / columns as f32;
        let height = ((space.y - gap * (rows as f32 - 1.0)) / rows as f32).max(140.0);
        let fit = std::mem::take(&mut self.fit);
        egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            ui.spacing_mut().item_spacing = egui::vec2(gap, gap);
            for row in metrics.chunks(columns) {
                ui.horizontal_top(|ui| {
                    for metric in row {
                        let size = egui::vec2(width, height);
                        chart::ui(ui, metric, &state.shown, state.focus, self.looks, size, fit);
                    }
                });
            }
        });
    }
}

impl CurvesPane {
    fn controls(&mut self, ui: &mut Ui) {
        ui.horizontal(|ui| {
            let before = self.looks;
            ui.selectable_value(&mut self.looks.epochs, true, "Epochs");
            ui.selectable_value(&mut self.looks.epochs, false, "Steps");
            ui.separator();
            ui.checkbox(&mut self.looks.log_x, "Log x");
            ui.checkbox(&mut self.looks.log_y, "Log y")
                .on_hover_text("What has a least value is then drawn as its distance from it");
            ui.separator();
            let label = ui.label("Smoothing");
            let slider = egui::Slider::new(&mut self.smoothing, 0.0..=5000.0)
                .logarithmic(true)
                .smallest_positive(2.0)
                .max_decimals(0)
                .suffix(" steps");
            ui.add(slider).labelled_by(label.id).on_hover_text(
                "Smooths curves by an exponential mean over this many points; the raw curve stays visible",
            );
            self.looks.smoothing = self.smoothing;
            ui.separator();
            let fit = ui.button("Show all").on_hover_text(
                "Drag to move, scroll with Ctrl to zoom, drag with the right button to zoom into a part; the x-axes move together",
            );
            let axes = |looks: Looks| (looks.epochs, looks.log_x, looks.log_y);
            self.fit |= fit.clicked() || axes(before) != axes(self.looks);
        });
    }
}

/// Which line is which run; a click hides one.
fn legend(ui: &mut Ui, state: &mut AppState) {
    ui.horizontal_wrapped(|ui| {
        let focus = state.focus;
        for (place, run) in state.shown.iter_mut().enumerate() {
            let color = theme::run(run.color);
            let (swatch, _) = ui.allocate_exact_size(egui::vec2(16.0, 16.0), egui::Sense::hover());
            let line = egui::Rect::from_center_size(swatch.center(), egui::vec2(16.0, 3.0));
            let color = if run.visible { color } else { color.gamma_multiply(0.3) };
            ui.painter().rect_filled(line, 1.0, color);
            let mut text = RichText::new(&run.name);
            if place == focus {
                text = text.strong();
            }
            if !run.visible {
                text = text.weak().strikethrough();
            }
            let hint = "Click to hide or show it";
            if ui.add(egui::Button::new(text).frame(false)).on_hover_text(hint).clicked() {
                run.visible = !run.visible;
            }
            ui.add_space(6.0);
        }
    });
}
