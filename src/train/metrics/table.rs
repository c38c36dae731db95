//! The numbers of runs as one table, for notebooks and spreadsheets.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use super::{Columns, History};
use crate::atomic;
use crate::method::Cadence;
use crate::table_file::{ColumnValues, TableColumn, write_csv, write_parquet};
use crate::train::FolderError;

/// How a table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableFormat {
    /// A heading and a line a row.
    Csv,
    /// Columns of their own types.
    Parquet,
}

/// The numbers of runs: a row for every step and for every epoch. What is measured every few steps stands in the row of its step.
///
/// Columns: `run` (its folder), `event` (`step` or `epoch`), `step` and `epoch` (those done, in both kinds of row), then every metric under its
/// name, in the order of the declaration; a cell is empty where there is no number.
pub struct MetricsTable(Vec<TableColumn>);

/// A row before it has cells: where it lies, and what it is made of.
struct Row<'a> {
    run: &'a History,
    step: Option<u64>,
    epoch: Option<u64>,
    is_epoch: bool,
    parts: Vec<(&'a Columns, usize)>,
}

impl MetricsTable {
    /// Of these runs, one after the other, each in the order of its steps.
    pub fn new(runs: &[History]) -> MetricsTable {
        let rows: Vec<Row> = runs.iter().flat_map(rows).collect();
        let column = |name: &str, values| TableColumn::new(name, values);
        let whole = |value: Option<u64>| value.and_then(|value| i64::try_from(value).ok());
        let kind = |row: &Row| if row.is_epoch { "epoch" } else { "step" }.to_owned();
        let mut columns = vec![
            column("run", ColumnValues::Text(rows.iter().map(|row| row.run.folder.display().to_string()).collect())),
            column("event", ColumnValues::Text(rows.iter().map(kind).collect())),
            column("step", ColumnValues::Integers(rows.iter().map(|row| whole(row.step)).collect())),
            column("epoch", ColumnValues::Integers(rows.iter().map(|row| whole(row.epoch)).collect())),
        ];
        for name in names(runs) {
            let value = |row: &Row| row.parts.iter().find_map(|(part, at)| part.get(*at, &name));
            let values = rows.iter().map(|row| value(row).unwrap_or(f64::NAN)).collect();
            columns.push(TableColumn::new(name, ColumnValues::Numbers(values)));
        }
        MetricsTable(columns)
    }

    /// Its rows.
    pub fn rows(&self) -> usize {
        self.0.first().map_or(0, TableColumn::rows)
    }

    /// Writes it.
    pub fn write(&self, format: TableFormat, out: &mut dyn Write) -> io::Result<()> {
        match format {
            TableFormat::Csv => write_csv(&self.0, out),
            TableFormat::Parquet => write_parquet(&self.0, out),
        }
    }

    /// Writes it to a file, whole or not at all.
    pub fn save(&self, format: TableFormat, path: &Path) -> Result<(), FolderError> {
        atomic::write(path, |file| self.write(format, file))
            .map_err(|reason| FolderError::Write { path: path.to_path_buf(), reason })
    }
}

/// What the runs measure as their settings declare it, and whatever else their lines hold.
fn names(runs: &[History]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut add = |name: &str| {
        // What the table has a column of its own for.
        if !["run", "event", "step", "epoch"].contains(&name) && !names.iter().any(|other| other == name) {
            names.push(name.to_owned());
        }
    };
    for cadence in [Cadence::Step, Cadence::Watched, Cadence::Epoch] {
        let declared = runs.iter().flat_map(|run| run.metrics.iter());
        declared.filter(|metric| metric.cadence == cadence).for_each(|metric| add(metric.name));
    }
    for run in runs {
        [&run.steps, &run.watch, &run.epochs].into_iter().flat_map(Columns::names).for_each(&mut add);
    }
    names
}

