//! How far a piece of work is: a bar in a terminal, a plain line now and then elsewhere.

use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use super::bar::bar;
use super::note;

/// Between two plain lines.
const EVERY: Duration = Duration::from_secs(10);

pub struct Counter {
    bar: Option<ProgressBar>,
    of: u64,
    last: Instant,
    /// Nothing but the result may go to the standard output.
    quiet: bool,
}

impl Counter {
    /// Of `of` things.
    pub fn new(of: u64, quiet: bool) -> Counter {
        Counter { bar: bar(of, "{pos}/{len} {wide_msg}"), of, last: Instant::now(), quiet }
    }

    /// The same of another number of things.
    pub fn at_of(&mut self, done: u64, of: u64, what: &str) {
        self.of = of;
        if let Some(bar) = &self.bar {
            bar.set_length(of);
        }
        self.at(done, what);
    }

    /// So many are done; `what` says of which things.
    pub fn at(&mut self, done: u64, what: &str) {
        match &self.bar {
            Some(bar) => {
                bar.set_position(done);
                bar.set_message(what.to_owned());
            }
            None if !self.quiet && self.last.elapsed() >= EVERY => {
                note!("  {done}/{} {what}", self.of);
                self.last = Instant::now();
            }
            None => {}
        }
    }

    /// Takes the bar away.
    pub fn end(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}
