//! From what a decoder gives to 8 opaque bits a channel: transparency is composed on a background, 16 bits are scaled.

use image::{DynamicImage, LumaA, Rgba};

use crate::config::{Background, DataConfig};
use crate::data::{Image, PixelInfo};

/// What becomes of an image that holds more than 8 bits a channel. One for a whole set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoding {
    /// Behind transparent pixels.
    pub background: Background,
    /// Value of 16 bits that becomes 255; higher ones do too. `None` is 65535, unless a set shows that it is another.
    pub white_level: Option<u16>,
}

impl Default for Decoding {
    fn default() -> Self {
        Self::from(&DataConfig::default())
    }
}

impl From<&DataConfig> for Decoding {
    fn from(config: &DataConfig) -> Self {
        let white_level = config.white_level.map(|level| u16::try_from(level).unwrap_or(u16::MAX));
        Self { background: config.background, white_level }
    }
}

impl Decoding {
    fn scale(self, value: u16) -> u8 {
        let white = u32::from(self.white_level.unwrap_or(u16::MAX).max(1));
        // At most 255.
        ((u32::from(value).min(white) * 255 + white / 2) / white) as u8
    }
}

/// Gray stays gray where its background is; everything else becomes red, green, blue.
pub(super) fn flatten(image: DynamicImage, decoding: Decoding) -> Image<'static> {
    let (width, height) = (image.width(), image.height());
    let mut info = PixelInfo::default();
    let (channels, pixels) = match image {
        DynamicImage::ImageLuma8(image) => (1, image.into_raw()),
        DynamicImage::ImageRgb8(image) => (3, image.into_raw()),
        DynamicImage::ImageLumaA8(image) => {
            compose(image.pixels().map(|LumaA([v, a])| ([*v], *a)), decoding, &mut info)
        }
        DynamicImage::ImageRgba8(image) => {
            compose(image.pixels().map(|Rgba([r, g, b, a])| ([*r, *g, *b], *a)), decoding, &mut info)
        }
        DynamicImage::ImageLuma16(image) => (1, deep(&image, decoding, &mut info)),
        DynamicImage::ImageRgb16(image) => (3, deep(&image, decoding, &mut info)),
        DynamicImage::ImageLumaA16(_) | DynamicImage::ImageRgba16(_) => {
            let gray = !image.color().has_color();
            let image = image.into_rgba16();
            let colors = image.pixels().flat_map(|Rgba([r, g, b, _])| [*r, *g, *b]);
            info.peak = colors.max();
            let pixels = image.pixels().map(|Rgba([r, g, b, a])| {
                let opacity = Decoding { white_level: None, ..decoding }.scale(*a);
                ([*r, *g, *b].map(|value| decoding.scale(value)), opacity)
            });
            match gray {
                true => compose(pixels.map(|([v, _, _], a)| ([v], a)), decoding, &mut info),
                false => compose(pixels, decoding, &mut info),
            }
        }
        // Floats are refused before they are decoded; what future versions of the crate add is as they convert it.
        other => (3, other.into_rgb8().into_raw()),
    };
    Image { width, height, channels, pixels: pixels.into(), info }
}

/// Values of 16 bits, scaled.
fn deep(values: &[u16], decoding: Decoding, info: &mut PixelInfo) -> Vec<u8> {
    info.peak = values.iter().copied().max();
    values.iter().map(|&value| decoding.scale(value)).collect()
}

/// Pixels of `N` channels with their opacity on the background.
fn compose<const N: usize>(
    pixels: impl Iterator<Item = ([u8; N], u8)>,
    decoding: Decoding,
    info: &mut PixelInfo,
) -> (u32, Vec<u8>) {
    let background = decoding.background.0;
    let colored = N == 1 && background.is_some_and(|[red, green, blue]| red != green || green != blue);
    let mut flat = Vec::with_capacity(pixels.size_hint().0 * if colored { 3 } else { N });
    for (pixel, opacity) in pixels {
        info.transparent |= opacity < u8::MAX;
        let over = |channel: usize| {
            let value = u32::from(pixel[channel % N]);
            let behind = background.map_or(value, |colour| u32::from(colour[channel]));
            let opacity = u32::from(opacity);
            ((value * opacity + behind * (255 - opacity) + 127) / 255) as u8
        };
        match colored {
            true => flat.extend([0, 1, 2].map(over)),
            false => flat.extend((0..N).map(over)),
        }
    }
    (if colored { 3 } else { N as u32 }, flat)
}
