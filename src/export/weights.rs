//! Weights out: a safetensors file of PyTorch's names and layouts.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::{ExportError, card, facts};
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
        super::check_finite(self.checkpoint)?;
        let names = self.names();
        let mut metadata = facts(self.config, self.checkpoint);
        // What Hugging Face's libraries look for.
        metadata.insert("format".to_owned(), "pt".to_owned());
        let each = |visit: &mut Visit| self.each(&names, visit);
        let failed = |reason| ExportError::Write { file: path.to_owned(), reason };
        atomic::write(path, |file| tensor_file::write(file, &metadata, each)).map_err(failed)?;
        let card = card::write(path, &card::text(self, path))?;
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
}
