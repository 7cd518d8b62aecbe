//! What counts as a run of a task, whose it was, and which accounts it holds: cases in which a review has found it wrong. No disk.

use super::*;
use crate::ledger::open::without_a_disk;
use crate::model::Principal;

pub(super) fn unknown(why: &str) -> ReceiptStatus {
    ReceiptStatus::Unknown {
        why: Arc::from(why),
    }
}

pub(super) fn rejected(id: &str, process: &str) -> Task {
    row(id, TaskStatus::Rejected, process)
}

pub(super) fn send_as(
    work: &mut Work,
    lineage: LineageId,
    task: &str,
    action: Action,
    minute: i64,
    status: ReceiptStatus,
) -> bool {
    let batch = u128::try_from(minute).expect("later") + 100;
    let item = admitted(lineage, task, action);
    let made = work
        .claim(request(vec![item], batch), at(minute))
        .expect("answered");
    let Some(batch) = made.batch else {
        return false;
    };
    let receipt = batch.items[0].receipt(status, at(minute));
    let settled = work
        .settle(vec![receipt], Duration::from_secs(1), at(minute))
        .expect("settled");
    settled[0].applied
}

/// The successor of a grant is shown, by its link, under another account and waits for its connector there: a
/// revoke of that account must be held as one of the first account is.
#[test]
fn a_pending_successor_under_another_account_holds_that_account() {
    let (mut work, index) = core();
    let seen = see(&mut work, vec![rejected("90", "77")], 0);
    let lineage = seen.views[0].lineage.expect("opened");
    send(&mut work, lineage, "90", 1, ReceiptStatus::Accepted);
    let mut next = row("1200", TaskStatus::Pending, "78");
    next.retry_of = Some(TaskId::new("90"));
    let mut told = Vec::new();
    for minute in 2..6 {
        told.extend(see(&mut work, vec![next.clone()], minute).outcomes);
    }
    assert_eq!(told[0].event, AttemptEvent::ReadPending);
    let index = index.read().expect("a lock");
    assert_eq!(index.current_task(lineage), Some(TaskId::new("1200")));
    let account = ProcessKey::new("78");
    let held = index.on_the_way(&account, at(6), delivery().settle_after);
    assert!(
        held,
        "a revoke of account 78 would go beside the grant's connector"
    );
    assert!(index.is_open_on(&account));
}

/// A server that keeps ids: the request was never answered, but it was carried out and failed with the same
/// words; the row shows another start. That is a run, not "not applied".
#[test]
fn a_run_with_another_start_and_the_same_words_is_a_run() {
    let (mut work, index) = core();
    let shown = |minute: i64| {
        let mut row = rejected("90", "77");
        row.started = Some(at(minute));
        vec![row]
    };
    let seen = see(&mut work, shown(-60), 0);
    let lineage = seen.views[0].lineage.expect("opened");
    send(&mut work, lineage, "90", 1, unknown("HTTP 503: gone"));
    let mut told = Vec::new();
    for minute in [3, 17, 19, 21] {
        told.extend(see(&mut work, shown(1), minute).outcomes);
    }
    let index = index.read().expect("a lock");
    assert_ne!(told[0].event, AttemptEvent::ReadUnchanged, "{told:?}");
    assert_eq!(index.counted(lineage, true), 1);
}

