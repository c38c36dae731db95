//! `simsiam views`: images with their crops, and the views that a network is trained on, with what was drawn for them.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use simsiam::augment::{Preview, Seen};
use simsiam::config::Config;
use simsiam::data::Dataset;
use simsiam::gpu::{Gpu, Options};
use simsiam::picture::{self, View, ViewRow, ViewSheet};
use simsiam::train::RunFolder;

use super::say;
use super::settings::{self, Settings};

/// Images of the sheet that a run leaves.
pub const IN_A_RUN: usize = 8;

#[derive(clap::Args)]
#[command(after_help = "\
The images are the first of an epoch, so the sheet of epoch 0 shows the first batch of `simsiam train` with the same settings.")]
pub struct Args {
    /// The picture: FILE.png or FILE.svg.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Images to show.
    #[arg(long, value_name = "N", default_value_t = IN_A_RUN as u32, value_parser = clap::value_parser!(u32).range(1..=200))]
    count: u32,
    /// Epoch whose draws are shown, from 0.
    #[arg(long, value_name = "E", default_value_t = 0)]
    epoch: u32,
    /// Show what the run in this folder sees.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["preset", "config"])]
    run: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
    /// The adapter: its number in `simsiam devices` or a part of its name.
    #[arg(long, value_name = "INDEX|NAME")]
    device: Option<String>,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let config = match &args.run {
        None => args.settings.configure(&[])?.config,
        Some(path) => {
            let file = path.join("config.toml");
            let of_run = Settings {
                config: Some(file),
                preset: None,
                ..args.settings.clone()
            };
            of_run.configure(&[])?.config
        }
    };
    config.validate()?;
    picture::check_name(&args.out)?;
    let dataset = settings::open(&config)?;
    let gpu = Gpu::open(args.device.as_deref(), Options { checked: false })?;
    let sheet = sheet(&gpu, &config, &dataset, args.epoch, args.count as usize)?;
    picture::write(&sheet, &args.out)?;
    say!("{}", args.out.display());
    Ok(ExitCode::SUCCESS)
}

/// The picture of the first `count` images of an epoch, as SVG.
pub fn sheet(
    gpu: &Gpu,
    config: &Config,
    dataset: &Dataset,
    epoch: u32,
    count: usize,
) -> Result<String> {
    let count = count.min(dataset.train.len());
    let mut preview = Preview::new(gpu, config, count)?;
    let mut rows = Vec::new();
    for (image, views) in preview.epoch(&dataset.train, epoch)? {
        let original = dataset.train.read(image as usize)?;
        let pixels = picture::rgb(
            original.width,
            original.height,
            original.channels,
            &original.pixels,
        );
        let views: Option<Vec<View>> = views.iter().map(|seen| view(seen, config)).collect();
        let views = views.and_then(|views| <[View; 2]>::try_from(views).ok());
        let (Some(pixels), Some(views)) = (pixels, views) else {
            continue; // cannot be: they are as long as they say
        };
        let class = dataset
            .train
            .labels()
            .and_then(|labels| dataset.classes.get(*labels.get(image as usize)? as usize));
        let name = dataset.train.name(image as usize);
        rows.push(ViewRow {
            name: match class {
                Some(class) => format!("{name}, {class}"),
                None => name,
            },
            size: [original.width, original.height],
            original: picture::reduced(pixels, ViewSheet::ORIGINAL_SIDE),
            views,
        });
    }
    let size = config.data.image_size;
    let sheet = ViewSheet {
        title: "What the network sees".to_owned(),
        subtitle: format!(
            "{}, seed {}, epoch {epoch}, views of {size} × {size} pixels",
            dataset.name, config.run.seed
        ),
        rows,
    };
    Ok(sheet.svg()?)
}

fn view(seen: &Seen, config: &Config) -> Option<View> {
    let size = u32::try_from(config.data.image_size).ok()?;
    Some(View {
        pixels: picture::rgb(size, size, 3, &seen.pixels(config))?,
        draws: seen.draws,
    })
}

/// Leaves the sheet of its first batch in the folder of a new run.
pub fn keep(gpu: &Gpu, config: &Config, dataset: &Dataset, folder: &RunFolder) -> Result<()> {
    let count = IN_A_RUN.min(config.optim.batch_size);
    let sheet = sheet(gpu, config, dataset, 0, count)?;
    picture::write(&sheet, &folder.views()).with_context(|| "the picture of the views")?;
    Ok(())
}
