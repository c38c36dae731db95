//! The folder of a run: `config.toml`, `metrics.jsonl`, `checkpoints/`.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::checkpoint::{Checkpoint, CheckpointError};
use super::keep;
use super::lock::{LOCK, RunLock};
use super::unbegun;
use super::{FolderError, TrainError};
use crate::atomic;
use crate::config::Config;
use crate::regular;

/// Name of a run's settings.
pub(super) const CONFIG: &str = "config.toml";
pub(super) const METRICS: &str = "metrics.jsonl";
pub(super) const KERNELS: &str = "kernels.json";
pub(super) const VIEWS: &str = "views.png";
pub(super) const CHECKPOINTS: &str = "checkpoints";
/// Name of the newest checkpoint.
pub(super) const LAST: &str = "last.safetensors";

/// An existing run folder.
#[derive(Debug, Clone)]
pub struct RunFolder {
    path: PathBuf,
    /// Where a run is trained: held until the last copy is dropped.
    lock: Option<Arc<RunLock>>,
    /// What the user should know of it.
    remarks: Vec<String>,
}

impl RunFolder {
    fn at(path: &Path) -> RunFolder {
        RunFolder { path: path.to_path_buf(), lock: None, remarks: Vec::new() }
    }

    /// Refuses a folder that something is in, a run that ended before its first checkpoint aside: a run is never written over.
    pub fn vacant(path: &Path) -> Result<(), FolderError> {
        let folder = || path.to_path_buf();
        if Self::is_unbegun(path) {
            return Ok(());
        }
        if path.join(METRICS).exists() || path.join(CHECKPOINTS).exists() {
            return Err(FolderError::Exists { folder: folder() });
        }
        match fs::read_dir(path) {
            Ok(mut entries) => match entries.all(|entry| entry.is_ok_and(|entry| entry.file_name() == LOCK)) {
                true => Ok(()),
                false => Err(FolderError::NotEmpty { folder: folder() }),
            },
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
            // A file of that name, or a folder that may not be listed.
            Err(reason) => Err(FolderError::Write { path: folder(), reason }),
        }
    }

    /// Makes the folder of a new run and writes its configuration.
    pub fn create(path: &Path, config: &Config) -> Result<RunFolder, TrainError> {
        Self::vacant(path)?;
        let mut folder = Self::at(path);
        let checkpoints = folder.checkpoints();
        fs::create_dir_all(&checkpoints).map_err(|reason| FolderError::Write { path: checkpoints, reason })?;
        folder.lock = Some(Arc::new(RunLock::take(path)?));
        // Another process may have been faster.
        Self::vacant(path)?;
        unbegun::clear(path);
        if let Err(error) = folder.write_config(config) {
            folder.discard();
            return Err(error);
        }
        Ok(folder)
    }

    /// Whether all that is in `path` was left by a run that ended before its first checkpoint: it can begin again there.
    pub fn is_unbegun(path: &Path) -> bool {
        unbegun::is_unbegun(path)
    }

    /// Opens the folder of an earlier run to continue it: its configuration and its newest checkpoint. `source` replaces where the
    /// data is (it may have been moved), and the configuration may have more epochs than the checkpoint's; nothing else that counts can
    /// change on the way. No other process can continue the run until
    /// the folder is dropped.
    pub fn open(path: &Path, source: Option<&str>) -> Result<(RunFolder, Config, Checkpoint), TrainError> {
        let mut folder = Self::at(path);
        let mut config = folder.read_config()?;
        let file = path.join(CONFIG);
        if !folder.checkpoints().is_dir() {
            folder.last()?;
        }
        folder.lock = Some(Arc::new(RunLock::take(path)?));
        for folder in [path, &folder.checkpoints()] {
            atomic::remove_partial(folder);
        }
        let checkpoint = folder.newest_good()?;
        if let Some(text) = &checkpoint.config {
            let mut trained = Config::of_run(text, &checkpoint.origin().display().to_string())?;
            trained.data.source.clone_from(&config.data.source);
            (trained.run.memory, trained.run.keep) = (config.run.memory, config.run.keep);
            trained.run.tensorboard = config.run.tensorboard;
            // A run may be made longer.
            trained.optim.epochs = trained.optim.epochs.max(config.optim.epochs);
            if trained.resolved() != config.resolved() {
                return Err(FolderError::ConfigChanged { file }.into());
            }
        }
        if let Some(source) = source {
            config.assign("--data", "data.source", source)?;
            folder.write_config(&config)?;
        }
        Ok((folder, config, checkpoint))
    }