fn rows(run: &History) -> Vec<Row<'_>> {
    // A step that was watched has two lines.
    let mut steps: BTreeMap<u64, Vec<(&Columns, usize)>> = BTreeMap::new();
    for part in [&run.steps, &run.watch] {
        for (at, &step) in part.at().iter().enumerate() {
            steps.entry(step).or_default().push((part, at));
        }
    }
    let per_epoch = run.start.as_ref().map(|start| start.steps_per_epoch());
    let mut rows: Vec<Row> = steps
        .into_iter()
        .map(|(step, parts)| {
            let epoch = per_epoch.map(|per_epoch| (step as f64 / per_epoch).ceil() as u64);
            Row { run, step: Some(step), epoch, is_epoch: false, parts }
        })
        .collect();
    rows.extend(run.epochs.at().iter().enumerate().map(|(at, &epoch)| {
        let step = per_epoch.map(|per_epoch| (epoch as f64 * per_epoch).round() as u64);
        Row { run, step, epoch: Some(epoch), is_epoch: true, parts: vec![(&run.epochs, at)] }
    }));
    // An epoch comes behind its last step.
    rows.sort_by_key(|row| (row.step.unwrap_or(u64::MAX), row.is_epoch));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, MethodConfig};
    use crate::train::{RunFolder, declared};

    /// Two epochs of two steps, of which the second is watched, as a run without an end leaves them.
    const LINES: &str = r#"{"event":"start","steps":4,"epochs":2}
{"event":"epoch","epoch":0,"loss":0.25,"effective_rank":3.5,"knn_top1":0.4,"seconds":1.5}
{"event":"step","step":1,"epoch":1,"loss":null,"lr":0.1}
{"event":"step","step":2,"epoch":1,"loss":-0.5,"lr":0.1,"unheard":7}
{"event":"watch","step":2,"epoch":1,"effective_rank":4.0}
{"event":"epoch","epoch":1,"loss":-0.5,"effective_rank":4.0,"knn_top1":null,"seconds":2.0}
{"event":"step","step":3,"epoch":2,"loss":-0.75,"lr":0.05}
"#;

    #[test]
    fn a_row_for_every_step_and_epoch() -> Result<(), Box<dyn std::error::Error>> {
        let parent = tempfile::tempdir()?;
        let folder = RunFolder::create(&parent.path().join("run"), &Config::preset("demo")?)?;
        std::fs::write(folder.metrics(), LINES)?;
        let mut run = History::read(&parent.path().join("run"))?;
        run.folder = "a".into();
        let other = History { folder: "b".into(), ..run.clone() };
        let table = MetricsTable::new(&[run, other]);
        let mut text = Vec::new();
        table.write(TableFormat::Csv, &mut text)?;
        let text = String::from_utf8(text)?;
        let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
        let head = lines.next().unwrap_or_default();
        let columns = ["run", "event", "step", "epoch", "loss", "effective_rank", "knn_top1", "unheard", "seconds"];
        let at = columns.map(|name| head.iter().position(|column| *column == name).unwrap_or(usize::MAX));
        let rows: Vec<String> = lines.map(|line| at.map(|at| line.get(at).copied().unwrap_or("-")).join(" ")).collect();
        let expected = [
            "a epoch 0 0 0.25 3.5 0.4  1.5",
            "a step 1 1     ",
            "a step 2 1 -0.5 4  7 ",
            "a epoch 2 1 -0.5 4   2",
            "a step 3 2 -0.75    ",
        ];
        assert_eq!(rows[..5], expected);
        assert_eq!((rows.len(), table.rows()), (10, 10));
        assert!(rows[5].starts_with("b epoch 0"));
        // In the order of the declaration.
        assert!(head.starts_with(&["run", "event", "step", "epoch", "loss", "output_std"]), "{head:?}");
        Ok(())
    }

    #[test]
    fn the_documentation_names_every_metric() -> Result<(), Box<dyn std::error::Error>> {
        let text = include_str!("../../../docs/metrics.md");
        let text = text.split("## Metrics").nth(1).unwrap_or_default();
        for method in MethodConfig::names() {
            let mut config = Config::preset("demo")?;
            config.set(&format!("method.name={method}"))?;
            config.set("run.precision=f16")?;
            for metric in declared(&config).iter() {
                let name = format!("`{}`", metric.name);
                let row = text.lines().find(|line| line.starts_with('|') && line.contains(&name));
                let row = row.ok_or(format!("{name} of {method} is not in docs/metrics.md"))?;
                let watched = row.contains("`watch`");
                assert_eq!(watched, metric.cadence == Cadence::Watched, "{row}");
                let epoch = metric.cadence == Cadence::Epoch || metric.per_epoch.is_some();
                assert_eq!(row.contains("`epoch`"), epoch, "{row}");
            }
        }
        Ok(())
    }
}
