//! An experiment as a file: the question, the variants, what the paper found and what that lets us expect.

use serde::Deserialize;
use toml::{Table, Value};

use super::ExperimentError;
use crate::config::{Config, lookup, one_of};

/// Names and texts of the paper's experiments, in the paper's order.
const BUILT_IN: [(&str, &str); 15] = [
    ("stop-gradient", include_str!("../../assets/experiments/stop-gradient.toml")),
    ("predictor", include_str!("../../assets/experiments/predictor.toml")),
    ("batch-size", include_str!("../../assets/experiments/batch-size.toml")),
    ("batch-norm", include_str!("../../assets/experiments/batch-norm.toml")),
    ("similarity", include_str!("../../assets/experiments/similarity.toml")),
    ("symmetry", include_str!("../../assets/experiments/symmetry.toml")),
    ("alternation", include_str!("../../assets/experiments/alternation.toml")),
    ("expectation", include_str!("../../assets/experiments/expectation.toml")),
    ("dimension", include_str!("../../assets/experiments/dimension.toml")),
    ("methods", include_str!("../../assets/experiments/methods.toml")),
    ("simclr-predictor", include_str!("../../assets/experiments/simclr-predictor.toml")),
    ("swav-stop-gradient", include_str!("../../assets/experiments/swav-stop-gradient.toml")),
    ("negatives", include_str!("../../assets/experiments/negatives.toml")),
    ("byol-momentum", include_str!("../../assets/experiments/byol-momentum.toml")),
    ("queue", include_str!("../../assets/experiments/queue.toml")),
];

/// A comparison of variants of one configuration.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// Its name: that of a built-in one, or of the file.
    #[serde(skip)]
    pub name: String,
    /// A heading.
    pub title: String,
    /// Where in the paper it is.
    #[serde(default)]
    pub source: String,
    /// What it asks, in one plain sentence.
    pub question: String,
    /// What the paper found.
    #[serde(default)]
    pub finding: String,
    /// How ours differs, where it does.
    #[serde(default)]
    pub note: String,
    /// What is compared.
    #[serde(rename = "variant")]
    pub variants: Vec<Variant>,
    /// What the paper lets us expect.
    #[serde(default, rename = "expect")]
    pub claims: Vec<Claim>,
}

/// One of the configurations that are compared: the common one with a few keys changed.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// What claims call it.
    pub name: String,
    /// What charts call it. `{key}` stands for the key's value.
    pub label: String,
    /// Another method, with its defaults for the preset of the common settings. What those change of the preset, and their epochs, remain.
    pub method: Option<String>,
    /// Values by dotted key.
    #[serde(default)]
    pub set: Table,
    /// Factors by dotted key: the common value is multiplied, and rounded to a whole number where it was one.
    #[serde(default)]
    pub scale: Table,
    /// The paper's setting, where it is another.
    #[serde(default)]
    pub paper_setting: String,
    /// The paper's figure: ImageNet's linear top-1 in %, ResNet-50, 100 epochs.
    #[serde(default)]
    pub paper: String,
    /// A remark.
    #[serde(default)]
    pub note: String,
}

/// What the paper lets us expect of variants, given by their names.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Claim {
    /// One classifies better than another.
    Better {
        /// This one.
        better: String,
        /// Than this one.
        worse: String,
    },
    /// One collapses.
    Collapses {
        /// This one.
        collapses: String,
    },
    /// One does not collapse.
    Survives {
        /// This one.
        survives: String,
    },
}

