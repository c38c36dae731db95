//! Who listens to a training.

use crate::train::{Event, FolderError};

/// A listener of a training.
pub trait Listen {
    /// Takes an event.
    fn on_event(&mut self, event: &Event);

    /// Called before each checkpoint: what was reported must be safe now, because a run that continues from the checkpoint will not
    /// report it again. Returns what the user should know, a line each; an error ends the training without the checkpoint.
    fn secure(&mut self) -> Result<Vec<String>, FolderError> {
        Ok(Vec::new())
    }
}

/// A function that takes events and keeps nothing.
pub(super) struct Events<'a>(pub &'a mut dyn FnMut(&Event));

impl Listen for Events<'_> {
    fn on_event(&mut self, event: &Event) {
        (self.0)(event);
    }
}
