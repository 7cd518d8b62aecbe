//! New ids beside old ones: who is a successor, who is new work, and what can't be told yet; no disk.

use super::*;

fn open(work: &mut Work, id: &str) -> LineageId {
    let seen = see(work, vec![row(id, TaskStatus::Rejected, "77")], 0);
    seen.views[0].lineage.expect("opened")
}

fn rejected(id: &str) -> Task {
    row(id, TaskStatus::Rejected, "77")
}

/// A row that names the task that it retries, and shows nothing by which it could be likened.
fn linked(id: &str, of: &str) -> Task {
    let mut task = rejected(id);
    task.process = None;
    task.retry_of = Some(TaskId::new(of));
    task
}

/// A whole list that has shifted while it was read.
fn see_shifted(work: &mut Work, tasks: Vec<Task>, minute: i64) -> Observed {
    let mut sight = sighting(tasks, minute);
    Arc::make_mut(&mut sight.snapshot).stable = false;
    work.observe(&sight, at(minute)).expect("a pass")
}

#[test]
fn a_linked_successor_that_shows_nothing_else_waits_for_its_elder_to_be_gone() {
    let (mut work, index) = core();
    let lineage = open(&mut work, "1090");
    let successor = || linked("1200", "1090");
    for minute in [5, 10] {
        let both = vec![rejected("1090"), successor()];
        assert_eq!(see(&mut work, both, minute).opened, 0, "shown beside it");
    }
    let once = see(&mut work, vec![successor()], 15);
    assert_eq!((once.opened, once.joined), (0, 0), "absent only once");
    let twice = see(&mut work, vec![successor()], 20);
    assert_eq!(twice.views[0].lineage, Some(lineage));
    let history = index.read().expect("a lock").history(lineage, true);
    assert_eq!(history.expect("known").ids.len(), 2);
}

#[test]
fn a_link_is_followed_into_doubt_and_after_a_long_absence() {
    for doubtful in [true, false] {
        let (mut work, index) = core();
        let lineage = open(&mut work, "1090");
        if doubtful {
            let body = EventBody::LineageAmbiguous {
                lineages: vec![lineage],
                tasks: vec![TaskId::new("1090")],
            };
            work.emit(&Meta::daemon(at(1), None), body).expect("small");
        }
        for minute in [5, 10, 5 * 24 * 60] {
            see(&mut work, vec![], minute);
        }
        let seen = see(&mut work, vec![linked("1200", "1090")], 6 * 24 * 60);
        assert_eq!(seen.views[0].lineage, Some(lineage), "{doubtful}");
        assert_eq!(
            index.read().expect("a lock").is_ambiguous(lineage),
            doubtful
        );
    }
}

#[test]
fn a_link_to_a_task_that_is_still_there_is_believed_over_likeness() {
    let (mut work, _) = core();
    let both = vec![rejected("90"), rejected("1095")];
    let seen = see(&mut work, both, 0);
    let ours = seen.views[0].lineage.expect("opened");
    send(&mut work, ours, "90", 1, ReceiptStatus::Accepted);
    // the page with 1095 was read before somebody retried it
    let mut theirs = rejected("1200");
    theirs.retry_of = Some(TaskId::new("1095"));
    let seen = see(&mut work, vec![rejected("1095"), theirs], 3);
    assert_eq!((seen.opened, seen.joined), (0, 0));
    assert!(seen.outcomes.is_empty());
}

/// Somebody has retried the same id between the list and our send, and the server took both: each result alone
/// looks like a piece of work, and the work would be done twice.
#[test]
fn the_other_result_of_an_id_that_somebody_retried_beside_us_is_no_new_work() {
    let row = |id: &str, status, minute| {
        let mut row = row(id, status, "77");
        row.created = Some(at(minute) + SignedDuration::from_millis(7));
        row
    };
    // ours is the last one; made by whom, and when: by somebody before or after us, or long after
    for (first, second, doubt) in [(4, 5, true), (6, 5, true), (40, 5, false), (-120, 5, false)] {
        for done in [false, true] {
            let (mut work, index) = core();
            let seen = see(&mut work, vec![row("90", TaskStatus::Rejected, -200)], 0);
            let lineage = seen.views[0].lineage.expect("opened");
            send(&mut work, lineage, "90", 5, ReceiptStatus::Accepted);
            let status = match done {
                true => TaskStatus::Completed,
                false => TaskStatus::Rejected,
            };
            let ours = row("101", status, second);
            let seen = see(&mut work, vec![ours.clone()], 6);
            assert_eq!(seen.joined, 1);
            let other = row("100", TaskStatus::Rejected, first);
            for minute in [42, 44, 46] {
                see(&mut work, vec![ours.clone(), other.clone()], minute);
            }
            let index = index.read().expect("a lock");
            let new = index.lineage_of(&TaskId::new("100")).expect("opened");
            assert_ne!(new, lineage);
            let told = (index.is_ambiguous(new), index.is_ambiguous(lineage));
            assert_eq!(told, (doubt, doubt), "made at {first}, done: {done}");
        }
    }
}

