//! Random resized crop with flip: packed bytes of images of any size to float images of one size.

use super::augment_params::{self, AugmentParams, Normalize};
use crate::gpu::Kernel;
use crate::graph::{Array, Io, Lowered, Op, Shape, Target};
use crate::ops::check::{Case, Fill};

/// Inputs: bytes (words of four bytes, the first lowest; HWC images of 1 or 3 channels at any byte) and a table of n
/// [`AugmentParams`]s. Output: [n, size, size, 3] in [0, 1], or normalised. Images may differ in size and channels; gray ones are copied to
/// three channels.
///
/// torchvision `resized_crop(.., antialias=True)` on tensors: the crop is cut out first and then resized with a triangle filter
/// whose support grows with the scale when it shrinks. Then `hflip`.
#[derive(Debug, Clone)]
pub struct Crop {
    /// Side of the views.
    pub size: usize,
    /// The words are f32 bits, one a channel, and offsets count words: lets tests feed images that are not bytes.
    pub float_source: bool,
    /// Applied to the result.
    pub normalize: Option<Normalize>,
}

const THREADS: usize = 64;

impl Op for Crop {
    facts!("crop");

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        let [_, table] = inputs else {
            return Err("expected bytes and a table".to_string());
        };
        if self.size == 0 {
            return Err("views of no pixels".to_string());
        }
        let n = augment_params::images(table)?;
        Ok(vec![Shape::rows([n, self.size, self.size, 3])])
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        let images = io.outputs[0].dims()[0];
        let (chunks, chunk) = augment_params::chunks(self.size * self.size, THREADS);
        let kernel = Kernel::new("crop")
            .with("SIZE", self.size)
            .with("IMAGES", images)
            .with("CHUNKS", chunks)
            .with("CHUNK", chunk)
            .with("THREADS", THREADS)
            .with("FLOAT_SOURCE", self.float_source);
        Lowered::of(io, Normalize::constants(self.normalize, kernel), images * chunks)
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let element = |i: usize| {
            if self.float_source {
                f64::from(f32::from_bits(inputs[0].data[i] as u32))
            } else {
                f64::from(inputs[0].data[i / 4] as u32 >> (i % 4 * 8) & 255) / 255.0
            }
        };
        let rows = AugmentParams::of_table(inputs[1]);
        let mut data = Vec::new();
        for row in &rows {
            let down = filter(row.crop_height as usize, self.size);
            let mut across = filter(row.crop_width as usize, self.size);
            if row.flip {
                across.reverse();
            }
            let channels = row.channels as usize;
            for v in &down {
                for u in &across {
                    let mut rgb = [0.0; 3];
                    for &(y, wy) in v {
                        for &(x, wx) in u {
                            let pixel = (row.top as usize + y) * row.width as usize + row.left as usize + x;
                            for (c, sum) in rgb.iter_mut().enumerate() {
                                let c = if channels == 1 { 0 } else { c };
                                *sum += wy * wx * element(row.offset as usize + pixel * channels + c);
                            }
                        }
                    }
                    data.extend(Normalize::apply(self.normalize, rgb));
                }
            }
        }
        vec![Array { dims: vec![rows.len(), self.size, self.size, 3], data }]
    }
}

/// For each of `to` pixels the source pixels it sums, and their weights, which add up to 1.
fn filter(from: usize, to: usize) -> Vec<Vec<(usize, f64)>> {
    let scale = from as f64 / to as f64;
    let reach = scale.max(1.0);
    (0..to)
        .map(|i| {
            let center = (i as f64 + 0.5) * scale;
            let taps: Vec<(usize, f64)> = (0..from)
                .map(|j| (j, 1.0 - ((j as f64 + 0.5 - center) / reach).abs()))
                .filter(|&(_, weight)| weight > 0.0)
                .collect();
            let total: f64 = taps.iter().map(|(_, weight)| weight).sum();
            taps.into_iter().map(|(j, w)| (j, w / total)).collect()
        })
        .collect()
}

pub(super) fn cases() -> Vec<Case> {
    // Images of 9x7 gray, 13x11 colour, 1x1 colour and 40x3 gray behind each other, at odd bytes.
    const SOURCES: [(u32, u32, u32, u32); 4] = [(1, 9, 7, 1), (64, 13, 11, 3), (493, 1, 1, 3), (496, 40, 3, 1)];
    const BYTES: usize = 616;
    let bytes: Vec<u32> = (0..BYTES / 4).map(|i| (i as u32).wrapping_mul(0x9e37_79b9) ^ 0x5bd1_e995).collect();
    // Source, then top, left, height, width of the crop: everything, borders, single pixels, thin parts.
    let crops: [(usize, [u32; 4], bool); 9] = [
        (0, [0, 0, 7, 9], false),
        (0, [0, 0, 7, 9], true),
        (1, [0, 0, 11, 13], false),
        (1, [6, 9, 5, 4], true),
        (1, [10, 12, 1, 1], false),
        (2, [0, 0, 1, 1], true),
        (3, [0, 3, 3, 37], false),
        (3, [2, 0, 1, 40], true),
        (1, [0, 12, 11, 1], false),
    ];
    let rows: Vec<AugmentParams> = crops
        .iter()
        .map(|&(source, [top, left, crop_height, crop_width], flip)| {
            let (offset, width, height, channels) = SOURCES[source];
            let whole = AugmentParams::whole(width, height, channels);
            AugmentParams { offset, top, left, crop_height, crop_width, flip, ..whole }
        })
        .collect();
    let table: Vec<u32> = rows.iter().flat_map(AugmentParams::words).collect();
    let normalize = Normalize { mean: [0.4914, 0.4822, 0.4465], std: [0.2023, 0.1994, 0.201] };
    [(5, None), (1, None), (28, Some(normalize))]
        .into_iter()
        .map(|(size, normalize)| {
            let op = Crop { size, float_source: false, normalize };
            Case::new(&format!("crop to {size}"), op)
                .fixed(Shape::words(BYTES / 4), Fill::Words(bytes.clone()))
                .fixed(Shape::words(table.len()), Fill::Words(table.clone()))
        })
        .collect()
}
