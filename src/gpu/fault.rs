//! Faults of a device that tests ask for with the variable `SIMSIAM_FAULT`: `lost@N` and `submit@N` after N replays on a device, `memory@BYTES`
//! once so much was allocated on it. What follows is what follows from the driver's own.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Gpu;

const VARIABLE: &str = "SIMSIAM_FAULT";

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    /// The device is lost.
    Lost,
    /// A submit is refused.
    Submit,
    /// No more memory is given.
    Memory,
}

/// A fault of one device.
#[derive(Debug)]
pub(super) struct Fault {
    kind: Kind,
    after: u64,
    so_far: AtomicU64,
}

impl Fault {
    /// What the environment asks for.
    pub fn asked() -> Option<Fault> {
        Fault::parse(&std::env::var(VARIABLE).ok()?)
    }

    fn parse(text: &str) -> Option<Fault> {
        let (kind, after) = text.split_once('@')?;
        let kind = match kind {
            "lost" => Kind::Lost,
            "submit" => Kind::Submit,
            "memory" => Kind::Memory,
            _ => return None,
        };
        Some(Fault { kind, after: after.parse().ok()?, so_far: AtomicU64::new(0) })
    }

    /// Counts `amount`, where it is of `kinds`; the kind once the count is above the limit.
    fn due(&self, kinds: &[Kind], amount: u64) -> Option<Kind> {
        let counts = kinds.contains(&self.kind);
        (counts && self.so_far.fetch_add(amount, Ordering::Relaxed) + amount > self.after).then_some(self.kind)
    }
}

impl Gpu {
    /// To be called before every replay.
    pub(super) fn replay_faults(&self) {
        match self.fault_asked().and_then(|fault| fault.due(&[Kind::Lost, Kind::Submit], 1)) {
            Some(Kind::Lost) => self.lose(),
            Some(_) => self.submit_nonsense(),
            None => {}
        }
    }

    /// Whether an allocation of this many bytes must fail.
    pub(super) fn refuses(&self, bytes: u64) -> bool {
        self.fault_asked().and_then(|fault| fault.due(&[Kind::Memory], bytes)).is_some()
    }

    /// A copy beyond the end of a buffer, which the driver refuses.
    fn submit_nonsense(&self) {
        let usage = wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        let make = || {
            let description =
                wgpu::BufferDescriptor { label: Some("fault"), size: 4, usage, mapped_at_creation: false };
            self.device().create_buffer(&description)
        };
        let mut encoder = self.device().create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(&make(), 0, &make(), 0, 8);
        self.queue().submit([encoder.finish()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_comes_after_its_count() {
        let due = |text: &str, kind, amounts: &[u64]| -> Vec<bool> {
            let fault = Fault::parse(text);
            let due = |&amount: &u64| fault.as_ref().and_then(|fault| fault.due(&[kind], amount)).is_some();
            amounts.iter().map(due).collect()
        };
        assert_eq!(due("lost@2", Kind::Lost, &[1, 1, 1, 1]), [false, false, true, true]);
        assert_eq!(due("memory@10", Kind::Memory, &[6, 4, 1]), [false, false, true]);
        assert_eq!(due("memory@0", Kind::Lost, &[1]), [false]);
        assert!(Fault::parse("lost").is_none() && Fault::parse("lost@x").is_none() && Fault::parse("x@1").is_none());
    }
}
