//! Checkpoints: one safetensors file with everything a run needs to go on, in names and layouts that PyTorch knows.
//!
//! Weights and running statistics are called as in torchvision's ResNet and the authors' module tree, with
//! `num_batches_tracked` beside them so that a strict `load_state_dict` misses nothing. The optimiser's momentum is
//! `optimizer.NAME.momentum_buffer`, to be left out there (or `strict=False`). The header's metadata holds configuration,
//! position and whatever the trainer adds, and a checksum of every tensor. The same checkpoint is the same bytes.

mod checksums;
mod error;
mod file;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use error::CheckpointError;

use crate::gpu::GpuError;
use crate::graph::Store;
use crate::model::{Arena, Entry, Parameters};

/// Version of the metadata; a file of a higher one is refused.
const VERSION: u64 = 1;

/// A tensor of a file, in PyTorch's layout.
#[derive(Debug, Clone, PartialEq)]
struct Stored {
    dims: Vec<usize>,
    /// Its type where that is not F32; there are no values then.
    other_type: Option<String>,
    values: Vec<f32>,
}

/// A checkpoint in memory.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Checkpoint {
    /// The run's effective configuration as TOML; `None` in a file that another program wrote.
    pub config: Option<String>,
    /// Optimiser steps done.
    pub step: u64,
    /// Epochs completed.
    pub epoch: u64,
    /// What else the trainer restores. `config`, `step`, `epoch` and `simsiam.version` are taken.
    pub extra: BTreeMap<String, String>,
    tensors: BTreeMap<String, Stored>,
    /// How often every batch norm (its module's name) moves its running statistics in a step.
    moves: BTreeMap<String, u64>,
    /// The file it came from, for errors.
    origin: PathBuf,
}

impl Checkpoint {
    /// A checkpoint of these values, in the order of [`Parameters::entries`] and, for the momentum, of
    /// [`Parameters::of`] [`Arena::PARAMETERS`]. Position and metadata are left for the caller to fill.
    pub fn new(parameters: &Parameters, weights: &[Vec<f32>], momentum: Option<&[Vec<f32>]>) -> Checkpoint {
        let mut checkpoint = Checkpoint::default();
        for (entry, values) in parameters.entries().iter().zip(weights) {
            checkpoint.insert(entry.name.clone(), entry, values);
            if let Some(norm) = entry.name.strip_suffix(RUNNING_MEAN) {
                checkpoint.moves.insert(norm.to_owned(), entry.moves);
            }
        }
        let trained = parameters.of(Arena::PARAMETERS);
        for (entry, values) in trained.zip(momentum.unwrap_or_default()) {
            checkpoint.insert(momentum_name(entry), entry, values);
        }
        checkpoint
    }

    /// A checkpoint of what is on the device. Waits for it.
    pub fn capture(parameters: &Parameters, store: &Store) -> Result<Checkpoint, GpuError> {
        let weights = parameters.read(store)?;
        let momentum = parameters.read_twins(store, Arena::MOMENTUM)?;
        Ok(Checkpoint::new(parameters, &weights, Some(&momentum)))
    }

    /// Writes weights, running statistics and momentum to the device. Nothing is written where something is missing.
    pub fn restore(&self, parameters: &Parameters, store: &Store) -> Result<(), CheckpointError> {
        let weights = self.weights(parameters)?;
        let momentum = self.momentum(parameters)?;
        parameters.write(store, &weights);
        parameters.write_twins(store, Arena::MOMENTUM, &momentum);
        Ok(())
    }

    /// The value of every entry, as [`Parameters::write`] takes them; an error where one is not finite.
    pub fn weights(&self, parameters: &Parameters) -> Result<Vec<Vec<f32>>, CheckpointError> {
        let entries = parameters.entries().iter();
        entries.map(|e| self.value(&e.name, e)).collect()
    }

    /// The momentum of every trained entry, as [`Parameters::write_twins`] takes them.
    pub fn momentum(&self, parameters: &Parameters) -> Result<Vec<Vec<f32>>, CheckpointError> {
        let entries = parameters.of(Arena::PARAMETERS);
        entries.map(|e| self.value(&momentum_name(e), e)).collect()
    }

