//! Brings groups of records to the disk, on a thread of its own and one after the other; nothing is answered before it is there, and after a failure nothing is written any more.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use super::error::LedgerError;
use super::guarded::guarded;
use super::sidecar::{Mark, Sidecar};
use super::store::Store;

/// Answers whoever asked for something of a group.
pub(super) type Finish = Box<dyn FnOnce(Result<(), LedgerError>) + Send>;

/// A group commit: records in order, the sidecar's mark after them (`None` where there are none), and
/// who waits for all that came up to here.
#[must_use]
pub(super) struct Group {
    pub records: Vec<(u64, Vec<u8>)>,
    pub mark: Option<Mark>,
    pub finish: Vec<Finish>,
}

/// The way of groups to the thread that writes them.
#[derive(Clone, Debug)]
pub(super) struct ToDisk {
    groups: SyncSender<Group>,
    /// Groups that the writer has not begun with.
    waiting: Arc<AtomicUsize>,
}

/// Its other end.
#[derive(Debug)]
pub(super) struct Groups {
    groups: Receiver<Group>,
    waiting: Arc<AtomicUsize>,
}

/// A way on which `room` groups may wait.
pub(super) fn to_disk(room: usize) -> (ToDisk, Groups) {
    let (to, from) = sync_channel(room);
    let waiting = Arc::<AtomicUsize>::default();
    let to = ToDisk {
        groups: to,
        waiting: Arc::clone(&waiting),
    };
    let from = Groups {
        groups: from,
        waiting,
    };
    (to, from)
}

impl ToDisk {
    /// Hands a group on, and waits for room; false where there is no writer any more.
    pub fn send(&self, group: Group) -> bool {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.groups.send(group).is_ok()
    }

    /// True where the writer would begin with a group as soon as it is through with what it has: what
    /// comes later gains nothing by going with it.
    pub fn is_free(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) == 0
    }
}

impl Groups {
    fn next(&self) -> Option<Group> {
        let group = self.groups.recv().ok()?;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        Some(group)
    }
}

/// Why writing has failed, if it has; shared with the thread that makes the groups.
pub(super) type Failed = Mutex<Option<Arc<str>>>;

/// Writes group after group until there is nobody left who makes them.
pub(super) fn write(
    groups: &Groups,
    store: &dyn Store,
    mut sidecar: Option<Sidecar>,
    failed: &Failed,
    note_failure: &dyn Fn(&Arc<str>),
) {
    let why = || {
        failed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    };
    while let Some(Group {
        records,
        mark,
        finish,
    }) = groups.next()
    {
        let done = match (why(), mark) {
            (Some(why), _) => Err(LedgerError::Failed(why)),
            (None, None) => Ok(()),
            (None, Some(mark)) => {
                // sled may panic where it should answer
                let tried = guarded(|| commit(store, sidecar.as_mut(), &mark, &records));
                let done = tried.unwrap_or_else(|_| {
                    let why = "the store panicked while it wrote";
                    Err(LedgerError::Failed(Arc::from(why)))
                });
                if let Err(error) = &done {
                    let why: Arc<str> = Arc::from(error.to_string());
                    tracing::error!(error = %why, "the ledger could not write; sending must stop and the process end");
                    // who is answered by the other thread because of it finds the reason
                    note_failure(&why);
                    *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&why));
                }
                done
            }
        };
        for answer in finish {
            answer(done.clone());
        }
    }
}

fn commit(
    store: &dyn Store,
    sidecar: Option<&mut Sidecar>,
    mark: &Mark,
    records: &[(u64, Vec<u8>)],
) -> Result<(), LedgerError> {
    store.append(records)?;
    if let Some(sidecar) = sidecar {
        sidecar.write(mark)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::error::StoreError;
    use super::*;
    use std::ops::ControlFlow;

    /// Takes one group, and does with the next what is wanted.
    #[derive(Debug)]
    struct Breaking {
        panics: bool,
        taken: Mutex<Vec<u64>>,
    }

    impl Store for Breaking {
        fn append(&self, records: &[(u64, Vec<u8>)]) -> Result<(), StoreError> {
            {
                let mut taken = self.taken.lock().expect("no holder panics");
                if taken.is_empty() {
                    taken.extend(records.iter().map(|(seq, _)| *seq));
                    return Ok(());
                }
            }
            assert!(!self.panics, "as sled does");
            Err(StoreError::Full { path: "/s".into() })
        }

        fn visit(
            &self,
            _: u64,
            _: &mut dyn FnMut(u64, &[u8]) -> ControlFlow<()>,
        ) -> Result<(), StoreError> {
            Ok(())
        }

        fn get(&self, _: u64) -> Result<Option<Vec<u8>>, StoreError> {
            Ok(None)
        }

        fn last(&self) -> Result<Option<u64>, StoreError> {
            Ok(None)
        }
    }

    #[test]
    fn after_a_failed_group_no_other_is_written_and_every_answer_says_so() {
        for panics in [false, true] {
            let (to_disk, groups) = to_disk(8);
            let answers = Arc::new(Mutex::new(Vec::new()));
            for seq in 1..=4_u64 {
                let tell = Arc::clone(&answers);
                let finish: Finish = Box::new(move |done| {
                    tell.lock()
                        .expect("no holder panics")
                        .push((seq, done.is_ok()));
                });
                // the third brings nothing to write, and yet rests on what was not written
                let records = if seq == 3 {
                    Vec::new()
                } else {
                    vec![(seq, Vec::new())]
                };
                let mark = (seq != 3).then(|| Mark {
                    store: "s".to_owned(),
                    seq,
                    head: String::new(),
                });
                assert!(to_disk.send(Group {
                    records,
                    mark,
                    finish: vec![finish],
                }));
            }
            drop(to_disk);
            let store = Breaking {
                panics,
                taken: Mutex::default(),
            };
            let (failed, noted) = (Failed::default(), Mutex::new(0));
            let note = |_: &Arc<str>| *noted.lock().expect("no holder panics") += 1;
            write(&groups, &store, None, &failed, &note);
            let answers = answers.lock().expect("no holder panics").clone();
            assert_eq!(answers, [(1, true), (2, false), (3, false), (4, false)]);
            assert_eq!(*store.taken.lock().expect("no holder panics"), [1]);
            assert!(failed.lock().expect("no holder panics").is_some());
            assert_eq!(*noted.lock().expect("no holder panics"), 1, "said once");
        }
    }
}
