//! What the network sees: the images of a batch, or any image in any epoch, with its views and what was drawn for them; and what other
//! settings of the augmentations would make of them.

use egui::{RichText, ScrollArea, Ui};

use crate::app::panes::pane::Pane;
use crate::app::state::AppState;
use crate::app::state::notices::Grade;
use crate::app::widgets::sliders;
use crate::app::widgets::theme;
use crate::app::widgets::view_row::{RowTextures, on_screen, original, view};
use crate::app::workers::resource_cache::ResourceCache;
use crate::app::workers::view_preview::{self, Sight, ViewAnswer, ViewQuestion};
use crate::app::workers::worker::{Wake, Worker};
use crate::config::{AugmentConfig, Config};

/// Images of a batch that are shown at least.
const COUNT: usize = 8;
/// Side of a picture: where more images have room beside each other at the least, they get it.
const LEAST: f32 = 100.0;
const MOST: f32 = 190.0;
/// Between the pictures of an image, and between images.
const GAP: f32 = 9.0;
const BETWEEN: f32 = 34.0;
/// Pictures of an image beside each other: the original and two views; small crops stand below.
const PICTURES: usize = 3;
/// Width of the sliders.
const RIGHT: f32 = 316.0;
/// Of the pictures, below which sliders are not shown beside them by themselves.
const NARROW: f32 = 360.0;

/// The pane.
pub(in crate::app) struct ViewsPane {
    worker: Worker<ViewQuestion, ViewAnswer>,
    /// What was asked last.
    asked: Option<ViewQuestion>,
    rows: Vec<RowTextures>,
    problem: Option<String>,
    /// Images that there are.
    images: usize,
    /// Whether one image is looked at, not a batch.
    single: bool,
    image: u32,
    epoch: u32,
    step: u64,
    count: usize,
    /// Whether more images were asked for than there is room for.
    more: bool,
    /// Whether the step is that of the training.
    follow: bool,
    /// Whether the settings of the form are shown, not the run's.
    form: bool,
    /// Whether the sliders are shown; by the room where nobody has said.
    sliders: Option<bool>,
    /// Settings that are tried, over those with which they began.
    trial: Option<(AugmentConfig, AugmentConfig)>,
}

impl ViewsPane {
    pub fn new(resources: ResourceCache, wake: Wake) -> ViewsPane {
        ViewsPane {
            worker: view_preview::worker(resources, wake),
            asked: None,
            rows: Vec::new(),
            problem: None,
            images: 0,
            single: false,
            image: 0,
            epoch: 0,
            step: 0,
            count: COUNT,
            more: false,
            follow: true,
            form: false,
            sliders: None,
            trial: None,
        }
    }
}

impl Pane for ViewsPane {
    fn name(&self) -> &'static str {
        "Views"
    }

    fn ui(&mut self, ui: &mut Ui, state: &mut AppState) {
        if let Some((_, answer)) = self.worker.poll() {
            self.take(ui, answer);
        }
        let base = self.base(state);
        if self.trial.as_ref().is_some_and(|(began, _)| *began != base.augment) {
            self.trial = None;
        }
        let mut augment = match &self.trial {
            Some((_, tried)) => tried.clone(),
            None => base.augment.clone(),
        };
        // Where there is little room the pictures have it, until the sliders are asked for.
        let sliders = self.sliders.unwrap_or(ui.available_width() > RIGHT + NARROW);
        if sliders {
            egui::Panel::right("augmentations").exact_size(RIGHT).resizable(false).show(ui, |ui| {
                ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
                    self.trials(ui, state, &base, &mut augment);
                });
            });
        }
        egui::CentralPanel::default().show(ui, |ui| {
            self.controls(ui, state, &base, sliders);
            self.ask(state, &base);
            self.images(ui);
        });
    }
}

impl ViewsPane {
    /// The settings that are looked at.
    fn base(&mut self, state: &AppState) -> Config {
        match state.front() {
            Some(run) if !self.form => run.record.config.clone(),
            _ => state.editor.config().clone(),
        }
    }

    fn ask(&mut self, state: &AppState, base: &Config) {
        let mut config = base.clone();
        if let Some((_, tried)) = &self.trial {
            config.augment = tried.clone();
        }
        let sight = match self.single {
            true => Sight::Image { epoch: self.epoch, image: self.image },
            false => Sight::Batch { step: self.step, count: self.count },
        };
        let question = ViewQuestion { config, device: state.editor.device.clone(), sight };
        if self.asked.as_ref() == Some(&question) {
            return;
        }
        // A training goes on faster than pictures come: the next batch is asked for when this one is there.
        let same = |asked: &ViewQuestion| asked.config == question.config && asked.device == question.device;
        let advanced = self.follow && !self.single && self.asked.as_ref().is_some_and(same);
        if advanced && self.worker.is_busy() {
            return;
        }
        self.asked = Some(question.clone());
        self.worker.ask(question);
    }

    fn take(&mut self, ui: &Ui, answer: Result<view_preview::PreviewedImages, String>) {
        match answer {
            Err(problem) => self.problem = Some(problem),
            Ok(seen) => {
                self.problem = None;
                self.images = seen.images;
                // Textures are kept and refilled: a training shows thousands of them.
                let mut old = std::mem::take(&mut self.rows).into_iter();
                self.rows = seen.rows.into_iter().map(|row| on_screen(ui, row, old.next())).collect();
            }
        }
    }

