//! The form: a row for every key of the configuration, from the same list as the flags. The key's doc comment is its help; an error
//! stands below its field; what differs from the preset is coloured and can be reset.

use egui::{Align, ComboBox, FontId, Layout, Response, RichText, TextEdit, Ui};

use super::theme;
use crate::app::state::config_editor::ConfigEditor;
use crate::app::state::notices::Grade;
use crate::config::{Key, Kind};

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

/// How the sections lie beside each other, by how many columns there is room for.
const COLUMNS: [&[&[usize]]; 3] =
    [&[&[0, 4, 5, 2, 3, 1, 6, 7]], &[&[0, 4, 5], &[2, 3, 1, 6, 7]], &[&[0, 4, 5], &[2, 3], &[1, 6, 7]]];
/// Width of a column: name, field and the button beside it.
const COLUMN: f32 = NAME + FIELD + 84.0;

/// Draws the form. `blamed` is a key that only the data or the device find wrong, and why.
pub(in crate::app) fn ui(ui: &mut Ui, editor: &mut ConfigEditor, blamed: Option<(&str, &str)>) {
    let problems = editor.problems();
    let keys = editor.config().keys();
    let room = (ui.available_width() / COLUMN) as usize;
    let columns = COLUMNS[room.clamp(1, COLUMNS.len()) - 1];
    ui.horizontal_top(|ui| {
        for sections in columns {
            ui.vertical(|ui| {
                ui.set_width(COLUMN - 12.0);
                for &place in *sections {
                    section(ui, editor, SECTIONS[place], &keys, &problems, blamed);
                    ui.add_space(6.0);
                }
            });
        }
    });
}

fn section(
    ui: &mut Ui,
    editor: &mut ConfigEditor,
    (section, title): (&str, &str),
    keys: &[Key],
    problems: &[(String, String)],
    blamed: Option<(&str, &str)>,
) {
    let keys: Vec<&Key> = keys
        .iter()
        .filter(|key| key.name.rsplit_once('.').is_some_and(|(of, _)| of == section))
        // The pane has its own field for the data.
        .filter(|key| key.name != "data.source")
        .collect();
    let changed = keys.iter().filter(|key| editor.differs(&key.name)).count();
    let title = match changed {
        0 => title.to_owned(),
        n => format!("{title} ({n} changed)"),
    };
    let problem = |key: &Key| {
        let found = problems.iter().find(|(wrong, _)| *wrong == key.name);
        let found = found.map(|(_, text)| text.as_str());
        found.or(blamed.filter(|(of, _)| *of == key.name).map(|(_, text)| text))
    };
    let wrong = keys.iter().any(|key| problem(key).is_some());
    egui::CollapsingHeader::new(RichText::new(title).strong().size(15.0))
        .id_salt(("section", section))
        // What few runs have stays folded.
        .default_open(!section.contains('.') || changed > 0)
        // An error must not hide in a folded section.
        .open(wrong.then_some(true))
        .show_unindented(ui, |ui| {
            for key in keys {
                row(ui, editor, key, problem(key));
            }
        });
}

fn row(ui: &mut Ui, editor: &mut ConfigEditor, key: &Key, problem: Option<&str>) {
    let differs = editor.differs(&key.name);
    ui.horizontal(|ui| {
        let field = key.name.rsplit_once('.').map_or("", |(_, field)| field);
        let label = field.replace('_', " ");
        let mut text = RichText::new(label);
        if differs {
            text = text.color(theme::changed(ui)).strong();
        }
        let name = name_ui(ui, text, NAME);
        let hover = |ui: &mut Ui| help(ui, key);
        let name = name.on_hover_ui(hover);
        field_ui(ui, editor, key, problem.is_some()).labelled_by(name.id).on_hover_ui(hover);
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
            let mut text = editor.text(name);
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
                editor.set(name, &text);
            }
            response
        }
    }
}
