//! `simsiam data fetch`: getting published data sets.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::{DecimalBytes, ProgressBar};
use simsiam::data::fetch::{self, FetchEvent, FetchOptions, FetchOutcome};

use super::quoted;
use crate::cli::bar::bar;
use crate::cli::{note, output, say};

/// Between two plain lines of a download.
const EVERY: Duration = Duration::from_secs(10);

/// The SHA-256 of every file is pinned. What is not finished stays in DIR/.NAME.part, so that the same command continues after
/// Ctrl-C or a broken connection; the archive is removed when it is unpacked.
#[derive(clap::Args)]
pub struct Args {
    /// Which: cifar10 (170 MB), cifar100 (169 MB), stl10 (2.6 GB) or fashion-mnist (31 MB).
    name: String,
    /// Destination; the data set gets a folder of its own in it.
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// A mirror (http://... or https://...) or local folder with the original files.
    #[arg(long, value_name = "URL|FOLDER")]
    from: Option<String>,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let entry = fetch::find(&args.name)?;
    let options = FetchOptions { from: args.from.clone(), ..FetchOptions::default() };
    let mut progress = DownloadProgress::new();
    let result = fetch::fetch(&entry, &args.to, &options, &mut |event| {
        progress.listen(&event);
    });
    progress.end();
    let outcome = result?;
    let folder = outcome.folder().display();
    match &outcome {
        FetchOutcome::Fetched(_) => say!("{}: complete, in {folder}", entry.name),
        FetchOutcome::AlreadyThere(_) => {
            say!("{}: already complete in {folder}, nothing done", entry.name)
        }
    }
    let spec = format!("{}:{folder}", entry.kind);
    say!("simsiam train --data {}", quoted(&spec));
    Ok(ExitCode::SUCCESS)
}

/// A bar in a terminal, plain lines elsewhere.
struct DownloadProgress {
    bar: Option<ProgressBar>,
    bytes: u64,
    last: Instant,
}

impl DownloadProgress {
    fn new() -> Self {
        Self { bar: None, bytes: 0, last: Instant::now() }
    }

    fn listen(&mut self, event: &FetchEvent) {
        match event {
            FetchEvent::Downloading { file, have } => {
                self.end();
                self.bytes = file.bytes;
                let so_far = match have {
                    0 => String::new(),
                    have => format!(", {} are there", DecimalBytes(*have)),
                };
                note!("{}: {}{so_far}", file.name, DecimalBytes(file.bytes));
                self.bar = output::is_watched().then(|| download(file.bytes, *have)).flatten();
                self.last = Instant::now();
            }
            FetchEvent::Bytes { have } => match &self.bar {
                Some(bar) => bar.set_position(*have),
                None if self.last.elapsed() >= EVERY => {
                    note!("  {} of {}", DecimalBytes(*have), DecimalBytes(self.bytes));
                    self.last = Instant::now();
                }
                None => {}
            },
            FetchEvent::Retry { problem, wait } => {
                let seconds = wait.as_secs_f64();
                self.line(&format!("{problem}; trying again in {seconds:.0} s"));
            }
            FetchEvent::NextServer { error } => self.line(&format!("{error}; trying the next server")),
            FetchEvent::Checking { file } => self.note(&format!("{}: checking", file.name)),
            FetchEvent::Unpacking { file } => self.note(&format!("{}: unpacking", file.name)),
            FetchEvent::Leftover { folder, problem } => {
                let folder = folder.display();
                self.line(&format!("warning: {folder} cannot be removed: {problem}; remove it by hand"));
            }
        }
    }

    /// Takes the bar away and prints a line.
    fn line(&mut self, text: &str) {
        self.end();
        say!("{text}");
    }

    /// The same, of what `--quiet` leaves out.
    fn note(&mut self, text: &str) {
        self.end();
        note!("{text}");
    }

    fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

fn download(bytes: u64, have: u64) -> Option<ProgressBar> {
    let rest = "{decimal_bytes}/{decimal_total_bytes}  {decimal_bytes_per_sec}  {eta} left";
    let bar = bar(bytes, rest)?;
    bar.set_position(have);
    // The speed is that of now, not of the last time.
    bar.reset_eta();
    Some(bar)
}
