//! When a fact that was asked for in vain is asked for again; it reads nothing itself.

use jiff::SignedDuration;

use super::{Wish, needs};
use crate::daemon::facts::Surroundings;
use crate::daemon::memory::Memory;
use crate::model::Refusal;

/// The first pause after a fact was asked for in vain; doubled each time, but for what takes access.
const UNREADABLE_FIRST: SignedDuration = SignedDuration::from_mins(10);
/// The longest such pause.
const UNREADABLE_AT_MOST: SignedDuration = SignedDuration::from_hours(4);

/// What was asked for and could not be had is asked for again ever later, so that it does not use
/// up the readings of everything else.
pub(super) fn ask_later(
    around: &Surroundings<'_>,
    memory: &mut Memory,
    wish: &Wish,
    refusals: &mut [Refusal],
) {
    let Some(known) = memory.lineages.get_mut(&wish.decision.lineage) else {
        return;
    };
    // what takes access from somebody does not wait longer and longer: he may have left meanwhile
    let times = match wish.decision.kind.takes_access() {
        true => 0,
        false => known.unreadable.min(8),
    };
    let doubled = 2_i32.saturating_pow(u32::from(times));
    known.unreadable = known.unreadable.saturating_add(1);
    let wait = UNREADABLE_FIRST
        .checked_mul(doubled)
        .unwrap_or(UNREADABLE_AT_MOST)
        .min(UNREADABLE_AT_MOST);
    let until = around.bench.clock.now().checked_add(wait).ok();
    if let Some(first) = refusals.first_mut() {
        first.until = first.until.or(until);
    }
}

/// True where a reading of the wish's own was tried in this cycle and brought nothing. That others
/// were not reached does not excuse it: a few that hang for long would come first for ever.
pub(super) fn asked_in_vain(around: &Surroundings<'_>, memory: &Memory, wish: &Wish) -> bool {
    let needs = needs(around, wish);
    let task = &around.snapshot.tasks[wish.row];
    memory.cache.asked_in_vain(
        around.now,
        task.beneficiary.as_ref().filter(|_| needs.beneficiary),
        task.process.as_ref().filter(|_| needs.process),
        Some(&task.id).filter(|_| needs.responses),
    )
}
