//! Brings groups of records to the disk, on a thread of its own and in their order, those that wait together; nothing is answered before it is there, and after a failure nothing is written any more. What nobody waits for goes there with what comes after it.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::error::LedgerError;
use super::guarded::guarded;
use super::sidecar::{Mark, Sidecar};
use super::store::Store;

/// So long what nobody waits for may lie before it is brought to the disk: another group mostly follows.
const PAUSE: Duration = Duration::from_millis(20);
/// Most bytes of records that lie so, and most groups that come meanwhile.
const OWED: usize = 16 << 20;
const OWED_GROUPS: usize = 64;

/// Answers whoever asked for something of a group.
pub(super) type Finish = Box<dyn FnOnce(Result<(), LedgerError>) + Send>;

/// A group commit: records in order, the sidecar's mark after them (`None` where there are none), and
/// who waits for all that came up to here.
#[must_use]
#[derive(Default)]
pub(super) struct Group {
    pub records: Vec<(u64, Vec<u8>)>,
    pub mark: Option<Mark>,
    /// None: nobody waits for the disk.
    pub finish: Vec<Finish>,
}

impl Group {
    /// Takes along what comes right after it.
    fn and_then(&mut self, next: Self) {
        self.records.extend(next.records);
        self.mark = next.mark.or(self.mark.take());
        self.finish.extend(next.finish);
    }

    fn bytes(&self) -> usize {
        self.records.iter().map(|(_, record)| record.len()).sum()
    }
}

/// How much lies between those who make groups and the one who writes them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    /// Groups that may wait; whoever makes another one waits.
    pub room: usize,
    /// Bytes of their records, but for a single group that is larger.
    pub bytes: usize,
    /// Groups that go to the disk together at most, where they wait there already.
    pub together: usize,
}

/// What lies on the way.
#[derive(Debug, Default)]
struct Waiting {
    groups: VecDeque<Group>,
    bytes: usize,
    /// Who may bring more.
    makers: usize,
    /// Nobody takes anything any more.
    over: bool,
}

impl std::fmt::Debug for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Group").finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Between {
    way: Way,
    waiting: Mutex<Waiting>,
    /// A group has come, or the last one who makes them has gone.
    came: Condvar,
    /// A group was taken, or the writer has gone.
    taken: Condvar,
}

impl Between {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The way of groups to the thread that writes them.
#[derive(Debug)]
pub(super) struct ToDisk(Arc<Between>);

/// Its other end.
#[derive(Debug)]
pub(super) struct Groups(Arc<Between>);

/// A way for groups.
pub(super) fn to_disk(way: Way) -> (ToDisk, Groups) {
    let between = Arc::new(Between {
        way,
        waiting: Mutex::new(Waiting {
            makers: 1,
            ..Waiting::default()
        }),
        came: Condvar::new(),
        taken: Condvar::new(),
    });
    (ToDisk(Arc::clone(&between)), Groups(between))
}

impl Clone for ToDisk {
    fn clone(&self) -> Self {
        self.0.waiting().makers += 1;
        Self(Arc::clone(&self.0))
    }
}

impl Drop for ToDisk {
    fn drop(&mut self) {
        self.0.waiting().makers -= 1;
        self.0.came.notify_one();
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        // answers that nobody will give any more are dropped, and so told
        let left = {
            let mut waiting = self.0.waiting();
            waiting.over = true;
            std::mem::take(&mut waiting.groups)
        };
        drop(left);
        self.0.taken.notify_all();
    }
}

impl ToDisk {
    /// Hands a group on, and waits for room; false where there is no writer any more.
    pub fn send(&self, group: Group) -> bool {
        let bytes = group.bytes();
        let full = |waiting: &mut Waiting| {
            let many = waiting.groups.len();
            let much = many > 0 && waiting.bytes.saturating_add(bytes) > self.0.way.bytes;
            !waiting.over && (many >= self.0.way.room || much)
        };
        let waiting = self.0.taken.wait_while(self.0.waiting(), full);
        let mut waiting = waiting.unwrap_or_else(PoisonError::into_inner);
        if waiting.over {
            return false;
        }
        waiting.bytes += bytes;
        waiting.groups.push_back(group);
        drop(waiting);
        self.0.came.notify_one();
        true
    }

