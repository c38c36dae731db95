//! What to train on what: data, preset, device, every setting, what it will take, and the button.

use egui::{ComboBox, RichText, ScrollArea, TextEdit, Ui};

use crate::app::panes::pane::Pane;
use crate::app::state::notices::Grade;
use crate::app::state::{AppState, Wish};
use crate::app::widgets::{form, theme};
use crate::app::workers::estimate::Estimate;
use crate::config::Config;
use crate::format;

/// Width of the left half, and what the form beside it needs.
const LEFT: f32 = 344.0;
const FORM: f32 = 350.0;

/// The pane.
#[derive(Default)]
pub(in crate::app) struct StartPane {
    /// What is typed into the field of the data, until it is left.
    typed: Option<String>,
}

impl Pane for StartPane {
    fn name(&self) -> &'static str {
        "Start"
    }

    fn ui(&mut self, ui: &mut Ui, state: &mut AppState) {
        // The button is seen wherever the settings are scrolled to.
        egui::Panel::bottom("start").resizable(false).show_separator_line(false).show(ui, |ui| {
            ui.add_space(4.0);
            start(ui, state);
        });
        if ui.available_width() < LEFT + FORM {
            ScrollArea::vertical().id_salt("all").auto_shrink(false).show(ui, |ui| {
                self.what(ui, state);
                ui.add_space(12.0);
                settings(ui, state);
            });
            return;
        }
        egui::Panel::left("what to train").exact_size(LEFT).resizable(false).show_separator_line(false).show(
            ui,
            |ui| {
                ScrollArea::vertical().id_salt("what").auto_shrink(false).show(ui, |ui| self.what(ui, state));
            },
        );
        egui::CentralPanel::default().show(ui, |ui| {
            ScrollArea::vertical().id_salt("form").auto_shrink(false).show(ui, |ui| settings(ui, state));
        });
    }
}

/// Every setting.
fn settings(ui: &mut Ui, state: &mut AppState) {
    let blamed = state.obstacle.clone();
    let blamed = blamed.as_ref().and_then(|o| Some((o.key.as_deref()?, o.text.as_str())));
    form::ui(ui, &mut state.editor, blamed);
}

fn heading(ui: &mut Ui, text: &str) -> egui::Response {
    ui.label(RichText::new(text).strong().size(15.0))
}

fn problem(ui: &mut Ui, state: &AppState, key: &str) {
    if let Some(obstacle) = &state.obstacle
        && obstacle.key.as_deref() == Some(key)
    {
        let color = theme::grade(ui, Grade::Error);
        ui.label(RichText::new(&obstacle.text).color(color));
    }
}

impl StartPane {
    /// Data, preset, device, and what it takes.
    fn what(&mut self, ui: &mut Ui, state: &mut AppState) {
        self.data(ui, state);
        ui.add_space(10.0);
        preset(ui, state);
        ui.add_space(10.0);
        device(ui, state);
        ui.add_space(14.0);
        estimate(ui, state);
    }