    /// The newest checkpoint, or where that is missing or damaged the newest of an epoch that is neither, which is then said.
    fn newest_good(&mut self) -> Result<Checkpoint, TrainError> {
        let good = |file: &Path| {
            let checkpoint = Checkpoint::load(file)?;
            match checkpoint.not_finite() {
                Some(tensor) => Err(CheckpointError::NotFinite { file: file.to_path_buf(), tensor: tensor.to_owned() }),
                None => Ok(checkpoint),
            }
        };
        let problem: TrainError = match self.last() {
            Ok(last) => match good(&last) {
                Ok(checkpoint) => return Ok(checkpoint),
                Err(error) => error.into(),
            },
            Err(error) => error.into(),
        };
        let mut others = keep::epochs(&self.checkpoints()).into_iter().filter_map(|(_, file)| good(&file).ok());
        let Some(checkpoint) = others.find(Checkpoint::has_momentum) else {
            return Err(problem);
        };
        let (file, step) = (checkpoint.origin().display(), checkpoint.step);
        self.remarks.push(format!("{problem}: the run continues from {file}, step {step}"));
        Ok(checkpoint)
    }

    /// What the user should know before the run continues, a line each.
    pub(super) fn remarks(&self) -> Vec<String> {
        self.remarks.clone()
    }

    /// What a run has learnt so far, finished or not: its configuration, and a checkpoint, the newest where `checkpoint` names none. Weights
    /// suffice in it.
    pub fn trained(path: &Path, checkpoint: Option<&Path>) -> Result<(Config, Checkpoint), TrainError> {
        let folder = Self::at(path);
        let config = folder.read_config()?;
        let file = match checkpoint {
            Some(file) => file.to_path_buf(),
            None => folder.last()?,
        };
        Ok((config, Checkpoint::load(&file)?))
    }

    /// The settings of the run in `path`.
    pub fn config(path: &Path) -> Result<Config, TrainError> {
        Self::at(path).read_config()
    }

    fn read_config(&self) -> Result<Config, TrainError> {
        let file = self.path.join(CONFIG);
        let text = regular::read_to_string(&file).map_err(|reason| match reason.kind() {
            ErrorKind::NotFound => self.missing(CONFIG),
            _ => FolderError::Read { path: file.clone(), reason },
        })?;
        Ok(Config::of_run(&text, &file.display().to_string())?)
    }

    /// The newest checkpoint, which is there.
    fn last(&self) -> Result<PathBuf, FolderError> {
        let last = self.checkpoints().join(LAST);
        match last.exists() {
            true => Ok(last),
            false => Err(self.missing("checkpoints/last.safetensors")),
        }
    }

    fn missing(&self, what: &'static str) -> FolderError {
        FolderError::NoRun { folder: self.path.clone(), what }
    }

    /// The picture of the views that the run began with.
    pub fn views(&self) -> PathBuf {
        Self::views_of(&self.path)
    }

    /// The same of the run in `folder`.
    pub fn views_of(folder: &Path) -> PathBuf {
        folder.join(VIEWS)
    }

    /// Where the newest checkpoint of the run in `path` is, if it has one.
    pub fn newest_checkpoint(path: &Path) -> PathBuf {
        path.join(CHECKPOINTS).join(LAST)
    }

    /// Whether `path` looks like the folder of a run.
    pub fn is_run(path: &Path) -> bool {
        path.join(CONFIG).is_file() && (path.join(METRICS).is_file() || path.join(CHECKPOINTS).is_dir())
    }

    /// Takes back [`RunFolder::create`] where the run could not begin, so that the same command can be typed again.
    pub fn discard(mut self) {
        unbegun::clear(&self.path);
        // What is not there any more, or is not empty, may stay as it is.
        let _ = fs::remove_dir(self.checkpoints());
        // Some systems do not remove a file that is open.
        self.lock = None;
        let _ = fs::remove_file(self.path.join(LOCK));
        let _ = fs::remove_dir(&self.path);
    }

