//! Each oracle of the drills is shown to fire: a naive client does the one thing wrong, and the oracle must say so; a test here never runs the real client.

use jiff::SignedDuration;
use serde_json::json;

use crate::drill_crash::LENIENT;
use crate::drill_guard::{BACKLOG, REVOKES};
use crate::drill_leave::ABSENCES;
use crate::drill_oracle::{Claim, ORACLES, breaches};
use crate::naive::{Knobs, Naive};

/// The oracle finds the client out.
fn caught(naive: &Naive, oracle: &str) {
    let found = breaches(&naive.evidence());
    assert!(
        found.contains_key(oracle),
        "{oracle} said nothing: {found:#?}"
    );
}

/// Beside the one that is meant to fire, none of these may: the client does one thing wrong.
fn nothing_else(naive: &Naive, oracles: &[&str]) {
    let found = breaches(&naive.evidence());
    for oracle in oracles {
        assert!(!found.contains_key(oracle), "{}", found[oracle]);
    }
}

fn once() -> Knobs {
    Knobs {
        rounds: 1,
        claims: true,
        ..Knobs::default()
    }
}

#[test]
fn every_oracle_has_a_test_in_which_it_fires() {
    let tests = include_str!("naive_caught.rs");
    for (oracle, _) in ORACLES {
        let call = format!("caught(&naive, \"{oracle}\")");
        assert!(tests.contains(&call), "{oracle} is never shown to fire");
    }
}

#[tokio::test]
async fn what_the_simulator_does_not_tell_is_a_breach_and_no_pass() {
    let mut naive = Naive::of(LENIENT).await;
    naive.retry_all(&once()).await;
    let whole = naive.evidence();
    let quiet = breaches(&whole);
    // of each row what an oracle rests on: where it is gone, that oracle has to say so
    let cases = [
        ("effects", "caused_by", "claimed_once"),
        ("effects", "root", "claimed_once"),
        ("effects", "kind", "oldest_first"),
        ("effects", "kind", "revokes_first"),
        ("tasks", "id", "manual_asked_once"),
        ("tasks", "id", "only_released"),
    ];
    for (rows, field, oracle) in cases {
        assert!(!quiet.contains_key(oracle), "{}", quiet[oracle]);
        let mut evidence = naive.evidence();
        evidence.expect.released = Some(["AD"].into());
        for row in evidence.truth[rows].as_array_mut().expect("rows") {
            row[field] = json!(null);
        }
        let found = breaches(&evidence);
        let said = found.get(oracle).map_or("", String::as_str);
        assert!(
            said.contains("can't be judged"),
            "{oracle}, {field}: {found:#?}"
        );
    }
}

#[tokio::test]
async fn who_does_nothing_is_caught() {
    let naive = Naive::of(LENIENT).await;
    caught(&naive, "healable_open");
}

#[tokio::test]
async fn who_retries_everything_is_caught_at_stale_grants() {
    let mut naive = Naive::shipped("stale").await;
    naive.retry_all(&once()).await;
    caught(&naive, "stale_effects");
    nothing_else(&naive, &["claimed_once", "effected_twice", "runs_twice"]);
}

#[tokio::test]
async fn who_sends_twice_is_caught_by_effects() {
    let mut naive = Naive::of(LENIENT).await;
    let knobs = Knobs {
        sends_twice: true,
        ..once()
    };
    naive.retry_all(&knobs).await;
    naive.pass(SignedDuration::from_mins(10)).await;
    caught(&naive, "effected_twice");
    caught(&naive, "runs_twice");
}

#[tokio::test]
async fn who_resends_what_was_not_answered_is_caught() {
    let mut naive = Naive::of(LENIENT).await;
    naive
        .act(json!({"fault": {"do": "html500_applied", "on": "put", "at": [3]}}))
        .await;
    let knobs = Knobs {
        resends_unclear: true,
        ..once()
    };
    naive.retry_all(&knobs).await;
    naive.pass(SignedDuration::from_mins(10)).await;
    caught(&naive, "resent_after_reading");
    caught(&naive, "effected_twice");
    caught(&naive, "claimed_once");
}

#[tokio::test]
async fn who_reads_but_does_not_wait_is_caught() {
    let mut naive = Naive::of(LENIENT).await;
    naive
        .act(json!({"fault": {"do": "slow_apply", "on": "put", "at": [1], "ms": 1, "delay": "5m"}}))
        .await;
    let knobs = Knobs {
        rounds: 2,
        pause: SignedDuration::from_mins(1),
        ..once()
    };
    naive.retry_all(&knobs).await;
    naive.pass(SignedDuration::from_mins(10)).await;
    caught(&naive, "resent_after_reading");
    caught(&naive, "effected_twice");
}

#[tokio::test]
async fn who_writes_nothing_down_is_caught() {
    let mut naive = Naive::of(LENIENT).await;
    let knobs = Knobs {
        claims: false,
        ..once()
    };
    naive.retry_all(&knobs).await;
    caught(&naive, "claimed_once");
    nothing_else(&naive, &["effected_twice", "healable_open"]);
}

#[tokio::test]
async fn who_sends_the_newest_first_is_caught() {
    let mut naive = Naive::shipped("siblings").await;
    let knobs = Knobs {
        newest_first: true,
        ..once()
    };
    naive.retry_all(&knobs).await;
    caught(&naive, "overtaken_effects");
    caught(&naive, "oldest_first");
}

