//! `simsiam data`: what a data set is, getting one, and packing one.

mod fetch;
mod pack;
mod progress;
mod report;
mod survey;

pub use progress::Opening;

use std::process::ExitCode;

use anyhow::Result;

#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true, arg_required_else_help = true)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    survey: Option<survey::Args>,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Download a data set, check it and unpack it: cifar10, cifar100, stl10 or fashion-mnist.
    Fetch(fetch::Args),
    /// Decode all images once into one file for faster loading: pack:FILE.
    Pack(pack::Args),
}

pub fn run(args: &Args) -> Result<ExitCode> {
    match (&args.command, &args.survey) {
        (Some(Command::Fetch(args)), _) => fetch::run(args),
        (Some(Command::Pack(args)), _) => pack::run(args),
        (None, Some(args)) => survey::run(args),
        // The parser asks for one of them.
        (None, None) => Err(super::UsageError("give a SPEC, fetch or pack".to_owned()).into()),
    }
}

/// Quoted for a shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_-./:\\~+,=@".contains(c);
    match text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn what_to_type_next_survives_a_shell() {
        assert_eq!(quoted("cifar10:data/c-10_b.in"), "cifar10:data/c-10_b.in");
        assert_eq!(quoted("idx:my data"), "'idx:my data'");
        assert_eq!(quoted("idx:it's"), r"'idx:it'\''s'");
    }
}
