//! Work done ahead of its consumer by several threads, handed out in order.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// The number of threads: `wanted`, or, for 0, all cores but one, which the training itself needs.
pub fn threads(wanted: usize) -> usize {
    match wanted {
        0 => thread::available_parallelism().map_or(1, |n| n.get().saturating_sub(1).max(1)),
        n => n,
    }
}

/// How long threads are waited for when their work is not needed any more.
const LEAVE_BEHIND: Duration = Duration::from_secs(2);

/// `work(n)` for n = first, first + 1, … in order, whichever thread was done first. At most `ahead` results wait or are being made
/// at any time, so memory is bounded however slow the consumer is. Dropping it ends its threads, those aside that wait for a disk.
pub struct Prefetch<T> {
    shared: Arc<Shared<T>>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared<T> {
    state: Mutex<State<T>>,
    /// A result is there, or a place for one.
    changed: Condvar,
    ahead: u64,
}

struct State<T> {
    /// The next to be begun.
    next: u64,
    /// The next to be handed out.
    wanted: u64,
    /// One beyond the last.
    end: u64,
    done: BTreeMap<u64, Result<T, Box<dyn Any + Send>>>,
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // No thread panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State<T>>) -> MutexGuard<'a, State<T>> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Send + 'static> Prefetch<T> {
    /// Begins with `work(first)`, ends before `work(end)`. `threads` and `ahead` are at least 1.
    pub fn new(
        threads: usize,
        ahead: usize,
        range: std::ops::Range<u64>,
        work: impl Fn(u64) -> T + Send + Sync + 'static,
    ) -> Prefetch<T> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State { next: range.start, wanted: range.start, end: range.end, done: BTreeMap::new() }),
            changed: Condvar::new(),
            ahead: ahead.max(1) as u64,
        });
        let work = Arc::new(work);
        let threads = (0..threads.max(1))
            .filter_map(|_| {
                let (shared, work) = (shared.clone(), work.clone());
                let loader = thread::Builder::new().name("loader".to_owned());
                loader.spawn(move || run(&shared, &*work)).ok()
            })
            .collect();
        Prefetch { shared, threads }
    }
}

impl<T> Prefetch<T> {
    /// Waits until the next `n` results, or as many as there will be, can be taken without waiting, but no longer than `most`; whether they can.
    pub fn wait(&self, n: usize, most: Duration) -> bool {
        let began = Instant::now();
        let mut state = self.shared.lock();
        loop {
            let end = state.end.min(state.wanted.saturating_add((n as u64).min(self.shared.ahead)));
            if self.threads.is_empty() || (state.wanted..end).all(|n| state.done.contains_key(&n)) {
                return true;
            }
            let Some(left) = most.checked_sub(began.elapsed()) else {
                return false;
            };
            state = self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl<T> Iterator for Prefetch<T> {
    type Item = T;

    /// Waits for the next result; `None` behind the last one.
    ///
    /// # Panics
    /// Where its work panicked.
    fn next(&mut self) -> Option<T> {
        let mut state = self.shared.lock();
        if state.wanted >= state.end || self.threads.is_empty() {
            return None;
        }
        loop {
            let wanted = state.wanted;
            if let Some(result) = state.done.remove(&wanted) {
                state.wanted += 1;
                drop(state);
                self.shared.changed.notify_all();
                return match result {
                    Ok(value) => Some(value),
                    Err(panic) => resume_unwind(panic),
                };
            }
            state = self.shared.wait(state);
        }
    }
}

impl<T> Drop for Prefetch<T> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.end = 0;
        state.done.clear();
        drop(state);
        self.shared.changed.notify_all();
        let began = Instant::now();
        for thread in self.threads.drain(..) {
            // One that a disk or a network keeps waiting is left behind: it ends when it gets its answer.
            while !thread.is_finished() && began.elapsed() < LEAVE_BEHIND {
                thread::sleep(Duration::from_millis(1));
            }
            if thread.is_finished() {
                // It caught its own panics.
                let _ = thread.join();
            }
        }
    }
}

fn run<T>(shared: &Shared<T>, work: &(dyn Fn(u64) -> T + Send + Sync)) {
    let mut state = shared.lock();
    loop {
        if state.next >= state.end {
            return;
        }
        if state.next - state.wanted >= shared.ahead {
            state = shared.wait(state);
            continue;
        }
        let n = state.next;
        state.next += 1;
        drop(state);
        let result = catch_unwind(AssertUnwindSafe(|| work(n)));
        state = shared.lock();
        if n < state.end {
            state.done.insert(n, result);
        }
        shared.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    #[test]
    fn results_come_in_order_whoever_is_first() {
        for threads in [1, 4] {
            let slow_and_fast = |n: u64| {
                thread::sleep(Duration::from_micros(n.wrapping_mul(7919) % 500));
                n * n
            };
            let prefetch = Prefetch::new(threads, 5, 3..200, slow_and_fast);
            assert!(prefetch.eq((3..200).map(|n| n * n)));
        }
    }

    #[test]
    fn nobody_runs_far_ahead() {
        let begun = Arc::new(AtomicU64::new(0));
        let counter = begun.clone();
        let mut prefetch = Prefetch::new(3, 4, 0..1000, move |n| {
            counter.fetch_add(1, Ordering::SeqCst);
            n
        });
        for taken in 1..50 {
            prefetch.next();
            thread::sleep(Duration::from_millis(1));
            let begun = begun.load(Ordering::SeqCst);
            assert!((taken..=taken + 4).contains(&begun), "{begun} at {taken}");
        }
    }

    #[test]
    fn dropping_ends_the_threads() {
        let alive = Arc::new(());
        let held = alive.clone();
        let mut prefetch = Prefetch::new(2, 2, 0..u64::MAX, move |_| Arc::strong_count(&held));
        prefetch.next();
        drop(prefetch);
        assert_eq!(Arc::strong_count(&alive), 1);
    }

    #[test]
    fn a_wait_ends_though_the_work_does_not() {
        let slow = |n: u64| {
            if n == 2 {
                thread::sleep(Duration::from_secs(60));
            }
            n
        };
        let began = Instant::now();
        let mut prefetch = Prefetch::new(1, 8, 0..5, slow);
        assert!(prefetch.wait(2, Duration::from_secs(30)));
        assert!(!prefetch.wait(3, Duration::from_millis(20)));
        assert_eq!((prefetch.next(), prefetch.next()), (Some(0), Some(1)));
        drop(prefetch);
        assert!(began.elapsed() < Duration::from_secs(20));
        // Behind the end there is nothing to wait for.
        assert!(Prefetch::new(1, 1, 0..1, |n| n).wait(5, Duration::from_secs(30)));
    }

    #[test]
    #[should_panic(expected = "the third")]
    fn a_panic_reaches_the_consumer() {
        let work = |n| assert!(n != 3, "the third");
        Prefetch::new(2, 8, 0..9, work).count();
    }
}
