//! A slider for every number of the augmentations.

use egui::{RichText, Slider, SliderClamping, Ui};

use crate::app::state::config_editor::ConfigEditor;
use crate::app::widgets::form::name_ui;
use crate::app::widgets::theme;
use crate::config::AugmentConfig;

/// A number: its name, its key, its range, whether that is logarithmic, and where it lies.
type Number = (&'static str, &'static str, [f64; 2], bool, fn(&mut AugmentConfig) -> &mut f64);

/// Width of the names.
const NAME: f32 = 124.0;

/// In the order of the configuration. Mean and std describe the data, and change no picture.
const NUMBERS: [Number; 14] = [
    ("Crop, least area", "augment.crop_scale", [0.01, 1.0], false, |a| &mut a.crop_scale[0]),
    ("Crop, most area", "augment.crop_scale", [0.01, 1.0], false, |a| &mut a.crop_scale[1]),
    ("Crop, least ratio", "augment.crop_ratio", [0.25, 4.0], true, |a| &mut a.crop_ratio[0]),
    ("Crop, most ratio", "augment.crop_ratio", [0.25, 4.0], true, |a| &mut a.crop_ratio[1]),
    ("Flip", "augment.flip", [0.0, 1.0], false, |a| &mut a.flip),
    ("Jitter, probability", "augment.jitter_probability", [0.0, 1.0], false, |a| &mut a.jitter_probability),
    ("Brightness", "augment.brightness", [0.0, 1.0], false, |a| &mut a.brightness),
    ("Contrast", "augment.contrast", [0.0, 1.0], false, |a| &mut a.contrast),
    ("Saturation", "augment.saturation", [0.0, 1.0], false, |a| &mut a.saturation),
    ("Hue", "augment.hue", [0.0, 0.5], false, |a| &mut a.hue),
    ("Gray", "augment.grayscale", [0.0, 1.0], false, |a| &mut a.grayscale),
    ("Blur, probability", "augment.blur_probability", [0.0, 1.0], false, |a| &mut a.blur_probability),
    ("Blur, most σ", "augment.blur_sigma", [0.1, 8.0], false, |a| &mut a.blur_sigma[1]),
    ("Solarize", "augment.solarize", [0.0, 1.0], false, |a| &mut a.solarize),
];

/// Draws them; whether one was moved. What differs from `base` is coloured.
pub(in crate::app) fn ui(ui: &mut Ui, augment: &mut AugmentConfig, base: &AugmentConfig) -> bool {
    let mut base = base.clone();
    let mut moved = false;
    ui.spacing_mut().slider_width = 96.0;
    for (name, key, [low, high], logarithmic, at) in NUMBERS {
        let differs = *at(augment) != *at(&mut base);
        ui.horizontal(|ui| {
            let mut text = RichText::new(name);
            if differs {
                text = text.color(theme::changed(ui)).strong();
            }
            let label = name_ui(ui, text, NAME);
            let slider = Slider::new(at(augment), low..=high)
                .logarithmic(logarithmic)
                // A value of a file beyond the slider's ends, or between its steps, stays as it is.
                .clamping(SliderClamping::Edits)
                .max_decimals(3);
            moved |= ui.add(slider).labelled_by(label.id).on_hover_text(key).changed();
        });
    }
    if moved {
        // Ends that crossed go together.
        for pair in [&mut augment.crop_scale, &mut augment.crop_ratio, &mut augment.blur_sigma] {
            if pair[0] > pair[1] {
                *pair = [pair[1], pair[1]];
            }
        }
    }
    moved
}

/// Takes them into the form.
pub(in crate::app) fn take(editor: &mut ConfigEditor, augment: &AugmentConfig) {
    let config = crate::config::Config { augment: augment.clone(), ..editor.config().clone() };
    for (_, key, ..) in NUMBERS {
        if let Some(text) = config.text(key) {
            editor.set(key, &text);
        }
    }
}
