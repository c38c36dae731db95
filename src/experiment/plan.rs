//! Which runs experiments need.

use super::definition::{Definition, with_method};
use super::folder::{differences, same_but_seed};
use super::{ExperimentError, Variant};
use crate::config::Config;
use crate::train::History;

/// The longest name of a run's folder, its seed apart.
const NAME_LENGTH: usize = 100;

/// The runs of some experiments on common settings.
#[derive(Debug, Clone, PartialEq)]
pub struct ExperimentPlan {
    /// The common settings.
    pub base: Config,
    /// The preset that they come from, where they do.
    pub preset: Option<String>,
    /// The experiments.
    pub experiments: Vec<Experiment>,
    /// Every run they need, once.
    pub runs: Vec<Planned>,
}

/// A definition on common settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Experiment {
    /// What is compared.
    pub definition: Definition,
    /// A configuration for every variant, each of the first seed.
    pub configs: Vec<Config>,
}

/// A planned run.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// Of its folder: what differs from the common settings, and the seed.
    pub name: String,
    /// Its settings.
    pub config: Config,
}

impl Experiment {
    /// Fails where a variant does not fit the common settings, which may come from a `preset`.
    pub fn new(definition: Definition, base: &Config, preset: Option<&str>) -> Result<Experiment, ExperimentError> {
        let variants = definition.variants.iter();
        let configs: Result<_, _> = variants.map(|variant| definition.config(variant, base, preset)).collect();
        Ok(Experiment { configs: configs?, definition })
    }

    /// Its variants with their configurations.
    pub fn variants(&self) -> impl Iterator<Item = (&Variant, &Config)> {
        self.definition.variants.iter().zip(&self.configs)
    }
}

impl ExperimentPlan {
    /// Of `definitions` on `base` with `seeds` seeds from the base's own on. What several variants have in common is run once.
    pub fn new(definitions: Vec<Definition>, base: &Config, seeds: u64) -> Result<ExperimentPlan, ExperimentError> {
        Self::of_preset(definitions, base, None, seeds)
    }

    /// The same where `base` comes from a `preset`, for which other methods have defaults of their own.
    pub fn of_preset(
        definitions: Vec<Definition>,
        base: &Config,
        preset: Option<&str>,
        seeds: u64,
    ) -> Result<ExperimentPlan, ExperimentError> {
        let mut plan = ExperimentPlan {
            base: base.resolved(),
            preset: preset.map(str::to_owned),
            experiments: Vec::new(),
            runs: Vec::new(),
        };
        for definition in definitions {
            let experiment = Experiment::new(definition, base, preset)?;
            // A seed of all variants first: there is something to compare soon.
            for seed in 0..seeds {
                for config in &experiment.configs {
                    let mut config = config.clone();
                    config.run.seed = base.run.seed.saturating_add(seed);
                    config.validate()?;
                    plan.add(config);
                }
            }
            plan.experiments.push(experiment);
        }
        Ok(plan)
    }

    fn add(&mut self, config: Config) {
        if self.runs.iter().any(|run| run.config == config) {
            return;
        }
        let mut name = self.name(&config);
        // Values that differ only in what a file's name cannot hold.
        while self.runs.iter().any(|run| run.name == name) {
            name.push('+');
        }
        self.runs.push(Planned { name, config });
    }

    /// What differs from the base, as a file's name, and the seed. Of another method it is what differs from that method's defaults.
    fn name(&self, config: &Config) -> String {
        let method = config.method.name();
        let other = match method == self.base.method.name() {
            true => None,
            false => with_method(method, method, &self.base, self.preset.as_deref()).ok(),
        };
        let differences = differences(&[other.as_ref().unwrap_or(&self.base), config]);
        let parts = differences.iter().map(|(key, values)| {
            let field = key.rsplit('.').next().unwrap_or(key);
            format!("{field}={}", values[1])
        });
        let mut name =
            other.is_some().then(|| method.to_owned()).into_iter().chain(parts).collect::<Vec<_>>().join(",");
        if name.is_empty() {
            name = "base".into();
        }
        let plain = |c: char| {
            if c.is_ascii_alphanumeric() || "-_.,=".contains(c) { c } else { '_' }
        };
        let name: String = name.chars().map(plain).take(NAME_LENGTH).collect();
        format!("{name}-seed-{}", config.run.seed)
    }

    /// The runs that are not among `found`, or not at their end.
    pub fn missing<'a>(&'a self, found: &'a [History]) -> impl Iterator<Item = &'a Planned> {
        self.runs.iter().filter(|run| !run.find(found).is_some_and(History::ended))
    }
}

impl Planned {
    /// Fails where a batch would need more images than the `train_len` there are.
    pub fn check_against(&self, train_len: usize) -> Result<(), ExperimentError> {
        let fits = self.config.check_against(train_len);
        fits.map_err(|problem| ExperimentError::DoesNotFit { run: self.name.clone(), problem })
    }

    /// The run with these settings, wherever it lies: the furthest, where there are several.
    pub fn find<'a>(&self, found: &'a [History]) -> Option<&'a History> {
        let same =
            |run: &&History| run.config.run.seed == self.config.run.seed && same_but_seed(&run.config, &self.config);
        found.iter().filter(same).max_by_key(|run| (run.ended(), run.steps.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_runs_are_planned_once() -> Result<(), Box<dyn std::error::Error>> {
        let base = Config::preset("demo")?;
        let definitions = ["stop-gradient", "similarity", "dimension"];
        let definitions: Result<Vec<_>, _> = definitions.iter().map(|name| Definition::built_in(name)).collect();
        let plan = ExperimentPlan::new(definitions?, &base, 2)?;
        let names: Vec<&str> = plan.runs.iter().map(|run| run.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "base-seed-0",
                "stop_gradient=false-seed-0",
                "base-seed-1",
                "stop_gradient=false-seed-1",
                "similarity=cross_entropy-seed-0",
                "similarity=cross_entropy-seed-1",
                "dim=16,predictor_dim=4-seed-0",
                "dim=32,predictor_dim=8-seed-0",
                "dim=64,predictor_dim=16-seed-0",
                "dim=16,predictor_dim=4-seed-1",
                "dim=32,predictor_dim=8-seed-1",
                "dim=64,predictor_dim=16-seed-1",
            ]
        );
        assert_eq!(plan.missing(&[]).count(), 12);
        let definitions = vec![Definition::built_in("swav-stop-gradient")?, Definition::built_in("methods")?];
        let plan = ExperimentPlan::of_preset(definitions, &base, Some("demo"), 1)?;
        let names: Vec<&str> = plan.runs.iter().map(|run| run.name.as_str()).collect();
        let expected = [
            "swav-seed-0",
            "swav,stop_gradient=false-seed-0",
            "base-seed-0",
            "simclr-seed-0",
            "mocov2-seed-0",
            "byol-seed-0",
        ];
        assert_eq!(names, expected);
        Ok(())
    }
}
