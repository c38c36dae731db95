//! The run that the form describes: a preset, what differs from it, and what was typed that cannot be.

use std::collections::BTreeMap;

use crate::config::{Config, ConfigError};

/// Settings under construction.
#[derive(Debug, Clone)]
pub struct ConfigEditor {
    /// What the fields are reset to.
    preset: String,
    base: Config,
    /// Whether the user chose the preset, not the data.
    chosen: bool,
    config: Config,
    /// The batch size that was set to fit the number of images.
    fitted: Option<usize>,
    /// Texts that are no value of their key, and why.
    wrong: BTreeMap<String, (String, String)>,
    /// The adapter's name; the best one where there is none.
    pub device: Option<String>,
}

impl ConfigEditor {
    /// Of the built-in data.
    pub fn new() -> Result<ConfigEditor, ConfigError> {
        let base = Config::preset("demo")?;
        Ok(ConfigEditor {
            preset: "demo".to_owned(),
            config: base.clone(),
            base,
            chosen: false,
            fitted: None,
            wrong: BTreeMap::new(),
            device: None,
        })
    }

    /// What would be trained, but for what cannot be.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The preset that the fields are compared with.
    pub fn preset(&self) -> &str {
        &self.preset
    }

    /// Whether the preset follows the data.
    pub fn follows_data(&self) -> bool {
        !self.chosen
    }

    /// Another data set; its preset will follow where none was chosen.
    pub fn set_source(&mut self, source: &str) {
        self.config.data.source = source.to_owned();
        self.wrong.remove("data.source");
        // It fitted the images that were there before.
        if self.fitted.take() == Some(self.config.optim.batch_size) {
            self.reset("optim.batch_size");
        }
    }

    /// Sets a batch size that fits the number of images, unless the user has chosen one. Returns whether it did.
    pub fn fit_batch(&mut self, size: usize) -> bool {
        let free = !self.differs("optim.batch_size");
        if free {
            self.set("optim.batch_size", &size.to_string());
            self.fitted = Some(size);
        }
        free
    }

    /// Takes a preset, and keeps the data. `by_user` ends that the preset follows the data.
    pub fn take_preset(&mut self, name: &str, by_user: bool) -> Result<(), ConfigError> {
        let base = Config::preset_for(name, self.config.method.name())?;
        let source = self.config.data.source.clone();
        self.preset = name.to_owned();
        self.base = base.clone();
        self.config = base;
        self.config.data.source = source;
        self.wrong.clear();
        self.fitted = None;
        self.chosen |= by_user;
        Ok(())
    }

    /// Takes the settings of a run; they are compared with the preset that is there.
    pub fn take(&mut self, config: &Config) {
        self.config = config.clone();
        self.wrong.clear();
        self.chosen = true;
    }

    /// What stands in the field of `key`.
    pub fn text(&self, key: &str) -> String {
        match self.wrong.get(key) {
            Some((text, _)) => text.clone(),
            None => self.config.text(key).unwrap_or_default(),
        }
    }

    /// Takes another method, and what that changes of the preset.
    fn set_method(&mut self, name: &str) {
        let mut base = self.base.clone();
        let taken = base.take_method("method", name, Some(&self.preset));
        if taken.is_ok() && self.config.take_method("method", name, Some(&self.preset)).is_ok() {
            self.base = base;
            self.wrong.retain(|key, _| !key.starts_with("method."));
        }
    }

    /// Assigns what was typed; where it is no value of the key the old one stays and the error stands beside the field.
    pub fn set(&mut self, key: &str, text: &str) {
        let text = text.trim();
        if key == "method.name" {
            self.set_method(text);
            return;
        }
        if text.is_empty() && self.config.text(key).is_some() && key != "data.source" {
            let mut cleared = self.config.clone();
            cleared.clear(key);
            // Nothing typed is a value only of what may be left out.
            if cleared.text(key).is_some_and(|text| text.is_empty()) {
                self.wrong.remove(key);
                self.config = cleared;
                return;
            }
        }
        match self.config.assign("", key, text) {
            Ok(()) => {
                self.wrong.remove(key);
            }
            Err(error) => {
                let problem = match error {
                    ConfigError::Value { problem, .. } => problem,
                    other => other.to_string(),
                };
                let wrong = (text.to_owned(), problem);
                self.wrong.insert(key.to_owned(), wrong);
            }
        }
    }

    /// Gives a key its preset's value.
    pub fn reset(&mut self, key: &str) {
        self.wrong.remove(key);
        match self.base.text(key) {
            Some(text) if !text.is_empty() => self.set(key, &text),
            _ => self.config.clear(key),
        }
    }

    /// Whether a key has another value than in the preset.
    pub fn differs(&self, key: &str) -> bool {
        let changed = || self.config != self.base && self.config.text(key) != self.base.text(key);
        self.wrong.contains_key(key) || changed()
    }

    /// How many keys differ, the data left out.
    pub fn differences(&self) -> usize {
        let keys = self.config.keys().into_iter();
        keys.filter(|key| key.name != "data.source" && self.differs(&key.name)).count()
    }

    /// Every key that is wrong, and why, with the fix.
    pub fn problems(&self) -> Vec<(String, String)> {
        let typed = self.wrong.iter();
        let typed = typed.map(|(key, (_, problem))| (key.clone(), problem.clone()));
        let others = self.config.problems().into_iter();
        typed.chain(others).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_wrongly_stands_beside_its_field() -> Result<(), ConfigError> {
        let mut editor = ConfigEditor::new()?;
        let batch = editor.text("optim.batch_size");
        editor.set("optim.batch_size", "many");
        assert_eq!(editor.text("optim.batch_size"), "many");
        assert_eq!(editor.config().text("optim.batch_size"), Some(batch.clone()));
        let problems = editor.problems();
        assert!(problems.len() == 1 && problems[0].1.contains("a whole number"), "{problems:?}");
        editor.set("optim.batch_size", "0");
        assert!(editor.problems()[0].1.contains("2 or more"));
        editor.set("optim.batch_size", "16");
        assert!(editor.problems().is_empty() && editor.differs("optim.batch_size"));
        editor.reset("optim.batch_size");
        assert_eq!((editor.text("optim.batch_size"), editor.differences()), (batch, 0));
        // Relations between keys are said at one of them.
        editor.set("optim.warmup_epochs", "10000");
        assert_eq!(editor.problems()[0].0, "optim.warmup_epochs");
        Ok(())
    }

    #[test]
    fn what_may_be_left_out_can_be_emptied() -> Result<(), ConfigError> {
        let mut editor = ConfigEditor::new()?;
        editor.set("model.predictor_dim", "7");
        assert_eq!(editor.text("model.predictor_dim"), "7");
        editor.set("model.predictor_dim", " ");
        assert_eq!(editor.text("model.predictor_dim"), "");
        assert!(editor.problems().is_empty());
        editor.set("model.width", "");
        assert_eq!(editor.problems().len(), 1);
        Ok(())
    }

    #[test]
    fn a_preset_keeps_the_data() -> Result<(), ConfigError> {
        let mut editor = ConfigEditor::new()?;
        editor.set_source("photos/");
        assert!(editor.follows_data());
        editor.take_preset("cifar10", true)?;
        assert_eq!(editor.config().data.source, "photos/");
        assert_eq!((editor.preset(), editor.follows_data()), ("cifar10", false));
        assert_eq!(editor.differences(), 0);
        assert!(editor.take_preset("none such", true).is_err());
        Ok(())
    }
}
