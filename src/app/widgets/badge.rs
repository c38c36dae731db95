//! Whether training is healthy: a word in colour, and why in a sentence.

use egui::{Color32, Frame, Label, Margin, RichText, Ui};

use super::theme;
use crate::app::state::notices::Grade;
use crate::app::state::record::Record;
use crate::train::HealthGrade;

const HELP: &str = "Healthy: no number is near a threshold of an alarm. Watch: one is near or beyond, not long enough for an alarm, or came back \
                    after one. Collapsed, Not learning, Diverged: an alarm was raised, and training on rarely helps; change what it advises.";

/// The badge of a run with its reason; nothing before the run has begun.
pub(in crate::app) fn ui(ui: &mut Ui, record: &Record) {
    let Some(status) = record.health() else { return };
    ui.horizontal(|ui| {
        label(ui, status.grade).on_hover_text(HELP);
        ui.add(Label::new(&status.reason).truncate());
    });
}

/// The word in its colour.
pub(in crate::app) fn label(ui: &mut Ui, grade: HealthGrade) -> egui::Response {
    let color = color(ui, grade);
    let frame = Frame::new().fill(color).corner_radius(4.0).inner_margin(Margin::symmetric(7, 1));
    let text = RichText::new(grade.name()).color(theme::on(color)).strong().size(13.0);
    frame.show(ui, |ui| ui.add(Label::new(text).extend())).inner
}

/// The colour of a badge, and of a dot in a list.
pub(in crate::app) fn color(ui: &Ui, grade: HealthGrade) -> Color32 {
    match grade {
        HealthGrade::Unknown => ui.visuals().widgets.inactive.bg_stroke.color,
        HealthGrade::Healthy => theme::good(ui),
        HealthGrade::Watch => theme::grade(ui, Grade::Warning),
        HealthGrade::Alarmed(_) => theme::grade(ui, Grade::Error),
    }
}
