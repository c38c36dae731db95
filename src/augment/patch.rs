//! The pixels that one view is made from: its crop, cut out of the decoded image, and no more of them than the view can use.

use fast_image_resize::images::{CroppedImage, Image as Resized, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use super::ViewDraws;
use crate::data::Image;

/// A crop with more than this many times the view's pixels along an axis is resized to the view's own size before it goes to the device,
/// by the filter that the device has too, so that a batch of photos fits the device. It then differs from what the device makes of the whole
/// crop by rounding to 8 bits (`a_resized_patch_makes_the_same_view`).
///
/// Tried instead: a cubic filter to twice the view's pixels, and the rest on the device. Features were 0.8 % off, up to 2.4 %, and sharp
/// graphics up to 21 of 255; it takes longer too, because there are four times as many pixels.
const GAP: u32 = 2;

/// What torchvision's `Resize(256)` leaves before `CenterCrop(224)`, over the size of the view.
const RESIZED: (u64, u64) = (8, 7);

/// Of an image whose sides differ by more than this factor only the middle part is resized.
const ELONGATED: u32 = 16;

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
            let size = most / GAP;
            if let Some(patch) = resize(image, crop, size, size) {
                return patch;
            }
        }
        cut(image, crop)
    }

    /// The patch of an image that is evaluated, which is `size` pixels a side, as torchvision's `Resize` and `CenterCrop`: the shorter side of
    /// the image becomes 8/7 of `size`, and the view is cut out of its middle.
    pub fn center(image: &Image, size: usize) -> Patch {
        let size = u32::try_from(size).unwrap_or(u32::MAX).max(1);
        let short = image.width.min(image.height).max(1);
        let (up, down) = RESIZED;
        let shorter = (u64::from(size) * up + down / 2) / down;
        // The ends of a very long image never reach the view, and resized they could take more memory than there is.
        let part = [image.width, image.height].map(|side| side.min(short.saturating_mul(ELONGATED)));
        // torchvision rounds the longer side down, and halves to even.
        let sides = part.map(|side| u32::try_from(shorter * u64::from(side) / u64::from(short)).unwrap_or(u32::MAX));
        let [left, top] = sides.map(|side| (f64::from(side.saturating_sub(size)) / 2.0).round_ties_even() as u32);
        let whole = [(image.width - part[0]) / 2, (image.height - part[1]) / 2, part[0], part[1]];
        let Some(patch) = resize(image, whole, sides[0], sides[1]) else {
            return cut(image, whole); // cannot be, as above
        };
        let resized = Image {
            width: patch.width,
            height: patch.height,
            channels: patch.channels,
            pixels: patch.pixels.into(),
            info: image.info,
        };
        cut(&resized, [left, top, size, size])
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

/// A crop with other pixels: by a triangle filter, as wide as its scale where the crop shrinks (PIL's `BILINEAR`, torchvision's antialias).
fn resize(image: &Image, crop: [u32; 4], width: u32, height: u32) -> Option<Patch> {
    let kind = match image.channels {
        1 => PixelType::U8,
        _ => PixelType::U8x3,
    };
    let source = ImageRef::new(image.width, image.height, &image.pixels, kind).ok()?;
    let mut resized = Resized::new(width, height, kind);
    // Cut first: an option of the resizer would let it see beyond the crop.
    let [left, top, crop_width, crop_height] = crop;
    let crop = CroppedImage::new(&source, left, top, crop_width, crop_height).ok()?;
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    Resizer::new().resize(&crop, &mut resized, &options).ok()?;
    Some(Patch { width, height, channels: image.channels, pixels: resized.into_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::PixelInfo;

    fn image(width: u32, height: u32, channels: u32) -> Image<'static> {
        let bytes = 0..width * height * channels;
        Image {
            width,
            height,
            channels,
            pixels: bytes.map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect(),
            info: PixelInfo::default(),
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
    fn a_large_crop_is_resized_to_the_view() {
        let mut image = image(64, 48, 1);
        image.pixels = (0..64 * 48).map(|i| (i % 64 * 4) as u8).collect();
        let patch = Patch::new(&image, &draws([0, 0, 64, 48]), 8);
        assert_eq!((patch.width, patch.height), (8, 8));
        // A ramp stays a ramp, away from its ends.
        for (x, &value) in patch.pixels[..8].iter().enumerate().take(7).skip(1) {
            let expected = 32 * x as u8 + 14;
            assert!(value.abs_diff(expected) <= 1, "{value} at {x}");
        }
        // Also where only the longer side is too long.
        let patch = Patch::new(&image, &draws([0, 3, 64, 5]), 8);
        assert_eq!((patch.width, patch.height), (8, 8));
        assert!(patch.pixels.len() <= Patch::most_bytes(8, None));
        image.channels = 3; // does not fit its pixels
        assert!(Patch::new(&image, &draws([0, 0, 64, 48]), 8).pixels.len() < 64 * 48 * 3);
    }

    /// Its ends resized too would be 6 GB.
    #[test]
    fn a_very_long_image_has_a_middle() {
        for (width, height) in [(1, 100_000), (100_000, 1)] {
            let image = image(width, height, 3);
            let patch = Patch::center(&image, 224);
            assert_eq!((patch.width, patch.height, patch.pixels.len()), (224, 224, 3 * 224 * 224));
        }
    }

    #[test]
    fn most_bytes_hold_any_patch() {
        assert_eq!(Patch::most_bytes(32, None), 64 * 64 * 3);
        assert_eq!(Patch::most_bytes(32, Some((28, 100))), 28 * 64 * 3);
    }
}
