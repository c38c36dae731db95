//! What is said beside the curves: settings, machine, time, alarms.

use std::collections::BTreeSet;

use super::group::{SeedGroup, name};
use super::html::{Table, details};
use crate::config::Config;
use crate::experiment::folder::differences;
use crate::experiment::verdict::Sample;
use crate::format::{count, duration, number};
use crate::picture::escape;
use crate::train::History;

/// The common settings in a few lines, and where and how long it was computed.
pub fn overview(base: &Config, runs: &[&History]) -> String {
    let Config { data, model, optim, .. } = base;
    let start = runs.iter().find_map(|run| run.start.as_ref());
    let images = start.map_or(String::new(), |start| {
        format!(", {} training and {} test images", count(start.train_images), count(start.test_images))
    });
    let parameters = start.map_or(String::new(), |start| format!(", {} parameters", count(start.parameters)));
    let mut facts = vec![
        ("Data", format!("{}{images} of {} pixels", data.source, data.image_size)),
        ("Network", format!("{} of width {}, d {}{parameters}", model.arch, model.width, model.dim)),
        (
            "Training",
            format!(
                "{} epochs, batch {}, lr {} × {}/256, weight decay {}",
                optim.epochs, optim.batch_size, optim.lr, optim.batch_size, optim.weight_decay
            ),
        ),
    ];
    facts.extend(machine(runs));
    list(&facts)
}

/// Adapters, drivers and time of some runs.
pub fn machine(runs: &[&History]) -> Vec<(&'static str, String)> {
    let starts = runs.iter().filter_map(|run| run.start.as_ref());
    let adapters: BTreeSet<String> =
        starts.map(|start| format!("{} ({}, driver {})", start.adapter, start.backend, start.driver)).collect();
    let seconds: f64 = runs.iter().map(|run| run.seconds()).sum();
    let mut rates: Vec<f64> = runs.iter().filter_map(|run| run.images_per_second()).collect();
    rates.sort_by(f64::total_cmp);
    let rate = match &rates[..] {
        [] => String::new(),
        [one] => format!(", {} images/s", rate(*one)),
        [low, .., high] if rate(*low) == rate(*high) => format!(", {} images/s", rate(*low)),
        [low, .., high] => format!(", {} to {} images/s", rate(*low), rate(*high)),
    };
    let runs = if runs.len() == 1 { "1 run".to_owned() } else { format!("{} runs", runs.len()) };
    vec![
        ("Adapter", adapters.into_iter().collect::<Vec<_>>().join("; ")),
        ("Time", format!("{runs}, {} together{rate}", duration(seconds))),
    ]
}

fn list(facts: &[(&str, String)]) -> String {
    let facts = facts.iter().filter(|(_, text)| !text.is_empty());
    let entries: String = facts.map(|(name, text)| format!("<dt>{name}</dt><dd>{}</dd>\n", escape(text))).collect();
    format!("<dl>\n{entries}</dl>\n")
}

/// Images a second, to three digits or so.
pub fn rate(images: f64) -> String {
    number(images, if images < 10.0 { 1 } else { 0 })
}

/// A mean and, where there are several seeds, their spread; `factor` times as large.
pub fn sample(sample: &Sample, factor: f64, digits: usize) -> String {
    match (sample.mean(), sample.spread()) {
        (None, _) => "–".to_owned(),
        (Some(mean), None) => number(factor * mean, digits),
        (Some(mean), Some(spread)) => {
            format!("{} ± {}", number(factor * mean, digits), number(factor * spread, digits))
        }
    }
}

/// How far a run is, in words; `None` where it is done.
pub fn state(run: &History) -> Option<String> {
    if run.done.is_some() {
        return None;
    }
    let step = run.steps.at().last().copied().unwrap_or(0);
    Some(match (&run.failed, &run.start) {
        (Some(failed), _) => format!("diverged at step {}", count(failed.step as usize)),
        (None, Some(start)) => format!("unfinished: step {} of {}", count(step as usize), count(start.steps as usize)),
        (None, None) => "not begun".to_owned(),
    })
}

/// Everything that users were warned of, and every run that diverged.
pub fn alarms(groups: &[SeedGroup]) -> String {
    let mut items = String::new();
    for group in groups {
        for run in &group.runs {
            let who = format!("{}, seed {}", group.label, run.config.run.seed);
            for alarm in &run.alarms {
                items += &item(&alarm.kind, &who, alarm.step, &alarm.message, &alarm.advice);
            }
            if let Some(failed) = &run.failed {
                items += &item("diverged", &who, failed.step, &failed.message, "");
            }
        }
    }
    match items.as_str() {
        "" => String::new(),
        items => format!("<h3>Alarms</h3>\n<ul class=\"alarms\">\n{items}</ul>\n"),
    }
}

fn item(kind: &str, who: &str, step: u64, message: &str, advice: &str) -> String {
    let [kind, who, message] = [kind, who, message].map(escape);
    let step = count(step as usize);
    let advice = match advice {
        "" => String::new(),
        advice => format!("<br>What usually helps: {}", escape(advice)),
    };
    format!("<li><strong>{kind}</strong> <span class=\"note\">{who}, step {step}</span><br>{message}{advice}</li>\n")
}

/// The keys in which groups differ, as a table; nothing where they do not.
pub fn differing(groups: &[SeedGroup]) -> String {
    let configs: Vec<&Config> = groups.iter().map(|group| &group.runs[0].config).collect();
    let differences = differences(&configs);
    if differences.is_empty() {
        return String::new();
    }
    let mut columns = vec![("Setting", false)];
    columns.extend(groups.iter().map(|group| (group.label.as_str(), false)));
    let cell = |text: &String| escape(text);
    let rows = differences.iter().map(|(key, values)| {
        let heading = format!("<code>{}</code>", escape(key));
        [heading].into_iter().chain(values.iter().map(cell)).collect()
    });
    let table = Table { caption: "Settings that differ", columns: &columns, rows: rows.collect() };
    format!("<h3>Settings that differ</h3>\n{}", table.html())
}

/// All settings of a configuration, folded.
pub fn settings(summary: &str, config: &Config) -> String {
    // Only a number that TOML cannot hold fails, and it was read from TOML.
    let text = config.to_toml().unwrap_or_default();
    // Line by line: to escape is to make one line of it.
    let lines: Vec<String> = text.lines().map(escape).collect();
    details(summary, &format!("<pre>{}</pre>\n", lines.join("\n")))
}

/// Every run with its folder, end, machine and time, folded.
pub fn runs(groups: &[SeedGroup]) -> String {
    let mut rows: Vec<Vec<String>> = Vec::new();
    for run in groups.iter().flat_map(|group| &group.runs) {
        let start = run.start.clone().unwrap_or_default();
        let row = vec![
            escape(&name(run)),
            state(run).map_or("done".to_owned(), |state| escape(&state)),
            run.knn().map_or("–".to_owned(), |knn| number(100.0 * knn, 1)),
            duration(run.seconds()),
            run.images_per_second().map_or("–".to_owned(), rate),
            escape(&start.adapter),
            escape(&start.driver),
        ];
        if !rows.contains(&row) {
            rows.push(row);
        }
    }
    let columns = [
        ("Run", false),
        ("State", false),
        ("kNN %", true),
        ("Time", true),
        ("Images/s", true),
        ("Adapter", false),
        ("Driver", false),
    ];
    let summary = if rows.len() == 1 { "The run".to_owned() } else { format!("All {} runs", rows.len()) };
    details(&summary, &Table { caption: "Runs", columns: &columns, rows }.html())
}