/// Both retries had to wait for the connector: their results come long after the send, and near to each other.
#[test]
fn the_other_result_of_an_id_that_somebody_retried_beside_us_is_no_new_work_however_late_it_comes()
{
    let row = |id: &str, status, minute| {
        let mut row = row(id, status, "77");
        row.created = Some(at(minute) + SignedDuration::from_millis(7));
        row
    };
    // nothing ties the first one to our retry either, so that as long as ours may come the second may be it
    let days = |many: i64| many * 24 * 60;
    for (second, doubt) in [(48, true), (60, true), (days(5), false)] {
        let (mut work, index) = core();
        let seen = see(&mut work, vec![row("90", TaskStatus::Rejected, -200)], 0);
        let lineage = seen.views[0].lineage.expect("opened");
        let unknown = ReceiptStatus::Unknown {
            why: Arc::from("503"),
        };
        send(&mut work, lineage, "90", 5, unknown);
        let ours = row("101", TaskStatus::Rejected, 36);
        assert_eq!(see(&mut work, vec![ours.clone()], 37).joined, 1);
        let other = row("102", TaskStatus::Rejected, second);
        for minute in [1, 3, 5] {
            see(
                &mut work,
                vec![ours.clone(), other.clone()],
                second.max(60) + minute,
            );
        }
        let index = index.read().expect("a lock");
        let new = index.lineage_of(&TaskId::new("102")).expect("opened");
        assert_ne!(new, lineage);
        let told = (index.is_ambiguous(new), index.is_ambiguous(lineage));
        assert_eq!(told, (doubt, doubt), "made at {second}");
    }
}

#[test]
fn on_a_list_that_always_shifts_a_possible_successor_ends_in_doubt_and_never_as_new_work() {
    for link in [None, Some("1090")] {
        let (mut work, index) = core();
        let lineage = open(&mut work, "1090");
        let successor = || link.map_or_else(|| rejected("1200"), |of| linked("1200", of));
        let mut told = 0;
        for minute in 1..12 {
            let seen = see_shifted(&mut work, vec![successor()], minute);
            told += seen.ambiguous;
            let view = seen.views[0];
            assert!(view.lineage.is_none() || view.ambiguous, "{minute}");
        }
        assert_eq!(told, 1, "a person is asked, once");
        let index = index.read().expect("a lock");
        assert!(index.is_ambiguous(lineage));
        let new = index.lineage_of(&TaskId::new("1200")).expect("opened");
        assert!(new != lineage && index.is_ambiguous(new));
    }
}

#[test]
fn the_successor_of_a_doubtful_task_is_not_free_of_doubt() {
    let (mut work, index) = core();
    open(&mut work, "90");
    for minute in 1..8 {
        see_shifted(&mut work, vec![rejected("1200")], minute);
    }
    assert_eq!(index.read().expect("a lock").lineages(), 2);
    for minute in 10..20 {
        let seen = see_shifted(&mut work, vec![rejected("1300")], minute);
        let view = seen.views[0];
        assert!(view.lineage.is_none() || view.ambiguous, "{minute}");
    }
    for minute in 20..30 {
        let seen = see(&mut work, vec![rejected("1400")], minute);
        let view = seen.views[0];
        assert!(view.lineage.is_none() || view.ambiguous, "{minute}");
    }
}

#[test]
fn a_sibling_is_new_work_on_a_list_that_always_shifts_too() {
    let (mut work, _) = core();
    open(&mut work, "90");
    let both = || vec![rejected("90"), rejected("91")];
    assert_eq!(see_shifted(&mut work, both(), 5).opened, 0);
    let seen = see_shifted(&mut work, both(), 10);
    assert!(seen.opened == 1 && !seen.views[1].ambiguous);
}

