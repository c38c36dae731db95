//! The form: what matters first, and folded below it a row for every other key of the configuration, from the same list as the flags. The
//! key's doc comment is its help; an error stands below its field; what differs from the preset is coloured and can be reset.

use egui::{Align, ComboBox, FontId, Layout, Response, RichText, TextEdit, Ui};

use super::theme;
use crate::app::state::config_editor::ConfigEditor;
use crate::app::state::notices::Grade;
use crate::config::{Key, Kind};

/// Keys that matter first, with what they are called here.
const MAIN: [(&str, &str); 13] = [
    ("method.name", "Method"),
    ("optim.epochs", "Epochs"),
    ("optim.batch_size", "Batch size"),
    ("optim.lr", "Learning rate"),
    ("data.limit_train", "Training images"),
    ("data.image_size", "View size"),
    ("augment.crop_scale", "Crop"),
    ("augment.jitter_probability", "Colour jitter"),
    ("model.arch", "Backbone"),
    ("model.width", "Backbone width"),
    ("model.dim", "Output width d"),
    ("run.seed", "Seed"),
    ("run.precision", "Precision"),
];

/// What stands behind a field.
const UNITS: [(&str, &str); 17] = [
    ("optim.epochs", "passes"),
    ("optim.batch_size", "images"),
    ("optim.lr", "× batch / 256"),
    ("data.limit_train", "images"),
    ("data.limit_test", "images"),
    ("data.image_size", "px"),
    ("augment.crop_scale", "of the area"),
    ("augment.jitter_probability", "of views"),
    ("model.width", "channels"),
    ("model.dim", "channels"),
    ("model.projector_hidden", "channels"),
    ("model.predictor_dim", "channels"),
    ("optim.warmup_epochs", "epochs"),
    ("run.checkpoint_every", "epochs"),
    ("run.knn_every", "epochs"),
    ("run.knn_k", "neighbours"),
    ("run.keep", "files"),
];

/// Where 0 is no number, the word for it.
const ZERO: [(&str, &str); 6] = [
    ("data.limit_train", "all"),
    ("data.limit_test", "all"),
    ("data.threads", "automatic"),
    ("run.checkpoint_every", "last only"),
    ("run.keep", "all"),
    ("run.knn_every", "never"),
];

/// Titles of the sections, with what they are about.
const SECTIONS: [(&str, &str); 8] = [
    ("data", "Data"),
    ("augment", "Augmentation"),
    ("model", "Model"),
    ("method", "Method"),
    ("optim", "Optimiser"),
    ("run", "Run"),
    ("augment.second", "Second view"),
    ("augment.small", "Small crops"),
];

const NAME: f32 = 130.0;
const FIELD: f32 = 122.0;
/// Width of a column of what matters first: with units.
const FIRST: f32 = NAME + FIELD + 148.0;

/// How the sections lie beside each other, by how many columns there is room for.
const COLUMNS: [&[&[usize]]; 3] =
    [&[&[0, 4, 5, 2, 3, 1, 6, 7]], &[&[0, 4, 5], &[2, 3, 1, 6, 7]], &[&[0, 4, 5], &[2, 3], &[1, 6, 7]]];
/// Width of a column: name, field, unit and the button beside it.
const COLUMN: f32 = NAME + FIELD + 84.0;

/// What the rows of the form need.
struct Form<'a> {
    keys: &'a [Key],
    problems: Vec<(String, String)>,
    /// A key that only the data or the device find wrong, and why.
    blamed: Option<(&'a str, &'a str)>,
}

impl Form<'_> {
    fn problem(&self, key: &Key) -> Option<&str> {
        let found = self.problems.iter().find(|(wrong, _)| *wrong == key.name);
        let found = found.map(|(_, text)| text.as_str());
        found.or(self.blamed.filter(|(of, _)| *of == key.name).map(|(_, text)| text))
    }
}

fn of<'a>(table: &[(&str, &'a str)], key: &str) -> Option<&'a str> {
    table.iter().find(|(name, _)| *name == key).map(|(_, value)| *value)
}

/// Draws the form. `blamed` is a key that only the data or the device find wrong, and why.
pub(in crate::app) fn ui(ui: &mut Ui, editor: &mut ConfigEditor, blamed: Option<(&str, &str)>) {
    let keys = editor.config().keys();
    let form = Form { keys: &keys, problems: editor.problems(), blamed };
    let room = (ui.available_width() / COLUMN) as usize;
    ui.label(RichText::new("Settings").strong().size(15.0));
    let main: Vec<&Key> = MAIN.iter().filter_map(|(name, _)| keys.iter().find(|key| key.name == *name)).collect();
    let side = main.len().div_ceil(((ui.available_width() / FIRST) as usize).clamp(1, 2));
    ui.horizontal_top(|ui| {
        for keys in main.chunks(side) {
            ui.vertical(|ui| {
                ui.set_width(FIRST - 8.0);
                keys.iter().for_each(|key| row(ui, editor, key, form.problem(key)));
            });
        }
    });
    ui.add_space(8.0);
    let rest = || keys.iter().filter(|key| !MAIN.iter().any(|(name, _)| *name == key.name));
    let changed = rest().filter(|key| key.name != "data.source" && editor.differs(&key.name)).count();
    let title = match changed {
        0 => "All settings".to_owned(),
        n => format!("All settings ({n} changed)"),
    };
    // An error must not hide in what is folded.
    let wrong = rest().any(|key| key.name != "data.source" && form.problem(key).is_some());
    egui::CollapsingHeader::new(RichText::new(title).strong().size(15.0))
        .id_salt("all settings")
        .open(wrong.then_some(true))
        .show_unindented(ui, |ui| {
            ui.horizontal_top(|ui| {
                for sections in COLUMNS[room.clamp(1, COLUMNS.len()) - 1] {
                    ui.vertical(|ui| {
                        ui.set_width(COLUMN - 12.0);
                        for &place in *sections {
                            section(ui, editor, SECTIONS[place], &form);
                            ui.add_space(6.0);
                        }
                    });
                }
            });
        });
}

