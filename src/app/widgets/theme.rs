//! Colours and sizes, light and dark.

use egui::{Color32, Context, FontId, Stroke, TextStyle, ThemePreference, Ui};

use crate::app::state::notices::Grade;
use crate::app::state::window_settings::Look;

/// Okabe and Ito's palette, which the colour-blind tell apart: one colour a run.
const RUNS: [Color32; 7] = [
    Color32::from_rgb(0x00, 0x8c, 0xd0),
    Color32::from_rgb(0xe0, 0x6c, 0x10),
    Color32::from_rgb(0x00, 0xa0, 0x78),
    Color32::from_rgb(0xcc, 0x79, 0xa7),
    Color32::from_rgb(0xd8, 0xa8, 0x00),
    Color32::from_rgb(0x56, 0xb4, 0xe9),
    Color32::from_rgb(0x90, 0x70, 0xd0),
];

/// Of view 1 and view 2, as in the sheets of views.
pub(in crate::app) const VIEWS: [Color32; 2] =
    [Color32::from_rgb(0x1f, 0x8a, 0xd0), Color32::from_rgb(0xe0, 0x6c, 0x10)];

/// The colour of a view, from 0: those after the first two are as runs are coloured.
pub(super) fn view(index: usize) -> Color32 {
    VIEWS.get(index).copied().unwrap_or_else(|| run(index))
}

/// The colour of a run.
pub(in crate::app) fn run(index: usize) -> Color32 {
    RUNS[index % RUNS.len()]
}

/// What differs from its preset.
pub(in crate::app) fn changed(ui: &Ui) -> Color32 {
    pick(ui, Color32::from_rgb(0x6c, 0xb8, 0xf0), Color32::from_rgb(0x00, 0x62, 0xa8))
}

/// What is well.
pub(in crate::app) fn good(ui: &Ui) -> Color32 {
    pick(ui, Color32::from_rgb(0x4c, 0xc0, 0x90), Color32::from_rgb(0x00, 0x80, 0x58))
}

/// Of a notice, and of errors beside a field.
pub(in crate::app) fn grade(ui: &Ui, grade: Grade) -> Color32 {
    match grade {
        Grade::Info => changed(ui),
        Grade::Warning => pick(ui, Color32::from_rgb(0xf0, 0xb0, 0x40), Color32::from_rgb(0xa0, 0x64, 0x00)),
        Grade::Error => pick(ui, Color32::from_rgb(0xff, 0x80, 0x70), Color32::from_rgb(0xb8, 0x28, 0x18)),
    }
}

fn pick(ui: &Ui, dark: Color32, light: Color32) -> Color32 {
    match ui.visuals().dark_mode {
        true => dark,
        false => light,
    }
}

/// Sets fonts, spacing and colours once.
pub(in crate::app) fn install(ctx: &Context) {
    ctx.all_styles_mut(|style| {
        let sizes = [
            (TextStyle::Small, FontId::proportional(12.0)),
            (TextStyle::Body, FontId::proportional(14.0)),
            (TextStyle::Button, FontId::proportional(14.0)),
            (TextStyle::Monospace, FontId::monospace(13.0)),
            (TextStyle::Heading, FontId::proportional(18.0)),
        ];
        style.text_styles = sizes.into();
        style.spacing.item_spacing = egui::vec2(8.0, 6.0);
        style.spacing.button_padding = egui::vec2(9.0, 4.0);
        style.spacing.interact_size.y = 24.0;
        style.visuals.striped = false;
        // No animation without input: an idle window costs nothing.
        style.visuals.text_cursor.blink = false;
        style.animation_time = 0.0;
        let dark = style.visuals.dark_mode;
        let ground = if dark { Color32::from_gray(24) } else { Color32::from_gray(250) };
        style.visuals.panel_fill = ground;
        style.visuals.window_fill = ground;
        style.visuals.extreme_bg_color = if dark { Color32::from_gray(14) } else { Color32::WHITE };
        // The defaults are too faint to read for long.
        let text = if dark { Color32::from_gray(208) } else { Color32::from_gray(40) };
        style.visuals.widgets.noninteractive.fg_stroke = Stroke::new(1.0, text);
        style.visuals.widgets.inactive.fg_stroke = Stroke::new(1.0, text);
        let edge = if dark { Color32::from_gray(70) } else { Color32::from_gray(196) };
        style.visuals.widgets.inactive.bg_stroke = Stroke::new(1.0, edge);
        style.visuals.selection.bg_fill =
            if dark { Color32::from_rgb(0x10, 0x50, 0x80) } else { Color32::from_rgb(0xb8, 0xdc, 0xf4) };
        style.visuals.selection.stroke = Stroke::new(1.0, if dark { Color32::WHITE } else { Color32::BLACK });
    });
}

/// Chooses light or dark.
pub(in crate::app) fn choose(ctx: &Context, look: Look) {
    ctx.set_theme(match look {
        Look::System => ThemePreference::System,
        Look::Light => ThemePreference::Light,
        Look::Dark => ThemePreference::Dark,
    });
}
