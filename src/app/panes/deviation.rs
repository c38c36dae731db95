//! The std of every output channel times √d, of which 1 is healthy: over time, and sorted now. A collapse to few directions shows here
//! before anything else tells.

use egui::{Color32, ColorImage, RichText, TextureHandle, TextureOptions, Ui};
use egui_plot::{HLine, Line, LineStyle, Plot, PlotPoints};

use crate::app::panes::pane::Pane;
use crate::app::state::notices::Grade;
use crate::app::state::record::Record;
use crate::app::state::{AppState, OpenRun};
use crate::app::widgets::axis::{PlotAxis, round};
use crate::app::widgets::theme;
use crate::format;
use crate::method::metric::names;

/// Channels above which neighbours share a row of the strip: screens have no more.
const ROWS: usize = 1024;
/// Below this a channel counts as flat.
const FLAT: f32 = 0.25;

/// The strip as a texture, of a run at a version of its channels.
struct Strip {
    of: (std::path::PathBuf, u64),
    sorted: bool,
    texture: TextureHandle,
}

/// The pane.
#[derive(Default)]
pub(in crate::app) struct DeviationPane {
    strip: Option<Strip>,
    sorted: bool,
}

impl Pane for DeviationPane {
    fn name(&self) -> &'static str {
        "Output std"
    }

    fn ui(&mut self, ui: &mut Ui, state: &mut AppState) {
        let Some(run) = state.front() else {
            super::no_run(ui);
            return;
        };
        let record = &run.record;
        let Some((step, now)) = record.channels.newest() else {
            super::empty(
                ui,
                "No channel has been measured yet.",
                "A training measures them ten times an epoch; a run that is read from its folder has them once an epoch.",
            );
            return;
        };
        let (step, healthy) = (*step, record.healthy_std() as f32);
        let now: Vec<f32> = now.iter().map(|std| std / healthy).collect();
        ui.label(RichText::new(format!("The {} outputs of {} at step {step}", now.len(), run.name)).heading());
        verdict(ui, record, &now);
        ui.add_space(4.0);
        ui.horizontal(|ui| {
            ui.checkbox(&mut self.sorted, "Sort each column")
                .on_hover_text("Otherwise a row is a channel through all the time");
            ui.separator();
            scale(ui);
        });
        let space = ui.available_size();
        let width = (space.x - 24.0) * 0.58;
        ui.horizontal_top(|ui| {
            ui.allocate_ui(egui::vec2(width, space.y), |ui| {
                ui.vertical(|ui| self.strip(ui, run, healthy));
            });
            ui.add_space(12.0);
            ui.vertical(|ui| profile(ui, run, &now));
        });
    }
}

/// What to look for, and what is seen.
fn verdict(ui: &mut Ui, record: &Record, now: &[f32]) {
    let flat = now.iter().filter(|&&std| std < FLAT).count();
    let mean = now.iter().map(|&std| f64::from(std)).sum::<f64>() / now.len() as f64;
    let rank = record.curve(names::EFFECTIVE_RANK);
    let mut text = format!(
        "Mean std · √d {} where 1 is healthy; {flat} of {} channels are below a quarter of that.",
        format::number(mean, 2),
        now.len()
    );
    if let (Some([_, last]), Some([_, first])) = (rank.last(), rank.at(0.0)) {
        text += &format!(" Effective rank {}, {} before training.", round(last), round(first));
    }
    let bad = flat * 4 > now.len() || mean < 0.5;
    let color = match bad {
        true => theme::grade(ui, Grade::Warning),
        false => ui.visuals().text_color(),
    };
    ui.label(RichText::new(text).color(color));
    ui.label(
        RichText::new(
            "Look for rows that turn dark and stay so: a channel that is the same for every image carries nothing. A flat profile at the \
             dashed line is healthy; one that falls steeply is a collapse of some dimensions. All channels can be well and the rank low, \
             where they say the same: read both.",
        )
        .weak(),
    );
}

/// Of std·√d.
fn color(value: f32) -> Color32 {
    // From nothing over healthy to twice that: dark, blue-green, yellow; in between mixed.
    const STOPS: [(f32, [f32; 3]); 5] = [
        (0.0, [18.0, 8.0, 28.0]),
        (0.5, [60.0, 60.0, 140.0]),
        (1.0, [30.0, 150.0, 140.0]),
        (1.5, [150.0, 210.0, 80.0]),
        (2.0, [253.0, 232.0, 60.0]),
    ];
    let value = value.clamp(0.0, 2.0);
    let above = STOPS.iter().position(|(at, _)| *at >= value).unwrap_or(4).max(1);
    let ((from, a), (to, b)) = (STOPS[above - 1], STOPS[above]);
    let part = (value - from) / (to - from);
    let mix = |i: usize| (a[i] + (b[i] - a[i]) * part) as u8;
    Color32::from_rgb(mix(0), mix(1), mix(2))
}

/// What the colours mean.
fn scale(ui: &mut Ui) {
    ui.label(RichText::new("std · √d:").weak());
    for value in [0.0, 0.5, 1.0, 1.5, 2.0] {
        let (rect, _) = ui.allocate_exact_size(egui::vec2(18.0, 14.0), egui::Sense::hover());
        ui.painter().rect_filled(rect, 0.0, color(value));
        let text = match value {
            1.0 => "1 healthy".to_owned(),
            2.0 => "2 and more".to_owned(),
            value => round(f64::from(value)),
        };
        ui.label(RichText::new(text).weak());
    }
}