#[test]
fn what_a_person_asks_for_brings_no_newcomer_nearer_to_a_conclusion() {
    let (mut work, _) = core();
    open(&mut work, "90");
    let both = || vec![rejected("90"), rejected("91")];
    let asked = |work: &mut Work, tasks: Vec<Task>, minute: i64| {
        let mut sight = sighting(tasks, minute);
        sight.asked = true;
        Arc::make_mut(&mut sight.snapshot).stable = false;
        work.observe(&sight, at(minute)).expect("a pass")
    };
    for minute in 1..10 {
        assert_eq!(asked(&mut work, both(), minute).opened, 0);
    }
    assert_eq!(see(&mut work, both(), 10).opened, 0, "the first sight");
    assert_eq!(asked(&mut work, both(), 11).opened, 0);
    assert_eq!(see(&mut work, both(), 12).opened, 1, "the second one");
    // nor does it spend a newcomer's patience
    for minute in 20..30 {
        let told = asked(&mut work, vec![rejected("92")], minute);
        assert_eq!((told.opened, told.ambiguous), (0, 0));
    }
}

#[test]
fn a_sibling_that_comes_later_is_new_work_once_its_elder_was_shown_again() {
    let (mut work, _) = core();
    let elder = open(&mut work, "90");
    let both = || {
        vec![
            row("90", TaskStatus::Rejected, "77"),
            row("91", TaskStatus::Rejected, "77"),
        ]
    };
    let first = see(&mut work, both(), 5);
    assert_eq!((first.opened, first.views[1].lineage), (0, None));
    let second = see(&mut work, both(), 10);
    assert_eq!(second.opened, 1);
    assert!(second.views[1].lineage.is_some_and(|new| new != elder));
}

#[test]
fn what_somebody_else_has_retried_is_joined_after_two_whole_passes() {
    let (mut work, index) = core();
    let lineage = open(&mut work, "90");
    let successor = || vec![row("1200", TaskStatus::Rejected, "77")];
    // both on one list: the retry came between its pages
    let mut racing = successor();
    racing.insert(0, row("90", TaskStatus::Rejected, "77"));
    assert_eq!(see(&mut work, racing, 5).opened, 0);
    assert_eq!(
        see(&mut work, successor(), 10).joined,
        0,
        "one absence is not enough"
    );
    let told = see(&mut work, successor(), 15);
    assert_eq!((told.opened, told.joined), (0, 1));
    assert_eq!(told.views[0].lineage, Some(lineage));
    let history = index.read().expect("a lock").history(lineage, true);
    assert_eq!(
        history.expect("known").attempts,
        1,
        "it counts as an attempt"
    );
}

#[test]
fn a_row_that_was_only_overlooked_keeps_its_lineage() {
    let (mut work, _) = core();
    let lineage = open(&mut work, "90");
    // one list misses 90 and shows a new sibling
    see(&mut work, vec![row("91", TaskStatus::Rejected, "77")], 5);
    let both = || {
        vec![
            row("90", TaskStatus::Rejected, "77"),
            row("91", TaskStatus::Rejected, "77"),
        ]
    };
    let back = see(&mut work, both(), 10);
    assert_eq!(back.views[0].lineage, Some(lineage));
    assert!(back.views[0].current);
    assert_ne!(back.views[1].lineage, Some(lineage));
}

#[test]
fn a_replaced_id_that_is_open_again_beside_its_successor_is_for_a_person() {
    let (mut work, index) = core();
    let lineage = open(&mut work, "90");
    let successor = || row("1200", TaskStatus::Rejected, "77");
    for minute in [5, 10] {
        see(&mut work, vec![successor()], minute);
    }
    let both = || vec![row("90", TaskStatus::Rejected, "77"), successor()];
    assert_eq!(
        see(&mut work, both(), 15).ambiguous,
        0,
        "once may be a race"
    );
    assert_eq!(see(&mut work, both(), 20).ambiguous, 1);
    assert!(index.read().expect("a lock").is_ambiguous(lineage));
}

#[test]
fn a_note_that_no_row_shows_counts_and_is_not_sent_for_ever() {
    let (mut work, index) = core();
    let lineage = open(&mut work, "90");
    let text = Arc::from("looked at");
    let item = admitted(lineage, "90", Action::SetNote { text });
    let claims = work.claim(request(vec![item], 9), at(1)).expect("claimed");
    let batch = claims.batch.expect("a batch");
    let receipts = batch
        .items
        .iter()
        .map(|claimed| claimed.receipt(ReceiptStatus::Accepted, at(1)))
        .collect();
    work.settle(receipts, Duration::from_secs(1), at(1))
        .expect("settled");
    // two glances at one moment are one reading
    for minute in [20, 20] {
        let seen = see(
            &mut work,
            vec![row("90", TaskStatus::Rejected, "77")],
            minute,
        );
        assert!(seen.outcomes.is_empty());
    }
    let seen = see(&mut work, vec![row("90", TaskStatus::Rejected, "77")], 25);
    assert_eq!(seen.outcomes[0].event, AttemptEvent::ReadBounced);
    let history = index.read().expect("a lock").history(lineage, true);
    assert_eq!(history.expect("known").attempts, 1);
}

