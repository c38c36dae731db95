//! `simsiam metrics`: the numbers of runs as one table, or for TensorBoard.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use simsiam::experiment::report;
use simsiam::format::count;
use simsiam::train::{EventsFile, History, MetricsTable, TableFormat};

use super::{UsageError, output, say};

#[derive(clap::Args)]
#[command(after_help = "\
A row for every step and for every epoch of every run. Columns: run, event (step or epoch), step and epoch (those done), \
then every metric under its name; what has no number is empty. In pandas: df[df.event == 'epoch'].

docs/metrics.md says what each metric is, and its unit. Without --csv and --parquet, CSV goes to standard output.

--tensorboard makes of any run what a run with run.tensorboard = true leaves in its own folder: scalars, histograms, alarms and the picture \
of the views. Several runs get a folder each in OUTDIR: tensorboard --logdir OUTDIR.")]
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
    /// Write event files for TensorBoard into OUTDIR, which is made.
    #[arg(long, value_name = "OUTDIR", conflicts_with_all = ["csv", "parquet"])]
    tensorboard: Option<PathBuf>,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    if let Some(out) = &args.tensorboard {
        return tensorboard(&report::runs_of(&args.runs)?, out);
    }
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

fn tensorboard(runs: &[History], out: &Path) -> Result<ExitCode> {
    let mut names: Vec<String> = Vec::new();
    for run in runs {
        let mut folder = out.to_path_buf();
        if runs.len() > 1 {
            // TensorBoard calls a run as its folder; two of one name are told apart.
            let name = run.folder.file_name().map_or("run".into(), |name| name.to_string_lossy()).into_owned();
            let same = names.iter().filter(|other| **other == name).count();
            folder.push(if same > 0 { format!("{name}-{}", same + 1) } else { name.clone() });
            names.push(name);
        }
        let file = EventsFile::of_run(run, &folder)?;
        say!("events   {}: {} steps", file.display(), count(run.steps.len()));
    }
    say!("         tensorboard --logdir {} shows them", out.display());
    Ok(ExitCode::SUCCESS)
}
