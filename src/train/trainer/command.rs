//! Commands to a training while it runs.

use std::sync::mpsc::{Receiver, TryRecvError};

use super::{LAST, Listener, Outcome, Trainer};
use crate::ranks::most;
use crate::train::TrainError;
use crate::train::event::Command;

impl Trainer {
    /// Follows the commands that have come; false means stop. Steps before a pause or a checkpoint are waited for.
    pub(super) fn obey(&mut self, commands: &Receiver<Command>, listener: &mut Listener) -> Result<bool, TrainError> {
        let mut paused = false;
        loop {
            let command = match paused {
                false => match self.deferred.pop_front().map_or_else(|| commands.try_recv(), Ok) {
                    Ok(command) => command,
                    Err(TryRecvError::Empty | TryRecvError::Disconnected) => return Ok(true),
                },
                // A paused training goes on when no sender is left to resume it.
                true => match self.deferred.pop_front() {
                    Some(command) => command,
                    None => commands.recv().unwrap_or(Command::Resume),
                },
            };
            match command {
                Command::Stop => return Ok(false),
                Command::Pause => {
                    self.drain(listener)?;
                    paused = true;
                }
                Command::Resume => {
                    paused = false;
                    self.meter.restart();
                }
                Command::CheckpointNow => {
                    self.drain(listener)?;
                    self.save(&[LAST.to_owned()], listener)?;
                }
            }
        }
    }

    /// Whether every rank goes on: where one of them stops they all stop, after the same step.
    pub(super) fn all_go_on(&self, go_on: bool) -> Result<bool, TrainError> {
        let link = self.store.link();
        Ok(go_on && link.ranks().is_alone() || most(&**link, u32::from(!go_on))? == 0)
    }

    /// Waits for what was sent and writes a checkpoint.
    pub(super) fn stop(&mut self, listener: &mut Listener) -> Result<Outcome, TrainError> {
        self.drain(listener)?;
        self.save(&[LAST.to_owned()], listener)?;
        Ok(Outcome::Stopped { step: self.position.step })
    }
}
