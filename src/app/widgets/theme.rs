//! Colours and sizes, light and dark.

use egui::{Color32, Context, FontId, Stroke, TextStyle, ThemePreference, Ui};

use crate::app::state::notices::Grade;
use crate::app::state::window_settings::Look;

/// After Okabe and Ito's palette, which the colour-blind tell apart: one colour a run, on dark ground and on light.
const RUNS: [[Color32; 7]; 2] = [
    [
        Color32::from_rgb(0x2a, 0x9c, 0xe0),
        Color32::from_rgb(0xe8, 0x78, 0x20),
        Color32::from_rgb(0x10, 0xb0, 0x88),
        Color32::from_rgb(0xd8, 0x88, 0xb4),
        Color32::from_rgb(0xd8, 0xa8, 0x00),
        Color32::from_rgb(0x78, 0xc8, 0xf4),
        Color32::from_rgb(0xa4, 0x86, 0xe4),
    ],
    [
        Color32::from_rgb(0x00, 0x68, 0xa8),
        Color32::from_rgb(0xb4, 0x48, 0x00),
        Color32::from_rgb(0x00, 0x76, 0x56),
        Color32::from_rgb(0xa4, 0x3c, 0x78),
        Color32::from_rgb(0x86, 0x62, 0x00),
        Color32::from_rgb(0x3c, 0x6e, 0x8c),
        Color32::from_rgb(0x68, 0x48, 0xb8),
    ],
];

/// Of view 1 and view 2, as in the sheets of views.
pub(in crate::app) const VIEWS: [Color32; 2] =
    [Color32::from_rgb(0x1f, 0x8a, 0xd0), Color32::from_rgb(0xe0, 0x6c, 0x10)];

/// The colour of a view, from 0: those after the first two are as runs are coloured.
pub(super) fn view(index: usize) -> Color32 {
    VIEWS.get(index).copied().unwrap_or(RUNS[0][index % RUNS[0].len()])
}

/// The colour of a run.
pub(in crate::app) fn run(dark: bool, index: usize) -> Color32 {
    let colors = if dark { RUNS[0] } else { RUNS[1] };
    colors[index % colors.len()]
}

/// What differs from its preset.
pub(in crate::app) fn changed(ui: &Ui) -> Color32 {
    CHANGED.of(ui)
}

/// What is well.
pub(in crate::app) fn good(ui: &Ui) -> Color32 {
    GOOD.of(ui)
}

/// Of a notice, and of errors beside a field.
pub(in crate::app) fn grade(ui: &Ui, grade: Grade) -> Color32 {
    match grade {
        Grade::Info => CHANGED.of(ui),
        Grade::Warning => WARNING.of(ui),
        Grade::Error => ERROR.of(ui),
    }
}

/// Where an alarm was raised, in a chart.
pub(in crate::app) fn alarm(ui: &Ui) -> Color32 {
    WARNING.of(ui)
}

/// A colour on dark ground and on light.
struct Pair {
    dark: Color32,
    light: Color32,
}

impl Pair {
    const fn new(dark: [u8; 3], light: [u8; 3]) -> Pair {
        let ([r, g, b], [r2, g2, b2]) = (dark, light);
        Pair { dark: Color32::from_rgb(r, g, b), light: Color32::from_rgb(r2, g2, b2) }
    }

    fn on(&self, dark: bool) -> Color32 {
        if dark { self.dark } else { self.light }
    }

    fn of(&self, ui: &Ui) -> Color32 {
        self.on(ui.visuals().dark_mode)
    }
}

const CHANGED: Pair = Pair::new([0x6c, 0xb8, 0xf0], [0x00, 0x62, 0xa8]);
const GOOD: Pair = Pair::new([0x4c, 0xc0, 0x90], [0x00, 0x74, 0x50]);
const WARNING: Pair = Pair::new([0xf0, 0xb0, 0x40], [0x8c, 0x56, 0x00]);
const ERROR: Pair = Pair::new([0xff, 0x80, 0x70], [0xb0, 0x24, 0x14]);
const GROUND: Pair = Pair::new([24; 3], [250; 3]);
const FIELD: Pair = Pair::new([14; 3], [255; 3]);
const TEXT: Pair = Pair::new([208; 3], [40; 3]);
/// What is less important, and still has to be read.
const WEAK: Pair = Pair::new([156; 3], [92; 3]);
const SELECTION: Pair = Pair::new([0x10, 0x50, 0x80], [0xb8, 0xdc, 0xf4]);
const SELECTED: Pair = Pair::new([255; 3], [0; 3]);
const BUTTON: Pair = Pair::new([52; 3], [228; 3]);

