//! What the network sees: each image with its two crops, and the two views made of it, with what was drawn for them.

use image::RgbImage;

use super::page::{self, Anchor, Page, SCALE, Style};
use super::{PictureError, raster, text};
use crate::augment::{JitterOp, ViewDraws};

/// A view as the network gets it, before the normalisation.
#[derive(Clone, Debug)]
pub struct View {
    /// Its pixels; all views of a sheet have one size.
    pub pixels: RgbImage,
    /// What made it from the original.
    pub draws: ViewDraws,
}

/// An image and its two views.
#[derive(Clone, Debug)]
pub struct ViewRow {
    /// The file's name or the image's number, and its class.
    pub name: String,
    /// Width and height of the original in pixels: those in which the crops are counted.
    pub size: [u32; 2],
    /// The original, or what [`reduced`](super::reduced) made of it ([`ViewSheet::ORIGINAL_SIDE`]).
    pub original: RgbImage,
    /// View 1 and view 2.
    pub views: [View; 2],
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

/// Of view 1 and view 2: blue and vermilion of Okabe and Ito's palette, which the colour-blind tell apart.
const COLORS: [&str; 2] = ["#0072b2", "#d55e00"];
/// Width of the originals' column.
const ORIGINAL: f64 = 250.0;
/// Width of a view's column of draws.
const DRAWS: f64 = 148.0;
/// Between columns, and between a view and its draws.
const GAP: f64 = 32.0;
const SMALL_GAP: f64 = 16.0;
/// Device pixels a view is shown in, about: whole multiples of its size come near it.
const VIEW_SIDE: u32 = 420;
/// Side of the small square that bears a view's number.
const TAG: f64 = 17.0;
const NOTES: [&str; 2] = [
    "The views are the very tensors that the network is trained on, shown before they are normalised. Small images are enlarged without smoothing: a block is a pixel.",
    "Order of application: crop and flip, brightness to hue as listed from top to bottom, gray, blur, normalise. A dash: not applied to this view. Crop and place are in pixels of the original; sigma of the blur in pixels of the view.",
];

impl ViewSheet {
    /// More pixels a side than this are not shown of an original.
    pub const ORIGINAL_SIDE: u32 = 2 * ORIGINAL as u32 * SCALE;

    /// The picture. Fails only where an image cannot be encoded.
    pub fn svg(&self) -> Result<String, PictureError> {
        let side = self
            .rows
            .iter()
            .flat_map(|row| &row.views)
            .map(|view| view.pixels.width().max(view.pixels.height()))
            .max();
        let shown = shown_side(side.unwrap_or(0));
        let layout = Layout {
            room: shown,
            view: f64::from(shown) / f64::from(SCALE),
        };
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
    if distance(fewer + 1) < distance(fewer) {
        side * (fewer + 1)
    } else {
        side * fewer
    }
}

/// Where the columns lie; the same for all rows of a sheet.
struct Layout {
    /// Side of a view in device pixels.
    room: u32,
    /// And in units.
    view: f64,
}

impl Layout {
    fn width(&self) -> f64 {
        self.column(2) - GAP + page::MARGIN
    }

    /// Left edge of view 0 or 1.
    fn column(&self, view: usize) -> f64 {
        let each = self.view + SMALL_GAP + DRAWS + GAP;
        page::MARGIN + ORIGINAL + GAP + view as f64 * each
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
        for (view, number) in ["1", "2"].into_iter().enumerate() {
            let x = self.column(view);
            let top = page.y - (page::BODY * text::CAP_HEIGHT + TAG) / 2.0;
            tag(page, [x, top], view);
            let head = format!("View {number}");
            page.text(x + TAG + 8.0, page.y, style, Anchor::Start, &head);
        }
        page.y += 14.0;
    }

    fn row(&self, page: &mut Page, row: &ViewRow) -> Result<(), PictureError> {
        page.rule();
        page.y += 27.0;
        let size = format!("{} × {} px", row.size[0], row.size[1]);
        let size_width = text::width(&size, page::BODY) + 14.0;
        let name = text::shorten(&row.name, page::BODY, page.inner() - size_width);
        let strong = Style::new(page::BODY, page::INK).strong();
        page.text(page::MARGIN, page.y, strong, Anchor::Start, &name);
        let after = page::MARGIN + text::width(&name, page::BODY) + 14.0;
        let muted = Style::new(page::BODY, page::MUTED);
        page.text(after, page.y, muted, Anchor::Start, &size);
        page.y += 15.0;
        self.original(page, row)?;
        for (number, view) in row.views.iter().enumerate() {
            self.view(page, row.size, number, view)?;
        }
        page.y += self.height() + 26.0;
        Ok(())
    }

    /// The original with the crops of both views.
    fn original(&self, page: &mut Page, row: &ViewRow) -> Result<(), PictureError> {
        let scale = f64::from(SCALE);
        let cell = [ORIGINAL, self.height()];
        let room = cell.map(|side| (side * scale) as u32);
        let shown = raster::fit(&row.original, room);
        let (left, top) = (page::MARGIN, page.y);
        page.image(left, top, &shown)?;
        let shown = [shown.width(), shown.height()].map(|side| f64::from(side) / scale);
        let unit = [0, 1].map(|axis| shown[axis] / f64::from(row.size[axis].max(1)));
        let boxes = [0, 1].map(|view| {
            let draws = &row.views[view].draws;
            [
                left + f64::from(draws.left) * unit[0],
                top + f64::from(draws.top) * unit[1],
                f64::from(draws.width) * unit[0],
                f64::from(draws.height) * unit[1],
            ]
        });
        // Legible on any image: a white halo below both lines; the second is dashed, so that equal boxes show both.
        for crop in boxes {
            page.outline(crop, "#ffffff", 4.5, " stroke-opacity=\"0.9\"");
        }
        page.outline(boxes[0], COLORS[0], 2.25, "");
        page.outline(boxes[1], COLORS[1], 2.25, " stroke-dasharray=\"9 5\"");
        let mut taken = None;
        for (view, crop) in boxes.into_iter().enumerate() {
            let place = tag_place(crop, view, taken);
            tag(page, place, view);
            taken = Some(place);
        }
        Ok(())
    }

