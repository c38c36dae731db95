//! The card beside what is exported: what it is, what the run has reached, and the lines of Python that load it.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::{Export, ExportError, Part};
use crate::atomic;
use crate::config::{Config, ModelConfig, Stem};
use crate::format::count;
use crate::train::checkpoint::Checkpoint;

/// Writes it beside a file, and returns its path.
pub(super) fn write(beside: &Path, text: &str) -> Result<PathBuf, ExportError> {
    let card = beside.with_extension("md");
    let failed = |reason| ExportError::Write { file: card.clone(), reason };
    atomic::write(&card, |file| file.write_all(text.as_bytes())).map_err(failed)?;
    Ok(card)
}

/// What every card begins with, in the form of the Hugging Face hub: metadata in YAML, then Markdown.
pub(super) fn head(config: &Config, checkpoint: &Checkpoint) -> String {
    let Config { data, augment, model, method, optim, .. } = config;
    let name = method.name();
    let mut text = String::from("---\npipeline_tag: image-feature-extraction\n");
    let _ = writeln!(text, "tags:\n- self-supervised-learning\n- {name}\n- {}\n---\n", model.arch);
    let _ = writeln!(text, "# {} trained with {name}\n", model.arch);
    // The rest of the path may be private.
    let images = data.source.rsplit(['/', '\\', ':']).find(|part| !part.is_empty()).unwrap_or_default();
    let _ = writeln!(
        text,
        "A backbone of width {} with blocks {:?} ({} stem), trained without labels on `{images}` by simsiam.\n",
        model.width,
        model.blocks(),
        model.stem
    );
    let _ = writeln!(text, "| | |\n|---|---|");
    let _ = writeln!(text, "| epochs | {} of {} |", checkpoint.epoch, optim.epochs);
    let _ = writeln!(text, "| steps | {} |", count(usize::try_from(checkpoint.step).unwrap_or(usize::MAX)));
    if let Some(knn) = checkpoint.knn() {
        let _ = writeln!(text, "| kNN top-1 | {:.1} % |", 100.0 * knn);
    }
    let _ = writeln!(text, "| features | {} |", model.feature_width());
    let _ = writeln!(
        text,
        "| images | RGB, {size}x{size} pixels, values 0 to 1, then mean {:?} and std {:?} |\n",
        augment.mean,
        augment.std,
        size = data.image_size
    );
    text
}

/// The card of weights.
pub(super) fn text(export: &Export, weights: &Path) -> String {
    let mut text = head(export.config, export.checkpoint);
    let file = weights.file_name().unwrap_or_default().to_string_lossy();
    match export.part {
        Part::Backbone => {
            let _ = writeln!(text, "```python\n{}```", python(&export.config.model, &file));
        }
        Part::Full => {
            let _ = writeln!(
                text,
                "All of the network under the names of the method's authors, where their code is PyTorch's: the encoder with its projector, and what else \
                 the method has. `load_file(\"{file}\")` of `safetensors.torch` gives the state dict."
            );
        }
    }
    text
}

/// Builds the network in torchvision and loads the weights, strictly.
fn python(model: &ModelConfig, file: &str) -> String {
    let blocks = model.blocks();
    let standard = model.arch.blocks().is_some_and(|known| known[..] == blocks[..]) && model.width == 64;
    let mut text = String::from("import torch, torchvision\nfrom safetensors.torch import load_file\n");
    if standard {
        let _ = writeln!(text, "\nnet = torchvision.models.{}()", model.arch);
    } else {
        let block = if model.arch.expansion() == 1 { "BasicBlock" } else { "Bottleneck" };
        let stages: Vec<String> = blocks
            .iter()
            .enumerate()
            .map(|(stage, blocks)| format!("({}, {blocks}, {})", model.width << stage, if stage == 0 { 1 } else { 2 }))
            .collect();
        let _ = writeln!(text, "from torchvision.models.resnet import {block}, ResNet\n");
        let _ = writeln!(text, "net = ResNet({block}, [1, 1, 1, 1])");
        let _ = writeln!(text, "net.inplanes = {}", model.width);
        let _ = writeln!(text, "net.bn1 = torch.nn.BatchNorm2d({})", model.width);
        let _ = writeln!(text, "for stage, (width, blocks, stride) in enumerate([{}], 1):", stages.join(", "));
        let _ =
            writeln!(text, "    setattr(net, f\"layer{{stage}}\", net._make_layer({block}, width, blocks, stride))");
        for stage in blocks.len()..4 {
            let _ = writeln!(text, "net.layer{} = torch.nn.Identity()", stage + 1);
        }
    }
    let (kernel, stride, padding) = match model.stem {
        Stem::Cifar => (3, 1, 1),
        Stem::Imagenet => (7, 2, 3),
    };
    if !standard || model.stem == Stem::Cifar {
        let _ = writeln!(
            text,
            "net.conv1 = torch.nn.Conv2d(3, {}, {kernel}, {stride}, {padding}, bias=False)",
            model.width
        );
    }
    if model.stem == Stem::Cifar {
        let _ = writeln!(text, "net.maxpool = torch.nn.Identity()");
    }
    let _ = writeln!(text, "net.fc = torch.nn.Identity()");
    let _ = writeln!(text, "net.load_state_dict(load_file(\"{file}\"))");
    text + "net.eval()\n"
}
