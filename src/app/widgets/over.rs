//! What a chart's x axis counts: steps, epochs, time of training or time of day; and where a step of a run lies on it.

use std::ops::RangeInclusive;

use egui_plot::{GridInput, GridMark};

use super::axis::{PlotAxis, round};
use crate::app::state::OpenRun;
use crate::app::state::record::Record;
use crate::format;

/// What the x axis counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::app) enum Over {
    Step,
    Epoch,
    /// Time of training, from its begin.
    Elapsed,
    /// Time of day.
    Clock,
}

/// An x axis for several runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::app) struct XAxis {
    pub over: Over,
    pub log: bool,
    /// Seconds of the unit in which time is shown.
    unit: f64,
}

/// Distances of marks on a clock, in seconds.
const CLOCK: [f64; 15] = [
    1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 21_600.0, 43_200.0, 86_400.0, 172_800.0,
    604_800.0,
];

impl XAxis {
    /// For these runs; time is in the unit that fits the longest.
    pub fn new(over: Over, log: bool, runs: &[OpenRun]) -> XAxis {
        let visible = runs.iter().filter(|run| run.visible);
        let longest = visible.map(|run| run.record.elapsed(f64::INFINITY)).fold(0.0, f64::max);
        let unit = match longest {
            0.0..180.0 => 1.0,
            180.0..10_800.0 => 60.0,
            _ => 3600.0,
        };
        // A logarithm of the time of day means nothing.
        XAxis { over, log: log && over != Over::Clock, unit }
    }

    /// What stands below it.
    pub fn label(self) -> &'static str {
        match (self.over, self.unit as u32) {
            (Over::Step, _) => "step",
            (Over::Epoch, _) => "epoch",
            (Over::Elapsed, 1) => "time of training, s",
            (Over::Elapsed, 60) => "time of training, min",
            (Over::Elapsed, _) => "time of training, h",
            (Over::Clock, _) => "time of day, UTC",
        }
    }

    fn axis(self, record: &Record) -> PlotAxis {
        let unit = match self.over {
            Over::Step | Over::Clock => 1.0,
            Over::Epoch => record.steps_per_epoch(),
            Over::Elapsed => self.unit,
        };
        PlotAxis { unit, log: self.log, ..PlotAxis::PLAIN }
    }

    /// Where a step of a run lies.
    pub fn place(self, record: &Record, step: f64) -> f64 {
        let value = match self.over {
            Over::Step | Over::Epoch => step,
            Over::Elapsed => record.elapsed(step),
            Over::Clock => record.began().map_or(f64::NAN, |began| began + record.elapsed(step)),
        };
        self.axis(record).place(value)
    }

    /// The step of a run that lies at a place.
    pub fn step(self, record: &Record, place: f64) -> f64 {
        let axis = self.axis(record);
        let value = axis.value(place) * axis.unit;
        match self.over {
            Over::Step | Over::Epoch => value,
            Over::Elapsed => record.step_after(value),
            Over::Clock => record.step_after(value - record.began().unwrap_or(value)),
        }
    }

    /// A place in words.
    pub fn text(self, place: f64) -> String {
        let value = PlotAxis { log: self.log, ..PlotAxis::PLAIN }.value(place);
        match self.over {
            Over::Step => format!("step {}", format::count(value.max(0.0).round() as usize)),
            Over::Epoch => format!("epoch {}", round((value * 100.0).round() / 100.0)),
            Over::Elapsed => format!("after {}", format::duration(value * self.unit)),
            Over::Clock => clock(value, "%F %T UTC"),
        }
    }

    /// The number to write at a mark.
    pub fn mark(self, mark: GridMark, seen: &RangeInclusive<f64>) -> String {
        match self.over {
            Over::Clock => {
                let pattern = match distance(seen.end() - seen.start()) {
                    86_400.0.. => "%F",
                    60.0.. => "%R",
                    _ => "%T",
                };
                clock(mark.value, pattern)
            }
            _ => PlotAxis { log: self.log, ..PlotAxis::PLAIN }.label(mark, seen),
        }
    }

    /// Marks for what is seen of it.
    pub fn marks(self, input: GridInput) -> Vec<GridMark> {
        let (low, high) = input.bounds;
        if self.over != Over::Clock {
            return PlotAxis { log: self.log, ..PlotAxis::PLAIN }.marks(input);
        }
        if !(low.is_finite() && high.is_finite() && high > low) {
            return Vec::new();
        }
        let distance = distance(high - low);
        let first = (low / distance).ceil() as i64;
        let marks = (first..).map(|n| n as f64 * distance).take_while(|value| *value <= high);
        // All have a line of one strength and their number.
        marks.map(|value| GridMark { value, step_size: (high - low) / 2.0 }).collect()
    }
}

