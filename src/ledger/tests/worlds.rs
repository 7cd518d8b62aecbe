//! Ids that come back as other tasks: nothing is inherited, and enough of them stop everything until a person has looked; no disk.

use super::*;
use crate::ledger::world::World;

/// A row that shows when it was made.
pub(super) fn made(id: &str, process: &str, definition: &str, minute: i64) -> Task {
    let mut task = row(id, TaskStatus::Rejected, process);
    task.definition_key = Some(DefKey::new(definition));
    task.created = Some(at(minute) + SignedDuration::from_secs(7));
    task
}

pub(super) fn person() -> Actor {
    Actor::Person {
        uid: 7,
        name: Arc::from("ann"),
    }
}

/// Three tasks, made and seen before the server's data were put back.
pub(super) fn known(work: &mut Work) -> Vec<LineageId> {
    let rows = ["90", "91", "92"].map(|id| made(id, id, "39", -60));
    let seen = see(work, rows.to_vec(), 0);
    seen.views.iter().filter_map(|view| view.lineage).collect()
}

pub(super) fn claim_of(work: &mut Work, lineage: LineageId, task: &str) -> Option<RefusalReason> {
    let item = admitted(lineage, task, Action::Retry);
    let made = work
        .claim(request(vec![item], 5), at(50))
        .expect("answered");
    made.refused.first().map(|(_, refusal)| refusal.reason)
}

#[test]
fn one_id_that_is_another_task_in_two_facts_stops_everything_at_once_and_twice_for_good() {
    let (mut work, index) = core();
    let lineages = known(&mut work);
    let now = || vec![made("90", "90", "39", -60), made("91", "500", "39", 3)];
    let records = work.pending.len();
    let first = see(&mut work, now(), 5);
    let World::Doubtful(why) = &first.world else {
        panic!("{:?}", first.world);
    };
    assert!(why.contains("account 91 then and 500 now"), "{why}");
    assert!(why.contains("created 2027-03-01T07:00:07Z then"), "{why}");
    assert_eq!(first.views[1].lineage, None, "it is nobody's");
    assert_eq!(first.views[0].lineage, Some(lineages[0]));
    assert_eq!(
        work.pending.len(),
        records,
        "one odd pass concludes nothing"
    );
    let refused = claim_of(&mut work, lineages[0], "90");
    assert_eq!(refused, Some(RefusalReason::WorldMismatch));
    let second = see(&mut work, now(), 10);
    assert!(matches!(second.world, World::Other(_)));
    for minute in [15, 20] {
        // whatever is shown now: only a person ends it
        let seen = see(&mut work, vec![made("90", "90", "39", -60)], minute);
        assert!(matches!(seen.world, World::Other(_)));
    }
    let refused = claim_of(&mut work, lineages[0], "90");
    assert_eq!(refused, Some(RefusalReason::WorldMismatch));
    // after a restart
    let store = MemoryStore::default();
    store.append(&work.pending).expect("numbers rise");
    let (rebuilt, wrong, _) = replay(&store).expect("own records");
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(rebuilt, *index.read().expect("a lock"));
    let mut again = Work::new(Arc::new(RwLock::new(rebuilt)));
    let refused = claim_of(&mut again, lineages[0], "90");
    assert_eq!(refused, Some(RefusalReason::WorldMismatch));
}

#[test]
fn one_odd_pass_is_forgotten() {
    let (mut work, _) = core();
    let lineages = known(&mut work);
    let seen = see(&mut work, vec![made("91", "500", "39", 3)], 5);
    assert!(matches!(seen.world, World::Doubtful(_)));
    let back = see(&mut work, vec![made("91", "91", "39", -60)], 10);
    assert_eq!(back.world, World::Known);
    assert_eq!(back.views[0].lineage, Some(lineages[1]));
    assert_eq!(claim_of(&mut work, lineages[1], "91"), None);
}

