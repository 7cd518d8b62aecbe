//! What was done long after a retry, by nobody knows whom: it is not told as the retry's success, the true successor is known when it comes, and a target whose successors come late still has them told; no disk.

use super::*;

/// Each account has a person of its own.
fn row(id: &str, status: TaskStatus, process: &str) -> Task {
    let mut task = super::row(id, status, process);
    task.beneficiary = Some(Login::new(&format!("user{process}")));
    task
}

fn made(id: &str, process: &str, status: TaskStatus, minute: i64) -> Task {
    let mut task = row(id, status, process);
    task.created = Some(at(minute));
    task
}

/// Retries this task of this account, which is answered at once.
fn retry(work: &mut Work, id: &str, process: &str, minute: i64) -> LineageId {
    let seen = see(work, vec![row(id, TaskStatus::Rejected, process)], minute);
    let lineage = seen.views[0].lineage.expect("opened");
    let mut decision = admitted(lineage, id, Action::Retry).decision().clone();
    decision.process = Some(ProcessKey::new(process));
    let item = Admitted::for_test(decision, Action::Retry, TargetName::new("Mail"));
    let batch = 100 + u128::from(lineage.0);
    let made = work.claim(request(vec![item], batch), at(minute + 1));
    let batch = made.expect("claimed").batch.expect("one item");
    let receipt = batch.items[0].receipt(ReceiptStatus::Accepted, at(minute + 1));
    work.settle(vec![receipt], Duration::ZERO, at(minute + 1))
        .expect("settled");
    lineage
}

/// What a reading of the process tells of the lineage's first retry.
fn told(
    work: &mut Work,
    lineage: LineageId,
    mut tasks: Vec<Task>,
    (id, process): (&str, &str),
    minute: i64,
) -> Option<AttemptEvent> {
    tasks.push(row(id, TaskStatus::UnsuccessfullyCompleted, process));
    let look = vec![Looked::process(lineage, 1, tasks)];
    let meta = Meta::daemon(at(minute), None);
    let told = work.looked(look, &delivery(), &meta, at(minute));
    let told = told.expect("looked");
    told.outcomes.last().map(|outcome| outcome.event)
}

/// One of the account's definition that was ordered at minute 11, ten minutes after the retry, and is done.
fn theirs() -> Task {
    made("95", "77", TaskStatus::Completed, 11)
}

/// Three retries of other accounts whose successors came at once: that is known of the target then.
fn comes_at_once(work: &mut Work) {
    for n in 1..=3 {
        let (id, process) = (format!("{}", 10 + n), format!("{n}"));
        let from = 20 * n - 100;
        let lineage = retry(work, &id, &process, from);
        see(work, vec![], from + 2);
        let id_of_next = format!("{}", 50 + n);
        let successor = made(&id_of_next, &process, TaskStatus::Completed, from + 1);
        let told = told(work, lineage, vec![successor], (&id, &process), from + 12);
        assert_eq!(told, Some(AttemptEvent::ReadCompleted));
    }
}

const OURS: (&str, &str) = ("90", "77");

#[test]
fn what_somebody_else_has_ordered_and_done_is_not_our_success_and_the_true_successor_is_ours() {
    let (mut work, index) = core();
    comes_at_once(&mut work);
    let lineage = retry(&mut work, "90", "77", 0);
    see(&mut work, vec![], 2);
    for minute in [12, 20, 25] {
        let told = told(&mut work, lineage, vec![theirs()], OURS, minute);
        assert_eq!(told, None, "{minute}");
    }
    let late = told(&mut work, lineage, vec![theirs()], OURS, 40);
    assert_eq!(late, Some(AttemptEvent::ReadAmbiguous));
    // two hours later the list shows what our retry has made
    let late = vec![made("99", "77", TaskStatus::Rejected, 121)];
    see(&mut work, late.clone(), 122);
    let seen = see(&mut work, late, 124);
    assert_eq!(seen.views[0].lineage, Some(lineage), "no new work");
    let index = index.read().expect("a lock");
    assert!(index.is_ambiguous(lineage), "a person has to say");
    assert_eq!(index.lineages(), 4);
    let history = index.history(lineage, true).expect("known");
    assert_eq!(history.attempts, 1, "one run, ours");
}

/// Nothing is known of the target: it is told with its doubt, and what comes later is no new work all the same.
#[test]
fn where_nothing_is_known_of_the_target_it_is_told_with_its_doubt_and_the_cap_holds() {
    let (mut work, index) = core();
    let lineage = retry(&mut work, "90", "77", 0);
    see(&mut work, vec![], 2);
    let done = told(&mut work, lineage, vec![theirs()], OURS, 12);
    assert_eq!(done, Some(AttemptEvent::ReadCompleted));
    let late = vec![made("99", "77", TaskStatus::Rejected, 121)];
    see(&mut work, late.clone(), 122);
    let seen = see(&mut work, late, 124);
    let index = index.read().expect("a lock");
    let of = seen.views[0].lineage.expect("known");
    let history = index.history(of, true).expect("known");
    assert!(
        of == lineage && history.attempts == 1 || index.is_ambiguous(of),
        "it counts with the retry, or a person is asked"
    );
}

