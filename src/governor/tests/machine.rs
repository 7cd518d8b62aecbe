//! Caps, holds, lanes, batch sizes, breaker and memory.

use std::collections::BTreeMap;

use crate::model::{
    Action, AttemptEvent as E, Kind, LineageId, Login, PolicyHash, Principal, RefusalReason as R,
    UserKey,
};

use super::super::{Answered, Census, Governor, HoldStatus, Lane, Standing};
use super::fixture::{
    at, governor, history, modes, retry, settings, started, target, to_stand_in, wish,
};

fn accepted(items: u32) -> Answered {
    Answered {
        items,
        accepted: items,
        ..Answered::default()
    }
}

/// The set that the fixture's decisions are of.
fn live() -> PolicyHash {
    PolicyHash::new("aa11")
}

#[test]
fn retries_over_the_cap_wait_and_the_oldest_go_first() {
    let mut governor = governor();
    let wanted = || (1..=10).rev().map(retry).collect::<Vec<_>>();
    let out = governor.govern(at(0), wanted(), &history);
    let ids: Vec<String> = out
        .admitted
        .iter()
        .map(|a| a.decision().task.to_string())
        .collect();
    assert_eq!(ids, ["1", "2", "3", "4", "5", "6", "7"]);
    assert!(out.refused.iter().all(|(_, r)| r.reason == R::CapRetries));
    // the cap is the cycle's, not the call's
    assert_eq!(governor.govern(at(1), wanted(), &history).admitted.len(), 0);
    governor.begin_cycle(at(2), &Census::default(), Standing::good(), at(2));
    assert_eq!(governor.govern(at(2), wanted(), &history).admitted.len(), 7);
}

#[test]
fn a_cycle_that_comes_early_counts_into_the_interval_of_the_one_before_over_a_restart_too() {
    let opened = |governor: &mut Governor, now| {
        governor.begin_cycle(at(now), &Census::default(), Standing::good(), at(now + 300));
    };
    let mut governor = Governor::new(settings(), modes(), None, at(0));
    opened(&mut governor, 0);
    let out = governor.govern(at(0), (1..=5).map(retry).collect(), &history);
    assert_eq!(out.admitted.len(), 5);
    // four of them go to their claims, and only these count
    governor.counts(at(1), &out.admitted[..4]);
    opened(&mut governor, 120);
    let more = || (11..=20).map(retry).collect::<Vec<_>>();
    let out = governor.govern(at(120), more(), &history);
    assert_eq!(out.admitted.len(), 3);
    let waits = &out.refused[0].1;
    assert_eq!((waits.reason, waits.until), (R::CapRetries, Some(at(300))));
    assert_eq!(governor.next_event(at(120)), Some(at(300)));
    governor.counts(at(121), &out.admitted);

    let text = serde_json::to_string(&governor.state()).expect("it can be stored");
    let state = serde_json::from_str(&text).expect("it can be read");
    let mut governor = Governor::new(settings(), modes(), Some(state), at(200));
    opened(&mut governor, 299);
    assert_eq!(governor.govern(at(299), more(), &history).admitted.len(), 0);
    let revokes = (31..=40).map(|n| wish(n, Action::Retry, Kind::Revoke));
    let out = governor.govern(at(299), revokes.collect(), &history);
    assert_eq!(out.admitted.len(), 7, "theirs is a cap of its own");
    opened(&mut governor, 300);
    assert_eq!(governor.govern(at(300), more(), &history).admitted.len(), 7);
}

#[test]
fn a_shorter_interval_holds_with_the_next_cycle() {
    let mut governor = Governor::new(settings(), modes(), None, at(0));
    governor.begin_cycle(at(0), &Census::default(), Standing::good(), at(36_000));
    let out = governor.govern(at(0), (1..=7).map(retry).collect(), &history);
    governor.counts(at(0), &out.admitted);
    for (now, admitted) in [(10, 0), (309, 0), (310, 7)] {
        governor.begin_cycle(at(now), &Census::default(), Standing::good(), at(now + 300));
        let out = governor.govern(at(now), (11..=20).map(retry).collect(), &history);
        assert_eq!(out.admitted.len(), admitted, "at {now}");
    }
}

