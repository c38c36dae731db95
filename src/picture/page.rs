//! A page of SVG: elements at places in units, on white. A PNG has [`SCALE`] pixels a unit.

use std::fmt::Write;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use image::RgbImage;

use super::{PictureError, raster, text};

/// Device pixels a unit. Pixels of images lie on the device's: they are shown as they are.
pub const SCALE: u32 = 2;
/// Space around everything.
pub const MARGIN: f64 = 40.0;

/// What is read first.
pub const INK: &str = "#1b1f24";
/// What is read second; 5.7:1 on white.
pub const MUTED: &str = "#5b6470";
/// What did not happen; 3:1 on white.
pub const FAINT: &str = "#8b949e";
/// Lines between rows.
pub const RULE: &str = "#d8dee4";
/// Where a cell has no image.
pub const CELL: &str = "#f4f5f7";

/// Of headings.
pub const TITLE: f64 = 25.0;
/// Of text.
pub const BODY: f64 = 13.5;
/// Of notes.
pub const NOTE: f64 = 12.5;

/// Before a note that follows text.
pub const NOTE_GAP: f64 = 14.0;

/// Where text stands relative to its x.
#[derive(Clone, Copy)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

/// How text is set.
#[derive(Clone, Copy)]
pub struct Style {
    pub size: f64,
    pub color: &'static str,
    /// Drawn with an outline: the font comes in one weight.
    pub strong: bool,
}

impl Style {
    pub const fn new(size: f64, color: &'static str) -> Self {
        Self { size, color, strong: false }
    }

    pub const fn strong(self) -> Self {
        Self { strong: true, ..self }
    }
}

/// A page being written from top to bottom.
pub struct Page {
    width: f64,
    /// Where the next thing begins.
    pub y: f64,
    body: String,
}

impl Page {
    /// With a heading, and a rule below it.
    pub fn new(width: f64, title: &str, subtitle: &str) -> Self {
        let mut page = Self { width, y: MARGIN, body: String::new() };
        let style = Style::new(TITLE, INK).strong();
        let room = page.inner();
        page.y += TITLE * text::CAP_HEIGHT;
        page.text(MARGIN, page.y, style, Anchor::Start, &text::shorten(title, TITLE, room));
        let style = Style::new(BODY, MUTED);
        page.y += 6.0;
        for line in text::wrap(subtitle, BODY, room) {
            page.y += 20.0;
            page.text(MARGIN, page.y, style, Anchor::Start, &line);
        }
        page
    }

    /// Units between the margins.
    pub fn inner(&self) -> f64 {
        self.width - 2.0 * MARGIN
    }

    /// `x` and `y` are the baseline's. The text is escaped here.
    pub fn text(&mut self, x: f64, y: f64, style: Style, anchor: Anchor, content: &str) {
        let content = text::escape(content);
        self.set(x, y, style, anchor, &content);
    }

    /// Text that begins at `x`, and a note after it: wherever it really ends, a reader's other fonts included.
    pub fn text_and_note(&mut self, x: f64, y: f64, style: Style, content: &str, note: &str) {
        let content = text::escape(content);
        let note = text::escape(note);
        // The mark (left to right) keeps a note that begins with a number out of a right-to-left name.
        let content =
            format!("{content}&#x200e;<tspan dx=\"{NOTE_GAP}\" fill=\"{MUTED}\" stroke=\"none\">{note}</tspan>");
        self.set(x, y, style, Anchor::Start, &content);
    }

