//! The numbers of all runs where the pointer is in a chart.

use egui::{Grid, PopupAnchor, RichText, Tooltip, Ui};

use super::chart::with_unit;
use super::over::XAxis;
use super::theme;
use crate::app::state::OpenRun;
use crate::method::Metric;

/// Runs that are named at most.
const MOST: usize = 14;

/// The point of a run at a place of the x axis; none where it has not got so far, or begins later.
pub(in crate::app) fn value(metric: &Metric, run: &OpenRun, x: XAxis, place: f64) -> Option<[f64; 2]> {
    let curve = run.record.curve(metric.name);
    let [first, last] = curve.extent()?;
    let [from, to] = [first, last].map(|step| x.place(&run.record, step));
    // Half a pixel of a wide chart, and what rounding makes.
    let slack = 1e-3 * (to - from).abs() + 1e-9;
    if place < from - slack || place > to + slack {
        return None;
    }
    curve.at(x.step(&run.record, place).max(first))
}

/// Draws them beside the pointer.
pub(in crate::app) fn ui(
    ui: &Ui,
    response: &egui::Response,
    metric: &Metric,
    runs: &[OpenRun],
    front: usize,
    x: XAxis,
    place: f64,
) {
    let found = runs.iter().enumerate().filter(|(_, run)| run.visible);
    let mut found: Vec<_> =
        found.filter_map(|(number, run)| Some((number, run, value(metric, run, x, place)?))).collect();
    if found.is_empty() {
        return;
    }
    // The run in front first, then as they lie over each other.
    found.sort_by(|(a, _, [_, va]), (b, _, [_, vb])| (*b == front).cmp(&(*a == front)).then(vb.total_cmp(va)));
    let id = response.id.with("values");
    let dark = ui.visuals().dark_mode;
    Tooltip::always_open(ui.ctx().clone(), ui.layer_id(), id, PopupAnchor::Pointer).gap(14.0).show(|ui| {
        ui.label(RichText::new(x.text(place)).strong());
        Grid::new("values").num_columns(3).min_col_width(12.0).spacing([8.0, 2.0]).show(ui, |ui| {
            for (number, run, [_, value]) in found.iter().take(MOST) {
                let (swatch, _) = ui.allocate_exact_size(egui::vec2(12.0, 12.0), egui::Sense::hover());
                let line = egui::Rect::from_center_size(swatch.center(), egui::vec2(12.0, 3.0));
                ui.painter().rect_filled(line, 1.0, theme::run(dark, run.color));
                let text = RichText::new(&run.name);
                ui.label(if *number == front { text.strong() } else { text });
                ui.label(with_unit(metric, *value));
                ui.end_row();
            }
        });
        if found.len() > MOST {
            ui.label(RichText::new(format!("and {} more", found.len() - MOST)).weak());
        }
    });
}
