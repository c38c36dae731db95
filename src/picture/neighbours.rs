//! Images beside those that are most like them, with a line or two below each.

use image::RgbImage;

use super::page::{self, Anchor, Page, SCALE, Style};
use super::{PictureError, raster, text};

/// An image and what stands below it.
#[derive(Clone, Debug)]
pub struct CaptionedImage {
    /// The pixels; they may come [`reduced`](super::reduced) to [`NeighbourSheet::THUMBNAIL_SIDE`].
    pub pixels: RgbImage,
    /// Lines below it, the first strong.
    pub lines: Vec<String>,
}

/// An image and others.
#[derive(Clone, Debug)]
pub struct NeighbourRow {
    /// What they are compared with; it stands apart.
    pub image: CaptionedImage,
    /// Those that are like it, the most alike first.
    pub neighbours: Vec<CaptionedImage>,
}

/// A row for each of some images.
#[derive(Clone, Debug)]
pub struct NeighbourSheet {
    /// The heading.
    pub title: String,
    /// Below it.
    pub subtitle: String,
    /// At most [`NeighbourSheet::MAX_ROWS`] are shown.
    pub rows: Vec<NeighbourRow>,
    /// At the bottom.
    pub notes: Vec<String>,
}

/// Side of a cell.
const CELL: f64 = 112.0;
const GAP: f64 = 12.0;
/// Between the image and its neighbours.
const APART: f64 = 36.0;
/// Between rows that share a line.
const BETWEEN: f64 = 2.0 * APART;
/// Neighbours a line.
const COLUMNS: usize = 8;
const LEADING: f64 = 17.0;

impl NeighbourSheet {
    /// More rows are no picture any more.
    pub const MAX_ROWS: usize = 60;
    /// More pixels a side than this are not shown of an image.
    pub const THUMBNAIL_SIDE: u32 = 2 * CELL as u32 * SCALE;

    /// The picture. Fails only where an image cannot be encoded.
    pub fn svg(&self) -> Result<String, PictureError> {
        let right = page::MARGIN + NeighbourRow::width(COLUMNS);
        let mut page = Page::new(right + page::MARGIN, &self.title, &self.subtitle);
        page.y += 22.0;
        let (mut x, mut top, mut bottom) = (right, 0.0, page.y - 18.0);
        for row in self.rows.iter().take(Self::MAX_ROWS) {
            let width = NeighbourRow::width(row.neighbours.len().min(COLUMNS));
            // Short rows share a line.
            if x + width > right {
                page.y = bottom + 18.0;
                page.rule();
                page.y += 18.0;
                (x, top, bottom) = (page::MARGIN, page.y, page.y);
            }
            bottom = row.draw(&mut page, [x, top])?.max(bottom);
            x += width + BETWEEN;
        }
        page.y = bottom + 18.0;
        let hidden = self.rows.len().saturating_sub(Self::MAX_ROWS);
        let more = format!("{hidden} more are not shown.");
        let mut notes: Vec<&str> = self.notes.iter().map(String::as_str).collect();
        if hidden > 0 {
            notes.push(&more);
        }
        Ok(page.finish(&notes))
    }
}

impl NeighbourRow {
    fn width(columns: usize) -> f64 {
        CELL + APART + columns as f64 * (CELL + GAP) - GAP
    }

    /// Returns where it ends.
    fn draw(&self, page: &mut Page, [x, top]: [f64; 2]) -> Result<f64, PictureError> {
        let mut bottom = captioned(page, [x, top], &self.image)?;
        let mut line = top;
        for neighbours in self.neighbours.chunks(COLUMNS) {
            let mut lowest = line;
            for (column, neighbour) in neighbours.iter().enumerate() {
                let at = [x + CELL + APART + column as f64 * (CELL + GAP), line];
                lowest = captioned(page, at, neighbour)?.max(lowest);
            }
            line = lowest + 14.0;
            bottom = bottom.max(lowest);
        }
        Ok(bottom)
    }
}

/// An image in the middle of its cell, and its lines; where they end.
fn captioned(page: &mut Page, [x, top]: [f64; 2], image: &CaptionedImage) -> Result<f64, PictureError> {
    let scale = f64::from(SCALE);
    let shown = raster::fit(&image.pixels, [(CELL * scale) as u32; 2]);
    page.fill([x, top, CELL, CELL], 0.0, page::CELL);
    let centre = |side: u32| (CELL - f64::from(side) / scale) / 2.0;
    page.image(x + centre(shown.width()), top + centre(shown.height()), &shown)?;
    let mut y = top + CELL + 3.0;
    for (number, line) in image.lines.iter().enumerate() {
        y += LEADING;
        let style = match number {
            0 => Style::new(page::BODY, page::INK).strong(),
            _ => Style::new(page::NOTE, page::MUTED),
        };
        page.text(x, y, style, Anchor::Start, &text::shorten(line, style.size, CELL));
    }
    Ok(y)
}
