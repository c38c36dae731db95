//! What the network sees: each image with its crops, and the views made of it, with what was drawn for them.

use std::ops::Range;

use image::RgbImage;

use super::lines::{DrawLine, LINES, lines};
use super::page::{self, Anchor, Page, SCALE, Style};
use super::{PictureError, raster, text};
use crate::augment::ViewDraws;

/// A view as the network gets it, before the normalisation.
#[derive(Clone, Debug)]
pub struct View {
    /// Its pixels.
    pub pixels: RgbImage,
    /// What made it from the original.
    pub draws: ViewDraws,
}

/// An image and its views.
#[derive(Clone, Debug)]
pub struct ViewRow {
    /// The file's name or the image's number, and its class.
    pub name: String,
    /// Width and height of the original in pixels: those in which the crops are counted.
    pub size: [u32; 2],
    /// The original, or what [`reduced`](super::reduced) made of it ([`ViewSheet::ORIGINAL_SIDE`]).
    pub original: RgbImage,
    /// View 1, view 2, then small crops.
    pub views: Vec<View>,
}

/// A sheet of views.
#[derive(Clone, Debug)]
pub struct ViewSheet {
    /// The heading.
    pub title: String,
    /// Below it: data, seed, epoch, size of the views.
    pub subtitle: String,
    /// An image each.
    pub rows: Vec<ViewRow>,
}

/// Of view 1, view 2 and so on: blue and vermilion first, of Okabe and Ito's palette, which the colour-blind tell apart.
const COLORS: [&str; 7] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8060c0"];
/// Views beside each other; further ones stand below.
const COLUMNS: usize = 2;
/// Width of the originals' column.
const ORIGINAL: f64 = 250.0;
/// Width of a view's column of draws.
const DRAWS: f64 = 158.0;
/// The part of it right of the numbers, where their units stand.
const UNITS: f64 = 18.0;
/// Line around a view, outside its pixels.
const FRAME: f64 = 2.0;
/// Between columns, and between a view and its draws.
const GAP: f64 = 32.0;
const SMALL_GAP: f64 = 16.0;
/// Device pixels a view is shown in, about: whole multiples of its size come near it.
const VIEW_SIDE: u32 = 420;
/// Side of the small square that bears a view's number.
const TAG: f64 = 17.0;
const NOTES: [&str; 2] = [
    "The views are the very tensors that the network is trained on, before they are normalised. Small images are enlarged without smoothing: a block is a pixel.",
    "Order of application: crop and flip, the colour changes as listed from top to bottom, gray, blur, solarize, normalise. A dash marks what was not applied to this view.",
];

impl ViewSheet {
    /// More pixels a side than this are not shown of an original.
    pub const ORIGINAL_SIDE: u32 = 2 * ORIGINAL as u32 * SCALE;

    /// The picture. Fails only where an image cannot be encoded.
    pub fn svg(&self) -> Result<String, PictureError> {
        let side =
            self.rows.iter().flat_map(|row| &row.views).map(|view| view.pixels.width().max(view.pixels.height())).max();
        let shown = shown_side(side.unwrap_or(0));
        let layout = SheetLayout { room: shown, view: f64::from(shown) / f64::from(SCALE) };
        let mut page = Page::new(layout.width(), &self.title, &self.subtitle);
        layout.heads(&mut page);
        for row in &self.rows {
            layout.row(&mut page, row)?;
        }
        Ok(page.finish(&NOTES))
    }
}

/// Device pixels in which a view of `side` pixels is shown: a whole multiple of it where it is not too large for that.
fn shown_side(side: u32) -> u32 {
    if side == 0 || side > VIEW_SIDE * 3 / 2 {
        return VIEW_SIDE;
    }
    let distance = |times: u32| (f64::from(side * times) / f64::from(VIEW_SIDE)).ln().abs();
    let fewer = (VIEW_SIDE / side).max(1);
    if distance(fewer + 1) < distance(fewer) { side * (fewer + 1) } else { side * fewer }
}

/// Where the columns lie; the same for all rows of a sheet.
struct SheetLayout {
    /// Side of a view in device pixels.
    room: u32,
    /// And in units.
    view: f64,
}

impl SheetLayout {
    fn width(&self) -> f64 {
        self.column(COLUMNS) - GAP + page::MARGIN
    }

    /// Left edge of view 0 or 1 of a line.
    fn column(&self, view: usize) -> f64 {
        let each = self.framed() + SMALL_GAP + DRAWS + GAP;
        page::MARGIN + ORIGINAL + GAP + view as f64 * each
    }

    /// Side of a view with its frame.
    fn framed(&self) -> f64 {
        self.view + 2.0 * FRAME
    }

