//! Reads what a run writes while it writes it, whoever trains it: the lines that `metrics.jsonl` has, and then those that come.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;
use std::time::Duration;

use super::worker::Wake;
use crate::train::{Line, RunFolder};

/// How often it looks for more.
const EVERY: Duration = Duration::from_millis(400);
/// Bytes read at once: a long history comes in parts, and the window stays quick.
const PART: usize = 1 << 20;

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
        let (its_end, path) = (end.clone(), RunFolder::metrics_of(folder));
        let work = move || follow(path, &sender, &its_end, &wake);
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

fn follow(path: PathBuf, sender: &SyncSender<FollowEvent>, end: &AtomicBool, wake: &Wake) {
    let mut at = 0;
    let mut rest = Vec::new();
    let mut reported = None;
    while !end.load(Ordering::Relaxed) {
        let more = match part(&path, &mut at, &mut rest) {
            Ok(found) => {
                reported = None;
                found
            }
            // Before its first line a run has none.
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => {
                let text = format!("{} cannot be read: {error}", path.display());
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

/// The next whole lines of the file from `at` on; `rest` is the begin of one that is not whole yet.
fn part(path: &Path, at: &mut u64, rest: &mut Vec<u8>) -> std::io::Result<Option<FollowEvent>> {
    let mut file = File::open(path)?;
    if file.metadata()?.len() < *at {
        *at = 0;
        rest.clear();
        return Ok(Some(FollowEvent::Anew));
    }
    file.seek(SeekFrom::Start(*at))?;
    let mut bytes = Vec::new();
    file.take(PART as u64).read_to_end(&mut bytes)?;
    *at += bytes.len() as u64;
    rest.extend(bytes);
    let Some(whole) = rest.iter().rposition(|&byte| byte == b'\n') else {
        return Ok(None);
    };
    let tail = rest.split_off(whole + 1);
    let text = String::from_utf8_lossy(rest).into_owned();
    *rest = tail;
    let lines: Vec<Line> = text.lines().filter_map(Line::parse).collect();
    Ok(Some(FollowEvent::Lines(lines)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn lines_come_whole_and_again_after_a_cut() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("metrics.jsonl");
        let step = |n: u64| format!("{{\"event\":\"step\",\"step\":{n}}}\n");
        let mut file = File::create(&path)?;
        let (mut at, mut rest) = (0, Vec::new());
        let mut steps = || -> std::io::Result<Option<Vec<u64>>> {
            Ok(match part(&path, &mut at, &mut rest)? {
                Some(FollowEvent::Lines(lines)) => Some(
                    lines
                        .iter()
                        .filter_map(|line| match line {
                            Line::Step(step) => Some(step.step),
                            _ => None,
                        })
                        .collect(),
                ),
                Some(FollowEvent::Anew) => Some(vec![0]),
                _ => None,
            })
        };
        let (first, second) = (step(1), step(2));
        file.write_all((first.clone() + &second[..9]).as_bytes())?;
        assert_eq!(steps()?, Some(vec![1]));
        assert_eq!(steps()?, None);
        file.write_all(&second.as_bytes()[9..])?;
        assert_eq!(steps()?, Some(vec![2]));
        std::fs::write(&path, first)?;
        assert_eq!(steps()?, Some(vec![0]), "begin anew");
        assert_eq!(steps()?, Some(vec![1]));
        Ok(())
    }
}
