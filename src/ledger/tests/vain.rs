//! Requests that come to nothing whatever they end with: which task is left to a person for them, and which never is; no disk.

use super::*;

/// A row of another account on another target.
fn elsewhere(id: &str) -> Task {
    let mut task = row(id, TaskStatus::Rejected, "88");
    task.target = Some(TargetName::new("SAP"));
    task
}

/// Three tasks, the last one on another target.
struct World {
    work: Work,
    index: Arc<RwLock<Index>>,
    minute: i64,
}

impl World {
    fn new() -> Self {
        let (work, index) = core();
        let mut world = Self {
            work,
            index,
            minute: 0,
        };
        world.list();
        world
    }

    fn list(&mut self) {
        let rows = vec![
            row("90", TaskStatus::Rejected, "77"),
            row("91", TaskStatus::Rejected, "78"),
            elsewhere("92"),
        ];
        see(&mut self.work, rows, self.minute);
    }

    /// The first task goes alone, ends so, and is read as it was.
    fn fails(&mut self, end: &str) {
        let why = Arc::from(end);
        self.minute += 100;
        let unknown = ReceiptStatus::Unknown { why };
        send(&mut self.work, LineageId(1), "90", self.minute, unknown);
        for _ in 0..2 {
            self.minute += 20;
            self.list();
        }
        let index = self.index.read().expect("a lock");
        assert!(index.open_attempt(LineageId(1)).is_none(), "not applied");
    }

    /// Another task is answered clearly.
    fn answered(&mut self, lineage: u64, task: &str) {
        self.minute += 1;
        let refused = ReceiptStatus::Refused {
            reason: Arc::from("no"),
            manual: false,
        };
        send(
            &mut self.work,
            LineageId(lineage),
            task,
            self.minute,
            refused,
        );
    }

    fn known(&self) -> crate::model::facts::History {
        let index = self.index.read().expect("a lock");
        index.history(LineageId(1), true).expect("known")
    }
}

const ENDS: [&str; 6] = [
    "HTTP 503: down",
    "HTTP 408: late",
    "HTTP 429: slowly",
    "HTTP 504: late",
    "HTTP 200: half an answer",
    "the connection was reset",
];

#[test]
fn three_requests_that_held_it_alone_are_in_vain_whatever_they_end_with_where_others_are_answered()
{
    for end in ENDS {
        let mut world = World::new();
        world.fails(end);
        world.answered(2, "91");
        world.fails(end);
        assert_eq!(world.known().in_vain, 0, "{end}");
        world.answered(2, "91");
        world.fails(end);
        assert_eq!(world.known().in_vain, 3, "{end}");
        let store = MemoryStore::default();
        store.append(&world.work.pending).expect("numbers rise");
        let (rebuilt, ..) = replay(&store).expect("own records");
        let again = rebuilt.history(LineageId(1), true).expect("known");
        assert_eq!((again.in_vain, again.unproven), (3, world.known().unproven));
    }
}

#[test]
fn where_nobody_else_or_only_another_target_is_answered_no_task_is_the_reason() {
    for end in ENDS {
        let mut world = World::new();
        for _ in 0..4 {
            world.fails(end);
            world.answered(3, "92");
        }
        assert_eq!(world.known().in_vain, 0, "{end}");
    }
}

#[test]
fn ends_of_several_kinds_are_not_three_of_a_kind_and_an_answer_begins_anew() {
    let mut world = World::new();
    for end in [ENDS[0], ENDS[5], ENDS[0], ENDS[5]] {
        world.fails(end);
        world.answered(2, "91");
    }
    assert_eq!(world.known().in_vain, 0);
    let mut world = World::new();
    for _ in 0..2 {
        world.fails(ENDS[0]);
        world.answered(2, "91");
    }
    world.answered(1, "90");
    world.fails(ENDS[0]);
    assert_eq!(world.known().in_vain, 0);
}

