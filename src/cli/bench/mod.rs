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
    /// Time a training step on random views: forward, loss, backward and optimiser, without data loading and augmentation.
    Step(step::Args),
    /// Time every candidate kernel of a training step on each of its shapes.
    Kernels(kernels::Args),
    /// Time decoding and cropping, alone and ahead of a training step.
    Data(data::Args),
}

pub fn run(args: &Args) -> Result<ExitCode> {
    match &args.what {
        What::Step(args) => step::run(args),
        What::Kernels(args) => kernels::run(args),
        What::Data(args) => data::run(args),
    }
}