    /// The first of `parent/NAME-001`, `parent/NAME-002` … that holds no run.
    pub fn next(parent: &Path, name: &str) -> PathBuf {
        let mut number = 1;
        loop {
            let path = parent.join(format!("{name}-{number:03}"));
            // Also where a run ended before its first checkpoint, and no other process is at it.
            if !path.exists() || Self::is_unbegun(&path) && RunLock::take(&path).is_ok() {
                return path;
            }
            number += 1;
        }
    }

    /// Keeps the settings with which the run goes on.
    pub fn write_config(&self, config: &Config) -> Result<(), TrainError> {
        let path = self.path.join(CONFIG);
        let text = config.to_toml()?;
        let write = |file: &mut dyn Write| file.write_all(text.as_bytes());
        Ok(atomic::write(&path, write).map_err(|reason| FolderError::Write { path, reason })?)
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its metrics file.
    pub fn metrics(&self) -> PathBuf {
        Self::metrics_of(&self.path)
    }

    /// The metrics file of the run in `folder`.
    pub fn metrics_of(folder: &Path) -> PathBuf {
        folder.join(METRICS)
    }

    /// The file of its [`Kernels`](super::Kernels).
    pub fn kernels(&self) -> PathBuf {
        self.path.join(KERNELS)
    }

    /// The folder of its checkpoints.
    pub fn checkpoints(&self) -> PathBuf {
        self.path.join(CHECKPOINTS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_never_written_over() -> Result<(), Box<dyn std::error::Error>> {
        let parent = tempfile::tempdir()?;
        let path = RunFolder::next(&parent.path().join("runs"), "demo");
        assert!(path.ends_with("runs/demo-001"));
        let folder = RunFolder::create(&path, &Config::preset("demo")?)?;
        assert!(RunFolder::create(&path, &Config::preset("demo")?).is_err_and(|e| e.to_string().contains("process")));
        fs::write(folder.checkpoints().join(LAST), "")?;
        assert!(matches!(RunFolder::vacant(&path), Err(FolderError::Exists { .. })));
        assert!(RunFolder::next(&parent.path().join("runs"), "demo").ends_with("demo-002"));
        let file = parent.path().join("file");
        fs::write(&file, "x")?;
        assert!(matches!(RunFolder::vacant(&file), Err(FolderError::Write { .. })));
        assert!(matches!(RunFolder::vacant(parent.path()), Err(FolderError::NotEmpty { .. })));
        let empty = parent.path().join("empty");
        fs::create_dir(&empty)?;
        RunFolder::vacant(&empty)?;
        Ok(())
    }

    #[test]
    fn a_folder_without_a_run_cannot_be_continued() -> Result<(), Box<dyn std::error::Error>> {
        let parent = tempfile::tempdir()?;
        let error = |path: &Path| RunFolder::open(path, None).map_err(|e| e.to_string()).err();
        assert!(error(parent.path()).is_some_and(|e| e.contains("config.toml is missing")));
        let path = parent.path().join("run");
        RunFolder::create(&path, &Config::preset("demo")?)?;
        // Nothing of it counts: it may begin again, unless something else is there.
        assert!(error(&path).is_some_and(|e| e.contains("last.safetensors is missing")));
        assert!(RunFolder::is_unbegun(&path));
        RunFolder::create(&path, &Config::preset("demo")?)?;
        let keeps = |name: &str, text: &str| -> std::io::Result<bool> {
            fs::write(path.join(name), text)?;
            let kept = matches!(RunFolder::vacant(&path), Err(FolderError::Exists { .. }));
            fs::remove_file(path.join(name))?;
            Ok(kept)
        };
        assert!(keeps("notes.txt", "")? && keeps("checkpoints/epoch-001.safetensors", "")?);
        assert!(keeps("metrics.jsonl", "{\"event\":\"step\",\"step\":1}\n")?);
        assert!(!keeps("metrics.jsonl", "{\"event\":\"start\"}\n")? && !keeps(".simsiam-x.partial", "")?);
        assert!(!keeps("checkpoints/.simsiam-x.partial", "")? && !keeps("events.out.tfevents.1.simsiam", "")?);
        Ok(())
    }
}
