//! Axes: a range and round numbers in it.

use super::ticks::{multiples, round_step};

/// A range of values with ticks.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Axis {
    pub(super) low: f64,
    pub(super) high: f64,
    /// Round numbers in the range.
    pub(super) ticks: Vec<f64>,
    /// Decimals that tell the ticks apart.
    pub(super) digits: usize,
}

impl Axis {
    /// From `low` to `high`, with about `count` ticks.
    pub(super) fn exact(low: f64, high: f64, count: usize) -> Axis {
        let high = if high > low { high } else { low + 1.0 };
        let step = round_step((high - low) / count.max(1) as f64, &[1.0, 2.0, 5.0]);
        let ticks = multiples(step, low, high);
        let digits = (-step.log10() - 1e-9).ceil().clamp(0.0, 12.0) as usize;
        Axis { low, high, ticks, digits }
    }

    /// Around all of `values`, with a little space. There must be one; of a single value the range has its size.
    pub(super) fn around(values: impl Iterator<Item = f64>, count: usize) -> Axis {
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), y| (low.min(y), high.max(y)));
        let span = match high - low {
            span if span > 1e-9 * (1.0 + low.abs()) => span,
            _ => low.abs().max(1e-3),
        };
        Self::exact(low - 0.06 * span, high + 0.06 * span, count)
    }
}
