//! One test for each reason that the governor gives.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::SignedDuration;

use crate::model::facts::History;
use crate::model::{
    Action, ActionName, AttemptState, Kind, LineageId, Mode, Principal, RefusalReason as R, Scope,
};

use super::super::{Answered, Governor, Lane, Standing, backoff, gate_names};
use super::fixture::{
    at, governor, history, modes, retry, settings, started, target, to_stand_in, wish,
};

fn first_refusal(
    governor: &mut Governor,
    history: &(dyn Fn(LineageId) -> History + Sync),
) -> Option<R> {
    let out = governor.govern(at(0), vec![retry(1)], history);
    assert_eq!(out.admitted.len() + out.refused.len(), 1);
    out.refused.first().map(|(_, refusal)| refusal.reason)
}

fn with_standing(spoil: impl Fn(&mut Standing)) -> Governor {
    let mut governor = governor();
    let mut standing = Standing::good();
    spoil(&mut standing);
    governor.set_standing(standing);
    governor
}

fn failed(times: u32) -> Governor {
    let mut governor = governor();
    for _ in 0..times {
        governor.sent(at(0), &target(), Lane::Usual, 1);
        governor.whole_request_failed(at(0), &target(), Lane::Usual, None);
    }
    governor
}

#[test]
fn nothing_wrong_is_admitted_and_every_gate_has_its_own_name() {
    assert_eq!(first_refusal(&mut governor(), &history), None);
    assert_eq!(
        gate_names().collect::<BTreeSet<_>>().len(),
        gate_names().count()
    );
}

#[test]
fn each_standing_refuses_with_its_own_reason_also_between_cycles() {
    let cases: [(R, Governor); 5] = [
        (R::StoreUnwritable, with_standing(|s| s.store_ok = false)),
        (R::ShuttingDown, with_standing(|s| s.shutting_down = true)),
        (
            R::WorldMismatch,
            with_standing(|s| s.world_mismatch = Some(Arc::from("older store"))),
        ),
        (
            R::AnchorMissing,
            with_standing(|s| s.anchor_missing = Some(Arc::from("read-only"))),
        ),
        (
            R::LoginStopped,
            with_standing(|s| s.login_stopped = Some(Arc::from("401 twice"))),
        ),
    ];
    for (reason, mut governor) in cases {
        assert_eq!(first_refusal(&mut governor, &history), Some(reason));
        let refused = governor.next_batch(at(0), &target(), Lane::Revoke, 0);
        assert_eq!(refused.map_err(|refusal| refusal.reason), Err(reason));
    }
    // what guards hold back is told that too: it would not be sent once they agree
    let other = with_standing(|s| s.world_mismatch = Some(Arc::from("another provtaskd")));
    let all = other.forbidden(at(0), &retry(1).0);
    assert_eq!(all.first().map(|of| of.reason), Some(R::WorldMismatch));
    let mut unreleased = with_standing(|s| s.policy_released = false);
    assert_eq!(
        first_refusal(&mut unreleased, &history),
        Some(R::PolicyNotReleased)
    );
    let mut torn = with_standing(|s| s.snapshot_ok = false);
    assert_eq!(
        first_refusal(&mut torn, &history),
        Some(R::SnapshotIncomplete)
    );
}

#[test]
fn what_was_not_probed_is_not_enforced_and_nothing_else_is_held_by_it() {
    let with = |action: ActionName| {
        let mut governor = governor();
        let mut standing = Standing::good();
        let missing = Arc::from("nothing was probed");
        standing.unprobed.insert(action, missing);
        governor.set_standing(standing);
        first_refusal(&mut governor, &history)
    };
    for action in ActionName::ALL {
        let refused = (action == ActionName::Retry).then_some(R::NotProbed);
        assert_eq!(with(action), refused, "{action}");
    }
}

#[test]
fn the_lowest_of_the_four_modes_wins() {
    let refusal = |spoil: &dyn Fn(&mut crate::model::settings::Modes)| {
        let mut modes = modes();
        spoil(&mut modes);
        let mut governor = Governor::new(settings(), modes, None, at(0));
        first_refusal(&mut governor, &history)
    };
    assert_eq!(refusal(&|m| m.global = Mode::Observe), Some(R::ModeObserve));
    assert_eq!(refusal(&|m| m.global = Mode::Off), Some(R::ModeOff));
    assert_eq!(
        refusal(&|m| {
            m.actions.insert(ActionName::Retry, Mode::Observe);
            m.targets.insert(target(), Mode::Off);
        }),
        Some(R::ModeOff)
    );
    assert_eq!(
        refusal(&|m| {
            m.policies.insert("20-retry.rhai".to_owned(), Mode::Observe);
        }),
        Some(R::ModeObserve)
    );
    assert_eq!(
        refusal(&|m| {
            m.actions.insert(ActionName::Reassign, Mode::Off);
        }),
        None,
        "another action's mode"
    );
}

