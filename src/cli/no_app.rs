//! `simsiam app` in a build without the feature `app`.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;

use super::UsageError;

#[derive(clap::Args)]
pub struct Args {
    /// What the window would take.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    ignored: Vec<OsString>,
}

pub fn run(_: &Args) -> Result<ExitCode> {
    let line = "this program was built without its window; build it with the feature app, which is on by default";
    Err(UsageError(line.to_owned()).into())
}
