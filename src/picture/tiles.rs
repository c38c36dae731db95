//! Many small images as one: a grid without words, for programs that cut it up again.

use std::sync::Arc;

use image::{RgbImage, imageops};

use super::{PictureError, raster};
use crate::data::{ImageSet, Prefetch, threads};

/// Images of a set as PNG, row after row of `columns`, each in the middle of a white square of `side` pixels, its shape kept. The square of one
/// that cannot be read stays white.
pub fn tiles(set: &Arc<dyn ImageSet>, images: Vec<u32>, columns: u32, side: u32) -> Result<Vec<u8>, PictureError> {
    let rows = (images.len() as u32).div_ceil(columns);
    let mut sheet = RgbImage::from_pixel(columns * side, rows * side, image::Rgb([255; 3]));
    let (set, count, threads) = (set.clone(), images.len() as u64, threads(0) + 1);
    let read = move |place: u64| {
        let image = set.read(images[place as usize] as usize).ok()?;
        let pixels = raster::rgb(image.width, image.height, image.channels, &image.pixels)?;
        Some(raster::fit(&pixels, [side; 2]).into_owned())
    };
    for (place, image) in (0u32..).zip(Prefetch::new(threads, 4 * threads, 0..count, read)) {
        if let Some(image) = image {
            let at = |cell: u32, of: u32| i64::from(cell * side + (side - of) / 2);
            let (x, y) = (at(place % columns, image.width()), at(place / columns, image.height()));
            imageops::replace(&mut sheet, &image, x, y);
        }
    }
    raster::png(&sheet)
}
