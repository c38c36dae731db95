//! One configuration for everything that computes: a TOML file, command-line flags and a window's form are three views of
//! the same [`Config`].
//!
//! Values come from the plain defaults ([`Config::default`]) or a preset ([`Config::preset`]), then a file
//! ([`Config::from_toml`]), then single assignments ([`Config::set`], [`Config::assign`]). Each step checks the type and range of what it
//! was given, so that an error can name the file or flag; [`Config::validate`] checks the whole before anything is computed and
//! [`Config::check_against`] what only the data can tell.
//!
//! ```
//! use simsiam::config::Config;
//!
//! let mut config = Config::preset("cifar10")?;
//! config.set("optim.epochs=100")?;
//! assert_eq!(config.optim.epochs, 100);
//! let error = config.set("optim.learning_rate=1").unwrap_err();
//! assert_eq!(error.to_string(), "--set: unknown key optim.learning_rate; did you mean optim.lr?");
//! # Ok::<(), simsiam::config::ConfigError>(())
//! ```

mod augment;
mod background;
mod check;
mod error;
mod method;
mod sections;
mod size;
mod suggest;

pub use augment::{AugmentConfig, SecondView, SmallCrops};
pub use background::Background;
pub use error::ConfigError;
pub use method::{MethodConfig, MethodSection, MethodSettings, Problem};
pub use sections::{
    Arch, DataConfig, EvalCrop, Field, Key, Kind, ModelConfig, OptimConfig, Optimizer, Precision, RunConfig, Schedule,
    Stem,
};
pub use size::MemoryLimit;
pub(crate) use suggest::one_of;

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

/// Names and texts of the presets in the binary, in the order in which they are listed to users.
const PRESETS: [(&str, &str); 5] = [
    ("demo", include_str!("../assets/presets/demo.toml")),
    ("fashion-mnist", include_str!("../assets/presets/fashion-mnist.toml")),
    ("cifar10", include_str!("../assets/presets/cifar10.toml")),
    ("photos", include_str!("../assets/presets/photos.toml")),
    ("imagenet", include_str!("../assets/presets/imagenet.toml")),
];

/// Keys that decide what images look like, with the values that say what was done before there was the key.
const BEFORE: [(&str, &str); 3] =
    [("data.background", "dropped"), ("data.white_level", "65535"), ("data.labels", "none")];

/// Everything that decides what a run computes.
///
/// `Default` is the authors' recipe at CIFAR's image size with the paper's base learning rate and no data source; the presets
/// are the tried starting points.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Which images.
    pub data: DataConfig,
    /// How a view is made from an image.
    pub augment: AugmentConfig,
    /// Backbone, projector, predictor.
    pub model: ModelConfig,
    /// The loss and which branch learns.
    pub method: MethodConfig,
    /// SGD and its schedule.
    pub optim: OptimConfig,
    /// Seed, checkpoints, monitoring.
    pub run: RunConfig,
}

impl Config {
    /// Every key in its dotted form with its help text, in the order of the file. Those of `[method]` are its method's.
    pub fn keys(&self) -> Vec<Key> {
        let mut keys = DataConfig::keys();
        keys.extend(AugmentConfig::keys());
        keys.extend(ModelConfig::keys());
        keys.extend(self.method.keys());
        keys.extend(OptimConfig::keys());
        keys.extend(RunConfig::keys());
        keys
    }