    fn controls(&mut self, ui: &mut Ui, state: &AppState, base: &Config, sliders: bool) {
        let step = state.front().map_or(0, |run| run.record.step);
        ui.horizontal_wrapped(|ui| {
            if let Some(run) = state.front() {
                ui.selectable_value(&mut self.form, false, run.name.clone())
                    .on_hover_text("What the run in front sees");
                ui.selectable_value(&mut self.form, true, "Settings of the form");
                ui.separator();
            }
            ui.selectable_value(&mut self.single, false, "Batch");
            ui.selectable_value(&mut self.single, true, "One image");
            ui.separator();
            match self.single {
                true => {
                    let last = self.images.saturating_sub(1) as u32;
                    let label = ui.label("Image");
                    ui.add(egui::DragValue::new(&mut self.image).range(0..=last)).labelled_by(label.id);
                    let label = ui.label("Epoch");
                    let epochs = base.optim.epochs.max(1) as u32;
                    // As people count them.
                    let mut epoch = self.epoch + 1;
                    ui.add(egui::DragValue::new(&mut epoch).range(1..=epochs)).labelled_by(label.id);
                    self.epoch = epoch.saturating_sub(1);
                    if ui.button("Next image").clicked() {
                        self.image = if self.image >= last { 0 } else { self.image + 1 };
                    }
                    if ui.button("Next epoch").clicked() {
                        self.epoch = if self.epoch + 1 >= epochs { 0 } else { self.epoch + 1 };
                    }
                }
                false => {
                    let running = state.front().is_some() && !self.form;
                    if running {
                        ui.checkbox(&mut self.follow, "Newest").on_hover_text("The batch that was trained on last");
                    }
                    if running && self.follow {
                        self.step = step.saturating_sub(1);
                        ui.label(format!("step {step}"));
                    } else {
                        let label = ui.label("Step");
                        let mut number = self.step + 1;
                        ui.add(egui::DragValue::new(&mut number).range(1..=u64::MAX)).labelled_by(label.id);
                        self.step = number.saturating_sub(1);
                    }
                    let batch = base.optim.batch_size;
                    if self.count < batch && ui.button("More images").clicked() {
                        self.more = true;
                        self.count = (2 * self.count).min(batch).min(64);
                    }
                }
            }
            ui.separator();
            let name = if sliders { "Hide sliders" } else { "Sliders" };
            if ui.button(name).clicked() {
                self.sliders = Some(!sliders);
            }
        });
    }

    fn images(&mut self, ui: &mut Ui) {
        if let Some(problem) = &self.problem {
            let color = theme::grade(ui, Grade::Error);
            ui.label(RichText::new(problem).color(color));
            if ui.button("Retry").clicked() {
                self.asked = None;
            }
            return;
        }
        if self.rows.is_empty() {
            ui.label(RichText::new("Looking…").weak());
            return;
        }
        let text = match self.trial {
            Some(_) => "Other settings than the run's, by the same draws and kernels.",
            None => "The very tensors that are trained on, not yet normalised. Point at a view to see what was drawn.",
        };
        ui.label(RichText::new(text).weak());
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            let width = |side: f32| 3.0 * side + 2.0 * GAP + BETWEEN;
            let room = ui.available_width() - 12.0;
            // In a small window smaller ones, but all of them.
            let columns = ((room / width(LEAST)) as usize).clamp(1, 4);
            let side = (room / columns as f32 - width(0.0)) / 3.0;
            let side = side.clamp(48.0, MOST);
            if !self.more {
                let views = self.rows.first().map_or(2, |row| row.views.len());
                let lines = (1 + views).div_ceil(PICTURES) as f32;
                let rows = (ui.available_height() / (lines * (side + GAP) + 32.0 - GAP)) as usize;
                self.count = (columns * rows).clamp(COUNT, 4 * COUNT);
            }
            for rows in self.rows.chunks(columns) {
                ui.horizontal_top(|ui| {
                    for row in rows {
                        ui.vertical(|ui| {
                            ui.set_width(3.0 * side + 2.0 * GAP);
                            let size = format!("{} × {} px", row.size[0], row.size[1]);
                            let name = RichText::new(&row.name).size(12.5);
                            ui.add(egui::Label::new(name).truncate()).on_hover_text(size);
                            let pictures: Vec<usize> = (0..=row.views.len()).collect();
                            for line in pictures.chunks(PICTURES) {
                                ui.horizontal(|ui| {
                                    ui.spacing_mut().item_spacing.x = GAP;
                                    for &picture in line {
                                        match picture.checked_sub(1) {
                                            None => original(ui, row, side),
                                            Some(number) => view(ui, row, side, number),
                                        }
                                    }
                                });
                            }
                        });
                        ui.add_space(BETWEEN - 16.0);
                    }
                });
                ui.add_space(6.0);
            }
        });
    }

    /// The sliders, and what can be done with what they say.
    fn trials(&mut self, ui: &mut Ui, state: &mut AppState, base: &Config, augment: &mut AugmentConfig) {
        ui.label(RichText::new("Try other augmentations").strong().size(15.0));
        ui.label(RichText::new("The pictures follow at once; no run is changed.").weak());
        ui.add_space(6.0);
        if sliders::ui(ui, augment, &base.augment) {
            self.trial = (*augment != base.augment).then(|| (base.augment.clone(), augment.clone()));
        }
        ui.add_space(8.0);
        let tried = self.trial.is_some();
        ui.horizontal(|ui| {
            let take = egui::Button::new("Use in the settings");
            let hint = "Takes the augmentations into the form of the pane Start";
            if ui.add_enabled(tried, take).on_hover_text(hint).clicked() {
                sliders::take(&mut state.editor, augment);
                state.notices.say(Grade::Info, "The augmentations are in the settings of the next run.", "");
                // The form is looked at from here on: it now shows what was tried.
                self.form = true;
                self.trial = None;
            }
            if ui.add_enabled(tried, egui::Button::new("Reset")).clicked() {
                self.trial = None;
            }
        });
    }
}
