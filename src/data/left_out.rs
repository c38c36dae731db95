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
        let reason = if self.count == 1 { one(&self.reason) } else { self.reason.clone() };
        format!("{} {reason} ({}{more})", self.count, self.examples.join(", "))
    }
}

/// A reason of a single file.
fn one(reason: &str) -> String {
    let forms = [
        ("files and folders", "file or folder"),
        ("things that are no files", "thing that is no file"),
        ("files that are no images", "file that is no image"),
        ("files, which cannot be read: convert them", "file, which cannot be read: convert it"),
        ("folders of runs", "folder of a run"),
        ("tables", "table"),
        ("images", "image"),
    ];
    let form = forms.into_iter().find(|(many, _)| reason.contains(many));
    form.map_or_else(|| reason.to_owned(), |(many, one)| reason.replacen(many, one, 1))
}
