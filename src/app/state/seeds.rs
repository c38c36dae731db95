//! Runs of one configuration that differ in their seed only: their mean and how far they spread.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::OpenRun;
use super::series::Series;
use crate::config::Config;

/// A number that runs have in common whose settings differ in the seed only.
pub(in crate::app) fn group(config: &Config) -> u64 {
    let mut config = config.clone();
    config.run.seed = 0;
    let mut hasher = DefaultHasher::new();
    config.to_toml().unwrap_or_default().hash(&mut hasher);
    hasher.finish()
}

/// The visible runs that have another one of their configuration beside them, group by group.
pub(in crate::app) fn groups(runs: &[OpenRun]) -> Vec<Vec<&OpenRun>> {
    let mut groups: Vec<Vec<&OpenRun>> = Vec::new();
    for run in runs.iter().filter(|run| run.visible) {
        match groups.iter_mut().find(|group| group[0].group == run.group) {
            Some(group) => group.push(run),
            None => groups.push(vec![run]),
        }
    }
    groups.retain(|group| group.len() > 1);
    groups
}

/// Mean and standard deviation (n − 1) of several runs.
#[derive(Debug, Default, PartialEq)]
pub(in crate::app) struct Band {
    pub steps: Vec<f64>,
    pub mean: Vec<f64>,
    pub spread: Vec<f64>,
}

/// The band of curves within `range`, in at most about `columns` places; only where all of them have got to.
pub(in crate::app) fn band(curves: &[&Series], range: [f64; 2], columns: usize) -> Band {
    let mut band = Band::default();
    let ends = curves.iter().map(|curve| curve.extent());
    let Some(ends) = ends.collect::<Option<Vec<_>>>() else { return band };
    let low = ends.iter().map(|end| end[0]).fold(range[0], f64::max);
    let high = ends.iter().map(|end| end[1]).fold(range[1], f64::min);
    let mut put = |step: f64, values: Option<Vec<f64>>| {
        let Some(values) = values else { return };
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        band.steps.push(step);
        band.mean.push(mean);
        band.spread.push((squares / (count - 1.0).max(1.0)).sqrt());
    };
    let first: Vec<f64> = match curves[0].len() <= columns {
        true => curves[0].points().map(|[step, _]| step).filter(|step| (low..=high).contains(step)).collect(),
        false => Vec::new(),
    };
    for step in &first {
        put(*step, curves.iter().map(|curve| curve.between(*step)).collect());
    }
    if first.is_empty() && low < high {
        let width = (high - low) / columns.max(1) as f64;
        for column in 0..columns {
            let from = low + column as f64 * width;
            let to = if column + 1 == columns { high + 1.0 } else { from + width };
            put(from + width / 2.0, curves.iter().map(|curve| curve.mean([from, to])).collect());
        }
    }
    band
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_band_is_mean_and_spread_as_far_as_all_runs_got() {
        let series = |count: u32, add: f64| {
            let mut series = Series::default();
            (0..count).for_each(|i| series.push(f64::from(i), f64::from(i) + add));
            series
        };
        let (a, b, c) = (series(11, -1.0), series(21, 0.0), series(11, 1.0));
        let few = band(&[&a, &b, &c], [0.0, 100.0], 50);
        assert_eq!(few.steps.len(), 11);
        assert_eq!((few.mean[3], few.spread[3]), (3.0, 1.0));
        let (a, b) = (series(10_000, 0.0), series(9_000, 2.0));
        let many = band(&[&a, &b], [100.0, 20_000.0], 40);
        assert_eq!(many.steps.len(), 40);
        assert!(many.steps.iter().zip(&many.mean).all(|(step, mean)| (mean - step - 0.5).abs() < 1.0), "{many:?}");
        assert!(many.spread.iter().all(|spread| (spread - 2.0_f64.sqrt()).abs() < 1e-3));
        assert_eq!(band(&[&a, &Series::default()], [0.0, 1.0], 4), Band::default());
    }

    #[test]
    fn seeds_of_one_configuration_belong_together() -> Result<(), crate::config::ConfigError> {
        let config = Config::preset("demo")?;
        let (mut seed, mut rate) = (config.clone(), config.clone());
        seed.set("run.seed=7")?;
        rate.set("optim.lr=2")?;
        assert_eq!(group(&config), group(&seed));
        assert_ne!(group(&config), group(&rate));
        Ok(())
    }
}
