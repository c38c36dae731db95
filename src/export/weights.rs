//! Weights out: a safetensors file of PyTorch's names and layouts.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{ExportError, card};
use crate::atomic;
use crate::config::Config;
use crate::method;
use crate::tensor_file::{self, Visit};
use crate::train::checkpoint::Checkpoint;

/// Which part of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The backbone, under the names of torchvision's ResNet, without its classifier `fc`.
    Backbone,
    /// All of it, under the names of the method's authors where their code is PyTorch's.
    Full,
}

/// A network to be written.
#[derive(Debug, Clone)]
pub struct Export<'a> {
    /// Its settings.
    pub config: &'a Config,
    /// Its weights.
    pub checkpoint: &'a Checkpoint,
    /// How much of it.
    pub part: Part,
}

/// Names of the tensors by those here.
type Names<'a> = BTreeMap<String, &'a str>;

impl Export<'_> {
    /// Writes the weights to `path`, a `.safetensors` file, and beside it a card in Markdown. Returns how many tensors there are, and the
    /// card's path.
    pub fn write(&self, path: &Path) -> Result<(usize, PathBuf), ExportError> {
        if !path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("safetensors")) {
            return Err(ExportError::Extension { file: path.to_owned() });
        }
        if let Some(tensor) = self.checkpoint.not_finite() {
            return Err(ExportError::NotFinite {
                file: self.checkpoint.origin().to_owned(),
                tensor: tensor.to_owned(),
            });
        }
        let names = self.names();
        let failed = |path: &Path| {
            let file = path.to_owned();
            move |reason| ExportError::Write { file, reason }
        };
        let metadata = self.metadata();
        let each = |visit: &mut Visit| self.each(&names, visit);
        atomic::write(path, |file| tensor_file::write(file, &metadata, each)).map_err(failed(path))?;
        let card = path.with_extension("md");
        let text = card::text(self, path);
        let write = |file: &mut dyn Write| file.write_all(text.as_bytes());
        atomic::write(&card, write).map_err(failed(&card))?;
        Ok((names.len(), card))
    }

    fn names(&self) -> Names<'_> {
        let method = method::of(self.config);
        let name = |ours: &str| match self.part {
            Part::Backbone => ours.strip_prefix("encoder.").filter(|name| !name.starts_with("fc.")).map(str::to_owned),
            Part::Full if ours.starts_with("optimizer.") => None,
            Part::Full => method.authors_name(ours),
        };
        let weights = self.checkpoint.tensors().map(|(ours, ..)| ours);
        weights.filter_map(|ours| Some((name(ours)?, ours))).collect()
    }

    fn each(&self, names: &Names, visit: &mut Visit) -> io::Result<()> {
        const MEAN: &str = ".running_mean";
        let tracked: BTreeMap<&str, i64> = self.checkpoint.batches_tracked().collect();
        for (name, ours) in names {
            let norm = ours.strip_suffix(MEAN).and_then(|norm| tracked.get(norm));
            if let Some((count, module)) = norm.zip(name.strip_suffix(MEAN)) {
                visit(&format!("{module}.num_batches_tracked"), "I64", &[], &count.to_le_bytes())?;
            }
        }
        let tensors: BTreeMap<_, _> =
            self.checkpoint.tensors().map(|(name, dims, values)| (name, (dims, values))).collect();
        for (name, ours) in names {
            if let Some((dims, values)) = tensors.get(ours) {
                let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                visit(name, "F32", dims, &bytes)?;
            }
        }
        Ok(())
    }

    /// What a reader needs to use the weights. `format` is what Hugging Face's libraries look for.
    fn metadata(&self) -> BTreeMap<String, String> {
        let Config { data, augment, model, method, .. } = self.config;
        let list = |values: [f64; 3]| format!("{values:?}");
        let mut all = BTreeMap::from(
            [
                ("format", "pt".to_owned()),
                ("method", method.name().to_owned()),
                ("arch", model.arch.to_string()),
                ("blocks", format!("{:?}", model.blocks())),
                ("width", model.width.to_string()),
                ("stem", model.stem.to_string()),
                ("image_size", data.image_size.to_string()),
                ("mean", list(augment.mean)),
                ("std", list(augment.std)),
                ("epoch", self.checkpoint.epoch.to_string()),
                ("step", self.checkpoint.step.to_string()),
            ]
            .map(|(key, value)| (key.to_owned(), value)),
        );
        all.extend(self.checkpoint.knn().map(|knn| ("knn_top1".to_owned(), knn.to_string())));
        all
    }
}
