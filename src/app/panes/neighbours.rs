//! A test image and the images that the network finds most like it: what is being learnt, at a glance.

use egui::{Color32, RichText, ScrollArea, Sense, Stroke, TextureHandle, Ui, Vec2};

use crate::app::panes::pane::Pane;
use crate::app::state::AppState;
use crate::app::state::notices::Grade;
use crate::app::widgets::texture::texture;
use crate::app::widgets::theme;
use crate::app::workers::neighbourhood::{self, NeighbourAnswer, NeighbourQuestion, Neighbourhood, Query, ShownImage};
use crate::app::workers::resource_cache::ResourceCache;
use crate::app::workers::worker::{Wake, Worker};

/// Neighbours that are shown.
const COUNT: usize = 24;

/// A picture on the screen.
struct Picture {
    texture: TextureHandle,
    number: u32,
    size: Vec2,
    name: String,
    class: Option<String>,
    similarity: Option<f32>,
}

/// What is on the screen.
struct Scene {
    of: std::path::PathBuf,
    image: Picture,
    neighbours: Vec<Picture>,
    epoch: u64,
    tests: usize,
    bank: [usize; 2],
}

/// The pane.
pub(in crate::app) struct NeighboursPane {
    worker: Worker<NeighbourQuestion, NeighbourAnswer>,
    asked: Option<NeighbourQuestion>,
    scene: Option<Scene>,
    problem: Option<String>,
    test: usize,
    /// A neighbour that became the query.
    training: Option<u32>,
}

impl NeighboursPane {
    pub fn new(resources: ResourceCache, wake: Wake) -> NeighboursPane {
        NeighboursPane {
            worker: neighbourhood::worker(resources, wake),
            asked: None,
            scene: None,
            problem: None,
            test: 0,
            training: None,
        }
    }
}

impl Pane for NeighboursPane {
    fn name(&self) -> &'static str {
        "Neighbours"
    }

    fn ui(&mut self, ui: &mut Ui, state: &mut AppState) {
        match self.worker.poll() {
            Some((question, Ok(found))) => {
                self.problem = None;
                self.scene = Some(scene(ui, question, found, self.scene.take()));
            }
            Some((_, Err(problem))) => self.problem = Some(problem),
            None => {}
        }
        let Some(run) = state.front() else {
            super::no_run(ui);
            return;
        };
        if self.scene.as_ref().is_some_and(|scene| scene.of != run.folder) {
            self.scene = None;
            self.training = None;
        }
        match neighbourhood::written(&run.folder) {
            None => super::empty(ui, "The run has no checkpoint yet.", "It gets its first one before its first step."),
            Some(written) => {
                let question = NeighbourQuestion {
                    folder: run.folder.clone(),
                    written,
                    query: self.training.map_or(Query::Test(self.test), Query::Training),
                    count: COUNT,
                    device: state.editor.device.clone(),
                };
                self.ask(question);
                self.show(ui);
            }
        }
    }
}

impl NeighboursPane {
    fn ask(&mut self, question: NeighbourQuestion) {
        let new = self.asked.as_ref() != Some(&question);
        // Features of a checkpoint are finished before those of the next are begun: they may come faster than features.
        let other_run = self.asked.as_ref().is_none_or(|asked| asked.folder != question.folder);
        if new && (other_run || !self.worker.is_busy()) {
            self.asked = Some(question.clone());
            self.worker.ask(question);
        }
    }

    fn show(&mut self, ui: &mut Ui) {
        let tests = self.scene.as_ref().map_or(1, |scene| scene.tests);
        let before = self.test;
        ui.horizontal_wrapped(|ui| {
            let label = ui.label("Test image");
            let last = tests.saturating_sub(1);
            ui.add(egui::DragValue::new(&mut self.test).range(0..=last)).labelled_by(label.id);
            if ui.button("Previous").clicked() {
                self.test = if self.test == 0 { last } else { self.test - 1 };
            }
            if ui.button("Next").clicked() {
                self.test = if self.test >= last { 0 } else { self.test + 1 };
            }
            if ui.button("Any other").on_hover_text("Far from this one in the list").clicked() {
                // The golden section visits all parts of a list before it comes near an old place.
                self.test = (self.test + (tests as f64 * 0.618) as usize + 1) % tests.max(1);
            }
            if self.training.is_some() && ui.button("Back to the test image").clicked() {
                self.training = None;
            }
            if self.worker.is_busy() {
                ui.label(RichText::new("Looking…").weak());
            }
        });
        if self.test != before {
            self.training = None;
        }
        if let Some(problem) = &self.problem {
            let color = theme::grade(ui, Grade::Error);
            ui.label(RichText::new(problem).color(color));
            if ui.button("Retry").clicked() {
                self.asked = None;
            }
        }
        let Some(scene) = &self.scene else { return };
        summary(ui, scene);
        let mut chosen = None;
        ui.add_space(6.0);
        ui.horizontal_top(|ui| {
            ui.vertical(|ui| {
                ui.set_width(200.0);
                let name = if self.training.is_some() { "Training image" } else { "Test image" };
                ui.label(RichText::new(name).strong());
                picture(ui, &scene.image, 196.0, None);
            });
            ui.add_space(12.0);
            ui.vertical(|ui| {
                ui.label(RichText::new("Nearest training images, the most alike first").strong());
                ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
                    let side = side(ui.available_size(), scene.neighbours.len());
                    // Room for the frames of the first row.
                    ui.add_space(3.0);
                    ui.spacing_mut().item_spacing = egui::vec2(14.0, 10.0);
                    ui.horizontal_wrapped(|ui| {
                        for neighbour in &scene.neighbours {
                            let same = scene.image.class.as_ref().map(|class| Some(class) == neighbour.class.as_ref());
                            ui.allocate_ui(egui::vec2(side, side + 40.0), |ui| {
                                ui.vertical(|ui| {
                                    if picture(ui, neighbour, side, same).clicked() {
                                        chosen = Some(neighbour.number);
                                    }
                                });
                            });
                        }
                    });
                });
            });
        });
        if chosen.is_some() {
            self.training = chosen;
            ui.ctx().request_repaint();
        }
    }
}