#[test]
fn reassignments_that_are_over_the_cap_only_with_earlier_ones_wait_and_ask_nobody() {
    let mut governor = Governor::new(settings(), modes(), None, at(0));
    let wanted = |from: u64, to: u64| {
        (from..=to)
            .map(|n| wish(n, to_stand_in(), Kind::Grant))
            .collect::<Vec<_>>()
    };
    let opened = |governor: &mut Governor, now| {
        governor.begin_cycle(at(now), &Census::default(), Standing::good(), at(now + 300));
    };
    opened(&mut governor, 0);
    let out = governor.govern(at(0), wanted(1, 2), &history);
    governor.counts(at(0), &out.admitted);
    opened(&mut governor, 60);
    let out = governor.govern(at(60), wanted(11, 12), &history);
    assert_eq!((out.admitted.len(), out.holds.len()), (0, 0));
    for (_, refusal) in &out.refused {
        assert_eq!(refusal.until, Some(at(300)), "{refusal}");
        assert!(!refusal.needs_person);
    }
    opened(&mut governor, 70);
    let out = governor.govern(at(70), wanted(11, 14), &history);
    assert_eq!(
        (out.admitted.len(), out.holds.len()),
        (0, 1),
        "by themselves"
    );
    // what a person has approved counts towards no cap
    governor
        .approve(at(71), &out.holds[0].id, "ops", &live(), false)
        .expect("it is open");
    opened(&mut governor, 80);
    let out = governor.govern(at(80), wanted(11, 14), &history);
    assert_eq!(out.admitted.len(), 4);
    governor.counts(at(80), &out.admitted);
    opened(&mut governor, 90);
    let out = governor.govern(at(90), wanted(21, 21), &history);
    assert_eq!(out.admitted.len(), 1);
}

#[test]
fn the_share_holds_from_enough_visible_tasks_up() {
    let mut settings = settings();
    settings.cap_retries = 1000;
    let mut governor = started(settings);
    let mut admitted = |visible| {
        let census = Census([(target(), visible)].into());
        governor.begin_cycle(at(0), &census, Standing::good(), at(0));
        let wanted = (1..=90).map(retry).collect();
        governor.govern(at(0), wanted, &history).admitted.len()
    };
    assert_eq!(admitted(49), 90);
    assert_eq!(admitted(50), 25);
    assert_eq!(admitted(121), 60);
}

#[test]
fn revokes_have_their_own_lane_and_go_first() {
    let mut governor = governor();
    let mut wanted: Vec<_> = (1..=10).map(retry).collect();
    wanted.extend((21..=30).map(|n| wish(n, Action::Retry, Kind::Revoke)));
    let out = governor.govern(at(0), wanted, &history);
    let lanes: Vec<Lane> = out.admitted.iter().map(|a| a.lane()).collect();
    assert_eq!(lanes[..7], [Lane::Revoke; 7]);
    assert_eq!(lanes[7..], [Lane::Usual; 7]);
}

#[test]
fn one_act_per_account_and_the_revoke_gets_it() {
    let mut grant = retry(1);
    let mut revoke = wish(2, Action::Retry, Kind::Revoke);
    for wanted in [&mut grant, &mut revoke] {
        wanted.0.process = Some("700".into());
    }
    let rebind = |(decision, _): (crate::model::Decision, crate::guard::Passed)| {
        let passed = crate::guard::Passed::for_test(&decision, Action::Retry, at(0));
        (decision, passed)
    };
    let out = governor().govern(at(0), vec![rebind(grant), rebind(revoke)], &history);
    assert_eq!(out.admitted.len(), 1);
    assert_eq!(out.admitted[0].decision().kind, Kind::Revoke);
    assert_eq!(out.refused[0].1.reason, R::AccountBusy);
}