#[test]
fn a_request_that_held_others_too_is_no_sign_against_one_task() {
    let mut world = World::new();
    for batch in 0..3 {
        world.minute += 100;
        let items = vec![
            admitted(LineageId(1), "90", Action::Retry),
            admitted(LineageId(3), "92", Action::Retry),
        ];
        let made = world
            .work
            .claim(request(items, 100 + batch), at(world.minute))
            .expect("claimed");
        let made = made.batch.expect("two items");
        // a batch may come in several records
        for item in &made.items {
            let unknown = ReceiptStatus::Unknown {
                why: Arc::from(ENDS[0]),
            };
            let receipt = item.receipt(unknown, at(world.minute));
            let settled = world
                .work
                .settle(vec![receipt], Duration::ZERO, at(world.minute));
            assert!(settled.expect("settled")[0].applied);
        }
        for _ in 0..2 {
            world.minute += 20;
            world.list();
        }
        world.answered(2, "91");
    }
    assert_eq!(world.known().in_vain, 0);
}

#[test]
fn retries_that_may_have_run_are_counted_until_the_episode_ends() {
    let mut world = World::new();
    world.fails(ENDS[5]);
    world.fails(ENDS[3]);
    // nobody runs anything who says that it is too much
    world.fails(ENDS[2]);
    let known = world.known();
    assert_eq!((known.attempts, known.unproven), (0, 2));
    assert!(!known.keeps_ids);
    let unsent = ReceiptStatus::Unsent {
        why: Arc::from("no route"),
    };
    send(&mut world.work, LineageId(1), "90", world.minute, unsent);
    assert_eq!(world.known().unproven, 2, "that one never left");
    let body = EventBody::EpisodeReset {
        lineage: LineageId(1),
        reason: Arc::from("looked at"),
    };
    let meta = Meta::daemon(at(world.minute), None);
    world.work.emit(&meta, body).expect("small");
    assert_eq!(world.known().unproven, 0);
    // and no pause after the last attempt holds, until the next one
    assert!(world.known().reset);
    let store = MemoryStore::default();
    store.append(&world.work.pending).expect("numbers rise");
    let (rebuilt, ..) = replay(&store).expect("own records");
    let again = rebuilt.history(LineageId(1), true).expect("known");
    assert!(again.reset);
    world.fails(ENDS[5]);
    assert!(!world.known().reset);
}

/// HTTP 403 for a request that held nothing else says it all, the first time too; with others it says nothing yet.
#[test]
fn what_is_forbidden_alone_is_not_sent_once_more() {
    let mut world = World::new();
    world.fails("HTTP 403: not allowed");
    assert_eq!(world.known().in_vain, 3);
    let mut world = World::new();
    let forbidden = || ReceiptStatus::Unknown {
        why: Arc::from("HTTP 403: not allowed"),
    };
    for (n, sends) in [(1, 1), (2, 2)] {
        world.minute += 100;
        let items = vec![
            admitted(LineageId(1), "90", Action::Retry),
            admitted(LineageId(2), "91", Action::Retry),
        ];
        let made = world.work.claim(request(items, n), at(world.minute));
        let made = made.expect("claimed").batch.expect("two items");
        let receipts = made
            .items
            .iter()
            .map(|item| item.receipt(forbidden(), at(world.minute)));
        let receipts = receipts.collect();
        let settled = world
            .work
            .settle(receipts, Duration::ZERO, at(world.minute));
        settled.expect("settled");
        for _ in 0..2 {
            world.minute += 20;
            world.list();
        }
        assert_eq!(world.known().in_vain, sends);
    }
}

#[test]
fn a_target_that_shows_a_new_failure_under_the_id_that_was_retried_keeps_ids() {
    let (mut work, index) = core();
    let lineage = retried(&mut work);
    let mut again = row("90", TaskStatus::Rejected, "77");
    again.reason = Some(Arc::from("account locked"));
    see(&mut work, vec![again], 3);
    let known = index.read().expect("a lock").history(lineage, true);
    assert!(known.expect("known").keeps_ids);
    // one that opens a successor does not
    let (mut work, index) = core();
    let lineage = retried(&mut work);
    see(&mut work, vec![row("1200", TaskStatus::Rejected, "77")], 3);
    let known = index.read().expect("a lock").history(lineage, true);
    assert!(!known.expect("known").keeps_ids);
}
