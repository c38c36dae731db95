//! Reads what a run writes while it writes it, whoever trains it: the lines that `metrics.jsonl` has, and then those that come.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;
use std::time::Duration;

use super::worker::Wake;
use crate::train::{Line, MetricsReader, Part, RunFolder};

/// How often it looks for more.
const EVERY: Duration = Duration::from_millis(400);

/// What it found.
#[derive(Debug)]
pub(in crate::app) enum FollowEvent {
    /// Lines, in their order.
    Lines(Vec<Line>),
    /// The file was cut, because the run continues from an earlier step: what was read before is void.
    Anew,
    /// The file cannot be read.
    Error(String),
}

/// The thread; it ends when this is dropped.
pub(in crate::app) struct Follow {
    found: Receiver<FollowEvent>,
    end: Arc<AtomicBool>,
}

impl Follow {
    /// Of the run in `folder`.
    pub fn start(folder: &Path, wake: Wake) -> Follow {
        // Bounded, so that the history of a long run waits in its file and not in memory.
        let (sender, found) = mpsc::sync_channel(8);
        let end = Arc::new(AtomicBool::new(false));
        let (its_end, reader) = (end.clone(), MetricsReader::new(&RunFolder::metrics_of(folder)));
        let work = move || follow(reader, &sender, &its_end, &wake);
        // Where a system has no more threads, nothing is read.
        let _ = thread::Builder::new().name("follow".to_owned()).spawn(work);
        Follow { found, end }
    }

    /// What was found since the last call, a few parts at once.
    pub fn poll(&self) -> Vec<FollowEvent> {
        self.found.try_iter().take(4).collect()
    }
}

impl Drop for Follow {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
    }
}

fn follow(mut reader: MetricsReader, sender: &SyncSender<FollowEvent>, end: &AtomicBool, wake: &Wake) {
    let mut reported = None;
    while !end.load(Ordering::Relaxed) {
        let more = match reader.next_part() {
            Ok(found) => {
                reported = None;
                found.map(|part| match part {
                    Part::Lines(lines) => FollowEvent::Lines(lines),
                    Part::Cut => FollowEvent::Anew,
                })
            }
            // Before its first line a run has none.
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => {
                let text = format!("{} cannot be read: {error}", reader.path().display());
                let new = reported.as_ref() != Some(&text);
                reported = Some(text.clone());
                new.then_some(FollowEvent::Error(text))
            }
        };
        match more {
            Some(found) => {
                if sender.send(found).is_err() {
                    return;
                }
                wake();
            }
            None => thread::sleep(EVERY),
        }
    }
}
