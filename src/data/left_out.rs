//! What a data set holds and is not used: nothing is dropped in silence.

use std::path::Path;

use serde::Serialize;

/// So many files of a kind are named.
const NAMED: usize = 3;

/// Files that are not used, for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// What they are, and what to do about it where something can be done.
    pub reason: String,
    /// How many.
    pub count: usize,
    /// The first of them.
    pub examples: Vec<String>,
    /// Whether they look like images of the set, so that a training says it too.
    pub matters: bool,
}

impl LeftOut {
    /// Adds `file` to the list, under its reason.
    pub(super) fn add(list: &mut Vec<LeftOut>, reason: &str, file: &Path, matters: bool) {
        let place = list.iter().position(|other| other.reason == reason);
        let place = place.unwrap_or_else(|| {
            list.push(LeftOut { reason: reason.to_owned(), count: 0, examples: Vec::new(), matters });
            list.len() - 1
        });
        if let Some(left_out) = list.get_mut(place) {
            left_out.count += 1;
            if left_out.examples.len() < NAMED {
                left_out.examples.push(file.display().to_string());
            }
        }
    }

    /// What a training says of a list.
    pub(super) fn warnings(list: &[LeftOut]) -> impl Iterator<Item = String> {
        let matters = list.iter().filter(|left_out| left_out.matters);
        matters.map(|left_out| format!("left out: {}", left_out.line()))
    }

    /// In one line.
    pub fn line(&self) -> String {
        let more = if self.count > self.examples.len() { ", …" } else { "" };
        format!("{} {} ({}{more})", self.count, self.reason, self.examples.join(", "))
    }
}
