//! `simsiam completions`: what a shell needs to complete commands and flags.

use std::io;
use std::process::ExitCode;

use anyhow::Result;
use clap::CommandFactory;
use clap_complete::Shell;

use super::Cli;

#[derive(clap::Args)]
#[command(after_help = "\
bash:       simsiam completions bash > ~/.local/share/bash-completion/completions/simsiam
zsh:        simsiam completions zsh > a folder of $fpath, as _simsiam
fish:       simsiam completions fish > ~/.config/fish/completions/simsiam.fish
PowerShell: simsiam completions powershell >> $PROFILE")]
pub struct Args {
    /// Which shell.
    shell: Shell,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "simsiam", &mut script);
    io::Write::write_all(&mut io::stdout(), &script)?;
    Ok(ExitCode::SUCCESS)
}
