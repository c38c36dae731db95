//! What the kernels that make a view share: the table row that says what to do to one image, and the normalisation that the last
//! of them applies.

use super::box_blur::BoxBlur;
use crate::gpu::Kernel;
use crate::graph::{Array, Shape};

/// Colour changes of one image: torchvision's `adjust_brightness`, `adjust_contrast`, `adjust_saturation`, `adjust_hue`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JitterParams {
    /// Factors of brightness, contrast and saturation (1 changes nothing), and the hue's turn as a part of the colour circle.
    pub factors: [f32; 4],
    /// Which change comes when: 0 brightness, 1 contrast, 2 saturation, 3 hue, each once.
    pub order: [u8; 4],
}

/// What is done to one image: a row of the table that [`Crop`](crate::ops::Crop),
/// [`ColorJitter`](crate::ops::ColorJitter), [`GaussianBlur`](crate::ops::GaussianBlur) and [`Solarize`](crate::ops::Solarize) read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AugmentParams {
    /// First byte of the source image in the packed bytes.
    pub offset: u32,
    /// Pixels a row of the source image.
    pub width: u32,
    /// Channels a pixel: 1 or 3.
    pub channels: u32,
    /// First row of the crop.
    pub top: u32,
    /// First column of the crop.
    pub left: u32,
    /// Rows of the crop.
    pub crop_height: u32,
    /// Columns of the crop.
    pub crop_width: u32,
    /// Mirrored left to right.
    pub flip: bool,
    /// Turned gray after the jitter.
    pub gray: bool,
    /// Colour changes, if any.
    pub jitter: Option<JitterParams>,
    /// Standard deviation of the blur in pixels of the view; 0 for none.
    pub sigma: f32,
    /// Light pixels inverted after the blur.
    pub solarize: bool,
}

impl AugmentParams {
    /// Words a row of the table.
    pub const WORDS: usize = 16;

    /// The whole image of this width and height, unchanged.
    pub fn whole(width: u32, height: u32, channels: u32) -> AugmentParams {
        AugmentParams {
            offset: 0,
            width,
            channels,
            top: 0,
            left: 0,
            crop_height: height,
            crop_width: width,
            flip: false,
            gray: false,
            jitter: None,
            sigma: 0.0,
            solarize: false,
        }
    }

    /// As the kernels read it (`shaders/common/augment_params.wgsl`).
    pub fn words(&self) -> [u32; Self::WORDS] {
        let jitter = self.jitter.unwrap_or(JitterParams { factors: [1.0, 1.0, 1.0, 0.0], order: [0, 1, 2, 3] });
        let order = (0..4).fold(0, |word, i| word | u32::from(jitter.order[i]) << (2 * i));
        let switches = [self.flip, self.gray, self.jitter.is_some(), self.solarize];
        let flags = (0..4).fold(order << 8, |word, i| word | u32::from(switches[i]) << i);
        let blur = BoxBlur::of(self.sigma);
        let [brightness, contrast, saturation, hue] = jitter.factors.map(f32::to_bits);
        [
            self.offset,
            self.width,
            self.channels,
            self.top,
            self.left,
            self.crop_height,
            self.crop_width,
            flags,
            brightness,
            contrast,
            saturation,
            hue,
            self.sigma.to_bits(),
            blur.radius,
            blur.inside,
            blur.end,
        ]
    }

    /// The rows of a table on the CPU.
    pub(super) fn of_table(table: &Array) -> Vec<AugmentParams> {
        let words: Vec<u32> = table.data.iter().map(|&v| v as u32).collect();
        words
            .chunks_exact(Self::WORDS)
            .map(|w| AugmentParams {
                offset: w[0],
                width: w[1],
                channels: w[2],
                top: w[3],
                left: w[4],
                crop_height: w[5],
                crop_width: w[6],
                flip: w[7] & 1 != 0,
                gray: w[7] & 2 != 0,
                jitter: (w[7] & 4 != 0).then(|| JitterParams {
                    factors: [8, 9, 10, 11].map(|i| f32::from_bits(w[i])),
                    order: [0, 1, 2, 3].map(|i| (w[7] >> (8 + 2 * i) & 3) as u8),
                }),
                sigma: f32::from_bits(w[12]),
                solarize: w[7] & 8 != 0,
            })
            .collect()
    }
}

