//! How fast steps come.

use std::collections::VecDeque;
use std::time::Instant;

/// Ticks that count: enough to smooth, few enough to follow.
const WINDOW: usize = 32;

/// Steps a second over the last of them.
#[derive(Debug, Default)]
pub(super) struct Meter {
    times: VecDeque<Instant>,
}

impl Meter {
    /// Forgets what was before: there was a break.
    pub fn restart(&mut self) {
        self.times.clear();
        self.times.push_back(Instant::now());
    }

    /// A step is done.
    pub fn tick(&mut self) {
        self.times.push_back(Instant::now());
        if self.times.len() > WINDOW {
            self.times.pop_front();
        }
    }

    /// Steps since the restart, as far as they are remembered.
    pub fn ticks(&self) -> usize {
        self.times.len().saturating_sub(1)
    }

    /// Their rate.
    pub fn steps_per_second(&self) -> f64 {
        match (self.times.front(), self.times.back()) {
            (Some(first), Some(last)) if self.ticks() > 0 => {
                self.ticks() as f64 / last.duration_since(*first).as_secs_f64().max(1e-9)
            }
            _ => 0.0,
        }
    }
}
