//! `simsiam report`: any runs laid side by side in one HTML file.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use serde_json::{Value, json};
use simsiam::experiment::report;
use simsiam::method::metric::names;
use simsiam::train::History;

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
    /// Print one JSON object with the figures of every run, and nothing else.
    #[arg(long)]
    json: bool,
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
    let charts = out.with_extension("png");
    if args.json {
        let object = json!({
            "report": out.display().to_string(),
            "charts": charts.display().to_string(),
            "runs": runs.iter().map(as_json).collect::<Vec<_>>(),
        });
        say!("{object}");
        return Ok(ExitCode::SUCCESS);
    }
    let count = if runs.len() == 1 { "1 run".to_owned() } else { format!("{} runs", runs.len()) };
    say!("{count} in {}, charts in {}", out.display(), charts.display());
    Ok(ExitCode::SUCCESS)
}

/// Numbers are those of the last epoch.
fn as_json(run: &History) -> Value {
    let alarms =
        run.alarms.iter().map(|alarm| json!({ "kind": alarm.kind, "step": alarm.step, "message": alarm.message }));
    json!({
        "run": run.folder.display().to_string(),
        "method": run.config.method.name(),
        "seed": run.config.run.seed,
        "epochs_done": run.epochs_done(),
        "epochs": run.config.optim.epochs,
        "done": run.done.is_some(),
        "failed": run.failed.as_ref().map(|failed| &failed.message),
        "knn_top1_untrained": run.untrained(names::KNN_TOP1),
        "knn_top1": run.knn(),
        "loss": run.last_epoch(names::LOSS),
        "output_std": run.last_epoch(names::OUTPUT_STD),
        "effective_rank": run.last_epoch(names::EFFECTIVE_RANK),
        "seconds": run.seconds(),
        "images_per_second": run.images_per_second(),
        "alarms": alarms.collect::<Vec<_>>(),
    })
}
