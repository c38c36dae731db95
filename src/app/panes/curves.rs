//! What the open runs measure, over each other: a chart a metric.

use std::path::PathBuf;

use egui::{Key, Modifiers, RichText, Ui};

use crate::app::panes::pane::Pane;
use crate::app::state::notices::Grade;
use crate::app::state::{AppState, seeds};
use crate::app::widgets::chart::{self, ChartAnswer, ChartView, ChartWish, Looks};
use crate::app::widgets::over::{Over, XAxis};
use crate::app::widgets::theme;
use crate::app::workers::chart_file::{self, ChartContent, ChartJob, ChartRow};
use crate::app::workers::worker::{Wake, Worker};
use crate::method::Metric;
use crate::picture::{Chart, ChartLine, LOOKS, Reference};

/// Width below which a chart has fewer beside it, and its least height: more are scrolled to.
const LEAST: f32 = 300.0;
const LOW: f32 = 190.0;

/// The pane.
pub(in crate::app) struct CurvesPane {
    over: Over,
    log_x: bool,
    log_y: bool,
    /// Slider of the smoothing.
    smoothing: f64,
    seeds: bool,
    /// Whether the next frame shows everything again.
    fit: bool,
    /// The metric whose chart has the window to itself.
    full: Option<&'static str>,
    /// Where the pointer was in a chart in the last frame.
    cursor: Option<f64>,
    files: Worker<ChartJob, Result<PathBuf, String>>,
}

impl CurvesPane {
    pub fn new(wake: Wake) -> CurvesPane {
        CurvesPane {
            over: Over::Epoch,
            log_x: false,
            log_y: false,
            smoothing: 0.0,
            seeds: true,
            fit: false,
            full: None,
            cursor: None,
            files: chart_file::worker(wake),
        }
    }
}

impl Pane for CurvesPane {
    fn name(&self) -> &'static str {
        "Curves"
    }

    fn ui(&mut self, ui: &mut Ui, state: &mut AppState) {
        match self.files.poll() {
            Some(Ok(path)) => state.notices.say(Grade::Info, format!("Saved as {}", path.display()), ""),
            Some(Err(problem)) => state.notices.say(Grade::Error, problem, ""),
            None => {}
        }
        if state.shown.is_empty() {
            super::no_run(ui);
            return;
        }
        let metrics = state.charted();
        self.controls(ui, state, &metrics);
        legend(ui, state);
        if self.full.is_some() && ui.input_mut(|input| input.consume_key(Modifiers::NONE, Key::Escape)) {
            self.full = None;
        }
        let drawn: Vec<&Metric> = match metrics.iter().find(|metric| Some(metric.name) == self.full) {
            Some(metric) => vec![metric],
            None => metrics.iter().collect(),
        };
        let (wish, cursor) = self.charts(ui, state, &drawn);
        if cursor != self.cursor {
            // The other charts show their numbers there too.
            self.cursor = cursor;
            ui.ctx().request_repaint();
        }
        match wish {
            Some((metric, ChartWish::Full)) => {
                self.full = if self.full.is_some() { None } else { Some(metric.name) };
                self.fit = true;
            }
            Some((metric, ChartWish::Png)) => {
                self.save(state, metric, ChartContent::Picture(Box::new(picture(state, metric))))
            }
            Some((metric, ChartWish::Csv)) => {
                let rows = rows(state, metric);
                self.save(state, metric, ChartContent::Numbers(metric.name.to_owned(), rows));
            }
            None => {}
        }
    }
}

impl CurvesPane {
    fn looks(&self, state: &AppState) -> Looks {
        Looks {
            x: XAxis::new(self.over, self.log_x, &state.shown),
            log_y: self.log_y,
            smoothing: self.smoothing,
            seeds: self.seeds,
        }
    }

    fn controls(&mut self, ui: &mut Ui, state: &AppState, metrics: &[Metric]) {
        ui.horizontal_wrapped(|ui| {
            let before = self.looks(state);
            for (over, name, hint) in [
                (Over::Epoch, "Epochs", "Passes over the training images"),
                (Over::Step, "Steps", "Batches that the network was trained on"),
                (Over::Elapsed, "Time", "Time of training from its begin, kNN included and interruptions left out"),
                (Over::Clock, "Clock", "Time of day (UTC), as if training had never been interrupted"),
            ] {
                ui.selectable_value(&mut self.over, over, name).on_hover_text(hint);
            }
            ui.separator();
            ui.add_enabled(self.over != Over::Clock, egui::Checkbox::new(&mut self.log_x, "Log x"));
            let log: Vec<String> = metrics.iter().filter(|m| m.log).map(|m| m.title.to_lowercase()).collect();
            ui.checkbox(&mut self.log_y, "Log y").on_hover_text(format!(
                "For what falls over decades: {}. What has a least value is drawn as its distance from it.",
                log.join(", ")
            ));
            ui.separator();
            let label = ui.label("Smoothing");
            let slider = egui::Slider::new(&mut self.smoothing, 0.0..=5000.0)
                .logarithmic(true)
                .smallest_positive(2.0)
                .max_decimals(0)
                .suffix(" steps");
            ui.add(slider).labelled_by(label.id).on_hover_text(
                "Smooths curves by an exponential mean over this many points; the raw curve stays visible",
            );
            if !seeds::groups(&state.shown).is_empty() {
                ui.separator();
                ui.checkbox(&mut self.seeds, "Mean of seeds").on_hover_text(
                    "Runs that differ in their seed only are drawn as their mean, with one standard deviation to each side",
                );
            }
            ui.separator();
            let fit = ui.button("Show all").on_hover_text(
                "Drag to move, scroll with Ctrl to zoom, drag with the right button to zoom into a part, double click for full size; the \
                 x-axes move together",
            );
            let axes = |looks: Looks| (looks.x.over, looks.x.log, looks.log_y);
            self.fit |= fit.clicked() || axes(before) != axes(self.looks(state));
        });
    }

