//! An image with its views, on the screen.

use egui::{Color32, RichText, Sense, Stroke, TextureHandle, Ui, Vec2};

use super::texture::texture;
use crate::app::widgets::theme;
use crate::augment::ViewDraws;
use crate::picture::{self, ViewRow};

/// An image on the screen.
pub(in crate::app) struct Row {
    pub name: String,
    pub size: [u32; 2],
    original: TextureHandle,
    pub views: Vec<(TextureHandle, ViewDraws)>,
}

/// Puts a row on the screen, in the textures of one that goes.
pub(in crate::app) fn on_screen(ui: &Ui, row: ViewRow, old: Option<Row>) -> Row {
    let (original, views) = match old {
        Some(old) => (Some(old.original), old.views),
        None => (None, Vec::new()),
    };
    let mut old = views.into_iter().map(|(texture, _)| texture);
    Row {
        name: row.name,
        size: row.size,
        original: texture(ui, &row.original, original),
        views: row.views.iter().map(|view| (texture(ui, &view.pixels, old.next()), view.draws)).collect(),
    }
}

/// The original with the crops of all views.
pub(in crate::app) fn original(ui: &mut Ui, row: &Row, side: f32) {
    let (rect, response) = ui.allocate_exact_size(Vec2::splat(side), Sense::hover());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, format!("original of {}", row.name)));
    let size = Vec2::new(row.size[0] as f32, row.size[1] as f32);
    let scale = side / size.x.max(size.y).max(1.0);
    let shown = egui::Rect::from_min_size(rect.min, size * scale);
    let all = egui::Rect::from_min_max(egui::pos2(0.0, 0.0), egui::pos2(1.0, 1.0));
    ui.painter().image(row.original.id(), shown, all, Color32::WHITE);
    for (number, (_, draws)) in row.views.iter().enumerate() {
        let min = egui::vec2(draws.left as f32, draws.top as f32) * scale;
        let crop = egui::vec2(draws.width as f32, draws.height as f32) * scale;
        let crop = egui::Rect::from_min_size(shown.min + min, crop);
        let inside = egui::StrokeKind::Inside;
        ui.painter().rect_stroke(crop, 0.0, Stroke::new(3.0, Color32::from_white_alpha(150)), inside);
        ui.painter().rect_stroke(crop, 0.0, Stroke::new(1.6, theme::view(number)), inside);
    }
}

/// A view; what was drawn for it shows where the pointer rests on it.
pub(in crate::app) fn view(ui: &mut Ui, row: &Row, side: f32, number: usize) {
    let (texture, draws) = &row.views[number];
    let (rect, response) = ui.allocate_exact_size(Vec2::splat(side), Sense::hover());
    response.widget_info(|| {
        let name = format!("view {} of {}", number + 1, row.name);
        egui::WidgetInfo::labeled(egui::Role::Image, true, name)
    });
    let all = egui::Rect::from_min_max(egui::pos2(0.0, 0.0), egui::pos2(1.0, 1.0));
    ui.painter().image(texture.id(), rect, all, Color32::WHITE);
    let stroke = Stroke::new(2.0, theme::view(number));
    ui.painter().rect_stroke(rect, 0.0, stroke, egui::StrokeKind::Outside);
    response.on_hover_ui(|ui| {
        ui.label(RichText::new(format!("View {}", number + 1)).strong());
        egui::Grid::new("draws").num_columns(2).spacing([14.0, 2.0]).show(ui, |ui| {
            for (name, value) in picture::drawn(draws, row.size) {
                let strong = value.is_some();
                let value = value.unwrap_or_else(|| "–".to_owned());
                let [name, value] = [name.to_owned(), value].map(|text| match strong {
                    true => RichText::new(text),
                    false => RichText::new(text).weak(),
                });
                ui.label(name);
                ui.label(value);
                ui.end_row();
            }
        });
    });
}