    /// Distance of the lines of draws: the first is level with the view's top, the last stands on its bottom.
    fn leading(&self) -> f64 {
        let between = (LINES - 1) as f64;
        ((self.view - page::BODY * text::CAP_HEIGHT) / between).clamp(20.0, 25.0)
    }

    /// Of images and draws.
    fn height(&self) -> f64 {
        let lines = page::BODY * text::CAP_HEIGHT + self.leading() * (LINES - 1) as f64;
        self.view.max(lines)
    }

    fn heads(&self, page: &mut Page) {
        page.y += 40.0;
        let style = Style::new(page::BODY, page::INK).strong();
        page.text(page::MARGIN, page.y, style, Anchor::Start, "Original");
        self.numbers(page, 0..COLUMNS);
        page.y += 14.0;
    }

    /// The heads of a line of views.
    fn numbers(&self, page: &mut Page, views: Range<usize>) {
        let style = Style::new(page::BODY, page::INK).strong();
        for view in views {
            let x = self.column(view % COLUMNS);
            let top = page.y - (page::BODY * text::CAP_HEIGHT + TAG) / 2.0;
            tag(page, [x, top], view);
            page.text(x + TAG + 8.0, page.y, style, Anchor::Start, &format!("View {}", view + 1));
        }
    }

    fn row(&self, page: &mut Page, row: &ViewRow) -> Result<(), PictureError> {
        page.rule();
        page.y += 27.0;
        let size = format!("{} × {} px", row.size[0], row.size[1]);
        let taken = page::NOTE_GAP + text::width(&size, page::BODY);
        // Kerning, which the measure leaves out, may take a per cent more.
        let room = (page.inner() - taken) * 0.985;
        let name = text::shorten(&row.name, page::BODY, room);
        let style = Style::new(page::BODY, page::INK).strong();
        page.text_and_note(page::MARGIN, page.y, style, &name, &size);
        // Pixels of originals and views, and the first line of draws, begin at one height.
        page.y += 13.0 + FRAME;
        self.original(page, row)?;
        for (number, view) in row.views.iter().enumerate() {
            if number > 0 && number.is_multiple_of(COLUMNS) {
                page.y += self.height() + FRAME + 30.0;
                self.numbers(page, number..row.views.len().min(number + COLUMNS));
                page.y += 14.0;
            }
            self.view(page, row.size, number, view)?;
        }
        page.y += self.height() + FRAME + 26.0;
        Ok(())
    }

    /// The original with the crops of all views.
    fn original(&self, page: &mut Page, row: &ViewRow) -> Result<(), PictureError> {
        let scale = f64::from(SCALE);
        let cell = [ORIGINAL, self.height()];
        let room = cell.map(|side| (side * scale) as u32);
        let shown = raster::fit(&row.original, room);
        let (left, top) = (page::MARGIN, page.y);
        page.image(left, top, &shown)?;
        let shown = [shown.width(), shown.height()].map(|side| f64::from(side) / scale);
        // Where a light image ends on a white page.
        let edge = [left - 0.5, top - 0.5, shown[0] + 1.0, shown[1] + 1.0];
        page.outline(edge, page::RULE, 1.0, "");
        let unit = [0, 1].map(|axis| shown[axis] / f64::from(row.size[axis].max(1)));
        let crop = |View { draws, .. }: &View| {
            [
                left + f64::from(draws.left) * unit[0],
                top + f64::from(draws.top) * unit[1],
                f64::from(draws.width) * unit[0],
                f64::from(draws.height) * unit[1],
            ]
        };
        let boxes: Vec<[f64; 4]> = row.views.iter().map(crop).collect();
        // Legible on any image: a white halo below all lines; every second is dashed, so that equal boxes show both.
        for &crop in &boxes {
            page.outline(crop, "#ffffff", 4.5, " stroke-opacity=\"0.9\"");
        }
        for (view, &crop) in boxes.iter().enumerate() {
            page.outline(crop, color(view), 2.25, ["", " stroke-dasharray=\"9 5\""][view % 2]);
        }
        let mut taken = Vec::new();
        for (view, crop) in boxes.into_iter().enumerate() {
            let place = tag_place(crop, [left, top, cell[0], cell[1]], view, &taken);
            tag(page, place, view);
            taken.push(place);
        }
        Ok(())
    }

