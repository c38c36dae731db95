//! `simsiam data pack`: images decoded once, for trainings that would wait for their decoding.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use simsiam::config::Config;
use simsiam::data::pack::{self, Packing};
use simsiam::data::{self, Decoding, Limits, Spec};

use super::progress::{ImageProgress, Opening};
use super::quoted;
use crate::cli::devices::size;
use crate::cli::{UsageError, say};
use simsiam::format::count;

#[derive(clap::Args)]
pub struct Args {
    /// The images: a folder, or KIND:PATH.
    #[arg(value_name = "SPEC")]
    data: String,
    /// Output file; an existing one is replaced once the new one is complete.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Shrink images whose shorter side exceeds this; without it all keep their size.
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(1..=16384))]
    short_side: Option<u32>,
    /// Table with the class of each file of a folder: CSV with a column of file names and one of labels.
    #[arg(long, value_name = "FILE")]
    labels: Option<String>,
    /// Set a key of [data] that decides what images look like: data.background or data.white_level. A pack holds what comes of them.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Decoding threads; 0 is all cores but one.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1024))]
    threads: u32,
    /// Largest fraction of unreadable images, 0 to 1; they are skipped.
    #[arg(long, value_name = "PART", default_value_t = Limits::default().unreadable, value_parser = part)]
    max_unreadable: f64,
}

fn part(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(part) if (0.0..=1.0).contains(&part) => Ok(part),
        _ => Err("expected a number from 0 to 1".to_owned()),
    }
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let spec: Spec = args.data.parse()?;
    let mut config = Config::default();
    config.data.labels = args.labels.clone().unwrap_or_default();
    for assignment in &args.set {
        config.set(assignment)?;
    }
    let mut opening = Opening::new(&spec);
    let dataset = data::open_unchecked(&spec, Limits::from(&config.data), &mut |files| opening.at(files));
    opening.end();
    let mut dataset = dataset?;
    data::judge_pixels(&mut dataset, Decoding::from(&config.data))?;
    if let Spec::Pack(file) = spec.recognise()?
        && let (Ok(from), Ok(to)) = (file.canonicalize(), args.out.canonicalize())
        && from == to
    {
        let line = format!("--out {}: that is the pack to be read", args.out.display());
        return Err(UsageError(line).into());
    }
    for remark in &dataset.warnings() {
        say!("warning: {remark}");
    }
    let packing =
        Packing { short_side: args.short_side, threads: args.threads as usize, unreadable: args.max_unreadable };
    let mut progress = ImageProgress::default();
    let packed = pack::write(&dataset, &args.out, &packing, &mut |done, of| progress.at(done, of));
    progress.end();
    let packed = packed?;
    for problem in &packed.named {
        say!("warning: {problem}");
    }
    if packed.left_out > 0 {
        say!("warning: {} images are left out", count(packed.left_out));
    }
    let [train, bank, test] = packed.images;
    let bank = match bank {
        0 => String::new(),
        n => format!("{} labelled images for kNN, ", count(n)),
    };
    let out = args.out.display().to_string();
    say!(
        "packed   {} training images, {bank}{} test images: {} in {out}",
        count(train),
        count(test),
        size(packed.bytes)
    );
    say!("next     simsiam train --data {}", quoted(&format!("pack:{out}")));
    Ok(ExitCode::SUCCESS)
}
