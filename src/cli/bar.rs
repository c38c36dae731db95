//! Bars and spinners on standard error, for those who watch.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::output;

/// A terminal of fewer columns has no room for the bar itself.
const NARROW: u16 = 60;

/// A bar of `of` things in a terminal, with `rest` (indicatif's template) beside it; `None` elsewhere.
pub fn bar(of: u64, rest: &str) -> Option<ProgressBar> {
    if output::is_quiet() || !std::io::stderr().is_terminal() {
        return None;
    }
    let columns = terminal_size::terminal_size_of(std::io::stderr()).map_or(80, |(columns, _)| columns.0);
    let part = match columns < NARROW {
        true => String::new(),
        false => format!("{{bar:{}.cyan/blue}} ", (columns / 5).min(40)),
    };
    let bar = ProgressBar::new(of);
    // The templates are constants; where one were wrong, the default style would show.
    if let Ok(style) = ProgressStyle::with_template(&format!("{part}{rest}")) {
        bar.set_style(style);
    }
    Some(bar)
}

/// Something that moves beside `what`, in a terminal.
pub fn spinner(what: String) -> ProgressBar {
    if output::is_quiet() {
        return ProgressBar::hidden();
    }
    let spinner = ProgressBar::new_spinner().with_message(what);
    spinner.enable_steady_tick(Duration::from_millis(120));
    spinner
}