    /// Draws the charts: what was asked of one, and where the pointer is.
    fn charts<'a>(
        &mut self,
        ui: &mut Ui,
        state: &AppState,
        metrics: &[&'a Metric],
    ) -> (Option<(&'a Metric, ChartWish)>, Option<f64>) {
        let looks = self.looks(state);
        let (fit, cursor, full) = (std::mem::take(&mut self.fit), self.cursor, self.full.is_some());
        let (mut wish, mut pointed) = (None, None);
        let space = ui.available_size();
        let columns = ((space.x / LEAST) as usize).clamp(1, 3).min(metrics.len().max(1));
        let rows = metrics.len().div_ceil(columns).max(1);
        let gap = 12.0;
        let width = (space.x - gap * (columns as f32 - 1.0)) / columns as f32;
        let height = ((space.y - gap * (rows as f32 - 1.0)) / rows as f32).max(LOW);
        egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            ui.spacing_mut().item_spacing = egui::vec2(gap, gap);
            for row in metrics.chunks(columns) {
                ui.horizontal_top(|ui| {
                    for &metric in row {
                        let (runs, front) = (&state.shown, state.focus);
                        let view = ChartView { metric, runs, front, looks, fit, cursor, full };
                        let answer: ChartAnswer = chart::ui(ui, &view, egui::vec2(width, height));
                        wish = wish.or(answer.wish.map(|wish| (metric, wish)));
                        pointed = pointed.or(answer.cursor);
                    }
                });
            }
        });
        (wish, pointed)
    }

    /// Writes a chart into a folder beside the runs.
    fn save(&self, state: &AppState, metric: &Metric, content: ChartContent) {
        let folder = state.settings.runs.join("charts");
        self.files.ask(ChartJob { folder, name: metric.name.to_owned(), content });
    }
}

/// The visible runs as a picture, over epochs.
fn picture(state: &AppState, metric: &Metric) -> Chart {
    let visible = || state.shown.iter().filter(|run| run.visible);
    let line = |run: &crate::app::state::OpenRun| {
        let curve = run.record.curve(metric.name);
        let per_epoch = run.record.steps_per_epoch();
        let points = curve.outline(curve.extent().unwrap_or_default(), 800).into_iter();
        let curves = vec![points.map(|[step, value]| [step / per_epoch, value]).collect()];
        ChartLine { label: run.name.clone(), look: run.color % LOOKS, curves }
    };
    let level = state.front().and_then(|run| run.record.level(metric.name));
    let name = match metric.level {
        Some(crate::method::Level::Untrained) => "untrained",
        _ => "healthy",
    };
    Chart {
        title: match metric.level {
            Some(crate::method::Level::Healthy { factor, .. }) => format!("{} × {factor}", metric.title),
            _ => metric.title.to_owned(),
        },
        unit: metric.unit,
        from_zero: metric.from_zero,
        lines: visible().map(line).filter(|line| !line.curves[0].is_empty()).collect(),
        references: level.map(|y| Reference { label: name.to_owned(), y }).into_iter().collect(),
        ..Chart::default()
    }
}

/// Every number of the visible runs.
fn rows(state: &AppState, metric: &Metric) -> Vec<ChartRow> {
    let mut rows = Vec::new();
    for run in state.shown.iter().filter(|run| run.visible) {
        let (record, per_epoch) = (&run.record, run.record.steps_per_epoch());
        rows.extend(record.curve(metric.name).points().map(|[step, value]| ChartRow {
            run: run.name.clone(),
            step,
            epoch: step / per_epoch,
            seconds: record.elapsed(step),
            value,
        }));
    }
    rows
}

/// Which line is which run; a click hides one.
fn legend(ui: &mut Ui, state: &mut AppState) {
    let dark = ui.visuals().dark_mode;
    // Many runs do not push the charts away.
    egui::ScrollArea::vertical().id_salt("legend").max_height(58.0).auto_shrink([false, true]).show(ui, |ui| {
        ui.horizontal_wrapped(|ui| {
            let focus = state.focus;
            for (place, run) in state.shown.iter_mut().enumerate() {
                let color = theme::run(dark, run.color);
                let (swatch, _) = ui.allocate_exact_size(egui::vec2(16.0, 16.0), egui::Sense::hover());
                let line = egui::Rect::from_center_size(swatch.center(), egui::vec2(16.0, 3.0));
                let color = if run.visible { color } else { color.gamma_multiply(0.3) };
                ui.painter().rect_filled(line, 1.0, color);
                let mut text = RichText::new(&run.name);
                if place == focus {
                    text = text.strong();
                }
                if !run.visible {
                    text = text.weak().strikethrough();
                }
                let hint = "Click to hide or show it";
                if ui.add(egui::Button::new(text).frame(false)).on_hover_text(hint).clicked() {
                    run.visible = !run.visible;
                }
                ui.add_space(6.0);
            }
        });
    });
}
