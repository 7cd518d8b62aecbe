//! What a withdrawal reaches, and that a batch leaves nothing behind; no disk, no sleeping.

use super::*;
use crate::dispatch::batch::Batch;
use crate::ledger::Ledger;
use crate::model::{
    ActionName, Answer, CycleId, Digest, Kind, Login, PolicyHash, TargetName, TaskId,
};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_900_000_000 + seconds).expect("a time")
}

fn item(lineage: u64) -> Admitted {
    let decision = Decision {
        task: TaskId::new(&lineage.to_string()),
        lineage: LineageId(lineage),
        target: Some(TargetName::new("AD")),
        process: Some(ProcessKey::new(&lineage.to_string())),
        definition: None,
        kind: Kind::Change,
        answer: Arc::new(Answer {
            verdict: None,
            policy: None,
            line: None,
            hash: PolicyHash::new("h"),
            fault: None,
        }),
        inputs: Digest::new("d"),
        moment: None,
        read: Arc::default(),
        due: None,
        version: 0,
    };
    Admitted::for_test(decision, Action::Retry, TargetName::new("AD"))
}

fn claim(batch: u128, lineages: &[u64]) -> ClaimRequest {
    ClaimRequest {
        batch: Batch {
            id: BatchId(uuid::Uuid::from_u128(batch)),
            target: TargetName::new("AD"),
            action: ActionName::Retry,
            items: lineages.iter().copied().map(item).collect(),
        },
        requests: lineages
            .iter()
            .map(|n| Some(Arc::from(format!("request {n}"))))
            .collect(),
        login: Login::new("daemon"),
        cycle: CycleId(uuid::Uuid::from_u128(1)),
        manual_ttl: jiff::SignedDuration::from_hours(24),
        settle_after: jiff::SignedDuration::from_mins(15),
    }
}

fn started(under_way: &mut UnderWay, claim: &ClaimRequest) -> Permit {
    under_way.start(claim.batch.id, &claim.batch.items, |_| at(60))
}

fn left(claim: &ClaimRequest) -> Vec<u64> {
    let items = claim.batch.items.iter();
    items.map(|item| item.decision().lineage.0).collect()
}

#[test]
fn what_is_withdrawn_before_its_claim_begins_is_refused_and_keeps_the_rest_in_line() {
    let mut under_way = UnderWay::default();
    let mut request = claim(7, &[1, 2, 3]);
    let permit = started(&mut under_way, &request);
    under_way.withdraw_where(Why::NewerCycle, &|decision, _| decision.lineage.0 == 2);
    assert!(under_way.carries(LineageId(1)) && !under_way.carries(LineageId(2)));
    let refused = permit.begin(&mut request, at(1));
    assert_eq!(left(&request), [1, 3]);
    let behind: Vec<&str> = request.requests.iter().flatten().map(|r| &**r).collect();
    assert_eq!(behind, ["request 1", "request 3"]);
    assert_eq!(refused[0].1.reason, RefusalReason::Withdrawn);
    assert_eq!(under_way.claimed(), 1);
}

#[test]
fn what_is_being_claimed_is_on_its_way_and_what_was_withdrawn_is_not() {
    let mut under_way = UnderWay::default();
    let (mut first, mut second) = (claim(7, &[1]), claim(8, &[2]));
    let permits = (
        started(&mut under_way, &first),
        started(&mut under_way, &second),
    );
    assert!(permits.0.begin(&mut first, at(1)).is_empty());
    under_way.withdraw(Why::Order);
    assert_eq!(under_way.claimed(), 1, "what a pause has to name");
    assert_eq!(permits.1.begin(&mut second, at(1)).len(), 1);
    assert!(second.batch.items.is_empty());
    assert_eq!(under_way.claimed(), 1);
}

#[test]
fn after_its_time_nothing_is_claimed() {
    let mut under_way = UnderWay::default();
    let mut request = claim(7, &[1, 2]);
    let permit = started(&mut under_way, &request);
    assert!(permit.refusal(&item(1), at(60)).is_none());
    assert_eq!(permit.begin(&mut request, at(61)).len(), 2);
    assert!(request.batch.items.is_empty());
}

