//! Several logins: absence counts only where every login by which a task was seen was asked and showed a whole list.

use super::*;
use crate::model::Seers;
use crate::model::seers::Bits;

/// A pass over the lists of two logins: which of them were read, and which of these are whole.
fn pass(rows: &[(&str, Bits)], minute: i64, read: Bits, whole: Bits) -> Sighting {
    let tasks = rows
        .iter()
        .map(|(id, _)| row(id, TaskStatus::Rejected, &format!("7{id}")))
        .collect();
    let mut sight = sighting(tasks, minute);
    let snapshot = Arc::make_mut(&mut sight.snapshot);
    snapshot.stable = whole & 1 == 1;
    snapshot.seers = Some(Seers {
        logins: [snapshot.login.clone(), Login::new("SECOND")].into(),
        read,
        whole,
        rows: rows.iter().map(|(_, by)| *by).collect(),
    });
    sight
}

#[test]
fn what_a_login_that_was_not_asked_does_not_show_has_not_left() {
    let (mut work, _) = core();
    let all = [("1", 1), ("2", 2), ("3", 3)];
    work.observe(&pass(&all, 0, 3, 3), at(0)).expect("taken in");
    // the second was not read, then its list had shifted: nothing is known of what it sees
    for (minute, read, whole) in [(5, 1, 1), (10, 1, 1), (15, 3, 1), (20, 3, 1)] {
        let seen = work.observe(&pass(&[], minute, read, whole), at(minute));
        assert_eq!(seen.expect("taken in").left, 0, "minute {minute}");
    }
    let left = |work: &Work, n: u64| work.index().left(LineageId(n)).is_some();
    let passes = |work: &Work| [1, 2, 3].map(|n| work.presence_of(LineageId(n)).passes);
    assert_eq!(passes(&work), [4, 0, 0]);
    work.observe(&pass(&[], 25, 3, 3), at(25))
        .expect("taken in");
    assert!(left(&work, 1) && !left(&work, 2) && !left(&work, 3));
    work.observe(&pass(&[], 30, 3, 3), at(30))
        .expect("taken in");
    assert!(left(&work, 2) && left(&work, 3), "twice, by all");
}

#[test]
fn what_was_seen_by_no_login_in_this_run_is_absent_only_by_all_of_them() {
    let (mut work, _) = core();
    work.observe(&pass(&[("1", 2)], 0, 3, 3), at(0))
        .expect("taken in");
    // as after a restart
    work.presence.clear();
    for minute in [5, 10] {
        work.observe(&pass(&[], minute, 1, 1), at(minute))
            .expect("taken in");
    }
    assert_eq!(work.presence_of(LineageId(1)).passes, 0);
    for minute in [15, 20] {
        work.observe(&pass(&[], minute, 3, 3), at(minute))
            .expect("taken in");
    }
    assert_eq!(work.presence_of(LineageId(1)).passes, 2);
}

#[test]
fn each_sighting_says_by_which_login_and_a_late_login_brings_a_backlog() {
    let (mut work, _) = core();
    let bound = EventBody::WorldBound {
        fingerprint: "https://oig.example.com as DAEMON".to_owned(),
    };
    work.emit(&Meta::daemon(at(0), None), bound).expect("bound");
    work.observe(
        &sighting(vec![row("1", TaskStatus::Rejected, "71")], 0),
        at(0),
    )
    .expect("taken in");
    let second = || vec![Login::new("SECOND")];
    work.take_baseline(Actor::Daemon, Vec::new(), at(0))
        .expect("taken");
    work.pending.clear();
    let held = |work: &Work, n: u64| work.index().in_baseline(LineageId(n));
    work.observe(&pass(&[("1", 1), ("2", 1), ("3", 2)], 5, 3, 3), at(5))
        .expect("taken in");
    let opened: Vec<(Option<Login>, u64)> = work
        .pending
        .iter()
        .map(|(_, bytes)| decode(bytes).expect("a record"))
        .filter_map(|event| match &event.body {
            EventBody::LineagesOpened { items } => Some((event.login, items[0].lineage.0)),
            _ => None,
        })
        .collect();
    assert_eq!(
        opened,
        [
            (Some(Login::new("daemon")), 2),
            (Some(Login::new("SECOND")), 3)
        ]
    );
    assert!(held(&work, 1) && !held(&work, 2) && held(&work, 3));
    work.take_baseline(Actor::Daemon, second(), at(5))
        .expect("taken");
    assert!(!held(&work, 2), "the main login's is what it was");
    let all = [("1", 1), ("2", 1), ("3", 2), ("4", 2)];
    work.observe(&pass(&all, 10, 3, 3), at(10))
        .expect("taken in");
    assert!(!held(&work, 4), "what comes after it is new work");
}