#[test]
fn reassignments_over_the_cap_are_all_held_until_a_person_approves_those_very_ones() {
    let mut governor = governor();
    let wanted = |to: u64| {
        (1..=to)
            .map(|n| wish(n, to_stand_in(), Kind::Grant))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        governor.govern(at(0), wanted(3), &history).admitted.len(),
        3
    );

    governor.begin_cycle(at(10), &Census::default(), Standing::good(), at(10));
    let out = governor.govern(at(10), wanted(4), &history);
    assert_eq!(out.admitted.len(), 0);
    assert!(
        out.refused
            .iter()
            .all(|(_, r)| r.reason == R::CapHeld && r.needs_person)
    );
    let hold = &out.holds[0];
    assert_eq!((hold.wanted, hold.limit, hold.tasks.len()), (4, 3, 4));
    assert!(
        governor
            .approve(at(11), "H0", "ops", &live(), false)
            .is_err()
    );
    let approved = governor
        .approve(at(11), &hold.id, "ops", &live(), false)
        .expect("it is open");
    assert!(matches!(approved.status, HoldStatus::Approved { .. }));

    // one more than was approved: it is under the cap by itself
    governor.begin_cycle(at(20), &Census::default(), Standing::good(), at(20));
    assert_eq!(
        governor.govern(at(20), wanted(5), &history).admitted.len(),
        5
    );
    // another policy set was not approved
    governor.begin_cycle(at(30), &Census::default(), Standing::good(), at(30));
    let mut other = wanted(4);
    for (decision, _) in &mut other {
        decision.hash = "bb22".into();
    }
    assert_eq!(governor.govern(at(30), other, &history).admitted.len(), 0);
    // nor the same tasks for somebody else
    governor.begin_cycle(at(32), &Census::default(), Standing::good(), at(32));
    let to_other = Action::Reassign {
        to: Principal::User {
            key: Some(UserKey::new("89")),
            login: Login::new("other"),
        },
    };
    let other = (1..=4).map(|n| wish(n, to_other.clone(), Kind::Grant));
    let out = governor.govern(at(32), other.collect(), &history);
    assert_eq!(out.admitted.len(), 0);
    assert_eq!(
        out.holds[0].whom,
        BTreeMap::from([("to user:OTHER".to_owned(), 4)])
    );
    // nor a part of them for him and the rest for the stand-in, which is yet another question when it is dealt otherwise
    let dealt = |own: u64| (1..=4).map(move |n| (n, n % 2 == own)).collect::<Vec<_>>();
    let ids: Vec<String> = [0, 1]
        .map(|own| {
            let acts = dealt(own).into_iter().map(|(n, his)| {
                let act = if his { to_other.clone() } else { to_stand_in() };
                wish(n, act, Kind::Grant)
            });
            let mut fresh = Governor::new(settings(), modes(), None, at(33));
            fresh.begin_cycle(at(33), &Census::default(), Standing::good(), at(33));
            fresh.govern(at(33), acts.collect(), &history).holds[0]
                .id
                .clone()
        })
        .to_vec();
    assert_ne!(ids[0], ids[1]);
    // nor what is another task under the same id, after its server's data were put back
    let mut put_back = Governor::new(settings(), modes(), Some(governor.state()), at(35));
    put_back.forget_holds();
    put_back.begin_cycle(at(35), &Census::default(), Standing::good(), at(35));
    let out = put_back.govern(at(35), wanted(4), &history);
    assert_eq!(out.admitted.len(), 0, "{:?}", out.admitted);
    put_back.forget_holds();
    assert_eq!(put_back.holds(at(36)).len(), 0, "nor does one wait");
    // the approval survives a restart and expires
    let mut again = Governor::new(settings(), modes(), Some(governor.state()), at(40));
    again.begin_cycle(at(40), &Census::default(), Standing::good(), at(40));
    assert_eq!(again.govern(at(40), wanted(4), &history).admitted.len(), 4);
    again.begin_cycle(at(90_000), &Census::default(), Standing::good(), at(90_000));
    assert_eq!(
        again.govern(at(90_000), wanted(4), &history).admitted.len(),
        0
    );
}

