//! What a pane is.

use super::desk::Desk;

/// A part of the window that is shown alone. It draws what lies on the desk, and asks for what it wants by [`Desk::wish`].
pub(super) trait Pane {
    /// Its name, on its tab.
    fn name(&self) -> &'static str;

    /// Draws it into all of `ui`.
    fn ui(&mut self, ui: &mut egui::Ui, desk: &mut Desk);
}
