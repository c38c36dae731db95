//! `simsiam eval`: what the network of a run has learnt.

mod features;
mod finetune;
mod knn;
mod linear;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use serde_json::{Value, json};
use simsiam::data::Dataset;
use simsiam::eval::with_label_percent;
use simsiam::format::count;

#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// k-NN classification of the test images, on the backbone's and the projector's output.
    Knn(Box<knn::Args>),
    /// Train a linear probe on the frozen backbone, at several learning rates at once.
    Linear(Box<linear::Args>),
    /// Train the whole backbone further with a classifier on top, on all labels or a part of them.
    Finetune(Box<finetune::Args>),
    /// Measure the features themselves, without labels: alignment, uniformity, RankMe, LiDAR.
    Features(Box<features::Args>),
}

pub fn run(args: &Args) -> Result<ExitCode> {
    match &args.what {
        What::Knn(args) => knn::run(args),
        What::Linear(args) => linear::run(args),
        What::Finetune(args) => finetune::run(args),
        What::Features(args) => features::run(args),
    }
}

/// A share for people.
fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

/// Which part of the labels an evaluation may use.
#[derive(clap::Args)]
struct LabelArgs {
    /// Use the labels of P % of the training images only, as many of each class, drawn with the seed: published work has 1, 10 and 100.
    #[arg(long, value_name = "P", default_value = "100", value_parser = label_percent)]
    label_percent: f64,
}

impl LabelArgs {
    /// The data with that part of the labels.
    fn of(&self, data: &Dataset, seed: u64) -> Dataset {
        with_label_percent(data, self.label_percent, seed)
    }

    /// For people: `, 1 % of 5,000 labels`.
    fn text(&self, data: &Dataset) -> String {
        match self.label_percent < 100.0 {
            true => format!(", {} % of {} labels", self.label_percent, count(data.bank().len())),
            false => String::new(),
        }
    }

    fn describe(&self, object: &mut Value) {
        object["label_percent"] = json!(self.label_percent);
    }
}

fn label_percent(text: &str) -> Result<f64, String> {
    let percent = text.trim_end_matches(['%', ' ']).parse::<f64>().ok();
    let percent = percent.filter(|&percent| percent > 0.0 && percent <= 100.0);
    percent.ok_or_else(|| "a percentage is above 0 and at most 100, such as 1 or 10".to_owned())
}
