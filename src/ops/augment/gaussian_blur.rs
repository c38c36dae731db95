//! Gaussian blur with a standard deviation an image, then normalisation.

use super::augment_params::{self, AugmentParams, Normalize};
use crate::gpu::Kernel;
use crate::graph::{Array, Io, Launch, Lowered, Op, Shape, Slot, Target, grid};
use crate::ops::check::{Case, Fill};

/// Inputs: x [n, height, width, 3] and the table of n [`AugmentParams`]s. Output like x. Images whose `sigma` is not above 0 are copied.
///
/// torchvision `gaussian_blur`: a separable kernel cut at `kernel_size` taps, its weights normalised, borders reflected.
#[derive(Debug, Clone)]
pub struct GaussianBlur {
    /// Taps along each axis: odd, and at most twice the shorter side less 1, because a border is reflected once.
    pub kernel_size: usize,
    /// Applied to the result.
    pub normalize: Option<Normalize>,
}

const THREADS: usize = 64;

impl Op for GaussianBlur {
    facts!("gaussian_blur");

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        let [x, table] = inputs else {
            return Err("expected images and a table".to_string());
        };
        let (height, width) = augment_params::sides(x, table)?;
        if self.kernel_size.is_multiple_of(2) {
            return Err(format!("a kernel of {} taps is even", self.kernel_size));
        }
        if self.kernel_size / 2 >= height.min(width) {
            return Err(format!("a kernel of {} taps is too wide for images of {height}x{width}", self.kernel_size));
        }
        Ok(vec![x.clone()])
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        let &[images, height, width, _] = io.outputs[0].dims() else {
            return Lowered::default();
        };
        let (chunks, chunk) = augment_params::chunks(height * width, THREADS);
        let launch = |along_rows: bool, from: Slot, to: Slot, normalize: Option<Normalize>| {
            let kernel = Kernel::new("gaussian_blur")
                .with("HEIGHT", height)
                .with("WIDTH", width)
                .with("HALF", self.kernel_size / 2)
                .with("IMAGES", images)
                .with("CHUNKS", chunks)
                .with("CHUNK", chunk)
                .with("THREADS", THREADS)
                .with("ALONG_ROWS", along_rows);
            Launch::new(Normalize::constants(normalize, kernel), [from, Slot::input(1), to], grid(images * chunks))
        };
        Lowered {
            launches: vec![
                launch(true, Slot::input(0), Slot::scratch(0), None),
                launch(false, Slot::scratch(0), Slot::output(0), self.normalize),
            ],
            scratch: vec![io.outputs[0].stored_len()],
        }
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let (height, width) = (inputs[0].dims[1], inputs[0].dims[2]);
        let half = (self.kernel_size / 2) as isize;
        let reflected = |i: isize, size: usize| {
            let last = size as isize - 1;
            (last - (last - i.abs()).abs()) as usize
        };
        let mut data = Vec::new();
        let images = inputs[0].data.chunks_exact(height * width * 3);
        for (row, image) in AugmentParams::of_table(inputs[1]).iter().zip(images) {
            let mut kernel: Vec<f64> = (-half..=half)
                .map(|d| {
                    if row.sigma > 0.0 {
                        (-0.5 * (d as f64 / f64::from(row.sigma)).powi(2)).exp()
                    } else {
                        f64::from(u8::from(d == 0))
                    }
                })
                .collect();
            let total: f64 = kernel.iter().sum();
            kernel.iter_mut().for_each(|w| *w /= total);
            let taps = || (-half..=half).zip(&kernel);
            for y in 0..height as isize {
                for x in 0..width as isize {
                    let rgb = [0, 1, 2].map(|c| {
                        let mut sum = 0.0;
                        for (dy, wy) in taps() {
                            for (dx, wx) in taps() {
                                let pixel = reflected(y + dy, height) * width + reflected(x + dx, width);
                                sum += wy * wx * image[pixel * 3 + c];
                            }
                        }
                        sum
                    });
                    data.extend(Normalize::apply(self.normalize, rgb));
                }
            }
        }
        vec![Array { dims: inputs[0].dims.clone(), data }]
    }
}

pub(super) fn cases() -> Vec<Case> {
    let sigmas = [0.1, 0.0, 0.7, 2.0, 30.0];
    let row = |&sigma: &f32| AugmentParams { sigma, ..AugmentParams::whole(1, 1, 3) }.words();
    let table: Vec<u32> = sigmas.iter().flat_map(row).collect();
    let normalize = Normalize { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
    [(9, 7, 3, None), (6, 8, 11, Some(normalize)), (1, 1, 1, None), (25, 25, 5, Some(normalize))]
        .into_iter()
        .map(|(height, width, kernel_size, normalize)| {
            let op = GaussianBlur { kernel_size, normalize };
            Case::new(&format!("gaussian_blur of {height}x{width}, {kernel_size} taps"), op)
                .fixed(Shape::rows([sigmas.len(), height, width, 3]), Fill::Uniform(0.0, 1.0))
                .fixed(Shape::words(table.len()), Fill::Words(table.clone()))
        })
        .collect()
}
