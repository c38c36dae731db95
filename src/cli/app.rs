//! `simsiam app`: the window.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use simsiam::app::{self, AppOptions, Interrupt, WindowSettings};

use super::say;

#[derive(clap::Args)]
#[command(after_help = "\
Keys: 1 to 6 select a pane, Ctrl+Enter starts, space pauses and resumes, Ctrl+O opens a folder of images or a \
run. Both can also be dropped on the window.")]
pub struct Args {
    /// Images to preselect: demo, a folder, or KIND:PATH.
    #[arg(long, value_name = "SPEC")]
    data: Option<String>,
    /// A run to watch or continue (another process may be writing it), or a folder of runs; repeatable.
    #[arg(long, value_name = "DIR")]
    run: Vec<PathBuf>,
    /// Default output directory.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The adapter: its number in `simsiam devices` or a part of its name.
    #[arg(long, value_name = "INDEX|NAME")]
    device: Option<String>,
    /// File for window size, theme and recent data [default: in the user's configuration folder].
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// Print frame times at exit.
    #[arg(long)]
    frame_times: bool,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    for run in &args.run {
        anyhow::ensure!(
            run.is_dir(),
            "--run {}: there is no such folder; give that of a run, or one that holds runs",
            run.display()
        );
    }
    let interrupt = Interrupt::default();
    let signal = interrupt.clone();
    ctrlc::set_handler(move || {
        if signal.close() {
            std::process::exit(1);
        }
        eprintln!("\nclosing, with a checkpoint where something is trained; once more to end at once");
    })
    .context("Ctrl-C cannot be caught")?;
    let times = app::run(AppOptions {
        data: args.data.clone(),
        runs: args.run.clone(),
        out: args.out.clone(),
        device: args.device.clone(),
        settings: args.settings.clone().or_else(WindowSettings::file),
        interrupt,
    })?;
    if args.frame_times {
        for (name, mut seconds) in [("own work", times.own), ("with painting", times.all)] {
            seconds.sort_by(f64::total_cmp);
            let at = |part: f64| {
                let place = (part * seconds.len() as f64) as usize;
                1e3 * seconds.get(place.min(seconds.len().saturating_sub(1))).unwrap_or(&f64::NAN)
            };
            say!("{} frames, {name}: median {:.1} ms, 99 % {:.1} ms", seconds.len(), at(0.5), at(0.99));
        }
    }
    Ok(ExitCode::SUCCESS)
}
