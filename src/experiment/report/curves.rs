//! Charts of groups of runs.

use std::collections::BTreeMap;

use super::group::SeedGroup;
use crate::experiment::Figures;
use crate::format::number;
use crate::method::{Cadence, Drawn, Level, Metric};
use crate::picture::{Chart, ChartLine, Curve, Reference};
use crate::train::History;

/// The first charts of what the runs measure, over epochs, as far as there are numbers.
pub fn charts(groups: &[SeedGroup]) -> Vec<Chart> {
    let metrics = metrics(groups, Drawn::First);
    let charts = metrics.into_iter().flat_map(|metric| of_kinds(groups, metric, compares(groups, metric)));
    charts.filter(|chart| !chart.is_empty()).collect()
}

/// What else is measured, as far as there are numbers: also, plain, what the first charts show as a ratio.
pub fn further(groups: &[SeedGroup]) -> Vec<Chart> {
    let compared = metrics(groups, Drawn::First).into_iter().filter(|metric| compares(groups, metric));
    let further = compared.chain(metrics(groups, Drawn::Further));
    let charts = further.flat_map(|metric| of_kinds(groups, metric, false));
    std::iter::once(channels(groups)).chain(charts).filter(|chart| !chart.is_empty()).collect()
}

/// What any of the runs measures and is drawn here.
fn metrics(groups: &[SeedGroup], drawn: Drawn) -> Vec<&'static str> {
    let mut found: Vec<&'static str> = Vec::new();
    let runs = groups.iter().flat_map(|group| &group.runs);
    for metric in runs.flat_map(|run| run.metrics.iter()).filter(|metric| metric.drawn == drawn) {
        if !found.contains(&metric.name) {
            found.push(metric.name);
        }
    }
    found
}

fn declared<'a>(run: &'a History, name: &str) -> Option<&'a Metric> {
    run.metrics.iter().find(|metric| metric.name == name)
}

/// Whether groups are compared by their ratio to a healthy level.
fn compares(groups: &[SeedGroup], name: &str) -> bool {
    let mut runs = groups.iter().flat_map(|group| &group.runs);
    groups.len() > 1 && runs.any(|run| declared(run, name).and_then(Metric::healthy).is_some())
}

/// The std of every channel of the outputs at the end of the last epoch, in order: a collapse of some channels shows here first.
fn channels(groups: &[SeedGroup]) -> Chart {
    let curve = |run: &History| {
        let mut stds = run.channel_std.clone();
        stds.sort_by(|a, b| b.total_cmp(a));
        let points = stds.iter().enumerate();
        points.map(|(i, std)| [(i + 1) as f64, *std]).collect()
    };
    Chart {
        title: "Std of every output channel at the end".to_owned(),
        x: "channels, the widest first",
        lines: lines(groups, curve),
        ..Chart::default()
    }
}

/// A line for every group.
fn lines(groups: &[SeedGroup], curve: impl Fn(&History) -> Curve) -> Vec<ChartLine> {
    let line = |group: &SeedGroup| ChartLine {
        label: group.label.clone(),
        look: group.look,
        curves: group.runs.iter().map(|run| curve(run)).filter(|curve| !curve.is_empty()).collect(),
    };
    groups.iter().map(line).collect()
}

/// One chart for every kind of a metric: they have other scales.
fn of_kinds(groups: &[SeedGroup], name: &str, ratio: bool) -> Vec<Chart> {
    let mut kinds: BTreeMap<&str, Vec<SeedGroup>> = BTreeMap::new();
    for group in groups {
        let mut of_runs = group.runs.iter().filter_map(|run| Some(declared(run, name)?.kind));
        if let Some(kind) = of_runs.next().filter(|kind| of_runs.all(|other| other == *kind)) {
            kinds.entry(kind).or_default().push(group.clone());
        }
    }
    let several = kinds.len() > 1;
    let chart = |(kind, groups): (&str, Vec<SeedGroup>)| {
        let mut chart = chart(&groups, name, ratio)?;
        if several {
            chart.title += &format!(", {kind}");
        }
        Some(chart)
    };
    kinds.into_iter().filter_map(chart).collect()
}

