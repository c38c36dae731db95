//! The program's icon.

use image::RgbaImage;
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree};

use super::PictureError;

const ICON: &str = include_str!("../../assets/icon.svg");

/// The icon, `side` pixels wide and high.
pub fn icon(side: u32) -> Result<RgbaImage, PictureError> {
    let tree = Tree::from_str(ICON, &Options::default())?;
    let side = side.max(1);
    let Some(mut pixels) = Pixmap::new(side, side) else {
        return Ok(RgbaImage::new(1, 1)); // cannot be: it has pixels
    };
    let scale = side as f32 / tree.size().width();
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixels.as_mut());
    let plain = pixels.pixels().iter().flat_map(|pixel| {
        let pixel = pixel.demultiply();
        [pixel.red(), pixel.green(), pixel.blue(), pixel.alpha()]
    });
    Ok(RgbaImage::from_raw(side, side, plain.collect()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_icon_has_both_views_on_a_clear_ground() {
        let icon = icon(64).expect("it is drawn");
        assert_eq!(icon.dimensions(), (64, 64));
        assert_eq!(icon.get_pixel(0, 0).0[3], 0);
        let [blue, orange] = [(16, 32), (48, 32)].map(|(x, y)| icon.get_pixel(x, y).0);
        assert!(blue[2] > blue[0] && orange[0] > orange[2], "{blue:?} {orange:?}");
    }
}