    /// A view in a frame of its colour, and what was drawn for it.
    fn view(
        &self,
        page: &mut Page,
        size: [u32; 2],
        number: usize,
        view: &View,
    ) -> Result<(), PictureError> {
        let (x, y) = (self.column(number), page.y);
        let line = 2.0;
        let frame = [
            x - line / 2.0,
            y - line / 2.0,
            self.view + line,
            self.view + line,
        ];
        page.outline(frame, COLORS[number], line, "");
        page.image(x, y, &raster::fit(&view.pixels, [self.room; 2]))?;
        let left = x + self.view + SMALL_GAP;
        let mut baseline = y + page::BODY * text::CAP_HEIGHT;
        for (name, value) in lines(&view.draws, size) {
            let (color, value_color) = match value {
                Some(_) => (page::MUTED, page::INK),
                None => (page::FAINT, page::FAINT),
            };
            let value = value.unwrap_or_else(|| "–".to_owned());
            let style = Style::new(page::BODY, color);
            page.text(left, baseline, style, Anchor::Start, name);
            let style = Style::new(page::BODY, value_color);
            page.text(left + DRAWS, baseline, style, Anchor::End, &value);
            baseline += self.leading();
        }
        Ok(())
    }
}

/// How many [`lines`] there are.
const LINES: usize = 10;

/// What was drawn, in the order of application: a name, and a value where it was applied.
fn lines(draws: &ViewDraws, size: [u32; 2]) -> [(&'static str, Option<String>); LINES] {
    let area = |[width, height]: [u32; 2]| f64::from(width) * f64::from(height);
    let part = area([draws.width, draws.height]) / area(size).max(1.0) * 100.0;
    let order = draws.jitter.map_or(
        [
            JitterOp::Brightness,
            JitterOp::Contrast,
            JitterOp::Saturation,
            JitterOp::Hue,
        ],
        |jitter| jitter.order,
    );
    let factor =
        |value: f32| (value != 1.0).then(|| format!("× {}", text::number(value.into(), 2)));
    let change = |op: JitterOp| {
        let jitter = draws.jitter.as_ref();
        match op {
            JitterOp::Brightness => ("brightness", jitter.and_then(|j| factor(j.brightness))),
            JitterOp::Contrast => ("contrast", jitter.and_then(|j| factor(j.contrast))),
            JitterOp::Saturation => ("saturation", jitter.and_then(|j| factor(j.saturation))),
            JitterOp::Hue => ("hue", jitter.and_then(|j| turn(j.hue))),
        }
    };
    let [first, second, third, fourth] = order.map(change);
    let yes = |applied: bool| applied.then(|| "yes".to_owned());
    [
        ("crop", Some(format!("{} × {}", draws.width, draws.height))),
        ("at", Some(format!("{}, {}", draws.left, draws.top))),
        ("of the area", Some(format!("{} %", text::number(part, 1)))),
        ("flip", yes(draws.flip)),
        first,
        second,
        third,
        fourth,
        ("gray", yes(draws.gray)),
        (
            "blur",
            draws
                .blur_sigma
                .map(|sigma| format!("σ {}", text::number(sigma.into(), 2))),
        ),
    ]
}

/// A shift of the hue in degrees of the colour circle, always with its sign.
fn turn(hue: f32) -> Option<String> {
    if hue == 0.0 {
        return None;
    }
    let plus = if hue > 0.0 { "+" } else { "" };
    Some(format!(
        "{plus}{}°",
        text::number(f64::from(hue) * 360.0, 1)
    ))
}

/// A view's number on its colour.
fn tag(page: &mut Page, [x, y]: [f64; 2], view: usize) {
    page.fill([x, y, TAG, TAG], 2.5, COLORS[view]);
    let size = 12.5;
    let baseline = y + (TAG + size * text::CAP_HEIGHT) / 2.0;
    let style = Style::new(size, "#ffffff").strong();
    let number = if view == 0 { "1" } else { "2" };
    page.text(x + TAG / 2.0, baseline, style, Anchor::Middle, number);
}

/// The first corner of a crop where a view's number hides no other number: left for view 1, right for view 2, top before bottom.
fn tag_place([x, y, width, height]: [f64; 4], view: usize, taken: Option<[f64; 2]>) -> [f64; 2] {
    let (left, right) = (x, (x + width - TAG).max(x));
    let (top, bottom) = (y, (y + height - TAG).max(y));
    let corners = if view == 0 {
        [[left, top], [right, top], [left, bottom], [right, bottom]]
    } else {
        [[right, top], [right, bottom], [left, bottom], [left, top]]
    };
    let free = |corner: &[f64; 2]| {
        taken.is_none_or(|other| {
            (corner[0] - other[0]).abs() >= TAG + 1.0 || (corner[1] - other[1]).abs() >= TAG + 1.0
        })
    };
    // On a crop of a few pixels: beside the other number.
    let beside = [x + TAG + 1.0, y];
    corners.into_iter().find(free).unwrap_or(beside)
}
