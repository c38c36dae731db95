//! A thread that answers questions, of which only the newest counts: what a slider asks for while it is dragged is answered as often as
//! there is time, and the last position in any case.

use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

/// Tells the window that there is something new to show. May be called from any thread.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

struct Slot<Q> {
    question: Option<Q>,
    closed: bool,
    busy: bool,
}

type Shared<Q> = Arc<(Mutex<Slot<Q>>, Condvar)>;

fn locked<Q>(shared: &Shared<Q>) -> MutexGuard<'_, Slot<Q>> {
    shared.0.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The thread. It ends when this is dropped, which waits for it: a driver must not be at work when the program ends.
pub(in crate::app) struct Worker<Q, A> {
    shared: Shared<Q>,
    answers: Receiver<A>,
    thread: Option<JoinHandle<()>>,
}

impl<Q: Send + 'static, A: Send + 'static> Worker<Q, A> {
    /// `answer` can also ask whether there is a newer question, so that long work can be given up: its answer may be none.
    pub fn new(
        name: &str,
        wake: Wake,
        mut answer: impl FnMut(Q, &dyn Fn() -> bool) -> Option<A> + Send + 'static,
    ) -> Worker<Q, A> {
        let shared: Shared<Q> =
            Arc::new((Mutex::new(Slot { question: None, closed: false, busy: false }), Condvar::new()));
        let (sender, answers) = mpsc::channel();
        let its = shared.clone();
        let work = move || {
            while let Some(question) = next(&its) {
                let stale = || {
                    let slot = locked(&its);
                    slot.closed || slot.question.is_some()
                };
                let answer = answer(question, &stale);
                locked(&its).busy = false;
                let Some(answer) = answer else { continue };
                if sender.send(answer).is_err() {
                    return;
                }
                wake();
            }
        };
        // Where a system has no more threads, nothing is answered; the window itself goes on.
        let thread = thread::Builder::new().name(name.to_owned()).spawn(work);
        Worker { shared, answers, thread: thread.ok() }
    }

    /// Asks, in place of a question that is still waiting.
    pub fn ask(&self, question: Q) {
        locked(&self.shared).question = Some(question);
        self.shared.1.notify_one();
    }

    /// The newest answer that has come since the last call.
    pub fn poll(&self) -> Option<A> {
        self.answers.try_iter().last()
    }

    /// Whether it has something to do.
    pub fn is_busy(&self) -> bool {
        let slot = locked(&self.shared);
        slot.busy || slot.question.is_some()
    }
}

fn next<Q>(shared: &Shared<Q>) -> Option<Q> {
    let mut slot = locked(shared);
    loop {
        if slot.closed {
            return None;
        }
        if let Some(question) = slot.question.take() {
            slot.busy = true;
            return Some(question);
        }
        slot = shared.1.wait(slot).unwrap_or_else(PoisonError::into_inner);
    }
}

impl<Q, A> Drop for Worker<Q, A> {
    fn drop(&mut self) {
        locked(&self.shared).closed = true;
        self.shared.1.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic in there was printed, and has no more to say here.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn the_newest_question_is_answered() {
        let worker = Worker::new("test", Arc::new(|| {}), |n: u32, _| {
            thread::sleep(Duration::from_millis(2));
            Some(n)
        });
        (0..50).for_each(|n| worker.ask(n));
        let began = Instant::now();
        let mut last = None;
        while last != Some(49) && began.elapsed() < Duration::from_secs(10) {
            last = worker.poll().or(last);
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(last, Some(49));
        assert!(!worker.is_busy());
    }
}