impl Definition {
    /// Names of the paper's experiments.
    pub fn names() -> impl Iterator<Item = &'static str> {
        BUILT_IN.iter().map(|(name, _)| *name)
    }

    /// One of the paper's experiments. Fails with [`ExperimentError::Unknown`], which lists the names.
    pub fn built_in(name: &str) -> Result<Definition, ExperimentError> {
        let (_, text) = BUILT_IN.iter().find(|(known, _)| *known == name).ok_or_else(|| ExperimentError::Unknown {
            name: name.to_owned(),
            fix: one_of(name, &Self::names().collect::<Vec<_>>()),
        })?;
        Self::parse(name, text, &format!("experiment {name}"))
    }

    /// Reads the text of a file. `origin` (its path) appears in errors.
    pub fn parse(name: &str, text: &str, origin: &str) -> Result<Definition, ExperimentError> {
        let problem = |problem: String| ExperimentError::Definition { origin: origin.to_owned(), problem };
        let mut definition: Definition = toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or("");
            let line = before.matches('\n').count() + 1;
            problem(format!("line {line}: {}", error.message()))
        })?;
        definition.name = name.to_owned();
        if definition.variants.is_empty() {
            return Err(problem("it has no [[variant]]; write one at least".into()));
        }
        for (i, variant) in definition.variants.iter().enumerate() {
            if definition.variants[..i].iter().any(|other| other.name == variant.name) {
                return Err(problem(format!("two variants are called {:?}; rename one", variant.name)));
            }
        }
        for name in definition.claims.iter().flat_map(Claim::variants) {
            if definition.variant(name).is_none() {
                return Err(problem(format!(
                    "[[expect]] names the variant {name:?}, and there is none; write one of their names"
                )));
            }
        }
        Ok(definition)
    }

    /// The variant of that name.
    pub fn variant(&self, name: &str) -> Option<&Variant> {
        self.variants.iter().find(|variant| variant.name == name)
    }

    /// The configuration of one of its variants, resolved, where `base` comes from a `preset` or not. Fails where a key is unknown or a value
    /// does not fit.
    pub fn config(&self, variant: &Variant, base: &Config, preset: Option<&str>) -> Result<Config, ExperimentError> {
        let origin = format!("experiment {}, variant {}", self.name, variant.name);
        let base = match &variant.method {
            Some(method) => with_method(&origin, method, base, preset)?,
            None => base.clone(),
        };
        let base = base.resolved();
        let values = Table::try_from(&base).unwrap_or_default();
        let mut config = base;
        for (key, factor) in &variant.scale {
            let value = scaled(&values, key, factor).ok_or_else(|| ExperimentError::Definition {
                origin: origin.clone(),
                problem: format!("scale: {key} × {factor}: both must be numbers, above 0"),
            })?;
            config.assign(&origin, key, &value)?;
        }
        // A method's keys follow from its name.
        let (names, others): (Vec<_>, Vec<_>) = variant.set.iter().partition(|(key, _)| *key == "method.name");
        for (key, value) in names.into_iter().chain(others) {
            config.assign(&origin, key, &value.to_string())?;
        }
        config.validate()?;
        Ok(config.resolved())
    }

    /// What a variant is called, with the values of its configuration.
    pub fn label(variant: &Variant, config: &Config) -> String {
        let values = Table::try_from(config).unwrap_or_default();
        let mut label = variant.label.clone();
        for key in config.keys() {
            let place = format!("{{{}}}", key.name);
            if label.contains(&place) {
                label = label.replace(&place, &value_text(&values, &key.name));
            }
        }
        label
    }
}

impl Claim {
    /// The variants it is about.
    pub fn variants(&self) -> impl Iterator<Item = &str> {
        let (one, two) = match self {
            Claim::Better { better, worse } => (better, Some(worse)),
            Claim::Collapses { collapses: one } | Claim::Survives { survives: one } => (one, None),
        };
        [Some(one), two].into_iter().flatten().map(String::as_str)
    }
}

/// Common settings with another method and its defaults for their `preset`, over which what differs from the preset remains.
pub(super) fn with_method(
    origin: &str,
    method: &str,
    base: &Config,
    preset: Option<&str>,
) -> Result<Config, ExperimentError> {
    let mut config = base.clone();
    config.take_method(origin, method, preset)?;
    if let Some(preset) = preset {
        let plain = Config::preset(preset)?;
        for key in base.keys().iter().filter(|key| !key.name.starts_with("method.")) {
            if let (value, before) = (base.text(&key.name), plain.text(&key.name))
                && value != before
                && let Some(value) = value
            {
                config.assign(origin, &key.name, &value)?;
            }
        }
    }
    config.optim.epochs = base.optim.epochs;
    config.optim.warmup_epochs = config.optim.warmup_epochs.min(base.optim.epochs.saturating_sub(1));
    Ok(config)
}

/// A key's value as people write it: strings without quotes.
pub(super) fn value_text(values: &Table, key: &str) -> String {
    match lookup(values, key) {
        Some(Value::String(text)) => text.clone(),
        // 1e38, and not its 38 zeros.
        Some(Value::Float(x)) => format!("{x:?}"),
        Some(value) => value.to_string(),
        None => String::new(),
    }
}

