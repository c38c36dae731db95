//! Memory that all decoders share. Each alone may take what its image needs; together they take no more than a part of the machine's.

use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError};

use sysinfo::{MemoryRefreshKind, RefreshKind, System};

/// Decoders may take one part in this many of the machine's memory.
const SHARE: u64 = 4;
/// And at least this many bytes: no ordinary photo ever waits.
const LEAST: u64 = 512 << 20;

/// For the bytes of files, and for pixels. Two, because who holds the one may wait for the other, and who holds pixels waits for nothing.
pub(super) static FILES: LazyLock<Budget> = LazyLock::new(Budget::of_machine);
pub(super) static PIXELS: LazyLock<Budget> = LazyLock::new(Budget::of_machine);

/// At most this many bytes at a time.
pub(super) struct Budget {
    most: u64,
    taken: Mutex<u64>,
    freed: Condvar,
}

/// A part that is taken; dropping it gives it back.
pub(super) struct Taken<'a> {
    budget: &'a Budget,
    bytes: u64,
}

impl Budget {
    fn of_machine() -> Budget {
        let system =
            System::new_with_specifics(RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram()));
        Budget::new(system.map_or(0, |system| system.total_memory() / SHARE).max(LEAST))
    }

    fn new(most: u64) -> Budget {
        Budget { most, taken: Mutex::new(0), freed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        // Nothing panics while it is held.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until this many bytes are free. A request larger than the whole budget is granted when nothing else is taken.
    pub fn take(&self, bytes: u64) -> Taken<'_> {
        let mut taken = self.lock();
        while *taken > 0 && taken.saturating_add(bytes) > self.most {
            taken = self.freed.wait(taken).unwrap_or_else(PoisonError::into_inner);
        }
        *taken = taken.saturating_add(bytes);
        Taken { budget: self, bytes }
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let mut taken = self.budget.lock();
        *taken = taken.saturating_sub(self.bytes);
        drop(taken);
        self.budget.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn no_more_is_out_than_there_is_unless_one_is_alone() {
        let budget = Budget::new(10);
        let (out, most, alone) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let (budget, out, most, alone) = (&budget, &out, &most, &alone);
                scope.spawn(move || {
                    for round in 0..50 {
                        let bytes = if (thread + round) % 17 == 0 { 25 } else { 1 + (thread + round) % 6 };
                        let taken = budget.take(bytes);
                        let now = out.fetch_add(bytes, Ordering::SeqCst) + bytes;
                        match bytes {
                            25 => alone.fetch_max(now, Ordering::SeqCst),
                            _ => most.fetch_max(now, Ordering::SeqCst),
                        };
                        std::thread::yield_now();
                        out.fetch_sub(bytes, Ordering::SeqCst);
                        drop(taken);
                    }
                });
            }
        });
        assert!((6..=10).contains(&most.into_inner()));
        assert_eq!((alone.into_inner(), *budget.lock()), (25, 0));
    }
}