#[test]
fn the_true_one_takes_the_place_of_what_nothing_ties_to_the_retry() {
    let (mut work, _) = core();
    comes_at_once(&mut work);
    let lineage = retry(&mut work, "90", "77", 0);
    see(&mut work, vec![], 2);
    let first = told(&mut work, lineage, vec![theirs()], OURS, 12);
    assert_eq!(first, None);
    let ours = made("94", "77", TaskStatus::Completed, 2);
    let both = vec![theirs(), ours];
    let then = told(&mut work, lineage, both, OURS, 20);
    assert_eq!(then, Some(AttemptEvent::ReadCompleted));
}

#[test]
fn of_two_that_nothing_ties_to_the_retry_none_is_taken() {
    let (mut work, index) = core();
    comes_at_once(&mut work);
    let lineage = retry(&mut work, "90", "77", 0);
    see(&mut work, vec![], 2);
    told(&mut work, lineage, vec![theirs()], OURS, 12);
    let other = made("99", "77", TaskStatus::Completed, 19);
    let then = told(&mut work, lineage, vec![theirs(), other], OURS, 20);
    assert_eq!(then, Some(AttemptEvent::ReadAmbiguous));
    assert!(index.read().expect("a lock").is_ambiguous(lineage));
}

/// Lists have shown the stranger's task, open: it counts with ours, and so does the true one that comes later.
#[test]
fn a_late_one_beside_somebody_elses_is_no_new_work() {
    for rejected in [true, false] {
        let (mut work, index) = core();
        let lineage = retry(&mut work, "90", "77", 0);
        let status = match rejected {
            true => TaskStatus::Rejected,
            false => TaskStatus::Pending,
        };
        let theirs = || made("95", "77", status.clone(), 11);
        see(&mut work, vec![theirs()], 12);
        let seen = see(&mut work, vec![theirs()], 14);
        assert_eq!(seen.views[0].lineage, Some(lineage));
        let late = || made("99", "77", TaskStatus::Rejected, 121);
        for minute in 122..130 {
            see(&mut work, vec![theirs(), late()], minute);
        }
        let index = index.read().expect("a lock");
        let new = index.lineage_of(&TaskId::new("99")).expect("opened");
        let doubt = (index.is_ambiguous(lineage), index.is_ambiguous(new));
        assert_eq!(doubt, (true, true), "{rejected}");
    }
}

#[test]
fn a_target_whose_successors_come_late_has_them_told() {
    let (mut work, _) = core();
    let accounts = [("10", "1", 0), ("20", "2", 9), ("30", "3", 30)];
    let lineages = accounts.map(|(id, process, from)| retry(&mut work, id, process, from));
    see(&mut work, vec![], 40);
    let done = Some(AttemptEvent::ReadCompleted);
    // an hour after each send, or by a job of its own hours
    for (at, after) in [61, 90, 75].into_iter().enumerate() {
        let (id, process, from) = accounts[at];
        let status = TaskStatus::Completed;
        let successor = made(&format!("{}", 900 + at), process, status, from + after);
        let minute = from + after + 1;
        let told = told(
            &mut work,
            lineages[at],
            vec![successor],
            (id, process),
            minute,
        );
        assert_eq!(told, done, "{id}");
    }
}

/// Without an answer the request may have run for as long as requests do, and a clock that goes ahead makes nothing
/// late that is seen at once.
#[test]
fn a_request_without_an_answer_and_a_clock_ahead_make_no_doubt() {
    let done = Some(AttemptEvent::ReadCompleted);
    let (mut work, _) = core();
    let seen = see(&mut work, vec![row("90", TaskStatus::Rejected, "77")], 0);
    let lineage = seen.views[0].lineage.expect("opened");
    let lost = ReceiptStatus::Unknown {
        why: Arc::from("timed out"),
    };
    send(&mut work, lineage, "90", 1, lost);
    see(&mut work, vec![], 2);
    let slow = made("95", "77", TaskStatus::Completed, 11);
    assert_eq!(told(&mut work, lineage, vec![slow], OURS, 12), done);
    let (mut work, _) = core();
    let lineage = retry(&mut work, "90", "77", 0);
    see(&mut work, vec![], 2);
    let ahead = made("95", "77", TaskStatus::Completed, 60);
    assert_eq!(told(&mut work, lineage, vec![ahead], OURS, 3), done);
}
