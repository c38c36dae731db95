//! Pictures as textures.

use egui::{ColorImage, TextureHandle, TextureOptions, Ui};

/// The texture of a picture. One that is no longer needed is filled anew: a training shows thousands of pictures.
pub(in crate::app) fn texture(ui: &Ui, picture: &image::RgbImage, old: Option<TextureHandle>) -> TextureHandle {
    let size = [picture.width() as usize, picture.height() as usize];
    let image = ColorImage::from_rgb(size, picture.as_raw());
    // A block is a pixel where an image is small, as the network has it.
    let options = match picture.width().max(picture.height()) {
        0..=128 => TextureOptions::NEAREST,
        _ => TextureOptions::LINEAR,
    };
    match old {
        Some(mut texture) => {
            texture.set(image, options);
            texture
        }
        None => ui.ctx().load_texture("view", image, options),
    }
}
