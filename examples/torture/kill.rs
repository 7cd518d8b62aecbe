//! When the daemon is killed: at any time, or at the very moment when something shows itself in its files or in the simulator's journal; it must never ask the daemon itself.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::mem::MaybeUninit;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use provtaskd::sim::clock::wall_ms;
use rustix::fs::inotify;
use rustix::process::{Pid, Signal, kill_process};

use crate::dice::Dice;
use crate::house::House;
use crate::phase::Phase;

/// The shortest sleep between two looks.
const LOOK: Duration = Duration::from_micros(20);

/// What a kill waits for; then it waits so many microseconds more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aim {
    /// So long after the start.
    Start(u64),
    /// The n-th PUT has arrived.
    Put(u64, u64),
    /// The n-th reading of a task or account has arrived.
    Reading(u64, u64),
    /// The journal of the store was written for the n-th time.
    Record(u64, u64),
    /// The sidecar was written for the n-th time: what the journal holds is acknowledged.
    Mark(u64, u64),
    /// The same, from when a cycle has something to send: claims are among the next.
    ClaimRecord(u64, u64),
    /// The same for the sidecar.
    ClaimMark(u64, u64),
    /// So long after the world went on.
    Chance(u64),
}

impl Aim {
    /// An aim that may meet a phase; `slow` is how many times longer this build takes than an optimised one.
    pub fn at(phase: Phase, dice: &mut Dice, slow: u64) -> Self {
        match phase {
            Phase::StartUp => Self::Start(dice.within(0, 60_000) * slow),
            Phase::Claim => Self::ClaimMark(dice.within(1, 4), 0),
            Phase::Flush => match dice.within(0, 2) {
                0 => Self::Record(dice.within(1, 9), dice.within(0, 500)),
                1 => Self::ClaimRecord(dice.within(1, 4), dice.within(0, 100)),
                _ => Self::Mark(dice.within(1, 9), dice.within(0, 200)),
            },
            Phase::Put => Self::Put(dice.within(1, 4), dice.within(0, 400)),
            Phase::Receipt => Self::Put(dice.within(1, 4), dice.within(200, 3_000) * slow),
            Phase::Verification => Self::Reading(dice.within(1, 8), dice.within(0, 2_000)),
            Phase::Compaction | Phase::Cycle | Phase::Idle => {
                Self::Chance(dice.within(0, 120_000) * slow)
            }
        }
    }
}

/// Somebody who waits for the moment.
#[derive(Debug)]
pub struct Hunter {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Option<i64>>,
}

impl Hunter {
    /// Sets one on the daemon. What it looks at from now on counts.
    pub fn after(daemon: &Child, aim: Aim, house: &House) -> Self {
        let pid = Pid::from_child(daemon);
        Self::with(aim, house, move || {
            // it may have ended by itself: that is seen from its exit
            let _ = kill_process(pid, Signal::KILL);
        })
    }

    /// Does something else when the moment comes.
    pub fn with(aim: Aim, house: &House, deed: impl FnOnce() + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let files = Files {
            journal: house.journal_path(),
            log: house.log_path(),
            record: house.store().join("journal/db"),
            mark: house.store().join("sidecar"),
        };
        let thread = std::thread::spawn(move || {
            if !seen(aim, &files, &told) {
                return None;
            }
            deed();
            Some(wall_ms())
        });
        Self { stop, thread }
    }

    /// True once the moment came.
    pub fn is_through(&self) -> bool {
        self.thread.is_finished()
    }

    /// Calls it back; answers the wall time of its kill, if it came to that.
    pub fn back(self) -> Option<i64> {
        self.stop.store(true, Ordering::Relaxed);
        // one that panicked has killed nothing that is known of
        self.thread.join().ok().flatten()
    }
}

/// What can be looked at.
#[derive(Debug)]
struct Files {
    journal: PathBuf,
    log: PathBuf,
    record: PathBuf,
    mark: PathBuf,
}

/// Waits for the moment; false where it was called back before.
fn seen(aim: Aim, files: &Files, stop: &AtomicBool) -> bool {
    let has = |word: &'static str| move |line: &str| line.contains(word);
    let queued = |line: &str| line.contains("cycle done") && !line.contains("queued=0 ");
    let (came, then) = match aim {
        Aim::Start(then) | Aim::Chance(then) => (true, then),
        Aim::Put(nth, then) => {
            let put = has("\"class\":\"put\"");
            (lines(&files.journal, &put, nth, stop), then)
        }
        Aim::Reading(nth, then) => {
            let read = has("\"class\":\"read\"");
            (lines(&files.journal, &read, nth, stop), then)
        }
        Aim::Record(nth, then) => (writes(&files.record, None, nth, stop), then),
        Aim::Mark(nth, then) => (writes(&files.mark, None, nth, stop), then),
        Aim::ClaimRecord(nth, then) => {
            let first = || lines(&files.log, &queued, 1, stop);
            (writes(&files.record, Some(&first), nth, stop), then)
        }
        Aim::ClaimMark(nth, then) => {
            let first = || lines(&files.log, &queued, 1, stop);
            (writes(&files.mark, Some(&first), nth, stop), then)
        }
    };
    came && (then == 0 || pass(Duration::from_micros(then), stop))
}

fn pass(span: Duration, stop: &AtomicBool) -> bool {
    let began = Instant::now();
    while began.elapsed() < span {
        if stop.load(Ordering::Relaxed) {
            return false;
        }
        std::thread::sleep(LOOK.min(span));
    }
    true
}

/// Waits until there were so many new lines of a sort.
fn lines(path: &Path, sort: &dyn Fn(&str) -> bool, nth: u64, stop: &AtomicBool) -> bool {
    let Ok(mut file) = File::open(path) else {
        return false;
    };
    let _ = file.seek(SeekFrom::End(0));
    let mut rest = Vec::new();
    let mut left = nth;
    loop {
        // what can't be read now is read by the next look
        let _ = file.read_to_end(&mut rest);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            if sort(&String::from_utf8_lossy(&line)) {
                left = left.saturating_sub(1);
            }
        }
        if left == 0 {
            return true;
        }
        if stop.load(Ordering::Relaxed) {
            return false;
        }
        std::thread::sleep(LOOK);
    }
}

/// Waits until a file was written so many times, counted from when something else came first.
fn writes(path: &Path, first: Option<&dyn Fn() -> bool>, nth: u64, stop: &AtomicBool) -> bool {
    while !path.exists() {
        if stop.load(Ordering::Relaxed) {
            return false;
        }
        std::thread::sleep(LOOK);
    }
    let flags = inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC;
    let Ok(watch) = inotify::init(flags) else {
        return false;
    };
    if inotify::add_watch(&watch, path, inotify::WatchFlags::MODIFY).is_err() {
        return false;
    }
    let mut space = [MaybeUninit::uninit(); 1024];
    let mut events = inotify::Reader::new(watch, &mut space);
    if let Some(first) = first {
        if !first() {
            return false;
        }
        while events.next().is_ok() {}
    }
    let mut left = nth;
    loop {
        while events.next().is_ok() {
            left = left.saturating_sub(1);
            if left == 0 {
                return true;
            }
        }
        if stop.load(Ordering::Relaxed) {
            return false;
        }
        std::thread::sleep(LOOK);
    }
}
