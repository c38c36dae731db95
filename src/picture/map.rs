//! A map of a data set as a network sees it: a dot an image, coloured by class.

use super::page::{self, Anchor, Page, Style};
use super::text;
use crate::format;

/// A map.
#[derive(Clone, Debug)]
pub struct FeatureSheet {
    /// The heading.
    pub title: String,
    /// Below it: which network, which images.
    pub subtitle: String,
    /// Where the images are, in any units.
    pub points: Vec<[f64; 2]>,
    /// The class of each, where they are known.
    pub labels: Option<Vec<u32>>,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// How the map was made, at the bottom.
    pub notes: Vec<String>,
}

/// Side of the map.
const SIDE: f64 = 640.0;
/// Inside it, free of dots.
const PADDING: f64 = 18.0;
const GAP: f64 = 32.0;
/// Radius of a dot where there are few, and where there are many.
const DOTS: [f64; 2] = [4.2, 2.3];
const OPACITY: f64 = 0.8;
/// A column of the legend.
const COLUMN: f64 = 148.0;
const LINE: f64 = 24.0;
const SMALL_LINE: f64 = 17.0;
/// Classes that colours alone tell apart: more have numbers, too.
const TOLD_APART: usize = 10;
/// More are not listed.
const MOST_LISTED: usize = 144;

/// Ten colours that are far from each other in hue and lightness (Observable's categorical palette, its gray darker).
const COLORS: [&str; TOLD_APART] =
    ["#4269d0", "#efb118", "#ff725c", "#6cc5b0", "#3ca951", "#ff8ab7", "#a463f2", "#97bbf5", "#9c6b4e", "#6b7280"];

impl FeatureSheet {
    /// The picture.
    pub fn svg(&self) -> String {
        let present = self.present();
        let listed = present.len().min(MOST_LISTED);
        let line = if present.len() > TOLD_APART { SMALL_LINE } else { LINE };
        let a_column = (SIDE / line) as usize;
        let columns = listed.div_ceil(a_column);
        let legend = match columns {
            0 => 0.0,
            n => GAP + n as f64 * COLUMN,
        };
        let width = 2.0 * page::MARGIN + SIDE + legend;
        let mut page = Page::new(width, &self.title, &self.subtitle);
        page.y += 24.0;
        self.dots(&mut page, &present);
        let colors = Colors::new(present.len());
        for (place, &class) in present.iter().take(listed).enumerate() {
            let x = page::MARGIN + SIDE + GAP + (place / a_column) as f64 * COLUMN;
            let y = page.y + (place % a_column) as f64 * line;
            self.entry(&mut page, [x, y], line, (place, class), &colors);
        }
        page.y += SIDE + 22.0;
        let more = format!("{} more classes are not listed.", format::count(present.len() - listed));
        let mut notes: Vec<&str> = self.notes.iter().map(String::as_str).collect();
        if present.len() > listed {
            notes.push(&more);
        }
        page.finish(&notes)
    }

    /// The classes on the map, rising.
    fn present(&self) -> Vec<u32> {
        let mut present = self.labels.clone().unwrap_or_default();
        present.sort_unstable();
        present.dedup();
        present
    }

    fn dots(&self, page: &mut Page, present: &[u32]) {
        let (left, top) = (page::MARGIN, page.y);
        page.fill([left, top, SIDE, SIDE], 0.0, page::CELL);
        let places = placed(&self.points, [left, top]);
        let colors = Colors::new(present.len());
        let few = 1.0 - (self.points.len() as f64 / 2000.0).min(1.0);
        let radius = DOTS[1] + few * (DOTS[0] - DOTS[1]);
        // In an order that mixes the classes, so that none lies on top of the others.
        let mut order: Vec<u32> = (0..places.len() as u32).collect();
        order.sort_by_key(|i| i.wrapping_mul(2_654_435_761));
        let place_of = |i: usize| {
            let label = self.labels.as_ref()?.get(i)?;
            present.binary_search(label).ok()
        };
        for i in order {
            let i = i as usize;
            let color = place_of(i).map_or_else(|| page::MUTED.to_owned(), |p| colors.of(p));
            page.dot(places[i], radius, &color, OPACITY);
        }
        if present.len() <= TOLD_APART {
            return;
        }
        // At the middle dot of each class its number.
        for place in 0..present.len() {
            let own = (0..places.len()).filter(|&i| place_of(i) == Some(place));
            let own: Vec<[f64; 2]> = own.map(|i| places[i]).collect();
            let [x, y] = [0, 1].map(|axis| {
                let mut values: Vec<f64> = own.iter().map(|point| point[axis]).collect();
                values.sort_by(f64::total_cmp);
                values.get(values.len() / 2).copied().unwrap_or(0.0)
            });
            let number = (place + 1).to_string();
            let style = Style::new(page::NOTE, page::INK).strong();
            let baseline = y + page::NOTE * text::CAP_HEIGHT / 2.0;
            page.haloed(x, baseline, style, Anchor::Middle, &number);
        }
    }

