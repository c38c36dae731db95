//! What the tensors of a case hold, and how far a result is from what it should be, both as they are stored.

use half::f16;

use crate::graph::{Array, Precision, Shape};

/// Distance of neighbours in f16, relative to the lower power of two.
const F16_STEP: f64 = 1.0 / 1024.0;
/// Below this f16 has fewer digits, and devices may take a number for zero.
const F16_LEAST_NORMAL: f64 = 1.0 / 16384.0;

/// What a tensor of a case holds.
#[derive(Debug, Clone)]
pub enum Fill {
    /// Standard normal.
    Normal,
    /// Uniform in an interval.
    Uniform(f32, f32),
    /// These values.
    Values(Vec<f32>),
    /// These words.
    Words(Vec<u32>),
}

/// SplitMix64: test values that are the same on every machine.
fn uniform(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

/// The values of a case's tensor.
pub(super) fn values(shape: &Shape, fill: &Fill, seed: u64) -> Array {
    let mut state = seed.wrapping_mul(0x5851_f42d_4c95_7f2d);
    let mut next = || uniform(&mut state);
    let data: Vec<f64> = match fill {
        // Box–Muller.
        Fill::Normal => (0..shape.len())
            .map(|_| (-2.0 * (1.0 - next()).ln()).sqrt() * (std::f64::consts::TAU * next()).cos())
            .collect(),
        Fill::Uniform(a, b) => (0..shape.len()).map(|_| f64::from(*a) + f64::from(b - a) * next()).collect(),
        Fill::Values(v) => v.iter().map(|&v| f64::from(v)).collect(),
        Fill::Words(v) => v.iter().map(|&v| f64::from(v)).collect(),
    };
    // Rounded as they are stored, so that both sides see the same inputs.
    let exact = matches!(fill, Fill::Words(_));
    let rounded = |v: f64| match shape.precision() {
        Precision::F32 => f64::from(v as f32),
        Precision::F16 => f16::from_f64(v).to_f64(),
    };
    let data = data.into_iter().map(|v| if exact { v } else { rounded(v) });
    Array { dims: shape.dims().to_vec(), data: data.collect() }
}

/// The relative error of what lies in memory as `shape`. Of f16 only what is more than rounding counts: one step of f16 at
/// the expected value, as WGSL does not say to which side it rounds. So a case has one tolerance in every precision.
pub(super) fn error_of(got: &Array, expected: &Array, shape: &Shape) -> f64 {
    if !shape.is_f16() {
        return got.relative_error(expected);
    }
    let mut beyond = got.clone();
    for (value, &wanted) in beyond.data.iter_mut().zip(&expected.data) {
        let step = match wanted.abs() {
            size if size < F16_LEAST_NORMAL => size.max(F16_LEAST_NORMAL * F16_STEP),
            size => size * F16_STEP,
        };
        let difference = *value - wanted;
        // A NaN stays one.
        *value = wanted + difference - difference.clamp(-step, step);
    }
    beyond.relative_error(expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_of_f16_is_forgiven_and_no_more() {
        let shape = Shape::rows([3]).with(Precision::F16);
        let array = |values: [f32; 3]| Array::from_f32(&[3], &values);
        let expected = array([1.0, -2.0, 1e-5]);
        let error = |values| error_of(&array(values), &expected, &shape);
        // A step up, a step towards zero, and a number too small for some devices.
        assert_eq!(error([1.000_976_6, -1.999_023_4, 0.0]), 0.0);
        assert!(error([1.002, -2.0, 1e-5]) > 1e-4);
        assert!(error([f32::NAN, -2.0, 1e-5]).is_nan());
        let full = Shape::rows([3]);
        assert!(error_of(&array([1.000_976_6, -2.0, 1e-5]), &expected, &full) > 1e-4);
    }
}