/// Main's newcomer could be the successor of a task of the second's, which was not asked: nobody can tell yet.
#[test]
fn a_successor_is_joined_where_the_logins_of_both_were_asked() {
    let (mut work, _) = core();
    let bound = EventBody::WorldBound {
        fingerprint: "https://oig.example.com as DAEMON".to_owned(),
    };
    work.emit(&Meta::daemon(at(0), None), bound).expect("bound");
    let of = |ids: &[(&str, Bits)], minute, read, whole| {
        let mut sight = pass(ids, minute, read, whole);
        for task in &mut Arc::make_mut(&mut sight.snapshot).tasks {
            task.process = Some(ProcessKey::new("77"));
        }
        sight
    };
    work.observe(&of(&[("1", 2)], 0, 3, 3), at(0))
        .expect("taken in");
    let mut claim = request(vec![admitted(LineageId(1), "1", Action::Retry)], 7);
    claim.login = Login::new("SECOND");
    let claims = work.claim(claim, at(1)).expect("claimed");
    let sender = |work: &Work| {
        let index = work.index();
        index.open_attempt(LineageId(1)).map(|of| of.login.clone())
    };
    assert_eq!(sender(&work), Some(Some(Login::new("SECOND"))));
    let item = &claims.batch.expect("a batch").items[0];
    let receipt = item.receipt(ReceiptStatus::Accepted, at(1));
    work.settle(vec![receipt], Duration::ZERO, at(1))
        .expect("settled");
    let seen = work
        .observe(&of(&[("2", 1)], 5, 1, 1), at(5))
        .expect("taken in");
    assert_eq!(seen.views[0].lineage, None, "the second was not asked");
    let seen = work
        .observe(&of(&[("2", 1)], 10, 3, 3), at(10))
        .expect("taken in");
    assert_eq!(seen.views[0].lineage, Some(LineageId(1)));
}

/// A claim of the login to which the store was bound is the main one's, under whatever name it goes today.
#[test]
fn a_claim_of_the_main_login_names_no_further_one() {
    let (mut work, _) = core();
    let bind = |work: &mut Work, login: &str| {
        let fingerprint = format!("https://oig.example.com as {login}");
        let body = EventBody::WorldBound { fingerprint };
        work.emit(&Meta::daemon(at(0), None), body).expect("bound");
    };
    bind(&mut work, "DAEMON");
    work.observe(
        &sighting(vec![row("1", TaskStatus::Rejected, "77")], 0),
        at(0),
    )
    .expect("taken in");
    let claim = request(vec![admitted(LineageId(1), "1", Action::Retry)], 7);
    let _claims = work.claim(claim, at(1)).expect("claimed");
    bind(&mut work, "RENAMED");
    let index = work.index();
    let attempt = index.open_attempt(LineageId(1)).expect("it is open");
    assert_eq!(attempt.login, None);
}

/// Nothing had shown them when enforce was switched on, and they are as old all the same.
#[test]
fn what_is_shown_later_is_backlog_where_it_is_older_than_the_first_enforce() {
    for (unlisted, created, held) in [
        (true, Some(at(-60)), true),
        (true, None, true),
        (true, Some(at(5)), false),
        // a list that shows it later tells no more: a role, a filter, a login
        (false, Some(at(-60)), true),
        (false, Some(at(5)), false),
        (false, None, false),
    ] {
        let (mut work, _) = core();
        let first = vec![row("1", TaskStatus::Rejected, "71")];
        work.observe(&sighting(first.clone(), 0), at(0))
            .expect("taken in");
        let baseline = EventBody::BaselineTaken {
            up_to: LineageId(1),
        };
        work.emit(&Meta::daemon(at(1), None), baseline)
            .expect("taken");
        let mut late = row("2", TaskStatus::Rejected, "72");
        late.created = created;
        let mut sight = sighting([first, vec![late]].concat(), 10);
        if unlisted {
            sight.unlisted.insert(TaskId::new("2"));
        }
        work.observe(&sight, at(10)).expect("taken in");
        let (old, new) = (LineageId(1), LineageId(2));
        assert!(work.index().in_baseline(old));
        assert_eq!(
            work.index().in_baseline(new),
            held,
            "{unlisted} {created:?}"
        );
    }
}