#[test]
fn a_rejected_hold_refuses_its_tasks_and_leaves_the_others_alone() {
    let mut governor = governor();
    let wanted = |from: u64, to: u64| {
        (from..=to)
            .map(|n| wish(n, to_stand_in(), Kind::Grant))
            .collect::<Vec<_>>()
    };
    let out = governor.govern(at(0), wanted(1, 4), &history);
    let hold = governor
        .reject(at(1), &out.holds[0].id, "ops")
        .expect("it is open");
    assert!(matches!(hold.status, HoldStatus::Rejected { .. }));
    let out = governor.govern(at(2), wanted(1, 6), &history);
    assert_eq!(out.admitted.len(), 2);
    assert!(out.refused.iter().all(|(_, r)| r.reason == R::Rejected));
    assert_eq!(
        out.refused[0].1.until,
        Some(at(1) + settings().approval_ttl)
    );
}

#[test]
fn a_yes_does_not_undo_a_no_unseen() {
    let mut governor = governor();
    let wanted = || {
        (1..=4)
            .map(|n| wish(n, to_stand_in(), Kind::Grant))
            .collect()
    };
    let out = governor.govern(at(0), wanted(), &history);
    let id = out.holds[0].id.clone();
    governor.reject(at(1), &id, "ops").expect("it is open");
    let refused = governor
        .approve(at(2), &id, "night shift", &live(), false)
        .expect_err("a no");
    let text = refused.to_string();
    assert!(text.contains("rejected by ops"), "{text}");
    assert!(
        governor
            .govern(at(3), wanted(), &history)
            .admitted
            .is_empty()
    );
    governor
        .approve(at(4), &id, "ops", &live(), true)
        .expect("on purpose");
    assert_eq!(governor.govern(at(5), wanted(), &history).admitted.len(), 4);
    // a no may still take back a yes
    let mut other = started(settings());
    other.govern(at(0), wanted(), &history);
    other
        .approve(at(1), &id, "ops", &live(), false)
        .expect("it is open");
    other.reject(at(2), &id, "ops").expect("it is known");
    assert!(other.govern(at(3), wanted(), &history).admitted.is_empty());
}

#[test]
fn the_span_of_the_rate_counts_from_when_a_batch_may_have_gone_out() {
    let mut governor = governor();
    let next = |governor: &mut Governor, second| {
        governor
            .next_batch(at(second), &target(), Lane::Usual, 0)
            .is_ok()
    };
    // counted at its start, read once more for 20 s, claimed and answered
    governor.sent(at(0), &target(), Lane::Usual, 30);
    governor.answered(at(20), &target(), Lane::Usual, accepted(30));
    assert!(
        !next(&mut governor, 61),
        "claimed up to 20 s after its start"
    );
    assert!(next(&mut governor, 80));
    governor.sent(at(80), &target(), Lane::Usual, 30);
    governor.answered(at(81), &target(), Lane::Usual, Answered::default());
    assert!(
        !next(&mut governor, 139),
        "nothing was sent: counted as before"
    );
    assert!(next(&mut governor, 140));
}

#[test]
fn batches_grow_on_completed_readings_and_shrink_on_bounces() {
    let mut settings = settings();
    settings.default.per_minute = 10_000;
    let mut governor = started(settings);
    let mut lineage = 0;
    let mut told = |governor: &mut Governor, event, times| {
        for _ in 0..times {
            lineage += 1;
            governor.outcome(
                at(0),
                &target(),
                Lane::Usual,
                (LineageId(lineage), 1),
                event,
            );
        }
        governor.next_batch(at(0), &target(), Lane::Usual, 0)
    };
    assert_eq!(told(&mut governor, E::ReadCompleted, 0), Ok(1));
    assert_eq!(told(&mut governor, E::ReadCompleted, 1), Ok(5));
    assert_eq!(told(&mut governor, E::ReadCompleted, 4), Ok(5));
    assert_eq!(told(&mut governor, E::ReadPending, 1), Ok(25));
    assert_eq!(told(&mut governor, E::ReadCompleted, 60), Ok(25));
    assert_eq!(told(&mut governor, E::ReadBounced, 1), Ok(12));
    assert_eq!(told(&mut governor, E::ReadCompleted, 12), Ok(25));
    let open = told(&mut governor, E::ReadBounced, 3).unwrap_err();
    assert_eq!(open.reason, R::BreakerOpen);
    // the probe after the pause is one item, whatever was learned before
    assert_eq!(
        governor.next_batch(at(600), &target(), Lane::Usual, 0),
        Ok(1)
    );
}

