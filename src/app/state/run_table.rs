//! The runs of a folder as the rows of a table: which settings differ, in which order they stand, which ones a filter leaves.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::record::RunEnd;
use crate::app::workers::listing::Listed;
use crate::train::HealthGrade;

/// What the table is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::app) enum Column {
    Name,
    State,
    Knn,
    Health,
    Began,
}

/// The order of the rows, and what they are chosen by.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::app) struct RunTable {
    pub filter: String,
    pub column: Column,
    /// Largest or newest first.
    pub falling: bool,
    /// Folders in the order in which they stand.
    order: Vec<PathBuf>,
}

impl Default for RunTable {
    fn default() -> Self {
        RunTable { filter: String::new(), column: Column::Began, falling: true, order: Vec::new() }
    }
}

impl RunTable {
    /// Sorts by a column, or the other way round by the same.
    pub fn sort_by(&mut self, column: Column) {
        self.falling = match column == self.column {
            true => !self.falling,
            // The best and the newest are looked for; names are read from their begin.
            false => matches!(column, Column::Knn | Column::Began),
        };
        self.column = column;
        self.order.clear();
    }

    /// The rows in their order. Where the pointer is `over` them, none changes its place: what is new comes last, and what is gone is left
    /// out.
    pub fn rows<'a>(&mut self, listed: &'a [Listed], differing: &Differing, over: bool) -> Vec<&'a Listed> {
        let place: HashMap<&Path, usize> = match over {
            true => self.order.iter().enumerate().map(|(place, folder)| (folder.as_path(), place)).collect(),
            false => HashMap::new(),
        };
        let words: Vec<String> = self.filter.split_whitespace().map(str::to_lowercase).collect();
        let mut rows: Vec<&Listed> =
            listed.iter().filter(|run| words.iter().all(|word| text(run, differing).contains(word))).collect();
        rows.sort_by(|a, b| {
            let at = |run: &Listed| place.get(run.folder.as_path()).copied().unwrap_or(usize::MAX);
            let order = compare(a, b, self.column);
            at(a).cmp(&at(b)).then(if self.falling { order.reverse() } else { order }).then_with(|| a.name.cmp(&b.name))
        });
        self.order = rows.iter().map(|run| run.folder.clone()).collect();
        rows
    }
}

/// What a filter looks in.
fn text(run: &Listed, differing: &Differing) -> String {
    let health = run.summary.health.as_ref().map_or("", |health| health.grade.name());
    format!("{} {} {health} {} {}", run.name, state(run), run.summary.note, differing.text(run)).to_lowercase()
}

/// What a run does, or did, in a word.
pub(in crate::app) fn state(run: &Listed) -> &'static str {
    match (&run.summary.end, run.live) {
        (RunEnd::Done, _) => "done",
        (RunEnd::Failed(_), _) => "failed",
        (RunEnd::Open, true) => "running",
        (RunEnd::Open, false) if run.summary.steps == 0 => "not begun",
        (RunEnd::Open, false) => "stopped",
    }
}

fn compare(a: &Listed, b: &Listed, column: Column) -> Ordering {
    let number = |value: Option<f64>| value.unwrap_or(f64::NEG_INFINITY);
    let grade = |run: &Listed| match run.summary.health.as_ref().map(|health| health.grade) {
        None | Some(HealthGrade::Unknown) => 3,
        Some(HealthGrade::Healthy) => 2,
        Some(HealthGrade::Watch) => 1,
        Some(HealthGrade::Alarmed(_)) => 0,
    };
    match column {
        Column::Name => a.name.cmp(&b.name),
        Column::State => state(a).cmp(state(b)),
        Column::Knn => number(a.summary.knn).total_cmp(&number(b.summary.knn)),
        Column::Health => grade(a).cmp(&grade(b)),
        Column::Began => a.began.cmp(&b.began),
    }
}

/// The settings in which runs differ, with the value that most of them have.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::app) struct Differing(Vec<(String, Option<String>)>);

