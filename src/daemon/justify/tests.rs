//! The line and where it goes.

use super::*;
use crate::model::{Principal, TaskStatus};

fn claim(action: Action) -> ClaimItem {
    ClaimItem {
        lineage: LineageId(17),
        ordinal: 2,
        task: TaskId::new("1234"),
        action,
        process: None,
        definition: None,
        kind: Kind::Grant,
        policy: Some("20-retry.rhai".into()),
        inputs: Digest::new("d"),
        version: 1,
        rests: Default::default(),
    }
}

fn at() -> Timestamp {
    "2027-03-01T14:40:12.75Z".parse().expect("a time")
}

fn noted(note: Option<&str>) -> Task {
    Task {
        note: note.map(Arc::from),
        ..Task::bare(TaskId::new("1240"), TaskStatus::Rejected)
    }
}

#[test]
fn a_line_says_which_attempt_when_by_what_why_and_how_it_ended() {
    let decided = Some((Some(12), Some(Arc::from("the target was down"))));
    let said = line(&claim(Action::Retry), at(), decided, AttemptState::Bounced);
    assert_eq!(
        said.as_deref(),
        Some(
            "[provtaskd L17.2 2027-03-01T14:40:12Z] task 1234 retried by 20-retry.rhai:12 because: the target was down; the task stands rejected"
        )
    );
    let to = Principal::Role {
        key: None,
        name: "OPS".into(),
    };
    let said = line(
        &claim(Action::Reassign { to }),
        at(),
        None,
        AttemptState::Completed,
    );
    let said = said.expect("a line");
    assert!(said.contains("reassigned to"), "{said}");
    assert!(said.contains("OPS"), "{said}");
    assert!(said.ends_with("by 20-retry.rhai; it was done"), "{said}");
}

#[test]
fn an_attempt_that_wrote_the_note_is_not_spoken_of_in_it() {
    let text = Arc::from("mine");
    let action = Action::SetNote { text };
    assert_eq!(
        line(&claim(action), at(), None, AttemptState::Completed),
        None
    );
}

#[test]
fn a_line_stays_short_and_is_one_line() {
    let words: Arc<str> = Arc::from("a\nb\t".repeat(200));
    let said = line(
        &claim(Action::Retry),
        at(),
        Some((None, Some(words))),
        AttemptState::Refused,
    )
    .expect("a line");
    assert!(said.chars().count() <= LINE);
    assert!(!said.contains(char::is_control), "{said}");
    assert!(said.ends_with("\u{2026}; OIG refused it"), "{said}");
}

#[test]
fn what_stands_in_the_note_is_kept_and_never_cut() {
    let line = "[provtaskd L1.1] x";
    let added = |note: &str, most| with_line(&noted(Some(note)), line, most);
    assert_eq!(added("", 200).as_deref(), Ok(line));
    assert_eq!(
        added("call Ann first\n", 200).as_deref(),
        Ok("call Ann first\n[provtaskd L1.1] x")
    );
    let full = "y".repeat(182);
    assert!(added(&full, 200).expect_err("no room").contains("no room"));
    let fits = "y".repeat(181);
    assert_eq!(added(&fits, 200).expect("fits").chars().count(), 200);
}

#[test]
fn nothing_is_added_twice_to_a_finished_task_or_where_the_note_is_not_shown() {
    let line = "[provtaskd L1.1] x";
    let twice = with_line(&noted(Some("a\n[provtaskd L1.1] x\nb")), line, 200);
    assert_eq!(twice, Err("the line is there already"));
    assert!(with_line(&noted(None), line, 200).is_err());
    let done = Task {
        note: Some("".into()),
        ..Task::bare(TaskId::new("9"), TaskStatus::Completed)
    };
    assert_eq!(with_line(&done, line, 200), Err("the task is finished"));
}

fn item(lineage: u64, process: Option<&str>, kind: Kind) -> Admitted {
    let target = TargetName::new("Mail");
    let wish = Wish {
        lineage: LineageId(lineage),
        due: Unjustified {
            ordinal: 1,
            state: AttemptState::Bounced,
            ended: at(),
            claimed_in: 1,
            decided_in: 0,
        },
        task: TaskId::new("7"),
        target: target.clone(),
        process: process.map(ProcessKey::new),
        definition: None,
        login: None,
        kind,
    };
    let decision = wish.as_decision(&PolicyHash::new("feed"));
    Admitted::for_test(decision, Action::Retry, target)
}

#[test]
fn whatever_acts_on_the_account_waits_for_a_note_on_its_way_and_nothing_else_does() {
    let running = |lineage, process: Option<&str>| Justifying {
        running: Some((LineageId(lineage), process.map(ProcessKey::new))),
        ..Justifying::default()
    };
    let of_77 = running(1, Some("77"));
    assert!(of_77.holds(&item(2, Some("77"), Kind::Grant)));
    assert!(!of_77.holds(&item(2, Some("78"), Kind::Grant)));
    assert!(of_77.holds(&item(1, None, Kind::Grant)), "the same work");
    for kind in [Kind::Revoke, Kind::Disable] {
        // never two writes about one account at a time
        assert!(of_77.holds(&item(2, Some("77"), kind)), "{kind}");
        assert!(!of_77.holds(&item(2, Some("78"), kind)), "{kind}");
    }
    let unknown = running(1, None);
    assert!(!unknown.holds(&item(2, None, Kind::Grant)), "no account");
    assert!(!Justifying::default().holds(&item(1, Some("77"), Kind::Grant)));
}

#[test]
fn a_note_is_written_only_where_nothing_is_due_soon() {
    use crate::daemon::memory::{Moment, Refused};
    use crate::model::RefusalReason;
    let now = at();
    let known = |act: Option<Decision>, refusal| Remembered {
        print: 1,
        relook: None,
        act: act.map(Arc::new),
        refusal,
        seen: 1,
        unreadable: 0,
        by: 1,
    };
    let wanted = |due: Option<Timestamp>| {
        let decision = item(1, None, Kind::Grant).decision().clone();
        Some(Decision { due, ..decision })
    };
    let refused = |reason, until: Option<Timestamp>| {
        let (until, epoch) = (until.map(Moment::from), 1);
        Some(Refused {
            reason,
            until,
            epoch,
        })
    };
    let minutes = |n| now + SignedDuration::from_mins(n);
    assert!(
        !is_quiet(None, now),
        "of what is not known nothing is known"
    );
    assert!(is_quiet(Some(&known(None, None)), now), "nothing is wanted");
    assert!(
        !is_quiet(Some(&known(wanted(None), None)), now),
        "it goes now"
    );
    assert!(is_quiet(Some(&known(wanted(Some(minutes(5))), None)), now));
    assert!(!is_quiet(Some(&known(wanted(Some(minutes(1))), None)), now));
    let held = |reason, until| is_quiet(Some(&known(wanted(None), refused(reason, until))), now);
    assert!(held(RefusalReason::BackOff, Some(minutes(30))));
    assert!(!held(RefusalReason::BackOff, Some(minutes(1))));
    assert!(held(RefusalReason::AttemptsUsedUp, None));
    assert!(
        !held(RefusalReason::CapRetries, None),
        "the next cycle may send it"
    );
}
