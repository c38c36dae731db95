//! Ctrl-C and the signal with which a scheduler ends a job.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::Sender;

use anyhow::{Context, Result};
use simsiam::ranks::Ranks;
use simsiam::train::Command;

use super::output;

/// There is nothing to keep yet.
const PREPARING: u8 = 0;
/// A signal asks for a checkpoint and the end.
const TRAINING: u8 = 1;
/// It was asked for: the next signal ends the program at once.
const STOPPING: u8 = 2;

/// What a signal does, from now on until the program ends.
pub struct Signals {
    phase: Arc<AtomicU8>,
}

impl Signals {
    /// A signal ends the program until [`Signals::training`]; then it sends a command. One of several ranks may be told more than once, and ends
    /// with the others.
    pub fn catch(sender: Sender<Command>, ranks: Ranks) -> Result<Signals> {
        let phase = Arc::new(AtomicU8::new(PREPARING));
        let own = phase.clone();
        let on_signal = move || match own.load(Ordering::SeqCst) {
            PREPARING => {
                if ranks.is_first() {
                    output::error_line("stopped before training began; the same command begins again");
                }
                std::process::exit(1);
            }
            TRAINING => {
                own.store(STOPPING, Ordering::SeqCst);
                let line = match ranks.is_alone() {
                    true => "stopping with a checkpoint; once more to end at once".to_owned(),
                    false => format!(
                        "rank {}: told to end: a checkpoint follows as soon as all ranks have ended their step; if one is gone, the last one stays",
                        ranks.rank
                    ),
                };
                output::error_line(&line);
                // Without a listener the program is about to end anyway.
                let _ = sender.send(Command::Stop);
            }
            _ if ranks.is_alone() => std::process::exit(1),
            _ => {}
        };
        ctrlc::set_handler(on_signal).context("Ctrl-C cannot be caught")?;
        Ok(Signals { phase })
    }

    /// From now on there is something to keep.
    pub fn training(&self) {
        self.phase.store(TRAINING, Ordering::SeqCst);
    }
}