    fn set(&mut self, x: f64, y: f64, style: Style, anchor: Anchor, content: &str) {
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        };
        let Style { size, color, .. } = style;
        let strong = if style.strong {
            let stroke = size * 0.026;
            format!(" stroke=\"{color}\" stroke-width=\"{stroke:.2}\"")
        } else {
            String::new()
        };
        self.element(format_args!(
            "<text x=\"{x:.2}\" y=\"{y:.2}\" font-size=\"{size}\" fill=\"{color}\"{strong}{anchor}>{content}</text>"
        ));
    }

    /// A filled rectangle with corners of `radius`.
    pub fn fill(&mut self, [x, y, width, height]: [f64; 4], radius: f64, color: &str) {
        self.element(format_args!(
            "<rect x=\"{x:.2}\" y=\"{y:.2}\" width=\"{width:.2}\" height=\"{height:.2}\" rx=\"{radius}\" fill=\"{color}\"/>"
        ));
    }

    /// A filled circle, seen through by 1 - `opacity`.
    pub fn dot(&mut self, [x, y]: [f64; 2], radius: f64, color: &str, opacity: f64) {
        self.element(format_args!(
            "<circle cx=\"{x:.2}\" cy=\"{y:.2}\" r=\"{radius:.2}\" fill=\"{color}\" fill-opacity=\"{opacity}\"/>"
        ));
    }

    /// Text with a white edge, to be read on whatever is below it.
    pub fn haloed(&mut self, x: f64, y: f64, style: Style, anchor: Anchor, content: &str) {
        let edge = Style { color: "#ffffff", ..style };
        let content = text::escape(content);
        let stroke = style.size * 0.28;
        let edged = format!(
            "<tspan stroke=\"#ffffff\" stroke-width=\"{stroke:.2}\" stroke-linejoin=\"round\">{content}</tspan>"
        );
        self.set(x, y, edge, anchor, &edged);
        self.set(x, y, style, anchor, &content);
    }

    /// The outline of a rectangle, `line` wide and with these further attributes.
    pub fn outline(&mut self, [x, y, width, height]: [f64; 4], color: &str, line: f64, attributes: &str) {
        self.element(format_args!(
            "<rect x=\"{x:.2}\" y=\"{y:.2}\" width=\"{width:.2}\" height=\"{height:.2}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"{line}\"{attributes}/>"
        ));
    }

    /// A hairline from margin to margin at `y`.
    pub fn rule(&mut self) {
        let (y, right) = (self.y, self.width - MARGIN);
        self.element(format_args!("<path d=\"M{MARGIN:.2} {y:.2}H{right:.2}\" stroke=\"{RULE}\" stroke-width=\"1\"/>"));
    }

    /// Rules of CSS for what follows.
    pub fn styles(&mut self, css: &str) {
        self.element(format_args!("<style>{css}</style>"));
    }

    /// SVG elements that are well-formed by themselves, moved to a place.
    pub fn group(&mut self, x: f64, y: f64, elements: &str) {
        self.element(format_args!("<g transform=\"translate({x:.2} {y:.2})\">{elements}</g>"));
    }

    /// An image with its top left corner at a place, [`SCALE`] of its pixels a unit.
    pub fn image(&mut self, x: f64, y: f64, image: &RgbImage) -> Result<(), PictureError> {
        if image.width() == 0 || image.height() == 0 {
            return Ok(());
        }
        let scale = f64::from(SCALE);
        // On whole device pixels: then nothing is smoothed.
        let [x, y] = [x, y].map(|at| (at * scale).round() / scale);
        let (width, height) = (f64::from(image.width()) / scale, f64::from(image.height()) / scale);
        let data = BASE64_STANDARD.encode(raster::png(image)?);
        self.element(format_args!(
            "<image x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" style=\"image-rendering:pixelated\" xlink:href=\"data:image/png;base64,{data}\"/>"
        ));
        Ok(())
    }

    /// Notes at the bottom, below a rule; ends the page.
    pub fn finish(mut self, notes: &[&str]) -> String {
        self.rule();
        let style = Style::new(NOTE, MUTED);
        self.y += 5.0;
        for note in notes {
            for line in text::wrap(note, NOTE, self.inner()) {
                self.y += 19.0;
                self.text(MARGIN, self.y, style, Anchor::Start, &line);
            }
        }
        let (width, height) = (self.width.ceil(), (self.y + MARGIN - 8.0).ceil());
        let family = text::FAMILY;
        let body = self.body;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" font-family=\"{family}, sans-serif\" font-weight=\"300\" xml:space=\"preserve\">\n<rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n{body}</svg>\n"
        )
    }

    /// A line of SVG that is well-formed by itself.
    fn element(&mut self, element: std::fmt::Arguments) {
        // Writing to a string does not fail.
        let _ = writeln!(self.body, "{element}");
    }
}