/// The largest side of a picture with which all of them have room, with two lines below each.
fn side(room: Vec2, count: usize) -> f32 {
    let with = |columns: usize| {
        let rows = count.div_ceil(columns).max(1) as f32;
        let wide = (room.x - 10.0) / columns as f32 - 14.0;
        wide.min((room.y - 10.0) / rows - 50.0)
    };
    let largest = (2..=12).map(with).fold(0.0, f32::max);
    largest.clamp(64.0, 200.0)
}

fn summary(ui: &mut Ui, scene: &Scene) {
    let [among, all] = scene.bank;
    let mut text = match scene.epoch {
        0 => "Under the untrained network".to_owned(),
        1 => "Under the network after epoch 1".to_owned(),
        n => format!("Under the network after epoch {n}"),
    };
    if let Some(class) = &scene.image.class {
        let same = scene.neighbours.iter().filter(|n| n.class.as_ref() == Some(class)).count();
        text += &format!(", {same} of {} neighbours are of its class ({class})", scene.neighbours.len());
    }
    text += match among < all {
        true => format!("; among {among} of {all} images, spread evenly."),
        false => format!("; among {all} images."),
    }
    .as_str();
    ui.label(text);
}

/// A neighbour can be clicked: it becomes the query.
fn picture(ui: &mut Ui, picture: &Picture, side: f32, same: Option<bool>) -> egui::Response {
    ui.spacing_mut().item_spacing.y = 2.0;
    let neighbour = picture.similarity.is_some();
    let sense = if neighbour { Sense::click() } else { Sense::hover() };
    let (rect, response) = ui.allocate_exact_size(Vec2::splat(side), sense);
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, &picture.name));
    let scale = side / picture.size.x.max(picture.size.y).max(1.0);
    let shown = egui::Rect::from_center_size(rect.center(), picture.size * scale);
    let all = egui::Rect::from_min_max(egui::pos2(0.0, 0.0), egui::pos2(1.0, 1.0));
    ui.painter().image(picture.texture.id(), shown, all, Color32::WHITE);
    if let Some(same) = same {
        let color = if same { theme::good(ui) } else { theme::VIEWS[1] };
        ui.painter().rect_stroke(shown, 0.0, Stroke::new(2.5, color), egui::StrokeKind::Outside);
    }
    let hint = if neighbour { "\nClick to see its own neighbours" } else { "" };
    let response = response.on_hover_text(format!("{}{hint}", picture.name));
    ui.set_max_width(side);
    let class = picture.class.clone().unwrap_or_else(|| picture.name.clone());
    ui.add(egui::Label::new(RichText::new(class).size(12.5)).truncate());
    if let Some(similarity) = picture.similarity {
        let text = format!("cosine {similarity:.3}").replace('-', "−");
        ui.label(RichText::new(text).size(12.0).weak());
    }
    response
}

fn scene(ui: &Ui, question: NeighbourQuestion, found: Neighbourhood, old: Option<Scene>) -> Scene {
    // Textures are kept and refilled.
    let mut old: Vec<TextureHandle> = old
        .into_iter()
        .flat_map(|old| old.neighbours.into_iter().chain([old.image]))
        .map(|picture| picture.texture)
        .collect();
    let mut on_screen = |shown: ShownImage, similarity| {
        let size = [shown.picture.width() as usize, shown.picture.height() as usize];
        let texture = texture(ui, &shown.picture, old.pop());
        Picture {
            texture,
            number: shown.number,
            size: Vec2::new(size[0] as f32, size[1] as f32),
            name: shown.name,
            class: shown.class,
            similarity,
        }
    };
    Scene {
        of: question.folder,
        image: on_screen(found.image, None),
        neighbours: found
            .neighbours
            .into_iter()
            .map(|(shown, similarity)| on_screen(shown, Some(similarity)))
            .collect(),
        epoch: found.epoch,
        tests: found.tests,
        bank: found.bank,
    }
}
