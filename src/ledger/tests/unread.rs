//! Lists that are read seldom or never: nothing is forgotten between, and nobody waits for them for ever.

use super::worlds::made;
use super::*;
use crate::ledger::world::World;
use crate::model::Seers;
use crate::model::seers::Bits;

fn pass(rows: Vec<(Task, Bits)>, minute: i64, read: Bits) -> Sighting {
    let by: Vec<Bits> = rows.iter().map(|(_, by)| *by).collect();
    let tasks = rows.into_iter().map(|(task, _)| task).collect();
    let mut sight = sighting(tasks, minute);
    let snapshot = Arc::make_mut(&mut sight.snapshot);
    snapshot.stable = read & 1 == 1;
    snapshot.seers = Some(Seers {
        logins: [snapshot.login.clone(), Login::new("SECOND")].into(),
        read,
        whole: read,
        rows: by.into_iter().collect(),
    });
    sight
}

fn rejected(id: &str) -> Task {
    row(id, TaskStatus::Rejected, "77")
}

/// SECOND's list is due each hour, a cycle comes each half hour. A new sibling of an open task (same account and
/// definition: one more "Remove User from Group") shows in SECOND's list, again and again.
#[test]
fn a_new_sibling_in_a_list_that_is_read_every_other_cycle_is_told_some_day() {
    let (mut work, _) = core();
    work.observe(&pass(vec![(rejected("1"), 2)], 0, 3), at(0))
        .expect("taken in");
    let mut told = None;
    for n in 1..=200 {
        let minute = n * 30;
        let (rows, read) = if n % 2 == 0 {
            (vec![(rejected("1"), 2), (rejected("2"), 2)], 3)
        } else {
            // main's list brings new work of other accounts meanwhile, as on any busy server
            let id = (1_000 + n).to_string();
            (vec![(row(&id, TaskStatus::Rejected, &id), 1)], 1)
        };
        let seen = work
            .observe(&pass(rows, minute, read), at(minute))
            .expect("taken in");
        if let Some(view) = seen.views.get(1).filter(|_| n % 2 == 0) {
            told = told.or(view.lineage.map(|of| (of, minute)));
        }
    }
    assert!(told.is_some(), "after 100 hours and 100 sights: never told");
}

/// The control: read in each cycle, it is told with the second sight.
#[test]
fn control_the_same_sibling_in_a_list_that_is_read_in_each_cycle() {
    let (mut work, _) = core();
    work.observe(&pass(vec![(rejected("1"), 2)], 0, 3), at(0))
        .expect("taken in");
    let mut told = None;
    for n in 1..=3 {
        let rows = vec![(rejected("1"), 2), (rejected("2"), 2)];
        let seen = work
            .observe(&pass(rows, n * 30, 3), at(n * 30))
            .expect("taken in");
        told = told.or(seen.views[1].lineage.map(|of| (of, n)));
    }
    assert_eq!(told, Some((LineageId(2), 2)));
}

/// The server's data were put back; only SECOND's rows show it. Its list is read in every other cycle.
#[test]
fn another_world_that_a_seldom_read_list_shows_stops_sending_for_good() {
    let (mut work, _) = core();
    let ours = || (made("90", "90", "39", -60), 1);
    let first = vec![ours(), (made("91", "91", "39", -60), 2)];
    work.observe(&pass(first, 0, 3), at(0)).expect("taken in");
    let mut worlds = Vec::new();
    for n in 1..=12 {
        let (rows, read) = if n % 2 == 1 {
            // 91 is another task in two facts
            (vec![ours(), (made("91", "500", "39", 3), 2)], 3)
        } else {
            (vec![ours()], 1)
        };
        let seen = work
            .observe(&pass(rows, n * 30, read), at(n * 30))
            .expect("taken in");
        worlds.push(match seen.world {
            World::Known => "known",
            World::Doubtful(_) => "doubtful",
            World::Other(_) => "other",
        });
    }
    assert!(
        worlds.contains(&"other") && worlds.last() != Some(&"known"),
        "{worlds:?}"
    );
}

/// Both logins have seen a revoke; the second one is stopped for good. OIG's own job retries it, and the main
/// login's list shows the successor in each cycle, for 30 days.
#[test]
fn a_revoke_that_the_main_login_sees_is_told_or_asked_about_while_the_second_is_stopped() {
    let (mut work, _) = core();
    work.observe(&pass(vec![(rejected("1"), 3)], 0, 3), at(0))
        .expect("taken in");
    let mut told = None;
    let mut doubt = 0;
    for n in 1..=(30 * 24) {
        let minute = n * 60;
        let seen = work
            .observe(&pass(vec![(rejected("2"), 1)], minute, 1), at(minute))
            .expect("taken in");
        told = told.or(seen.views[0].lineage);
        doubt += seen.ambiguous;
    }
    assert!(
        told.is_some() || doubt > 0,
        "30 days: neither joined, nor new, nor a person asked"
    );
}

