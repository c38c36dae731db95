//! What the axes of the curves show: steps or epochs, plain or logarithmic, and round numbers on them.

use std::ops::RangeInclusive;

use egui_plot::{GridInput, GridMark};

use crate::picture::{multiples, round_step};

/// How a value is laid on an axis, and what a place on it means.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::app) struct PlotAxis {
    /// What a value is divided by first.
    pub unit: f64,
    /// What is added then: a loss of -1 is as far down as a logarithm goes.
    pub offset: f64,
    pub log: bool,
}

impl PlotAxis {
    pub const PLAIN: PlotAxis = PlotAxis { unit: 1.0, offset: 0.0, log: false };

    /// Where a value lies; NaN where a logarithm has no place for it.
    pub fn place(self, value: f64) -> f64 {
        let value = value / self.unit + self.offset;
        match self.log {
            true if value > 0.0 => value.log10(),
            true => f64::NAN,
            false => value,
        }
    }

    /// The value that lies at a place, in units.
    pub fn value(self, place: f64) -> f64 {
        let value = if self.log { 10_f64.powf(place) } else { place };
        value - self.offset
    }

    /// The number to write at a mark, in as many digits as tell it from the next.
    pub fn label(self, mark: GridMark, seen: &RangeInclusive<f64>) -> String {
        if self.log {
            return round(10_f64.powf(mark.value));
        }
        let step = step(seen.end() - seen.start());
        match mark.value.abs() {
            size if size < 0.5 * step => "0".to_owned(),
            1e4.. => round(mark.value),
            _ => {
                // Two and a half has one digit more.
                let digits = (1.0 - step.log10().floor()).clamp(0.0, 9.0) as usize;
                trim(format!("{:.digits$}", mark.value))
            }
        }
    }

    /// Marks for what is seen of the axis.
    pub fn marks(self, input: GridInput) -> Vec<GridMark> {
        let (low, high) = input.bounds;
        if !(low.is_finite() && high.is_finite() && high > low) {
            return Vec::new();
        }
        if !self.log || high - low < 0.3 {
            return even(low, high);
        }
        let (first, last) = (low.floor() as i64, high.ceil() as i64);
        let few = high - low < 3.0;
        let steps: &[f64] = if few { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let every = ((last - first) / 8).max(1);
        (first..=last)
            .filter(|decade| decade.rem_euclid(every) == 0)
            .flat_map(|decade| steps.iter().map(move |s| (decade as f64 + s.log10(), *s)))
            .filter(|(value, _)| (low..=high).contains(value))
            .map(|(value, step)| GridMark { value, step_size: (high - low) / if step == 1.0 { 2.0 } else { 6.0 } })
            .collect()
    }
}

/// A round distance of marks, four to six of them over this length.
fn step(length: f64) -> f64 {
    round_step((length / 6.0).max(f64::MIN_POSITIVE), &[1.0, 2.0, 2.5, 5.0])
}

/// Round numbers at even distances.
fn even(low: f64, high: f64) -> Vec<GridMark> {
    // As far apart as they are, so that all have a line of one strength and their number.
    let step_size = (high - low) / 2.0;
    multiples(step(high - low), low, high).into_iter().map(|value| GridMark { value, step_size }).collect()
}

/// A number in few digits.
pub(in crate::app) fn round(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 {
        return "0".to_owned();
    }
    let text = match size {
        1e6.. => return trim(format!("{:.2}", value / 1e6)) + " M",
        1e4.. => return trim(format!("{:.1}", value / 1e3)) + " k",
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        1.0.. => format!("{value:.2}"),
        1e-1.. => format!("{value:.3}"),
        1e-2.. => format!("{value:.4}"),
        1e-4.. => format!("{value:.5}"),
        _ => return format!("{value:.1e}").replace('-', "−"),
    };
    trim(text)
}

/// Without zeros at the end, and with the minus sign of type, not the hyphen.
fn trim(text: String) -> String {
    let text = match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => &text,
    };
    text.replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_values_belong_together() {
        let loss = PlotAxis { unit: 1.0, offset: 1.0, log: true };
        for value in [-0.9, -0.5, 0.0, 1.0] {
            assert!((loss.value(loss.place(value)) - value).abs() < 1e-12);
        }
        assert!(loss.place(-1.0).is_nan() && loss.place(-2.0).is_nan());
        let epochs = PlotAxis { unit: 50.0, ..PlotAxis::PLAIN };
        assert_eq!((epochs.place(100.0), epochs.value(2.0)), (2.0, 2.0));
    }

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (-0.5, "−0.5"),
            (0.08839, "0.0884"),
            (17.35, "17.4"),
            (250.0, "250"),
            (45_000.0, "45 k"),
            (5e6, "5 M"),
            (0.0003, "0.0003"),
            (1.2e-6, "1.2e−6"),
        ] {
            assert_eq!(round(value), text);
        }
    }

    #[test]
    fn a_logarithm_has_its_marks_at_round_numbers() {
        let axis = PlotAxis { log: true, ..PlotAxis::PLAIN };
        let marks = axis.marks(GridInput { bounds: (-0.1, 2.1), base_step_size: 0.01 });
        let labels: Vec<String> = marks.into_iter().map(|mark| axis.label(mark, &(-0.1..=2.1))).collect();
        assert_eq!(labels, ["1", "2", "5", "10", "20", "50", "100"]);
        let wide = axis.marks(GridInput { bounds: (-10.0, 30.0), base_step_size: 0.1 });
        assert!((5..12).contains(&wide.len()), "{}", wide.len());
        // Neighbouring labels differ.
        for seen in [0.0872..=0.0891, -1.0..=0.1, 0.0..=130.0, 0.0..=2e6] {
            let marks = PlotAxis::PLAIN.marks(GridInput { bounds: (*seen.start(), *seen.end()), base_step_size: 1e-9 });
            let mut labels: Vec<String> = marks.into_iter().map(|mark| PlotAxis::PLAIN.label(mark, &seen)).collect();
            let count = labels.len();
            labels.dedup();
            assert!(count >= 4 && labels.len() == count, "{labels:?}");
        }
    }
}