/// The same in an outage of the whole server: nothing counts it at all, so no cap ever ends it.
#[test]
fn runs_that_are_seen_in_an_outage_count_towards_some_cap() {
    let (mut work, index) = core();
    let ids = ["90", "91", "92", "93", "94"];
    let shown = |minute: i64| -> Vec<Task> {
        ids.iter()
            .map(|id| {
                let mut row = rejected(id, id);
                row.started = Some(at(minute));
                row
            })
            .collect()
    };
    let seen = see(&mut work, shown(-60), 0);
    let lineages: Vec<LineageId> = seen.views.iter().filter_map(|v| v.lineage).collect();
    let mut sent = 0;
    for round in 0..10 {
        let start = 1 + round * 30;
        for (n, (lineage, id)) in (0i64..).zip(lineages.iter().zip(ids)) {
            let mut decision = admitted(*lineage, id, Action::Retry).decision().clone();
            decision.process = Some(ProcessKey::new(id));
            let item = Admitted::for_test(decision, Action::Retry, TargetName::new("Mail"));
            let batch = u128::try_from(round * 10 + n).expect("positive") + 1;
            let made = work
                .claim(request(vec![item], batch), at(start))
                .expect("answered");
            let Some(batch) = made.batch else { continue };
            let receipt = batch.items[0].receipt(unknown("HTTP 503: gone"), at(start));
            work.settle(vec![receipt], Duration::ZERO, at(start))
                .expect("settled");
            sent += 1;
        }
        for minute in [2, 17, 19, 21] {
            see(&mut work, shown(start), start + minute);
        }
    }
    let index = index.read().expect("a lock");
    let history = index.history(lineages[0], true).expect("known");
    assert!(
        history.attempts + u32::from(history.in_vain) + u32::from(history.unproven) >= 5,
        "{sent} sent, each was seen to have run (its start moved), and what counts towards caps is attempts {}, in vain {}, unproven {}",
        history.attempts,
        history.in_vain,
        history.unproven
    );
}

/// A kill between any two records of the pass that joins a successor under another account: whatever is on
/// disk, the next start must not take the successor for a stranger.
#[test]
fn a_kill_between_a_join_and_its_account_leaves_no_stranger() {
    let mut next = rejected("1200", "78");
    next.retry_of = Some(TaskId::new("90"));
    let (mut work, _) = core();
    let seen = see(&mut work, vec![rejected("90", "77")], 0);
    let lineage = seen.views[0].lineage.expect("opened");
    send(&mut work, lineage, "90", 1, ReceiptStatus::Accepted);
    let before = work.pending.len();
    for minute in 2..6 {
        see(&mut work, vec![next.clone()], minute);
    }
    let all = work.pending.clone();
    for cut in before..=all.len() {
        let store = Arc::new(MemoryStore::default());
        store.append(&all[..cut]).expect("numbers rise");
        let opened = without_a_disk(store, at(30)).expect("opened");
        let index = Arc::clone(&opened.index);
        let mut work = Work::new(opened.index);
        for minute in 31..40 {
            see(&mut work, vec![next.clone()], minute);
        }
        let index = index.read().expect("a lock");
        assert!(index.other_world().is_none(), "cut {cut}: another world");
        assert!(!index.is_retired(lineage), "cut {cut}: the work was closed");
        assert_eq!(
            index.lineage_of(&TaskId::new("1200")),
            Some(lineage),
            "cut {cut}"
        );
        assert!(!index.is_ambiguous(lineage), "cut {cut}: for a person");
    }
}

/// A task that a hint or a walk has shown (read by its id, with its whole reason) is shown by a list since,
/// which cuts reasons: nobody has run it.
#[test]
fn a_reason_that_the_list_cuts_is_no_run_of_somebody_else() {
    let whole: Arc<str> = Arc::from("connection refused by host ldap7 after three tries");
    let (mut work, index) = core();
    let mut by_id = rejected("90", "77");
    by_id.reason = Some(Arc::clone(&whole));
    by_id.started = Some(at(-60));
    let mut listed = by_id.clone();
    listed.reason = Some(Arc::from("connection refused by"));
    let seen = see(&mut work, vec![by_id.clone()], 0);
    let lineage = seen.views[0].lineage.expect("opened");
    for minute in 1..6 {
        let row = if minute % 2 == 1 { &listed } else { &by_id };
        see(&mut work, vec![row.clone()], minute * 5);
    }
    let foreign = index.read().expect("a lock").counted(lineage, true);
    assert_eq!(foreign, 0, "runs by others, of none");
}