    fn data(&mut self, ui: &mut Ui, state: &mut AppState) {
        let label = heading(ui, "Images");
        let current = state.editor.config().data.source.clone();
        let mut text = self.typed.clone().unwrap_or_else(|| current.clone());
        let field =
            TextEdit::singleline(&mut text).hint_text("demo, a folder, or KIND:PATH").desired_width(f32::INFINITY);
        let field = ui.add(field).labelled_by(label.id);
        if field.changed() {
            self.typed = Some(text.clone());
        }
        // Each letter would open another folder.
        if field.lost_focus()
            && let Some(typed) = self.typed.take()
            && typed.trim() != current
        {
            state.wish(Wish::Take(typed.trim().to_owned()));
        }
        ui.horizontal(|ui| {
            if ui.button("Choose a folder…").on_hover_text("Ctrl+O").clicked() {
                state.wish(Wish::AskFolder);
            }
            if ui.button("Built-in images").clicked() {
                state.wish(Wish::Take("demo".to_owned()));
            }
            if !state.settings.recent.is_empty() {
                ui.menu_button("Recent", |ui| {
                    for source in state.settings.recent.clone() {
                        if ui.button(&source).clicked() {
                            state.wish(Wish::Take(source));
                            ui.close();
                        }
                    }
                });
            }
        });
        problem(ui, state, "data.source");
        let of_data = state.obstacle.as_ref().filter(|obstacle| obstacle.key.as_deref() == Some("data.source"));
        if let Some(remedy) = of_data.and_then(|obstacle| obstacle.remedy.clone())
            && ui.button(remedy.label()).clicked()
        {
            state.wish(Wish::Remedy(remedy));
        }
        if let Some(remedy) = state.estimate.as_ref().and_then(|estimate| estimate.remedy.clone())
            && ui
                .button(remedy.label())
                .on_hover_text(
                    "A tenth of the images is not trained on, and kNN shows after every epoch what is learnt",
                )
                .clicked()
        {
            state.wish(Wish::Remedy(remedy));
        }
        match &state.estimate {
            Some(estimate) => {
                for remark in &estimate.remarks {
                    let color = theme::grade(ui, Grade::Warning);
                    ui.label(RichText::new(remark).color(color));
                }
                ui.label(RichText::new(&estimate.data).weak())
            }
            None => ui.label(RichText::new("Or drop a folder on this window.").weak()),
        };
    }
}

fn preset(ui: &mut Ui, state: &mut AppState) {
    let label = heading(ui, "Preset");
    let before = state.editor.preset().to_owned();
    let mut chosen = before.clone();
    ui.horizontal(|ui| {
        ComboBox::from_id_salt("preset")
            .width(120.0)
            .selected_text(&chosen)
            .show_ui(ui, |ui| {
                for name in Config::presets() {
                    ui.selectable_value(&mut chosen, name.to_owned(), name);
                }
            })
            .response
            .labelled_by(label.id);
        if let Some(run) = state.front() {
            let hint = "Another run like the one in front, to change some of it";
            let (name, config) = (run.name.clone(), run.record.config.clone());
            let button = egui::Button::new(format!("As {name}")).truncate();
            if ui.add(button).on_hover_text(hint).clicked() {
                state.editor.take(&config);
            }
        }
        if state.editor.differences() > 0 && ui.button("Reset all").clicked() {
            chosen.clear();
        }
    });
    let text = match state.editor.differences() {
        0 if state.editor.follows_data() && state.estimate.is_some() => "Fits the data.".to_owned(),
        0 => "As the preset has it.".to_owned(),
        1 => "1 setting changed.".to_owned(),
        n => format!("{n} settings changed."),
    };
    ui.label(RichText::new(text).weak());
    let (name, by_user) = match chosen.is_empty() {
        true => (before.clone(), false),
        false => (chosen.clone(), true),
    };
    if chosen != before
        && let Err(error) = state.editor.take_preset(&name, by_user)
    {
        state.notices.say(Grade::Error, error.to_string(), "");
    }
}

fn device(ui: &mut Ui, state: &mut AppState) {
    const BEST: &str = "the best one";
    let label = heading(ui, "Device");
    let mut chosen = state.editor.device.clone();
    ComboBox::from_id_salt("device")
        .width(LEFT - 30.0)
        .selected_text(chosen.as_deref().unwrap_or(BEST))
        .show_ui(ui, |ui| {
            ui.selectable_value(&mut chosen, None, BEST);
            for name in &state.devices {
                ui.selectable_value(&mut chosen, Some(name.clone()), name);
            }
        })
        .response
        .labelled_by(label.id);
    if chosen != state.editor.device {
        state.editor.device.clone_from(&chosen);
        state.settings.device = chosen;
    }
    problem(ui, state, "device");
}

