//! An old disable of an account and a younger enable of it that is still open: where finished tasks may be archived the enable could not follow the disable, and both wait for a person; it holds up nothing that is taken from somebody who is gone.

use crate::model::facts::Sibling;
use crate::model::{Kind, Refusal, RefusalReason};

use super::input::GuardInput;
use super::stale::{is_all_shown, is_long_open};

/// What the two are, and how a person tells which of them is meant.
const COULD_NOT_FOLLOW: &str = "a younger task switches the account on again, and nothing shows that finished tasks from before this work are still there: it may have been switched on since, and the younger task would not follow this one; cancel in OIG the one of the two that is not wanted";

/// Asks about an old disable that a younger enable could not follow. A young one waits for nothing: what was done since
/// its order is not archived yet.
pub(super) fn followed(input: &GuardInput<'_>, tasks: &[Sibling]) -> Result<(), Refusal> {
    let old = input.seen_late || is_long_open(input.origin, input.now);
    if input.kind != Kind::Disable || !old || (input.dated && is_all_shown(input, tasks)) {
        return Ok(());
    }
    let gives = |s: &&Sibling| {
        let open = !s.finished && !s.status.is_finished();
        s.kind == Kind::Enable && s.child.is_none() && open && (s.ambiguous || input.is_later(s))
    };
    match tasks.iter().find(gives) {
        Some(enable) => Err(
            Refusal::new(RefusalReason::AccountUnknown, input.account_scope())
                .with("why", COULD_NOT_FOLLOW)
                .with("task", &enable.id)
                .with("definition", &enable.name)
                .for_person(),
        ),
        None => Ok(()),
    }
}
