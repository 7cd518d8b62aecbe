//! Lists that show older data, another server's tasks, or more than at the first enforce: what is told of them, and what is ordinary; no disk.

use super::worlds::{made, person};
use super::*;
use crate::ledger::world::World;

fn held(work: &Work, seen: &Observed) -> Vec<bool> {
    let lineages = seen.views.iter().filter_map(|view| view.lineage);
    let index = work.index();
    lineages.map(|of| index.in_baseline(of)).collect()
}

/// A store whose first enforce was at minute 1, with these ids.
fn enforced(ids: &[&str]) -> (Work, Vec<Task>) {
    let (mut work, _) = core();
    let rows: Vec<Task> = ids
        .iter()
        .map(|id| row(id, TaskStatus::Rejected, id))
        .collect();
    see(&mut work, rows.clone(), 0);
    let up_to = LineageId(work.index().lineages());
    work.emit(
        &Meta::daemon(at(1), None),
        EventBody::BaselineTaken { up_to },
    )
    .expect("taken");
    (work, rows)
}

/// What comes later, without a date.
fn later(work: &mut Work, rows: &[Task], ids: &[&str], minute: i64) -> Vec<bool> {
    let new = ids.iter().map(|id| row(id, TaskStatus::Rejected, id));
    let rows: Vec<Task> = rows.iter().cloned().chain(new).collect();
    let seen = see(work, rows, minute);
    held(work, &seen)
}

#[test]
fn without_dates_ordinary_new_work_waits_for_nobody() {
    let (mut work, rows) = enforced(&["50", "60"]);
    assert_eq!(later(&mut work, &rows, &["61"], 5), [true, true, false]);
    // one that the database gave out of turn
    let (mut work, mut rows) = enforced(&["50", "60"]);
    rows.push(row("80", TaskStatus::Rejected, "80"));
    see(&mut work, rows.clone(), 5);
    let seen = later(&mut work, &rows, &["70"], 10);
    assert_eq!(seen, [true, true, false, false]);
    // many of one outage
    let seen = later(&mut work, &rows, &["70", "81", "82", "83"], 15);
    assert_eq!(seen[4..], [false; 3]);
}

#[test]
fn without_dates_what_a_wider_view_shows_waits() {
    // older than what was there
    let (mut work, rows) = enforced(&["50", "60"]);
    assert_eq!(later(&mut work, &rows, &["40"], 5), [true; 3]);
    // several out of turn, and then what comes with them as well
    let (mut work, mut rows) = enforced(&["50", "60"]);
    rows.push(row("80", TaskStatus::Rejected, "80"));
    see(&mut work, rows.clone(), 5);
    let seen = later(&mut work, &rows, &["70", "71", "90"], 10);
    assert_eq!(seen, [true, true, false, true, true, true]);
    // beside one that is dated before the first enforce
    let (mut work, mut rows) = enforced(&["50", "60"]);
    rows.push(made("70", "70", "39", -60));
    assert_eq!(later(&mut work, &rows, &["71"], 5), [true; 4]);
}

/// Our retries, their successors, and none of those open any more.
fn replaced(many: u32) -> (Work, Vec<Task>) {
    replaced_in(many, &[20, 40])
}

/// The same, by lists of these minutes.
fn replaced_in(many: u32, lists: &[i64]) -> (Work, Vec<Task>) {
    let (mut work, _) = core();
    let ids: Vec<u32> = (100..100 + many).collect();
    let old: Vec<Task> = ids
        .iter()
        .map(|id| made(&id.to_string(), &id.to_string(), "39", -60))
        .collect();
    let seen = see(&mut work, old.clone(), 0);
    for (view, task) in seen.views.iter().zip(&old) {
        let lineage = view.lineage.expect("opened");
        send(
            &mut work,
            lineage,
            task.id.as_str(),
            1,
            ReceiptStatus::Accepted,
        );
    }
    let successors: Vec<Task> = ids
        .iter()
        .map(|id| made(&(id + 100).to_string(), &id.to_string(), "39", 2))
        .collect();
    for minute in lists {
        let seen = see(&mut work, successors.clone(), *minute);
        assert!(seen.views.iter().all(|view| view.lineage.is_some()));
    }
    (work, old)
}

#[test]
fn a_few_replaced_ids_without_their_successors_get_work_of_their_own_for_a_person() {
    let (mut work, old) = replaced(3);
    let before = work.index().lineages();
    for minute in [60, 65, 70] {
        assert_eq!(see(&mut work, old.clone(), minute).world, World::Known);
    }
    let index = work.index();
    assert_eq!(index.lineages(), before + 3);
    for task in &old {
        let of = index.lineage_of(&task.id).expect("opened");
        assert!(of.0 > before && index.is_ambiguous(of));
        assert_eq!(index.current_task(of).as_ref(), Some(&task.id));
    }
    drop(index);
    // a person has looked: it is open work like any other
    let lineage = work.index().lineage_of(&old[0].id).expect("opened");
    let body = EventBody::EpisodeReset {
        lineage,
        reason: Arc::from("put back"),
    };
    work.emit(&Meta::by(person(), at(75)), body).expect("reset");
    let seen = see(&mut work, old, 80);
    assert!(seen.views[0].current && !seen.views[0].ambiguous);
}