#[test]
fn slow_items_bound_the_batch() {
    let mut governor = governor();
    for n in 0..6 {
        governor.outcome(
            at(0),
            &target(),
            Lane::Usual,
            (LineageId(n), 1),
            E::ReadCompleted,
        );
    }
    assert_eq!(
        governor.next_batch(at(0), &target(), Lane::Usual, 0),
        Ok(25)
    );
    governor.sent(at(0), &target(), Lane::Usual, 1);
    let slow = Answered {
        took: std::time::Duration::from_secs(60),
        ..accepted(1)
    };
    governor.answered(at(60), &target(), Lane::Usual, slow);
    assert_eq!(
        governor.next_batch(at(60), &target(), Lane::Usual, 0),
        Ok(3)
    );
}

#[test]
fn the_same_bounce_told_twice_counts_once() {
    let mut governor = governor();
    for _ in 0..9 {
        governor.outcome(
            at(0),
            &target(),
            Lane::Usual,
            (LineageId(1), 1),
            E::ReadBounced,
        );
    }
    assert_eq!(governor.describe(at(0))[0].failures, 1);
    assert!(
        governor
            .next_batch(at(0), &target(), Lane::Usual, 0)
            .is_ok()
    );
}

#[test]
fn a_failed_probe_doubles_the_pause_and_a_good_one_closes_the_breaker() {
    let mut governor = governor();
    for n in 0..3 {
        governor.outcome(
            at(0),
            &target(),
            Lane::Usual,
            (LineageId(n), 1),
            E::ReadBounced,
        );
    }
    let out = governor.govern(at(600), vec![retry(1), retry(2)], &history);
    assert_eq!(out.admitted.len(), 1, "one probe");
    assert_eq!(out.refused[0].1.reason, R::BreakerOpen);
    governor.sent(at(600), &target(), Lane::Usual, 1);
    governor.answered(at(601), &target(), Lane::Usual, accepted(1));
    let waits = governor
        .next_batch(at(601), &target(), Lane::Revoke, 0)
        .unwrap_err();
    assert_eq!(waits.reason, R::BreakerOpen, "the probe is not read yet");
    // as the manual has it
    assert_eq!(governor.describe(at(601))[0].breaker, "probing");
    governor.outcome(
        at(660),
        &target(),
        Lane::Usual,
        (LineageId(9), 2),
        E::ReadBounced,
    );
    let open = governor
        .next_batch(at(661), &target(), Lane::Usual, 0)
        .unwrap_err();
    assert_eq!(open.until, Some(at(660 + 1200)));
    governor.sent(at(1860), &target(), Lane::Usual, 1);
    governor.answered(at(1861), &target(), Lane::Usual, accepted(1));
    governor.outcome(
        at(1900),
        &target(),
        Lane::Usual,
        (LineageId(9), 3),
        E::ReadCompleted,
    );
    assert_eq!(governor.describe(at(1900))[0].breaker, "closed");
}

/// What takes access away goes first, also as the probe, until two of its attempts are used; then whoever has had the
/// fewest. While the target works nothing comes before it.
#[test]
fn a_revoke_is_no_probe_for_ever_and_the_first_as_soon_as_the_target_works() {
    let mut governor = governor();
    let wanted = || vec![retry(1), wish(2, Action::Retry, Kind::Revoke)];
    let used = |attempts: u32| {
        move |lineage: LineageId| {
            let mut of = history(lineage);
            of.attempts = if lineage == LineageId(2) { attempts } else { 0 };
            of
        }
    };
    let first = |governor: &mut Governor, now, attempts| {
        governor.begin_cycle(at(now), &Census::default(), Standing::good(), at(now));
        let out = governor.govern(at(now), wanted(), &used(attempts));
        out.admitted[0].decision().task.to_string()
    };
    assert_eq!(first(&mut governor, 0, 4), "2", "the breaker is closed");
    for n in 0..3 {
        let of = (LineageId(n), 1);
        governor.outcome(at(1), &target(), Lane::Usual, of, E::ReadBounced);
    }
    assert_eq!(first(&mut governor, 601, 1), "2");
    assert_eq!(first(&mut governor, 602, 2), "1");
    // alone it is the probe all the same
    governor.begin_cycle(at(603), &Census::default(), Standing::good(), at(603));
    let alone = vec![wish(2, Action::Retry, Kind::Revoke)];
    assert_eq!(governor.govern(at(603), alone, &used(4)).admitted.len(), 1);
}