/// (x - mean) / std for red, green and blue: torchvision's `Normalize`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Normalize {
    /// Mean of pixels in 0 to 1.
    pub mean: [f32; 3],
    /// Standard deviation, above 0.
    pub std: [f32; 3],
}

impl Normalize {
    /// Adds the constants of `common/normalize` to a kernel.
    pub(super) fn constants(normalize: Option<Normalize>, kernel: Kernel) -> Kernel {
        let kernel = kernel.with("NORMALIZE", normalize.is_some());
        let Some(Normalize { mean, std }) = normalize else {
            return kernel;
        };
        kernel
            .with("MEAN_R", mean[0])
            .with("MEAN_G", mean[1])
            .with("MEAN_B", mean[2])
            .with("STD_R", std[0])
            .with("STD_G", std[1])
            .with("STD_B", std[2])
    }

    /// The CPU reference.
    pub(super) fn apply(normalize: Option<Normalize>, rgb: [f64; 3]) -> [f64; 3] {
        match normalize {
            None => rgb,
            Some(Normalize { mean, std }) => [0, 1, 2].map(|c| (rgb[c] - f64::from(mean[c])) / f64::from(std[c])),
        }
    }
}

/// Images of a table of that shape, or what is wrong with it.
pub(super) fn images(table: &Shape) -> Result<usize, String> {
    match table.len() {
        n if n > 0 && n.is_multiple_of(AugmentParams::WORDS) => Ok(n / AugmentParams::WORDS),
        n => Err(format!("the table has {n} words, expected {} an image", AugmentParams::WORDS)),
    }
}

/// Height and width of the images `x`, which must be in colour and as many as the table's rows.
pub(super) fn sides(x: &Shape, table: &Shape) -> Result<(usize, usize), String> {
    let n = images(table)?;
    match x.dims() {
        &[count, height, width, 3] if count == n => Ok((height, width)),
        _ => Err(format!("expected {n} images of 3 channels")),
    }
}

/// Splits the pixels of an image among workgroups of `threads`: how many workgroups, and pixels each. Several pixels a thread
/// spread the reading of the image's row; parts of equal size leave no workgroup nearly empty.
pub(super) fn chunks(pixels: usize, threads: usize) -> (usize, usize) {
    const PIXELS_A_THREAD: usize = 8;
    let chunks = pixels.div_ceil(threads * PIXELS_A_THREAD);
    let chunk = pixels.div_ceil(chunks).div_ceil(threads) * threads;
    (pixels.div_ceil(chunk), chunk)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_comes_back_from_its_words() {
        let row = AugmentParams {
            offset: 3_000_000_001,
            width: 70_000,
            channels: 3,
            top: 5,
            left: 66_000,
            crop_height: 7,
            crop_width: 8,
            flip: true,
            gray: false,
            jitter: Some(JitterParams { factors: [1.25, 0.5, 1.5, -0.1], order: [2, 0, 3, 1] }),
            sigma: 1.3,
            solarize: false,
        };
        let plain = AugmentParams { flip: false, gray: true, jitter: None, sigma: 0.0, solarize: true, ..row };
        let data: Vec<f64> = [row, plain].iter().flat_map(AugmentParams::words).map(f64::from).collect();
        let table = Array { dims: vec![data.len()], data };
        assert_eq!(AugmentParams::of_table(&table), [row, plain]);
    }

    #[test]
    fn chunks_cover_the_image() {
        for (side, threads) in [(1, 64), (28, 64), (32, 64), (33, 128), (224, 64)] {
            let (count, chunk) = chunks(side * side, threads);
            assert!(count * chunk >= side * side && (count - 1) * chunk < side * side);
            assert_eq!(chunk % threads, 0);
        }
    }
}
