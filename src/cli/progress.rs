//! One line on a terminal that says what is waited for, and for how long; nothing where nobody looks at a terminal. It knows nothing of the work.

use std::future::Future;
use std::io::{IsTerminal as _, Write};
use std::time::Duration;

/// Most answers are there before anybody wonders.
const FIRST: Duration = Duration::from_secs(1);
/// Clears the line that the cursor stands in.
const CLEAR: &str = "\r\x1b[K";

/// Waits for the work; on a terminal it says so meanwhile, on standard error.
pub async fn beside<T>(what: &str, work: impl Future<Output = T>) -> T {
    beside_that(|| what.to_owned(), work).await
}

/// The same with words that change while the work goes on.
pub async fn beside_that<T>(what: impl Fn() -> String, work: impl Future<Output = T>) -> T {
    if std::io::stderr().is_terminal() {
        shown(&mut std::io::stderr(), FIRST, what, work).await
    } else {
        work.await
    }
}

async fn shown<T>(
    out: &mut impl Write,
    every: Duration,
    what: impl Fn() -> String,
    work: impl Future<Output = T>,
) -> T {
    tokio::pin!(work);
    let began = std::time::Instant::now();
    let mut said = false;
    loop {
        tokio::select! {
            biased;
            done = &mut work => {
                if said {
                    // who does not see it misses nothing
                    let _ = write!(out, "{CLEAR}").and_then(|()| out.flush());
                }
                return done;
            }
            () = tokio::time::sleep(every) => {
                said = true;
                let seconds = began.elapsed().as_secs();
                let line = format!("{CLEAR}{} … {seconds} s (Ctrl-C stops waiting)", what());
                let _ = write!(out, "{line}").and_then(|()| out.flush());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;

    #[tokio::test]
    async fn what_is_at_once_says_nothing() {
        let mut out = Vec::new();
        let done = shown(
            &mut out,
            FIRST,
            || "reading".to_owned(),
            std::future::ready(7),
        )
        .await;
        assert_eq!((done, out.as_slice()), (7, &b""[..]));
    }

    /// What was written so far, for the work to see.
    #[derive(Clone, Default)]
    struct Seen(Rc<RefCell<Vec<u8>>>);

    impl Write for Seen {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.borrow_mut().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn what_lasts_is_said_and_wiped_away() {
        let out = Seen::default();
        let work = async {
            while out.0.borrow().is_empty() {
                tokio::task::yield_now().await;
            }
            7
        };
        let done = shown(
            &mut out.clone(),
            Duration::ZERO,
            || "reading the list".to_owned(),
            work,
        )
        .await;
        let text = String::from_utf8(out.0.borrow().clone()).expect("text");
        assert_eq!(done, 7);
        assert!(text.contains("reading the list … 0 s"), "{text:?}");
        assert!(text.ends_with(CLEAR), "{text:?}");
    }
}