#[test]
fn a_probe_whose_answer_was_lost_and_that_was_done_all_the_same_is_followed_by_the_next_at_once() {
    let mut governor = governor();
    let told = |governor: &mut Governor, now, of, event| {
        governor.outcome(at(now), &target(), Lane::Usual, (LineageId(of), 1), event);
    };
    for n in 0..3 {
        told(&mut governor, 0, n, E::ReadBounced);
    }
    governor.sent(at(600), &target(), Lane::Usual, 1);
    governor.whole_request_failed(at(601), &target(), Lane::Usual, None);
    let open = governor
        .next_batch(at(602), &target(), Lane::Revoke, 0)
        .unwrap_err();
    assert_eq!(open.until, Some(at(601 + 1200)), "its answer was lost");
    told(&mut governor, 900, 9, E::ReadCompleted);
    assert_eq!(
        governor.next_batch(at(900), &target(), Lane::Revoke, 0),
        Ok(1)
    );
    assert_eq!(governor.describe(at(900))[0].breaker, "probing");
    // what else is done meanwhile brings no more
    governor.sent(at(900), &target(), Lane::Revoke, 1);
    governor.answered(at(901), &target(), Lane::Revoke, accepted(1));
    told(&mut governor, 960, 10, E::ReadBounced);
    told(&mut governor, 961, 11, E::ReadCompleted);
    assert_eq!(governor.describe(at(961))[0].breaker, "open");
}

#[test]
fn the_last_place_in_flight_is_kept_for_revokes() {
    let mut governor = governor();
    governor.sent(at(0), &"Mail".into(), Lane::Usual, 1);
    governor.sent(at(0), &"Tickets".into(), Lane::Usual, 1);
    let usual = governor
        .next_batch(at(0), &target(), Lane::Usual, 0)
        .unwrap_err();
    assert_eq!(usual.reason, R::TargetBusy);
    assert_eq!(
        governor.next_batch(at(0), &target(), Lane::Revoke, 0),
        Ok(1)
    );
}

#[test]
fn an_unknown_version_of_the_memory_is_not_read() {
    let mut state = governor().state();
    state.v = 99;
    let fresh = Governor::new(settings(), modes(), Some(state), at(0));
    assert_eq!(fresh.state().v, 1);
}

#[test]
fn the_first_version_of_the_memory_can_still_be_read() {
    let stored = r#"{"v":1,"ahead":"PT0S","last":"2027-02-01T09:00:00Z",
        "targets":{"Directory":{"sent":[["2027-02-01T09:00:00Z",30]],
            "breaker":{"breaker":"closed","failures":2},"batch":5,"credit":1,"seconds_per_item":0.5}},
        "server_until":null,"server_failures":0,
        "pauses":[{"scope":{"scope":"target","target":"Mail"},"by":"ops","until":null}],
        "holds":[]}"#;
    let state = serde_json::from_str(stored).expect("version 1");
    let mut governor = Governor::new(settings(), modes(), Some(state), at(1));
    let rate = governor
        .next_batch(at(1), &target(), Lane::Usual, 0)
        .unwrap_err();
    assert_eq!((rate.reason, rate.until), (R::TargetRate, Some(at(60))));
    let paused = governor
        .next_batch(at(1), &"Mail".into(), Lane::Usual, 0)
        .unwrap_err();
    assert_eq!(paused.reason, R::Paused);
}