#[tokio::test]
async fn who_goes_by_age_alone_is_caught_at_revokes() {
    let mut naive = Naive::of(REVOKES).await;
    naive.retry_all(&once()).await;
    caught(&naive, "revokes_first");
    nothing_else(&naive, &["oldest_first", "overtaken_effects"]);
}

#[tokio::test]
async fn who_does_not_wait_until_a_revoke_is_settled_is_caught() {
    let mut naive = Naive::of(REVOKES).await;
    let revokes = Knobs {
        only: vec!["Remove Role", "Lock User"],
        ..once()
    };
    naive.retry_all(&revokes).await;
    nothing_else(&naive, &["revokes_first"]);
    // the revokes were tried first, but have bounced
    naive.retry_all(&once()).await;
    caught(&naive, "revokes_first");
}

#[tokio::test]
async fn who_has_no_memory_is_caught_by_the_count_of_runs() {
    let mut naive = Naive::shipped("retired").await;
    let knobs = Knobs {
        rounds: 6,
        pause: SignedDuration::from_hours(1),
        only: vec!["Add User to Group"],
        ..once()
    };
    naive.act(json!({"target": "AD", "state": "down"})).await;
    naive.retry_all(&knobs).await;
    caught(&naive, "most_runs_of_one");
}

#[tokio::test]
async fn who_does_not_learn_what_is_manual_is_caught() {
    let mut naive = Naive::of(crate::drill_heal::MANUAL).await;
    let knobs = Knobs {
        rounds: 2,
        ..once()
    };
    naive.retry_all(&knobs).await;
    caught(&naive, "manual_asked_once");
}

#[tokio::test]
async fn who_hands_work_to_the_inactive_or_the_beneficiary_is_caught() {
    let mut naive = Naive::shipped("leave").await;
    naive.hand_over("HJUNG", "IKELLER").await;
    caught(&naive, "given_to_inactive");
    nothing_else(&naive, &["given_to_beneficiary", "given_to_absent"]);
    naive.hand_over("EFISCHER", "AHOLM").await;
    caught(&naive, "given_to_beneficiary");
}

#[tokio::test]
async fn who_hands_work_to_the_absent_is_caught() {
    let mut naive = Naive::of(ABSENCES).await;
    naive.expect.absent = vec!["AWAYTOO"];
    naive.hand_over("SECOND", "THERE").await;
    nothing_else(&naive, &["given_to_absent"]);
    naive.hand_over("OWNER", "AWAYTOO").await;
    caught(&naive, "given_to_absent");
    nothing_else(&naive, &["given_to_inactive"]);
}

#[tokio::test]
async fn who_hands_work_to_a_role_of_which_all_are_absent_is_caught() {
    let mut naive = Naive::of(ABSENCES).await;
    naive.expect.absent = vec!["AWAYTOO"];
    naive.hand_over_to_role("SECOND", "DESK").await;
    nothing_else(&naive, &["given_to_absent"]);
    naive.hand_over_to_role("OWNER", "DESERTED").await;
    caught(&naive, "given_to_absent");
    nothing_else(&naive, &["given_to_inactive"]);
}

#[tokio::test]
async fn who_touches_an_unreleased_backlog_is_caught() {
    let mut naive = Naive::of(BACKLOG).await;
    naive.expect.released = Some(["AD"].into());
    let knobs = Knobs {
        only: vec!["Telephone Updated"],
        ..once()
    };
    naive.retry_all(&knobs).await;
    nothing_else(&naive, &["only_released"]);
    naive.retry_all(&once()).await;
    caught(&naive, "only_released");
}

#[tokio::test]
async fn who_hammers_the_login_is_caught() {
    let mut naive = Naive::of(LENIENT).await;
    naive
        .act(json!({"password": {"login": "PROVSVC", "new": "another"}}))
        .await;
    naive.expect.wrong_secrets = 1;
    naive.ask().await;
    naive.ask().await;
    nothing_else(&naive, &["login_not_hammered"]);
    naive.ask().await;
    caught(&naive, "login_not_hammered");
}

#[tokio::test]
async fn who_sends_before_reading_after_a_restart_is_caught() {
    let mut naive = Naive::of(LENIENT).await;
    naive
        .act(json!({"fault": {"do": "html500", "on": "put", "at": [1]}}))
        .await;
    naive.retry_all(&once()).await;
    nothing_else(&naive, &["read_after_restart"]);
    naive.expect.lives.push(naive.sim.journal(0).len());
    naive.retry_all(&once()).await;
    naive
        .put(
            &[json!({"id": "1", "action": "retry", "taskId": "1"})],
            true,
        )
        .await;
    caught(&naive, "read_after_restart");
}

#[tokio::test]
async fn one_claim_for_two_effects_is_caught() {
    let mut naive = Naive::of(LENIENT).await;
    naive.retry_all(&once()).await;
    nothing_else(&naive, &["claimed_once"]);
    // as if one and the same claim had been written for what was sent twice
    let first: Claim = naive.claims[0].clone();
    naive
        .claims
        .iter_mut()
        .for_each(|claim| claim.batch.clone_from(&first.batch));
    caught(&naive, "claimed_once");
}
