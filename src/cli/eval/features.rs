//! `simsiam eval features`: what the features are worth without labels.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use serde_json::{Value, json};
use simsiam::data::{ImageSet, Subset};
use simsiam::eval::{EvalError, FeatureQuality, Output, feature_quality, quality_plans};
use simsiam::format::count;
use simsiam::graph::tune::Work;
use simsiam::model::Parameters;
use simsiam::train::effective_rank;

use crate::cli::counter::Counter;
use crate::cli::say;
use crate::cli::trained::TrainedArgs;

#[derive(clap::Args)]
#[command(after_help = "\
alignment, uniformity   Wang & Isola 2020: distance of two views of an image, and how evenly images lie on the sphere
RankMe                  Garrido et al. 2023: dimensions that features use
LiDAR                   Thilak et al. 2023: dimensions that tell images apart, relative to their views
effective rank          as during training: of centred features of length 1, of 256 images

They compare checkpoints and settings of one method on the same images; none replaces an evaluation with labels. Ranks \
cannot exceed the number of images: give more images than the features have dimensions.")]
pub struct Args {
    #[command(flatten)]
    trained: TrainedArgs,
    /// Test images (training images where there are none), evenly spread.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(2..))]
    images: u32,
    /// Augmented views of each, as in the run's training.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(2..=1000))]
    views: u32,
    /// Images per batch [default: as many as the training had views].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    batch_size: Option<u32>,
    /// Seed of the views [default: the run's].
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Print one JSON object and nothing else.
    #[arg(long)]
    json: bool,
}

/// A number with its name, and which way is better.
type Measure = (&'static str, fn(&FeatureQuality) -> f64, &'static str);

const MEASURES: [Measure; 5] = [
    ("alignment", |q| q.alignment, "lower is better, 0 to 4"),
    ("uniformity", |q| q.uniformity, "lower is better, 0 is one point, -4 is even"),
    ("RankMe", |q| q.rank_me, "higher is better, 1 to the width"),
    ("LiDAR", |q| q.lidar, "higher is better, 1 to the width"),
    ("effective rank", |q| effective_rank(&q.unit.values, q.width), "higher is better, 1 to the width"),
];

pub fn run(args: &Args) -> Result<ExitCode> {
    let trained = args.trained.open(&[], args.json)?;
    let (config, data) = (&trained.config, &trained.data);
    let (all, part) = match data.test.is_empty() {
        true => (&data.train, "training"),
        false => (&data.test, "test"),
    };
    if all.len() < 2 {
        return Err(EvalError::Missing { data: data.name.clone(), missing: "two images" }.into());
    }
    let set: Arc<dyn ImageSet> = Subset::spread(all.clone(), args.images as usize);
    let views = args.views as usize;
    let batch = args.batch_size.map_or(2 * config.optim.batch_size, |n| n as usize).min(set.len());
    let mut parameters = Parameters::new();
    let [mut plain, mut augmented] = quality_plans(config, &mut parameters, set.size(), batch)?;
    let mut store = trained.store(&parameters)?;
    let batches = plain.batches(&*set) as u64;
    let work = [
        Work { graph: plain.graph(), runs: batches },
        Work { graph: augmented.graph(), runs: batches * u64::from(args.views) },
    ];
    let choices = trained.choose(&work)?;
    plain.choose(&choices);
    augmented.choose(&choices);
    let (mut plain, mut augmented) = (plain.compile(&mut store)?, augmented.compile(&mut store)?);
    let mut counter = Counter::new(batches * (1 + u64::from(args.views)), args.json);
    let mut done = 0;
    let seed = args.seed.unwrap_or(config.run.seed);
    let results = feature_quality([&mut plain, &mut augmented], config, &set, views, seed, &mut || {
        done += 1;
        counter.at(done, "batches of images");
    })?;
    counter.end();
    let remarks = [plain.remarks(), augmented.remarks()].concat();
    trained.warn(&remarks);
    let images = results.first().map_or(0, |quality| quality.unit.images.len());
    if images < 2 {
        return Err(EvalError::NothingLeft { data: data.name.clone(), part }.into());
    }
    if args.json {
        let mut object = trained.about();
        object["evaluation"] = json!("features");
        object["images"] = json!(images);
        object["views"] = json!(views);
        object["seed"] = json!(seed);
        for (output, quality) in Output::ALL.iter().zip(&results) {
            let mut value: Value = json!({ "width": quality.width });
            for (name, measure, _) in MEASURES {
                let key = name.to_lowercase().replace(' ', "_");
                value[key] = json!(Some(measure(quality)).filter(|v| v.is_finite()));
            }
            object[output.name()] = value;
        }
        say!("{object}");
        return Ok(ExitCode::SUCCESS);
    }
    say!("features {} {part} images, {views} augmented views of each", count(images));
    say!("");
    let heads = Output::ALL.iter().zip(&results).map(|(output, q)| format!("{} ({})", output.name(), q.width));
    say!("{:<15}{}", "", heads.map(|head| format!("{head:>17}")).collect::<String>());
    for (name, measure, better) in MEASURES {
        let numbers: String = results.iter().map(|quality| format!("{:>17.3}", measure(quality))).collect();
        say!("{name:<15}{numbers}  {better}");
    }
    Ok(ExitCode::SUCCESS)
}