    /// Whether the file holds the optimiser's state: without it a run cannot continue.
    pub fn has_momentum(&self) -> bool {
        let mut names = self.tensors.keys();
        names.any(|name| name.starts_with(MOMENTUM_PREFIX))
    }

    /// Every tensor with its dimensions and values in PyTorch's layout, by name.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &[usize], &[f32])> {
        self.tensors.iter().map(|(name, stored)| (name.as_str(), &stored.dims[..], &stored.values[..]))
    }

    /// PyTorch's `num_batches_tracked` of every batch norm, by the name of its module.
    pub fn batches_tracked(&self) -> impl Iterator<Item = (&str, i64)> {
        self.moves.iter().map(|(norm, moves)| (norm.as_str(), moves.saturating_mul(self.step) as i64))
    }

    /// Says that its weights, from before the first step, are those of a file.
    pub fn set_imported(&mut self, file: &Path) {
        self.extra.insert(IMPORTED.to_owned(), file.display().to_string());
    }

    /// Whether its weights, from before the first step, are those of a file.
    pub fn is_imported(&self) -> bool {
        self.step == 0 && self.extra.contains_key(IMPORTED)
    }

    /// The accuracy of kNN when it was last asked, 0 to 1.
    pub fn knn(&self) -> Option<f64> {
        self.extra.get(super::position::KNN).and_then(|text| text.parse().ok())
    }

    /// The name of the first tensor with a value that is NaN or infinite.
    pub fn not_finite(&self) -> Option<&str> {
        self.tensors.iter().find(|(_, stored)| !is_finite(stored)).map(|(name, _)| name.as_str())
    }

    /// The file it came from.
    pub fn origin(&self) -> &Path {
        &self.origin
    }

    /// Writes the file at `path` whole or not at all: a crash leaves the file that was there before.
    pub fn save(&self, path: &Path) -> Result<(), CheckpointError> {
        file::write(self, path)
    }

    /// Reads a file.
    pub fn load(path: &Path) -> Result<Checkpoint, CheckpointError> {
        file::read(path)
    }

    fn insert(&mut self, name: String, entry: &Entry, values: &[f32]) {
        let stored = Stored { dims: entry.pytorch_dims(), other_type: None, values: entry.to_pytorch(values) };
        self.tensors.insert(name, stored);
    }

    fn value(&self, name: &str, entry: &Entry) -> Result<Vec<f32>, CheckpointError> {
        let file = || self.origin.clone();
        let tensor = || name.to_string();
        let Some(stored) = self.tensors.get(name) else {
            return Err(CheckpointError::Missing {
                file: file(),
                tensor: tensor(),
                fix: match name.starts_with(MOMENTUM_PREFIX) {
                    true => "it holds weights only, so a run cannot continue from it",
                    false => "use the model settings it was trained with (arch, projector_layers, output_affine, …)",
                },
            });
        };
        let wanted = entry.pytorch_dims();
        if stored.dims != wanted {
            return Err(CheckpointError::Shape { file: file(), tensor: tensor(), has: stored.dims.clone(), wanted });
        }
        match &stored.other_type {
            None if !is_finite(stored) => Err(CheckpointError::NotFinite { file: file(), tensor: tensor() }),
            None => Ok(entry.from_pytorch(&stored.values)),
            Some(other) => Err(CheckpointError::Type { file: file(), tensor: tensor(), has: other.clone() }),
        }
    }
}

fn is_finite(stored: &Stored) -> bool {
    stored.values.iter().all(|value| value.is_finite())
}

const IMPORTED: &str = "imported";
const RUNNING_MEAN: &str = ".running_mean";
const NUM_BATCHES: &str = ".num_batches_tracked";
const MOMENTUM_PREFIX: &str = "optimizer.";

fn momentum_name(entry: &Entry) -> String {
    format!("{MOMENTUM_PREFIX}{}.momentum_buffer", entry.name)
}

#[cfg(test)]
mod tests;
