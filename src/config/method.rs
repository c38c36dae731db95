//! Section `[method]`: the name of a method and that method's own keys. A method declares its keys in its own file, as a [`MethodSettings`];
//! what the configuration keeps of them is a checked table.
//!
//! This module knows nothing above it but for one call: [`sections`] asks [`crate::method`] which methods there are.

use serde::de::{DeserializeOwned, Error};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use toml::{Table, Value};

use super::{Config, Key, Kind};

/// A dotted key, and what is wrong with its value and how to fix it.
pub type Problem = (String, String);

/// The method of a configuration that names none.
const DEFAULT: &str = "simsiam";

/// The keys of a method. [`section!`](crate::section) declares them.
pub trait MethodSettings: Clone + Default + Serialize + DeserializeOwned {
    /// Its name in files and flags.
    const NAME: &'static str;
    /// What it is, in one sentence.
    const SUMMARY: &'static str;
    /// What the method changes of a preset: the preset's name, and a configuration file's text.
    const PRESETS: &'static [(&'static str, &'static str)] = &[];

    /// Its keys with their help texts.
    fn settings() -> Vec<Key>;

    /// Values that are wrong by themselves.
    fn ranges(&self) -> Vec<Problem> {
        Vec::new()
    }

    /// Values that do not fit each other or the rest of the configuration.
    fn relations(&self, _config: &Config) -> Vec<Problem> {
        Vec::new()
    }
}

/// A method as the configuration sees it.
#[derive(Debug, Clone, Copy)]
pub struct MethodSection {
    /// See [`MethodSettings::NAME`].
    pub name: &'static str,
    /// See [`MethodSettings::SUMMARY`].
    pub summary: &'static str,
    /// See [`MethodSettings::PRESETS`].
    pub presets: &'static [(&'static str, &'static str)],
    keys: fn() -> Vec<Key>,
    complete: fn(Table) -> Result<Table, toml::de::Error>,
    ranges: fn(&MethodConfig) -> Vec<Problem>,
    relations: fn(&MethodConfig, &Config) -> Vec<Problem>,
}

impl MethodSection {
    /// Of these settings.
    pub const fn of<M: MethodSettings>() -> MethodSection {
        MethodSection {
            name: M::NAME,
            summary: M::SUMMARY,
            presets: M::PRESETS,
            keys: M::settings,
            complete: |table| Table::try_from(table.try_into::<M>()?).map_err(toml::de::Error::custom),
            ranges: |config| config.settings::<M>().ranges(),
            relations: |method, config| method.settings::<M>().relations(config),
        }
    }
}

/// Every method. The one place where the configuration looks above itself.
fn sections() -> Vec<MethodSection> {
    crate::method::sections()
}

fn section(name: &str) -> Option<MethodSection> {
    sections().into_iter().find(|section| section.name == name)
}

/// Section `[method]`.
#[derive(Debug, Clone, PartialEq)]
pub struct MethodConfig {
    name: String,
    /// Every key of the method but its name.
    values: Table,
}

impl MethodConfig {
    /// The defaults of the method of that name.
    pub fn named(name: &str) -> Option<MethodConfig> {
        let values = (section(name)?.complete)(Table::new()).ok()?;
        Some(MethodConfig { name: name.to_owned(), values })
    }

    /// Names of all methods, in the order in which they are listed to users.
    pub fn names() -> &'static [&'static str] {
        crate::method::names()
    }

    /// Every method with what it is.
    pub fn summaries() -> impl Iterator<Item = (&'static str, &'static str)> {
        sections().into_iter().map(|section| (section.name, section.summary))
    }

    /// What the method of that name changes of a preset, as a configuration file's text.
    pub(super) fn preset_of(method: &str, preset: &str) -> Option<&'static str> {
        let section = section(method)?;
        section.presets.iter().find(|(name, _)| *name == preset).map(|(_, text)| *text)
    }

    /// The method's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its keys as the method declares them. Those of another method are that one's defaults.
    pub fn settings<M: MethodSettings>(&self) -> M {
        // What is kept was read as such.
        self.values.clone().try_into().unwrap_or_default()
    }

    /// The keys of the section with their help texts.
    pub fn keys(&self) -> Vec<Key> {
        let mut keys = vec![Key {
            name: "method.name".to_owned(),
            help: format!("Method: {}.", or(Self::names())),
            kind: Kind::Choice(Self::names()),
        }];
        keys.extend(section(&self.name).map(|section| (section.keys)()).unwrap_or_default());
        keys
    }

    /// Which methods have this dotted key.
    pub(super) fn methods_with(key: &str) -> Vec<&'static str> {
        let has = |section: &MethodSection| (section.keys)().iter().any(|known| known.name == key);
        sections().iter().filter(|section| has(section)).map(|section| section.name).collect()
    }

    pub(super) fn ranges(&self) -> Vec<Problem> {
        section(&self.name).map(|section| (section.ranges)(self)).unwrap_or_default()
    }

    pub(super) fn relations(&self, config: &Config) -> Vec<Problem> {
        section(&self.name).map(|section| (section.relations)(self, config)).unwrap_or_default()
    }
}

impl Default for MethodConfig {
    fn default() -> Self {
        let empty = || MethodConfig { name: DEFAULT.to_owned(), values: Table::new() };
        Self::named(DEFAULT).unwrap_or_else(empty)
    }
}

/// The name first, then the keys in the method's order.
impl Serialize for MethodConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &self.name)?;
        for key in self.keys() {
            let field = key.name.rsplit('.').next().unwrap_or_default();
            if let Some(value) = self.values.get(field) {
                map.serialize_entry(field, value)?;
            }
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for MethodConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut table = Table::deserialize(deserializer)?;
        let name = match table.remove("name") {
            None => DEFAULT.to_owned(),
            Some(Value::String(name)) => name,
            Some(_) => return Err(D::Error::custom("expected a string")),
        };
        let Some(section) = section(&name) else {
            return Err(D::Error::custom(format!("expected {}", one_of(Self::names()))));
        };
        let values = (section.complete)(table).map_err(|error| D::Error::custom(error.message()))?;
        Ok(MethodConfig { name, values })
    }
}

/// `a`, `a or b`, `a, b or c`.
fn or(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [all @ .., last] => format!("{} or {last}", all.join(", ")),
    }
}

/// As serde says which words a value may be.
fn one_of(names: &[&str]) -> String {
    match names {
        [one] => (*one).to_owned(),
        _ => format!("one of {}", names.join(", ")),
    }
}
