//! For any sequence of times and events: no limit is exceeded, the memory survives, and work gets done once nothing fails.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::SignedDuration;
use proptest::prelude::*;

use crate::model::{AttemptEvent as E, LineageId, TargetName};

use super::super::{Answered, Census, Failed, Governor, Lane, Standing};
use super::fixture::{at, history, modes, retry, settings, started, target};

#[derive(Clone, Debug)]
enum Step {
    /// Wall time moves by so many seconds, also backward.
    Time(i64),
    Send(usize, bool),
    Answer(usize, u32),
    Fail(usize),
    /// So many items were not answered within so many seconds.
    Hang(usize, u32, u64),
    Outcome(usize, u64, E),
    Throttle(usize, u64),
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let event = proptest::sample::select(E::ALL.to_vec());
    let step = prop_oneof![
        4 => (-30_i64..40).prop_map(Step::Time),
        1 => (-100_000_i64..100_000).prop_map(Step::Time),
        8 => (0..2_usize, any::<bool>()).prop_map(|(t, revoke)| Step::Send(t, revoke)),
        6 => (0..2_usize, 0..3_u32).prop_map(|(t, unknown)| Step::Answer(t, unknown)),
        1 => (0..2_usize).prop_map(Step::Fail),
        1 => (0..2_usize, 0..30_u32, 0..1000_u64).prop_map(|(t, items, took)| Step::Hang(t, items, took)),
        6 => (0..2_usize, 0..40_u64, event).prop_map(|(t, l, e)| Step::Outcome(t, l, e)),
        1 => (0..2_usize, 0..40_u64).prop_map(|(t, l)| Step::Throttle(t, l)),
        1 => Just(Step::Restart),
    ];
    proptest::collection::vec(step, 0..120)
}

fn hung(items: u32, seconds: u64) -> Failed {
    Failed {
        items,
        took: Duration::from_secs(seconds),
        too_long: true,
    }
}

fn targets() -> [TargetName; 2] {
    [target(), TargetName::new("Mail")]
}

