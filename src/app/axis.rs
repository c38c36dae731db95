//! What the axes of the curves show: steps or epochs, plain or logarithmic, and round numbers on them.

use egui_plot::{GridInput, GridMark};

/// How a value is laid on an axis, and what a place on it means.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Axis {
    /// What a value is divided by first.
    pub unit: f64,
    /// What is added then: a loss of -1 is as far down as a logarithm goes.
    pub offset: f64,
    pub log: bool,
}

impl Axis {
    pub const PLAIN: Axis = Axis {
        unit: 1.0,
        offset: 0.0,
        log: false,
    };

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

    /// The number to write at a mark.
    pub fn label(self, mark: GridMark) -> String {
        match self.log {
            // Between decades only what people count with.
            true => round(10_f64.powf(mark.value)),
            false => round(mark.value),
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
            .map(|(value, step)| GridMark {
                value,
                step_size: (high - low) / if step == 1.0 { 2.0 } else { 6.0 },
            })
            .collect()
    }
}

/// Round numbers at even distances, about five of them.
fn even(low: f64, high: f64) -> Vec<GridMark> {
    let rough = (high - low) / 5.0;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0]
        .map(|digit| digit * power)
        .into_iter()
        .find(|step| *step >= rough)
        .unwrap_or(10.0 * power);
    let first = (low / step).ceil() as i64;
    (first..first + 12)
        .map(|n| n as f64 * step)
        .take_while(|value| *value <= high)
        .map(|value| GridMark {
            value,
            // As far apart as they are, so that all have a line of one strength and their number.
            step_size: (high - low) / 2.0,
        })
        .collect()
}

/// A number in few digits.
pub(super) fn round(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 {
        return "0".to_owned();
    }
    let text = match size {
        1e6.. => {
            return format!("{:.3} M", value / 1e6)
                .replace(".000", "")
                .replace("00 M", " M");
        }
        1e4.. => format!("{:.0} k", value / 1e3),
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        1.0.. => format!("{value:.2}"),
        1e-2.. => format!("{value:.3}"),
        1e-4.. => format!("{value:.5}"),
        _ => format!("{value:.1e}"),
    };
    let text = match text.contains('.') && !text.contains('e') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    };
    // The minus sign of type, not the hyphen.
    text.replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_values_belong_together() {
        let loss = Axis {
            unit: 1.0,
            offset: 1.0,
            log: true,
        };
        for value in [-0.9, -0.5, 0.0, 1.0] {
            assert!((loss.value(loss.place(value)) - value).abs() < 1e-12);
        }
        assert!(loss.place(-1.0).is_nan() && loss.place(-2.0).is_nan());
        let epochs = Axis {
            unit: 50.0,
            ..Axis::PLAIN
        };
        assert_eq!((epochs.place(100.0), epochs.value(2.0)), (2.0, 2.0));
    }

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (-0.5, "−0.5"),
            (0.088, "0.088"),
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
        let axis = Axis {
            log: true,
            ..Axis::PLAIN
        };
        let marks = axis.marks(GridInput {
            bounds: (-0.1, 2.1),
            base_step_size: 0.01,
        });
        let labels: Vec<String> = marks.into_iter().map(|mark| axis.label(mark)).collect();
        assert_eq!(labels, ["1", "2", "5", "10", "20", "50", "100"]);
        let wide = axis.marks(GridInput {
            bounds: (-10.0, 30.0),
            base_step_size: 0.1,
        });
        assert!((5..12).contains(&wide.len()), "{}", wide.len());
    }
}
