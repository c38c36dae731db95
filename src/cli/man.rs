//! `simsiam man`: manual pages, one a command.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::CommandFactory;

use super::{Cli, say};

#[derive(clap::Args)]
pub struct Args {
    /// Folder for the pages, such as ~/.local/share/man/man1.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let out = args.out.display();
    std::fs::create_dir_all(&args.out).with_context(|| format!("{out} cannot be made"))?;
    clap_mangen::generate_to(Cli::command(), &args.out).with_context(|| format!("{out} cannot be written"))?;
    say!("manual pages in {out}; read one with: man {out}/simsiam.1");
    Ok(ExitCode::SUCCESS)
}
