//! `simsiam eval`: what the network of a run has learnt.

mod features;
mod knn;
mod linear;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

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
    /// Measure the features themselves, without labels: alignment, uniformity, RankMe, LiDAR.
    Features(Box<features::Args>),
}

pub fn run(args: &Args) -> Result<ExitCode> {
    match &args.what {
        What::Knn(args) => knn::run(args),
        What::Linear(args) => linear::run(args),
        What::Features(args) => features::run(args),
    }
}

/// A share for people.
fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}
