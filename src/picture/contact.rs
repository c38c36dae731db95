//! What a data set holds: a class a row, with some of its images.

use image::RgbImage;

use super::page::{self, Anchor, Page, SCALE, Style};
use super::{PictureError, raster, text};
use crate::format;

/// A class, or a row of images without one.
#[derive(Clone, Debug)]
pub struct ContactRow {
    /// The class, where there is one.
    pub class: Option<String>,
    /// Images it has in the data set.
    pub count: usize,
    /// Some of them: at most [`ContactSheet::COLUMNS`] are shown. They may come [`reduced`](super::reduced) to
    /// [`ContactSheet::THUMBNAIL_SIDE`].
    pub images: Vec<RgbImage>,
}

/// A contact sheet.
#[derive(Clone, Debug)]
pub struct ContactSheet {
    /// The heading.
    pub title: String,
    /// Below it: how many images, their sizes.
    pub subtitle: String,
    /// A class each.
    pub rows: Vec<ContactRow>,
}

/// Side of a cell.
const CELL: f64 = 64.0;
const GAP: f64 = 6.0;
/// Device pixels of a cell.
pub(super) const SHOWN_SIDE: u32 = CELL as u32 * SCALE;
/// Most that class names take.
const NAMES: f64 = 190.0;
/// Between a name, its count and the images.
const NAME_GAP: f64 = 24.0;
/// Room for the heading and notes, where there are few images.
const MIN_COLUMNS: usize = 6;
/// More rows are no picture any more.
pub(super) const MAX_ROWS: usize = 200;

impl ContactSheet {
    /// Images a row.
    pub const COLUMNS: usize = 12;
    /// More pixels a side than this are not shown of an image.
    pub const THUMBNAIL_SIDE: u32 = 2 * CELL as u32 * SCALE;

    /// The picture. Fails only where an image cannot be encoded.
    pub fn svg(&self) -> Result<String, PictureError> {
        let rows = &self.rows[..self.rows.len().min(MAX_ROWS)];
        let named = |row: &&ContactRow| row.class.is_some();
        let name_width = rows
            .iter()
            .filter_map(|row| row.class.as_deref())
            .map(|class| text::width(&text::clean(class), page::BODY))
            .fold(0.0, f64::max)
            .min(NAMES);
        let count_width =
            rows.iter().filter(named).map(|row| text::width(&format::count(row.count), page::BODY)).fold(0.0, f64::max);
        // Without names the images begin at the margin.
        let (count_right, images) = if rows.iter().any(|row| row.class.is_some()) {
            let right = page::MARGIN + name_width + NAME_GAP + count_width;
            (right, right + NAME_GAP)
        } else {
            (page::MARGIN, page::MARGIN)
        };
        let columns = rows.iter().map(|row| row.images.len()).max().unwrap_or(0);
        let columns = columns.clamp(MIN_COLUMNS, Self::COLUMNS) as f64;
        let width = images + columns * (CELL + GAP) - GAP + page::MARGIN;
        let mut page = Page::new(width, &self.title, &self.subtitle);
        page.y += 26.0;
        for row in rows {
            let baseline = page.y + (CELL + page::BODY * text::CAP_HEIGHT) / 2.0;
            if let Some(class) = &row.class {
                let name = text::shorten(class, page::BODY, NAMES);
                let style = Style::new(page::BODY, page::INK).strong();
                page.text(page::MARGIN, baseline, style, Anchor::Start, &name);
                let style = Style::new(page::BODY, page::MUTED);
                let count = format::count(row.count);
                page.text(count_right, baseline, style, Anchor::End, &count);
            }
            for (column, image) in row.images.iter().take(Self::COLUMNS).enumerate() {
                let x = images + column as f64 * (CELL + GAP);
                thumbnail(&mut page, x, image)?;
            }
            page.y += CELL + GAP;
        }
        page.y += 22.0 - GAP;
        let hidden = self.rows.len() - rows.len();
        let more = format!("{} more rows are not shown.", format::count(hidden));
        let mut notes = Vec::new();
        if hidden > 0 {
            notes.push(more.as_str());
        }
        notes.push("Each image keeps its shape; small ones are enlarged without smoothing.");
        Ok(page.finish(&notes))
    }
}

/// An image in the middle of its cell.
fn thumbnail(page: &mut Page, x: f64, image: &RgbImage) -> Result<(), PictureError> {
    let top = page.y;
    let scale = f64::from(SCALE);
    let shown = raster::fit(image, [(CELL * scale) as u32; 2]);
    // A frame of a few pixels around images that almost fill their cells would only be noise.
    if f64::from(shown.width().min(shown.height())) < 0.8 * CELL * scale {
        page.fill([x, top, CELL, CELL], 0.0, page::CELL);
    }
    let centre = |side: u32| (CELL - f64::from(side) / scale) / 2.0;
    page.image(x + centre(shown.width()), top + centre(shown.height()), &shown)
}
