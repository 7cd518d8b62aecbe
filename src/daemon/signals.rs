//! Turns the process's signals into what the loop is told, on a thread of its own; the second one that ends it does so whatever the loop is at.

use std::process::exit;
use std::time::Duration;

use tokio::signal::unix::{Signal as Heard, SignalKind, signal};
use tokio::sync::mpsc;

use super::DaemonError;

/// So long the loop has, after a second signal, to close the store by itself (wall time).
const AT_ONCE: Duration = Duration::from_secs(5);
/// Exit code of an end that the loop did not come to: as of a command that was interrupted.
const INTERRUPTED: i32 = 130;
/// Signals that may wait for the loop.
pub(super) const WAITING: usize = 8;
/// Places among them that reloads leave free.
const ENDS: usize = 4;

/// What the process was told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signal {
    /// SIGTERM or SIGINT.
    Terminate,
    /// SIGHUP.
    Reload,
}

/// What is listened to.
struct Ears {
    terminate: Heard,
    interrupt: Heard,
    hangup: Heard,
    /// A limit on the size of files is an error of the write then, and not the end without a word.
    _too_large: Heard,
}

/// Tells of signals until the process ends. The thread is none of the runtime's, whose threads may all hang.
///
/// # Errors
/// The system takes no handler, or gives no thread.
pub(super) fn listen(signals: mpsc::Sender<Signal>) -> Result<(), DaemonError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(DaemonError::Signals)?;
    let ears = {
        let _inside = runtime.enter();
        Ears {
            terminate: signal(SignalKind::terminate()).map_err(DaemonError::Signals)?,
            interrupt: signal(SignalKind::interrupt()).map_err(DaemonError::Signals)?,
            hangup: signal(SignalKind::hangup()).map_err(DaemonError::Signals)?,
            _too_large: signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))
                .map_err(DaemonError::Signals)?,
        }
    };
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || runtime.block_on(hear(ears, signals)))
        .map_err(DaemonError::Signals)?;
    Ok(())
}

async fn hear(mut ears: Ears, signals: mpsc::Sender<Signal>) {
    let mut ending = false;
    loop {
        let told = tokio::select! {
            _ = ears.terminate.recv() => Signal::Terminate,
            _ = ears.interrupt.recv() => Signal::Terminate,
            _ = ears.hangup.recv() => Signal::Reload,
        };
        if told == Signal::Reload {
            // a loop that takes nothing has reloads enough before it already; there is room for ends
            if signals.capacity() > ENDS {
                let _ = signals.try_send(told);
            }
            continue;
        }
        // one that is gone needs no telling
        let _ = signals.try_send(told);
        if !std::mem::replace(&mut ending, true) {
            continue;
        }
        tokio::time::sleep(AT_ONCE).await;
        tracing::error!(
            "a second signal came and the loop has not ended: the process ends as it is, and what is open is read at the next start"
        );
        exit(INTERRUPTED);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::{Command, Stdio};
    use std::time::Instant;

    use rustix::process::{Pid, Signal as Sent, kill_process};

    use super::*;

    const CHILD: &str = "PROVTASKD_TEST_HANGS";

    /// A process whose loop hangs for good: not a test, but what the one below starts.
    #[test]
    #[ignore = "runs only as the child of the test below"]
    fn a_loop_that_hangs() {
        let Some(ready) = std::env::var_os(CHILD) else {
            return;
        };
        let (signals, _inlet) = mpsc::channel(WAITING);
        listen(signals).expect("it listens");
        std::fs::write(ready, "").expect("written");
        loop {
            std::thread::park();
        }
    }

    #[test]
    fn a_second_signal_ends_a_process_whose_loop_hangs() {
        let dir = tempfile::tempdir().expect("a directory");
        let ready = dir.path().join("ready");
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--ignored", "--exact"])
            .arg("daemon::signals::tests::a_loop_that_hangs")
            .env(CHILD, &ready)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("started");
        let began = Instant::now();
        let patience = Duration::from_secs(60);
        while !ready.exists() && began.elapsed() < patience {
            std::thread::sleep(Duration::from_millis(10));
        }
        let pid = Pid::from_child(&child);
        kill_process(pid, Sent::TERM).expect("sent");
        let mut sent = Instant::now();
        let ended = loop {
            if let Some(status) = child.try_wait().expect("its own child") {
                break Some(status);
            }
            // two that come together are one
            if sent.elapsed() > Duration::from_millis(300) {
                kill_process(pid, Sent::TERM).expect("sent");
                sent = Instant::now();
            }
            if began.elapsed() > patience {
                child.kill().expect("killed");
                break None;
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        let ended = ended.expect("it ends");
        assert_eq!((ended.code(), ended.signal()), (Some(INTERRUPTED), None));
    }
}