/// As above, after a restart: the old id was never shown in this run, and only main has ever seen it.
#[test]
fn after_a_restart_the_successor_of_what_only_main_saw_waits_for_no_stopped_login() {
    let (mut work, _) = core();
    work.observe(&pass(vec![(rejected("1"), 1)], 0, 3), at(0))
        .expect("taken in");
    work.presence.clear();
    let mut told = None;
    let mut doubt = 0;
    for n in 1..=(30 * 24) {
        let minute = n * 60;
        let seen = work
            .observe(&pass(vec![(rejected("2"), 1)], minute, 1), at(minute))
            .expect("taken in");
        told = told.or(seen.views[0].lineage);
        doubt += seen.ambiguous;
    }
    assert!(
        told.is_some() || doubt > 0,
        "30 days: neither joined, nor new, nor a person asked"
    );
}

/// SECOND is stopped for good. What only main saw, and main's whole lists show no more, is noted a day later: it may
/// have come to SECOND meanwhile. What SECOND has shown as well is not.
#[test]
fn what_only_main_saw_has_left_after_a_day_although_another_login_is_stopped() {
    let (mut work, index) = core();
    let first = vec![
        (rejected("1"), 1),
        (row("2", TaskStatus::Rejected, "78"), 3),
    ];
    work.observe(&pass(first, 0, 3), at(0)).expect("taken in");
    let mut left = Vec::new();
    for hour in 1..=48 {
        let minute = hour * 60;
        let other = row("3", TaskStatus::Rejected, "79");
        let seen = work
            .observe(&pass(vec![(other, 1)], minute, 1), at(minute))
            .expect("taken in");
        if seen.left > 0 {
            left.push((hour, seen.left));
        }
    }
    assert_eq!(left, [(25, 1)]);
    let has_left =
        |n: usize| index.read().expect("index").lineages[n].has(crate::ledger::index::flags::LEFT);
    assert!(has_left(0) && !has_left(1), "SECOND may still show task 2");
}

/// The control: where every list is read, two whole passes tell.
#[test]
fn control_with_every_list_read_it_has_left_after_two_passes() {
    let (mut work, _) = core();
    work.observe(&pass(vec![(rejected("1"), 1)], 0, 3), at(0))
        .expect("taken in");
    let left: Vec<u64> = (1..=3)
        .map(|n| {
            let seen = work.observe(&pass(Vec::new(), n, 3), at(n));
            seen.expect("taken in").left
        })
        .collect();
    assert_eq!(left, [0, 1, 0]);
}

/// One task is read by its id in each cycle (no list shows it), and the server fails to show it from now on. Nothing
/// follows of that one; of all others the lists tell as ever.
#[test]
fn one_task_that_cant_be_read_by_its_id_makes_no_doubt_of_others() {
    for read in [1, 3] {
        let (mut work, _) = core();
        let rows = || {
            vec![
                (rejected("1"), read),
                (row("9", TaskStatus::Rejected, "99"), 1),
            ]
        };
        work.observe(&pass(rows(), 0, read), at(0))
            .expect("taken in");
        let mut sight = Vec::new();
        for n in 1..=12 {
            // task 1 was retried by somebody: its successor 12 stands in the lists
            let mut next = pass(vec![(rejected("12"), read)], n * 30, read);
            Arc::make_mut(&mut next.snapshot).unread = vec![TaskId::new("9")];
            let seen = work.observe(&next, at(n * 30)).expect("taken in");
            assert_eq!(seen.ambiguous, 0, "pass {n}");
            assert_eq!(seen.left, 0, "pass {n}: nothing is known of task 9");
            sight.push(seen.views[0].lineage);
        }
        if read == 3 {
            assert_eq!(sight.last(), Some(&Some(LineageId(1))), "{sight:?}");
        }
        assert_eq!(work.presence_of(LineageId(2)).passes, 0);
    }
}

