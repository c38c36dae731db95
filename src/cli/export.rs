//! `simsiam export`: the weights of a run for PyTorch, or its network as an ONNX model.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;
use simsiam::export::{Export, ExportFormat, OnnxExport, Part};
use simsiam::train::RunFolder;

use super::{UsageError, say};

#[derive(clap::Args)]
#[command(after_help = "\
FILE.safetensors holds the backbone's weights under the names of torchvision's ResNet, and with --full all of the network under the \
names of the method's authors (SimSiam, MoCo, SwAV). FILE.onnx is the backbone as a model for onnxruntime and others: input `image` \
[N, 3, size, size], RGB with values 0 to 1, output `features` [N, width]. FILE.md beside either says what it is and which lines of \
Python load it.")]
pub struct Args {
    /// The run's folder; training need not be finished.
    #[arg(long, value_name = "DIR")]
    run: PathBuf,
    /// The weights as FILE.safetensors, or the network as FILE.onnx.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The projector and what else the method has, too (.safetensors).
    #[arg(long)]
    full: bool,
    /// The projector too, as a second output `projection` (.onnx).
    #[arg(long)]
    projector: bool,
    /// Leave normalisation out of the model: it expects images that have the run's mean and std (.onnx).
    #[arg(long)]
    no_normalize: bool,
    /// Take this checkpoint instead of the run's last one.
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// Print one JSON object and nothing else.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let format = ExportFormat::of(&args.out)?;
    let (other, flags) = match format {
        ExportFormat::Safetensors => ("onnx", [("--projector", args.projector), ("--no-normalize", args.no_normalize)]),
        ExportFormat::Onnx => ("safetensors", [("--full", args.full), ("", false)]),
    };
    if let Some((flag, _)) = flags.iter().find(|(_, given)| *given) {
        let file = args.out.display();
        return Err(UsageError(format!("{flag} is for FILE.{other}, and {file} is none: leave it out")).into());
    }
    let (config, checkpoint) = RunFolder::trained(&args.run, args.checkpoint.as_deref())?;
    let (config, checkpoint) = (&config, &checkpoint);
    let (out, epoch) = (args.out.display(), checkpoint.epoch);
    let mut object = json!({
        "run": args.run.display().to_string(),
        "file": args.out.display().to_string(),
        "epoch": epoch,
        "step": checkpoint.step,
    });
    let (line, card) = match format {
        ExportFormat::Safetensors => {
            let (part, what) = match args.full {
                true => (Part::Full, "the whole network"),
                false => (Part::Backbone, "the backbone"),
            };
            let (tensors, card) = Export { config, checkpoint, part }.write(&args.out)?;
            object["format"] = json!("safetensors");
            object["part"] = json!(if args.full { "full" } else { "backbone" });
            object["tensors"] = json!(tensors);
            (format!("weights  {out}: {what} after epoch {epoch}, {tensors} tensors"), card)
        }
        ExportFormat::Onnx => {
            let (projector, normalize) = (args.projector, !args.no_normalize);
            let (nodes, card) = OnnxExport { config, checkpoint, projector, normalize }.write(&args.out)?;
            let what = if projector { "backbone and projector" } else { "the backbone" };
            let values = if normalize { "with values 0 to 1" } else { "that are normalised already" };
            object["format"] = json!("onnx");
            object["projector"] = json!(projector);
            object["normalization"] = json!(if normalize { "inside" } else { "outside" });
            object["nodes"] = json!(nodes);
            (format!("model    {out}: {what} after epoch {epoch}, {nodes} nodes, for images {values}"), card)
        }
    };
    object["card"] = json!(card.display().to_string());
    if args.json {
        say!("{object}");
        return Ok(ExitCode::SUCCESS);
    }
    say!("{line}");
    say!("card     {}: what it is and how to load it", card.display());
    Ok(ExitCode::SUCCESS)
}
