//! The std of every output channel over time, in bounded memory: when the columns are full, every second one goes.

/// Columns that are kept at most.
const MOST: usize = 512;

/// The std of each channel at some steps.
#[derive(Debug, Clone, Default)]
pub struct Channels {
    columns: Vec<(u64, Vec<f32>)>,
    /// Columns that come between two that are kept.
    skipped: usize,
    stride: usize,
    newest: Option<(u64, Vec<f32>)>,
    /// Changes whenever the columns do.
    version: u64,
}

impl Channels {
    /// Adds the channels at `step`; steps rise.
    pub fn push(&mut self, step: u64, channels: Vec<f32>) {
        let same = self.columns.first().is_none_or(|(_, first)| first.len() == channels.len());
        if channels.is_empty() || !same || self.newest.as_ref().is_some_and(|(at, _)| *at >= step) {
            return;
        }
        self.version += 1;
        self.newest = Some((step, channels.clone()));
        if self.skipped + 1 < self.stride {
            self.skipped += 1;
            return;
        }
        self.skipped = 0;
        self.columns.push((step, channels));
        if self.columns.len() > MOST {
            let mut place = 0;
            self.columns.retain(|_| {
                place += 1;
                place % 2 == 1
            });
            self.stride = 2 * self.stride.max(1);
        }
    }

    /// Steps with their channels, the newest always among them.
    pub fn columns(&self) -> impl Iterator<Item = &(u64, Vec<f32>)> + Clone {
        let last = self.columns.last().map(|(step, _)| *step);
        let newest = self.newest.iter().filter(move |(step, _)| Some(*step) != last);
        self.columns.iter().chain(newest)
    }

    /// The channels now.
    pub fn newest(&self) -> Option<&(u64, Vec<f32>)> {
        self.newest.as_ref()
    }

    /// Another number after every change.
    pub fn version(&self) -> u64 {
        self.version
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_and_the_newest_is_there() {
        let mut channels = Channels::default();
        for step in 1..=10_000_u64 {
            channels.push(step, vec![step as f32; 3]);
        }
        let steps: Vec<u64> = channels.columns().map(|(step, _)| *step).collect();
        assert!((MOST / 2..=MOST + 1).contains(&steps.len()), "{}", steps.len());
        assert_eq!((steps[0], steps[steps.len() - 1]), (1, 10_000));
        let gaps: Vec<u64> = steps.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps[..gaps.len() - 1].iter().all(|gap| *gap == gaps[0]));
        let before = channels.version();
        channels.push(10_000, vec![0.0; 3]);
        channels.push(10_001, vec![0.0; 4]);
        channels.push(10_001, Vec::new());
        assert_eq!(channels.version(), before, "what does not fit is left out");
    }
}
