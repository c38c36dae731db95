//! Several charts on one page, for a PNG.

use super::style::styles;
use super::{Chart, HEIGHT, WIDTH};
use crate::picture::page::{Anchor, BODY, INK, MARGIN, Page, Style};

/// Charts a row.
const COLUMNS: usize = 2;
/// Between charts.
const GAP: f64 = 28.0;
/// The height of a chart's title.
const TITLE: f64 = 30.0;

/// Charts side by side under a heading.
#[derive(Debug, Clone, PartialEq)]
pub struct ChartSheet<'a> {
    /// The heading.
    pub title: &'a str,
    /// A line below it.
    pub subtitle: &'a str,
    /// The charts, row by row.
    pub charts: &'a [Chart],
    /// Lines at the bottom.
    pub notes: &'a [&'a str],
}

impl Chart {
    /// The chart by itself, under its title, in light colours.
    pub fn to_svg(&self) -> String {
        let mut page = Page::new(2.0 * MARGIN + WIDTH, &self.title, "");
        page.styles(&styles(false));
        let y = page.y + GAP / 2.0;
        page.group(MARGIN, y, &self.body());
        page.y = y + HEIGHT;
        page.finish(&[])
    }
}

impl ChartSheet<'_> {
    /// The sheet by itself, in light colours.
    pub fn to_svg(&self) -> String {
        let columns = COLUMNS as f64;
        let mut page = Page::new(2.0 * MARGIN + columns * WIDTH + (columns - 1.0) * GAP, self.title, self.subtitle);
        page.styles(&styles(false));
        for row in self.charts.chunks(COLUMNS) {
            page.y += GAP;
            for (column, chart) in row.iter().enumerate() {
                let x = MARGIN + column as f64 * (WIDTH + GAP);
                let y = page.y;
                page.text(x, y + BODY, Style::new(BODY, INK).strong(), Anchor::Start, &chart.title);
                page.group(x, y + TITLE - 6.0, &chart.body());
            }
            page.y += TITLE + HEIGHT;
        }
        page.y += GAP;
        page.finish(self.notes)
    }
}
