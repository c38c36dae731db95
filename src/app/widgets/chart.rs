//! One chart: a curve of several runs over each other, with the level that it is held against.

use egui::{Color32, RichText, Ui, Vec2};
use egui_plot::{FilledArea, HLine, Line, LineStyle, Plot, PlotBounds, PlotPoints, Points, VLine};

use crate::app::state::OpenRun;
use crate::app::state::record::Record;
use crate::app::state::seeds;
use crate::app::widgets::axis::{PlotAxis, round};
use crate::app::widgets::over::XAxis;
use crate::app::widgets::{cursor, theme};
use crate::format;
use crate::method::{Level, Metric};

/// How curves are drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::app) struct Looks {
    pub x: XAxis,
    pub log_y: bool,
    /// Points that the smoothed line is a mean of; 0 draws none.
    pub smoothing: f64,
    /// Whether runs of one configuration are drawn as their mean and spread.
    pub seeds: bool,
}

/// What is drawn of a metric.
pub(in crate::app) struct ChartView<'a> {
    pub metric: &'a Metric,
    pub runs: &'a [OpenRun],
    /// The place of the run whose level and number are shown.
    pub front: usize,
    pub looks: Looks,
    /// Whether everything is shown again.
    pub fit: bool,
    /// Where the pointer is, in any of the charts.
    pub cursor: Option<f64>,
    /// Whether the chart has the window to itself.
    pub full: bool,
}

/// What was asked of a chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::app) enum ChartWish {
    /// To have the window to itself, or no longer.
    Full,
    Png,
    Csv,
}

/// What came of drawing one.
#[derive(Debug, Default)]
pub(in crate::app) struct ChartAnswer {
    /// Where the pointer is in it.
    pub cursor: Option<f64>,
    pub wish: Option<ChartWish>,
}

/// Below this many points each has a dot.
const DOTS: usize = 40;
/// Left of the curves, the same for all charts, so that they stand below each other.
const NUMBERS: f32 = 46.0;

impl ChartView<'_> {
    fn in_front(&self) -> Option<&OpenRun> {
        self.runs.get(self.front)
    }

    /// A logarithm is of what a number is above the least that it can be.
    fn y(&self) -> PlotAxis {
        let log = self.looks.log_y && self.metric.log;
        PlotAxis { offset: if log { -self.least() } else { 0.0 }, log, ..PlotAxis::PLAIN }
    }

    /// The least that the metric can be; of all runs in a chart the one in front decides. 0 where nothing bounds it.
    fn least(&self) -> f64 {
        let of_front = self.in_front().and_then(|run| declared(self.metric, &run.record));
        of_front.unwrap_or(self.metric).least.unwrap_or(0.0)
    }

    /// What stands beside the y axis: what is drawn, in which unit.
    pub fn y_label(&self) -> String {
        let plain = match (self.metric.level, self.metric.unit.trim()) {
            (Some(Level::Healthy { factor, .. }), _) => format!("std · {factor}"),
            (_, "") => self.metric.title.to_lowercase(),
            (_, unit) => unit.to_owned(),
        };
        match self.y() {
            PlotAxis { log: false, .. } => plain,
            PlotAxis { offset, .. } if offset > 0.0 => format!("{plain} + {}, log", round(offset)),
            PlotAxis { offset, .. } if offset < 0.0 => format!("{plain} − {}, log", round(-offset)),
            _ => format!("{plain}, log"),
        }
    }
}

/// The metric as a run has it.
fn declared<'a>(metric: &Metric, record: &'a Record) -> Option<&'a Metric> {
    record.metrics.iter().find(|other| other.name == metric.name)
}

/// A number of a metric with its unit.
pub(in crate::app) fn with_unit(metric: &Metric, value: f64) -> String {
    match metric.unit.trim() {
        "" if metric.short.is_some() => format::number(value, metric.digits.max(2)),
        "" => precise(value),
        "%" => format!("{} %", format::number(value, 1)),
        unit => format!("{} {unit}", round(value)),
    }
}

/// For a value that is asked for.
fn precise(value: f64) -> String {
    match value.abs() {
        10.0..1e4 => format::number(value, 1),
        1e-2..10.0 => format::number(value, 3),
        1e-3..1e-2 => format::number(value, 5),
        _ => round(value),
    }
}

/// What a metric is held against, with its name.
fn level(metric: &Metric, record: &Record) -> Option<(f64, &'static str)> {
    let level = record.level(metric.name)?;
    Some(match metric.level? {
        Level::Healthy { .. } => (level, "healthy"),
        Level::Untrained => (level, "untrained"),
    })
}