#[test]
fn two_ids_in_other_accounts_prove_it_and_one_does_not() {
    for (many, proven) in [(1, false), (2, true)] {
        let (mut work, _) = core();
        known(&mut work);
        let now = || {
            let ids = ["90", "91", "92"].into_iter().take(many);
            ids.map(|id| row(id, TaskStatus::Rejected, "500")).collect()
        };
        see(&mut work, now(), 5);
        let seen = see(&mut work, now(), 10);
        assert_eq!(matches!(seen.world, World::Other(_)), proven);
    }
}

#[test]
fn what_is_not_shown_and_what_is_shown_in_another_form_is_no_difference() {
    let (mut work, _) = core();
    let lineages = known(&mut work);
    let mut bare = Task::bare(TaskId::new("90"), TaskStatus::Rejected);
    let mut renamed = made("91", "91", "39", -60);
    renamed.beneficiary = Some(Login::new("jsmith"));
    renamed.definition_key = None;
    renamed.definition_name = Some(Arc::from("Create User"));
    // read in another zone
    let zoned = made("92", "92", "39", 120);
    for minute in [5, 10, 15] {
        bare.reason = Some(Arc::from("another word"));
        let rows = vec![bare.clone(), renamed.clone(), zoned.clone()];
        let seen = see(&mut work, rows, minute);
        assert_eq!(seen.world, World::Known);
        let views: Vec<_> = seen.views.iter().filter_map(|view| view.lineage).collect();
        assert_eq!(views, lineages);
    }
}

#[test]
fn a_successor_is_known_by_its_own_creation_date() {
    let (mut work, _) = core();
    let lineages = known(&mut work);
    send(&mut work, lineages[0], "90", 1, ReceiptStatus::Accepted);
    let successor = made("1200", "90", "39", 2);
    let joined = see(&mut work, vec![successor.clone()], 5);
    assert_eq!(joined.views[0].lineage, Some(lineages[0]));
    let same = see(&mut work, vec![successor], 10);
    assert_eq!(same.views[0].lineage, Some(lineages[0]));
    // the same id again, of another account and made later
    let seen = see(&mut work, vec![made("1200", "500", "39", 12)], 15);
    let World::Doubtful(why) = seen.world else {
        panic!("{:?}", seen.world);
    };
    assert!(why.contains("created 2027-03-01T08:02:07Z then"), "{why}");
}

#[test]
fn an_id_that_differs_in_one_fact_inherits_nothing_and_goes_to_a_person() {
    // a definition alone is none where nothing shows that the account is the same
    let mut bare = made("91", "91", "40", -60);
    bare.process = None;
    for now in [
        made("91", "500", "39", -60),
        bare,
        // of another date, if not of a later one than our sight
        made("91", "91", "40", -597),
        made("91", "91", "39", 3),
    ] {
        let (mut work, index) = core();
        let lineages = known(&mut work);
        let old = lineages[1];
        work.take_baseline(person(), Vec::new(), at(1))
            .expect("taken");
        let body = EventBody::BaselineReleased {
            lineages: vec![old],
            reason: Arc::from("the test"),
        };
        work.emit(&Meta::by(person(), at(1)), body).expect("small");
        send(&mut work, old, "91", 2, ReceiptStatus::Accepted);
        let first = see(&mut work, vec![now.clone()], 5);
        assert_eq!(
            (first.views[0].lineage, &first.world),
            (None, &World::Known)
        );
        assert_eq!(
            first.outcomes,
            [],
            "another task tells nothing of the attempt"
        );
        let moved = claim_of(&mut work, old, "91");
        assert_eq!(moved, Some(RefusalReason::TaskMoved));
        let second = see(&mut work, vec![now.clone()], 10);
        let new = second.views[0].lineage.expect("a lineage of its own");
        assert!(!lineages.contains(&new) && second.views[0].ambiguous);
        let index = index.read().expect("a lock");
        assert_eq!(index.lineage_of(&TaskId::new("91")), Some(new));
        let history = index.history(new, true).expect("known");
        assert_eq!((history.attempts, history.attempts_total), (0, 0));
        assert!(!index.is_released(new) && !index.in_baseline(new));
        assert_eq!(index.origin(new), now.created, "not the old one's");
        let before = index.history(old, true).expect("known");
        assert_eq!(before.attempts_total, 1, "the old one keeps what it had");
        assert!(index.is_retired(old) && index.is_ambiguous(old));
        drop(index);
        // it stays itself, and its id is not asked about again
        let third = see(&mut work, vec![now.clone()], 15);
        assert_eq!(third.views[0].lineage, Some(new));
        assert_eq!((third.opened, third.ambiguous), (0, 0));
    }
}