fn section(ui: &mut Ui, editor: &mut ConfigEditor, (section, title): (&str, &str), form: &Form) {
    let keys: Vec<&Key> = form
        .keys
        .iter()
        .filter(|key| key.name.rsplit_once('.').is_some_and(|(of, _)| of == section))
        // The pane has its own field for the data, and what matters first stands above.
        .filter(|key| key.name != "data.source" && of(&MAIN, &key.name).is_none())
        .collect();
    if keys.is_empty() {
        return;
    }
    let changed = keys.iter().filter(|key| editor.differs(&key.name)).count();
    let title = match changed {
        0 => title.to_owned(),
        n => format!("{title} ({n} changed)"),
    };
    let wrong = keys.iter().any(|key| form.problem(key).is_some());
    egui::CollapsingHeader::new(RichText::new(title).strong().size(15.0))
        .id_salt(("section", section))
        // What few runs have stays folded.
        .default_open(!section.contains('.') || changed > 0)
        // An error must not hide in a folded section.
        .open(wrong.then_some(true))
        .show_unindented(ui, |ui| {
            for key in keys {
                row(ui, editor, key, form.problem(key));
            }
        });
}

fn row(ui: &mut Ui, editor: &mut ConfigEditor, key: &Key, problem: Option<&str>) {
    let differs = editor.differs(&key.name);
    ui.horizontal(|ui| {
        let field = key.name.rsplit_once('.').map_or("", |(_, field)| field);
        let label = of(&MAIN, &key.name).map_or_else(|| field.replace('_', " "), str::to_owned);
        let mut text = RichText::new(label);
        if differs {
            text = text.color(theme::changed(ui)).strong();
        }
        let name = name_ui(ui, text, NAME);
        let hover = |ui: &mut Ui| help(ui, key);
        let name = name.on_hover_ui(hover);
        field_ui(ui, editor, key, problem.is_some()).labelled_by(name.id).on_hover_ui(hover);
        if let Some(unit) = of(&UNITS, &key.name).filter(|_| !differs || of(&MAIN, &key.name).is_some()) {
            ui.add(egui::Label::new(RichText::new(unit).weak().size(12.5)).extend());
        }
        if differs {
            let reset = ui.small_button("Reset");
            reset.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, format!("Reset {field}")));
            let preset = editor.preset().to_owned();
            if reset.on_hover_text(format!("Back to the value of preset {preset}")).clicked() {
                editor.reset(&key.name);
            }
        }
    });
    if let Some(problem) = problem {
        let text = RichText::new(problem).size(12.5);
        let color = theme::grade(ui, Grade::Error);
        ui.add(egui::Label::new(text.color(color)).wrap());
    }
}

/// A name of a fixed width, so that what it names stands in a column.
pub(in crate::app) fn name_ui(ui: &mut Ui, text: RichText, width: f32) -> Response {
    let size = egui::vec2(width, ui.spacing().interact_size.y);
    let layout = Layout::left_to_right(Align::Center);
    let name = ui.allocate_ui_with_layout(size, layout, |ui| {
        ui.set_min_width(width);
        ui.label(text)
    });
    name.inner
}

fn help(ui: &mut Ui, key: &Key) {
    ui.set_max_width(360.0);
    ui.label(&key.help);
    ui.label(RichText::new(format!("--set {}=…", key.name)).font(FontId::monospace(12.0)).weak());
}

fn field_ui(ui: &mut Ui, editor: &mut ConfigEditor, key: &Key, wrong: bool) -> Response {
    let name = &key.name;
    match key.kind {
        Kind::Switch => {
            let mut on = editor.text(name) == "true";
            let text = if on { "on" } else { "off" };
            let response = ui.checkbox(&mut on, text);
            if response.changed() {
                editor.set(name, if on { "true" } else { "false" });
            }
            response
        }
        Kind::Choice(words) => {
            let mut chosen = editor.text(name);
            let before = chosen.clone();
            let response = ComboBox::from_id_salt(("field", name))
                .width(FIELD)
                .selected_text(&chosen)
                .show_ui(ui, |ui| {
                    for word in words {
                        ui.selectable_value(&mut chosen, (*word).to_owned(), *word);
                    }
                })
                .response;
            if chosen != before {
                editor.set(name, &chosen);
            }
            response
        }
        Kind::Text | Kind::Optional => {
            let zero = of(&ZERO, name);
            let mut text = match (editor.text(name), zero) {
                (text, Some(word)) if text == "0" => word.to_owned(),
                (text, _) => text,
            };
            let mut edit = TextEdit::singleline(&mut text)
                .id_salt(("field", name))
                .font(FontId::monospace(13.0))
                .desired_width(FIELD);
            if key.kind == Kind::Optional {
                edit = edit.hint_text(if name.starts_with("augment.") { "as the first view" } else { "default" });
            }
            if wrong {
                edit = edit.text_color(theme::grade(ui, Grade::Error));
            }
            let response = ui.add(edit);
            if response.changed() {
                let word = zero.is_some_and(|word| text.trim().eq_ignore_ascii_case(word));
                editor.set(name, if word { "0" } else { &text });
            }
            response
        }
    }
}
