//! From SVG to a file.

use std::io;
use std::path::Path;

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};
use resvg::tiny_skia::{Color, Pixmap, Transform};
use resvg::usvg::{ImageHrefResolver, Options, Tree};

use super::{PictureError, page, text};
use crate::atomic;

/// Past this viewers, editors and slides refuse a picture.
const MAX_SIDE: u32 = 32_767;

/// Writes a picture as PNG (two pixels a unit of the SVG) or, where the name ends in `.svg`, as it is, whole or not at
/// all.
pub fn write(svg: &str, path: &Path) -> Result<(), PictureError> {
    let extension = path.extension().map(|e| e.to_ascii_lowercase());
    let png;
    let bytes = match extension.as_deref().and_then(|e| e.to_str()) {
        Some("svg") => svg.as_bytes(),
        Some("png") => {
            png = draw(svg, path)?;
            png.as_slice()
        }
        _ => {
            return Err(PictureError::Kind { file: path.to_path_buf() });
        }
    };
    atomic::write(path, |file| file.write_all(bytes))
        .map_err(|reason: io::Error| PictureError::Write { file: path.to_path_buf(), reason })
}

/// Fails where [`write()`] would not know what to make of the file's name: asked before the work is done.
pub fn check_name(path: &Path) -> Result<(), PictureError> {
    let extension = path.extension().map(|e| e.to_ascii_lowercase());
    match extension.as_deref().and_then(|e| e.to_str()) {
        Some("svg" | "png") => Ok(()),
        _ => Err(PictureError::Kind { file: path.to_path_buf() }),
    }
}

fn draw(svg: &str, path: &Path) -> Result<Vec<u8>, PictureError> {
    let options = Options {
        fontdb: text::fonts(),
        font_family: text::FAMILY.to_owned(),
        // A picture embeds what it shows; no name in it opens a file.
        image_href_resolver: ImageHrefResolver {
            resolve_string: Box::new(|_, _| None),
            ..ImageHrefResolver::default()
        },
        ..Options::default()
    };
    let tree = Tree::from_str(svg, &options)?;
    let pixels = |units: f32| (units * page::SCALE as f32).round() as u64;
    let (width, height) = (pixels(tree.size().width()), pixels(tree.size().height()));
    let too_large = || PictureError::TooLarge { file: path.to_path_buf(), width, height, limit: MAX_SIDE };
    if width.max(height) > u64::from(MAX_SIDE) {
        return Err(too_large());
    }
    // Both fit: see above. It fails where the memory of the picture cannot be addressed.
    let mut pixmap = Pixmap::new(width as u32, height as u32).ok_or_else(too_large)?;
    pixmap.fill(Color::WHITE);
    let scale = page::SCALE as f32;
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixmap.as_mut());
    // On white nothing is transparent.
    let rgb: Vec<u8> = pixmap.data().chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]]).collect();
    let mut png = Vec::new();
    PngEncoder::new_with_quality(&mut png, CompressionType::Default, FilterType::Adaptive).write_image(
        &rgb,
        width as u32,
        height as u32,
        ExtendedColorType::Rgb8,
    )?;
    Ok(png)
}
