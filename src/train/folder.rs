//! The folder of a run: `config.toml`, `metrics.jsonl`, `checkpoints/`.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::checkpoint::Checkpoint;
use super::{FolderError, TrainError};
use crate::atomic;
use crate::config::Config;

/// Name of a run's settings.
pub(super) const CONFIG: &str = "config.toml";
const METRICS: &str = "metrics.jsonl";
const KERNELS: &str = "kernels.json";
const VIEWS: &str = "views.png";
const CHECKPOINTS: &str = "checkpoints";
/// Name of the newest checkpoint.
pub(super) const LAST: &str = "last.safetensors";

/// An existing run folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// Refuses a folder that something is in: a run is never written over.
    pub fn vacant(path: &Path) -> Result<(), FolderError> {
        let folder = || path.to_path_buf();
        if path.join(METRICS).exists() || path.join(CHECKPOINTS).exists() {
            return Err(FolderError::Exists { folder: folder() });
        }
        match fs::read_dir(path) {
            Ok(mut entries) => match entries.next() {
                None => Ok(()),
                Some(_) => Err(FolderError::NotEmpty { folder: folder() }),
            },
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
            // A file of that name, or a folder that may not be listed.
            Err(reason) => Err(FolderError::Write { path: folder(), reason }),
        }
    }

    /// Makes the folder of a new run and writes its configuration.
    pub fn create(path: &Path, config: &Config) -> Result<RunFolder, TrainError> {
        Self::vacant(path)?;
        let folder = RunFolder { path: path.to_path_buf() };
        let checkpoints = folder.checkpoints();
        fs::create_dir_all(&checkpoints).map_err(|reason| FolderError::Write { path: checkpoints, reason })?;
        folder.write_config(config)?;
        Ok(folder)
    }

    /// Opens the folder of an earlier run to continue it: its configuration and its newest checkpoint. `source` replaces where the
    /// data is (it may have been moved); nothing else that counts can change on the way.
    pub fn open(path: &Path, source: Option<&str>) -> Result<(RunFolder, Config, Checkpoint), TrainError> {
        let folder = RunFolder { path: path.to_path_buf() };
        let mut config = folder.read_config()?;
        let file = path.join(CONFIG);
        let last = folder.last()?;
        let checkpoint = Checkpoint::load(&last)?;
        if let Some(text) = &checkpoint.config {
            let mut trained = Config::from_toml(text, &last.display().to_string())?;
            trained.data.source.clone_from(&config.data.source);
            trained.run.memory = config.run.memory;
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

    /// What a run has learnt so far, finished or not: its configuration, and a checkpoint, the newest where `checkpoint` names none. Weights
    /// suffice in it.
    pub fn trained(path: &Path, checkpoint: Option<&Path>) -> Result<(Config, Checkpoint), TrainError> {
        let folder = RunFolder { path: path.to_path_buf() };
        let config = folder.read_config()?;
        let file = match checkpoint {
            Some(file) => file.to_path_buf(),
            None => folder.last()?,
        };
        Ok((config, Checkpoint::load(&file)?))
    }

    /// The settings of the run in `path`.
    pub fn config(path: &Path) -> Result<Config, TrainError> {
        let path = path.to_path_buf();
        RunFolder { path }.read_config()
    }

    fn read_config(&self) -> Result<Config, TrainError> {
        let file = self.path.join(CONFIG);
        let text = fs::read_to_string(&file).map_err(|reason| match reason.kind() {
            ErrorKind::NotFound => self.missing(CONFIG),
            _ => FolderError::Read { path: file.clone(), reason },
        })?;
        Ok(Config::from_toml(&text, &file.display().to_string())?)
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
        self.path.join(VIEWS)
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
    pub fn discard(self) {
        // What is not there any more, or is not empty, may stay as it is.
        let _ = fs::remove_dir(self.checkpoints());
        let _ = fs::remove_file(self.path.join(CONFIG));
        let _ = fs::remove_file(self.kernels());
        let _ = fs::remove_file(self.views());
        let _ = fs::remove_file(self.metrics());
        let _ = fs::remove_dir(&self.path);
    }

    /// Takes away what is in `path` of a run that ended before its first checkpoint, so that it can begin again. Leaves any other run as it is.
    pub fn discard_unbegun(path: &Path) {
        let folder = RunFolder { path: path.to_path_buf() };
        if !folder.checkpoints().join(LAST).exists() {
            folder.discard();
        }
    }

    /// The first of `parent/NAME-001`, `parent/NAME-002` … that does not exist.
    pub fn next(parent: &Path, name: &str) -> PathBuf {
        let mut number = 1;
        loop {
            let path = parent.join(format!("{name}-{number:03}"));
            if !path.exists() {
                return path;
            }
            number += 1;
        }
    }

    fn write_config(&self, config: &Config) -> Result<(), TrainError> {
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
        RunFolder::create(&path, &Config::preset("demo")?)?;
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
        assert!(error(&path).is_some_and(|e| e.contains("last.safetensors is missing")));
        Ok(())
    }
}