impl DeviationPane {
    fn strip(&mut self, ui: &mut Ui, run: &OpenRun, healthy: f32) {
        ui.label(RichText::new("Every channel over time").strong());
        let channels = &run.record.channels;
        let of = (run.folder.clone(), channels.version());
        let known = self.strip.as_ref().is_some_and(|s| s.of == of && s.sorted == self.sorted);
        if !known {
            let columns: Vec<&Vec<f32>> = channels.columns().map(|(_, column)| column).collect();
            let image = strip(&columns, healthy, self.sorted);
            let texture = match self.strip.take() {
                Some(mut old) => {
                    old.texture.set(image, TextureOptions::NEAREST);
                    old.texture
                }
                None => ui.ctx().load_texture("channels", image, TextureOptions::NEAREST),
            };
            self.strip = Some(Strip { of, sorted: self.sorted, texture });
        }
        let Some(strip) = &self.strip else { return };
        let size = ui.available_size() - egui::vec2(0.0, 24.0);
        let image = egui::Image::new((strip.texture.id(), size)).fit_to_exact_size(size);
        let response = ui.add(image.alt_text("The std of every channel over time"));
        let columns: Vec<&(u64, Vec<f32>)> = channels.columns().collect();
        if let Some(at) = response.hover_pos() {
            let part = (at - response.rect.min) / response.rect.size();
            let column = ((part.x * columns.len() as f32) as usize).min(columns.len().saturating_sub(1));
            if let Some((step, values)) = columns.get(column) {
                let row = ((part.y * values.len() as f32) as usize).min(values.len() - 1);
                let text = match self.sorted {
                    true => format!("step {step}"),
                    false => format!("step {step}, channel {row}: {}", round(f64::from(values[row] / healthy))),
                };
                response.on_hover_text_at_pointer(text);
            }
        }
        ui.horizontal(|ui| {
            let first = columns.first().map_or(0, |(step, _)| *step);
            let last = columns.last().map_or(0, |(step, _)| *step);
            ui.label(RichText::new(format!("step {first}")).weak());
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                ui.label(RichText::new(format!("step {last}")).weak());
            });
        });
    }
}

/// A column a measurement, a row a channel.
fn strip(columns: &[&Vec<f32>], healthy: f32, sorted: bool) -> ColorImage {
    let channels = columns.first().map_or(1, |column| column.len().max(1));
    let rows = channels.min(ROWS);
    let mut image = ColorImage::filled([columns.len().max(1), rows], Color32::BLACK);
    for (x, column) in columns.iter().enumerate() {
        let mut values = (*column).clone();
        if sorted {
            values.sort_by(|a, b| b.total_cmp(a));
        }
        for y in 0..rows {
            let part = y * channels / rows..((y + 1) * channels / rows).max(y * channels / rows + 1);
            let some = values.get(part).unwrap_or_default();
            let mean = some.iter().sum::<f32>() / some.len().max(1) as f32;
            image.pixels[y * image.size[0] + x] = color(mean / healthy);
        }
    }
    image
}

/// The channels now, the largest first.
fn profile(ui: &mut Ui, run: &OpenRun, now: &[f32]) {
    ui.label(RichText::new("Sorted, now: std · √d of each channel").strong());
    let mut sorted: Vec<f32> = now.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let points: Vec<[f64; 2]> = sorted.iter().enumerate().map(|(i, &std)| [i as f64, f64::from(std)]).collect();
    let text = ui.visuals().text_color();
    let color = theme::run(ui.visuals().dark_mode, run.color);
    let most = f64::from(sorted.first().copied().unwrap_or(0.0).max(1.0)) * 1.1;
    Plot::new("profile")
        .allow_drag(false)
        .allow_zoom(false)
        .allow_scroll(false)
        .allow_boxed_zoom(false)
        .show_background(false)
        .grid_color(text.gamma_multiply(0.22))
        .x_grid_spacer(|input| PlotAxis::PLAIN.marks(input))
        .y_grid_spacer(|input| PlotAxis::PLAIN.marks(input))
        .include_y(0.0)
        .include_y(most)
        .y_axis_min_width(46.0)
        .x_axis_label("channels, the widest first")
        .y_axis_label("std · √d")
        .x_axis_formatter(|mark, seen| PlotAxis::PLAIN.label(mark, seen))
        .y_axis_formatter(|mark, seen| PlotAxis::PLAIN.label(mark, seen))
        .label_formatter(|_| None)
        .show(ui, |ui| {
            let line = Line::new("std", PlotPoints::from(points));
            ui.line(line.color(color).width(2.0).fill(0.0).fill_alpha(0.2));
            let level = HLine::new("healthy", 1.0);
            ui.hline(level.color(text.gamma_multiply(0.6)).width(1.0).style(LineStyle::dashed_dense()));
        });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dark_is_flat_and_many_channels_share_rows() {
        let light = |c: Color32| u32::from(c.r()) + u32::from(c.g()) + u32::from(c.b());
        let steps: Vec<u32> = [0.0, 0.25, 0.75, 1.0, 1.5, 2.0].map(|v| light(color(v))).into();
        assert!(steps.is_sorted(), "{steps:?}");
        assert_eq!(color(9.0), color(2.0));
        let column = vec![0.1; 3000];
        let image = strip(&[&column, &column], 0.1, true);
        assert_eq!(image.size, [2, ROWS]);
        assert!(image.pixels.iter().all(|pixel| *pixel == color(1.0)));
    }
}
