//! What is done with the folders of runs: another name, a note, the bin.

use std::path::Path;

use super::App;
use crate::app::state::notices::Grade;
use crate::app::workers::listing::{self, NOTE};
use crate::atomic;

impl App {
    /// Whether a folder may be moved: not while somebody writes into it.
    fn may_move(&mut self, folder: &Path) -> bool {
        let trained = self.state.is_own(folder) || self.state.is_live(folder);
        if trained {
            let text =
                format!("{} is being trained, and stays where it is until that has ended.", listing::name(folder));
            self.state.notices.say(Grade::Warning, text, "");
        }
        !trained
    }

    pub(super) fn rename(&mut self, folder: &Path, name: &str) {
        if name == listing::name(folder) || !self.may_move(folder) {
            return;
        }
        let to = folder.with_file_name(name);
        // A name, not a way somewhere else.
        if to.file_name().and_then(|name| name.to_str()) != Some(name) || to.parent() != folder.parent() {
            let text = format!("\"{name}\" is no name for a folder.");
            return self.state.notices.say(Grade::Error, text, "");
        }
        if to.exists() {
            let text = format!("{} is there already; choose another name.", to.display());
            return self.state.notices.say(Grade::Error, text, "");
        }
        if let Err(error) = std::fs::rename(folder, &to) {
            let text = format!("{} cannot be renamed: {error}", folder.display());
            return self.state.notices.say(Grade::Error, text, "");
        }
        if self.state.place(folder).is_some() {
            self.state.close(folder);
            self.open(&to);
        }
        self.lister.look(&self.state.settings.runs);
    }

    pub(super) fn note(&mut self, folder: &Path, text: &str) {
        let file = folder.join(NOTE);
        let written = match text.is_empty() {
            true if !file.exists() => Ok(()),
            true => std::fs::remove_file(&file),
            false => atomic::write(&file, |file| writeln!(file, "{text}")),
        };
        if let Err(error) = written {
            self.state.notices.say(Grade::Error, format!("{} cannot be written: {error}", file.display()), "");
        }
        self.lister.look(&self.state.settings.runs);
    }

    pub(super) fn delete(&mut self, folder: &Path) {
        if !self.may_move(folder) {
            return;
        }
        let name = listing::name(folder);
        match trash::delete(folder) {
            Ok(()) => {
                self.state.close(folder);
                self.state.notices.say(Grade::Info, format!("{name} was moved to the bin."), "");
            }
            Err(error) => {
                self.state.notices.say(
                    Grade::Error,
                    format!("{} cannot be moved to the bin: {error}", folder.display()),
                    "",
                );
            }
        }
        self.lister.look(&self.state.settings.runs);
    }
}
