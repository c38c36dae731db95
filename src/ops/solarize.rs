//! Solarization: light pixels inverted, then normalisation.

use super::check::{Case, Fill};
use super::view_row::{self, Normalize, ViewRow};
use crate::gpu::Kernel;
use crate::graph::{Array, Io, Launch, Lowered, Op, Shape, Slot, Target, grid};

/// Inputs: x [n, height, width, 3] in [0, 1] and the table of n [`ViewRow`]s. Output like x. Images whose row does not say so are copied.
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
    fn name(&self) -> &'static str {
        "solarize"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        let [x, table] = inputs else {
            return Err("images and a table are needed".to_string());
        };
        view_row::sides(x, table)?;
        Ok(vec![x.clone()])
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        let &[images, height, width, _] = io.outputs[0].dims() else {
            return Lowered::default();
        };
        let pixels = height * width;
        let kernel = Kernel::new("solarize")
            .with("IMAGES", images)
            .with("PIXELS", pixels)
            .with("THRESHOLD", Solarize::THRESHOLD);
        Lowered::one(Launch::new(
            Normalize::constants(self.normalize, kernel),
            [Slot::input(0), Slot::input(1), Slot::output(0)],
            grid((images * pixels).div_ceil(64)),
        ))
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let pixels = inputs[0].dims[1] * inputs[0].dims[2];
        let mut data = Vec::new();
        for (row, image) in ViewRow::of_table(inputs[1]).iter().zip(inputs[0].data.chunks_exact(pixels * 3)) {
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
    let rows = [false, true, true].map(|solarize| ViewRow { solarize, gray: true, ..ViewRow::whole(1, 1, 3) });
    let table: Vec<u32> = rows.iter().flat_map(ViewRow::words).collect();
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