proptest! {
    #[test]
    fn rate_and_writes_in_flight_hold_for_any_sequence(steps in steps()) {
        let mut settings = settings();
        settings.default.in_flight = 2;
        let mut governor = started(settings.clone());
        let (mut wall, mut elapsed) = (0_i64, 0_i64);
        // by target: (true elapsed time, items); the elapsed time counts only what went forward
        let mut sent: [Vec<(i64, usize)>; 2] = [Vec::new(), Vec::new()];
        let mut open: [Vec<Lane>; 2] = [Vec::new(), Vec::new()];
        let places = |of: u32| usize::try_from(of).expect("small");
        let revokes = |of: &[Lane]| of.iter().filter(|lane| **lane == Lane::Revoke).count();
        for step in steps {
            match step {
                Step::Time(by) => {
                    wall += by;
                    elapsed += by.max(0);
                    governor.set_standing(Standing::good());
                    let _ = governor.next_batch(at(wall), &TargetName::new("clock"), Lane::Usual, 0);
                }
                Step::Send(t, revoke) => {
                    let lane = if revoke { Lane::Revoke } else { Lane::Usual };
                    if let Ok(max) = governor.next_batch(at(wall), &targets()[t], lane, 0) {
                        prop_assert!((1..=25).contains(&max));
                        governor.sent(at(wall), &targets()[t], lane, u32::try_from(max).expect("small"));
                        sent[t].push((elapsed, max));
                        open[t].push(lane);
                        // one that takes access away goes beside them, where none does
                        let beside = |of: &[Lane]| revoke && revokes(of) == 1;
                        let all = [open[0].as_slice(), open[1].as_slice()].concat();
                        prop_assert!(open[t].len() <= places(settings.default.in_flight) || beside(&open[t]));
                        prop_assert!(all.len() <= places(settings.writes_in_flight) || beside(&all));
                        let lately: usize = sent[t].iter()
                            .filter(|(when, _)| elapsed - when < 60)
                            .map(|(_, n)| n).sum();
                        prop_assert!(lately <= 30, "{lately} items within a minute");
                    }
                }
                Step::Answer(t, unknown) if !open[t].is_empty() => {
                    let lane = open[t].remove(0);
                    let items = unknown + 1;
                    governor.answered(at(wall), &targets()[t], lane, Answered {
                        items, unknown, accepted: 1, refused: 0, took: Duration::from_secs(2),
                    });
                }
                Step::Hang(t, items, took) if !open[t].is_empty() => {
                    let lane = open[t].remove(0);
                    governor.request_hung(at(wall), &targets()[t], lane, &hung(items, took));
                }
                Step::Fail(t) if !open[t].is_empty() => {
                    let lane = open[t].remove(0);
                    governor.whole_request_failed(at(wall), &targets()[t], lane, None);
                }
                Step::Outcome(t, lineage, event) => {
                    governor.outcome(at(wall), &targets()[t], Lane::Usual, (LineageId(lineage), 1), event);
                }
                Step::Throttle(t, lineage) => {
                    governor.throttled(at(wall), &targets()[t], LineageId(lineage), 1);
                }
                Step::Restart => {
                    let text = serde_json::to_string(&governor.state()).expect("it can be stored");
                    let state = serde_json::from_str(&text).expect("it can be read");
                    governor = Governor::new(settings.clone(), modes(), Some(state), at(wall));
                    open = [Vec::new(), Vec::new()];
                }
                Step::Answer(..) | Step::Fail(..) | Step::Hang(..) => {}
            }
            if let Some(next) = governor.next_event(at(wall)) {
                prop_assert!(next > at(wall));
            }
        }
    }

    #[test]
    fn caps_hold_for_any_cycle(
        wanted in proptest::collection::vec(0..60_u64, 0..80),
        visible in 0..200_u32,
        calls in 1..4_usize,
    ) {
        let mut governor = started(settings());
        governor.begin_cycle(at(0), &Census([(target(), visible)].into()), Standing::good(), at(0));
        let ids: BTreeSet<u64> = wanted.into_iter().collect();
        let mut admitted = 0;
        for _ in 0..calls {
            let out = governor.govern(at(0), ids.iter().map(|n| retry(*n)).collect(), &history);
            prop_assert_eq!(out.admitted.len() + out.refused.len(), ids.len());
            admitted += out.admitted.len();
        }
        let share = if visible >= 50 { usize::try_from(visible / 2).expect("small") } else { usize::MAX };
        prop_assert!(admitted <= 7 && admitted <= share);
        prop_assert_eq!(admitted, ids.len().min(7).min(share));
    }

    #[test]
    fn a_restart_changes_nothing_but_what_was_in_flight(steps in steps()) {
        let mut governor = started(settings());
        let mut wall = 0;
        for step in steps {
            match step {
                Step::Time(by) => wall += by,
                Step::Fail(t) => governor.whole_request_failed(at(wall), &targets()[t], Lane::Usual, None),
                Step::Hang(t, items, took) => {
                    governor.request_hung(at(wall), &targets()[t], Lane::Usual, &hung(items, took));
                }
                Step::Outcome(t, lineage, event) => {
                    governor.outcome(at(wall), &targets()[t], Lane::Usual, (LineageId(lineage), 1), event);
                }
                Step::Throttle(t, lineage) => {
                    governor.throttled(at(wall), &targets()[t], LineageId(lineage), 1);
                }
                _ => {}
            }
        }
        let text = serde_json::to_string(&governor.state()).expect("it can be stored");
        let state = serde_json::from_str(&text).expect("it can be read");
        let mut again = Governor::new(settings(), modes(), Some(state), at(wall));
        for t in &targets() {
            prop_assert_eq!(
                again.next_batch(at(wall), t, Lane::Revoke, 0),
                governor.next_batch(at(wall), t, Lane::Revoke, 0)
            );
        }
        prop_assert_eq!(again.describe(at(wall)), governor.describe(at(wall)));
    }

    #[test]
    fn once_nothing_fails_everything_is_done(steps in steps(), tasks in 1..30_u64) {
        let mut governor = started(settings());
        let mut now = at(0);
        for step in steps {
            match step {
                Step::Time(by) => now += SignedDuration::from_secs(by),
                Step::Fail(t) => governor.whole_request_failed(now, &targets()[t], Lane::Usual, None),
                Step::Hang(t, items, took) => {
                    governor.request_hung(now, &targets()[t], Lane::Usual, &hung(items, took));
                }
                Step::Outcome(t, lineage, event) => {
                    governor.outcome(now, &targets()[t], Lane::Usual, (LineageId(lineage), 1), event);
                }
                Step::Throttle(t, lineage) => {
                    governor.throttled(now, &targets()[t], LineageId(lineage), 1);
                }
                _ => {}
            }
        }
        let mut left: BTreeSet<u64> = (1000..1000 + tasks).collect();
        for _ in 0..1000 {
            if left.is_empty() {
                break;
            }
            governor.begin_cycle(now, &Census::default(), Standing::good(), now);
            let out = governor.govern(now, left.iter().map(|n| retry(*n)).collect(), &history);
            let mut queue: Vec<LineageId> = out.admitted.iter().map(|a| a.decision().lineage).collect();
            let mut moved = false;
            while !queue.is_empty() {
                let Ok(max) = governor.next_batch(now, &target(), Lane::Usual, 0) else { break };
                let batch: Vec<LineageId> = queue.drain(..max.min(queue.len())).collect();
                let items = u32::try_from(batch.len()).expect("small");
                governor.sent(now, &target(), Lane::Usual, items);
                governor.answered(now, &target(), Lane::Usual, Answered { items, accepted: items, ..Answered::default() });
                for lineage in batch {
                    governor.outcome(now, &target(), Lane::Usual, (lineage, 1), E::ReadCompleted);
                    left.remove(&lineage.0);
                }
                moved = true;
            }
            if !moved {
                now = governor.next_event(now).expect("time alone must help");
            }
        }
        prop_assert!(left.is_empty(), "{} tasks were never let through", left.len());
    }

    /// Cycles at any times, clocks that are set, and kills between the stored state and the claims.
    #[test]
    fn caps_hold_for_any_sequence_of_times(
        steps in proptest::collection::vec((-40_i64..200, 0..9_u64, any::<bool>(), any::<bool>()), 1..60),
    ) {
        const EVERY: i64 = 300;
        let mut governor = started(settings());
        let (mut wall, mut elapsed, mut next) = (0_i64, 0_i64, 1_000_u64);
        let (mut until, mut sum) = (0_i64, 0_usize);
        for (by, many, jump, kill) in steps {
            let by = if jump { by - 50_000 } else { by };
            wall += by;
            elapsed += by.max(0);
            if elapsed >= until || sum == 0 {
                (until, sum) = (elapsed + EVERY, 0);
            }
            governor.begin_cycle(at(wall), &Census::default(), Standing::good(), at(wall + EVERY));
            let wanted: Vec<_> = (next..next + many).map(retry).collect();
            next += many;
            let out = governor.govern(at(wall), wanted, &history);
            let stored = serde_json::to_string(&governor.state()).expect("it can be stored");
            let sent = out.admitted.len();
            governor.counts(at(wall), &out.admitted);
            sum += sent;
            prop_assert!(sum <= 7, "{sum} retries within an interval");
            if kill {
                let state = serde_json::from_str(&stored).expect("it can be read");
                governor = Governor::new(settings(), modes(), Some(state), at(wall));
                let sent = u32::try_from(sent).expect("small");
                if sent > 0 {
                    governor.recount(crate::model::ActionName::Retry, &target(), false, sent);
                }
            }
        }
    }

    /// Retries and what is said to OIG alone share the rate, whenever they ask and however long they are on their way.
    #[test]
    fn the_rate_of_a_target_holds_for_all_its_lanes_together(
        steps in proptest::collection::vec((0..40_i64, 0..3_u8, 0..70_i64, any::<bool>()), 1..120),
    ) {
        let mut quick = settings();
        quick.default.in_flight = 3;
        quick.default.batch_start = 25;
        let mut governor = started(quick);
        let (mut now, mut sent) = (0_i64, Vec::<(i64, Lane, u32)>::new());
        let mut flying = Vec::<(i64, Lane, u32)>::new();
        for (by, lane, takes, early) in steps {
            now += if early { by / 10 } else { by };
            let lane = [Lane::Revoke, Lane::Usual, Lane::Told][usize::from(lane)];
            flying.retain(|(ends, lane, items)| {
                if *ends <= now {
                    let answer = Answered { items: *items, accepted: *items, ..Answered::default() };
                    governor.answered(at(now), &target(), *lane, answer);
                }
                *ends > now
            });
            let before = |of: &[(i64, Lane, u32)], counts: &dyn Fn(Lane) -> bool| {
                let recent = of.iter().filter(|(at, lane, _)| now - at < 60 && counts(*lane));
                recent.map(|(_, _, items)| *items).sum::<u32>()
            };
            let asked = governor.next_batch(at(now), &target(), lane, 0);
            // a retry counts from its answer
            let alone = sent.iter().all(|(at, lane, _)| *lane == Lane::Told || now - at > 200);
            if lane == Lane::Revoke && alone {
                prop_assert!(asked.is_ok(), "a revoke waits: {asked:?}");
            }
            let Ok(size) = asked else { continue };
            let items = u32::try_from(size).expect("small");
            governor.sent(at(now), &target(), lane, items);
            sent.push((now, lane, items));
            flying.push((now + takes, lane, items));
            let all = before(&sent, &|_| true);
            let retries = before(&sent, &|of| of != Lane::Told);
            prop_assert!(retries <= 30, "{retries} retries in a minute");
            if lane != Lane::Revoke {
                prop_assert!(all <= 30, "{all} in a minute");
            }
        }
    }
}
