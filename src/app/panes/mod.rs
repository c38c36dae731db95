//! The panes, one a file.

mod curves;
mod deviation;
mod neighbours;
pub(in crate::app) mod pane;
mod runs;
mod start;
mod views;

use crate::app::workers::resource_cache::ResourceCache;
use crate::app::workers::worker::Wake;
use pane::Pane;

/// All panes, in the order of their tabs.
pub(in crate::app) fn all(resources: &ResourceCache, wake: &Wake) -> Vec<Box<dyn Pane>> {
    vec![
        Box::new(start::StartPane::default()),
        Box::new(curves::CurvesPane::new(wake.clone())),
        Box::new(deviation::DeviationPane::default()),
        Box::new(views::ViewsPane::new(resources.clone(), wake.clone())),
        Box::new(neighbours::NeighboursPane::new(resources.clone(), wake.clone())),
        Box::new(runs::RunsPane::default()),
    ]
}

/// What stands in a pane about a run where there is none.
fn no_run(ui: &mut egui::Ui) {
    empty(ui, "No run is open.", "Start one, or choose one of the list on the left.");
}

/// What stands in a pane that has nothing to show, and what to do about that.
fn empty(ui: &mut egui::Ui, what: &str, how: &str) {
    ui.vertical_centered(|ui| {
        ui.add_space(ui.available_height() * 0.38);
        ui.heading(what);
        ui.label(egui::RichText::new(how).weak());
    });
}
