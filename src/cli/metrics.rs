//! `simsiam metrics`: the numbers of runs as one table.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use simsiam::experiment::report;
use simsiam::format::count;
use simsiam::train::{MetricsTable, TableFormat};

use super::{UsageError, output, say};

#[derive(clap::Args)]
#[command(after_help = "\
A row for every step and for every epoch of every run. Columns: run, event (step or epoch), step and epoch (those done), \
then every metric under its name; what has no number is empty. In pandas: df[df.event == 'epoch'].

docs/metrics.md says what each metric is, and its unit. Without --csv and --parquet, CSV goes to standard output.")]
pub struct Args {
    /// Run folders, or folders that contain runs.
    #[arg(required = true, value_name = "DIR")]
    runs: Vec<PathBuf>,
    /// Write CSV; without FILE, or with -, to standard output.
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    csv: Option<PathBuf>,
    /// Write Parquet; without FILE, or with -, to standard output.
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-", conflicts_with = "csv")]
    parquet: Option<PathBuf>,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let file = args.parquet.as_deref().or(args.csv.as_deref()).unwrap_or(Path::new("-"));
    let to_output = file == Path::new("-");
    if to_output && args.parquet.is_some() && io::stdout().is_terminal() {
        return Err(UsageError("--parquet: a terminal cannot show Parquet; give a file's name".to_owned()).into());
    }
    let format = if args.parquet.is_some() { TableFormat::Parquet } else { TableFormat::Csv };
    let runs = report::runs_of(&args.runs)?;
    let table = MetricsTable::new(&runs);
    if to_output {
        let mut bytes = Vec::new();
        table.write(format, &mut bytes)?;
        output::bytes(&bytes);
        return Ok(ExitCode::SUCCESS);
    }
    table.save(format, file)?;
    let number = if runs.len() == 1 { "1 run".to_owned() } else { format!("{} runs", runs.len()) };
    say!("{} rows of {number} in {}", count(table.rows()), file.display());
    Ok(ExitCode::SUCCESS)
}