#[test]
fn a_link_to_our_own_retry_is_followed_on_a_list_that_shifts() {
    let (mut work, _) = core();
    let lineage = open(&mut work, "1090");
    send(&mut work, lineage, "1090", 1, ReceiptStatus::Accepted);
    let seen = see_shifted(&mut work, vec![linked("1200", "1090")], 3);
    assert_eq!(seen.views[0].lineage, Some(lineage));
}

#[test]
fn a_link_to_an_id_that_was_retried_before_it_was_told_leads_on_to_its_elder() {
    let (mut work, index) = core();
    let lineage = open(&mut work, "1090");
    see_shifted(&mut work, vec![linked("1200", "1090")], 1);
    see_shifted(&mut work, vec![], 2);
    for minute in 3..12 {
        let seen = see_shifted(&mut work, vec![linked("1300", "1200")], minute);
        let view = seen.views[0];
        assert!(view.lineage.is_none() || view.ambiguous, "{minute}");
    }
    assert!(index.read().expect("a lock").is_ambiguous(lineage));
}

/// Our own retry is sent, its old id goes, and every list shifts: what might be the successor must not
/// wait without end, nor be told before the attempt had its time to be told by its process.
#[test]
fn beside_our_own_retry_a_newcomer_on_a_list_that_always_shifts_ends_with_a_person() {
    for rival in [false, true] {
        let (mut work, index) = core();
        let lineage = open(&mut work, "1090");
        send(&mut work, lineage, "1090", 1, ReceiptStatus::Accepted);
        let shown = || {
            let rival = rival.then(|| rejected("1201"));
            [rejected("1200")].into_iter().chain(rival).collect()
        };
        for minute in 2..16 {
            let seen = see_shifted(&mut work, shown(), minute);
            assert_eq!((seen.opened, seen.joined), (0, 0), "{minute}");
        }
        let mut told = 0;
        for minute in 16..30 {
            told += see_shifted(&mut work, shown(), minute).ambiguous;
        }
        assert_eq!(told, if rival { 2 } else { 1 }, "a person is asked, once");
        let index = index.read().expect("a lock");
        assert!(index.is_ambiguous(lineage));
        let new = index.lineage_of(&TaskId::new("1200")).expect("opened");
        assert!(new != lineage && index.is_ambiguous(new));
        assert_eq!(
            index.attempt(lineage).map(|a| a.state),
            Some(AttemptState::Ambiguous)
        );
        let inbox = index.inbox(at(-9999));
        assert!(inbox.iter().all(|item| item.why == "ambiguous"));
        assert_eq!(inbox.len(), if rival { 3 } else { 2 });
    }
}

/// Patience begins with the sights, not with the send.
#[test]
fn one_odd_pass_long_after_the_send_is_no_doubt() {
    let (mut work, index) = core();
    let lineage = open(&mut work, "1090");
    send(&mut work, lineage, "1090", 1, ReceiptStatus::Accepted);
    for minute in 60..63 {
        assert_eq!(
            see_shifted(&mut work, vec![rejected("1200")], minute).ambiguous,
            0
        );
    }
    let seen = see(&mut work, vec![rejected("1200")], 63);
    assert_eq!(seen.views[0].lineage, Some(lineage), "a whole list tells");
    assert!(!index.read().expect("a lock").is_ambiguous(lineage));
}

/// Two retried siblings are gone; of the first a person has said that it was done. Its successor, shown
/// late, may be that of either: it is not taken for the second one's.
#[test]
fn the_successor_of_what_a_person_has_called_done_is_not_taken_for_a_siblings() {
    let (mut work, index) = core();
    let seen = see(&mut work, vec![rejected("1090"), rejected("1091")], 0);
    let lineage = |at: usize| seen.views[at].lineage.expect("opened");
    let (said, other) = (lineage(0), lineage(1));
    send(&mut work, said, "1090", 1, ReceiptStatus::Accepted);
    for minute in [2, 3] {
        see(&mut work, vec![rejected("1091")], minute);
    }
    let word = crate::model::Outcome {
        lineage: said,
        ordinal: 1,
        event: AttemptEvent::PersonCompleted,
        at: at(4),
        task: None,
        evidence: None,
    };
    work.conclude(vec![word], &Meta::daemon(at(4), None))
        .expect("concluded");
    send(&mut work, other, "1091", 5, ReceiptStatus::Accepted);
    for minute in 6..16 {
        let seen = see(&mut work, vec![rejected("1200")], minute);
        assert!(
            seen.outcomes
                .iter()
                .all(|told| told.event == AttemptEvent::ReadAmbiguous),
            "{:?}",
            seen.outcomes
        );
    }
    let index = index.read().expect("a lock");
    assert_eq!(index.current_task(other), Some(TaskId::new("1091")));
    assert!(index.is_ambiguous(other), "a person has to say");
}

