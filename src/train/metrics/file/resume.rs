//! Which lines of `metrics.jsonl` a run that continues keeps, and what is missing among them.

use std::collections::BTreeSet;
use std::path::Path;

use super::super::Line;
use crate::train::checkpoint::Checkpoint;
use crate::train::position::Position;

/// The lines that stay.
pub(super) struct Kept {
    pub bytes: Vec<u8>,
    /// Whole lines that cannot be understood.
    damaged: usize,
    /// Lines of steps and of epochs that the run had reported before its checkpoint and that are not there, and how many there should be.
    missing: [(u64, u64); 2],
}

/// Of the bytes of the file, what was reported before the checkpoint.
pub(super) fn kept(bytes: &[u8], checkpoint: &Checkpoint) -> Kept {
    let (step, epochs) = (checkpoint.step, Position::epoch_lines(checkpoint));
    let mut kept = Kept { bytes: Vec::with_capacity(bytes.len()), damaged: 0, missing: [(0, 0); 2] };
    let (mut steps_seen, mut epochs_seen) = (BTreeSet::new(), BTreeSet::new());
    // A whole line ends; the last may be cut short by a full disk where it still parses.
    for line in bytes.split_inclusive(|&byte| byte == b'\n').filter(|line| line.ends_with(b"\n")) {
        let parsed = std::str::from_utf8(line).ok().and_then(Line::parse);
        kept.damaged += usize::from(parsed.is_none() && !line.trim_ascii().is_empty());
        let stays = match &parsed {
            Some(Line::Start(_)) => true,
            Some(Line::Step(line)) => line.step <= step && steps_seen.insert(line.step),
            Some(Line::Watch(line)) => line.step <= step,
            Some(Line::Alarm(line)) => line.step <= step,
            Some(Line::Epoch(line)) => line.epoch < epochs && epochs_seen.insert(line.epoch),
            Some(Line::Done(_) | Line::Failed(_)) | None => false,
        };
        if stays {
            kept.bytes.extend_from_slice(line);
        }
    }
    let missing = |expected: u64, seen: usize| (expected.saturating_sub(seen as u64), expected);
    let steps = Position::step_lines(checkpoint).unwrap_or(steps_seen.len() as u64);
    kept.missing = [missing(steps, steps_seen.len()), missing(epochs, epochs_seen.len())];
    kept
}

impl Kept {
    /// What the user should know, a line each.
    pub fn remarks(&self, path: &Path) -> Vec<String> {
        let mut remarks = Vec::new();
        if self.damaged > 0 {
            let lines = if self.damaged == 1 { "line was" } else { "lines were" };
            remarks.push(format!("{}: {} damaged {lines} dropped", path.display(), self.damaged));
        }
        let parts = self.missing.iter().zip(["steps", "epochs"]).filter(|((missing, _), _)| *missing > 0);
        let parts: Vec<String> = parts.map(|((missing, of), what)| format!("{missing} of {of} {what}")).collect();
        if !parts.is_empty() {
            remarks.push(format!(
                "{} has no lines of {} before the checkpoint: the run continues exactly, its curves have a gap",
                path.display(),
                parts.join(" and of ")
            ));
        }
        remarks
    }
}
