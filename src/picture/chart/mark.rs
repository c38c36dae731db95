//! Marks on lines: the shape tells a line where its colour does not.

use super::style::LOOKS;

/// The mark of a look, `radius` units around a place, as an SVG element.
pub(super) fn at(look: usize, x: f64, y: f64, radius: f64) -> String {
    let r = radius;
    // Areas of about one size.
    let d = match look % LOOKS {
        0 => format!("M{:.1} {y:.1}a{r} {r} 0 1 0 {:.1} 0a{r} {r} 0 1 0 {:.1} 0Z", x - r, 2.0 * r, -2.0 * r),
        1 => polygon(x, y, &[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)], r),
        2 => polygon(x, y, &[(0.0, -1.25), (1.15, 0.85), (-1.15, 0.85)], r),
        3 => polygon(x, y, &[(0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)], r),
        4 => polygon(x, y, &[(0.0, 1.25), (1.15, -0.85), (-1.15, -0.85)], r),
        5 => polygon(x, y, &PLUS, r),
        6 => polygon(x, y, &[(-0.85, -1.15), (1.25, 0.0), (-0.85, 1.15)], r),
        _ => polygon(x, y, &[(-1.4, -0.5), (1.4, -0.5), (1.4, 0.5), (-1.4, 0.5)], r),
    };
    format!("<path class=\"mark\" d=\"{d}\"/>")
}

const PLUS: [(f64, f64); 12] = [
    (-0.4, -1.2),
    (0.4, -1.2),
    (0.4, -0.4),
    (1.2, -0.4),
    (1.2, 0.4),
    (0.4, 0.4),
    (0.4, 1.2),
    (-0.4, 1.2),
    (-0.4, 0.4),
    (-1.2, 0.4),
    (-1.2, -0.4),
    (-0.4, -0.4),
];

fn polygon(x: f64, y: f64, corners: &[(f64, f64)], r: f64) -> String {
    let corners: Vec<String> = corners.iter().map(|(dx, dy)| format!("{:.1} {:.1}", x + dx * r, y + dy * r)).collect();
    format!("M{}Z", corners.join("L"))
}

/// The mark of a look by itself, for a table.
pub fn mark(look: usize) -> String {
    format!(
        "<svg class=\"swatch c{}\" viewBox=\"0 0 22 12\" aria-hidden=\"true\"><path class=\"mean\" d=\"M0 6H22\"/>{}</svg>",
        look % LOOKS,
        at(look, 11.0, 6.0, 3.6)
    )
}
