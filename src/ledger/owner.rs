//! The thread that owns the index: does one operation after the other and hands what they record to the writer in groups; it answers nobody before the writer does, but for what the operations answer themselves.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{mpsc, oneshot};

use super::commit::{Finish, Group, Way, to_disk, write};
use super::error::LedgerError;
use super::open::Opened;
use super::work::Work;

/// Operations that one group commit takes at most.
const GROUP: usize = 128;
/// Groups that may wait for the writer, which takes all of them at once.
const ROOM: usize = 16;
/// Bytes of their records: more would only be memory.
const BYTES: usize = 2 << 20;
/// Gets no work where an earlier write has failed: then nothing is even tried.
/// Answers who is to be told once it is on disk.
pub(super) type Op = Box<dyn FnOnce(Option<&mut Work>) -> Option<Finish> + Send>;

/// Tells everybody why writing has failed.
pub(super) type NoteFailure = dyn Fn(&Arc<str>) + Send + Sync;

/// What the thread is told.
pub(super) enum Message {
    Do(Op),
    Close(oneshot::Sender<Result<(), LedgerError>>),
}

/// A lock whose holder may have panicked: what it guards is only ever replaced whole.
pub(super) fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The thread that owns the index: takes what is queued and hands it on in groups.
pub(super) fn run(
    opened: Opened,
    mut inbox: mpsc::Receiver<Message>,
    note_failure: Arc<NoteFailure>,
) {
    let Opened {
        index,
        store,
        sidecar,
        lock: held,
        missed,
        ..
    } = opened;
    let failed: Arc<Mutex<Option<Arc<str>>>> = Arc::default();
    // while one group is on its way to the disk the next claims are worked out, and go there together
    let (to_disk, groups) = to_disk(Way {
        room: ROOM,
        bytes: BYTES,
        together: ROOM,
    });
    let mut work = Work::new(index).writing_to(to_disk.clone());
    work.missed = missed;
    let (seen, note) = (Arc::clone(&failed), Arc::clone(&note_failure));
    let writer = std::thread::spawn(move || write(&groups, &*store, sidecar, &seen, &*note));
    let mut closing = None;
    while closing.is_none()
        && let Some(first) = inbox.blocking_recv()
    {
        let (mut finish, mut many) = (Vec::new(), 0);
        let mut message = Some(first);
        while let Some(next) = message.take() {
            match next {
                Message::Do(op) => {
                    // let go of before the work: what it gathers waits for the writer, who takes it too
                    let failure = lock(&failed).clone();
                    match failure {
                        // the index is ahead of the disk: nothing may be concluded from it any more
                        Some(why) => {
                            if let Some(answer) = op(None) {
                                answer(Err(LedgerError::Failed(why)));
                            }
                        }
                        None => finish.extend(op(Some(&mut work))),
                    }
                }
                Message::Close(answer) => closing = Some(answer),
            }
            // while the writer is busy more is gathered; where it is free, who waits is let go at once
            many += 1;
            if closing.is_none() && many < GROUP && !to_disk.is_free() {
                message = inbox.try_recv().ok();
            }
        }
        let (records, mark) = work.take_pending();
        let group = Group {
            records,
            mark,
            finish,
        };
        if !to_disk.send(group) {
            // it has panicked; who waits is told by the answers that are dropped
            let why: Arc<str> = Arc::from("the ledger's writer has stopped");
            note_failure(&why);
            lock(&failed).get_or_insert(why);
        }
    }
    inbox.close();
    drop(to_disk);
    drop(work);
    // store and sidecar are closed with the writer, before the lock is let go
    let written = writer.join().is_ok();
    drop(held);
    let last = match lock(&failed).clone() {
        Some(why) => Err(LedgerError::Failed(why)),
        None if !written => Err(LedgerError::Closed),
        None => Ok(()),
    };
    if let Some(answer) = closing {
        // nobody may be waiting any more
        let _ = answer.send(last);
    }
}
