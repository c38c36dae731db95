//! How often the window paints what is new. A GPU paints 30 times a second and hardly notices; where the CPU paints, every frame takes
//! time from the training that it shows, so painting gets a share of the time and no more.

use std::time::{Duration, Instant};

/// At most so often, where there is no input.
const NEWS: Duration = Duration::from_millis(33);
/// On a software driver one part in this many goes to painting.
const SHARE: u32 = 14;
/// News are never older.
const OLDEST: Duration = Duration::from_secs(5);

/// When the next frame is due.
#[derive(Debug)]
pub(in crate::app) struct FrameLimiter {
    software: bool,
    last: Option<Instant>,
    cost: Duration,
}

impl FrameLimiter {
    pub fn new(software: bool) -> FrameLimiter {
        FrameLimiter { software, last: None, cost: Duration::ZERO }
    }

    /// A frame that began at `began` took so long.
    pub fn painted(&mut self, began: Instant, cost: Duration) {
        // One slow frame, which waited for something else, counts half.
        self.cost = (self.cost + cost) / 2;
        self.last = Some(began + cost);
    }

    /// When what is new should be painted.
    pub fn due(&self, now: Instant) -> Instant {
        let between = match self.software {
            true => (self.cost * (SHARE - 1)).clamp(NEWS, OLDEST),
            false => NEWS,
        };
        self.last.map_or(now, |last| (last + between).max(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn painting_gets_its_share() {
        let now = Instant::now();
        let frame = Duration::from_millis(100);
        let mut software = FrameLimiter::new(true);
        assert_eq!(software.due(now), now);
        (0..20).for_each(|_| software.painted(now, frame));
        let wait = software.due(now) - (now + frame);
        let share = frame.as_secs_f64() / (frame + wait).as_secs_f64();
        assert!((0.06..0.08).contains(&share), "{share}");
        let mut gpu = FrameLimiter::new(false);
        gpu.painted(now, Duration::from_millis(2));
        assert_eq!(gpu.due(now), now + Duration::from_millis(2) + NEWS);
    }
}
