//! Whether a run is healthy, from the lines of its `metrics.jsonl`.

use crate::config::Config;
use crate::train::{Alarm, AlarmKind, HealthMonitor, HealthStatus, Line};

/// Observes the lines of one run.
#[derive(Debug, Clone, Default)]
pub struct RunHealth {
    /// None before the run has begun.
    monitor: Option<HealthMonitor>,
    /// The first alarm that the training itself raised.
    written: Option<Alarm>,
}

impl RunHealth {
    /// Takes a line of the run with this configuration, all of them in their order.
    pub fn take(&mut self, config: &Config, line: &Line) {
        if let Some(monitor) = &mut self.monitor {
            monitor.replay(line);
        }
        match line {
            // A run that is continued begins again, with the numbers that it had.
            Line::Start(start) if self.monitor.is_none() => {
                self.monitor = Some(HealthMonitor::new(config, start.steps_per_epoch().round() as u64));
            }
            Line::Alarm(line) if self.written.is_none() => {
                self.written = AlarmKind::named(&line.kind).map(|kind| Alarm {
                    step: line.step,
                    epoch: 0,
                    kind,
                    message: line.message.clone(),
                    advice: line.advice.clone(),
                });
            }
            _ => {}
        }
    }

    /// How the run stands: by its alarms, and where none was raised by its numbers; none before it has begun.
    pub fn status(&self) -> Option<HealthStatus> {
        let monitor = self.monitor.as_ref()?;
        Some(match &self.written {
            Some(alarm) => monitor.after(alarm),
            None => monitor.status(),
        })
    }
}
