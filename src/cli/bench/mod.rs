//! `simsiam bench`: how fast this adapter is, and how close to its limit a training step comes.

mod data;
mod gemm;
mod kernels;
mod network;
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
    /// Every kernel that could run a training step, timed on each of its shapes.
    Kernels(kernels::Args),
    /// Decoding and cutting out of images, alone and in front of a training step.
    Data(data::Args),
}

pub fn run(args: &Args) -> Result<ExitCode> {
    match &args.what {
        What::Step(args) => step::run(args),
        What::Kernels(args) => kernels::run(args),
        What::Data(args) => data::run(args),
    }
}
