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
