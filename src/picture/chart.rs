//! Line charts as SVG, for a page of HTML and for a PNG.
//!
//! Lines and text carry classes and no colours: a page gives them colours for light and dark ([`styles`]), a PNG those for light.
//! A line is identified by its colour, by the shape of its marks and by its name at its end.
//!
//! Drawn here rather than by the crate plotters: its SVG has whole numbers only, so that a curve becomes a staircase and a line is one or two
//! units wide; it knows no classes, dashes or groups, so that nothing can follow light and dark; and without fonts of the system it
//! measures no text, so that names are cut or overlap.

mod axis;
mod curve;
mod frame;
mod mark;
mod names;
mod sheet;
mod style;
mod ticks;

use super::text;
use crate::format;
use axis::Axis;
use frame::PlotArea;

pub use curve::Curve;
pub use mark::mark;
pub use sheet::ChartSheet;
pub use style::{LOOKS, styles};
pub use ticks::{multiples, round_step};

/// Units across.
const WIDTH: f64 = 440.0;
/// Units down.
const HEIGHT: f64 = 264.0;
/// Size of text.
const SIZE: f64 = 12.0;
/// About how many numbers an axis has.
const TICKS: usize = 6;
/// More marks than this hide their line.
const MAX_MARKS: usize = 24;

/// A chart of some lines.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// What is shown, in a few words.
    pub title: String,
    /// What the x axis counts.
    pub x: &'static str,
    /// After every number on the y axis, such as ` %`.
    pub unit: &'static str,
    /// Whether the y axis begins at zero, where zero means something and nothing is below.
    pub from_zero: bool,
    /// The lines.
    pub lines: Vec<ChartLine>,
    /// Values to compare with.
    pub references: Vec<Reference>,
}

/// The curves of one variant: one for every seed, and their mean where there are several.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ChartLine {
    /// Its name.
    pub label: String,
    /// Which colour and marks it has: lines of one look belong together in several charts.
    pub look: usize,
    /// A curve for every seed.
    pub curves: Vec<Curve>,
}

/// A value across the chart, dashed.
#[derive(Debug, Clone, PartialEq)]
pub struct Reference {
    /// What it is.
    pub label: String,
    /// Where it is.
    pub y: f64,
}

impl Default for Chart {
    /// Over epochs, and empty.
    fn default() -> Self {
        Chart {
            title: String::new(),
            x: "epochs",
            unit: "",
            from_zero: false,
            lines: Vec::new(),
            references: Vec::new(),
        }
    }
}

impl Chart {
    /// Whether there is a number to show.
    pub fn is_empty(&self) -> bool {
        self.values().next().is_none()
    }

    /// The chart for a page of HTML. `id` is unique on the page, and no text needs to be escaped.
    pub fn svg(&self, id: &str) -> String {
        let id = text::escape(id);
        format!(
            "<svg class=\"chart\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-labelledby=\"{id}-title {id}-desc\">\
             <title id=\"{id}-title\">{}</title><desc id=\"{id}-desc\">{}</desc>\n{}</svg>",
            text::escape(&self.title),
            text::escape(&self.description()),
            self.body()
        )
    }

    /// Where every line ends, in words.
    pub fn description(&self) -> String {
        let end = |line: &ChartLine| {
            let [x, y] = curve::last(&line.main())?;
            let digits = if y.abs() < 1.0 { 3 } else { 1 };
            let (y, unit) = (format::number(y, digits), self.unit);
            Some(format!("{} ends at {y}{unit} after {} {}", line.label, format::number(x, 1), self.x))
        };
        let ends: Vec<String> = self.lines.iter().filter_map(end).collect();
        let references = self.references.iter();
        let references = references.map(|r| format!("{}: {}{}", r.label, format::number(r.y, 3), self.unit));
        let all: Vec<String> = ends.into_iter().chain(references).collect();
        match all.is_empty() {
            true => "no numbers yet".to_owned(),
            false => all.join("; "),
        }
    }

    fn values(&self) -> impl Iterator<Item = f64> {
        let points = self.lines.iter().flat_map(|line| line.curves.iter().flatten());
        points.map(|point| point[1]).filter(|y| y.is_finite())
    }

    /// Everything inside the SVG element, as wide as [`WIDTH`] and as high as [`HEIGHT`].
    fn body(&self) -> String {
        if self.is_empty() {
            let (x, y) = (WIDTH / 2.0, HEIGHT / 2.0);
            return format!(
                "<text class=\"tick\" x=\"{x}\" y=\"{y}\" font-size=\"{SIZE}\" text-anchor=\"middle\">no numbers yet</text>\n"
            );
        }
        let xs = self.lines.iter().flat_map(|line| line.curves.iter().flatten()).map(|point| point[0]);
        let x_axis = Axis::exact(0.0, xs.fold(0.0, f64::max), TICKS);
        let references = self.references.iter().map(|reference| reference.y);
        let values = self.values().chain(references);
        let y_axis = match self.from_zero {
            true => Axis::exact(0.0, 1.06 * values.fold(0.0, f64::max), TICKS),
            false => Axis::around(values, TICKS),
        };
        let frame = PlotArea::new(x_axis, y_axis, self, names::width(self));
        let mut out = frame.axes(self);
        for reference in &self.references {
            out += &frame.reference(reference);
        }
        for line in &self.lines {
            out += &frame.line(line);
        }
        out + &names::names(self, &frame)
    }
}

impl ChartLine {
    /// The curve that stands for all: their mean, or the only one.
    fn main(&self) -> Curve {
        match &self.curves[..] {
            [] => Vec::new(),
            [one] => one.clone(),
            several => curve::mean(several),
        }
    }
}

#[cfg(test)]
mod tests;
