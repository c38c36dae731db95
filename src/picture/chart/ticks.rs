//! Round numbers on an axis.

/// The smallest of `digits` (ascending, from 1) times a power of ten that is at least `step`.
pub fn round_step(step: f64, digits: &[f64]) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    let digit = digits.iter().copied().find(|digit| digit * power >= step * (1.0 - 1e-9));
    digit.unwrap_or(10.0) * power
}

/// The multiples of `step` from `low` to `high`, both within rounding.
pub fn multiples(step: f64, low: f64, high: f64) -> Vec<f64> {
    // More would be no axis.
    const MOST: usize = 100;
    let first = (low / step - 1e-9).ceil();
    let all = (0..MOST).map(|i| (first + i as f64) * step);
    all.take_while(|tick| *tick <= high + 1e-9 * step).collect()
}
