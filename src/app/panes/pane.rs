//! What a pane is.

use crate::app::state::AppState;

/// A part of the window that is shown alone. It draws the state, and asks for changes by [`AppState::wish`].
pub(in crate::app) trait Pane {
    /// Its name, on its tab.
    fn name(&self) -> &'static str;

    /// Draws it into all of `ui`.
    fn ui(&mut self, ui: &mut egui::Ui, state: &mut AppState);
}
