//! The names of lines, at their ends on the right, none over another.

use super::frame::PlotArea;
use super::{Chart, LOOKS, SIZE, curve, mark};
use crate::picture::text;

/// Between two names.
const GAP: f64 = 14.5;
/// The widest one.
const WIDTH: f64 = 128.0;

/// The space that a chart's names need.
pub(super) fn width(chart: &Chart) -> f64 {
    let lines = chart.lines.iter().filter(|line| !line.curves.is_empty());
    let references = chart.references.iter().map(|reference| &reference.label);
    let names = lines.map(|line| &line.label).chain(references);
    let widest = names.map(|name| text::width(name, SIZE)).fold(0.0, f64::max);
    widest.min(WIDTH)
}

/// What has a name, and where it ends.
struct End<'a> {
    name: &'a str,
    /// `None` for a reference.
    look: Option<usize>,
    x: f64,
    y: f64,
}

/// The names of a chart's lines and references. Where there are more than fit, the lowest are left out: a table names them all.
pub(super) fn names(chart: &Chart, frame: &PlotArea) -> String {
    let lines = chart.lines.iter().filter_map(|line| {
        let [x, y] = frame.place(curve::last(&line.main())?);
        Some(End { name: &line.label, look: Some(line.look), x, y })
    });
    let references = chart.references.iter().map(|reference| {
        let [_, y] = frame.place([0.0, reference.y]);
        End { name: &reference.label, look: None, x: frame.right(), y }
    });
    let mut ends: Vec<End> = lines.chain(references).collect();
    ends.sort_by(|a, b| a.y.total_cmp(&b.y));
    ends.truncate((frame.height() / GAP) as usize);
    let wanted: Vec<f64> = ends.iter().map(|end| end.y).collect();
    let places = spread(&wanted, GAP, frame.top(), frame.bottom());
    ends.iter().zip(places).map(|(end, place)| draw(end, place, frame)).collect()
}

fn draw(end: &End, place: f64, frame: &PlotArea) -> String {
    let End { x, y, .. } = *end;
    let right = frame.right();
    let (text_x, text_y) = (right + 14.0, place + SIZE * 0.35);
    let (from, to) = (x + 5.0, (right + 10.0).max(x + 5.0));
    let name = text::escape(&text::shorten(end.name, SIZE, WIDTH));
    let label =
        |class: &str| format!("<text{class} x=\"{text_x:.1}\" y=\"{text_y:.1}\" font-size=\"{SIZE}\">{name}</text>");
    let lead = |class: &str, from: f64| format!("<path class=\"{class}\" d=\"M{from:.1} {y:.1}L{to:.1} {place:.1}\"/>");
    match end.look {
        Some(look) => format!(
            "<g class=\"c{}\">{}{}{}</g>\n",
            look % LOOKS,
            lead("lead", from),
            mark::at(look, x, y, 3.6),
            label("")
        ),
        None => format!("{}{}\n", lead("ref", x), label(" class=\"tick\"")),
    }
}

/// Moves `wanted` places, given in order, as little as it takes for `gap` between any two and for all to be between `top` and `bottom`, if
/// they fit there.
pub(super) fn spread(wanted: &[f64], gap: f64, top: f64, bottom: f64) -> Vec<f64> {
    // Without their gaps the places only have to stay in order: runs of them that do not get their mean (pool adjacent violators).
    let mut pools: Vec<(f64, usize)> = Vec::new();
    for (i, place) in wanted.iter().enumerate() {
        let mut pool = (place - i as f64 * gap, 1);
        while let Some(&(before, count)) = pools.last()
            && before > pool.0
        {
            let sum = before * count as f64 + pool.0 * pool.1 as f64;
            pool = (sum / (count + pool.1) as f64, count + pool.1);
            pools.pop();
        }
        pools.push(pool);
    }
    let last = bottom - wanted.len().saturating_sub(1) as f64 * gap;
    let places = pools.iter().flat_map(|&(place, count)| std::iter::repeat_n(place, count));
    places.enumerate().map(|(i, place)| place.min(last).max(top) + i as f64 * gap).collect()
}