/// Where nothing else can have it, the successor goes on with the work that was called done.
#[test]
fn a_successor_reopens_the_one_piece_of_work_that_a_person_has_called_done() {
    let (mut work, _) = core();
    let lineage = open(&mut work, "1090");
    send(&mut work, lineage, "1090", 1, ReceiptStatus::Accepted);
    let word = crate::model::Outcome {
        lineage,
        ordinal: 1,
        event: AttemptEvent::PersonCompleted,
        at: at(4),
        task: None,
        evidence: None,
    };
    work.conclude(vec![word], &Meta::daemon(at(4), None))
        .expect("concluded");
    let mut last = None;
    for minute in 5..10 {
        let seen = see(&mut work, vec![rejected("1200")], minute);
        last = seen.views[0].lineage;
    }
    assert_eq!(last, Some(lineage), "it is no new work: its attempts count");
}

#[test]
fn the_late_successor_of_a_retry_that_somebody_overtook_is_not_taken_for_a_siblings() {
    let (mut work, index) = core();
    see(&mut work, vec![rejected("90"), rejected("91")], 0);
    let (first, second) = (LineageId(1), LineageId(2));
    send(&mut work, first, "90", 1, ReceiptStatus::Accepted);
    for minute in [2, 4] {
        see(&mut work, vec![rejected("91")], minute);
    }
    // completed by hand in the same moment, and run all the same
    let process = vec![row("90", TaskStatus::ManuallyCompleted, "77")];
    let looked = vec![Looked::process(first, 1, process)];
    let meta = Meta::daemon(at(20), None);
    let told = work.looked(looked, &delivery(), &meta, at(20));
    let told = told.expect("looked").outcomes.remove(0);
    assert_eq!(told.event, AttemptEvent::ReadSuperseded);
    send(&mut work, second, "91", 30, ReceiptStatus::Accepted);
    for minute in [46, 48, 50, 52, 54, 56] {
        see(&mut work, vec![rejected("95")], minute);
    }
    let index = index.read().expect("a lock");
    assert_eq!(index.current_task(second), Some(TaskId::new("91")));
    assert!(index.is_ambiguous(second), "nobody can say whose it is");
}

/// Rows that show no account, or another one with each retry: the successor is no new work, whose attempts would be
/// counted from zero each time.
#[test]
fn what_follows_a_retry_without_an_account_to_know_it_by_is_for_a_person() {
    for account in [None, Some("78")] {
        let bare = |id: &str, first: bool| {
            let mut task = row(id, TaskStatus::Rejected, "77");
            let other = account.map(ProcessKey::new);
            task.process = if first && account.is_some() {
                task.process
            } else {
                other
            };
            task
        };
        let (mut work, index) = core();
        let seen = see(&mut work, vec![bare("90", true)], 0);
        let lineage = seen.views[0].lineage.expect("opened");
        send(&mut work, lineage, "90", 5, ReceiptStatus::Accepted);
        for minute in [6, 8, 10, 12, 14, 16] {
            see(&mut work, vec![bare("1200", false)], minute);
        }
        let index = index.read().expect("a lock");
        let new = index.lineage_of(&TaskId::new("1200")).expect("told");
        assert_ne!(new, lineage);
        assert!(index.is_ambiguous(new) && index.is_ambiguous(lineage));
    }
    // of another user it is somebody else's work
    let (mut work, index) = core();
    let seen = see(&mut work, vec![row("90", TaskStatus::Rejected, "77")], 0);
    let lineage = seen.views[0].lineage.expect("opened");
    send(&mut work, lineage, "90", 5, ReceiptStatus::Accepted);
    let mut other = row("1200", TaskStatus::Rejected, "78");
    other.beneficiary = Some(Login::new("asmith"));
    for minute in [6, 8, 10] {
        see(&mut work, vec![other.clone()], minute);
    }
    let index = index.read().expect("a lock");
    assert!(!index.is_ambiguous(lineage));
}