#[test]
fn a_pause_holds_its_scope_until_it_ends_or_is_resumed() {
    let mut governor = governor();
    governor.pause(at(0), Scope::Target(target()), "ops", Some(at(60)));
    assert_eq!(first_refusal(&mut governor, &history), Some(R::Paused));
    assert_eq!(governor.next_event(at(0)), Some(at(60)));
    assert!(
        governor
            .next_batch(at(60), &target(), Lane::Usual, 0)
            .is_ok()
    );
    governor.pause(at(60), Scope::Global, "ops", None);
    assert_eq!(first_refusal(&mut governor, &history), Some(R::Paused));
    assert!(!governor.resume(&Scope::Target("Mail".into())));
    assert!(governor.resume(&Scope::Global));
    assert_eq!(governor.pauses(at(60)), Vec::new());
}

#[test]
fn a_pause_never_shortens_another() {
    // None is for ever; the later end holds, in whatever order they came
    let ends = [None, Some(at(30)), Some(at(60)), Some(at(0))];
    for first in ends {
        for second in ends {
            let mut governor = governor();
            governor.pause(at(0), Scope::Target("Mail".into()), "ops", first);
            governor.pause(at(0), Scope::Target("MAIL".into()), "ops", second);
            let until = match (first, second) {
                (Some(first), Some(second)) => Some(first.max(second)),
                _ => None,
            };
            let held = governor.pauses(at(0));
            if until == Some(at(0)) {
                assert!(held.is_empty(), "{held:?}");
            } else {
                assert_eq!(held.len(), 1, "{held:?}");
                assert_eq!(held[0].until, until, "{first:?}, then {second:?}");
            }
        }
    }
}

#[test]
fn a_pause_that_has_ended_gives_way() {
    let mut governor = governor();
    governor.pause(at(0), Scope::Global, "ann", Some(at(60)));
    let held = governor.pause(at(60), Scope::Global, "bob", Some(at(70)));
    assert_eq!(held, None);
    assert_eq!(&*governor.pauses(at(60))[0].by, "bob");
}

#[test]
fn a_narrow_pause_holds_what_it_names_and_nothing_else() {
    let decision = retry(1).0;
    let account = decision.process.clone().expect("an account");
    let names = [
        Scope::ActionOnTarget(ActionName::Retry, target()),
        Scope::Account(account),
        Scope::Lineage(decision.lineage),
        Scope::Task(decision.task),
    ];
    for scope in names {
        let mut governor = governor();
        governor.pause(at(0), scope.clone(), "ops", None);
        assert_eq!(
            first_refusal(&mut governor, &history),
            Some(R::Paused),
            "{scope:?}"
        );
        assert!(
            governor
                .next_batch(at(0), &target(), Lane::Usual, 0)
                .is_ok()
        );
        assert!(governor.resume(&scope));
        assert_eq!(first_refusal(&mut governor, &history), None, "{scope:?}");
    }
    let others = [
        Scope::ActionOnTarget(ActionName::Reassign, target()),
        Scope::ActionOnTarget(ActionName::Retry, "Mail".into()),
        Scope::Lineage(LineageId(2)),
        Scope::Target("Mail".into()),
    ];
    for scope in others {
        let mut governor = governor();
        governor.pause(at(0), scope.clone(), "ops", None);
        assert_eq!(first_refusal(&mut governor, &history), None, "{scope:?}");
    }
}

