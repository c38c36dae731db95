//! From the bytes of an image file to pixels, by the `image` crate. The contents tell the format, not the name.

use std::io::{BufRead, Cursor, Seek};

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use super::guard::guarded;
use crate::data::Image;

/// Largest image that is decoded, in pixels: beyond the cameras of today, and what keeps a few bytes that promise an enormous
/// picture (a decompression bomb) from taking the memory.
pub const MOST_PIXELS: u64 = 1 << 27;
/// What a decoder may take besides its result, in bytes.
const MOST_BYTES: u64 = 1 << 30;

/// Decodes JPEG (also CMYK), PNG, WebP, BMP, TIFF, PNM, QOI or GIF (its first frame), turned upright as its EXIF orientation says.
///
/// Gray stays gray; everything else becomes red, green, blue. Of 16 bits a channel the upper 8 are kept, transparency is dropped (the
/// colours of transparent pixels stay as the file has them, as PIL's `convert("RGB")`), and a palette is looked up. A file that ends
/// early is an error: half a picture must not be trained on. What is wrong is said without the file's name.
pub fn decode(bytes: &[u8]) -> Result<Image<'static>, String> {
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format();
    let reader = reader.map_err(|e| e.to_string())?;
    if reader.format().is_none() {
        return Err(match bytes.is_empty() {
            true => "it is empty".to_owned(),
            false => "its contents are no image of a known format".to_owned(),
        });
    }
    if reader.format() == Some(ImageFormat::Jpeg) && !jpeg_ends(bytes) {
        return Err("it ends early: truncated".to_owned());
    }
    guarded(|| read(reader))
        .unwrap_or_else(|| Err("its decoder gives up on it: damaged".to_owned()))
        .map_err(|e| e.trim_end_matches('.').to_owned())
}

fn read<R: BufRead + Seek>(mut reader: ImageReader<R>) -> Result<Image<'static>, String> {
    let mut limits = Limits::default();
    limits.max_alloc = Some(MOST_BYTES);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(|e| e.to_string())?;
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        return Err("it has no pixels".to_owned());
    }
    if u64::from(width) * u64::from(height) > MOST_PIXELS {
        return Err(format!(
            "it has {width}x{height} pixels, and at most {} million are decoded",
            MOST_PIXELS / 1_000_000
        ));
    }
    // Damaged metadata are no reason to refuse good pixels.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let gray = !decoder.color_type().has_color();
    let mut image = DynamicImage::from_decoder(decoder).map_err(|e| e.to_string())?;
    image.apply_orientation(orientation);
    let (width, height) = (image.width(), image.height());
    let (channels, pixels) = match gray {
        true => (1, image.into_luma8().into_raw()),
        false => (3, image.into_rgb8().into_raw()),
    };
    Ok(Image { width, height, channels, pixels: pixels.into() })
}

/// Whether a JPEG's last scan is closed by its end marker. The decoder fills what is missing with gray, as browsers do.
fn jpeg_ends(bytes: &[u8]) -> bool {
    const START_OF_SCAN: u8 = 0xda;
    const END_OF_IMAGE: [u8; 2] = [0xff, 0xd9];
    // Segment by segment, because one of them may hold a thumbnail with an end marker of its own.
    let mut at = 2;
    while let Some(&[marker, kind, high, low]) = bytes.get(at..at + 4) {
        match (marker, kind) {
            (0xff, START_OF_SCAN) => break,
            (0xff, 0xff) => at += 1, // filling
            (0xff, _) => at += 2 + usize::from(u16::from_be_bytes([high, low])),
            // Not where a segment should begin: the decoder will say what it makes of it.
            _ => break,
        }
    }
    // From behind: it is nearly always the last thing there is.
    let scans = bytes.get(at..).unwrap_or_default();
    scans.windows(2).rev().any(|pair| pair == END_OF_IMAGE)
}
