//! Numbers by name over steps or epochs.

use std::collections::BTreeMap;

use super::Fields;

/// A table with a row for every line and a column for every name that a line had.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Columns {
    at: Vec<u64>,
    columns: BTreeMap<String, Vec<f64>>,
}

impl Columns {
    /// Adds a row at a step or epoch.
    pub fn push(&mut self, at: u64, fields: &Fields) {
        let rows = self.at.len();
        self.at.push(at);
        for (name, value) in fields.iter() {
            let column = match self.columns.get_mut(name) {
                Some(column) => column,
                None => self.columns.entry(name.to_owned()).or_default(),
            };
            column.resize(rows, f64::NAN);
            column.push(value);
        }
    }

    /// Rows.
    pub fn len(&self) -> usize {
        self.at.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.at.is_empty()
    }

    /// The step or epoch of every row.
    pub fn at(&self) -> &[u64] {
        &self.at
    }

    /// The names, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.keys().map(String::as_str)
    }

    /// The number `name` of a row; `None` where it has none.
    pub fn get(&self, row: usize, name: &str) -> Option<f64> {
        self.columns.get(name)?.get(row).copied().filter(|value| value.is_finite())
    }

    /// Every row's step or epoch and its number `name`, `None` where it has none.
    pub fn points<'a>(&'a self, name: &str) -> impl DoubleEndedIterator<Item = (u64, Option<f64>)> + use<'a> {
        let column = self.columns.get(name).map_or(&[][..], Vec::as_slice);
        let finite = move |row: usize| column.get(row).copied().filter(|value| value.is_finite());
        self.at.iter().enumerate().map(move |(row, &at)| (at, finite(row)))
    }
}
