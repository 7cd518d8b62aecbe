//! Settings, decisions and histories for the governor's tests.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::guard::Passed;
use crate::model::facts::History;
use crate::model::settings::{GovernorSettings, Modes, TargetLimits};
use crate::model::{
    Action, Answer, Decision, Digest, Kind, LineageId, Login, Mode, PolicyHash, Principal,
    ProcessKey, TargetName, TaskId, UserKey, Verdict,
};

use super::super::{Census, Governor, Standing};

pub(super) fn at(seconds: i64) -> Timestamp {
    let start: Timestamp = "2027-02-01T09:00:00Z".parse().expect("a timestamp");
    start + SignedDuration::from_secs(seconds)
}

pub(super) fn target() -> TargetName {
    TargetName::new("Directory")
}

pub(super) fn settings() -> GovernorSettings {
    GovernorSettings {
        default: TargetLimits {
            per_minute: 30,
            in_flight: 1,
            batch_max: 25,
            batch_start: 1,
            batch_time: Duration::from_secs(200),
            breaker_after: 3,
            breaker_pause: SignedDuration::from_mins(10),
            breaker_cap: SignedDuration::from_hours(1),
        },
        targets: BTreeMap::new(),
        max_attempts: 5,
        max_attempts_taking: 10,
        count_foreign_attempts: true,
        backoff_base: SignedDuration::from_mins(5),
        backoff_factor: 3.0,
        backoff_cap: SignedDuration::from_hours(12),
        cap_retries: 7,
        cap_reassigns: 3,
        cap_share_percent: 50,
        share_from: 50,
        approval_ttl: SignedDuration::from_hours(24),
        writes_in_flight: 3,
    }
}

pub(super) fn modes() -> Modes {
    Modes {
        global: Mode::Enforce,
        actions: BTreeMap::new(),
        policies: BTreeMap::new(),
        targets: BTreeMap::new(),
        others: None,
        slips: BTreeMap::new(),
    }
}

pub(super) fn governor() -> Governor {
    started(settings())
}

pub(super) fn started(settings: GovernorSettings) -> Governor {
    let mut governor = Governor::new(settings, modes(), None, at(0));
    governor.begin_cycle(at(0), &Census::default(), Standing::good(), at(0));
    governor
}

pub(super) fn to_stand_in() -> Action {
    Action::Reassign {
        to: Principal::User {
            key: Some(UserKey::new("88")),
            login: Login::new("slang"),
        },
    }
}

/// The n-th wish: a task of its own account.
pub(super) fn wish(n: u64, action: Action, kind: Kind) -> (Decision, Passed) {
    let decision = Decision {
        task: TaskId::new(&n.to_string()),
        lineage: LineageId(n),
        target: Some(target()),
        process: Some(ProcessKey::new(&format!("{}", 1000 + n))),
        definition: None,
        kind,
        answer: Arc::new(Answer {
            verdict: Some(Verdict::Act {
                action: action.clone(),
                after: None,
                because: None,
                priority: 0,
            }),
            policy: Some(Arc::from("20-retry.rhai")),
            line: Some(4),
            hash: PolicyHash::new("aa11"),
            fault: None,
        }),
        inputs: Digest::new("d1"),
        moment: None,
        read: Arc::default(),
        due: None,
        version: 7,
    };
    let origin = at(-100_000 + i64::try_from(n).expect("small"));
    let passed = Passed::for_test(&decision, action, origin);
    (decision, passed)
}

pub(super) fn retry(n: u64) -> (Decision, Passed) {
    wish(n, Action::Retry, Kind::Change)
}

pub(super) fn history(lineage: LineageId) -> History {
    History {
        lineage,
        attempts: 0,
        attempts_total: 0,
        first_seen: at(-100_000),
        failed_since: at(-100_000),
        last_attempt_at: None,
        last_state: None,
        in_vain: 0,
        unproven: 0,
        reset: false,
        stale: false,
        keeps_ids: false,
        creation_over_since: false,
        recent: Vec::new(),
        former_owners: Vec::new(),
        ids: Vec::new(),
    }
}