/// Black or white, whichever is read better on a ground.
pub(in crate::app) fn on(ground: Color32) -> Color32 {
    match contrast(Color32::BLACK, ground) > contrast(Color32::WHITE, ground) {
        true => Color32::BLACK,
        false => Color32::WHITE,
    }
}

/// The contrast of two opaque colours, from 1 to 21 (WCAG 2.2).
pub(in crate::app) fn contrast(a: Color32, b: Color32) -> f32 {
    let luminance = |color: Color32| {
        let [r, g, b, _] = egui::Rgba::from(color).to_array();
        0.2126 * r + 0.7152 * g + 0.0722 * b
    };
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
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
        let visuals = &mut style.visuals;
        visuals.panel_fill = GROUND.on(dark);
        visuals.window_fill = GROUND.on(dark);
        visuals.extreme_bg_color = FIELD.on(dark);
        // The defaults are too faint to read for long.
        visuals.widgets.noninteractive.fg_stroke = Stroke::new(1.0, TEXT.on(dark));
        visuals.widgets.inactive.fg_stroke = Stroke::new(1.0, TEXT.on(dark));
        visuals.widgets.inactive.weak_bg_fill = BUTTON.on(dark);
        visuals.weak_text_color = Some(WEAK.on(dark));
        let edge = if dark { Color32::from_gray(70) } else { Color32::from_gray(196) };
        visuals.widgets.inactive.bg_stroke = Stroke::new(1.0, edge);
        visuals.selection.bg_fill = SELECTION.on(dark);
        visuals.selection.stroke = Stroke::new(1.0, SELECTED.on(dark));
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Text at least 4.5:1, lines at least 3:1 (WCAG 2.2, AA), in both themes.
    #[test]
    fn everything_can_be_read() {
        for dark in [true, false] {
            let grounds = [("ground", GROUND.on(dark)), ("field", FIELD.on(dark)), ("button", BUTTON.on(dark))];
            let texts = [
                ("text", &TEXT),
                ("weak", &WEAK),
                ("changed", &CHANGED),
                ("good", &GOOD),
                ("warning", &WARNING),
                ("error", &ERROR),
            ];
            let mut pairs = Vec::new();
            for (ground, below) in grounds {
                for (name, text) in texts {
                    // Buttons say what they do in plain text.
                    if ground != "button" || name == "text" {
                        pairs.push((format!("{name} on {ground}"), text.on(dark), below, 4.5));
                    }
                }
            }
            // A notice lies on a tint of its own colour.
            for (name, color) in [("info", &CHANGED), ("warning", &WARNING), ("error", &ERROR)] {
                let tint = GROUND.on(dark).lerp_to_gamma(color.on(dark), 0.12);
                pairs.push((format!("notice, {name}"), color.on(dark), tint, 4.5));
                pairs.push((format!("its advice, {name}"), TEXT.on(dark), tint, 4.5));
            }
            for badge in [&GOOD, &WARNING, &ERROR] {
                pairs.push(("badge".to_owned(), on(badge.on(dark)), badge.on(dark), 4.5));
            }
            pairs.push(("selected".to_owned(), SELECTED.on(dark), SELECTION.on(dark), 4.5));
            for index in 0..RUNS[0].len() {
                pairs.push((format!("curve {index}"), run(dark, index), GROUND.on(dark), 3.0));
            }
            for (name, above, below, least) in pairs {
                let found = contrast(above, below);
                assert!(found >= least, "{name}, dark {dark}: {found:.2} is less than {least}");
            }
        }
        assert!((contrast(Color32::BLACK, Color32::WHITE) - 21.0).abs() < 0.01);
    }
}