fn estimate(ui: &mut Ui, state: &mut AppState) {
    heading(ui, "What it takes");
    let Some(estimate) = state.estimate.clone() else {
        let color = theme::grade(ui, Grade::Error);
        match &state.obstacle {
            // Its field may be scrolled away.
            Some(obstacle) => match obstacle.key.as_deref() {
                None => ui.label(RichText::new(&obstacle.text).color(color)),
                Some("data.source" | "device") => ui.label(RichText::new("Known once what is marked is fixed.").weak()),
                Some(key) => {
                    let text = format!("{key}: {}", obstacle.text);
                    ui.label(RichText::new(text).color(color))
                }
            },
            None => ui.label(RichText::new("Looking…").weak()),
        };
        let other = state.obstacle.as_ref().filter(|obstacle| obstacle.key.as_deref() != Some("data.source"));
        if let Some(remedy) = other.and_then(|obstacle| obstacle.remedy.clone())
            && ui.button(remedy.label()).clicked()
        {
            state.wish(Wish::Remedy(remedy));
        }
        return;
    };
    egui::Grid::new("estimate").num_columns(2).spacing([16.0, 4.0]).show(ui, |ui| {
        let mut row = |name: &str, value: String| {
            ui.label(RichText::new(name).weak());
            ui.label(value);
            ui.end_row();
        };
        row("On", estimate.adapter.clone());
        row("Memory", memory(&estimate));
        row("Parameters", format::count(estimate.parameters));
        let steps = format::count(estimate.steps as usize);
        row("Steps", format!("{steps} of {} images, in {} epochs", estimate.batch, estimate.epochs));
        row("Time", time(&estimate, state.measuring));
        if let Some(seconds) = estimate.seconds {
            let rate = estimate.batch as f64 / seconds.max(1e-9);
            row("Speed", format!("{rate:.0} images a second"));
        }
    });
    ui.add_enabled_ui(!state.measuring && !state.is_training(), |ui| {
        let button = ui.button("Measure the time…");
        let hint = "Trains a few steps that leave nothing; chooses the fastest kernels first";
        if button.on_hover_text(hint).clicked() {
            state.wish(Wish::Measure);
        }
    });
}

/// Of the device, in words.
fn memory(estimate: &Estimate) -> String {
    let gib = |bytes: u64| match bytes {
        0..0x4000_0000 => format!("{:.0} MiB", bytes as f64 / f64::from(1 << 20)),
        _ => format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30)),
    };
    let has = estimate.available.map(|bytes| format!(" of {}", gib(bytes)));
    format!("{}{}", gib(estimate.memory), has.unwrap_or_default())
}

fn time(estimate: &Estimate, measuring: bool) -> String {
    match (estimate.seconds, measuring) {
        (_, true) => "measuring…".to_owned(),
        (None, false) => "not measured yet".to_owned(),
        (Some(seconds), false) => {
            let whole = format::duration(seconds * estimate.steps as f64);
            format!("about {whole}, without kNN")
        }
    }
}

fn start(ui: &mut Ui, state: &mut AppState) {
    let problems = state.editor.problems();
    let clear = problems.is_empty() && state.obstacle.is_none();
    let free = !state.is_training();
    ui.horizontal(|ui| {
        ui.add_enabled_ui(clear && free, |ui| {
            let text = RichText::new("Start training").size(16.0).strong();
            let button = egui::Button::new(text).fill(ui.visuals().selection.bg_fill);
            let size = egui::vec2((LEFT - 30.0).min(ui.available_width() * 0.5), 38.0);
            if ui.add_sized(size, button).on_hover_text("Ctrl+Enter").clicked() {
                state.wish(Wish::Start);
            }
        });
        let place = state.settings.runs.display();
        let text = match (free, problems.first()) {
            (false, _) => RichText::new("A training is under way.").weak(),
            (true, Some((key, problem))) => {
                RichText::new(format!("{key}: {problem}")).color(theme::grade(ui, Grade::Error))
            }
            (true, None) => RichText::new(format!("The run goes into a new folder in {place}.")).weak(),
        };
        ui.add(egui::Label::new(text).wrap());
    });
}
