//! What is printed: one line at a time, clean, as wide as the terminal, and not lost without a word; and the same with times in a file, for
//! those who want to keep it.

use std::fmt::Arguments;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::path::Path;
use std::sync::{Mutex, OnceLock};
use std::time::SystemTime;

use anyhow::{Result, anyhow};
use chrono::{DateTime, SecondsFormat, Utc};
use simsiam::format::clean;

/// Set once, before the first line.
static OPTIONS: OnceLock<Options> = OnceLock::new();
/// The first line that could not be written.
static FAILED: OnceLock<io::Error> = OnceLock::new();

/// Where a word that does not fit goes on: below the text behind a label such as `device`.
const INDENT: &str = "         ";

struct Options {
    /// Results, warnings and errors only.
    quiet: bool,
    log: Option<Mutex<File>>,
}

/// Writes a line of a result. Names in it come from files and drivers, so it goes out [`clean`].
macro_rules! say {
    ($($argument:tt)*) => { $crate::cli::output::line(format_args!($($argument)*)) };
}
/// Writes a line that `--quiet` leaves out: what is used, how far it is, what to do next.
macro_rules! note {
    ($($argument:tt)*) => { $crate::cli::output::note_line(format_args!($($argument)*)) };
}
/// Writes a line of a log, where there is one, and nothing else.
macro_rules! log_only {
    ($($argument:tt)*) => { $crate::cli::output::log_line(format_args!($($argument)*)) };
}
pub(crate) use {log_only, note, say};

/// How this program prints from now on.
pub fn begin(quiet: bool, log: Option<&Path>) -> Result<()> {
    let open = |path: &Path| {
        let file = OpenOptions::new().create(true).append(true).open(path);
        file.map(Mutex::new).map_err(|e| anyhow!("--log {}: {e}; give a file that can be written", path.display()))
    };
    // Nothing has been printed before.
    let _ = OPTIONS.set(Options { quiet, log: log.map(open).transpose()? });
    Ok(())
}

/// Whether only results are to be seen.
pub fn is_quiet() -> bool {
    OPTIONS.get().is_some_and(|options| options.quiet)
}

/// Whether somebody watches: bars move, and lines go above them.
pub fn is_watched() -> bool {
    !is_quiet() && io::stdout().is_terminal() && io::stderr().is_terminal()
}

/// See [`say`].
pub fn line(text: Arguments) {
    let text = clean(&text.to_string());
    log_line(format_args!("{text}"));
    keep(writeln!(io::stdout(), "{}", wrapped(&text)));
}

/// See [`note`].
pub fn note_line(text: Arguments) {
    match is_quiet() {
        true => log_line(text),
        false => line(text),
    }
}

/// See [`log_only`].
pub fn log_line(text: Arguments) {
    if let Some(log) = OPTIONS.get().and_then(|options| options.log.as_ref()) {
        let time = DateTime::<Utc>::from(SystemTime::now()).to_rfc3339_opts(SecondsFormat::Secs, true);
        let mut file = log.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        keep(writeln!(file, "{time} {}", clean(&text.to_string())));
    }
}

/// Writes a line to the standard error, and to the log.
pub fn error_line(text: &str) {
    let text = clean(text);
    log_line(format_args!("{text}"));
    eprintln!("{text}");
}

/// Writes bytes as they are: a file that was asked for on the standard output.
pub fn bytes(bytes: &[u8]) {
    keep(io::stdout().write_all(bytes));
}

/// Fails where a line has been lost. A pipe whose reader has seen enough loses nothing.
pub fn finish() -> io::Result<()> {
    keep(io::stdout().flush());
    match FAILED.get() {
        Some(error) => Err(io::Error::new(error.kind(), error.to_string())),
        None => Ok(()),
    }
}

/// In lines that the terminal has room for, broken between words; as it is for a file or a pipe, where tools read lines.
fn wrapped(text: &str) -> String {
    let terminal = io::stdout().is_terminal().then(terminal_size::terminal_size).flatten();
    match terminal {
        // A command stays in one line, so that it can be copied.
        Some((columns, _)) if text.chars().count() > columns.0 as usize && !text.contains("simsiam ") => {
            wrap(text, columns.0 as usize)
        }
        _ => text.to_owned(),
    }
}

/// Paths stay in one piece.
fn wrap(text: &str, columns: usize) -> String {
    let indent = text.len() - text.trim_start().len();
    let indent = &INDENT[..if indent > 0 { indent.min(INDENT.len()) } else { INDENT.len() }];
    let options = textwrap::Options::new(columns)
        .subsequent_indent(indent)
        .break_words(false)
        .word_splitter(textwrap::WordSplitter::NoHyphenation);
    textwrap::fill(text, options)
}

fn keep(written: io::Result<()>) {
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            // The first says it all.
            let _ = FAILED.set(error);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_broken_between_words_and_go_on_below_their_text() {
        let text = "device   llvmpipe (LLVM 15.0.6, 256 bits) (Vulkan)";
        assert_eq!(wrap(text, 30), "device   llvmpipe (LLVM\n         15.0.6, 256 bits)\n         (Vulkan)");
        assert_eq!(wrap("  a /very/long/path", 10), "  a\n  /very/long/path");
    }
}