/// Draws a metric of the runs that are visible.
pub(in crate::app) fn ui(ui: &mut Ui, view: &ChartView, size: Vec2) -> ChartAnswer {
    let layout = egui::Layout::top_down(egui::Align::LEFT);
    let mut answer = ChartAnswer::default();
    ui.allocate_ui_with_layout(size, layout, |ui| {
        ui.set_min_size(size);
        ui.spacing_mut().item_spacing.y = 2.0;
        let wish = ui.horizontal(|ui| heading(ui, view)).inner;
        answer = plot(ui, view);
        answer.wish = answer.wish.or(wish);
    });
    answer
}

/// What it is, the number of the run in front at the cursor or its last, and what can be done with the chart.
fn heading(ui: &mut Ui, view: &ChartView) -> Option<ChartWish> {
    ui.add_space(NUMBERS + 4.0);
    let metric = view.metric;
    ui.label(RichText::new(metric.title).strong()).on_hover_text(metric.help);
    let in_front = view.in_front();
    let at = view.cursor.zip(in_front).and_then(|(place, run)| cursor::value(metric, run, view.looks.x, place));
    let last = in_front.and_then(|run| run.record.curve(metric.name).last());
    match at.or(last) {
        Some([_, value]) => ui.label(with_unit(metric, value)).on_hover_text("Of the run in front"),
        None => ui.label(RichText::new("not measured").weak().size(12.5)),
    };
    if let Some((level, text)) = in_front.and_then(|run| level(metric, &run.record)) {
        let text = format!("{text} {}", with_unit(metric, level).trim_end_matches(".00"));
        ui.add(egui::Label::new(RichText::new(text).weak().size(12.5)).truncate());
    }
    let mut wish = None;
    ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
        let menu = ui.menu_button("…", |ui| {
            let full = if view.full { "All charts" } else { "Full size" };
            for (name, of) in
                [(full, ChartWish::Full), ("Save as PNG", ChartWish::Png), ("Save as CSV", ChartWish::Csv)]
            {
                if ui.button(name).clicked() {
                    wish = Some(of);
                    ui.close();
                }
            }
        });
        let name = format!("Chart menu of {}", metric.title);
        menu.response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, &name));
        if view.full && ui.button("All charts").on_hover_text("Escape").clicked() {
            wish = Some(ChartWish::Full);
        }
    });
    wish
}

fn plot(ui: &mut Ui, view: &ChartView) -> ChartAnswer {
    let ChartView { metric, runs, looks, .. } = *view;
    let front = view.in_front();
    let (x, y) = (looks.x, view.y());
    let color = ui.visuals().text_color();
    let (quiet, dark, marked) = (color.gamma_multiply(0.5), ui.visuals().dark_mode, theme::alarm(ui));
    let pixels = ui.available_width().max(16.0) as usize;
    let group = egui::Id::unique("curves");
    let mut plot = Plot::new(("chart", metric.name, view.full))
        .link_axis(group, [true, false])
        .link_cursor(group, [true, false])
        .allow_double_click_reset(false)
        .y_axis_min_width(NUMBERS)
        .show_background(false)
        .grid_color(color.gamma_multiply(0.22))
        .x_axis_label(RichText::new(x.label()).size(11.5))
        .y_axis_label(RichText::new(view.y_label()).size(11.5))
        .x_grid_spacer(move |input| x.marks(input))
        .y_grid_spacer(move |input| y.marks(input))
        .x_axis_formatter(move |mark, seen| x.mark(mark, seen))
        .y_axis_formatter(move |mark, seen| y.label(mark, seen))
        .label_formatter(|_| None);
    // One range for all charts, also for a curve that has a single point yet.
    for run in runs.iter().filter(|run| run.visible) {
        let ends = run.record.extent().unwrap_or_default();
        let places = ends.map(|step| x.place(&run.record, step));
        for place in places.into_iter().filter(|place| place.is_finite()) {
            plot = plot.include_x(place);
        }
    }
    let held_against = front.and_then(|run| level(metric, &run.record));
    match (metric.level, held_against) {
        // Less than a point of accuracy is nothing to fill a chart with.
        (Some(Level::Untrained), Some((level, _))) => {
            for value in [level - 1.0, level + 1.0] {
                plot = plot.include_y(y.place(value.max(0.1)));
            }
        }
        (Some(Level::Healthy { .. }), _) => plot = plot.include_y(1.1),
        _ => {}
    }
    if metric.from_zero && !y.log {
        plot = plot.include_y(0.0);
    }
    if view.fit {
        plot = plot.reset();
    }
    let shown = plot.show(ui, |ui| {
        let seen = match ui.auto_bounds().x {
            true => None,
            false => Some(ui.plot_bounds()),
        };
        let pen = Pen { metric, x, y, seen, pixels, dark };
        let groups = if looks.seeds { seeds::groups(runs) } else { Vec::new() };
        let in_band = |run: &OpenRun| groups.iter().flatten().any(|other| other.folder == run.folder);
        // The run in front is drawn last, over the others.
        let others = runs.iter().filter(|run| front.is_none_or(|f| f.folder != run.folder));
        for run in others.chain(front).filter(|run| run.visible) {
            pen.curve(ui, run, looks.smoothing, in_band(run));
        }
        for group in &groups {
            pen.band(ui, group);
        }
        if let Some((level, name)) = held_against {
            let line = HLine::new(name, y.place(level)).color(quiet).width(1.0);
            ui.hline(line.style(LineStyle::dashed_dense()).allow_hover(false));
        }
        for run in front.iter().filter(|run| run.visible && metric.marks_alarms) {
            for alarm in &run.record.alarms {
                let at = x.place(&run.record, alarm.step as f64);
                let line = VLine::new(format!("alarm: {}", alarm.kind), at);
                ui.vline(line.color(marked).width(1.5).style(LineStyle::dashed_dense()));
            }
        }
    });
    let full = shown.response.double_clicked().then_some(ChartWish::Full);
    let pointed = shown.response.hover_pos().map(|at| shown.transform.value_from_position(at).x);
    if let Some(place) = pointed {
        cursor::ui(ui, &shown.response, metric, runs, view.front, x, place);
    }
    ChartAnswer { cursor: pointed, wish: full }
}

