//! No first-day avalanche (invariant 11): the old backlog waits for a person; it never releases anything itself.

use crate::model::{Refusal, RefusalReason};

use super::input::GuardInput;

/// What was there before enforce was switched on, for all or for its target or action, waits for a release.
pub(super) fn baseline(input: &GuardInput<'_>) -> Result<(), Refusal> {
    if input.baseline {
        return Err(Refusal::new(RefusalReason::Baseline, input.task_scope()).for_person());
    }
    Ok(())
}

/// What is older than the age limit waits for a release by target and age.
pub(super) fn age(input: &GuardInput<'_>) -> Result<(), Refusal> {
    let since = input.since().at;
    let age = input.now.duration_since(since);
    // whoever released it may have been told a younger date, as long as nobody had read its account
    let released = match since < input.origin {
        true => input.released_old,
        false => input.released_by_age,
    };
    if age > input.limits.age_limit && !released {
        return Err(Refusal::new(RefusalReason::TooOld, input.task_scope())
            .with("age_hours", age.as_hours())
            .with("limit_hours", input.limits.age_limit.as_hours())
            .for_person());
    }
    Ok(())
}
