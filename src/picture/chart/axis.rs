//! Axes: a range and round numbers in it.

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
        let step = round_step((high - low) / count.max(1) as f64);
        let first = (low / step - 1e-9).ceil();
        let ticks = (0..=2 * count + 2)
            .map(|i| (first + i as f64) * step)
            .take_while(|tick| *tick <= high + 1e-9 * step)
            .collect();
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

/// The smallest of 1, 2, 5 times a power of ten that is at least `step`.
fn round_step(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0].into_iter().find(|factor| factor * power >= step * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * power
}
