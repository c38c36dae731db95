//! What is drawn at random for one view of one image, on the CPU: a pure function of (seed, epoch, image, view), so that it can be
//! printed, tested and drawn again. The semantics are torchvision's (`RandomResizedCrop`, `RandomHorizontalFlip`, `ColorJitter`,
//! `RandomGrayscale`, `GaussianBlur`), the order of application the authors': crop, jitter, gray, blur, flip, normalise;
//! BYOL's `RandomSolarize` comes after the blur.

use std::fmt;

use crate::config::AugmentConfig;
use crate::random::{Draw, Purpose};

/// Tries at a crop that fits inside the image before the centre is taken, as torchvision.
const CROP_TRIES: usize = 10;

/// One of the four colour changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum JitterOp {
    /// Multiplies the pixels.
    Brightness = 0,
    /// Blends with the image's mean gray.
    Contrast = 1,
    /// Blends with the gray image.
    Saturation = 2,
    /// Turns the colour circle.
    Hue = 3,
}

/// A colour jitter (torchvision `ColorJitter`): `order` says in which order the four changes are applied.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Jitter {
    /// Factor from [max(0, 1 - s), 1 + s]; 1 changes nothing.
    pub brightness: f32,
    /// Factor, as brightness.
    pub contrast: f32,
    /// Factor, as brightness.
    pub saturation: f32,
    /// Shift in parts of the colour circle from [-h, h]; 0 changes nothing.
    pub hue: f32,
    /// The order of application, each change once.
    pub order: [JitterOp; 4],
}

/// Everything that makes a view from an image. The crop is in pixels of the source image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ViewDraws {
    /// Index of the image in its data set.
    pub image: u32,
    /// 0 or 1 in training; 2 and 3 are those of a second pair.
    pub view: u8,
    /// First row of the crop.
    pub top: u32,
    /// First column of the crop.
    pub left: u32,
    /// Rows of the crop, at least 1.
    pub height: u32,
    /// Columns of the crop, at least 1.
    pub width: u32,
    /// Whether the view is mirrored left to right.
    pub flip: bool,
    /// The colour jitter, where there is one.
    pub jitter: Option<Jitter>,
    /// Whether the view loses its colours.
    pub gray: bool,
    /// Standard deviation of the Gaussian blur in pixels of the view, where there is one.
    pub blur_sigma: Option<f32>,
    /// Whether light pixels are inverted.
    pub solarize: bool,
}

impl ViewDraws {
    /// The test transform: no chance in it; the whole image where it is square, else the largest square at its centre.
    pub fn evaluation(source_width: u32, source_height: u32, image: u32) -> Self {
        let side = source_width.min(source_height);
        let (top, left) = ((source_height - side) / 2, (source_width - side) / 2);
        Self {
            image,
            view: 0,
            top,
            left,
            height: side,
            width: side,
            flip: false,
            jitter: None,
            gray: false,
            blur_sigma: None,
            solarize: false,
        }
    }
}

/// Draws a view of image number `image`, which is `source_width` x `source_height` pixels.
///
/// The number of random words and what each is for is fixed (53, in the order of the code below), whatever the configuration: turning
/// one augmentation off leaves the others as they were. A new one takes its words after all others, so that seeds keep their meaning. Expects a configuration that passed its checks and an image of at least
/// one pixel.
pub fn draw(
    config: &AugmentConfig,
    source_width: u32,
    source_height: u32,
    seed: u64,
    epoch: u32,
    image: u32,
    view: u8,
) -> ViewDraws {
    let mut draw = Draw::new(seed, Purpose::Augment, epoch, image, view);
    let [top, left, height, width] = crop(config, source_width, source_height, &mut draw);
    let flip = draw.chance(config.flip);
    let jitter = jitter(config, &mut draw);
    let gray = draw.chance(config.grayscale);
    let blur = draw.chance(config.blur_probability);
    let sigma = draw.uniform(config.blur_sigma[0], config.blur_sigma[1]) as f32;
    let solarize = draw.chance(config.solarize);
    let blur_sigma = blur.then_some(sigma);
    ViewDraws { image, view, top, left, height, width, flip, jitter, gray, blur_sigma, solarize }
}

