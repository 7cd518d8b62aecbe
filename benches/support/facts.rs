//! What is known of a task that nothing was ever done about; the same in every bench.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use provtaskd::model::facts::{
    DefinitionMemory, Facts, History, Known, Now, OwnerFact, OwnerState, StandIn,
};
use provtaskd::model::{Kind, LineageId, Task};

/// Facts of a task that a role owns and of which nothing is remembered.
///
/// # Panics
/// There is none.
pub fn facts(task: &Task) -> Facts {
    let at: Timestamp = "2027-03-01T08:00:00Z".parse().expect("a time");
    Facts {
        now: Now {
            at,
            zone: "UTC".into(),
            weekday: 1,
            hour: 8,
            minute: 0,
            business_hours: true,
        },
        kind: Kind::Revoke,
        class: Arc::from("network"),
        retryable: true,
        history: History {
            lineage: LineageId(1),
            attempts: 0,
            attempts_total: 0,
            first_seen: at,
            failed_since: at,
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
            ids: vec![task.id.clone()],
        },
        owner: Known::Yes {
            value: OwnerFact {
                owner: task.owner.clone(),
                person: None,
                state: OwnerState::Role,
                stand_in: StandIn::NotNeeded,
            },
            as_of: at,
        },
        beneficiary: Known::unknown("not asked"),
        siblings: Known::unknown("not asked"),
        definition: DefinitionMemory::default(),
        fulfilment_role: None,
        age: SignedDuration::from_hours(2),
    }
}
