//! What goes to the standard output: one line at a time, clean, and not lost without a word.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::sync::OnceLock;

use simsiam::format::clean;

/// The first line that could not be written.
static FAILED: OnceLock<io::Error> = OnceLock::new();

/// Writes a line. Names in it come from files and drivers, so it goes out [`clean`].
macro_rules! say {
    ($($argument:tt)*) => { $crate::cli::output::line(format_args!($($argument)*)) };
}
pub(crate) use say;

/// See [`say`].
pub fn line(text: Arguments) {
    keep(writeln!(io::stdout(), "{}", clean(&text.to_string())));
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

fn keep(written: io::Result<()>) {
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            // The first says it all.
            let _ = FAILED.set(error);
        }
        _ => {}
    }
}