    /// True where the writer would begin with a group as soon as it is through with what it has: what
    /// comes later gains nothing by going with it.
    pub fn is_free(&self) -> bool {
        self.0.waiting().groups.is_empty()
    }
}

/// What there is to do.
enum Next {
    Group(Group),
    /// Nothing has come for a while.
    Pause,
}

impl Groups {
    /// The next group with what waits behind it, after a pause at most where something is owed; `None`:
    /// there will be no other.
    fn next(&self, owes: bool) -> Option<Next> {
        let none = |waiting: &mut Waiting| waiting.groups.is_empty() && waiting.makers > 0;
        let (came, waiting) = (&self.0.came, self.0.waiting());
        let mut waiting = if owes {
            let (waiting, waited) = came
                .wait_timeout_while(waiting, PAUSE, none)
                .unwrap_or_else(PoisonError::into_inner);
            if waited.timed_out() {
                return Some(Next::Pause);
            }
            waiting
        } else {
            came.wait_while(waiting, none)
                .unwrap_or_else(PoisonError::into_inner)
        };
        let mut group = waiting.groups.pop_front()?;
        let mut bytes = group.bytes();
        for _ in 1..self.0.way.together {
            let Some(next) = waiting.groups.pop_front() else {
                break;
            };
            bytes += next.bytes();
            group.and_then(next);
        }
        waiting.bytes -= bytes;
        drop(waiting);
        self.0.taken.notify_all();
        Some(Next::Group(group))
    }
}

/// Why writing has failed, if it has; shared with the thread that makes the groups.
pub(super) type Failed = Mutex<Option<Arc<str>>>;

/// Writes group after group until there is nobody left who makes them.
pub(super) fn write(
    groups: &Groups,
    store: &dyn Store,
    sidecar: Option<Sidecar>,
    failed: &Failed,
    note_failure: &dyn Fn(&Arc<str>),
) {
    let mut writer = Writer {
        store,
        sidecar,
        failed,
        note_failure,
        owed: None,
        bytes: 0,
        groups: 0,
    };
    loop {
        let next = groups.next(writer.owed.is_some());
        let over = next.is_none();
        let (group, waited_for) = match next {
            Some(Next::Group(group)) => {
                let waited_for = !group.finish.is_empty();
                (group, waited_for)
            }
            // no other group takes along what lies there
            Some(Next::Pause) | None => (Group::default(), true),
        };
        let done = writer.take(&group.records, group.mark, waited_for);
        for answer in group.finish {
            answer(done.clone());
        }
        if over {
            return;
        }
    }
}

struct Writer<'a> {
    store: &'a dyn Store,
    sidecar: Option<Sidecar>,
    failed: &'a Failed,
    note_failure: &'a dyn Fn(&Arc<str>),
    /// The mark behind what lies in the store and may not be on disk.
    owed: Option<Mark>,
    /// How much that is, and how many groups have come since.
    bytes: usize,
    groups: usize,
}