/// The server's data were put back, so that its ids begin again, while SECOND is stopped: the main list alone shows it.
#[test]
fn ids_that_begin_again_are_told_by_the_lists_that_were_read() {
    let (mut work, _) = core();
    let many = |from: u64| (from..from + 12).map(move |n| n.to_string());
    let old = || many(500).map(|id| (made(&id, &id, "39", -60), 1));
    let theirs = || (made("600", "600", "39", -60), 2);
    work.observe(&pass(old().chain([theirs()]).collect(), 0, 3), at(0))
        .expect("taken in");
    work.observe(&pass(old().collect(), 30, 1), at(30))
        .expect("taken in");
    let mut worlds = Vec::new();
    for n in 2..=3 {
        let new = ["401", "402", "403"].map(|id| (made(id, id, "39", 40), 1));
        let seen = work.observe(&pass(new.to_vec(), n * 30, 1), at(n * 30));
        worlds.push(seen.expect("taken in").world);
    }
    let [World::Doubtful(why), World::Other(_)] = &worlds[..] else {
        panic!("{worlds:?}");
    };
    assert!(
        why.contains(
            "of the open ids above them that the lists which were read have shown none is left"
        ),
        "{why}"
    );
}

/// Work that had left is back all at once, as it was: older data, or a login that sees again what it did not see for a
/// while. A person says which; after a no it goes on, and nobody is asked again. Fewer, and what changed, say nothing.
#[test]
fn work_that_comes_back_at_once_is_asked_about_once() {
    let (mut work, _) = core();
    let many = |count: usize| (0..count).map(|n| rejected_in(&(100 + n).to_string()));
    let back = |count: usize| many(count).collect::<Vec<Task>>();
    fn rejected_in(id: &str) -> Task {
        row(id, TaskStatus::Rejected, id)
    }
    let other = || rejected_in("300");
    let with = |mut tasks: Vec<Task>| {
        tasks.push(other());
        tasks
    };
    see(&mut work, with(back(6)), 0);
    for minute in [10, 20] {
        see(&mut work, with(Vec::new()), minute);
    }
    // four of them, and after an hour
    let seen = see(&mut work, with(back(4)), 120);
    assert_eq!(seen.world, World::Known);
    for minute in [130, 140] {
        see(&mut work, with(Vec::new()), minute);
    }
    // all, but not for long enough
    let soon = see(&mut work, with(back(6)), 150);
    assert_eq!(soon.world, World::Known);
    for minute in [160, 170] {
        see(&mut work, with(Vec::new()), minute);
    }
    let first = see(&mut work, with(back(6)), 300);
    assert!(
        matches!(first.world, World::Doubtful(_)),
        "{:?}",
        first.world
    );
    let second = see(&mut work, with(back(6)), 310);
    let World::Other(why) = &second.world else {
        panic!("{:?}", second.world);
    };
    assert!(
        why.contains("6 tasks that had left the lists are open again"),
        "{why}"
    );
    for minute in [320, 330] {
        see(&mut work, with(back(6)), minute);
    }
    let refused = work.keep_world("the role was given back", super::worlds::person(), at(335));
    assert_eq!(refused.expect("recorded"), None);
    for minute in [340, 350] {
        let seen = see(&mut work, with(back(6)), minute);
        assert_eq!(seen.world, World::Known);
        assert!(seen.views.iter().all(|view| view.lineage.is_some()));
    }
}

/// A claim that takes its time to come to the disk: a whole list that comes between, and does not show the task, is
/// known to whoever is about to send it. A list that shows it says nothing, nor does one that is not whole.
#[test]
fn a_list_that_comes_between_claim_and_request_is_known_to_the_sender() {
    let (mut work, _) = core();
    let both = || vec![rejected("1"), row("2", TaskStatus::Rejected, "78")];
    let seen = see(&mut work, both(), 0);
    let [one, two] = [0, 1].map(|n| seen.views[n].lineage.expect("opened"));
    let items = vec![
        admitted(one, "1", Action::Retry),
        admitted(two, "2", Action::Retry),
    ];
    let claims = work.claim(request(items, 1), at(1)).expect("claimed");
    let batch = claims.batch.expect("a batch");
    assert_eq!(batch.items.len(), 2);
    let missed = |work: &Work| work.missed().iter().copied().collect::<Vec<_>>();
    see(&mut work, both(), 1);
    assert_eq!(missed(&work), []);
    let mut torn = sighting(vec![rejected("1")], 1);
    Arc::make_mut(&mut torn.snapshot).stable = false;
    work.observe(&torn, at(1)).expect("taken in");
    assert_eq!(missed(&work), [], "it may have slipped through");
    see(&mut work, vec![rejected("1")], 1);
    assert_eq!(missed(&work), [two]);
    let why = || ReceiptStatus::Unsent {
        why: Arc::from("not shown"),
    };
    let receipts = batch.items.iter().map(|item| item.receipt(why(), at(1)));
    let settled = work
        .settle(receipts.collect(), Duration::ZERO, at(1))
        .expect("settled");
    assert!(settled.iter().all(|one| one.applied), "{settled:?}");
    assert_eq!(missed(&work), []);
}
