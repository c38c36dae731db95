//! `simsiam views`: images with their crops, and the views that a network is trained on, with what was drawn for them.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use simsiam::method;
use simsiam::picture;
use simsiam::view_sheet::view_sheet;

use super::device::DeviceArg;
use super::say;
use super::settings::{self, Settings};

#[derive(clap::Args)]
#[command(after_help = "\
Images are the first of the epoch: with --epoch 0, those of the first batch of `simsiam train` with the same \
settings.")]
pub struct Args {
    /// The picture: FILE.png or FILE.svg.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Images to show.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=200))]
    count: u32,
    /// Epoch whose draws are shown, from 0.
    #[arg(long, value_name = "E", default_value_t = 0)]
    epoch: u32,
    /// Show the views of this run.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["preset", "config"])]
    run: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    device: DeviceArg,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let config = match &args.run {
        None => args.settings.configure(&[])?.config,
        Some(path) => {
            let file = path.join("config.toml");
            let of_run = Settings { config: Some(file), preset: None, ..args.settings.clone() };
            of_run.configure(&[])?.config
        }
    };
    config.validate()?;
    method::check(&config)?;
    picture::check_name(&args.out)?;
    let dataset = settings::open(&config)?;
    let gpu = args.device.open()?;
    let sheet = view_sheet(&gpu, &config, &dataset, args.epoch, args.count as usize)?;
    picture::write(&sheet.svg()?, &args.out)?;
    say!("{}", args.out.display());
    Ok(ExitCode::SUCCESS)
}