#[test]
fn attempts_and_owners_are_used_up() {
    let tried = |n| {
        move |lineage| History {
            attempts: n,
            ..history(lineage)
        }
    };
    assert_eq!(first_refusal(&mut governor(), &tried(4)), None);
    assert_eq!(
        first_refusal(&mut governor(), &tried(5)),
        Some(R::AttemptsUsedUp)
    );
    // what may have run has a limit of its own, and counts with the rest where ids are kept
    let may_have_run = |attempts, unproven, keeps_ids| {
        move |lineage| History {
            attempts,
            unproven,
            keeps_ids,
            ..history(lineage)
        }
    };
    for (attempts, unproven, keeps_ids, wanted) in [
        (4, 4, false, None),
        (0, 5, false, Some(R::AttemptsUsedUp)),
        (3, 1, true, None),
        (3, 2, true, Some(R::AttemptsUsedUp)),
    ] {
        let history = may_have_run(attempts, unproven, keeps_ids);
        assert_eq!(first_refusal(&mut governor(), &history), wanted);
    }
    let owners = |lineage| History {
        attempts: 5,
        former_owners: (0..3)
            .map(|n| Principal::Role {
                key: None,
                name: Arc::from(format!("role {n}")),
            })
            .collect(),
        ..history(lineage)
    };
    let hand_over = || vec![wish(1, to_stand_in(), Kind::Change)];
    let out = governor().govern(at(0), hand_over(), &owners);
    assert_eq!(out.refused[0].1.reason, R::AttemptsUsedUp);
    let out = governor().govern(at(0), hand_over(), &tried(5));
    assert_eq!(out.admitted.len(), 1, "used up retries may be handed over");
}

#[test]
fn back_off_grows_to_its_cap_and_starts_at_the_last_end() {
    let pause = |n| backoff(&settings(), LineageId(9), n);
    assert_eq!(pause(2), pause(2));
    for n in 1..5_u32 {
        let exact = 300.0 * 3_f64.powi(i32::try_from(n - 1).expect("small"));
        let is = pause(n).as_secs_f64();
        assert!(
            is >= exact * 0.9 - 1.0 && is <= exact * 1.1 + 1.0,
            "{n}: {is}"
        );
    }
    assert_eq!(pause(400), settings().backoff_cap);
    let spread: BTreeSet<_> = (0..50)
        .map(|n| backoff(&settings(), LineageId(n), 1))
        .collect();
    assert!(spread.len() > 20, "not all at the same moment");

    let ended = |lineage| History {
        attempts: 1,
        last_attempt_at: Some(at(0)),
        last_state: Some(AttemptState::Bounced),
        ..history(lineage)
    };
    let mut governor = governor();
    let out = governor.govern(at(0), vec![retry(1)], &ended);
    let refusal = &out.refused[0].1;
    assert_eq!(refusal.reason, R::BackOff);
    let until = refusal.until.expect("a back-off ends");
    assert_eq!(until, at(0) + backoff(&settings(), LineageId(1), 1));
    assert_eq!(governor.next_event(at(0)), Some(until));
    assert_eq!(
        governor
            .govern(until, vec![retry(1)], &ended)
            .admitted
            .len(),
        1
    );
    // a person's reset ends it
    let reset = |lineage| History {
        reset: true,
        ..ended(lineage)
    };
    assert_eq!(
        started(settings())
            .govern(at(0), vec![retry(1)], &reset)
            .admitted
            .len(),
        1
    );
    // a clock that was set back does not shorten it
    let mut early = started(settings());
    assert_eq!(
        early.govern(at(-900), vec![retry(1)], &ended).refused[0]
            .1
            .until,
        Some(until)
    );
}

#[test]
fn the_policys_own_time_is_kept() {
    let mut wanted = retry(1);
    wanted.0.due = Some(at(500));
    let out = governor().govern(at(0), vec![wanted], &history);
    assert_eq!(out.refused[0].1.reason, R::NotDueYet);
    assert_eq!(out.refused[0].1.until, Some(at(500)));
}

