//! Calls into the store's library, which may panic where it should answer; the panic becomes an answer, and whoever prints panics can know that it is told in words of our own. It hides nothing else.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// What `work` answers, or that it panicked.
pub(super) fn guarded<T>(work: impl FnOnce() -> T) -> std::thread::Result<T> {
    DEPTH.set(DEPTH.get() + 1);
    let done = catch_unwind(AssertUnwindSafe(work));
    DEPTH.set(DEPTH.get() - 1);
    done
}

/// True while this thread makes such a call: a panic of now is caught, and told by who made it.
pub fn is_guarded() -> bool {
    DEPTH.get() > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_answer_and_is_known_as_guarded_only_meanwhile() {
        assert!(!is_guarded());
        let inner = guarded(|| {
            assert!(is_guarded());
            assert!(guarded(|| std::panic::panic_any("the disk is full")).is_err());
            is_guarded()
        });
        assert!(matches!(inner, Ok(true)));
        assert!(!is_guarded());
        assert!(guarded(|| std::panic::panic_any("the disk is full")).is_err());
        assert!(!is_guarded(), "also after a panic");
    }
}