impl Differing {
    /// Of these runs.
    pub fn of(listed: &[Listed]) -> Differing {
        // Runs whose settings cannot be read say nothing.
        let known: Vec<&Listed> = listed.iter().filter(|run| !run.summary.settings.is_empty()).collect();
        let mut keys: Vec<&str> = Vec::new();
        let mut values: HashMap<&str, HashMap<&str, usize>> = HashMap::new();
        for (key, value) in known.iter().flat_map(|run| run.summary.settings.iter()) {
            let of_key = values.entry(key).or_insert_with(|| {
                keys.push(key);
                HashMap::new()
            });
            *of_key.entry(value).or_default() += 1;
        }
        let differing = keys.into_iter().filter_map(|key| {
            let of_key = &values[key];
            let have = of_key.values().sum::<usize>();
            let (common, times) = of_key.iter().max_by_key(|(value, times)| (**times, std::cmp::Reverse(**value)))?;
            // A key that most do not have at all has no common value.
            let common = (2 * times > known.len()).then(|| (*common).to_owned());
            (of_key.len() > 1 || have < known.len()).then(|| (key.to_owned(), common))
        });
        Differing(differing.collect())
    }

    /// Those of a run, in a line.
    pub fn text(&self, run: &Listed) -> String {
        self.line(run, |_, _| true)
    }

    /// Those that a run has other than most.
    pub fn special(&self, run: &Listed) -> String {
        self.line(run, |value, common| Some(value) != common)
    }

    fn line(&self, run: &Listed, shown: impl Fn(&str, Option<&str>) -> bool) -> String {
        let settings = self.0.iter().filter_map(|(key, common)| {
            let (_, value) = run.summary.settings.iter().find(|(other, _)| other == key)?;
            let short = key.rsplit_once('.').map_or(key.as_str(), |(_, short)| short);
            // Two keys of one short name are told apart by their section.
            let twice = self.0.iter().filter(|(other, _)| other.ends_with(&format!(".{short}"))).count() > 1;
            let name = if twice || short == "name" { key.as_str() } else { short };
            (!value.is_empty() && shown(value, common.as_deref())).then(|| format!("{name} {value}"))
        });
        settings.collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::workers::listing::Summary;
    use std::sync::Arc;
    use std::time::{Duration, SystemTime};

    fn run(name: &str, began: u64, knn: Option<f64>, settings: &[(&str, &str)]) -> Listed {
        let settings = settings.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        Listed {
            folder: PathBuf::from(name),
            name: name.to_owned(),
            live: false,
            began: SystemTime::UNIX_EPOCH + Duration::from_secs(began),
            summary: Summary { knn, settings: Arc::new(settings), ..Summary::default() },
        }
    }

    #[test]
    fn rows_are_sorted_and_filtered_and_stay_under_the_pointer() {
        let mut listed = vec![
            run("b", 1, Some(50.0), &[("optim.lr", "1"), ("run.seed", "0")]),
            run("a", 2, Some(60.0), &[("optim.lr", "1"), ("run.seed", "1")]),
            run("c", 3, None, &[("optim.lr", "1"), ("run.seed", "0"), ("method.queue", "8")]),
        ];
        let differing = Differing::of(&listed);
        assert_eq!(differing.text(&listed[2]), "seed 0, queue 8");
        assert_eq!([0, 1, 2].map(|at| differing.special(&listed[at])), ["", "seed 1", "queue 8"]);
        let mut table = RunTable::default();
        let names = |table: &mut RunTable, listed: &[Listed], over| -> String {
            table.rows(listed, &differing, over).iter().map(|run| run.name.as_str()).collect()
        };
        assert_eq!(names(&mut table, &listed, false), "cab");
        table.sort_by(Column::Knn);
        assert_eq!(names(&mut table, &listed, false), "abc");
        listed[2].summary.knn = Some(90.0);
        listed.push(run("d", 4, Some(95.0), &[]));
        assert_eq!(names(&mut table, &listed, true), "abcd", "under the pointer");
        assert_eq!(names(&mut table, &listed, false), "dcab");
        table.sort_by(Column::Knn);
        assert_eq!(names(&mut table, &listed, true), "bacd");
        table.filter = "SEED 0".to_owned();
        assert_eq!(names(&mut table, &listed, false), "bc");
        assert_eq!(Differing::of(&[]), Differing::default());
    }
}