    /// Names of the presets.
    pub fn presets() -> impl Iterator<Item = &'static str> {
        PRESETS.iter().map(|(name, _)| *name)
    }

    /// A preset's values. Fails with [`ConfigError::UnknownPreset`], which lists the names.
    pub fn preset(name: &str) -> Result<Self, ConfigError> {
        let (_, text) = PRESETS.iter().find(|(known, _)| *known == name).ok_or_else(|| ConfigError::UnknownPreset {
            name: name.to_owned(),
            fix: suggest::one_of(name, &Self::presets().collect::<Vec<_>>()),
        })?;
        Self::from_toml(text, &format!("preset {name}"))
    }

    /// A preset with another method, and what that changes of it.
    pub fn preset_for(name: &str, method: &str) -> Result<Self, ConfigError> {
        let mut config = Self::preset(name)?;
        config.take_method("preset", method, Some(name))?;
        Ok(config)
    }

    /// Takes the defaults of another method and, where they come from a `preset`, what the method changes of that. The method that is
    /// there keeps its keys.
    pub fn take_method(&mut self, origin: &str, method: &str, preset: Option<&str>) -> Result<(), ConfigError> {
        if self.method.name() != method {
            let mut config = self.clone();
            config.assign(origin, "method.name", method)?;
            if let Some(text) = preset.and_then(|preset| MethodConfig::preset_of(method, preset)) {
                let table: Table = toml::from_str(text).map_err(|e| ConfigError::syntax(method, text, &e))?;
                config = config.merge(table, &format!("{method} for preset {}", preset.unwrap_or_default()))?;
            }
            *self = config;
        }
        Ok(())
    }

    /// Reads a configuration file's `text`. `origin` (its path) appears in errors.
    ///
    /// What the text leaves out keeps its default, or the value of the preset that a line `preset = "cifar10"` at the top names.
    /// Unknown keys, wrong types and values out of range are refused here; relations between keys in [`Config::validate`].
    pub fn from_toml(text: &str, origin: &str) -> Result<Self, ConfigError> {
        let mut table: Table = toml::from_str(text).map_err(|e| ConfigError::syntax(origin, text, &e))?;
        let base = match table.remove("preset") {
            None => Self::default(),
            Some(Value::String(name)) => match lookup(&table, "method.name").and_then(Value::as_str) {
                Some(method) => Self::preset_for(&name, method)?,
                None => Self::preset(&name)?,
            },
            Some(other) => {
                return Err(ConfigError::value(origin, "preset", &other, "expected a preset's name in quotes"));
            }
        };
        base.merge(table, origin)
    }

    /// Reads the `text` that a run left. What it leaves out was no key yet when the run began, and gets the value that keeps its images as
    /// they were.
    pub fn of_run(text: &str, origin: &str) -> Result<Self, ConfigError> {
        let mut config = Self::from_toml(text, origin)?;
        let table: Table = toml::from_str(text).map_err(|e| ConfigError::syntax(origin, text, &e))?;
        for (key, value) in BEFORE {
            if lookup(&table, key).is_none() {
                config.assign(origin, key, value)?;
            }
        }
        Ok(config)
    }

    /// Assigns one `section.key=value`, as after `--set`. The value is read as TOML; a bare word is taken as a string.
    pub fn set(&mut self, assignment: &str) -> Result<(), ConfigError> {
        let (key, value) = assignment
            .split_once('=')
            .ok_or_else(|| ConfigError::NotAnAssignment { origin: "--set".to_owned(), text: assignment.to_owned() })?;
        self.assign("--set", key.trim(), value.trim())
    }

    /// Assigns `value` to the dotted `key` on behalf of `origin` (a flag's name), which appears in errors. Leaves `self` as it
    /// was where it fails.
    pub fn assign(&mut self, origin: &str, key: &str, value: &str) -> Result<(), ConfigError> {
        let Some((section, field)) = key.rsplit_once('.') else {
            return Err(self.unknown_key(origin, key));
        };
        *self = self.clone().assigned(origin, section, field, parse_value(value))?;
        Ok(())
    }

    /// The value of the dotted `key` as [`Config::assign`] takes it: words without quotes, and nothing where it is left out. `None`
    /// where there is no such key.
    pub fn text(&self, key: &str) -> Option<String> {
        let table = Table::try_from(self).ok()?;
        match lookup(&table, key) {
            // A section is no key.
            Some(Value::Table(_)) => None,
            Some(Value::String(text)) => Some(text.clone()),
            Some(value) => Some(value.to_string()),
            None => self.keys().iter().any(|known| known.name == key).then(String::new),
        }
    }

    /// Leaves out the dotted `key`, whose value then follows from others; a key that cannot be left out gets its default.
    pub fn clear(&mut self, key: &str) {
        if let (Some((section, field)), Ok(mut table)) = (key.rsplit_once('.'), Table::try_from(&*self))
            && let Some(fields) = section_of(&mut table, section)
        {
            fields.remove(field);
            // It was read from such a table, less a key that has a default.
            if let Ok(config) = table.try_into() {
                *self = config;
            }
        }
    }

    /// Everything that is wrong, by ranges and relations: the dotted key, and the problem with its fix.
    pub fn problems(&self) -> Vec<(String, String)> {
        let ranges = check::ranges(self).into_iter();
        ranges.chain(check::relations(self)).collect()
    }

    /// The configuration with every value that follows from others written out (`data.white_level`, `model.blocks`,
    /// `model.projector_hidden`, `model.predictor_dim`). Applying it twice changes nothing more.
    pub fn resolved(&self) -> Self {
        let mut config = self.clone();
        config.data.white_level = Some(self.data.white_level.unwrap_or(usize::from(u16::MAX)));
        config.model.blocks = self.model.blocks();
        config.model.projector_hidden = Some(self.model.projector_hidden());
        config.model.predictor_dim = Some(self.model.predictor_dim());
        config
    }

    /// The TOML text of every effective value; reading it back gives [`Config::resolved`].
    ///
    /// Fails only on a number above 2^63 - 1, which TOML cannot hold.
    pub fn to_toml(&self) -> Result<String, ConfigError> {
        let unwritable = |e: toml::ser::Error| ConfigError::Unwritable { problem: e.to_string() };
        let resolved = self.resolved();
        // The text form writes larger numbers than it reads; a table holds only what can be read back.
        Table::try_from(&resolved).map_err(unwritable)?;
        toml::to_string(&resolved).map_err(unwritable)
    }

    /// Checks ranges and relations between keys. The error names the key, its value and the fix.
    pub fn validate(&self) -> Result<(), ConfigError> {
        match self.problems().into_iter().next() {
            Some((key, problem)) => Err(self.problem("configuration", &key, &problem)),
            None => Ok(()),
        }
    }

    /// Checks what only the data can tell: fails where a batch would need more images than the `train_len` there are.
    ///
    /// A `run.knn_k` above `train_len` is no error, because small data sets would otherwise need a second setting: the vote
    /// uses [`RunConfig::neighbours`] of them. A test set is needed only where kNN is on (`run.knn_every` above 0).
    pub fn check_against(&self, train_len: usize) -> Result<(), ConfigError> {
        let batch = self.optim.batch_size;
        if train_len < 2 {
            let problem = format!("{train_len} training images: batch normalisation needs at least 2; give more data");
            return Err(self.problem("data", "data.limit_train", &problem));
        }
        if batch > train_len {
            let problem = format!(
                "a batch is larger than the {train_len} training images; set it to {train_len} or less (--batch-size {train_len})"
            );
            return Err(self.problem("data", "optim.batch_size", &problem));
        }
        Ok(())
    }

    /// Makes a batch that is larger than the `train_len` images there are smaller: the largest power of two of which an epoch has at least two.
    /// Returns the batch size where it was changed.
    pub fn fit_batch(&mut self, train_len: usize) -> Option<usize> {
        if train_len < 4 || self.optim.batch_size <= train_len {
            return None;
        }
        let most = train_len / 2;
        self.optim.batch_size = most.next_power_of_two() >> usize::from(!most.is_power_of_two());
        Some(self.optim.batch_size)
    }

    fn unknown_key(&self, origin: &str, key: &str) -> ConfigError {
        ConfigError::unknown_key(origin, key, self)
    }

    fn wrong_type(&self, origin: &str, key: &str, value: &Value, error: &toml::de::Error) -> ConfigError {
        ConfigError::wrong_type(origin, key, value, error, self)
    }

    fn problem(&self, origin: &str, key: &str, problem: &str) -> ConfigError {
        // A table can hold everything but numbers from 2^63 on.
        let table = Table::try_from(self).unwrap_or_default();
        let unknown = Value::String("too large".to_owned());
        ConfigError::value(origin, key, lookup(&table, key).unwrap_or(&unknown), problem)
    }

    /// Puts a file's tables over `self`, one key after the other so that an error can name the key.
    fn merge(self, user: Table, origin: &str) -> Result<Self, ConfigError> {
        let mut config = self;
        for (section, value) in user {
            config = config.merge_section(origin, &section, value)?;
        }
        Ok(config)
    }

    fn merge_section(self, origin: &str, section: &str, value: Value) -> Result<Self, ConfigError> {
        let mut table = Table::try_from(&self).map_err(|e| ConfigError::Unwritable { problem: e.to_string() })?;
        if section_of(&mut table, section).is_none() {
            return Err(self.unknown_key(origin, section));
        }
        let Value::Table(fields) = value else {
            let problem = format!("a section: write [{section}] above its keys");
            return Err(ConfigError::value(origin, section, &value, &problem));
        };
        let mut config = self;
        // The method's keys follow from its name.
        let (names, others): (Vec<_>, Vec<_>) =
            fields.into_iter().partition(|(f, _)| section == "method" && f == "name");
        for (field, value) in names.into_iter().chain(others) {
            let name = format!("{section}.{field}");
            config = match section_of(&mut table, &name) {
                Some(_) => config.merge_section(origin, &name, value)?,
                None => config.assigned(origin, section, &field, value)?,
            };
        }
        Ok(config)
    }

    /// With one key set.
    fn assigned(self, origin: &str, section: &str, field: &str, value: Value) -> Result<Self, ConfigError> {
        let name = format!("{section}.{field}");
        if !self.keys().iter().any(|key| key.name == name) {
            return Err(self.unknown_key(origin, &name));
        }
        let mut table = Table::try_from(&self).map_err(|e| ConfigError::Unwritable { problem: e.to_string() })?;
        if let Some(fields) = section_of(&mut table, section) {
            if name == "method.name" && value.as_str() != Some(self.method.name()) {
                // Another method has other keys.
                fields.clear();
            }
            fields.insert(field.to_owned(), value.clone());
        }
        // One section is enough: the others have defaults, and the error is about this key alone.
        let top = section.split('.').next().unwrap_or(section).to_owned();
        let one = Table::from_iter(table.remove(&top).map(|fields| (top.clone(), fields)));
        let read: Self = one.try_into().map_err(|e| self.wrong_type(origin, &name, &value, &e))?;
        let mut config = self;
        match top.as_str() {
            "data" => config.data = read.data,
            "augment" => config.augment = read.augment,
            "model" => config.model = read.model,
            "method" => config.method = read.method,
            "optim" => config.optim = read.optim,
            _ => config.run = read.run,
        }
        match check::ranges(&config).into_iter().find(|(key, _)| *key == name) {
            Some((_, problem)) => Err(ConfigError::value(origin, &name, &value, &problem)),
            None => Ok(config),
        }
    }
}

/// The value of a dotted key in the tables of a configuration.
pub fn lookup<'a>(table: &'a Table, key: &str) -> Option<&'a Value> {
    match key.split_once('.') {
        None => table.get(key),
        Some((section, rest)) => lookup(table.get(section)?.as_table()?, rest),
    }
}

/// The table of a section, which may lie in another.
fn section_of<'a>(table: &'a mut Table, section: &str) -> Option<&'a mut Table> {
    section.split('.').try_fold(table, |table, name| table.get_mut(name)?.as_table_mut())
}

/// A flag's text as a TOML value. What is no TOML value is a string, so that `data.source=idx:DIR` needs no quotes, or a number
/// that TOML spells with a leading zero, such as `.05`.
fn parse_value(text: &str) -> Value {
    if let Ok(mut table) = toml::from_str::<Table>(&format!("value = {text}"))
        && table.len() == 1
        && let Some(value) = table.remove("value")
    {
        return value;
    }
    match text.parse::<f64>() {
        Ok(number) => Value::Float(number),
        Err(_) => Value::String(text.to_owned()),
    }
}

#[cfg(test)]
#[path = "config/tests.rs"]
mod tests;
