//! `simsiam export`: the weights of a run for PyTorch.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use simsiam::export::{Export, Part};
use simsiam::train::RunFolder;

use super::say;

#[derive(clap::Args)]
#[command(after_help = "\
FILE.md beside the weights says what they are and which lines of Python load them. Without --full they are the backbone, under the \
names of torchvision's ResNet; with it all of the network, under the names of the method's authors (SimSiam, MoCo, SwAV).")]
pub struct Args {
    /// The run's folder; training need not be finished.
    #[arg(long, value_name = "DIR")]
    run: PathBuf,
    /// The weights: FILE.safetensors.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The projector and what else the method has, too.
    #[arg(long)]
    full: bool,
    /// Take this checkpoint instead of the run's last one.
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let (config, checkpoint) = RunFolder::trained(&args.run, args.checkpoint.as_deref())?;
    let (part, what) = match args.full {
        true => (Part::Full, "the whole network"),
        false => (Part::Backbone, "the backbone"),
    };
    let export = Export { config: &config, checkpoint: &checkpoint, part };
    let (tensors, card) = export.write(&args.out)?;
    say!("weights  {}: {what} after epoch {}, {tensors} tensors", args.out.display(), checkpoint.epoch);
    say!("card     {}: how to load it in PyTorch", card.display());
    Ok(ExitCode::SUCCESS)
}