/// torchvision's `RandomResizedCrop.get_params`: top, left, height, width. 40 words: all tries are drawn, the first that fits counts.
fn crop(config: &AugmentConfig, source_width: u32, source_height: u32, draw: &mut Draw) -> [u32; 4] {
    let (full_width, full_height) = (f64::from(source_width), f64::from(source_height));
    let [low, high] = config.crop_ratio;
    let mut found = None;
    for _ in 0..CROP_TRIES {
        let area = full_width * full_height * draw.uniform(config.crop_scale[0], config.crop_scale[1]);
        let ratio = draw.uniform(low.ln(), high.ln()).exp();
        // Python rounds halves to even.
        let width = (area * ratio).sqrt().round_ties_even();
        let height = (area / ratio).sqrt().round_ties_even();
        let (down, across) = (draw.word(), draw.word());
        let fits = (1.0..=full_width).contains(&width) && (1.0..=full_height).contains(&height);
        if fits && found.is_none() {
            let (width, height) = (width as u32, height as u32);
            let place = |word: u32, room: u32| ((u64::from(word) * (u64::from(room) + 1)) >> 32) as u32;
            found = Some([place(down, source_height - height), place(across, source_width - width), height, width]);
        }
    }
    found.unwrap_or_else(|| {
        // The largest crop at the centre whose ratio is allowed.
        let ratio = full_width / full_height;
        let (mut width, mut height) = (source_width, source_height);
        if ratio < low {
            height = ((full_width / low).round_ties_even() as u32).clamp(1, source_height);
        } else if ratio > high {
            width = ((full_height * high).round_ties_even() as u32).clamp(1, source_width);
        }
        [(source_height - height) / 2, (source_width - width) / 2, height, width]
    })
}

/// torchvision's `RandomApply([ColorJitter(..)], p)`. 8 words.
fn jitter(config: &AugmentConfig, draw: &mut Draw) -> Option<Jitter> {
    let on = draw.chance(config.jitter_probability);
    let mut factor = |strength: f64| draw.uniform((1.0 - strength).max(0.0), 1.0 + strength) as f32;
    let (brightness, contrast, saturation) =
        (factor(config.brightness), factor(config.contrast), factor(config.saturation));
    let hue = draw.uniform(-config.hue, config.hue) as f32;
    let mut order = [JitterOp::Brightness, JitterOp::Contrast, JitterOp::Saturation, JitterOp::Hue];
    for last in (1..4_u32).rev() {
        order.swap(last as usize, draw.below(last + 1) as usize);
    }
    on.then_some(Jitter { brightness, contrast, saturation, hue, order })
}

/// One line for people: `image 17 view 1: crop 20x18 at (4, 3), contrast 1.20, brightness 0.83, gray, blur 1.31, flipped`.
/// Changes that change nothing are left out; the colour changes stand in their order of application.
impl fmt::Display for ViewDraws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { image, view, top, left, height, width, .. } = self;
        write!(f, "image {image} view {view}: crop {width}x{height} at ({left}, {top})")?;
        if let Some(jitter) = &self.jitter {
            for op in jitter.order {
                match op {
                    JitterOp::Brightness if jitter.brightness != 1.0 => {
                        write!(f, ", brightness {:.2}", jitter.brightness)?
                    }
                    JitterOp::Contrast if jitter.contrast != 1.0 => write!(f, ", contrast {:.2}", jitter.contrast)?,
                    JitterOp::Saturation if jitter.saturation != 1.0 => {
                        write!(f, ", saturation {:.2}", jitter.saturation)?
                    }
                    JitterOp::Hue if jitter.hue != 0.0 => write!(f, ", hue {:+.3}", jitter.hue)?,
                    _ => {}
                }
            }
        }
        if self.gray {
            f.write_str(", gray")?;
        }
        if let Some(sigma) = self.blur_sigma {
            write!(f, ", blur {sigma:.2}")?;
        }
        if self.solarize {
            f.write_str(", solarized")?;
        }
        if self.flip {
            f.write_str(", flipped")?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "draws_tests.rs"]
mod tests;
