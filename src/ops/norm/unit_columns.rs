//! Weights whose outputs are cosines: columns of unit length.

use crate::gpu::Kernel;
use crate::graph::{Array, Io, Layout, Lowered, Op, Shape, Target};
use crate::ops::check::{Case, Fill};

/// Updates w `[IN, OUT]`, a weight: every column becomes w / max(|w|, eps), as `w.copy_(F.normalize(w, dim=1))` of PyTorch's `[OUT, IN]` under
/// `no_grad`.
#[derive(Debug, Clone)]
pub struct UnitColumns {
    /// Smallest length divided by.
    pub eps: f32,
}

impl Op for UnitColumns {
    facts!("unit_columns", stops_gradient);

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        match inputs {
            [] => Ok(Vec::new()),
            _ => Err("it has no inputs".to_string()),
        }
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        let (w, channels) = (&io.updates[0], io.updates[0].stored_channels() / 4);
        debug_assert_eq!((w.dims().len(), w.layout()), (2, Layout::Weight));
        let kernel = Kernel::new("unit_columns")
            .with("ROWS", w.stored_dims()[0])
            .with("CHANNELS", channels)
            .with("EPS", self.eps);
        Lowered::of(io, kernel, channels.div_ceil(8))
    }

    fn reference(&self, _inputs: &[&Array], updates: &mut [Array]) -> Vec<Array> {
        for w in updates {
            let columns = w.channels();
            for column in 0..columns {
                let square: f64 = w.data.iter().skip(column).step_by(columns).map(|v| v * v).sum();
                let length = square.sqrt().max(f64::from(self.eps));
                w.data.iter_mut().skip(column).step_by(columns).for_each(|v| *v /= length);
            }
        }
        Vec::new()
    }
}

pub(super) fn cases() -> Vec<Case> {
    let case = |dims: [usize; 2], eps| {
        Case::new(&format!("unit_columns {}x{}, eps {eps}", dims[0], dims[1]), UnitColumns { eps })
            .update(Shape::weight(dims), Fill::Normal)
    };
    // With the second some columns are shorter than eps, some are longer.
    vec![case([5, 7], 1e-12), case([30, 70], 5.5), case([67, 33], 1e-12)]
}
