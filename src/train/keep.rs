//! Which checkpoints of epochs stay: `run.keep` of the newest, and the best by kNN.

use std::fs;
use std::path::{Path, PathBuf};

use super::checkpoint::Checkpoint;

/// Metadata of a checkpoint.
const EPOCH: &str = "keep.best_epoch";
const KNN: &str = "keep.best_knn";

/// The name of an epoch's checkpoint.
pub(super) fn name(epoch: u64) -> String {
    format!("epoch-{epoch:03}.safetensors")
}

/// The checkpoints of epochs in a folder, the newest first.
pub(super) fn epochs(folder: &Path) -> Vec<(u64, PathBuf)> {
    let number = |name: &str| name.strip_prefix("epoch-")?.strip_suffix(".safetensors")?.parse().ok();
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<(u64, PathBuf)> =
        entries.filter_map(|entry| Some((number(entry.file_name().to_str()?)?, entry.path()))).collect();
    found.sort_by(|a, b| b.cmp(a));
    found
}

/// The rule, and the best so far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Keep {
    /// 0 is all.
    newest: usize,
    /// Epoch and kNN of the best checkpoint.
    best: Option<(u64, f64)>,
}

impl Keep {
    /// `newest` and the best; all where that is 0.
    pub fn new(newest: usize) -> Keep {
        Keep { newest, best: None }
    }

    /// A checkpoint of an epoch is written, whose network has this kNN where it was measured.
    pub fn note(&mut self, epoch: u64, knn: Option<f64>) {
        if let Some(knn) = knn.filter(|knn| knn.is_finite())
            && self.best.is_none_or(|(_, best)| knn > best)
        {
            self.best = Some((epoch, knn));
        }
    }

    /// Removes what does not stay after `epoch`.
    pub fn prune(&self, folder: &Path, epoch: u64) {
        if self.newest == 0 {
            return;
        }
        let best = self.best.map(|(epoch, _)| epoch);
        let written = epochs(folder).into_iter().filter(|(other, _)| *other <= epoch);
        for (_, path) in written.skip(self.newest).filter(|(epoch, _)| Some(*epoch) != best) {
            // What cannot be removed now is tried again after the next one.
            let _ = fs::remove_file(path);
        }
    }

    /// Puts the best into a checkpoint.
    pub fn write(&self, checkpoint: &mut Checkpoint) {
        if let Some((epoch, knn)) = self.best {
            checkpoint.extra.insert(EPOCH.to_owned(), epoch.to_string());
            checkpoint.extra.insert(KNN.to_owned(), format!("{knn:?}"));
        }
    }

    /// Takes it from a checkpoint.
    pub fn read(&mut self, checkpoint: &Checkpoint) {
        let text = |key: &str| checkpoint.extra.get(key);
        let best = text(EPOCH).and_then(|epoch| epoch.parse().ok()).zip(text(KNN).and_then(|knn| knn.parse().ok()));
        self.best = best;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_and_the_best_stay() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        let left = |keep: &mut Keep, knn: &[f64]| -> std::io::Result<Vec<u64>> {
            for (epoch, &knn) in (1..).zip(knn) {
                fs::write(folder.path().join(name(epoch)), "")?;
                keep.note(epoch, Some(knn));
                // Between two epochs a run may be continued.
                let mut checkpoint = Checkpoint::default();
                keep.write(&mut checkpoint);
                keep.read(&checkpoint);
                keep.prune(folder.path(), epoch);
            }
            Ok(epochs(folder.path()).into_iter().map(|(epoch, _)| epoch).collect())
        };
        fs::write(folder.path().join("epoch-mine.safetensors"), "")?;
        fs::write(folder.path().join(name(1000)), "of a run that was longer")?;
        let knn = [0.1, f64::NAN, 0.9, 0.5, 0.9, 0.6, 0.7];
        assert_eq!(left(&mut Keep::new(0), &knn)?, [1000, 7, 6, 5, 4, 3, 2, 1]);
        assert_eq!(left(&mut Keep::new(2), &knn)?, [1000, 7, 6, 3]);
        assert!(folder.path().join("epoch-mine.safetensors").exists());
        Ok(())
    }
}
