//! Colours of charts.

use super::super::page::{INK, MUTED, RULE};

/// How many looks lines can have; then they begin again.
pub const LOOKS: usize = 8;

/// Colours of lines and of their names, at least 4.5:1 on white.
const LIGHT: [&str; LOOKS] = ["#1766d6", "#c4320a", "#1a7f37", "#8250df", "#8a5a00", "#bf2f83", "#0e7490", "#57606a"];
/// The same hues, at least 4.5:1 on the dark page of reports, #0f141a.
const DARK: [&str; LOOKS] = ["#6cb0ff", "#ff8f66", "#56d364", "#c297ff", "#e3b341", "#ff80bf", "#4fd1dd", "#aab4c0"];

/// Rules of CSS for everything in a chart, on a light page or on a dark one. Selectors and values that every SVG renderer knows.
pub fn styles(dark: bool) -> String {
    let (ink, muted, rule, lines) = match dark {
        false => (INK, MUTED, RULE, LIGHT),
        true => ("#e6edf3", "#9aa6b2", "#30363d", DARK),
    };
    let mut css = format!(
        ".grid{{fill:none;stroke:{rule};stroke-width:1}} .tick{{fill:{muted}}} .name{{fill:{ink}}} \
         .ref{{fill:none;stroke:{muted};stroke-width:1.2;stroke-dasharray:5 4}} \
         .mean{{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}} \
         .seed{{fill:none;stroke-width:0.9;stroke-opacity:0.38;stroke-linejoin:round}} .lead{{fill:none;stroke-width:0.9;stroke-opacity:0.6}}\n"
    );
    for (look, color) in lines.iter().enumerate() {
        css += &format!(
            ".c{look} path{{stroke:{color}}} .c{look} .mark{{fill:{color};stroke:none}} .c{look} text{{fill:{color}}}\n"
        );
    }
    css
}