#[test]
fn a_node_that_lags_behind_asks_nobody() {
    let (mut work, old) = replaced_in(3, &[20]);
    let before = work.index().lineages();
    // the successors came with minute 20, less than a quarter of an hour ago
    for minute in [22, 27, 32] {
        assert_eq!(see(&mut work, old.clone(), minute).world, World::Known);
    }
    assert_eq!(work.index().lineages(), before);
}

#[test]
fn a_replaced_id_beside_a_list_that_was_not_read_whole_asks_nobody() {
    let (mut work, old) = replaced(3);
    let before = work.index().lineages();
    for minute in [60, 65, 70] {
        let mut sight = sighting(old.clone(), minute);
        Arc::get_mut(&mut sight.snapshot).expect("its own").stable = false;
        let seen = work.observe(&sight, at(minute)).expect("a pass");
        assert_eq!(seen.world, World::Known);
    }
    assert_eq!(work.index().lineages(), before);
}

#[test]
fn many_replaced_ids_without_their_successors_are_older_data() {
    let (mut work, old) = replaced(5);
    let first = see(&mut work, old.clone(), 60);
    let World::Doubtful(why) = &first.world else {
        panic!("{:?}", first.world);
    };
    assert!(why.contains("replaced by 200"), "{why}");
    assert!(matches!(
        see(&mut work, old.clone(), 65).world,
        World::Other(_)
    ));
    // a false alarm, after lists that show no more of it; then each waits by itself
    for minute in [70, 75] {
        see(&mut work, old.clone(), minute);
    }
    let kept = work
        .keep_world("looked", person(), at(80))
        .expect("written");
    assert_eq!(kept, None);
    let before = work.index().lineages();
    for minute in [85, 90, 95] {
        let seen = see(&mut work, old.clone(), minute);
        assert_eq!(seen.world, World::Known, "minute {minute}");
    }
    assert_eq!(work.index().lineages(), before + 5);
}

/// Four open tasks, seen for a day.
fn watched() -> (Work, Vec<Task>) {
    let (mut work, _) = core();
    let rows: Vec<Task> = ["90", "91", "92", "93"]
        .map(|id| made(id, id, "39", -60))
        .to_vec();
    see(&mut work, rows.clone(), 0);
    let mut failed = rows;
    for task in &mut failed {
        task.reason = Some(Arc::from("another reason"));
    }
    see(&mut work, failed.clone(), 1440);
    (work, failed)
}

#[test]
fn another_server_s_tasks_instead_of_all_that_is_known_stop_everything() {
    let others = || ["800", "801"].map(|id| made(id, id, "39", -3000)).to_vec();
    let (mut work, _) = watched();
    let first = see(&mut work, others(), 1445);
    assert!(matches!(first.world, World::Doubtful(_)));
    let second = see(&mut work, others(), 1450);
    assert!(matches!(second.world, World::Other(_)));
    // a person may say that this login only sees others now
    for minute in [1455, 1460] {
        see(&mut work, others(), minute);
    }
    let kept = work
        .keep_world("roles", person(), at(1465))
        .expect("written");
    assert_eq!(kept, None);
    for minute in [1470, 1475] {
        assert_eq!(see(&mut work, others(), minute).world, World::Known);
    }
}

#[test]
fn a_night_that_ends_all_tasks_is_no_other_server() {
    // nothing is there, or what is really new
    for new in [
        vec![],
        vec![
            made("800", "800", "39", 1442),
            made("801", "801", "39", 1443),
        ],
    ] {
        let (mut work, _) = watched();
        for minute in [1445, 1450, 1455] {
            assert_eq!(see(&mut work, new.clone(), minute).world, World::Known);
        }
    }
    // one that was hidden, or older ones beside a single known task
    let (mut work, failed) = watched();
    for minute in [1445, 1450] {
        let one = vec![made("800", "800", "39", -3000)];
        assert_eq!(see(&mut work, one, minute).world, World::Known);
    }
    let (mut again, _) = watched();
    let more = ["800", "801"].map(|id| made(id, id, "39", -3000));
    let rows: Vec<Task> = more.into_iter().chain(failed.into_iter().take(1)).collect();
    for minute in [1445, 1450] {
        assert_eq!(see(&mut again, rows.clone(), minute).world, World::Known);
    }
    // what ended long ago has left, and is missed by nobody
    let (mut work, _) = watched();
    for minute in [1445, 1450, 1455] {
        see(&mut work, vec![], minute);
    }
    let more = ["800", "801"].map(|id| made(id, id, "39", -3000));
    for minute in [1460, 1465] {
        assert_eq!(see(&mut work, more.to_vec(), minute).world, World::Known);
    }
}
