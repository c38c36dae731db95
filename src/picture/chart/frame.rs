//! Where values lie in a chart, and what is drawn at them.

use super::axis::Axis;
use super::curve::{Curve, reduced};
use super::{Chart, HEIGHT, LOOKS, Line, MAX_MARKS, Reference, SIZE, WIDTH, mark};
use crate::format;
use crate::picture::text;

/// Above the plot.
const TOP: f64 = 10.0;
/// Below it: ticks and the axis' name.
const BELOW: f64 = 38.0;
/// A reader's own font may be wider than the one that is measured.
const SLACK: f64 = 1.2;

/// The plot's place in units, and its axes.
pub(super) struct Frame {
    x: Axis,
    y: Axis,
    left: f64,
    right: f64,
}

impl Frame {
    /// With as much space on both sides as the text there needs: numbers on the left, names of a width on the right.
    pub(super) fn new(x: Axis, y: Axis, chart: &Chart, names: f64) -> Frame {
        let widest =
            |texts: &mut dyn Iterator<Item = String>| texts.map(|t| text::width(&t, SIZE) * SLACK).fold(0.0, f64::max);
        let ticks = widest(&mut y.ticks.iter().map(|tick| format::number(*tick, y.digits) + chart.unit));
        Frame { x, y, left: ticks + 10.0, right: WIDTH - names * SLACK - 16.0 }
    }

    pub(super) fn top(&self) -> f64 {
        TOP
    }

    pub(super) fn bottom(&self) -> f64 {
        HEIGHT - BELOW
    }

    pub(super) fn height(&self) -> f64 {
        self.bottom() - self.top()
    }

    pub(super) fn right(&self) -> f64 {
        self.right
    }

    /// Where a point lies.
    pub(super) fn place(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let part = |axis: &Axis, value: f64| (value - axis.low) / (axis.high - axis.low);
        [self.left + part(&self.x, x) * (self.right - self.left), self.bottom() - part(&self.y, y) * self.height()]
    }

    /// Lines and numbers of both axes.
    pub(super) fn axes(&self, chart: &Chart) -> String {
        let (left, right, bottom) = (self.left, self.right, self.bottom());
        let mut lines = String::new();
        let mut numbers = String::new();
        for tick in &self.y.ticks {
            let [_, y] = self.place([0.0, *tick]);
            lines += &format!("M{left:.1} {y:.1}H{right:.1}");
            let number = format::number(*tick, self.y.digits);
            let (x, y) = (left - 6.0, y + SIZE * 0.35);
            numbers += &format!(
                "<text class=\"tick\" x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{SIZE}\" text-anchor=\"end\">{number}{}</text>",
                chart.unit
            );
        }
        for tick in &self.x.ticks {
            let [x, _] = self.place([*tick, 0.0]);
            lines += &format!("M{x:.1} {bottom:.1}v4");
            let number = format::number(*tick, self.x.digits);
            let y = bottom + 6.0 + SIZE;
            numbers += &format!(
                "<text class=\"tick\" x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{SIZE}\" text-anchor=\"middle\">{number}</text>"
            );
        }
        let (x, y) = ((left + right) / 2.0, HEIGHT - 5.0);
        format!(
            "<path class=\"grid\" d=\"{lines}\"/>\n{numbers}<text class=\"tick\" x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{SIZE}\" text-anchor=\"middle\">{}</text>\n",
            chart.x
        )
    }

    /// A dashed line across the plot.
    pub(super) fn reference(&self, reference: &Reference) -> String {
        let [_, y] = self.place([0.0, reference.y]);
        format!("<path class=\"ref\" d=\"M{:.1} {y:.1}H{:.1}\"/>\n", self.left, self.right)
    }

    /// The curves of all seeds, thin, and their mean over them.
    pub(super) fn line(&self, line: &Line) -> String {
        let mut out = format!("<g class=\"c{}\">", line.look % LOOKS);
        if line.curves.len() > 1 {
            for curve in &line.curves {
                out += &format!("<path class=\"seed\" d=\"{}\"/>", self.path(curve));
            }
        }
        let main = line.main();
        out += &format!("<path class=\"mean\" d=\"{}\"/>", self.path(&main));
        if main.len() <= MAX_MARKS {
            for point in main.iter().filter(|point| point[1].is_finite()) {
                let [x, y] = self.place(*point);
                out += &mark::at(line.look, x, y, 2.8);
            }
        }
        out + "</g>\n"
    }

    fn path(&self, curve: &Curve) -> String {
        let mut path = String::new();
        let mut open = false;
        // Four points every two units: a line two units wide shows no more.
        let columns = ((self.right - self.left) / 2.0).max(1.0) as usize;
        for point in reduced(curve, self.x.high, columns) {
            let gap = !point[1].is_finite();
            if !gap {
                let [x, y] = self.place(point);
                let go = if open { 'L' } else { 'M' };
                path += &format!("{go}{x:.1} {y:.1}");
            }
            open = !gap;
        }
        path
    }
}
