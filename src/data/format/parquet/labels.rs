//! From what a label column holds to classes from 0 on.

use std::collections::HashMap;

/// More different labels than these are no classes but numbers or texts of another meaning.
const MOST_CLASSES: usize = 1 << 16;
/// The label of an image that has none; the hub writes it where labels are kept secret.
pub(super) const NO_LABEL: i64 = -1;

/// The classes met so far, over all files.
#[derive(Debug, Default)]
pub(super) struct Classes {
    /// Of the metadata.
    names: Vec<String>,
    /// Of a column of text: the number that stands for each until the end, in the order they were met.
    texts: HashMap<String, u32>,
    numbers: bool,
    /// Why labels are of no use.
    trouble: Option<String>,
}

/// Names, and the labels of the training and of the test images where all of them have one.
pub(super) struct Labels {
    pub names: Vec<String>,
    pub parts: [Option<Vec<u32>>; 2],
}

impl Classes {
    /// Takes the names that a file's metadata give; all files must agree.
    pub fn named(&mut self, names: &[String], file: &str) {
        if self.names.is_empty() {
            self.names = names.to_vec();
        } else if !names.is_empty() && self.names != names {
            self.trouble = Some(format!("{file} names other classes than the files before it"));
        }
    }

    /// What stands for a label that is a number.
    pub fn number(&mut self, label: i64) -> i64 {
        self.numbers = true;
        label.max(NO_LABEL)
    }

    /// What stands for a label that is a text.
    pub fn text(&mut self, label: &str) -> i64 {
        if let Some(&known) = self.texts.get(label) {
            return i64::from(known);
        }
        if self.texts.len() >= MOST_CLASSES {
            self.trouble = Some(format!("there are more than {MOST_CLASSES} different ones"));
            return NO_LABEL;
        }
        let new = self.texts.len() as u32;
        self.texts.insert(label.to_owned(), new);
        i64::from(new)
    }

    /// The final labels of the training and test images.
    pub fn finish(mut self, parts: [&[i64]; 2], remarks: &mut Vec<String>) -> Labels {
        if self.numbers && !self.texts.is_empty() {
            self.trouble = Some("some are numbers and some are texts".to_owned());
        }
        let most = parts.iter().flat_map(|part| part.iter()).max();
        let most = most.map_or(0, |&most| most.saturating_add(1).max(0) as usize);
        let names = match () {
            () if !self.texts.is_empty() => sorted(&self.texts),
            () if !self.names.is_empty() => self.names,
            () if most > MOST_CLASSES => {
                self.trouble = Some(format!("{} is no number of a class", most - 1));
                Vec::new()
            }
            () => (0..most).map(|n| n.to_string()).collect(),
        };
        if let Some(trouble) = self.trouble {
            remarks.push(format!("labels are not used: {trouble}"));
            return Labels { names: Vec::new(), parts: [None, None] };
        }
        // From the order met to the order of the names; numbers stay.
        let mut order: Vec<u32> = (0..names.len() as u32).collect();
        for (sorted, name) in names.iter().enumerate() {
            if let Some(&met) = self.texts.get(name) {
                order[met as usize] = sorted as u32;
            }
        }
        let label = |&label: &i64| order.get(usize::try_from(label).ok()?).copied();
        let parts = [("training", parts[0]), ("test", parts[1])].map(|(which, part)| {
            let without = part.iter().filter(|label| label_of(label).is_none()).count();
            if without > 0 && without < part.len() {
                remarks.push(format!(
                    "{without} of {} {which} images have no label: the others' are not used",
                    part.len()
                ));
            }
            let labels: Option<Vec<u32>> = part.iter().map(label).collect();
            labels.filter(|labels| !labels.is_empty())
        });
        Labels { names, parts }
    }
}

fn label_of(label: &i64) -> Option<usize> {
    usize::try_from(*label).ok()
}

fn sorted(texts: &HashMap<String, u32>) -> Vec<String> {
    let mut names: Vec<String> = texts.keys().cloned().collect();
    names.sort();
    names
}
