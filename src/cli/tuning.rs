//! How the choice of kernels is shown.

use indicatif::ProgressBar;
use simsiam::format::duration;
use simsiam::graph::tune::Tuned;

use super::bar::bar;
use super::note;

/// A bar in a terminal while kernels are measured, and nothing elsewhere.
pub struct Measuring {
    bar: Option<ProgressBar>,
}

impl Measuring {
    pub fn new() -> Measuring {
        Measuring { bar: bar(0, "{pos}/{len} measuring kernels") }
    }

    pub fn at(&self, done: usize, of: usize) {
        if let Some(bar) = &self.bar {
            bar.set_length(of as u64);
            bar.set_position(done as u64);
        }
    }

    /// Takes the bar away.
    pub fn end(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Tells what was chosen.
pub fn tell(tuned: &Tuned) {
    if tuned.kinds > 0 {
        note!("kernels  {}", sentence(tuned));
    }
    for remark in &tuned.remarks {
        note!("         note: {remark}");
    }
}

fn sentence(tuned: &Tuned) -> String {
    let Tuned { kinds, known, measured, .. } = *tuned;
    let shapes = |n: usize| match n {
        1 => "1 shape".to_owned(),
        n => format!("{n} shapes"),
    };
    if known == kinds {
        return format!("known for {} from before", shapes(kinds));
    }
    let mut text = format!("chosen for {} in {}", shapes(kinds), duration(tuned.seconds));
    let guessed = kinds - known - measured;
    let parts = [(known, "known from before"), (guessed, "skipped (time limit)")];
    let parts: Vec<String> = parts.into_iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    if !parts.is_empty() {
        text += &format!(" ({})", parts.join(", "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences() {
        let text =
            |kinds, known, measured| sentence(&Tuned { kinds, known, measured, seconds: 3.2, ..Tuned::default() });
        assert_eq!(text(41, 0, 41), "chosen for 41 shapes in 3.2 s");
        assert_eq!(text(41, 12, 20), "chosen for 41 shapes in 3.2 s (12 known from before, 9 skipped (time limit))");
        assert_eq!(text(1, 1, 0), "known for 1 shape from before");
    }
}
