//! Numbers with what they are.

use std::sync::Arc;

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::method::{Cadence, Metric};

/// A number for every metric of one cadence; for [`Cadence::Epoch`] also of those that an epoch reports by its steps. As JSON they are fields, in the order of the declaration; what is no number is null.
#[derive(Debug, Clone, PartialEq)]
pub struct Readings {
    metrics: Arc<[Metric]>,
    cadence: Cadence,
    /// One a metric of this cadence; NaN where there is none.
    values: Vec<f64>,
}

impl Readings {
    /// Without numbers yet, for the metrics of one cadence.
    pub fn new(metrics: &Arc<[Metric]>, cadence: Cadence) -> Readings {
        let count = metrics.iter().filter(|metric| belongs(metric, cadence)).count();
        Readings { metrics: metrics.clone(), cadence, values: vec![f64::NAN; count] }
    }

    /// Numbers that the host measured, under their names.
    pub fn given(cadence: Cadence, numbers: &[(&'static str, f64)]) -> Readings {
        let metric = |&(name, _): &(&'static str, f64)| Metric {
            cadence,
            ..Metric::new(name, name, crate::method::Source::Host)
        };
        Readings {
            metrics: numbers.iter().map(metric).collect(),
            cadence,
            values: numbers.iter().map(|(_, value)| *value).collect(),
        }
    }

    /// Every metric with its number.
    pub fn iter(&self) -> impl Iterator<Item = (&Metric, f64)> {
        let metrics = self.metrics.iter().filter(|metric| belongs(metric, self.cadence));
        metrics.zip(self.values.iter().copied())
    }

    /// The number of the metric `name`; NaN where there is none.
    pub fn get(&self, name: &str) -> f64 {
        self.iter().find(|(metric, _)| metric.name == name).map_or(f64::NAN, |(_, value)| value)
    }

    /// Whether a metric of this name is declared.
    pub fn has(&self, name: &str) -> bool {
        self.iter().any(|(metric, _)| metric.name == name)
    }

    /// Sets the number of the metric `name`, where it is declared.
    pub fn set(&mut self, name: &str, value: f64) {
        let place = self.iter().position(|(metric, _)| metric.name == name);
        if let Some(place) = place {
            self.values[place] = value;
        }
    }

    /// Sets every number that `value` has.
    pub fn fill(&mut self, value: impl Fn(&Metric) -> Option<f64>) {
        let values: Vec<f64> = self.iter().map(|(metric, old)| value(metric).unwrap_or(old)).collect();
        self.values = values;
    }
}

fn belongs(metric: &Metric, cadence: Cadence) -> bool {
    metric.cadence == cadence || cadence == Cadence::Epoch && metric.per_epoch.is_some()
}

impl Serialize for Readings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (metric, value) in self.iter() {
            // The shortest text of the device's own precision.
            match metric.is_single() && self.cadence != Cadence::Epoch {
                true => map.serialize_entry(metric.name, &(value as f32))?,
                false => map.serialize_entry(metric.name, &value)?,
            }
        }
        map.end()
    }
}