#[test]
fn what_is_refused_before_its_claim_frees_its_account_while_its_batch_is_on_its_way() {
    let mut under_way = UnderWay::default();
    let mut request = claim(7, &[1, 2, 3]);
    let permit = started(&mut under_way, &request);
    // read once more, and found moved
    let moved = request.batch.items.remove(2);
    request.requests.remove(2);
    permit.give_up(&moved);
    let held = |under_way: &UnderWay| {
        ["1", "2", "3"].map(|account| under_way.holds(&ProcessKey::new(account)))
    };
    assert_eq!(held(&under_way), [true, true, false]);
    under_way.withdraw_where(Why::NewerCycle, &|decision, _| decision.lineage.0 == 2);
    assert_eq!(permit.begin(&mut request, at(1)).len(), 1);
    assert_eq!(held(&under_way), [true, false, false]);
    under_way.end(request.batch.id);
    assert_eq!(held(&under_way), [false, false, false]);
}

#[test]
fn each_item_has_its_own_time() {
    let mut under_way = UnderWay::default();
    let mut request = claim(7, &[1, 2, 3]);
    let until = |item: &Admitted| at(60 * i64::try_from(item.decision().lineage.0).expect("small"));
    let permit = under_way.start(request.batch.id, &request.batch.items, until);
    assert_eq!(permit.until(&item(2)), at(120));
    let refused = permit.begin(&mut request, at(121));
    assert_eq!(left(&request), [3]);
    assert!(
        refused
            .iter()
            .all(|(_, why)| why.reason == RefusalReason::Withdrawn)
    );
    assert_eq!(refused.len(), 2);
}

#[test]
fn a_batch_that_ends_frees_all_its_accounts_while_others_are_on_their_way() {
    let mut under_way = UnderWay::default();
    let (first, second) = (claim(7, &[1, 2, 3]), claim(8, &[4]));
    let _permits = (
        started(&mut under_way, &first),
        started(&mut under_way, &second),
    );
    under_way.end(first.batch.id);
    for (account, held) in [("1", false), ("2", false), ("3", false), ("4", true)] {
        assert_eq!(under_way.holds(&ProcessKey::new(account)), held);
    }
}

/// The journal has one order: once something was recorded after a withdrawal, no claim of what was
/// withdrawn follows.
#[tokio::test]
async fn no_claim_follows_what_was_recorded_after_a_withdrawal() {
    let ledger = Ledger::memory(at(0)).expect("a ledger");
    let mut under_way = UnderWay::default();
    let request = claim(7, &[1]);
    let permit = started(&mut under_way, &request);
    under_way.withdraw(Why::Order);
    let claims = ledger
        .claim_standing(request, move |claim| (at(1), permit.begin(claim, at(1))))
        .await
        .expect("answered");
    assert!(claims.batch.is_none());
    assert_eq!(claims.refused[0].1.reason, RefusalReason::Withdrawn);
    assert_eq!(ledger.read(|index| index.open_attempts().count()), 0);
}

#[test]
fn a_revoke_takes_the_place_of_what_only_waits_for_its_claim() {
    let mut under_way = UnderWay::default();
    let (mut noted, mut sent) = (claim(7, &[1, 2]), claim(8, &[3]));
    let reading = started(&mut under_way, &noted);
    let in_flight = started(&mut under_way, &sent);
    assert!(in_flight.begin(&mut sent, at(1)).is_empty());
    let account = |n: &str| ProcessKey::new(n);
    assert!(under_way.make_way(&account("1")), "it is only being read");
    assert!(!under_way.holds(&account("1")) && under_way.holds(&account("2")));
    assert!(!under_way.make_way(&account("3")), "a write is in flight");
    assert!(under_way.make_way(&account("4")), "nothing is there");
    let refused = reading.begin(&mut noted, at(1));
    assert_eq!(left(&noted), [2]);
    assert!(Why::Revoke.was_said(&refused[0].1), "{}", refused[0].1);
}

#[test]
fn a_revoke_does_not_take_the_place_of_another() {
    let mut under_way = UnderWay::default();
    let mut request = claim(7, &[1]);
    let mut decision = request.batch.items[0].decision().clone();
    decision.kind = Kind::Revoke;
    let revoke = Admitted::for_test(decision, Action::Retry, TargetName::new("AD"));
    request.batch.items = vec![revoke];
    let _permit = started(&mut under_way, &request);
    assert!(!under_way.make_way(&ProcessKey::new("1")));
    assert!(under_way.carries(LineageId(1)));
}

#[test]
fn an_account_stays_held_when_an_older_batch_that_lost_it_ends() {
    let mut under_way = UnderWay::default();
    let (old, new) = (claim(7, &[1, 2]), claim(8, &[1]));
    let _reading = started(&mut under_way, &old);
    let account = ProcessKey::new("1");
    assert!(under_way.make_way(&account));
    let _permit = started(&mut under_way, &new);
    under_way.end(old.batch.id);
    assert!(under_way.holds(&account), "the newer batch has it");
    under_way.end(new.batch.id);
    assert!(!under_way.holds(&account));
}
