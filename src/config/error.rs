//! What can be wrong with a configuration, each in one line that names the file or flag, the key, the value and the fix.

use thiserror::Error;
use toml::Value;

use super::{Config, MethodConfig, suggest};
use crate::error::Classified;

/// An error in a configuration file, a flag or their combination.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// The text is no TOML.
    #[error("{origin}, line {line}, column {column}: {problem}")]
    Syntax {
        /// File or flag.
        origin: String,
        /// Line from 1.
        line: usize,
        /// Column from 1, in characters.
        column: usize,
        /// What the parser says.
        problem: String,
    },
    /// A key that does not exist.
    #[error("{origin}: unknown key {key}; {fix}")]
    UnknownKey {
        /// File or flag.
        origin: String,
        /// The key as written, with its section.
        key: String,
        /// The nearest known key, or the sections.
        fix: String,
    },
    /// A preset that does not exist.
    #[error("unknown preset {name:?}; {fix}")]
    UnknownPreset {
        /// As written.
        name: String,
        /// Those that exist.
        fix: String,
    },
    /// A value of the wrong type or out of range.
    #[error("{origin}: {key} = {value}: {problem}")]
    Value {
        /// File or flag; `configuration` or `data` for relations.
        origin: String,
        /// Dotted key.
        key: String,
        /// The value as TOML.
        value: String,
        /// What is wrong and what to write.
        problem: String,
    },
    /// `--set` without `=`.
    #[error("{origin} {text}: write it as section.key=value, such as optim.lr=0.1")]
    NotAnAssignment {
        /// The flag.
        origin: String,
        /// Its text.
        text: String,
    },
    /// The configuration holds a number that TOML cannot.
    #[error("the configuration cannot be written as TOML ({problem}); use whole numbers below 2^63")]
    Unwritable {
        /// What the serialiser says.
        problem: String,
    },
}

impl Classified for ConfigError {
    fn is_usage(&self) -> bool {
        true
    }
}

/// Longest value that an error repeats, in characters.
const VALUE_SHOWN: usize = 60;

impl ConfigError {
    pub(super) fn syntax(origin: &str, text: &str, error: &toml::de::Error) -> Self {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or("");
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        Self::Syntax {
            origin: origin.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            problem: one_line(error.message()),
        }
    }

    pub(super) fn value(origin: &str, key: &str, value: &Value, problem: &str) -> Self {
        let mut text = one_line(&value.to_string());
        if let Some((cut, _)) = text.char_indices().nth(VALUE_SHOWN) {
            text.truncate(cut);
            text.push('…');
        }
        Self::Value { origin: origin.to_owned(), key: key.to_owned(), value: text, problem: problem.to_owned() }
    }

    /// Rewords serde's message: the value is shown anyway, so what it expects is enough, in a user's terms.
    pub(super) fn wrong_type(origin: &str, key: &str, value: &Value, error: &toml::de::Error, config: &Config) -> Self {
        let message = one_line(error.message());
        let expected = message.split_once("expected ").map_or(message.as_str(), |(_, expected)| expected);
        let expected = match expected {
            "f64" | "floating point `f64`" => "a number",
            "usize" | "u64" => "a whole number, 0 or more",
            "a sequence" => "a list such as [1, 1, 1, 1]",
            "an array of length 2" => "a list of 2 numbers such as [0.2, 1.0]",
            "an array of length 3" => "a list of 3 numbers such as [0.5, 0.5, 0.5]",
            "fewer elements in array" => "fewer numbers",
            "a boolean" => "true or false",
            "a string" => "a text in quotes",
            // A value of another type where one of a few words is expected.
            "string only" => "one of the words that this key takes",
            other => other,
        };
        let help =
            config.keys().into_iter().find(|known| known.name == key).map(|known| known.help).unwrap_or_default();
        Self::value(
            origin,
            key,
            value,
            &format!("expected {} ({})", expected.replace('`', ""), help.trim_end_matches('.')),
        )
    }

    pub(super) fn unknown_key(origin: &str, key: &str, config: &Config) -> Self {
        let fix = if key == "preset" {
            "choose a preset with --preset, or with preset = \"NAME\" at the top of a file".to_owned()
        } else if let others @ [_, ..] = &MethodConfig::methods_with(key)[..] {
            let own = config.method.keys();
            let own: Vec<&str> = own.iter().filter_map(|key| key.name.strip_prefix("method.")).collect();
            format!("it is a key of {}; {} has {}", others.join(", "), config.method.name(), own.join(", "))
        } else {
            let keys: Vec<String> = config.keys().into_iter().map(|known| known.name).collect();
            match suggest::by_meaning(key).or_else(|| suggest::closest(key, keys.iter().map(String::as_str))) {
                Some(known) => format!("did you mean {known}?"),
                None => "the sections are data, augment, model, method, optim, run".to_owned(),
            }
        };
        Self::UnknownKey { origin: origin.to_owned(), key: key.to_owned(), fix }
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
