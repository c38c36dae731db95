//! What a user should know, calmly: a line with advice, never a dialog; the same thing is said once.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::data::DataError;
use crate::format::one_line;

/// How grave it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grade {
    /// Good to know.
    Info,
    /// The results are in danger.
    Warning,
    /// Something has ended.
    Error,
}

/// What can be done about it at a click.
#[derive(Debug, Clone, PartialEq)]
pub enum Remedy {
    /// Continue the run in this folder.
    Continue(PathBuf),
    /// Start again with the settings of the form.
    Start,
    /// Train in batches of this size, which the images fill.
    Batch(usize),
    /// Keep a tenth of the images to test on.
    HoldOut,
    /// Leave out files that cannot be read, by allowing more of them.
    Skip {
        /// Unreadable files among those checked.
        files: usize,
        /// The new `data.max_unreadable`, just above their share.
        share: f64,
    },
}

impl Remedy {
    /// What can be done about data that are refused.
    pub fn of(error: &DataError) -> Option<Remedy> {
        match error {
            // Where none can be read there is nothing to go on with.
            DataError::TooManyUnreadable { bad, of, .. } if *bad > 0 && bad < of => {
                Some(Remedy::Skip { files: *bad, share: (bad * 1000 / of + 1) as f64 / 1000.0 })
            }
            _ => None,
        }
    }

    /// What stands on its button.
    pub fn label(&self) -> String {
        match self {
            Remedy::Continue(_) => "Resume".to_owned(),
            Remedy::Start => "Retry".to_owned(),
            Remedy::Batch(size) => format!("Use batch {size}"),
            Remedy::HoldOut => "Hold out 10 %".to_owned(),
            Remedy::Skip { files: 1, .. } => "Skip 1 file and continue".to_owned(),
            Remedy::Skip { files, .. } => format!("Skip {files} files and continue"),
        }
    }
}

/// What is wrong with data, without the flag that would help on a command line where a button does.
pub fn without_flag(error: &DataError) -> String {
    match error {
        DataError::TooManyUnreadable { bad, of, percent, named } => {
            format!("{bad} of {of} images cannot be read, more than {percent} % ({named})")
        }
        other => other.to_string(),
    }
}

/// A notice.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// How grave it is.
    pub grade: Grade,
    /// What is so, in one line.
    pub text: String,
    /// What usually helps.
    pub advice: String,
    /// What a button does about it.
    pub remedy: Option<Remedy>,
    /// How often it was said.
    pub times: usize,
    /// When it was said last.
    pub said: Instant,
    /// Whether all of it is shown, not a line.
    pub unfolded: bool,
}

impl Notice {
    /// How long it stays, where it goes by itself: what is good to know is no longer news then.
    pub fn stays(&self) -> Option<Duration> {
        (self.grade == Grade::Info).then(|| STAYS.saturating_sub(self.said.elapsed()))
    }
}

/// How long what is good to know is shown.
const STAYS: Duration = Duration::from_secs(12);

/// Notices at once: more would push the window's contents away.
const MOST: usize = 4;

/// Those that were not dismissed, the newest last.
#[derive(Debug, Default)]
pub struct Notices {
    list: Vec<Notice>,
}

impl Notices {
    /// Says something; what is there already counts up.
    pub fn say(&mut self, grade: Grade, text: impl Into<String>, advice: impl Into<String>) {
        self.add(grade, text.into(), advice.into(), None);
    }

    /// Says what has ended, with a way on.
    pub fn offer(&mut self, text: impl Into<String>, remedy: Remedy) {
        self.add(Grade::Error, text.into(), String::new(), Some(remedy));
    }

    fn add(&mut self, grade: Grade, text: String, advice: String, remedy: Option<Remedy>) {
        let text = one_line(&text);
        if let Some(known) = self.list.iter_mut().find(|known| known.text == text) {
            known.times += 1;
            known.said = Instant::now();
            return;
        }
        self.list.push(Notice { grade, text, advice, remedy, times: 1, said: Instant::now(), unfolded: false });
        if self.list.len() > MOST {
            // The least grave of the oldest goes.
            let oldest = self.list.iter().position(|n| n.grade == Grade::Info);
            self.list.remove(oldest.unwrap_or(0));
        }
    }

    /// Takes away what is said again in other words.
    pub fn forget(&mut self, text: &str) {
        let text = one_line(text);
        self.list.retain(|notice| notice.text != text);
    }

    /// Shows all of one, or a line again.
    pub fn fold(&mut self, index: usize) {
        if let Some(notice) = self.list.get_mut(index) {
            notice.unfolded = !notice.unfolded;
        }
    }

    /// Takes away what has been shown long enough; how long it takes until the next one has.
    pub fn age(&mut self) -> Option<Duration> {
        self.list.retain(|notice| notice.stays() != Some(Duration::ZERO));
        self.list.iter().filter_map(Notice::stays).min()
    }

    /// All of them.
    pub fn list(&self) -> &[Notice] {
        &self.list
    }

    /// Takes one away.
    pub fn dismiss(&mut self, index: usize) {
        if index < self.list.len() {
            self.list.remove(index);
        }
    }

    /// Takes away what a new training makes old.
    pub fn clear(&mut self) {
        self.list.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_errors_are_no_storm() {
        let mut notices = Notices::default();
        for _ in 0..100 {
            notices.say(Grade::Warning, "the same\n  thing", "");
        }
        assert_eq!(notices.list().len(), 1);
        assert_eq!(notices.list()[0].times, 100);
        assert_eq!(notices.list()[0].text, "the same thing");
        notices.say(Grade::Info, "by the way", "");
        (0..9).for_each(|i| notices.say(Grade::Error, format!("error {i}"), ""));
        assert_eq!(notices.list().len(), MOST);
        assert!(notices.list().iter().all(|n| n.grade == Grade::Error));
    }
}
