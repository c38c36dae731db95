//! Colour jitter in the drawn order, then grayscale, then normalisation.

use super::augment_params::{self, AugmentParams, JitterParams, Normalize};
use crate::gpu::Kernel;
use crate::graph::{Array, Io, Lowered, Op, Shape, Target};
use crate::ops::check::{Case, Fill};

/// Inputs: x [n, height, width, 3] in [0, 1] and the table of n [`AugmentParams`]s. Output like x.
///
/// torchvision's tensor functions: each change but hue blends and clamps to [0, 1]; contrast blends with the mean gray of the
/// image as the changes before it left it; hue goes through HSV.
#[derive(Debug, Clone)]
pub struct ColorJitter {
    /// Applied to the result.
    pub normalize: Option<Normalize>,
}

impl Op for ColorJitter {
    facts!("color_jitter");

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        let [x, table] = inputs else {
            return Err("expected images and a table".to_string());
        };
        augment_params::sides(x, table)?;
        Ok(vec![x.clone()])
    }

    fn lower(&self, io: &Io, target: &Target) -> Lowered {
        let &[images, height, width, _] = io.outputs[0].dims() else {
            return Lowered::default();
        };
        // One workgroup an image: large is faster on a GPU; on a CPU every eight threads more are one more turn of each loop.
        let threads: usize = if target.software { 8 } else { 128 };
        let kernel =
            Kernel::new("color_jitter").with("IMAGES", images).with("PIXELS", height * width).with("THREADS", threads);
        Lowered::of(io, Normalize::constants(self.normalize, kernel), images)
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let rows = AugmentParams::of_table(inputs[1]);
        let image = inputs[0].data.len() / rows.len();
        let mut data = Vec::new();
        for (row, image) in rows.iter().zip(inputs[0].data.chunks_exact(image)) {
            let mut pixels: Vec<[f64; 3]> = image.chunks_exact(3).map(|rgb| [rgb[0], rgb[1], rgb[2]]).collect();
            if let Some(jitter) = row.jitter {
                for change in jitter.order {
                    apply(change, jitter.factors.map(f64::from), &mut pixels);
                }
            }
            for mut rgb in pixels {
                if row.gray {
                    rgb = [gray(rgb); 3];
                }
                data.extend(Normalize::apply(self.normalize, rgb));
            }
        }
        vec![Array { dims: inputs[0].dims.clone(), data }]
    }
}

fn gray([r, g, b]: [f64; 3]) -> f64 {
    0.2989 * r + 0.587 * g + 0.114 * b
}

fn blend(rgb: [f64; 3], with: f64, factor: f64) -> [f64; 3] {
    rgb.map(|v| (factor * v + (1.0 - factor) * with).clamp(0.0, 1.0))
}

fn apply(change: u8, factors: [f64; 4], pixels: &mut [[f64; 3]]) {
    let mean = pixels.iter().map(|&rgb| gray(rgb)).sum::<f64>() / pixels.len() as f64;
    for rgb in pixels {
        *rgb = match change {
            0 => blend(*rgb, 0.0, factors[0]),
            1 => blend(*rgb, mean, factors[1]),
            2 => blend(*rgb, gray(*rgb), factors[2]),
            _ => turned(*rgb, factors[3]),
        };
    }
}

/// Turns the hue, by the textbook way over HSV and six cases.
fn turned([r, g, b]: [f64; 3], turn: f64) -> [f64; 3] {
    let value = r.max(g).max(b);
    let range = value - r.min(g).min(b);
    if range == 0.0 {
        return [r, g, b];
    }
    let sixths = if value == r {
        (g - b) / range
    } else if value == g {
        2.0 + (b - r) / range
    } else {
        4.0 + (r - g) / range
    };
    let hue = (sixths + 6.0 * turn).rem_euclid(6.0);
    let part = hue.fract();
    let saturation = range / value;
    let low = value * (1.0 - saturation);
    let falling = value * (1.0 - saturation * part);
    let rising = value * (1.0 - saturation * (1.0 - part));
    match hue as u32 {
        0 => [value, rising, low],
        1 => [falling, value, low],
        2 => [low, value, rising],
        3 => [low, falling, value],
        4 => [rising, low, value],
        _ => [value, low, falling],
    }
}

pub(super) fn cases() -> Vec<Case> {
    let row =
        |gray: bool, jitter: Option<JitterParams>| AugmentParams { gray, jitter, ..AugmentParams::whole(1, 1, 3) };
    let jitter = |factors: [f32; 4], order: [u8; 4]| Some(JitterParams { factors, order });
    let rows = [
        row(false, None),
        row(true, None),
        row(false, jitter([1.3, 0.6, 1.4, 0.1], [0, 1, 2, 3])),
        row(false, jitter([0.6, 1.4, 0.6, -0.1], [3, 2, 1, 0])),
        row(true, jitter([1.4, 1.4, 1.4, 0.5], [1, 0, 3, 2])),
        row(false, jitter([0.0, 0.7, 1.0, 0.0], [2, 3, 0, 1])),
        row(false, jitter([1.0, 1.0, 1.0, 0.07], [0, 2, 3, 1])),
    ];
    let table: Vec<u32> = rows.iter().flat_map(AugmentParams::words).collect();
    let normalize = Normalize { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
    [(9, 5, None), (1, 1, Some(normalize)), (13, 13, Some(normalize))]
        .into_iter()
        .map(|(height, width, normalize)| {
            Case::new(&format!("color_jitter of {height}x{width}"), ColorJitter { normalize })
                .fixed(Shape::rows([rows.len(), height, width, 3]), Fill::Uniform(0.0, 1.0))
                .fixed(Shape::words(table.len()), Fill::Words(table.clone()))
        })
        .collect()
}
