//! Line charts as SVG, for a page of HTML and for a PNG.
//!
//! Lines and text carry classes and no colours: a page gives them colours for light and dark ([`styles`]), a PNG those for light.
//! A line is told by its colour, by the shape of its marks and by its name at its end.
//!
//! Drawn here rather than by the crate plotters: its SVG has whole numbers only, so that a curve becomes a staircase and a line is one or two
//! units wide; it knows no classes, dashes or groups, so that nothing can follow light and dark; and without fonts of the system it
//! measures no text, so that names are cut or overlap.

mod axis;
mod curve;
mod frame;
mod mark;
mod sheet;
mod style;

use super::text;
use axis::Axis;
use frame::{Frame, spread};

pub use curve::Curve;
pub use mark::mark;
pub use sheet::ChartSheet;
pub use style::{LOOKS, styles};

/// Units across.
const WIDTH: f64 = 440.0;
/// Units down.
const HEIGHT: f64 = 264.0;
/// Size of text.
const SIZE: f64 = 12.0;
/// Between the names of two lines.
const LABEL_GAP: f64 = 14.5;
/// The widest name at a line's end.
const LABEL_WIDTH: f64 = 128.0;
/// More marks than this hide their line.
const MAX_MARKS: usize = 24;

/// A chart of some lines over epochs.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Chart {
    /// What is shown, in a few words.
    pub title: String,
    /// After every number on the y axis, such as ` %`.
    pub unit: &'static str,
    /// The lines.
    pub lines: Vec<Line>,
    /// Values to compare with.
    pub references: Vec<Reference>,
}

/// The curves of one variant: one for every seed, and their mean where there are several.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Line {
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
        let end = |line: &Line| {
            let [x, y] = curve::last(&line.main())?;
            let digits = if y.abs() < 1.0 { 3 } else { 1 };
            let (y, unit) = (text::number(y, digits), self.unit);
            Some(format!(
                "{} ends at {y}{unit} after {} epochs",
                line.label,
                text::number(x, 1)
            ))
        };
        let ends: Vec<String> = self.lines.iter().filter_map(end).collect();
        let references = self.references.iter();
        let references =
            references.map(|r| format!("{}: {}{}", r.label, text::number(r.y, 3), self.unit));
        let all: Vec<String> = ends.into_iter().chain(references).collect();
        match all.is_empty() {
            true => "no numbers yet".to_owned(),
            false => all.join("; "),
        }
    }

    fn values(&self) -> impl Iterator<Item = f64> {
        let points = self
            .lines
            .iter()
            .flat_map(|line| line.curves.iter().flatten());
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
        let xs = self
            .lines
            .iter()
            .flat_map(|line| line.curves.iter().flatten())
            .map(|point| point[0]);
        let x_axis = Axis::exact(0.0, xs.fold(0.0, f64::max), 6);
        let references = self.references.iter().map(|reference| reference.y);
        let y_axis = Axis::around(self.values().chain(references), 5);
        let frame = Frame::new(x_axis, y_axis, self);
        let mut out = frame.axes(self.unit);
        for reference in &self.references {
            out += &frame.reference(reference);
        }
        for line in &self.lines {
            out += &frame.line(line);
        }
        out + &self.names(&frame)
    }

    /// The names at the ends of the lines, none over another.
    fn names(&self, frame: &Frame) -> String {
        let mut ends: Vec<(&Line, [f64; 2])> = (self.lines.iter())
            .filter_map(|line| Some((line, frame.place(curve::last(&line.main())?))))
            .collect();
        ends.sort_by(|(_, a), (_, b)| a[1].total_cmp(&b[1]));
        // What does not fit is named below the chart.
        ends.truncate((frame.height() / LABEL_GAP) as usize);
        let wanted: Vec<f64> = ends.iter().map(|(_, [_, y])| *y).collect();
        let places = spread(&wanted, LABEL_GAP, frame.top(), frame.bottom());
        let mut out = String::new();
        for ((line, [x, y]), place) in ends.iter().zip(places) {
            let look = line.look % LOOKS;
            let right = frame.right();
            let label = text::escape(&text::shorten(&line.label, SIZE, LABEL_WIDTH));
            out += &format!(
                "<g class=\"c{look}\"><path class=\"lead\" d=\"M{:.1} {y:.1}L{:.1} {place:.1}\"/>{}\
                 <text x=\"{:.1}\" y=\"{:.1}\" font-size=\"{SIZE}\">{label}</text></g>\n",
                x + 5.0,
                (right + 10.0).max(x + 5.0),
                mark::at(line.look, *x, *y, 3.6),
                right + 14.0,
                place + SIZE * 0.35,
            );
        }
        out
    }
}

impl Line {
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
