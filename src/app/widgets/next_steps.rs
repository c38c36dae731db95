//! What can be done with a run that has ended, at a click; only what works.

use egui::{RichText, Ui};

use crate::app::state::record::RunEnd;
use crate::app::state::{AppState, Wish};
use crate::method::Advice;
use crate::train::HealthGrade;

/// Draws the buttons for the run in front, where nothing is trained.
pub(in crate::app) fn ui(ui: &mut Ui, state: &mut AppState) {
    let Some(run) = state.front().filter(|_| !state.is_training()) else { return };
    let record = &run.record;
    if record.end == RunEnd::Open || state.is_live(&run.folder) {
        return;
    }
    let folder = run.folder.clone();
    let health = record.health();
    let alarmed = matches!(health.as_ref().map(|status| status.grade), Some(HealthGrade::Alarmed(_)));
    let advice = health.and_then(|status| status.alarm).map(|alarm| alarm.advice).unwrap_or_default();
    let setting = Advice::setting(&advice).map(|(key, value)| (key.to_owned(), value.to_owned()));
    let epochs = 2 * record.config.optim.epochs;
    let done = record.end == RunEnd::Done;
    let others = state.listed.iter().filter(|run| state.place(&run.folder).is_none()).count();
    let mut wishes = Vec::new();
    ui.horizontal_wrapped(|ui| {
        ui.label(RichText::new("Next").weak());
        if alarmed {
            if let Some((key, value)) = &setting {
                let text = format!("Fix and restart: {key} = {value}");
                let hint = "A new run with these settings and this one changed, which is what usually helps";
                if ui.button(RichText::new(text).strong()).on_hover_text(hint).clicked() {
                    let change = Some((key.clone(), value.clone()));
                    wishes.push(Wish::Again { folder: folder.clone(), change });
                }
            }
            let hint = format!("The settings of this run, in the form. What usually helps: {advice}");
            if ui.button("Change its settings…").on_hover_text(hint).clicked() {
                wishes.push(Wish::Again { folder: folder.clone(), change: None });
            }
        } else if done {
            let hint = "Goes on from its last checkpoint, with the learning rate of the longer schedule";
            if ui.button(format!("Train longer: {epochs} epochs")).on_hover_text(hint).clicked() {
                wishes.push(Wish::Continue { folder: folder.clone(), epochs: Some(epochs) });
            }
        }
        let hint = "Test images and those that the network finds most like them";
        if ui.button("See its neighbours").on_hover_text(hint).clicked() {
            wishes.push(Wish::Neighbours);
        }
        if others > 0 {
            let text = match others {
                1 => "Compare with the other run".to_owned(),
                n => format!("Compare with the {n} other runs"),
            };
            if ui.button(text).on_hover_text("Lays the curves of all runs of the folder over each other").clicked() {
                wishes.push(Wish::OpenAll);
            }
        }
    });
    wishes.into_iter().for_each(|wish| state.wish(wish));
}
