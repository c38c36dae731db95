//! Decoders of others on files of anybody: a panic of theirs is one more way to say that a file is damaged.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    /// Whether a panic of this thread will be caught below.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// What `work` gives; `None` where it panics. Nothing is printed then: its caller has a better line. `work` must leave nothing half
/// changed that is used afterwards.
pub(in crate::data) fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let others = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !GUARDED.get() {
                others(info);
            }
        }));
    });
    let before = GUARDED.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(before);
    result.ok()
}

#[cfg(test)]
mod tests {
    use super::guarded;

    #[test]
    fn a_panic_is_none() {
        assert_eq!(guarded(|| 3), Some(3));
        assert_eq!(guarded(|| -> u8 { panic!("unseen") }), None);
        assert_eq!(guarded(|| guarded(|| -> u8 { panic!("unseen") })), Some(None));
    }
}
