//! What was drawn for a view, in words and numbers.

use crate::augment::{Jitter, JitterOp, ViewDraws};
use crate::format;

/// How many [`lines`] there are.
pub const LINES: usize = 11;

/// One thing that was drawn.
pub struct Line {
    pub name: &'static str,
    /// Where it was applied.
    pub value: Option<String>,
    /// What follows the number, with the space between them.
    pub unit: &'static str,
}

/// What was drawn for a view of an image of this `size`, in the order of application: names, and values with their units; `None` where
/// something was not applied.
pub fn drawn(draws: &ViewDraws, size: [u32; 2]) -> Vec<(&'static str, Option<String>)> {
    let text = |line: Line| (line.name, line.value.map(|value| value + line.unit));
    lines(draws, size).into_iter().map(text).collect()
}

/// What was drawn, in the order of application.
pub fn lines(draws: &ViewDraws, size: [u32; 2]) -> [Line; LINES] {
    let line = |name, value, unit| Line { name, value, unit };
    let yes = |applied: bool| applied.then(|| "yes".to_owned());
    let area = |[width, height]: [u32; 2]| f64::from(width) * f64::from(height);
    let part = area([draws.width, draws.height]) / area(size).max(1.0) * 100.0;
    let crop = format!("{} × {}", draws.width, draws.height);
    let place = format!("{}, {}", draws.left, draws.top);
    let [first, second, third, fourth] = color_lines(draws.jitter);
    let sigma = draws.blur_sigma.map(|sigma| format!("σ {}", format::number(sigma.into(), 2)));
    [
        line("crop", Some(crop), " px"),
        line("left, top", Some(place), " px"),
        line("area", Some(format::number(part, 1)), " %"),
        line("flip", yes(draws.flip), ""),
        first,
        second,
        third,
        fourth,
        line("gray", yes(draws.gray), ""),
        line("blur", sigma, " px"),
        line("solarized", yes(draws.solarize), ""),
    ]
}

/// The four colour changes; one that changes nothing counts as not applied.
fn color_lines(jitter: Option<Jitter>) -> [Line; 4] {
    const NONE: Jitter = Jitter {
        brightness: 1.0,
        contrast: 1.0,
        saturation: 1.0,
        hue: 0.0,
        order: [JitterOp::Brightness, JitterOp::Contrast, JitterOp::Saturation, JitterOp::Hue],
    };
    let jitter = jitter.unwrap_or(NONE);
    let factor = |name, value: f32| {
        let text = || format!("× {}", format::number(value.into(), 2));
        Line { name, value: (value != 1.0).then(text), unit: "" }
    };
    jitter.order.map(|op| match op {
        JitterOp::Brightness => factor("brightness", jitter.brightness),
        JitterOp::Contrast => factor("contrast", jitter.contrast),
        JitterOp::Saturation => factor("saturation", jitter.saturation),
        JitterOp::Hue => Line { name: "hue", value: (jitter.hue != 0.0).then(|| degrees(jitter.hue)), unit: "°" },
    })
}

/// A shift of the hue in degrees of the colour circle, with its sign.
fn degrees(hue: f32) -> String {
    let plus = if hue > 0.0 { "+" } else { "" };
    format!("{plus}{}", format::number(f64::from(hue) * 360.0, 1))
}
