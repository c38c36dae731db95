//! From the bytes of an image file to pixels, by the `image` crate. The contents tell the format, not the name.

use std::io::{BufRead, BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use image::error::{UnsupportedError, UnsupportedErrorKind};
use image::metadata::Orientation;
use image::{ColorType, DynamicImage, ExtendedColorType, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

use super::budget::{FILES, PIXELS};
use super::flatten::{Decoding, flatten};
use super::guard::guarded;
use crate::data::Image;
use crate::regular;

/// Largest image that is decoded, in pixels: beyond the cameras of today, and what keeps a few bytes that promise an enormous
/// picture (a decompression bomb) from taking the memory.
pub const MOST_PIXELS: u64 = 1 << 27;
/// What a decoder may take besides its result, in bytes.
const MOST_BYTES: u64 = 1 << 30;
/// Larger files are no images that a decoder would take.
const MOST_FILE: u64 = 1 << 31;
/// So many bytes tell the format.
const START: usize = 64;

/// [`decode`]s the image file at `path`, of which no more is read than its decoder asks for.
pub(in crate::data) fn decode_file(path: &Path, decoding: Decoding) -> Result<Image<'static>, String> {
    let failed = |e: std::io::Error| e.to_string();
    let mut file = regular::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    if length > MOST_FILE {
        return Err(format!("it has {length} bytes"));
    }
    let mut start = Vec::with_capacity(START);
    (&mut file).take(START as u64).read_to_end(&mut start).map_err(failed)?;
    let format = known(&start)?;
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    if format == ImageFormat::Jpeg {
        // Its end is looked at before its decoder begins.
        let _taken = FILES.take(length);
        let mut bytes = Vec::new();
        file.take(MOST_FILE).read_to_end(&mut bytes).map_err(failed)?;
        return decode(&bytes, decoding);
    }
    careful(ImageReader::with_format(BufReader::new(file), format), decoding)
}

/// Decodes JPEG (also CMYK), PNG, WebP, BMP, TIFF, PNM, QOI or GIF (its first frame), turned upright as its EXIF orientation says.
///
/// Gray stays gray where its background is; everything else becomes red, green, blue. `decoding` says what becomes of transparency and of
/// 16 bits a channel; a palette is looked up. Floats have no white and are refused. A file that ends early is an error: half a picture must
/// not be trained on. What is wrong is said without the file's name.
pub fn decode(bytes: &[u8], decoding: Decoding) -> Result<Image<'static>, String> {
    let format = known(bytes)?;
    if format == ImageFormat::Jpeg && !jpeg_ends(bytes) {
        return Err("it ends early: truncated".to_owned());
    }
    careful(ImageReader::with_format(Cursor::new(bytes), format), decoding)
}

/// The format of a file that begins so.
fn known(start: &[u8]) -> Result<ImageFormat, String> {
    image::guess_format(start).map_err(|_| match start.is_empty() {
        true => "it is empty".to_owned(),
        false => "its contents are no image of a known format".to_owned(),
    })
}

fn careful<R: BufRead + Seek>(reader: ImageReader<R>, decoding: Decoding) -> Result<Image<'static>, String> {
    guarded(|| read(reader, decoding))
        .unwrap_or_else(|| Err("its decoder gives up on it: damaged".to_owned()))
        .map_err(|e| e.trim_end_matches('.').to_owned())
}

fn read<R: BufRead + Seek>(mut reader: ImageReader<R>, decoding: Decoding) -> Result<Image<'static>, String> {
    let mut limits = Limits::default();
    limits.max_alloc = Some(MOST_BYTES);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(problem)?;
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
    if matches!(decoder.color_type(), ColorType::Rgb32F | ColorType::Rgba32F) {
        return Err(without_white("32-bit floats"));
    }
    // Damaged metadata are no reason to refuse good pixels.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let gray = !decoder.color_type().has_color();
    // The decoder's pixels and those made of them; a rotation makes one copy more.
    let copies = if orientation == Orientation::NoTransforms { 1 } else { 2 };
    let bytes = copies * decoder.total_bytes() + u64::from(width) * u64::from(height) * if gray { 1 } else { 3 };
    let _taken = PIXELS.take(bytes);
    let mut image = DynamicImage::from_decoder(decoder).map_err(problem)?;
    image.apply_orientation(orientation);
    Ok(flatten(image, decoding))
}

/// What is wrong, in words that help.
fn problem(error: ImageError) -> String {
    let text = error.to_string();
    let tiff = |unsupported: &UnsupportedError| match unsupported.kind() {
        // What is no float is refused before, by the second message.
        UnsupportedErrorKind::Color(ExtendedColorType::Unknown(32 | 64)) => Some(without_white("32-bit floats")),
        UnsupportedErrorKind::GenericFeature(text) => {
            let (format, bits) = text.strip_prefix("Unhandled TIFF sample format ")?.split_once(" for ")?;
            let kind = match format {
                "1" => "whole numbers",
                "2" => "signed whole numbers",
                "3" => "floats",
                _ => return None,
            };
            Some(without_white(&format!("{}-bit {kind}", bits.trim_end_matches(" bits"))))
        }
        _ => None,
    };
    match &error {
        ImageError::Unsupported(unsupported) => tiff(unsupported).unwrap_or(text),
        _ => text,
    }
}

/// A TIFF of numbers whose range nothing says.
fn without_white(numbers: &str) -> String {
    format!(
        "it is a TIFF of {numbers}, of which no value is known to be white: convert all such files to 8 or 16 bits, with one scale for all"
    )
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