#[test]
fn rate_in_flight_breaker_and_server_hold_the_batcher_back() {
    let mut governor = governor();
    assert_eq!(governor.next_batch(at(0), &target(), Lane::Usual, 0), Ok(1));
    governor.sent(at(0), &target(), Lane::Usual, 1);
    let busy = governor
        .next_batch(at(0), &target(), Lane::Usual, 0)
        .unwrap_err();
    assert_eq!(busy.reason, R::TargetBusy);
    governor.answered(
        at(1),
        &target(),
        Lane::Usual,
        Answered {
            items: 1,
            accepted: 1,
            ..Answered::default()
        },
    );
    governor.sent(at(1), &target(), Lane::Usual, 29);
    governor.answered(
        at(2),
        &target(),
        Lane::Usual,
        Answered {
            items: 29,
            accepted: 29,
            ..Answered::default()
        },
    );
    let rate = governor
        .next_batch(at(2), &target(), Lane::Usual, 0)
        .unwrap_err();
    // the first item was answered at 1, and may have gone out as late as that
    assert_eq!((rate.reason, rate.until), (R::TargetRate, Some(at(61))));
    assert_eq!(governor.next_event(at(2)), Some(at(61)));
    assert!(
        governor
            .next_batch(at(60), &target(), Lane::Usual, 0)
            .is_err()
    );
    assert_eq!(
        governor.next_batch(at(61), &target(), Lane::Usual, 0),
        Ok(1)
    );

    let mut open = failed(3);
    let refused = open
        .next_batch(at(0), &"Mail".into(), Lane::Usual, 0)
        .unwrap_err();
    assert_eq!(
        refused.reason,
        R::ServerBackOff,
        "three requests failed in a row"
    );
    assert_eq!(first_refusal(&mut open, &history), Some(R::ServerBackOff));
    let refused = open
        .next_batch(at(300), &target(), Lane::Usual, 0)
        .unwrap_err();
    assert_eq!(
        (refused.reason, refused.until),
        (R::BreakerOpen, Some(at(600)))
    );
    assert!(
        open.next_batch(at(300), &"Mail".into(), Lane::Usual, 0)
            .is_ok()
    );
    let out = open.govern(at(300), vec![retry(1)], &history);
    assert_eq!(out.refused[0].1.reason, R::BreakerOpen);

    let mut asked = super::fixture::governor();
    asked.server_asked_to_wait(at(0), at(77));
    asked.server_asked_to_wait(at(0), at(5));
    let refused = asked
        .next_batch(at(0), &target(), Lane::Revoke, 0)
        .unwrap_err();
    assert_eq!(
        (refused.reason, refused.until),
        (R::ServerBackOff, Some(at(77)))
    );
    assert_eq!(asked.next_event(at(0)), Some(at(77)));
}

#[test]
fn a_proof_for_something_else_is_not_taken() {
    let (decision, _) = retry(1);
    let (_, other) = retry(2);
    let out = governor().govern(at(0), vec![(decision, other)], &history);
    assert_eq!(out.refused[0].1.reason, R::TaskMoved);
    let (mut moved, passed) = retry(1);
    moved.version += 1;
    let out = governor().govern(at(0), vec![(moved, passed)], &history);
    assert_eq!(out.refused[0].1.reason, R::TaskMoved);
    let (mut changed, passed) = retry(1);
    changed.answer = wish(1, Action::ManualComplete, Kind::Change).0.answer;
    let out = governor().govern(at(0), vec![(changed, passed)], &history);
    assert_eq!(out.refused[0].1.reason, R::TaskMoved);
    let (mut nowhere, passed) = retry(1);
    nowhere.target = None;
    let out = governor().govern(at(0), vec![(nowhere, passed)], &history);
    assert_eq!(out.refused[0].1.reason, R::FactUnknown);
}

#[test]
fn explain_names_every_gate_that_would_refuse() {
    let mut governor = with_standing(|s| s.policy_released = false);
    governor.pause(at(0), Scope::Global, "ops", None);
    let (mut decision, passed) = retry(1);
    decision.due = Some(at(0) + SignedDuration::from_hours(1));
    let all = governor.explain(at(0), &decision, &passed, &history(LineageId(1)));
    let reasons: Vec<R> = all.iter().map(|refusal| refusal.reason).collect();
    assert_eq!(reasons, [R::PolicyNotReleased, R::Paused, R::NotDueYet]);
}

#[test]
fn a_target_gets_as_much_at_a_time_as_it_has_proven_to_bear() {
    let mut governor = governor();
    let max = governor.next_batch(at(0), &target(), Lane::Usual, 0);
    let allowed = u32::try_from(max.expect("nothing is open").pow(2)).expect("small");
    let refused = governor
        .next_batch(at(0), &target(), Lane::Usual, allowed)
        .expect_err("as many are not read back as are allowed");
    assert_eq!(refused.reason, R::AwaitsProof);
}

#[test]
fn what_lies_in_the_task_opens_no_breaker_and_closes_a_probing_one() {
    let mut governor = governor();
    for _ in 0..20 {
        governor.refused_by_itself(at(0), &target());
    }
    assert!(
        governor
            .next_batch(at(0), &target(), Lane::Usual, 0)
            .is_ok()
    );
    let mut open = failed(20);
    assert!(open.next_batch(at(0), &target(), Lane::Usual, 0).is_err());
    open.refused_by_itself(at(0), &target());
    assert!(
        open.next_batch(at(0), &target(), Lane::Usual, 0).is_err(),
        "what was sent before the outage proves nothing now"
    );
}
