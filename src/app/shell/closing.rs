//! How the window ends: a training that is under way is asked about, and leaves a checkpoint.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use egui::{Key, Ui};

use super::App;
use crate::app::workers::worker::Wake;
use crate::train::Command;

/// Closes the window from any thread, as a signal does: without asking, and with a checkpoint.
#[derive(Clone, Default)]
pub struct Interrupt(Arc<(AtomicBool, Mutex<Option<Wake>>)>);

impl Interrupt {
    /// Closes it; whether that was asked for before.
    pub fn close(&self) -> bool {
        let before = self.0.0.swap(true, Ordering::SeqCst);
        let wake = self.0.1.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(wake) = &*wake {
            wake();
        }
        before
    }

    pub(super) fn wakes(&self, wake: Wake) {
        *self.0.1.lock().unwrap_or_else(PoisonError::into_inner) = Some(wake);
    }

    pub(super) fn is_asked(&self) -> bool {
        self.0.0.load(Ordering::SeqCst)
    }
}

impl std::fmt::Debug for Interrupt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Interrupt").field(&self.is_asked()).finish()
    }
}

/// Whether the window may close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closing {
    No,
    /// The user is asked.
    Asked,
    /// The training was asked to stop.
    Stopping,
    Yes,
}

impl App {
    /// The user closes the window: whether it may close now. Where a training is under way it asks.
    pub fn close(&mut self) -> bool {
        match (self.closing, self.state.is_training()) {
            (Closing::Yes, _) | (_, false) => self.closing = Closing::Yes,
            (Closing::No, true) => self.closing = Closing::Asked,
            (Closing::Asked | Closing::Stopping, true) => {}
        }
        self.may_close()
    }

    /// Whether everything is done that was to be done before closing.
    pub fn may_close(&self) -> bool {
        self.closing == Closing::Yes
    }

    pub(super) fn stop_and_close(&mut self) {
        match self.state.is_training() {
            false => self.closing = Closing::Yes,
            true if self.closing != Closing::Stopping => {
                self.closing = Closing::Stopping;
                self.command(Command::Stop);
            }
            true => {}
        }
    }

    pub(super) fn closing_ui(&mut self, ui: &mut Ui) {
        let closing = self.closing;
        if !matches!(closing, Closing::Asked | Closing::Stopping) {
            return;
        }
        let (mut stop, mut keep, mut now) = (false, false, false);
        let frame = egui::Frame::popup(ui.style()).inner_margin(18.0);
        let modal = egui::Modal::new(egui::Id::unique("closing")).frame(frame);
        modal.show(ui.ctx(), |ui| {
            ui.set_width(380.0);
            match closing {
                Closing::Stopping => {
                    ui.heading("Writing the checkpoint…");
                    ui.label("The window closes by itself. Closing at once leaves the checkpoint before this one, at most an epoch or ten minutes old.");
                    ui.add_space(8.0);
                    now = ui.button("Close at once").clicked();
                }
                _ => {
                    ui.heading("A training is under way");
                    ui.label("It can stop now, with a checkpoint from which it can be continued.");
                    ui.add_space(8.0);
                    ui.horizontal(|ui| {
                        stop = ui.button("Stop and close").clicked();
                        keep = ui.button("Keep training").clicked();
                    });
                    keep |= ui.input(|input| input.key_pressed(Key::Escape));
                }
            }
        });
        if stop {
            self.stop_and_close();
        }
        if keep {
            self.closing = Closing::No;
        }
        if now {
            self.closing = Closing::Yes;
        }
        if stop || keep || now {
            ui.ctx().request_repaint();
        }
    }
}

impl Drop for App {
    /// A training that is under way is stopped with a checkpoint. Where the user would not wait for that, it gets a moment to leave the
    /// driver before the program ends.
    fn drop(&mut self) {
        let Some(session) = self.session.take() else {
            return;
        };
        let most = match self.closing {
            Closing::Yes => Duration::from_secs(3),
            _ => Duration::from_secs(600),
        };
        if session.end_within(most) {
            session.join();
        }
    }
}
