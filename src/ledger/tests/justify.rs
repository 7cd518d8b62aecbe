//! A justification is claimed once for ever, is no attempt, and waits for nothing and nobody for it; no disk.

use super::*;
use crate::ledger::justify::Justification;
use crate::model::{Mode, Refusal, Scope};

fn about(lineage: LineageId, ordinal: u32, task: &str) -> Justification {
    Justification {
        batch: BatchId(uuid::Uuid::from_u128(40)),
        lineage,
        ordinal,
        task: TaskId::new(task),
        target: TargetName::new("Mail"),
        line: Arc::from("[provtaskd L1.1] x"),
        login: Login::new("daemon"),
        cycle: CycleId(uuid::Uuid::from_u128(1)),
        policy: PolicyHash::new("feed"),
    }
}

fn claim(work: &mut Work, of: Justification, minute: i64) -> Option<RefusalReason> {
    let refusal: Option<Refusal> = work
        .claim_justification(of, at(minute))
        .expect("the ledger works");
    refusal.map(|refusal| refusal.reason)
}

/// A retry that came back rejected under a new id: what is said of it goes to that one.
fn bounced(work: &mut Work) -> LineageId {
    let lineage = retried(work);
    let mut next = row("95", TaskStatus::Rejected, "77");
    next.retry_of = Some(TaskId::new("90"));
    see(work, vec![next.clone()], 20);
    see(work, vec![next], 40);
    lineage
}

fn history(index: &Arc<RwLock<Index>>, lineage: LineageId) -> crate::model::facts::History {
    let index = index.read().expect("a lock");
    index.history(lineage, true).expect("known")
}

#[test]
fn an_attempt_is_justified_once_whatever_becomes_of_it_and_counts_as_before() {
    let (mut work, index) = core();
    let lineage = bounced(&mut work);
    let due = index.read().expect("a lock").unjustified(lineage);
    let due = due.expect("a bounced attempt is not spoken of yet");
    assert_eq!((due.ordinal, due.state), (1, AttemptState::Bounced));
    let before = (
        history(&index, lineage),
        index.read().expect("a lock").counts().clone(),
        index.read().expect("a lock").attempts_print(lineage),
    );
    assert_eq!(claim(&mut work, about(lineage, 1, "95"), 50), None);
    assert_eq!(
        claim(&mut work, about(lineage, 1, "95"), 51),
        Some(RefusalReason::TaskMoved),
        "never twice, also before the first one has ended"
    );
    let after = (
        history(&index, lineage),
        index.read().expect("a lock").counts().clone(),
        index.read().expect("a lock").attempts_print(lineage),
    );
    assert_eq!(before, after, "no attempt, no cap, no back-off");
    // nothing is open: the next retry is claimed beside it
    send(&mut work, lineage, "95", 60, ReceiptStatus::Accepted);
    assert_eq!(history(&index, lineage).attempts_total, 2);
}

#[test]
fn it_is_refused_where_nothing_may_be_written() {
    let (mut work, _) = core();
    let lineage = retried(&mut work);
    assert_eq!(
        claim(&mut work, about(lineage, 1, "90"), 2),
        Some(RefusalReason::AttemptOpen)
    );
    let (mut work, _) = core();
    let lineage = bounced(&mut work);
    let refused = |work: &mut Work, ordinal, task| claim(work, about(lineage, ordinal, task), 50);
    assert_eq!(
        refused(&mut work, 1, "90"),
        Some(RefusalReason::TaskMoved),
        "the old id"
    );
    assert_eq!(refused(&mut work, 2, "95"), Some(RefusalReason::TaskMoved));
    let meta = Meta::daemon(at(45), None);
    let scopes = [
        Scope::Global,
        Scope::Target(TargetName::new("Mail")),
        Scope::ActionOnTarget(ActionName::SetNote, TargetName::new("Mail")),
        Scope::Lineage(lineage),
        Scope::Task(TaskId::new("95")),
    ];
    for scope in scopes {
        let paused = EventBody::Paused {
            scope: scope.clone(),
            until: None,
            reason: Arc::from("a person"),
        };
        work.emit(&meta, paused).expect("recorded");
        assert_eq!(
            refused(&mut work, 1, "95"),
            Some(RefusalReason::Paused),
            "{scope}"
        );
        work.emit(&meta, EventBody::Resumed { scope })
            .expect("recorded");
    }
    let mode = |mode| EventBody::ModeChanged {
        mode,
        reason: Arc::from("a person"),
    };
    work.emit(&meta, mode(Mode::Observe)).expect("recorded");
    assert_eq!(
        refused(&mut work, 1, "95"),
        Some(RefusalReason::ModeObserve)
    );
    work.emit(&meta, mode(Mode::Enforce)).expect("recorded");
    assert_eq!(refused(&mut work, 1, "95"), None);
}

#[test]
fn nothing_is_said_of_what_is_done_or_not_told() {
    let (mut work, index) = core();
    let lineage = retried(&mut work);
    let due = |index: &Arc<RwLock<Index>>| index.read().expect("a lock").unjustified(lineage);
    assert_eq!(due(&index), None, "accepted is no end");
    see(&mut work, vec![row("90", TaskStatus::Completed, "77")], 20);
    assert!(index.read().expect("a lock").is_done(lineage));
    assert_eq!(due(&index), None, "a closed task is not written to");
}

#[test]
fn a_replay_remembers_what_was_claimed_and_counts_how_it_ended() {
    let (mut work, index) = core();
    let lineage = bounced(&mut work);
    claim(&mut work, about(lineage, 1, "95"), 50);
    let meta = Meta::daemon(at(51), None);
    let ended = EventBody::JustificationEnded {
        batch: BatchId(uuid::Uuid::from_u128(40)),
        lineage,
        ordinal: 1,
        task: TaskId::new("95"),
        status: ReceiptStatus::Accepted,
        seen: true,
    };
    work.emit(&meta, ended).expect("recorded");
    let mut again = Index::default();
    for (_, bytes) in &work.pending {
        let event = decode(bytes).expect("readable");
        let digest = crate::ledger::record::digest_of(bytes);
        again.apply(&event, digest);
    }
    let index = index.read().expect("a lock");
    assert_eq!(again.unjustified(lineage), None);
    assert_eq!(again.justifications(), index.justifications());
    let of = again.justifications();
    assert_eq!((of.claimed, of.seen, of.not_known()), (1, 1, 0));
}