#[test]
fn a_reading_of_another_task_under_the_id_tells_nothing() {
    let (mut work, _) = core();
    let lineages = known(&mut work);
    send(&mut work, lineages[1], "91", 1, ReceiptStatus::Accepted);
    let mut other = made("91", "500", "40", 3);
    other.status = TaskStatus::Completed;
    let meta = Meta::daemon(at(4), None);
    let looks = vec![
        Looked::single(lineages[1], 1, Some(other.clone())),
        Looked::process(lineages[1], 1, vec![other]),
    ];
    let told = work.looked(looks, &delivery(), &meta, at(4));
    assert_eq!(told.expect("looked").outcomes, []);
}

#[test]
fn an_accepted_world_begins_anew_with_a_backlog_of_its_own() {
    let (mut work, index) = core();
    let lineages = known(&mut work);
    work.take_baseline(person(), Vec::new(), at(1))
        .expect("taken");
    send(&mut work, lineages[0], "90", 2, ReceiptStatus::Accepted);
    let now = || vec![made("90", "90", "39", -60), made("91", "500", "39", 3)];
    let (none, _) = work.accept_world("x", person(), at(4)).expect("answered");
    assert_eq!(none, 0, "nothing was found yet");
    for minute in [5, 10] {
        see(&mut work, now(), minute);
    }
    let (closed, outcomes) = work
        .accept_world("restored", person(), at(11))
        .expect("accepted");
    assert_eq!((closed, outcomes.len()), (3, 1));
    assert_eq!(outcomes[0].event, AttemptEvent::PersonClosed);
    assert_eq!(
        claim_of(&mut work, lineages[0], "90"),
        Some(RefusalReason::TaskMoved),
        "the old one is closed"
    );
    let seen = see(&mut work, now(), 15);
    assert_eq!(
        (seen.opened, seen.joined, &seen.world),
        (2, 0, &World::Known)
    );
    let taken = work
        .take_baseline(Actor::Daemon, Vec::new(), at(15))
        .expect("taken");
    assert_eq!(taken.lineages, 2, "what is there now waits for a release");
    let index = index.read().expect("a lock");
    assert_eq!(index.open_attempts().count(), 0);
    let new = seen.views[0].lineage.expect("opened");
    assert!(index.in_baseline(new) && !lineages.contains(&new));
    assert_eq!(index.inbox(at(-9999)), []);
    let store = MemoryStore::default();
    store.append(&work.pending).expect("numbers rise");
    let (rebuilt, ..) = replay(&store).expect("own records");
    assert_eq!(rebuilt, *index);
}

/// Twelve open tasks, of which the server knows only the first two after its data were put back.
fn twelve(work: &mut Work) -> Vec<Task> {
    let rows: Vec<Task> = (100..112)
        .map(|id: u32| made(&id.to_string(), &id.to_string(), "39", -60))
        .collect();
    see(work, rows.clone(), 0);
    rows[..2].to_vec()
}

#[test]
fn ids_that_begin_again_below_many_that_are_gone_are_older_data() {
    let (mut work, _) = core();
    twelve(&mut work);
    // never seen here before: what had these ids then was done at once
    let now = || vec![made("98", "700", "39", 7), made("99", "701", "39", 8)];
    for minute in [10, 15] {
        let seen = see(&mut work, now(), minute);
        assert_eq!((seen.opened, seen.joined), (0, 0));
        match seen.world {
            World::Doubtful(_) => assert_eq!(minute, 10),
            World::Other(why) => {
                assert_eq!(minute, 15);
                assert!(
                    why.contains("task 98 created") && why.contains("111"),
                    "{why}"
                );
            }
            World::Known => panic!("{minute}"),
        }
    }
}

