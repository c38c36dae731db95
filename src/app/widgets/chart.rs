//! One chart: a curve of several runs over each other, with the level that it is held against.

use egui::{Color32, RichText, Ui, Vec2};
use egui_plot::{HLine, HoverPosition, Line, LineStyle, Plot, PlotBounds, PlotPoints, Points, VLine};

use crate::app::state::OpenRun;
use crate::app::state::record::Record;
use crate::app::widgets::axis::{PlotAxis, round};
use crate::app::widgets::theme;
use crate::method::{Level, Metric};

/// How curves are drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::app) struct Looks {
    /// Over epochs, not steps.
    pub epochs: bool,
    pub log_x: bool,
    pub log_y: bool,
    /// Points that the smoothed line is a mean of; 0 draws none.
    pub smoothing: f64,
}

/// Below this many points each has a dot.
const DOTS: usize = 40;
/// Left of the curves, the same for all charts, so that they stand below each other.
const NUMBERS: f32 = 46.0;

impl Looks {
    fn x(self, record: &Record) -> PlotAxis {
        PlotAxis { unit: if self.epochs { record.steps_per_epoch() } else { 1.0 }, log: self.log_x, ..PlotAxis::PLAIN }
    }

    /// A logarithm is of what a number is above the least that it can be.
    fn y(self, least: f64) -> PlotAxis {
        PlotAxis { offset: if self.log_y { -least } else { 0.0 }, log: self.log_y, ..PlotAxis::PLAIN }
    }
}

/// Draws a metric of the `runs` that are visible. `front` is the place of the one whose level and number are shown.
pub(in crate::app) fn ui(
    ui: &mut Ui,
    metric: &Metric,
    runs: &[OpenRun],
    front: usize,
    looks: Looks,
    size: Vec2,
    fit: bool,
) {
    let in_front = runs.get(front);
    let layout = egui::Layout::top_down(egui::Align::LEFT);
    ui.allocate_ui_with_layout(size, layout, |ui| {
        ui.set_min_size(size);
        ui.spacing_mut().item_spacing.y = 2.0;
        ui.horizontal(|ui| {
            ui.add_space(NUMBERS + 4.0);
            let mut title = match metric.unit.trim() {
                "%" => format!("{}, %", metric.title),
                _ => metric.title.to_owned(),
            };
            let least = least(metric, in_front);
            if looks.log_y && least != 0.0 {
                title += &format!(" + {}", -least);
            }
            ui.label(RichText::new(title).strong());
            match in_front.map(|run| run.record.curve(metric.name).last()) {
                Some(Some([_, last])) => ui.label(round(last)),
                _ => ui.label(RichText::new("not measured").weak().size(12.5)),
            };
            if let Some((level, text)) = in_front.and_then(|run| level(metric, &run.record)) {
                let text = format!("{text} {}", round(level));
                ui.label(RichText::new(text).weak().size(12.5));
            }
        });
        plot(ui, metric, runs, in_front, looks, fit);
    });
}

/// The least that a metric can be; of all runs in a chart the one in front decides. 0 where nothing bounds it.
fn least(metric: &Metric, front: Option<&OpenRun>) -> f64 {
    let of_front = front.and_then(|run| run.record.metrics.iter().find(|other| other.name == metric.name));
    of_front.unwrap_or(metric).least.unwrap_or(0.0)
}

/// What a metric is held against, with its name.
fn level(metric: &Metric, record: &Record) -> Option<(f64, String)> {
    let level = record.level(metric.name)?;
    Some(match metric.level? {
        Level::Healthy { formula, .. } => (level, format!("healthy, {formula}:")),
        Level::Untrained => (level, "untrained:".to_owned()),
    })
}

/// The healthy level of every run by its name, and what the ratio to it is called: runs of other widths are compared by it.
fn ratios(metric: &Metric, runs: &[OpenRun]) -> Vec<(String, String, f64)> {
    let ratio = |run: &OpenRun| {
        let own = run.record.metrics.iter().find(|other| other.name == metric.name)?;
        match own.level? {
            Level::Healthy { value, factor, .. } => {
                let name = own.short.unwrap_or(own.title);
                Some((run.name.clone(), format!("{name} · {factor}"), value))
            }
            Level::Untrained => None,
        }
    };
    runs.iter().filter_map(ratio).collect()
}

