//! `simsiam data SPEC`: what a data set is, before somebody trains on it.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;
use simsiam::data::survey::survey;
use simsiam::data::{self, Limits, Spec};
use simsiam::picture::{self, ContactSheet};

use super::progress::{ImageProgress, Opening};
use super::report::Report;
use crate::cli::say;
use crate::cli::settings::Settings;

/// Reads every image once and says what was recognised: splits, classes, sizes, files that cannot be read, mean and standard deviation,
/// the memory it will take.
#[derive(clap::Args)]
pub struct Args {
    /// The images: demo, a folder, or KIND:PATH with folder, idx, cifar10, cifar100, stl10, pack or parquet.
    #[arg(value_name = "SPEC")]
    data: String,
    /// Also save sample images, one row per class: FILE.png or FILE.svg.
    #[arg(long, value_name = "FILE")]
    sheet: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Look at N training images only: the first ones, or of files evenly spread ones.
    #[arg(long, value_name = "N")]
    limit_train: Option<String>,
    /// Look at N test images only.
    #[arg(long, value_name = "N")]
    limit_test: Option<String>,
    /// Table with the class of each file of a folder: CSV with a column of file names and one of labels.
    #[arg(long, value_name = "FILE")]
    labels: Option<String>,
    /// Set any configuration key, such as data.background=black; repeatable.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
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
        labels: args.labels.clone(),
        set: args.set.clone(),
        ..Settings::default()
    };
    let mut configured = settings.configure(&[])?;
    let spec: Spec = args.data.parse()?;
    let mut opening = Opening::new(&spec);
    let dataset = data::open_unchecked(&spec, Limits::from(&configured.config.data), &mut |files| opening.at(files));
    opening.end();
    let dataset = dataset?;
    let mut progress = ImageProgress::default();
    let survey = survey(&dataset, &mut |done, of| progress.at(done, of));
    progress.end();
    configured.config.fit_batch(survey.train.readable());
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