    /// A line of the legend, its top at `y`.
    fn entry(&self, page: &mut Page, [x, y]: [f64; 2], line: f64, (place, class): (usize, u32), colors: &Colors) {
        let middle = y + line / 2.0;
        let size = if line < LINE { 11.0 } else { page::BODY };
        let baseline = middle + size * text::CAP_HEIGHT / 2.0;
        page.dot([x + 6.0, middle], size * 0.42, &colors.of(place), 1.0);
        let mut at = x + 20.0;
        if line < LINE {
            let style = Style::new(size, page::MUTED);
            page.text(at + 16.0, baseline, style, Anchor::End, &(place + 1).to_string());
            at += 22.0;
        }
        let name = self.classes.get(class as usize).cloned();
        let name = name.unwrap_or_else(|| format!("class {class}"));
        let name = text::shorten(&name, size, x + COLUMN - 10.0 - at);
        page.text(at, baseline, Style::new(size, page::INK), Anchor::Start, &name);
    }
}

/// Points inside the map's square, as large as they get with one scale for both axes; the second axis points up.
fn placed(points: &[[f64; 2]], [left, top]: [f64; 2]) -> Vec<[f64; 2]> {
    let range = |axis: usize| {
        let values = points.iter().map(|point| point[axis]);
        let low = values.clone().fold(f64::INFINITY, f64::min);
        let high = values.fold(f64::NEG_INFINITY, f64::max);
        (low, high)
    };
    let [(x0, x1), (y0, y1)] = [range(0), range(1)];
    let extent = (x1 - x0).max(y1 - y0);
    let scale = match extent > 0.0 {
        true => (SIDE - 2.0 * PADDING) / extent,
        false => 0.0,
    };
    let [x, y] = [(x0 + x1) / 2.0, (y0 + y1) / 2.0];
    let place =
        |point: &[f64; 2]| [left + SIDE / 2.0 + (point[0] - x) * scale, top + SIDE / 2.0 - (point[1] - y) * scale];
    points.iter().map(place).collect()
}

/// A colour a class.
struct Colors {
    classes: usize,
}

impl Colors {
    fn new(classes: usize) -> Colors {
        Colors { classes }
    }

    /// Of the class in this place. More classes than there are colours of a palette go around the circle of hues, neighbours in the list
    /// with another lightness.
    fn of(&self, place: usize) -> String {
        if self.classes <= TOLD_APART {
            return COLORS[place % TOLD_APART].to_owned();
        }
        let hue = 360.0 * place as f64 / self.classes as f64;
        let lightness = [44, 60, 33][place % 3];
        let saturation = [72, 66, 60][place % 3];
        format!("hsl({hue:.0},{saturation}%,{lightness}%)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_fill_the_square_and_keep_their_shape() {
        let places = placed(&[[-1.0, 5.0], [3.0, 5.0], [1.0, 6.0]], [40.0, 100.0]);
        let [low, high] = [40.0 + PADDING, 40.0 + SIDE - PADDING];
        assert_eq!((places[0][0], places[1][0]), (low, high));
        // A quarter as high as wide, in the middle, upwards.
        let rise = places[0][1] - places[2][1];
        assert!((rise - (high - low) / 4.0).abs() < 1e-9);
        let middle = (places[0][1] + places[2][1]) / 2.0;
        assert!((middle - (100.0 + SIDE / 2.0)).abs() < 1e-9);
        assert_eq!(placed(&[[7.0, 7.0]], [0.0, 0.0]), [[SIDE / 2.0; 2]]);
    }

    #[test]
    fn classes_have_colours_of_their_own() {
        for classes in [1, 10, 11, 100, 144] {
            let colors = Colors::new(classes);
            let mut all: Vec<String> = (0..classes).map(|place| colors.of(place)).collect();
            all.sort();
            all.dedup();
            assert_eq!(all.len(), classes);
        }
    }
}