fn plot(ui: &mut Ui, metric: &Metric, runs: &[OpenRun], front: Option<&OpenRun>, looks: Looks, fit: bool) {
    let y = looks.y(least(metric, front));
    let x = PlotAxis { log: looks.log_x, ..PlotAxis::PLAIN };
    let unit = if looks.epochs { "epoch" } else { "step" };
    let color = ui.visuals().text_color();
    let quiet = color.gamma_multiply(0.5);
    let pixels = ui.available_width().max(16.0) as usize;
    let group = egui::Id::unique("curves");
    let ratios = ratios(metric, runs);
    let mut plot = Plot::new(("chart", metric.name))
        .link_axis(group, [true, false])
        .link_cursor(group, [true, false])
        .y_axis_min_width(NUMBERS)
        .show_background(false)
        .grid_color(color.gamma_multiply(0.22))
        .x_grid_spacer(move |input| x.marks(input))
        .y_grid_spacer(move |input| y.marks(input))
        .x_axis_formatter(move |mark, seen| x.label(mark, seen))
        .y_axis_formatter(move |mark, seen| y.label(mark, seen))
        .label_formatter(move |position| {
            let HoverPosition::NearDataPoint { plot_name, position, .. } = position else {
                return None;
            };
            let (at, value) = (x.value(position.x), y.value(position.y));
            let at = if looks.epochs { round(at) } else { format!("{at:.0}") };
            let ratio = ratios.iter().find(|(name, ..)| name == plot_name);
            let ratio = ratio.map_or(String::new(), |(_, ratio, level)| format!(" ({ratio} {:.2})", value / level));
            Some(format!("{plot_name}\n{unit} {at}: {}{ratio}", precise(value)))
        });
    // One range for all charts, also for a curve that has a single point yet.
    for run in runs.iter().filter(|run| run.visible) {
        let ends = run.record.extent().unwrap_or_default();
        let places = ends.map(|step| looks.x(&run.record).place(step));
        for place in places.into_iter().filter(|place| place.is_finite()) {
            plot = plot.include_x(place);
        }
    }
    if let (Some(Level::Untrained), Some((level, _))) = (metric.level, front.and_then(|run| level(metric, &run.record)))
    {
        // Less than a point of accuracy is nothing to fill a chart with.
        for value in [level - 1.0, level + 1.0] {
            plot = plot.include_y(y.place(value.max(0.1)));
        }
    }
    if fit {
        plot = plot.reset();
    }
    plot.show(ui, |ui| {
        let seen = match ui.auto_bounds().x {
            true => None,
            false => Some(ui.plot_bounds()),
        };
        // The run in front is drawn last, over the others.
        let others = runs.iter().filter(|run| front.is_none_or(|f| f.folder != run.folder));
        for run in others.chain(front).filter(|run| run.visible) {
            draw(ui, metric, run, (looks, y), seen, pixels);
        }
        if let Some((level, name)) = front.and_then(|run| level(metric, &run.record)) {
            let line = HLine::new(name, y.place(level)).color(quiet).width(1.0);
            ui.hline(line.style(LineStyle::dashed_dense()).allow_hover(false));
        }
        for run in front.iter().filter(|run| run.visible && metric.marks_alarms) {
            for alarm in &run.record.alarms {
                let at = looks.x(&run.record).place(alarm.step as f64);
                let line = VLine::new(format!("alarm: {}", alarm.kind), at);
                let color = Color32::from_rgb(0xe0, 0x90, 0x20);
                ui.vline(line.color(color).width(1.5).style(LineStyle::dashed_dense()));
            }
        }
    });
}

/// For a value that is asked for.
fn precise(value: f64) -> String {
    match value.abs() {
        1e-3..1e5 => format!("{value:.4}").replace('-', "−"),
        _ => round(value),
    }
}

fn draw<'a>(
    ui: &mut egui_plot::PlotUi<'a>,
    metric: &Metric,
    run: &'a OpenRun,
    (looks, y): (Looks, PlotAxis),
    seen: Option<PlotBounds>,
    pixels: usize,
) {
    let series = run.record.curve(metric.name);
    let x = looks.x(&run.record);
    let Some(all) = series.extent() else { return };
    // Back to steps, in which the points are kept.
    let steps = |place: f64| x.value(place) * x.unit;
    let range = match seen {
        None => all,
        Some(bounds) => [steps(bounds.min()[0]), steps(bounds.max()[0])],
    };
    let points = |points: Vec<[f64; 2]>| -> PlotPoints<'a> {
        points
            .into_iter()
            .map(|[step, value]| [x.place(step), y.place(value)])
            .filter(|[x, y]| x.is_finite() && y.is_finite())
            .collect::<Vec<_>>()
            .into()
    };
    let color = theme::run(run.color);
    let smooth = looks.smoothing > 1.0 && series.len() > DOTS;
    let raw = points(series.outline(range, pixels));
    if series.len() < DOTS {
        let dots = points(series.outline(range, pixels));
        ui.points(Points::new(run.name.clone(), dots).color(color).radius(2.5));
    }
    let raw = Line::new(run.name.clone(), raw).width(if smooth { 1.0 } else { 1.6 });
    let faint = if smooth { color.gamma_multiply(0.28) } else { color };
    ui.line(raw.color(faint));
    if smooth {
        let mean = points(series.smooth(range, pixels, looks.smoothing));
        ui.line(Line::new(run.name.clone(), mean).color(color).width(1.8));
    }
}