    /// A view in a frame of its colour, and what was drawn for it.
    fn view(&self, page: &mut Page, size: [u32; 2], number: usize, view: &View) -> Result<(), PictureError> {
        let (x, y) = (self.column(number % COLUMNS), page.y);
        let shown = raster::fit(&view.pixels, [self.room; 2]);
        let sides = [shown.width(), shown.height()].map(|side| f64::from(side) / f64::from(SCALE) + FRAME);
        page.outline([x + FRAME / 2.0, y - FRAME / 2.0, sides[0], sides[1]], color(number), FRAME, "");
        page.image(x + FRAME, y, &shown)?;
        let left = x + self.framed() + SMALL_GAP;
        let right = left + DRAWS - UNITS;
        let mut baseline = y + page::BODY * text::CAP_HEIGHT;
        for DrawLine { name, value, unit } in lines(&view.draws, size) {
            let (color, value_color) = match value {
                Some(_) => (page::MUTED, page::INK),
                None => (page::FAINT, page::FAINT),
            };
            let style = Style::new(page::BODY, color);
            page.text(left, baseline, style, Anchor::Start, name);
            if value.is_some() {
                page.text(right, baseline, style, Anchor::Start, unit);
            }
            let value = value.unwrap_or_else(|| "–".to_owned());
            let style = Style::new(page::BODY, value_color);
            page.text(right, baseline, style, Anchor::End, &value);
            baseline += self.leading();
        }
        Ok(())
    }
}

/// The colour of a view.
fn color(view: usize) -> &'static str {
    COLORS[view % COLORS.len()]
}

/// A view's number on its colour.
fn tag(page: &mut Page, [x, y]: [f64; 2], view: usize) {
    page.fill([x, y, TAG, TAG], 2.5, color(view));
    let size = if view < 9 { 12.5 } else { 10.5 };
    let baseline = y + (TAG + size * text::CAP_HEIGHT) / 2.0;
    let style = Style::new(size, "#ffffff").strong();
    page.text(x + TAG / 2.0, baseline, style, Anchor::Middle, &(view + 1).to_string());
}

/// The first corner of a crop where a view's number hides no other number: left for view 1, right for view 2 and so on, top before bottom. A crop
/// that its number would fill bears it outside. The number stays within the `cell` of the original.
fn tag_place([x, y, width, height]: [f64; 4], cell: [f64; 4], view: usize, taken: &[[f64; 2]]) -> [f64; 2] {
    let out = if width.min(height) < 2.0 * TAG { TAG + 2.0 } else { 0.0 };
    let within = |at: f64, axis: usize| at.min(cell[axis] + cell[axis + 2] - TAG).max(cell[axis]);
    let (left, right) = (within(x - out, 0), within(x + width - TAG + out, 0));
    let (top, bottom) = (within(y - out, 1), within(y + height - TAG + out, 1));
    let corners = if view.is_multiple_of(2) {
        [[left, top], [right, top], [left, bottom], [right, bottom]]
    } else {
        [[right, top], [right, bottom], [left, bottom], [left, top]]
    };
    let apart = |corner: &[f64; 2], other: &[f64; 2]| [0, 1].iter().any(|&i| (corner[i] - other[i]).abs() > TAG);
    let free = |corner: &[f64; 2]| taken.iter().all(|other| apart(corner, other));
    // In a corner of the cell all of them may be taken: beside the other number there is room.
    let beside = taken.iter().flat_map(|&[x, y]| [TAG + 2.0, -TAG - 2.0].map(|by| [within(x + by, 0), y]));
    let mut places = corners.into_iter().chain(beside);
    places.find(free).unwrap_or(corners[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_views_stay_in_the_cell_and_apart() {
        let cell = [40.0, 100.0, 250.0, 226.0];
        let crops = [
            [40.0, 100.0, 250.0, 200.0],
            [40.0, 100.0, 0.5, 0.5],
            [289.0, 325.0, 1.0, 1.0],
            [40.0, 100.0, 250.0, 0.5],
            [40.0, 100.0, 0.5, 226.0],
            [120.0, 180.0, 20.0, 30.0],
            [140.0, 180.0, 60.0, 60.0],
        ];
        for first in crops {
            for second in crops {
                let one = tag_place(first, cell, 0, &[]);
                let two = tag_place(second, cell, 1, &[one]);
                let apart = [0, 1].iter().any(|&i| (one[i] - two[i]).abs() > TAG);
                assert!(apart, "{first:?} {second:?}: {one:?} {two:?}");
                for place in [one, two] {
                    for axis in [0, 1] {
                        let room = cell[axis]..=cell[axis] + cell[axis + 2] - TAG;
                        assert!(room.contains(&place[axis]), "{first:?} {second:?}: {place:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn views_are_shown_at_whole_multiples_of_about_one_size() {
        for side in 1..=VIEW_SIDE * 3 / 2 {
            let shown = shown_side(side);
            assert!(shown.is_multiple_of(side) && (290..=630).contains(&shown), "{side}: {shown}");
        }
        assert_eq!([0, 28, 32, 224, 5000].map(shown_side), [420, 420, 416, 448, 420]);
    }
}
