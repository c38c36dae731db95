//! The safetensors file of a checkpoint.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use safetensors::{Dtype, SafeTensors};

use super::checksums::{self, Checksums};
use super::{Checkpoint, CheckpointError, NUM_BATCHES, Stored, VERSION};
use crate::atomic;
use crate::regular;
use crate::tensor_file::{self, Visit};

const VERSION_KEY: &str = "simsiam.version";

pub(super) fn write(checkpoint: &Checkpoint, path: &Path) -> Result<(), CheckpointError> {
    atomic::write(path, |file| write_to(checkpoint, file))
        .map_err(|reason| CheckpointError::Write { file: path.to_path_buf(), reason })
}

fn write_to(checkpoint: &Checkpoint, file: &mut dyn Write) -> io::Result<()> {
    let mut metadata = metadata(checkpoint);
    let mut checksums = Checksums::new(&metadata);
    each(checkpoint, &mut |name, dtype, dims, bytes| {
        checksums.add(name, dtype, dims, bytes);
        Ok(())
    })?;
    metadata.insert(checksums::KEY.to_owned(), checksums.text());
    tensor_file::write(file, &metadata, |visit| each(checkpoint, visit))
}

/// Every tensor of the file in its order, one at a time in memory: 64-bit numbers first, so that all are aligned.
fn each(checkpoint: &Checkpoint, visit: &mut Visit) -> io::Result<()> {
    for (norm, count) in checkpoint.batches_tracked() {
        visit(&format!("{norm}{NUM_BATCHES}"), "I64", &[], &count.to_le_bytes())?;
    }
    for (name, dims, values) in checkpoint.tensors() {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        visit(name, "F32", dims, &bytes)?;
    }
    Ok(())
}

fn metadata(checkpoint: &Checkpoint) -> BTreeMap<String, String> {
    let mut all = checkpoint.extra.clone();
    all.extend(checkpoint.config.clone().map(|c| ("config".to_string(), c)));
    all.insert("step".to_string(), checkpoint.step.to_string());
    all.insert("epoch".to_string(), checkpoint.epoch.to_string());
    all.insert(VERSION_KEY.to_string(), VERSION.to_string());
    all
}

pub(super) fn read(path: &Path) -> Result<Checkpoint, CheckpointError> {
    let file = || path.to_path_buf();
    let bytes = regular::read(path).map_err(|reason| match reason.kind() {
        io::ErrorKind::NotFound => CheckpointError::NotFound { file: file() },
        _ => CheckpointError::Read { file: file(), reason },
    })?;
    let format = |e: safetensors::SafeTensorError| CheckpointError::Format { file: file(), reason: e.to_string() };
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(format)?;
    let mut checkpoint = Checkpoint { origin: file(), ..Checkpoint::default() };
    let mut metadata: BTreeMap<String, String> = header.metadata().clone().unwrap_or_default().into_iter().collect();
    let kept = metadata.remove(checksums::KEY);
    let mut checksums = Checksums::new(&metadata);
    fill(&mut checkpoint, metadata, path)?;
    for (name, view) in SafeTensors::deserialize(&bytes).map_err(format)?.iter() {
        checksums.add(name, &view.dtype().to_string(), view.shape(), view.data());
        if let Some(norm) = name.strip_suffix(NUM_BATCHES) {
            let all = view.data().try_into().map(i64::from_le_bytes).unwrap_or(0);
            let moves = u64::try_from(all).unwrap_or(0).checked_div(checkpoint.step).unwrap_or(0);
            checkpoint.moves.insert(norm.to_owned(), moves);
            continue;
        }
        let is_f32 = view.dtype() == Dtype::F32;
        let values = match is_f32 {
            true => view.data().as_chunks().0,
            false => &[],
        };
        let stored = Stored {
            dims: view.shape().to_vec(),
            other_type: (!is_f32).then(|| view.dtype().to_string()),
            values: values.iter().map(|&b| f32::from_le_bytes(b)).collect(),
        };
        checkpoint.tensors.insert(name.to_string(), stored);
    }
    // Files of other programs and of earlier versions have none.
    match kept.and_then(|kept| checksums.difference(&kept)) {
        Some(part) => Err(CheckpointError::Damaged { file: file(), part }),
        None => Ok(checkpoint),
    }
}

/// Takes the metadata apart. Files of other programs have no version, and nothing in them is this program's.
fn fill(
    checkpoint: &mut Checkpoint,
    mut metadata: BTreeMap<String, String>,
    path: &Path,
) -> Result<(), CheckpointError> {
    let file: PathBuf = path.to_path_buf();
    if metadata.contains_key(VERSION_KEY) {
        let mut number = |key: &'static str| -> Result<u64, CheckpointError> {
            let value = metadata.remove(key).unwrap_or_default();
            let number = value.parse().ok().filter(|&number: &u64| i64::try_from(number).is_ok());
            number.ok_or_else(|| CheckpointError::Metadata { file: file.clone(), key, value })
        };
        let version = number(VERSION_KEY)?;
        if version > VERSION {
            return Err(CheckpointError::Version { file, version, known: VERSION });
        }
        checkpoint.step = number("step")?;
        checkpoint.epoch = number("epoch")?;
        checkpoint.config = metadata.remove("config");
    }
    checkpoint.extra = metadata;
    Ok(())
}
