//! Charts of groups of runs.

use std::collections::BTreeMap;

use super::group::Group;
use crate::experiment::Figures;
use crate::format::number;
use crate::method;
use crate::picture::{Chart, Curve, Line, Reference};
use crate::train::{History, StepLine};

/// Loss, output std, effective rank and kNN over epochs, as far as there are numbers.
pub fn charts(groups: &[Group]) -> Vec<Chart> {
    let mut charts = losses(groups);
    charts.extend([output_std(groups), rank(groups), knn(groups)]);
    charts.retain(|chart| !chart.is_empty());
    charts
}

/// What is measured every step beside loss and std, as far as there are numbers.
pub fn further(groups: &[Group]) -> Vec<Chart> {
    let of = |title: &str, number: fn(&StepLine) -> Option<f64>| Chart {
        title: title.to_owned(),
        lines: lines(groups, |run| steps(run, number)),
        ..Chart::default()
    };
    let mut charts = vec![
        channels(groups),
        of("Cosine between the projections of two views", |step| step.view_cosine),
        of("Norm of the gradients", |step| step.gradient_norm),
        of("Norm of the projections z", |step| step.z_norm),
        of("Norm of the predictions p", |step| step.p_norm),
    ];
    charts.retain(|chart| !chart.is_empty());
    charts
}

/// The std of every channel of the outputs at the end of the last epoch, in order: a collapse of some channels shows here first.
fn channels(groups: &[Group]) -> Chart {
    let curve = |run: &History| {
        let last = run.watch.iter().rev().find(|line| !line.channel_std.is_empty());
        let mut stds: Vec<f64> = last.map_or(Vec::new(), |line| line.channel_std.iter().flatten().copied().collect());
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
fn lines(groups: &[Group], curve: impl Fn(&History) -> Curve) -> Vec<Line> {
    let line = |group: &Group| Line {
        label: group.label.clone(),
        look: group.look,
        curves: group.runs.iter().map(|run| curve(run)).filter(|curve| !curve.is_empty()).collect(),
    };
    groups.iter().map(line).collect()
}

/// A number of every step, over epochs. Curves begin at the untrained network where its number is given.
fn steps(run: &History, number: impl Fn(&StepLine) -> Option<f64>) -> Curve {
    let per_epoch = run.steps_per_epoch();
    let point = |step: &StepLine| [step.step as f64 / per_epoch, number(step).unwrap_or(f64::NAN)];
    let curve: Curve = run.steps.iter().map(point).collect();
    // A run of a program that did not measure it has no curve.
    if curve.iter().any(|point| point[1].is_finite()) { curve } else { Curve::new() }
}

/// One chart for every kind of loss: they have other scales.
fn losses(groups: &[Group]) -> Vec<Chart> {
    let loss = |run: &History| method::of(&run.config).health(&run.config).loss;
    let mut kinds: BTreeMap<&str, Vec<Group>> = BTreeMap::new();
    for group in groups {
        let mut of_runs = group.runs.iter().map(|run| loss(run));
        if let Some(kind) = of_runs.next().filter(|kind| of_runs.all(|other| other == *kind)) {
            kinds.entry(kind).or_default().push(group.clone());
        }
    }
    let several = kinds.len() > 1;
    kinds
        .into_iter()
        .map(|(loss, groups)| Chart {
            title: match several {
                false => "Loss".to_owned(),
                true => format!("Loss, {loss}"),
            },
            lines: lines(&groups, |run| {
                from_epoch_zero(run, run.epochs.first().and_then(|e| e.loss), steps(run, |step| step.loss))
            }),
            ..Chart::default()
        })
        .collect()
}

/// As it is where all outputs are equally wide; else times the sqrt of the width, so that 1 is healthy for all.
fn output_std(groups: &[Group]) -> Chart {
    let dims: Vec<usize> = groups.iter().flat_map(|group| &group.runs).map(|run| run.config.model.dim).collect();
    let common = dims.first().copied().filter(|first| dims.iter().all(|dim| dim == first));
    let factor = |run: &History| match common {
        Some(_) => 1.0,
        None => (run.config.model.dim as f64).sqrt(),
    };
    let curve = |run: &History| {
        let factor = factor(run);
        let first = run.epochs.first().and_then(|epoch| epoch.output_std);
        let curve = steps(run, |step| step.output_std.map(|std| factor * std));
        from_epoch_zero(run, first.map(|std| factor * std), curve)
    };
    let (title, reference) = match common {
        Some(dim) => {
            let healthy = 1.0 / (dim as f64).sqrt();
            let label = format!("1/\u{221A}d = {}", number(healthy, 3));
            ("Output std (dashed: healthy)".to_owned(), Reference { label, y: healthy })
        }
        None => ("Output std × \u{221A}d".to_owned(), Reference { label: "healthy: 1".to_owned(), y: 1.0 }),
    };
    let lines = lines(groups, curve);
    let empty = lines.iter().all(|line| line.curves.is_empty());
    Chart {
        title,
        // How far it has fallen is what counts.
        from_zero: true,
        lines,
        references: if empty { Vec::new() } else { vec![reference] },
        ..Chart::default()
    }
}

/// Of every epoch, and between them where it was watched.
fn rank(groups: &[Group]) -> Chart {
    let curve = |run: &History| {
        let per_epoch = run.steps_per_epoch();
        let epochs = run.epochs.iter().map(|line| [line.epoch as f64, line.effective_rank.unwrap_or(f64::NAN)]);
        let watch =
            run.watch.iter().map(|line| [line.step as f64 / per_epoch, line.effective_rank.unwrap_or(f64::NAN)]);
        let mut curve: Curve = epochs.chain(watch).filter(|point| point[1].is_finite()).collect();
        curve.sort_by(|a, b| a[0].total_cmp(&b[0]));
        curve.dedup_by(|a, b| (a[0] - b[0]).abs() < 1e-9);
        curve
    };
    Chart {
        title: "Effective rank of the outputs".to_owned(),
        from_zero: true,
        lines: lines(groups, curve),
        ..Chart::default()
    }
}

/// In per cent, with the untrained network's to compare.
fn knn(groups: &[Group]) -> Chart {
    let curve = |run: &History| {
        let measured = run.epochs.iter().filter_map(|line| Some([line.epoch as f64, 100.0 * line.knn_top1?]));
        measured.collect()
    };
    let runs = groups.iter().flat_map(|group| &group.runs);
    let untrained: Vec<f64> = runs.filter_map(|run| run.knn_untrained()).collect();
    let mean = 100.0 * untrained.iter().sum::<f64>() / untrained.len().max(1) as f64;
    let reference = Reference { label: format!("untrained {} %", number(mean, 1)), y: mean };
    Chart {
        title: "kNN top-1".to_owned(),
        unit: " %",
        lines: lines(groups, curve),
        references: if untrained.is_empty() { Vec::new() } else { vec![reference] },
        ..Chart::default()
    }
}

fn from_epoch_zero(run: &History, first: Option<f64>, mut curve: Curve) -> Curve {
    let untrained = run.epochs.first().is_some_and(|epoch| epoch.epoch == 0);
    if let (true, false, Some(first)) = (untrained, curve.is_empty(), first) {
        curve.insert(0, [0.0, first]);
    }
    curve
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
pub fn legend(groups: &[Group]) -> &'static str {
    match groups.iter().map(|group| group.runs.len()).max() {
        Some(2..) => "Thin lines are single seeds, strong ones their mean.",
        _ => "",
    }
}

/// Figures of every group.
pub fn numbers(groups: &[Group]) -> Vec<Figures> {
    groups.iter().map(|group| Figures::of(&group.runs)).collect()
}
