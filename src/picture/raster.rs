//! Pixels at the size they are shown: enlarged by whole numbers without smoothing, or reduced with it.

use std::borrow::Cow;

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::imageops::{self, FilterType as Resample};
use image::{ExtendedColorType, ImageEncoder, RgbImage};

use super::PictureError;

/// An image from the bytes of [`data::Images`](crate::data::Images): row after row, 1 or 3 channels innermost. `None` where the
/// numbers do not fit together.
pub fn rgb(width: u32, height: u32, channels: u32, bytes: &[u8]) -> Option<RgbImage> {
    let bytes = match channels {
        1 => bytes.iter().flat_map(|&gray| [gray; 3]).collect(),
        3 => bytes.to_vec(),
        _ => return None,
    };
    let wanted = u64::from(width) * u64::from(height) * 3;
    (bytes.len() as u64 == wanted).then(|| RgbImage::from_raw(width, height, bytes)).flatten()
}

/// `image` reduced so that no side is longer than `side` pixels, its shape kept; untouched where it is small enough. For sheets of
/// large pictures, which need not all be in memory at their full size.
pub fn reduced(image: RgbImage, side: u32) -> RgbImage {
    match size_within(image.dimensions(), [side; 2]) {
        size if size[0] < image.width() || size[1] < image.height() => resample(&image, size),
        _ => image,
    }
}

/// `image` at the size it is shown within `room` device pixels: as large as it gets, its shape kept. By whole numbers, each pixel a
/// block, where it is at most half as large.
pub fn fit(image: &RgbImage, room: [u32; 2]) -> Cow<'_, RgbImage> {
    let (width, height) = image.dimensions();
    if width == 0 || height == 0 {
        return Cow::Borrowed(image);
    }
    let times = (room[0] / width).min(room[1] / height);
    if times >= 2 {
        return Cow::Owned(enlarge(image, times));
    }
    let size = size_within((width, height), room);
    if size == [width, height] {
        return Cow::Borrowed(image);
    }
    Cow::Owned(resample(image, size))
}

/// Each pixel as a block of `times` x `times`.
pub fn enlarge(image: &RgbImage, times: u32) -> RgbImage {
    let (width, height) = image.dimensions();
    RgbImage::from_fn(width * times, height * times, |x, y| *image.get_pixel(x / times, y / times))
}

/// The largest size within `room` of the shape of `size`, at least one pixel a side.
pub fn size_within(size: (u32, u32), room: [u32; 2]) -> [u32; 2] {
    let (width, height) = (f64::from(size.0.max(1)), f64::from(size.1.max(1)));
    let scale = (f64::from(room[0]) / width).min(f64::from(room[1]) / height);
    [(width, room[0]), (height, room[1])].map(|(side, room)| ((side * scale).round() as u32).clamp(1, room.max(1)))
}

fn resample(image: &RgbImage, [width, height]: [u32; 2]) -> RgbImage {
    // Averages over whole blocks first: the filter alone reads each pixel of a large image dozens of times.
    let coarse = [width, height].map(|side| side.saturating_mul(3));
    if image.width() > coarse[0] && image.height() > coarse[1] {
        let coarse = imageops::thumbnail(image, coarse[0], coarse[1]);
        return imageops::resize(&coarse, width, height, Resample::Lanczos3);
    }
    imageops::resize(image, width, height, Resample::Lanczos3)
}

/// As PNG.
pub fn png(image: &RgbImage) -> Result<Vec<u8>, PictureError> {
    let mut bytes = Vec::new();
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Default, FilterType::Adaptive).write_image(
        image.as_raw(),
        image.width(),
        image.height(),
        ExtendedColorType::Rgb8,
    )?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_fit_their_room_and_keep_their_shape() {
        let size = |width, height| {
            let image = RgbImage::new(width, height);
            fit(&image, [500, 420]).dimensions()
        };
        assert_eq!(size(28, 28), (420, 420));
        assert_eq!(size(100, 50), (500, 250));
        assert_eq!(size(400, 300), (500, 375));
        assert_eq!(size(6000, 4000), (500, 333));
        assert_eq!(size(20_000, 20), (500, 1));
        assert_eq!(size(20, 20_000), (1, 420));
        assert_eq!(size(1, 1), (420, 420));
        assert_eq!(size(0, 7), (0, 7));
    }

    #[test]
    fn reducing_averages() {
        // A chequer of black and white pixels is gray from afar, not black or white.
        let chequer = RgbImage::from_fn(1600, 1200, |x, y| image::Rgb([((x + y) % 2 * 255) as u8; 3]));
        let small = fit(&chequer, [200, 200]);
        assert_eq!(small.dimensions(), (200, 150));
        assert!(small.iter().all(|&v| (120..=135).contains(&v)));
        assert_eq!(reduced(chequer.clone(), 2000), chequer);
    }

    #[test]
    fn bytes_must_be_an_image() {
        let gray = rgb(2, 1, 1, &[3, 4]).expect("an image");
        assert_eq!(gray.into_raw(), [3, 3, 3, 4, 4, 4]);
        assert!(rgb(2, 1, 3, &[0; 6]).is_some());
        for (width, height, channels, bytes) in [(2, 1, 3, 5), (2, 1, 2, 4), (u32::MAX, u32::MAX, 1, 9)] {
            assert!(rgb(width, height, channels, &vec![0; bytes]).is_none());
        }
    }
}