/// And it is no proof that our retry has run: bounced before `settle_after`, the next try may go beside it.
#[test]
fn a_reason_that_the_list_cuts_is_no_bounce_of_ours() {
    let (mut work, _) = core();
    let mut by_id = rejected("90", "77");
    by_id.reason = Some(Arc::from(
        "connection refused by host ldap7 after three tries",
    ));
    by_id.started = Some(at(-60));
    let mut listed = by_id.clone();
    listed.reason = Some(Arc::from("connection refused by"));
    let seen = see(&mut work, vec![by_id], 0);
    let lineage = seen.views[0].lineage.expect("opened");
    send(&mut work, lineage, "90", 1, ReceiptStatus::Accepted);
    let told = see(&mut work, vec![listed], 3);
    assert_eq!(told.outcomes, [], "its start is the one of before the send");
    let again = send_as(
        &mut work,
        lineage,
        "90",
        Action::Retry,
        4,
        ReceiptStatus::Accepted,
    );
    assert!(!again, "claimed again three minutes after the first send");
}

/// Ours was proven unsent after an admin's retry had been joined as ours: his run counts as his.
#[test]
fn a_successor_that_was_joined_while_ours_was_unsent_counts_as_theirs() {
    let (mut work, index) = core();
    let seen = see(&mut work, vec![rejected("90", "77")], 0);
    let lineage = seen.views[0].lineage.expect("opened");
    let item = admitted(lineage, "90", Action::Retry);
    let made = work.claim(request(vec![item], 7), at(1)).expect("claimed");
    let batch = made.batch.expect("one");
    for minute in [2, 3] {
        see(&mut work, vec![rejected("1200", "77")], minute);
    }
    assert_eq!(
        work.index().current_task(lineage),
        Some(TaskId::new("1200"))
    );
    let unsent = ReceiptStatus::Unsent {
        why: Arc::from("401"),
    };
    let receipt = batch.items[0].receipt(unsent, at(4));
    work.settle(vec![receipt], Duration::ZERO, at(4))
        .expect("settled");
    let counted = index.read().expect("a lock").counted(lineage, true);
    assert_eq!(counted, 1, "somebody has run it once");
}

/// A hand-over that was never answered, and is told by a row that shows the owner whom somebody else has
/// given it: it may come yet, over a start as well.
#[test]
fn a_hand_over_that_was_told_is_held_over_a_start() {
    let (mut work, _) = core();
    let seen = see(&mut work, vec![rejected("90", "77")], 0);
    let lineage = seen.views[0].lineage.expect("opened");
    let to = Principal::User {
        key: Some(crate::model::UserKey::new("5")),
        login: Login::new("BDOE"),
    };
    assert!(send_as(
        &mut work,
        lineage,
        "90",
        Action::Reassign { to: to.clone() },
        1,
        unknown("reset")
    ));
    let mut row = rejected("90", "77");
    row.owner = crate::model::Owner::User {
        key: Some(crate::model::UserKey::new("5")),
        login: Some(Login::new("BDOE")),
    };
    see(&mut work, vec![row], 3);
    let store = Arc::new(MemoryStore::default());
    store.append(&work.pending).expect("numbers rise");
    let opened = without_a_disk(store, at(60)).expect("opened");
    let mut work = Work::new(opened.index);
    work.found_open(at(60));
    let again = send_as(
        &mut work,
        lineage,
        "90",
        Action::Reassign { to },
        61,
        ReceiptStatus::Accepted,
    );
    assert!(!again);
}

/// As what somebody has completed by hand: what an accepted retry has started may still run when the task is
/// read as cancelled, and a revoke that ran before it would be undone.
#[test]
fn what_is_read_as_cancelled_holds_its_account_as_what_was_completed_by_hand() {
    for status in [
        TaskStatus::ManuallyCompleted,
        TaskStatus::Cancelled,
        TaskStatus::PendingCancellation,
    ] {
        let (mut work, index) = core();
        let lineage = retried(&mut work);
        let read = Looked::single(lineage, 1, Some(row("90", status.clone(), "77")));
        work.looked(vec![read], &delivery(), &Meta::daemon(at(3), None), at(3))
            .expect("looked");
        let index = index.read().expect("a lock");
        let account = ProcessKey::new("77");
        let settle_after = delivery().settle_after;
        let held = index.on_the_way(&account, at(4), settle_after)
            || index
                .late_until(Some(&account), LineageId(900), true, at(4), settle_after)
                .is_some();
        assert!(held, "{status}");
    }
}