#[test]
fn ids_out_of_turn_are_nothing_while_a_higher_one_is_left() {
    let (mut work, _) = core();
    let mut rows = twelve(&mut work);
    rows.push(made("98", "700", "39", 7));
    rows.push(made("99", "701", "39", 8));
    let seen = see(&mut work, rows, 10);
    assert_eq!((seen.opened, &seen.world), (2, &World::Known));
}

#[test]
fn new_ids_below_the_known_ones_alone_are_nothing() {
    // made long ago, or only one, or few are gone
    for (made_at, many, gone) in [(-90, 2, 12), (7, 1, 12), (7, 2, 5)] {
        let (mut work, _) = core();
        let rows: Vec<Task> = (100..100 + gone)
            .map(|id: u32| made(&id.to_string(), &id.to_string(), "39", -60))
            .collect();
        see(&mut work, rows, 0);
        let now: Vec<Task> = (90..90 + many)
            .map(|id: u32| made(&id.to_string(), "700", "39", made_at))
            .collect();
        for minute in [10, 15, 20] {
            assert_eq!(see(&mut work, now.clone(), minute).world, World::Known);
        }
    }
}

#[test]
fn what_is_read_in_doubt_says_that_it_was_not_judged() {
    let (mut work, _) = core();
    let lineages = known(&mut work);
    send(&mut work, lineages[0], "90", 1, ReceiptStatus::Accepted);
    let mut done = made("90", "90", "39", -60);
    done.status = TaskStatus::Completed;
    let look = |work: &mut Work, minute| {
        let looks = vec![Looked::single(lineages[0], 1, Some(done.clone()))];
        let meta = Meta::daemon(at(minute), None);
        let told = work.looked(looks, &delivery(), &meta, at(minute));
        told.expect("looked")
    };
    see(&mut work, vec![made("91", "500", "39", 3)], 20);
    let vain = look(&mut work, 21);
    assert!(vain.unjudged && vain.outcomes.is_empty());
    see(&mut work, vec![made("91", "91", "39", -60)], 25);
    let told = look(&mut work, 26);
    assert!(!told.unjudged);
    assert_eq!(told.outcomes[0].event, AttemptEvent::ReadCompleted);
}

/// Ten and more tasks, all new ones of their accounts and definitions.
pub(super) fn many(from: u32) -> Vec<Task> {
    let rows = from..from + 12;
    rows.map(|id| made(&id.to_string(), &id.to_string(), "39", -60))
        .collect()
}

#[test]
fn what_went_one_by_one_is_no_older_database_when_ids_come_out_of_turn() {
    let (mut work, _) = core();
    let rows = many(100);
    for gone in 0..=12 {
        let minute = i64::try_from(gone).expect("small") * 5;
        assert_eq!(
            see(&mut work, rows[gone..].to_vec(), minute).world,
            World::Known
        );
    }
    // two nodes of one database have their own ranges of ids
    let now = || vec![made("98", "700", "39", 70), made("99", "701", "39", 71)];
    for minute in [80, 85, 90] {
        assert_eq!(
            see(&mut work, now(), minute).world,
            World::Known,
            "{minute}"
        );
    }
}

#[test]
fn a_first_list_of_a_run_has_no_list_before_it() {
    let (mut work, index) = core();
    see(&mut work, many(100), 0);
    let mut again = Work::new(index);
    let now = || vec![made("98", "700", "39", 7), made("99", "701", "39", 8)];
    for minute in [10, 15, 20] {
        assert_eq!(see(&mut again, now(), minute).world, World::Known);
    }
}

