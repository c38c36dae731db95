//! The folder of experiments: the common settings, and the runs.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use toml::Table;

use super::ExperimentError;
use super::definition::value_text;
use crate::atomic;
use crate::config::Config;
use crate::regular;
use crate::train::History;

/// The common settings.
const BASE: &str = "base.toml";
/// The folder of the runs.
const RUNS: &str = "runs";

/// Keys that change no number of a run, or that every run has its own of.
const FREE: [&str; 3] = ["run.seed", "run.memory", "data.threads"];

/// A folder of experiments on common settings: `base.toml`, `runs/`, `report.html`.
#[derive(Debug, Clone, PartialEq)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The folder `path` for experiments on `base`, which need not be there yet. Refuses a folder of other content, and one whose runs have
    /// another base.
    pub fn open(path: &Path, base: &Config) -> Result<Folder, ExperimentError> {
        let folder = Folder { path: path.to_path_buf() };
        let file = path.join(BASE);
        match regular::read_to_string(&file) {
            Ok(text) => {
                let had = Config::from_toml(&text, &file.display().to_string())?;
                folder.compare(&had, base)?;
            }
            Err(reason) if reason.kind() == ErrorKind::NotFound => folder.vacant()?,
            Err(reason) => return Err(ExperimentError::Read { path: file, reason }),
        }
        Ok(folder)
    }

    fn vacant(&self) -> Result<(), ExperimentError> {
        let mut entries = match fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(reason) if reason.kind() == ErrorKind::NotFound => return Ok(()),
            Err(reason) => {
                let path = self.path.clone();
                return Err(ExperimentError::Read { path, reason });
            }
        };
        match entries.next() {
            None => Ok(()),
            Some(entry) => Err(ExperimentError::OtherContent {
                folder: self.path.clone(),
                found: entry
                    .map_or_else(|error| error.to_string(), |entry| entry.file_name().to_string_lossy().into_owned()),
            }),
        }
    }

    /// Makes the folder and writes the common settings, where they are not there yet: called when it is clear that something can be run.
    pub fn make(&self, base: &Config) -> Result<(), ExperimentError> {
        let file = self.path.join(BASE);
        if file.exists() {
            return Ok(());
        }
        let text = base.to_toml()?;
        let runs = self.path.join(RUNS);
        fs::create_dir_all(&runs).map_err(|reason| ExperimentError::Write { path: runs, reason })?;
        atomic::write(&file, |out: &mut dyn Write| out.write_all(text.as_bytes()))
            .map_err(|reason| ExperimentError::Write { path: file, reason })
    }

    fn compare(&self, had: &Config, wanted: &Config) -> Result<(), ExperimentError> {
        match differences(&[had, wanted]).first() {
            None => Ok(()),
            Some((key, values)) => Err(ExperimentError::OtherBase {
                folder: self.path.clone(),
                key: key.clone(),
                had: values[0].clone(),
                wanted: values[1].clone(),
            }),
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the run of that name lies.
    pub fn run(&self, name: &str) -> PathBuf {
        self.path.join(RUNS).join(name)
    }

    /// Every run there, by name.
    pub fn runs(&self) -> Result<Vec<History>, ExperimentError> {
        let runs = self.path.join(RUNS);
        if runs.exists() { runs_in(&runs) } else { Ok(Vec::new()) }
    }
}

/// The runs in `folder`: it may be one, or hold some, also in a folder `runs`. By name.
pub fn runs_at(folder: &Path) -> Result<Vec<History>, ExperimentError> {
    if folder.join("config.toml").exists() {
        return Ok(vec![History::read(folder)?]);
    }
    let mut runs = runs_in(folder)?;
    if runs.is_empty() && folder.join(RUNS).is_dir() {
        runs = runs_in(&folder.join(RUNS))?;
    }
    match runs.is_empty() {
        true => Err(ExperimentError::NoRuns { folder: folder.to_path_buf() }),
        false => Ok(runs),
    }
}

/// The runs in some folders, each once: one may be named twice, by itself and with those beside it.
pub fn runs_of(folders: &[PathBuf]) -> Result<Vec<History>, ExperimentError> {
    let mut runs: Vec<History> = Vec::new();
    for folder in folders {
        for run in runs_at(folder)? {
            if !runs.iter().any(|other| other.folder == run.folder) {
                runs.push(run);
            }
        }
    }
    Ok(runs)
}

fn runs_in(folder: &Path) -> Result<Vec<History>, ExperimentError> {
    let unreadable = |reason| ExperimentError::Read { path: folder.to_path_buf(), reason };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.join("config.toml").exists() {
            paths.push(path);
        }
    }
    paths.sort();
    paths.iter().map(|path| Ok(History::read(path)?)).collect()
}

/// Keys that differ between configurations, with the value of each, seeds and what changes no number apart.
pub(super) fn differences(configs: &[&Config]) -> Vec<(String, Vec<String>)> {
    let tables: Vec<Table> =
        (configs.iter()).map(|config| Table::try_from(config.resolved()).unwrap_or_default()).collect();
    let mut keys: Vec<String> = Vec::new();
    for key in configs.iter().flat_map(|config| config.keys()) {
        if !keys.contains(&key.name) {
            keys.push(key.name);
        }
    }
    keys.into_iter()
        .filter(|key| !FREE.contains(&key.as_str()))
        .map(|key| {
            let values: Vec<String> = tables.iter().map(|table| value_text(table, &key)).collect();
            (key, values)
        })
        .filter(|(_, values)| values.iter().any(|value| *value != values[0]))
        .collect()
}

/// Whether two runs differ in nothing but their seed and what changes no number.
pub(super) fn same_but_seed(a: &Config, b: &Config) -> bool {
    let comparable = |config: &Config| {
        let mut config = config.resolved();
        let free = Config::default();
        config.run.seed = free.run.seed;
        config.run.memory = free.run.memory;
        config.data.threads = free.data.threads;
        config
    };
    comparable(a) == comparable(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_keeps_its_base() -> Result<(), Box<dyn std::error::Error>> {
        let parent = tempfile::tempdir()?;
        let mut base = Config::preset("demo")?;
        let path = parent.path().join("a/b");
        let folder = Folder::open(&path, &base)?;
        assert!(folder.runs()?.is_empty() && !path.exists());
        folder.make(&base)?;
        assert!(folder.runs()?.is_empty());
        base.set("run.seed=3")?;
        base.set("data.threads=2")?;
        Folder::open(&path, &base)?;
        base.set("optim.lr=0.5")?;
        let error = |path: &Path| Folder::open(path, &base).map_err(|e| e.to_string()).err().unwrap_or_default();
        assert!(error(&path).contains("optim.lr = 1.0, not 0.5"), "{}", error(&path));
        assert!(error(parent.path()).contains("other things (a)"));
        let file = parent.path().join("file");
        fs::write(&file, "x")?;
        assert!(error(&file).contains("cannot be read"), "{}", error(&file));
        assert!(runs_at(parent.path()).is_err_and(|e| e.to_string().contains("holds no runs")));
        Ok(())
    }
}
