//! The pixels that one view is made from: its crop, cut out of the decoded image, and no more of them than the view can use.

use fast_image_resize::images::{Image as Resized, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use super::ViewDraws;
use crate::data::Image;

/// A crop with more than this many times the view's pixels along an axis is filtered down to that many before it goes to the device
/// (Pillow's `resize(reducing_gap=2.0)`), so that a batch of photos fits the device. What the device then filters down further differs
/// from filtering it all at once by less than a step of 8 bits on average (`a_reduced_patch_makes_the_same_view`).
///
/// Tried, on photos of 300-500 pixels and views of 96, where nearly every crop is filtered: 3, no faster, with patches twice the size; a
/// box instead of the cubic, 8 % faster, with errors up to 14 steps of 8 bits instead of 4.
const GAP: u32 = 2;

/// A part of an image: 8 bits a channel, HWC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    /// Pixels a row, at least 1.
    pub width: u32,
    /// Rows, at least 1.
    pub height: u32,
    /// 1 or 3.
    pub channels: u32,
    /// `width * height * channels` bytes.
    pub pixels: Vec<u8>,
}

impl Patch {
    /// The patch for a view of `size` pixels a side. A crop that leaves the image is cut at its border.
    pub fn new(image: &Image, draws: &ViewDraws, size: usize) -> Patch {
        let left = draws.left.min(image.width.saturating_sub(1));
        let top = draws.top.min(image.height.saturating_sub(1));
        let width = draws.width.clamp(1, (image.width - left).max(1));
        let height = draws.height.clamp(1, (image.height - top).max(1));
        let most = GAP * u32::try_from(size).unwrap_or(u32::MAX / GAP);
        let crop = [left, top, width, height];
        if width > most || height > most {
            // None only where the image's numbers do not fit together, and then the plain cut finds no pixels either.
            if let Some(patch) = reduce(image, crop, width.min(most), height.min(most)) {
                return patch;
            }
        }
        cut(image, crop)
    }

    /// Most bytes that a patch for a view of `size` pixels can have, of an image of `image` pixels where that is known.
    pub fn most_bytes(size: usize, image: Option<(u32, u32)>) -> usize {
        let side = GAP as usize * size;
        let along = |pixels: u32| side.min(pixels as usize);
        let (width, height) = image.map_or((side, side), |(w, h)| (along(w), along(h)));
        3 * width * height
    }
}

fn cut(image: &Image, [left, top, width, height]: [u32; 4]) -> Patch {
    let channels = image.channels as usize;
    let row = image.width as usize * channels;
    let (first, bytes) = (left as usize * channels, width as usize * channels);
    let mut pixels = Vec::with_capacity(bytes * height as usize);
    for row in image.pixels.chunks_exact(row.max(1)).skip(top as usize).take(height as usize) {
        pixels.extend_from_slice(&row[first..first + bytes]);
    }
    Patch { width, height, channels: image.channels, pixels }
}

/// Fewer pixels by a cubic filter as wide as its scale.
fn reduce(image: &Image, crop: [u32; 4], width: u32, height: u32) -> Option<Patch> {
    let kind = match image.channels {
        1 => PixelType::U8,
        _ => PixelType::U8x3,
    };
    let source = ImageRef::new(image.width, image.height, &image.pixels, kind).ok()?;
    let mut reduced = Resized::new(width, height, kind);
    let [left, top, crop_width, crop_height] = crop.map(f64::from);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom)).crop(
        left,
        top,
        crop_width,
        crop_height,
    );
    Resizer::new().resize(&source, &mut reduced, &options).ok()?;
    Some(Patch { width, height, channels: image.channels, pixels: reduced.into_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Held;

    fn image(width: u32, height: u32, channels: u32) -> Image<'static> {
        let bytes = 0..width * height * channels;
        Image {
            width,
            height,
            channels,
            pixels: bytes.map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect(),
            held: Held::default(),
        }
    }

    fn draws([left, top, width, height]: [u32; 4]) -> ViewDraws {
        ViewDraws { left, top, width, height, ..ViewDraws::evaluation(1, 1, 0) }
    }

    #[test]
    fn a_small_crop_is_cut_out_exactly() {
        for channels in [1, 3] {
            let image = image(7, 5, channels);
            let patch = Patch::new(&image, &draws([2, 1, 4, 3]), 2);
            assert_eq!((patch.width, patch.height), (4, 3));
            let at = |x: u32, y: u32, c: u32| image.pixels[((y * 7 + x) * channels + c) as usize];
            let expected = (1..4).flat_map(|y| (2..6).flat_map(move |x| (0..channels).map(move |c| (x, y, c))));
            assert!(patch.pixels.iter().copied().eq(expected.map(|(x, y, c)| at(x, y, c))));
        }
    }

    #[test]
    fn a_large_crop_is_filtered_down_to_twice_the_view() {
        let mut image = image(64, 48, 1);
        image.pixels = (0..64 * 48).map(|i| (i % 64 * 4) as u8).collect();
        let patch = Patch::new(&image, &draws([0, 0, 64, 48]), 8);
        assert_eq!((patch.width, patch.height), (16, 16));
        // A ramp stays a ramp, away from its ends.
        for (x, &value) in patch.pixels[..16].iter().enumerate().take(14).skip(2) {
            let expected = 16 * x as u8 + 6;
            assert!(value.abs_diff(expected) <= 1, "{value} at {x}");
        }
        // Only the longer side is too long.
        let patch = Patch::new(&image, &draws([0, 3, 64, 5]), 8);
        assert_eq!((patch.width, patch.height), (16, 5));
        assert!(patch.pixels.len() <= Patch::most_bytes(8, None));
        image.channels = 3; // does not fit its pixels
        assert!(Patch::new(&image, &draws([0, 0, 64, 48]), 8).pixels.len() < 64 * 48 * 3);
    }

    #[test]
    fn most_bytes_hold_any_patch() {
        assert_eq!(Patch::most_bytes(32, None), 64 * 64 * 3);
        assert_eq!(Patch::most_bytes(32, Some((28, 100))), 28 * 64 * 3);
    }
}
