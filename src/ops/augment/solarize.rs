//! Solarization: light pixels inverted, then normalisation.

use super::augment_params::{self, AugmentParams, Normalize};
use crate::gpu::Kernel;
use crate::graph::{Array, Io, Lowered, Op, Shape, Target};
use crate::ops::check::{Case, Fill};

/// Inputs: x [n, height, width, 3] in [0, 1] and the table of n [`AugmentParams`]s. Output like x. Images whose row does not say so are copied.
///
/// torchvision `solarize` with [`Solarize::THRESHOLD`]: v becomes 1 - v where it is the threshold or more, in each channel by itself.
#[derive(Debug, Clone)]
pub struct Solarize {
    /// Applied to the result.
    pub normalize: Option<Normalize>,
}

impl Solarize {
    /// 128 of 255 (`RandomSolarize(threshold=128)` for bytes), less a few roundings: a device may unpack the byte 128 to a number that is
    /// a little smaller than the quotient.
    pub const THRESHOLD: f32 = 128.0 / 255.0 - 1.0 / (1 << 21) as f32;
}

impl Op for Solarize {
    facts!("solarize");

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        let [x, table] = inputs else {
            return Err("images and a table are needed".to_string());
        };
        augment_params::sides(x, table)?;
        Ok(vec![x.clone()])
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        let pixels = io.outputs[0].dims()[1..3].iter().product::<usize>();
        let kernel = Kernel::new("solarize").with("PIXELS", pixels).with("THRESHOLD", Solarize::THRESHOLD);
        Lowered::per_vector(io, Normalize::constants(self.normalize, kernel))
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let pixels = inputs[0].dims[1] * inputs[0].dims[2];
        let mut data = Vec::new();
        for (row, image) in AugmentParams::of_table(inputs[1]).iter().zip(inputs[0].data.chunks_exact(pixels * 3)) {
            let light = |v: f64| row.solarize && v >= f64::from(Solarize::THRESHOLD);
            let solarized = |v: f64| if light(v) { 1.0 - v } else { v };
            for rgb in image.chunks_exact(3) {
                data.extend(Normalize::apply(self.normalize, [0, 1, 2].map(|c| solarized(rgb[c]))));
            }
        }
        vec![Array { dims: inputs[0].dims.clone(), data }]
    }
}

pub(super) fn cases() -> Vec<Case> {
    let rows =
        [false, true, true].map(|solarize| AugmentParams { solarize, gray: true, ..AugmentParams::whole(1, 1, 3) });
    let table: Vec<u32> = rows.iter().flat_map(AugmentParams::words).collect();
    let normalize = Normalize { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
    // The threshold itself, and its neighbours.
    let edge = [127.0, 128.0, 129.0, 0.0, 255.0].map(|byte| byte / 255.0).repeat(9);
    [(9, 7, None, Fill::Uniform(0.0, 1.0)), (1, 5, Some(normalize), Fill::Values(edge))]
        .into_iter()
        .map(|(height, width, normalize, fill)| {
            Case::new(&format!("solarize of {height}x{width}"), Solarize { normalize })
                .fixed(Shape::rows([rows.len(), height, width, 3]), fill)
                .fixed(Shape::words(table.len()), Fill::Words(table.clone()))
        })
        .collect()
}
