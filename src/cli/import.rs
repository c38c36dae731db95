//! `simsiam import`: a run that begins with weights from a file.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;
use simsiam::export::{Import, StateDict};
use simsiam::format::count;
use simsiam::paths::native;
use simsiam::train::RunFolder;

use super::say;
use super::settings::{self, Settings};

#[derive(clap::Args)]
#[command(after_help = "\
FILE is a .safetensors file or what torch.save writes (.pth, .pt, .ckpt), of which nothing is run: a ResNet under torchvision's names, behind any \
prefix, as SimSiam's, MoCo's, SwAV's, solo-learn's and lightly's code saves it. Heads of the method are taken where names and shapes fit. \
DIR is then as a run before its first step: `simsiam train --resume DIR` trains it, `simsiam eval` and `embed` use it.")]
pub struct Args {
    /// The weights.
    #[arg(long, value_name = "FILE")]
    weights: PathBuf,
    /// The folder of the run.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    settings: Settings,
    /// Print one JSON object and nothing else.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let (weights, out) = (native(&args.weights), native(&args.out));
    RunFolder::vacant(&out)?;
    let file = StateDict::read(&weights)?;
    let import = Import::find(&file)?;
    let mut config = args.settings.configure(&[])?.config;
    import.configure(&mut config)?;
    config.validate()?;
    let data = settings::open(&config)?;
    config.check_against(data.train.len())?;
    let imported = import.begin(&config, data.train.len(), &out)?;
    let model = &config.model;
    if args.json {
        let object = json!({
            "weights": weights.display().to_string(),
            "run": out.display().to_string(),
            "method": config.method.name(),
            "arch": model.arch.to_string(),
            "width": model.width,
            "blocks": model.blocks,
            "stem": model.stem.to_string(),
            "prefix": import.prefix,
            "backbone_tensors": imported.backbone,
            "head_tensors": imported.heads,
            "new_tensors": imported.new,
            "unused_tensors": imported.unused,
            "other_networks": import.others,
        });
        say!("{object}");
        return Ok(ExitCode::SUCCESS);
    }
    let behind = match import.prefix.as_str() {
        "" => String::new(),
        prefix => format!(" behind {prefix}"),
    };
    say!(
        "weights  {}: {} of width {}, blocks {:?}, {} stem{behind}",
        weights.display(),
        model.arch,
        model.width,
        model.blocks,
        model.stem
    );
    say!("taken    {} tensors of the backbone, {} of the heads", imported.backbone, imported.heads);
    if !imported.new.is_empty() {
        say!(
            "new      {} tensors that the file does not have, from seed {}: {}",
            imported.new.len(),
            config.run.seed,
            some(&imported.new)
        );
    }
    if imported.unused > 0 {
        say!("unused   {} tensors of the file that this network does not have", count(imported.unused));
    }
    if !import.others.is_empty() {
        say!("         other networks in it are not taken: behind {}", import.others.join(", "));
    }
    say!("run      {}; next: simsiam train --resume {0}, or simsiam eval knn --run {0}", out.display());
    Ok(ExitCode::SUCCESS)
}

/// The first names.
fn some(names: &[String]) -> String {
    let shown = names.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > 3 { shown + ", …" } else { shown }
}
