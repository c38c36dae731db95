//! `simsiam report`: any runs laid side by side in one HTML file.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use simsiam::experiment::report;

use super::{UsageError, say};

#[derive(clap::Args)]
#[command(after_help = "\
Runs that differ only in their seed share a colour and are drawn with their mean. The report works offline; a \
PNG of the charts is saved beside it.")]
pub struct Args {
    /// Run folders, or folders that contain runs.
    #[arg(required = true, value_name = "DIR")]
    runs: Vec<PathBuf>,
    /// Output file [default: DIR/report.html for a single run, else report.html].
    #[arg(long, value_name = "FILE.html")]
    out: Option<PathBuf>,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let runs = report::runs_of(&args.runs)?;
    let out = match (&args.out, &runs[..]) {
        (Some(out), _) => out.clone(),
        (None, [one]) => one.folder.join("report.html"),
        (None, _) => "report.html".into(),
    };
    if out.extension().is_none_or(|extension| extension != "html") {
        let out = out.display();
        return Err(UsageError(format!("{out}: a report is HTML; end the file's name in .html")).into());
    }
    report::compare(&runs, &out)?;
    let count = if runs.len() == 1 { "1 run".to_owned() } else { format!("{} runs", runs.len()) };
    say!("{count} in {}, charts in {}", out.display(), out.with_extension("png").display());
    Ok(ExitCode::SUCCESS)
}
