//! How the choice of kernels is shown.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};
use simsiam::format::duration;
use simsiam::graph::tune::Tuned;

use super::say;

/// A bar in a terminal while kernels are measured, and nothing elsewhere.
pub struct Measuring {
    bar: Option<ProgressBar>,
}

impl Measuring {
    pub fn new() -> Measuring {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(0);
            // The template is a constant; where it were wrong, the default style would show.
            if let Ok(style) = ProgressStyle::with_template("{wide_bar:.cyan/blue} {pos}/{len} measuring kernels") {
                bar.set_style(style);
            }
            bar
        });
        Measuring { bar }
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
        say!("kernels  {}", sentence(tuned));
    }
    for remark in &tuned.remarks {
        say!("         note: {remark}");
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
    let parts = [(known, "known from before"), (guessed, "not measured for want of time")];
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
        assert_eq!(
            text(41, 12, 20),
            "chosen for 41 shapes in 3.2 s (12 known from before, 9 not measured for want of time)"
        );
        assert_eq!(text(1, 1, 0), "known for 1 shape from before");
    }
}
