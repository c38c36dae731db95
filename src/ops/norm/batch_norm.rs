//! What the operators of batch normalisation share: checks, the cut into runs of rows, and the end of their CPU references.

use crate::gpu::Kernel;
use crate::graph::{Array, Shape, Target, grid};

/// Checks x, (weight, bias) and (residual) of an operator of this family.
pub(super) fn check_inputs(x: &Shape, affine: Option<[&Shape; 2]>, residual: Option<&Shape>) -> Result<(), String> {
    if affine.is_some_and(|pair| pair.iter().any(|s| s.dims() != [x.channels()])) {
        return Err(format!("expected weight and bias of {} numbers", x.channels()));
    }
    match residual {
        Some(r) if r != x => Err(format!("the residual {r:?} is not of the shape of the input")),
        _ => Ok(()),
    }
}

/// Cuts the rows of each view into runs of one thread: the constants of such a kernel, and its workgroups.
///
/// A software driver loads lane by lane, so long runs pay for what is read once a run; a GPU needs many threads.
pub(super) fn by_runs(kernel: Kernel, x: &Shape, views: usize, target: &Target) -> (Kernel, [u32; 3]) {
    let (rows, c4) = (x.row_count() / views, x.stored_channels() / 4);
    let run = if target.software { 16 } else { 4 };
    let runs = rows.div_ceil(run);
    let kernel = kernel.with("VIEWS", views).with("ROWS", rows).with("RUN", run).with("RUNS", runs).with("C4", c4);
    (kernel, grid((views * runs * c4).div_ceil(64)))
}

/// relu?(normalised·weight + bias + residual)
pub(super) fn finish(
    inputs: &[&Array],
    affine: bool,
    residual: bool,
    relu: bool,
    normalised: impl Fn(usize) -> f64,
) -> Array {
    let channels = inputs[0].channels();
    let mut y = inputs[0].clone();
    for (i, v) in y.data.iter_mut().enumerate() {
        *v = normalised(i);
        if affine {
            *v = *v * inputs[1].data[i % channels] + inputs[2].data[i % channels];
        }
        if residual {
            *v += inputs[inputs.len() - 1].data[i];
        }
        if relu {
            *v = v.max(0.0);
        }
    }
    y
}
