//! A pass over many images, and over many files.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use simsiam::data::Spec;
use simsiam::format::{clean, count};

use crate::cli::bar::{bar, spinner};
use crate::cli::output;

/// Between two plain lines.
const EVERY: Duration = Duration::from_secs(10);

/// On standard error, and only where the pass takes long: a bar in a terminal, plain lines elsewhere.
#[derive(Default)]
pub struct ImageProgress {
    /// When the first image was done, and when the last line was written.
    times: Option<[Instant; 2]>,
    bar: Option<ProgressBar>,
}

impl ImageProgress {
    /// Shorter passes show nothing.
    const SHORT: Duration = Duration::from_millis(500);

    pub fn at(&mut self, done: usize, of: usize) {
        // Images in memory take a microsecond.
        if !done.is_multiple_of(16) {
            return;
        }
        let now = Instant::now();
        let [begin, last] = self.times.get_or_insert([now; 2]);
        match &self.bar {
            Some(bar) => bar.set_position(done as u64),
            None if std::io::stderr().is_terminal() && begin.elapsed() >= Self::SHORT => {
                self.bar = bar(of as u64, "{pos}/{len} images  {per_sec}  {eta} left");
            }
            None if last.elapsed() >= EVERY && !output::is_quiet() => {
                eprintln!("  {} of {} images", count(done), count(of));
                *last = now;
            }
            None => {}
        }
    }

    pub fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

/// While data are opened: in a terminal something moves and counts files, elsewhere a line says now and then how many there are.
pub struct Opening {
    what: String,
    spinner: ProgressBar,
    last: Instant,
}

impl Opening {
    pub fn new(spec: &Spec) -> Opening {
        let what = clean(&format!("opening {spec}"));
        Opening { spinner: spinner(what.clone()), what, last: Instant::now() }
    }

    /// So many files were seen.
    pub fn at(&mut self, files: usize) {
        if !files.is_multiple_of(1000) {
            return;
        }
        let line = format!("{}: {} files", self.what, count(files));
        if !std::io::stderr().is_terminal() && !output::is_quiet() && self.last.elapsed() >= EVERY {
            eprintln!("  {line}");
            self.last = Instant::now();
        }
        self.spinner.set_message(line);
    }

    pub fn end(self) {
        self.spinner.finish_and_clear();
    }
}
