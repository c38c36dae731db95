//! `simsiam data SPEC`: what a data set is, before somebody trains on it.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use simsiam::data::survey::survey;
use simsiam::data::{self, Limits, Spec};
use simsiam::picture::{self, ContactSheet};

use super::report::Report;
use crate::cli::say;
use crate::cli::settings::Settings;
use crate::cli::train::grouped;

/// Between two plain lines of a pass over many images.
const EVERY: Duration = Duration::from_secs(10);

/// Reads every image once and says what was recognised: splits, classes, sizes, files that cannot be read, mean and standard deviation,
/// the memory it will take.
#[derive(clap::Args)]
pub struct Args {
    /// The images: demo, a folder, or KIND:FOLDER with folder, idx, cifar10 or cifar100.
    #[arg(value_name = "SPEC")]
    data: String,
    /// Also a picture of some of the images, a class a row: FILE.png or FILE.svg.
    #[arg(long, value_name = "FILE")]
    sheet: Option<PathBuf>,
    /// One JSON object instead of lines.
    #[arg(long)]
    json: bool,
    /// Look at N training images only: the first ones, or of files evenly spread ones.
    #[arg(long, value_name = "N")]
    limit_train: Option<String>,
    /// Look at N test images only.
    #[arg(long, value_name = "N")]
    limit_test: Option<String>,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    if let Some(sheet) = &args.sheet {
        picture::check_name(sheet)?;
    }
    // As `simsiam train --data SPEC` would have it.
    let settings = Settings {
        data: Some(args.data.clone()),
        limit_train: args.limit_train.clone(),
        limit_test: args.limit_test.clone(),
        ..Settings::default()
    };
    let configured = settings.configure(&[])?;
    let spec: Spec = args.data.parse()?;
    let dataset = data::open_unchecked(&spec, Limits::from(&configured.config.data))?;
    let mut progress = Progress::default();
    let survey = survey(&dataset, &mut |done, of| progress.at(done, of));
    progress.end();
    let recognised = spec.recognise()?.to_string();
    let report = Report::new(&dataset, &recognised, &survey, &configured);
    if let Some(path) = &args.sheet {
        let sheet = ContactSheet::of(
            &dataset,
            "What the data set holds".to_owned(),
            format!("{}: {}", dataset.name, report.summary()),
        );
        picture::write(&sheet.svg()?, path)?;
    }
    if args.json {
        let mut object = report.json();
        if let Some(sheet) = &args.sheet {
            object["sheet"] = json!(sheet.display().to_string());
        }
        say!("{object}");
        return Ok(ExitCode::SUCCESS);
    }
    report.say();
    if let Some(sheet) = &args.sheet {
        say!("sheet    {}", sheet.display());
    }
    report.say_next();
    Ok(ExitCode::SUCCESS)
}

/// On standard error, and only where the pass takes long: a bar in a terminal, plain lines elsewhere.
#[derive(Default)]
struct Progress {
    /// When the first image was done, and when the last line was written.
    times: Option<[Instant; 2]>,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Shorter passes show nothing.
    const SHORT: Duration = Duration::from_millis(500);

    fn at(&mut self, done: usize, of: usize) {
        // Images in memory take a microsecond.
        if !done.is_multiple_of(16) {
            return;
        }
        let now = Instant::now();
        let [begin, last] = self.times.get_or_insert([now; 2]);
        match &self.bar {
            Some(bar) => bar.set_position(done as u64),
            None if std::io::stderr().is_terminal() && begin.elapsed() >= Self::SHORT => {
                self.bar = Some(bar(of as u64));
            }
            None if last.elapsed() >= EVERY => {
                eprintln!("  {} of {} images", grouped(done), grouped(of));
                *last = now;
            }
            None => {}
        }
    }

    fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

fn bar(images: u64) -> ProgressBar {
    let bar = ProgressBar::new(images);
    // The template is a constant; where it were wrong, the default style would show.
    let template = "{wide_bar:.cyan/blue} {pos}/{len} images  {per_sec}  {eta} left";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}