impl Writer<'_> {
    /// Writes records, and brings all that is owed to the disk where somebody waits for it, or it is much.
    fn take(
        &mut self,
        records: &[(u64, Vec<u8>)],
        mark: Option<Mark>,
        waited_for: bool,
    ) -> Result<(), LedgerError> {
        let why = self
            .failed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some(why) = why {
            return Err(LedgerError::Failed(why));
        }
        // sled may panic where it should answer
        let tried = guarded(|| self.commit(records, mark, waited_for));
        let done = tried.unwrap_or_else(|_| {
            let why = "the store panicked while it wrote";
            Err(LedgerError::Failed(Arc::from(why)))
        });
        if let Err(error) = &done {
            let why: Arc<str> = Arc::from(error.to_string());
            tracing::error!(error = %why, "the ledger could not write; sending must stop and the process end");
            // who is answered by the other thread because of it finds the reason
            (self.note_failure)(&why);
            *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
            // nothing is written any more
            self.owed = None;
        }
        done
    }

    fn commit(
        &mut self,
        records: &[(u64, Vec<u8>)],
        mark: Option<Mark>,
        waited_for: bool,
    ) -> Result<(), LedgerError> {
        if mark.is_some() {
            self.store.place(records)?;
            self.owed = mark;
            self.bytes += records
                .iter()
                .map(|(_, record)| record.len())
                .sum::<usize>();
        }
        let Some(mark) = &self.owed else {
            return Ok(());
        };
        self.groups += 1;
        if !waited_for && self.bytes < OWED && self.groups < OWED_GROUPS {
            return Ok(());
        }
        self.store.sync()?;
        if let Some(sidecar) = &mut self.sidecar {
            sidecar.write(mark)?;
        }
        (self.owed, self.bytes, self.groups) = (None, 0, 0);
        Ok(())
    }
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

    /// Counts how often it was brought to the disk, and what was there then.
    #[derive(Debug, Default)]
    struct Counting {
        placed: Mutex<Vec<u64>>,
        synced: Mutex<Vec<usize>>,
    }

    impl Store for Counting {
        fn append(&self, records: &[(u64, Vec<u8>)]) -> Result<(), StoreError> {
            self.place(records)?;
            self.sync()
        }

        fn place(&self, records: &[(u64, Vec<u8>)]) -> Result<(), StoreError> {
            let mut placed = self.placed.lock().expect("no holder panics");
            placed.extend(records.iter().map(|(seq, _)| *seq));
            Ok(())
        }

        fn sync(&self) -> Result<(), StoreError> {
            let many = self.placed.lock().expect("no holder panics").len();
            self.synced.lock().expect("no holder panics").push(many);
            Ok(())
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

    /// Each group by itself.
    const EACH: Way = Way {
        room: 8,
        bytes: usize::MAX,
        together: 1,
    };

    fn group(seq: u64, bytes: usize, finish: Vec<Finish>) -> Group {
        Group {
            records: vec![(seq, vec![0; bytes])],
            mark: Some(Mark {
                store: "s".to_owned(),
                seq,
                head: String::new(),
            }),
            finish,
        }
    }

    #[test]
    fn what_nobody_waits_for_goes_to_the_disk_with_what_somebody_does_and_before_its_answer() {
        let (to_disk, groups) = to_disk(EACH);
        let store = Arc::new(Counting::default());
        let seen = Arc::clone(&store);
        let answer: Finish = Box::new(move |done| {
            assert!(done.is_ok());
            // all that lay before is there with it
            assert_eq!(*seen.synced.lock().expect("no holder panics"), [3]);
        });
        assert!(to_disk.send(group(1, 10, Vec::new())));
        assert!(to_disk.send(group(2, 10, Vec::new())));
        assert!(to_disk.send(group(3, 10, vec![answer])));
        // much is not kept for a later one, and what is left goes at the end
        assert!(to_disk.send(group(4, OWED, Vec::new())));
        assert!(to_disk.send(group(5, 10, Vec::new())));
        drop(to_disk);
        write(&groups, &*store, None, &Failed::default(), &|_| {});
        assert_eq!(*store.synced.lock().expect("no holder panics"), [3, 4, 5]);
    }

    #[test]
    fn groups_that_wait_go_to_the_disk_together_and_every_answer_comes_after_that_in_its_order() {
        let (to_disk, groups) = to_disk(Way {
            together: 3,
            ..EACH
        });
        let store = Arc::new(Counting::default());
        let answers = Arc::new(Mutex::new(Vec::new()));
        for seq in 1..=4_u64 {
            let (seen, tell) = (Arc::clone(&store), Arc::clone(&answers));
            let finish: Finish = Box::new(move |done| {
                assert!(done.is_ok());
                let synced = seen.synced.lock().expect("no holder panics").clone();
                tell.lock().expect("no holder panics").push((seq, synced));
            });
            assert!(to_disk.send(group(seq, 10, vec![finish])));
        }
        drop(to_disk);
        write(&groups, &*store, None, &Failed::default(), &|_| {});
        let answers = answers.lock().expect("no holder panics").clone();
        let expected = [(1, vec![3]), (2, vec![3]), (3, vec![3]), (4, vec![3, 4])];
        assert_eq!(answers, expected);
        assert_eq!(
            *store.placed.lock().expect("no holder panics"),
            [1, 2, 3, 4]
        );
    }

    #[test]
    fn who_makes_groups_waits_for_room_and_learns_that_there_is_no_writer_any_more() {
        let way = Way { bytes: 100, ..EACH };
        let (to_disk, groups) = to_disk(way);
        assert!(to_disk.is_free());
        // one that is too large by itself may wait, and nothing behind it
        assert!(to_disk.send(group(1, 101, Vec::new())));
        assert!(!to_disk.is_free());
        let behind = to_disk.clone();
        let sends = std::thread::spawn(move || {
            let first = behind.send(group(2, 10, Vec::new()));
            (first, behind.send(group(3, 100, Vec::new())))
        });
        let Some(Next::Group(taken)) = groups.next(false) else {
            panic!("one is there");
        };
        assert_eq!(taken.records.len(), 1);
        let Some(Next::Group(taken)) = groups.next(false) else {
            panic!("it comes when there is room");
        };
        assert_eq!(taken.records.first().map(|(seq, _)| *seq), Some(2));
        drop(groups);
        let (first, _) = sends.join().expect("it ends");
        assert!(first);
        assert!(!to_disk.send(group(4, 10, Vec::new())));
    }

    #[test]
    fn who_waits_behind_what_nobody_waits_for_is_answered_when_that_is_there() {
        let (to_disk, groups) = to_disk(EACH);
        let store = Arc::new(Counting::default());
        let seen = Arc::clone(&store);
        assert!(to_disk.send(group(1, 10, Vec::new())));
        let answer: Finish = Box::new(move |done| {
            assert!(done.is_ok());
            assert_eq!(*seen.synced.lock().expect("no holder panics"), [1]);
        });
        assert!(to_disk.send(Group {
            finish: vec![answer],
            ..Group::default()
        }));
        drop(to_disk);
        write(&groups, &*store, None, &Failed::default(), &|_| {});
        assert_eq!(*store.synced.lock().expect("no holder panics"), [1]);
    }

    #[test]
    fn after_a_failed_group_no_other_is_written_and_every_answer_says_so() {
        for panics in [false, true] {
            let (to_disk, groups) = to_disk(EACH);
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