/// The same where its pending successor is read as cancelled.
#[test]
fn a_pending_successor_that_is_cancelled_holds_its_account_until_settle_after() {
    let (mut work, index) = core();
    let lineage = retried(&mut work);
    see(&mut work, vec![row("1200", TaskStatus::Pending, "77")], 3);
    let read = Looked::single(lineage, 1, Some(row("1200", TaskStatus::Cancelled, "77")));
    work.looked(vec![read], &delivery(), &Meta::daemon(at(5), None), at(5))
        .expect("looked");
    let index = index.read().expect("a lock");
    let account = ProcessKey::new("77");
    let settle_after = delivery().settle_after;
    assert!(index.open_attempt(lineage).is_none(), "it was told");
    let until = index.late_until(Some(&account), LineageId(900), true, at(6), settle_after);
    assert_eq!(until, Some(at(16)));
}

/// A person's "approve world" ends open attempts at once; a retry that was accepted a moment ago may still run.
#[test]
fn a_world_that_is_accepted_holds_the_accounts_of_what_was_sent_a_moment_ago() {
    let (mut work, index) = core();
    let lineage = retried(&mut work);
    let why: Arc<str> = Arc::from("known ids are other tasks");
    work.emit(&Meta::daemon(at(2), None), EventBody::WorldDoubted { why })
        .expect("small");
    work.accept_world("it was put back", Actor::Daemon, at(3))
        .expect("accepted");
    let index = index.read().expect("a lock");
    assert!(index.open_attempt(lineage).is_none());
    let account = ProcessKey::new("77");
    let until = index.late_until(
        Some(&account),
        LineageId(900),
        true,
        at(4),
        delivery().settle_after,
    );
    assert_eq!(until, Some(at(16)));
}

/// Somebody else retried a task that keeps its id beside our retry, which was accepted and runs later: his run is
/// read as ours, and the account must wait for ours.
#[test]
fn an_accepted_retry_that_another_run_told_is_held_until_settle_after() {
    let (mut work, index) = core();
    let mut first = rejected("90", "77");
    first.started = Some(at(-60));
    let seen = see(&mut work, vec![first], 0);
    let lineage = seen.views[0].lineage.expect("opened");
    send(&mut work, lineage, "90", 10, ReceiptStatus::Accepted);
    // begun five minutes before our send, and shown after it
    let mut theirs = rejected("90", "77");
    theirs.started = Some(at(5));
    theirs.reason = Some(Arc::from("no route"));
    let told = see(&mut work, vec![theirs], 12);
    let index = index.read().expect("a lock");
    let account = ProcessKey::new("77");
    let settle_after = delivery().settle_after;
    let held = index.on_the_way(&account, at(13), settle_after)
        || index
            .late_until(Some(&account), LineageId(900), true, at(13), settle_after)
            .is_some();
    assert!(
        held,
        "a run that began before our send told it: {:?}",
        told.outcomes
    );
}

/// What waits in a queue was decided on an older list; the last one does not show it, because OIG's own job has
/// completed it since (torture seed 59: a target that carries out whatever it is told did it twice).
#[test]
fn what_the_last_whole_list_does_not_show_is_not_claimed() {
    let (mut work, _) = core();
    let both = || vec![rejected("90", "77"), rejected("91", "78")];
    let seen = see(&mut work, both(), 0);
    let lineage = seen.views[0].lineage.expect("opened");
    let without = || vec![rejected("91", "78")];
    let accepted = || ReceiptStatus::Accepted;
    // a list that is not whole tells nothing
    let mut part = sighting(without(), 1);
    Arc::make_mut(&mut part.snapshot).complete = false;
    work.observe(&part, at(1)).expect("a pass");
    see(&mut work, both(), 2);
    see(&mut work, without(), 3);
    assert!(!send_as(
        &mut work,
        lineage,
        "90",
        Action::Retry,
        4,
        accepted()
    ));
    see(&mut work, both(), 5);
    assert!(send_as(
        &mut work,
        lineage,
        "90",
        Action::Retry,
        6,
        accepted()
    ));
}