/// What curves of one chart are drawn with.
struct Pen<'a> {
    metric: &'a Metric,
    x: XAxis,
    y: PlotAxis,
    seen: Option<PlotBounds>,
    pixels: usize,
    dark: bool,
}

impl Pen<'_> {
    /// The steps of a run that are seen.
    fn range(&self, run: &OpenRun, all: [f64; 2]) -> [f64; 2] {
        match self.seen {
            None => all,
            Some(bounds) => [bounds.min()[0], bounds.max()[0]].map(|place| self.x.step(&run.record, place)),
        }
    }

    fn points<'a>(&self, run: &OpenRun, points: Vec<[f64; 2]>) -> PlotPoints<'a> {
        let placed = points.into_iter().map(|[step, value]| [self.x.place(&run.record, step), self.y.place(value)]);
        placed.filter(|[x, y]| x.is_finite() && y.is_finite()).collect::<Vec<_>>().into()
    }

    /// The curve of a run; faint where its mean is drawn over it.
    fn curve(&self, ui: &mut egui_plot::PlotUi<'_>, run: &OpenRun, smoothing: f64, in_band: bool) {
        let series = run.record.curve(self.metric.name);
        let Some(all) = series.extent() else { return };
        let range = self.range(run, all);
        let color = theme::run(self.dark, run.color);
        let smooth = smoothing > 1.0 && series.len() > DOTS;
        let faint = if smooth || in_band { color.gamma_multiply(0.28) } else { color };
        if series.len() < DOTS {
            let dots = self.points(run, series.outline(range, self.pixels));
            ui.points(Points::new(run.name.clone(), dots).color(faint).radius(2.5));
        }
        let raw = self.points(run, series.outline(range, self.pixels));
        let raw = Line::new(run.name.clone(), raw).width(if smooth { 1.0 } else { 1.6 });
        ui.line(raw.color(faint));
        if smooth && !in_band {
            let mean = self.points(run, series.smooth(range, self.pixels, smoothing));
            ui.line(Line::new(run.name.clone(), mean).color(color).width(1.8));
        }
    }

    /// Mean and spread of runs that differ in their seed.
    fn band(&self, ui: &mut egui_plot::PlotUi<'_>, group: &[&OpenRun]) {
        let curves: Vec<_> = group.iter().map(|run| run.record.curve(self.metric.name)).collect();
        let Some((run, all)) = group.first().and_then(|run| Some((run, run.record.extent()?))) else { return };
        let band = seeds::band(&curves, self.range(run, all), (self.pixels / 4).clamp(8, 200));
        let color = theme::run(self.dark, run.color);
        let mut drawn: [Vec<f64>; 4] = Default::default();
        for ((step, mean), spread) in band.steps.iter().zip(&band.mean).zip(&band.spread) {
            let place = self.x.place(&run.record, *step);
            let values = [*mean, mean - spread, mean + spread].map(|value| self.y.place(value));
            if place.is_finite() && values.iter().all(|value| value.is_finite()) {
                drawn[0].push(place);
                drawn[1..].iter_mut().zip(values).for_each(|(of, value)| of.push(value));
            }
        }
        let [xs, mean, low, high] = drawn;
        if xs.len() < 2 {
            return;
        }
        let area = FilledArea::new("spread", &xs, &low, &high).fill_color(fade(color)).allow_hover(false);
        ui.add(area);
        let mean: Vec<[f64; 2]> = xs.into_iter().zip(mean).map(|(x, y)| [x, y]).collect();
        ui.line(Line::new(format!("mean of {} seeds", group.len()), mean).color(color).width(2.2).allow_hover(false));
    }
}

fn fade(color: Color32) -> Color32 {
    color.gamma_multiply(0.24)
}