/// A metric over epochs: as it is, or its `ratio` to the healthy level of each run.
fn chart(groups: &[SeedGroup], name: &str, ratio: bool) -> Option<Chart> {
    let mut runs = groups.iter().flat_map(|group| &group.runs);
    let metric = runs.find_map(|run| declared(run, name))?;
    let factor = |run: &History| match declared(run, name).and_then(Metric::healthy) {
        Some(level) if ratio => 1.0 / level,
        _ => metric.scale,
    };
    let lines = lines(groups, |run| curve(run, metric, factor(run)));
    let empty = lines.iter().all(|line| line.curves.is_empty());
    let reference = if empty { None } else { reference(groups, metric, ratio) };
    let title = match metric.level {
        Some(Level::Healthy { factor, .. }) if ratio => format!("{} × {factor}", metric.title),
        Some(Level::Healthy { .. }) if reference.is_some() => format!("{} (dashed: healthy)", metric.title),
        _ => metric.title.to_owned(),
    };
    Some(Chart {
        title,
        unit: metric.unit,
        from_zero: metric.from_zero,
        lines,
        references: reference.into_iter().collect(),
        ..Chart::default()
    })
}

/// What the runs are held against, where it is the same for all.
fn reference(groups: &[SeedGroup], metric: &Metric, ratio: bool) -> Option<Reference> {
    let runs = || groups.iter().flat_map(|group| &group.runs);
    match metric.level? {
        Level::Healthy { .. } if ratio => Some(Reference { label: "healthy: 1".to_owned(), y: 1.0 }),
        Level::Healthy { value, formula, .. } => {
            let common = runs().all(|run| declared(run, metric.name).and_then(Metric::healthy) == Some(value));
            common.then(|| Reference { label: format!("{formula} = {}", number(value, 3)), y: value })
        }
        Level::Untrained => {
            let untrained: Vec<f64> = runs().filter_map(|run| run.untrained(metric.name)).collect();
            let mean = metric.scale * untrained.iter().sum::<f64>() / untrained.len().max(1) as f64;
            let label = format!("untrained {}{}", number(mean, 1), metric.unit);
            (!untrained.is_empty()).then_some(Reference { label, y: mean })
        }
    }
}

/// The points of a run, `factor` times as large. Curves begin at the untrained network where its number is given.
fn curve(run: &History, metric: &Metric, factor: f64) -> Curve {
    let per_epoch = run.steps_per_epoch();
    let (name, epochs) = (metric.name, || run.epochs.points(metric.name));
    let point = move |x: f64, value: Option<f64>| [x, value.map_or(f64::NAN, |value| factor * value)];
    let epoch = |(epoch, value): (u64, Option<f64>)| point(epoch as f64, value);
    let step = |(step, value): (u64, Option<f64>)| point(step as f64 / per_epoch, value);
    let finite = |point: &[f64; 2]| point[1].is_finite();
    match metric.cadence {
        Cadence::Step => {
            let steps: Curve = run.steps.points(name).map(step).collect();
            // A run of a program that did not measure it has no curve.
            if !steps.iter().any(finite) {
                return Curve::new();
            }
            let untrained = epochs().take(1).filter(|(epoch, _)| *epoch == 0).map(epoch).filter(finite);
            untrained.chain(steps).collect()
        }
        // Of every epoch, and between them where it was watched.
        Cadence::Watched => {
            let all = epochs().map(epoch).chain(run.watch.points(name).map(step));
            let mut curve: Curve = all.filter(finite).collect();
            curve.sort_by(|a, b| a[0].total_cmp(&b[0]));
            curve.dedup_by(|a, b| (a[0] - b[0]).abs() < 1e-9);
            curve
        }
        Cadence::Epoch => epochs().map(epoch).filter(finite).collect(),
    }
}

/// The charts as HTML. `id` begins the names of their parts on the page.
pub fn figures(charts: &[Chart], id: &str) -> String {
    let figure = |(i, chart): (usize, &Chart)| {
        let title = crate::picture::escape(&chart.title);
        format!("<figure><figcaption>{title}</figcaption>\n{}</figure>\n", chart.svg(&format!("{id}-{i}")))
    };
    let all: String = charts.iter().enumerate().map(figure).collect();
    format!("<div class=\"charts\">\n{all}</div>\n")
}

/// What the lines are, where there are several seeds.
pub fn legend(groups: &[SeedGroup]) -> &'static str {
    match groups.iter().map(|group| group.runs.len()).max() {
        Some(2..) => "Thin lines are single seeds, strong ones their mean.",
        _ => "",
    }
}

/// Figures of every group.
pub fn numbers(groups: &[SeedGroup]) -> Vec<Figures> {
    groups.iter().map(|group| Figures::of(&group.runs)).collect()
}
