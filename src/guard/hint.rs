//! A hint only ever causes a read: a task that no list shows acts only once the other tasks of its account were read from its process (invariant 8); it never takes a list that hides the task itself as whole.

use crate::model::{Known, Refusal, RefusalReason};

use super::input::{Fresh, GuardInput};

/// The account's other tasks are known by its process, and lately.
pub(super) fn siblings(input: &GuardInput<'_>) -> Result<Option<Fresh>, Refusal> {
    if !input.by_process {
        return Ok(None);
    }
    let unknown = |why: &str| {
        Err(
            Refusal::new(RefusalReason::SiblingsUnknown, input.account_scope())
                .with("why", why)
                .for_person(),
        )
    };
    if input.task.process.is_none() {
        return unknown("the task does not show its account");
    }
    match input.account {
        Known::No { why } => unknown(why),
        // a list that does not show this task need not show the others
        Known::Yes { value, .. } if !value.from_process => {
            unknown("the tasks of its account were not read")
        }
        Known::Yes { as_of, .. } => match input.fresh(*as_of) {
            Some(fresh) => Ok(Some(fresh)),
            None => unknown("the reading is too old"),
        },
    }
}