/// Of marks on a clock, for so many seconds.
fn distance(length: f64) -> f64 {
    let least = length / 6.0;
    CLOCK.into_iter().find(|step| *step >= least).unwrap_or((least / 86_400.0).ceil() * 86_400.0)
}

fn clock(seconds: f64, pattern: &str) -> String {
    chrono::DateTime::from_timestamp(seconds as i64, 0).map(|time| time.format(pattern).to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::state::AppState;
    use crate::app::state::config_editor::ConfigEditor;
    use crate::config::Config;
    use crate::train::Line;

    #[test]
    fn a_step_lies_where_its_time_is_and_back() -> Result<(), Box<dyn std::error::Error>> {
        let mut record = Record::new(&Config::preset("demo")?);
        // 64 images a step.
        for line in [
            r#"{"event":"start","steps":20,"epochs":2}"#,
            r#"{"event":"epoch","epoch":0,"seconds":10.0}"#,
            r#"{"event":"step","step":1,"images_per_second":6.4}"#,
            r#"{"event":"step","step":10,"images_per_second":0.64}"#,
            r#"{"event":"epoch","epoch":1,"seconds":150.0}"#,
            r#"{"event":"step","step":11,"images_per_second":3.2}"#,
        ] {
            record.take(&Line::parse(line).ok_or("a line")?);
        }
        // 10 s for the untrained network, 10 and 100 s for the steps, 40 s for what was between, 20 s.
        assert_eq!([1.0, 10.0, 11.0].map(|step| record.elapsed(step).round()), [20.0, 160.0, 180.0]);
        record.written = Some(1_000_000_000.0);
        let mut state = AppState::new(ConfigEditor::new()?, Default::default());
        state.lay(std::path::Path::new("run"), record, None);
        let record = &state.shown[0].record;
        for over in [Over::Step, Over::Epoch, Over::Elapsed, Over::Clock] {
            let axis = XAxis::new(over, false, &state.shown);
            for step in [1.0, 5.0, 11.0] {
                assert!((axis.step(record, axis.place(record, step)) - step).abs() < 0.01, "{over:?}");
            }
        }
        let elapsed = XAxis::new(Over::Elapsed, false, &state.shown);
        assert_eq!((elapsed.label(), elapsed.place(record, 11.0)), ("time of training, min", 3.0));
        assert_eq!(elapsed.text(3.0), "after 3 min 0 s");
        let day = XAxis::new(Over::Clock, true, &state.shown);
        assert_eq!((day.log, day.text(day.place(record, 11.0))), (false, "2001-09-09 01:46:40 UTC".to_owned()));
        for (length, expected) in [(180.0, ["01:44:00", "01:44:30"]), (1200.0, ["01:30", "01:35"])] {
            let bounds = (1_000_000_000.0 - length, 1_000_000_000.0);
            let marks = day.marks(GridInput { bounds, base_step_size: 1.0 });
            let texts: Vec<String> = marks.into_iter().map(|mark| day.mark(mark, &(bounds.0..=bounds.1))).collect();
            assert_eq!(texts[..2], expected);
        }
        Ok(())
    }
}
