//! The configuration as it is typed: a preset or a file, flags over it, `--set` over all.

use std::path::PathBuf;

use anyhow::Result;
use simsiam::config::{Config, MethodConfig};
use simsiam::data::{self, Dataset, Limits, Spec};
use simsiam::regular;
use simsiam::train::{self, RunFolder};

use super::UsageError;
use super::data::Opening;

#[derive(clap::Args, Clone, Default)]
pub struct Settings {
    /// Start from a preset: demo, fashion-mnist, cifar10, photos or imagenet.
    #[arg(long, value_name = "NAME", conflicts_with = "config")]
    pub preset: Option<String>,
    /// The method and its defaults for the preset; its own keys are those of [method].
    #[arg(long, value_name = "NAME", help = method_help())]
    pub method: Option<String>,
    /// Start from a TOML file.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The images: demo, a folder, or KIND:PATH with folder, idx, cifar10, cifar100, stl10, pack or parquet.
    #[arg(long, value_name = "SPEC")]
    pub data: Option<String>,
    /// Table with the class of each file of a folder: CSV with a column of file names and one of labels.
    #[arg(long, value_name = "FILE")]
    pub labels: Option<String>,
    /// Random seed.
    #[arg(long, value_name = "N")]
    pub seed: Option<String>,
    /// Use only N training images: the first N, or for a folder N evenly spaced files.
    #[arg(long, value_name = "N")]
    pub limit_train: Option<String>,
    /// Use only N test images.
    #[arg(long, value_name = "N")]
    pub limit_test: Option<String>,
    /// Set any configuration key, such as optim.lr=0.1; repeatable.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// Every method with what it is.
fn method_help() -> String {
    let line = |(name, summary)| format!("{name}: {summary}");
    let methods: Vec<String> = MethodConfig::summaries().map(line).collect();
    format!("The method, with its defaults for the preset. {}", methods.join("; "))
}

/// Every configuration key with its default and meaning, and those of each method.
pub fn keys_help() -> String {
    let mut config = Config::default();
    let mut lines =
        vec!["Configuration keys, as --set takes them, with their defaults (a preset may change them):".to_owned()];
    let list = |config: &Config, wanted: fn(&str) -> bool, lines: &mut Vec<String>| {
        for key in config.keys().iter().filter(|key| wanted(&key.name)) {
            let value = config.text(&key.name).unwrap_or_default();
            // Views of their own repeat the keys of all views.
            let repeats = key.name.rsplit_once('.').is_some_and(|(section, _)| section.starts_with("augment."));
            if !(repeats && value.is_empty()) {
                lines.push(format!("  {}={value}", key.name));
                lines.push(format!("      {}", key.help));
            }
        }
    };
    list(&config, |key| !key.starts_with("method."), &mut lines);
    lines.push("  augment.second.KEY, augment.small.KEY".to_owned());
    lines.push("      Any augmentation above, for the second view or the small crops only.".to_owned());
    for name in MethodConfig::names() {
        if let Some(method) = MethodConfig::named(name) {
            config.method = method;
            lines.push(format!("\n  with method.name={name}:"));
            list(&config, |key| key.starts_with("method.") && key != "method.name", &mut lines);
        }
    }
    lines.join("\n")
}

/// A configuration and where it comes from.
pub struct Configured {
    pub config: Config,
    /// Of the preset or file, for the run's folder.
    pub name: String,
    /// For people.
    pub origin: String,
}

impl Settings {
    /// Preset or file, then flags, those of the command (flag, key, value) among them, then `--set`.
    pub fn configure(&self, flags: &[(&str, &str, &Option<String>)]) -> Result<Configured> {
        let mut configured = self.start()?;
        let config = &mut configured.config;
        // A folder may look like a number.
        if let Some(source) = &self.data {
            config.data.source.clone_from(source);
        }
        if let Some(labels) = &self.labels {
            config.data.labels.clone_from(labels);
        }
        let own: [(&str, &str, &Option<String>); 3] = [
            ("--seed", "run.seed", &self.seed),
            ("--limit-train", "data.limit_train", &self.limit_train),
            ("--limit-test", "data.limit_test", &self.limit_test),
        ];
        for (flag, key, value) in own.iter().chain(flags) {
            if let Some(value) = value {
                config.assign(flag, key, value)?;
            }
        }
        // The method's keys follow from its name.
        let is_name = |assignment: &&String| assignment.trim_start().starts_with("method.name");
        let (names, others): (Vec<_>, Vec<_>) = self.set.iter().partition(is_name);
        for assignment in names.into_iter().chain(others) {
            config.set(assignment)?;
        }
        Ok(configured)
    }

    /// Whether a file or an assignment gives the dotted `key`, and not a preset.
    pub fn chooses(&self, key: &str) -> bool {
        self.config.is_some() || self.set.iter().any(|assignment| assignment.trim_start().starts_with(key))
    }

    fn start(&self) -> Result<Configured> {
        if let Some(path) = &self.config {
            let file = path.display().to_string();
            let text = regular::read_to_string(path)
                .map_err(|e| UsageError(format!("{file} cannot be read: {e}; check the path")))?;
            let name = path.file_stem().map(|stem| stem.to_string_lossy());
            let of_run = path.parent().is_some_and(RunFolder::is_run);
            let mut config = match of_run {
                true => Config::of_run(&text, &file)?,
                false => Config::from_toml(&text, &file)?,
            };
            if let Some(method) = &self.method {
                config.take_method("--method", method, None)?;
            }
            return Ok(Configured {
                config,
                name: name.unwrap_or_else(|| "run".into()).into_owned(),
                origin: format!("file {file}"),
            });
        }
        let name = match &self.preset {
            Some(name) => name.as_str(),
            None => train::preset_for(self.data.as_deref().unwrap_or("demo"))?,
        };
        let mut config = Config::preset(name)?;
        let mut origin = format!("preset {name}");
        if let Some(method) = &self.method {
            config.take_method("--method", method, Some(name))?;
            origin += &format!(" for {method}");
        }
        Ok(Configured { config, name: name.to_owned(), origin })
    }
}

/// Opens the data of a configuration. In a terminal something moves meanwhile: the sample that is decoded may be of large photos.
pub fn open(config: &Config) -> Result<Dataset> {
    let spec: Spec = config.data.source.parse()?;
    let mut opening = Opening::new(&spec);
    let dataset = data::open_watched(&spec, Limits::from(&config.data), &mut |files| opening.at(files));
    opening.end();
    Ok(dataset?)
}
