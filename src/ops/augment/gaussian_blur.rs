//! Gaussian blur with a standard deviation an image, then normalisation.

use super::augment_params::{self, AugmentParams, Normalize};
use super::box_blur::{BoxBlur, PASSES};
use crate::gpu::Kernel;
use crate::graph::{Array, Io, Launch, Lowered, Op, Shape, Slot, Target, grid};
use crate::ops::check::{Case, Fill};

/// Inputs: x [n, height, width, 3] in [0, 1] and the table of n [`AugmentParams`]s. Output like x. Images whose `sigma` is not above 0 are
/// copied.
///
/// PIL's `GaussianBlur`, which the authors use, to its last bit on bytes: three boxes along rows and three along columns (Gwosdek et al.
/// 2011), which together have the variance of the Gaussian and are cut nowhere; see [`BoxBlur`].
#[derive(Debug, Clone)]
pub struct GaussianBlur {
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
        augment_params::sides(x, table)?;
        Ok(vec![x.clone()])
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        let &[images, height, width, _] = io.outputs[0].dims() else {
            return Lowered::default();
        };
        let (chunks, chunk) = augment_params::chunks(height * width, THREADS);
        let launch = |pass: usize| {
            let (first, last) = (pass == 0, pass == 2 * PASSES - 1);
            // There and back between the scratch and the output; what is not blurred stays in the scratch.
            let (mut from, mut to) = (Slot::output(0), Slot::scratch(0));
            if !pass.is_multiple_of(2) {
                (from, to) = (to, from);
            }
            let from = if first { Slot::input(0) } else { from };
            let kernel = Kernel::new("gaussian_blur")
                .with("HEIGHT", height)
                .with("WIDTH", width)
                .with("IMAGES", images)
                .with("CHUNKS", chunks)
                .with("CHUNK", chunk)
                .with("THREADS", THREADS)
                .with("ALONG_ROWS", pass < PASSES)
                .with("FIRST", first)
                .with("BETWEEN", !first && !last)
                .with("LAST", last);
            let kernel = Normalize::constants(self.normalize.filter(|_| last), kernel);
            Launch::new(kernel, [from, Slot::input(1), to], grid(images * chunks))
        };
        Lowered { launches: (0..2 * PASSES).map(launch).collect(), scratch: vec![io.outputs[0].stored_len()] }
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let (height, width) = (inputs[0].dims[1], inputs[0].dims[2]);
        let mut data = Vec::new();
        let images = inputs[0].data.chunks_exact(height * width * 3);
        for (row, image) in AugmentParams::of_table(inputs[1]).iter().zip(images) {
            let mut image = image.to_vec();
            if row.sigma > 0.0 {
                let bytes = image.iter().map(|value| (value.clamp(0.0, 1.0) * 255.0 + 0.5) as u32);
                let bytes = blurred(bytes.collect(), height, width, BoxBlur::of(row.sigma));
                image = bytes.into_iter().map(|byte| f64::from(byte) / 255.0).collect();
            }
            let pixels = image.chunks_exact(3).map(|rgb| [rgb[0], rgb[1], rgb[2]]);
            data.extend(pixels.flat_map(|rgb| Normalize::apply(self.normalize, rgb)));
        }
        vec![Array { dims: inputs[0].dims.clone(), data }]
    }
}

/// All passes over an image of three channels.
fn blurred(mut image: Vec<u32>, height: usize, width: usize, by: BoxBlur) -> Vec<u32> {
    // First place, step and length of every line of a channel along rows, then along columns.
    let rows = (0..height).flat_map(|y| (0..3).map(move |c| (y * width * 3 + c, 3, width)));
    let columns = (0..width).flat_map(|x| (0..3).map(move |c| (x * 3 + c, 3 * width, height)));
    for (first, step, length) in rows.chain(columns) {
        let mut line: Vec<u32> = (0..length).map(|i| image[first + i * step]).collect();
        for _ in 0..PASSES {
            line = by.over(&line);
        }
        line.into_iter().enumerate().for_each(|(i, value)| image[first + i * step] = value);
    }
    image
}

pub(super) fn cases() -> Vec<Case> {
    let sigmas = [0.1, 0.0, 0.7, 2.0, 30.0];
    let row = |&sigma: &f32| AugmentParams { sigma, ..AugmentParams::whole(1, 1, 3) }.words();
    let table: Vec<u32> = sigmas.iter().flat_map(row).collect();
    let normalize = Normalize { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
    [(9, 7, None), (6, 8, Some(normalize)), (1, 1, None), (25, 25, Some(normalize))]
        .into_iter()
        .map(|(height, width, normalize)| {
            // Bytes: what lies between two of them may be rounded to either.
            let bytes = (0..sigmas.len() * height * width * 3).map(|i| (i * i * 7 + i * 31) % 256);
            let values = bytes.map(|byte| byte as f32 / 255.0).collect();
            Case::new(&format!("gaussian_blur of {height}x{width}"), GaussianBlur { normalize })
                .fixed(Shape::rows([sigmas.len(), height, width, 3]), Fill::Values(values))
                .fixed(Shape::words(table.len()), Fill::Words(table.clone()))
        })
        .collect()
}
