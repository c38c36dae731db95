//! `simsiam bench`: how fast this adapter is, and how close to its limit a training step comes.

mod gemm;
mod profile;
mod step;
mod subject;

use std::process::ExitCode;

use anyhow::Result;

#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// One training step on random views: forward, loss, backward and SGD, without data and augmentation.
    Step(step::Args),
}

pub fn run(args: &Args) -> Result<ExitCode> {
    match &args.what {
        What::Step(args) => step::run(args),
    }
}