#[test]
fn successors_with_lower_ids_are_no_older_database() {
    for ours in [true, false] {
        let (mut work, _) = core();
        let rows = many(100);
        let seen = see(&mut work, rows.clone(), 0);
        if ours {
            for (view, task) in seen.views.iter().zip(&rows) {
                let lineage = view.lineage.expect("opened");
                send(
                    &mut work,
                    lineage,
                    task.id.as_str(),
                    1,
                    ReceiptStatus::Accepted,
                );
            }
        }
        let after: Vec<Task> = (50..62u32)
            .map(|id| made(&id.to_string(), &(id + 50).to_string(), "39", 7))
            .collect();
        for minute in [20, 25, 30] {
            assert_eq!(see(&mut work, after.clone(), minute).world, World::Known);
        }
    }
}

#[test]
fn two_new_tasks_after_our_own_retries_are_no_older_database() {
    let (mut work, _) = core();
    let rows = many(100);
    let seen = see(&mut work, rows.clone(), 0);
    for (view, task) in seen.views.iter().zip(&rows) {
        let lineage = view.lineage.expect("opened");
        send(
            &mut work,
            lineage,
            task.id.as_str(),
            1,
            ReceiptStatus::Accepted,
        );
    }
    let now = || vec![made("98", "700", "39", 7), made("99", "701", "39", 8)];
    for minute in [20, 25, 30] {
        assert_eq!(see(&mut work, now(), minute).world, World::Known);
    }
}

/// A lineage with an open attempt whose id was taken from it, as a kill leaves it: the new row has none.
fn cut_between() -> (Work, Arc<RwLock<Index>>, LineageId, Task) {
    let (mut work, index) = core();
    let old = known(&mut work)[1];
    send(&mut work, old, "91", 2, ReceiptStatus::Accepted);
    let other = made("91", "500", "39", -60);
    let items = vec![crate::ledger::record::ReusedItem {
        lineage: old,
        task: other.id.clone(),
        why: Arc::from("the test"),
    }];
    let meta = Meta::daemon(at(3), None);
    work.emit(&meta, EventBody::IdsReused { items })
        .expect("small");
    (work, index, old, other)
}

#[test]
fn a_retired_lineage_is_judged_by_no_reading() {
    let (mut work, index, old, mut other) = cut_between();
    other.status = TaskStatus::Completed;
    let meta = Meta::daemon(at(30), None);
    let looks = vec![
        Looked::single(old, 1, Some(other.clone())),
        Looked::single(old, 1, None),
        Looked::process(old, 1, vec![other]),
    ];
    let told = work.looked(looks, &delivery(), &meta, at(30));
    assert_eq!(told.expect("looked").outcomes, []);
    // nor by a list: a person has to say
    let seen = see(&mut work, vec![], 40);
    let events: Vec<_> = seen.outcomes.iter().map(|told| told.event).collect();
    assert_eq!(events, [AttemptEvent::ReadAmbiguous]);
    assert_eq!(seen.to_verify, []);
    assert!(index.read().expect("a lock").is_ambiguous(old));
}

#[test]
fn a_kill_between_the_two_records_of_a_reused_id_makes_it_no_plain_new_work() {
    let (work, index, old, other) = cut_between();
    let store = MemoryStore::default();
    store.append(&work.pending).expect("numbers rise");
    let (rebuilt, ..) = replay(&store).expect("own records");
    assert_eq!(rebuilt, *index.read().expect("a lock"));
    let mut again = Work::new(Arc::new(RwLock::new(rebuilt)));
    let seen = see(&mut again, vec![other.clone()], 5);
    let new = seen.views[0].lineage.expect("opened");
    assert!(new != old && seen.views[0].ambiguous);
    let events: Vec<_> = seen.outcomes.iter().map(|told| told.event).collect();
    assert_eq!(events, [AttemptEvent::ReadAmbiguous], "the old attempt");
    let third = see(&mut again, vec![other], 10);
    assert_eq!((third.views[0].lineage, third.opened), (Some(new), 0));
}