/// `factor` times the value of `key`, as text.
fn scaled(values: &Table, key: &str, factor: &Value) -> Option<String> {
    let number = |value: &Value| value.as_float().or(value.as_integer().map(|n| n as f64));
    let factor = number(factor).filter(|factor| factor.is_finite() && *factor > 0.0)?;
    match lookup(values, key)? {
        Value::Integer(n) => Some(format!("{:.0}", (*n as f64 * factor).round().max(1.0))),
        Value::Float(x) => Some(format!("{:?}", x * factor)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_papers_experiments_fit_every_preset() -> Result<(), ExperimentError> {
        for name in Definition::names() {
            let definition = Definition::built_in(name)?;
            assert!(definition.question.ends_with('?') && definition.finding.ends_with('.'), "{name}");
            assert!(!definition.source.is_empty() && !definition.claims.is_empty(), "{name}");
            for preset in Config::presets() {
                let base = Config::preset(preset)?;
                let mut configs = Vec::new();
                for variant in &definition.variants {
                    assert!(!variant.paper.is_empty(), "{name} {}", variant.name);
                    let config = definition.config(variant, &base, Some(preset))?;
                    let label = Definition::label(variant, &config);
                    assert!(!label.contains('{') && !label.is_empty(), "{label}");
                    assert!(!configs.contains(&config), "{name}: {label} of {preset} is another variant too");
                    configs.push(config);
                }
                // One of them is what the preset trains anyway, shared by all experiments, unless they are about another method.
                let other = definition.variants.iter().all(|variant| variant.method.is_some());
                assert!(other || configs.contains(&base.resolved()) || preset == "imagenet", "{name} {preset}");
            }
        }
        Ok(())
    }

    #[test]
    fn another_method_has_its_defaults_for_the_preset_and_the_epochs_of_all() -> Result<(), ExperimentError> {
        let definition = Definition::built_in("methods")?;
        let mut base = Config::preset("cifar10")?;
        base.set("optim.epochs=20")?;
        base.set("data.limit_train=1000")?;
        let of = |name: &str, preset| definition.config(definition.variant(name).expect("a variant"), &base, preset);
        let simclr = of("simclr", Some("cifar10"))?;
        assert_eq!((simclr.method.name(), simclr.optim.lr, simclr.model.dim), ("simclr", 1.0, 128));
        assert_eq!((simclr.optim.epochs, simclr.data.limit_train), (20, 1000));
        assert_eq!(of("simclr", None)?.model.dim, base.model.dim);
        Ok(())
    }

    #[test]
    fn factors_keep_the_kind_of_number() -> Result<(), ExperimentError> {
        let text = r#"
            title = "t"
            question = "q?"
            [[variant]]
            name = "a"
            label = "{optim.batch_size} images at {optim.lr}, {model.arch}"
            scale = { "optim.batch_size" = 0.3, "optim.lr" = 2 }"#;
        let definition = Definition::parse("mine", text, "mine.toml")?;
        let config = definition.config(&definition.variants[0], &Config::preset("demo")?, None)?;
        assert_eq!((config.optim.batch_size, config.optim.lr), (19, 2.0));
        assert_eq!(Definition::label(&definition.variants[0], &config), "19 images at 2.0, resnet_tiny");
        Ok(())
    }

    #[test]
    fn what_is_wrong_is_said() {
        let variant = "[[variant]]\nname = \"a\"\nlabel = \"l\"\n";
        let head = "title = \"t\"\nquestion = \"q?\"\n";
        let error = |rest: &str| {
            let text = format!("{head}{rest}");
            let tried = Definition::parse("mine", &text, "mine.toml").and_then(|d| {
                let base = Config::preset("demo")?;
                d.variants.iter().try_for_each(|v| d.config(v, &base, None).map(drop))
            });
            tried.err().map(|e| e.to_string()).unwrap_or_default()
        };
        assert_eq!(error(variant), "");
        assert!(error("variant = []").contains("no [[variant]]"));
        assert!(error("finding = 3").contains("mine.toml: line 3"));
        assert!(error(&format!("{variant}{variant}")).contains("two variants are called \"a\""));
        assert!(error(&format!("{variant}[[expect]]\nbetter = \"a\"\nworse = \"b\"")).contains("\"b\""));
        assert!(error(&format!("{variant}set = {{ \"optim.lrr\" = 1 }}")).contains("unknown key optim.lrr"));
        assert!(error(&format!("{variant}set = {{ \"optim.lr\" = -1 }}")).contains("0 or more"));
        assert!(error(&format!("{variant}scale = {{ \"model.arch\" = 2 }}")).contains("must be numbers"));
        assert!(error(&format!("{variant}scale = {{ \"optim.lr\" = nan }}")).contains("must be numbers"));
        assert!(Definition::built_in("nothing").is_err_and(|e| e.to_string().contains("stop-gradient")));
    }
}
