//! Which action makes sense for which kind, state and definition at all; it never looks at other tasks.

use crate::model::{Action, ActionName, Kind, Known, Refusal, RefusalReason, TaskStatus};

use super::input::{Fresh, GuardInput};
use super::pattern::matches_definition;

/// Unknown kinds are not acted on; password and notify are retried only when named (design, "kind").
/// To name a definition does not say what it does to access, so it never lifts an unknown kind: the
/// guard against stale grants could not look at it.
pub(super) fn kind(input: &GuardInput<'_>) -> Result<(), Refusal> {
    let name = input.task.definition_name.as_deref().unwrap_or("not shown");
    match input.kind {
        Kind::Unknown => Err(
            Refusal::new(RefusalReason::KindUnknown, input.definition_scope())
                .with("definition", name)
                .for_person(),
        ),
        Kind::Password | Kind::Notify
            if input.action.name() == ActionName::Retry && !input.named =>
        {
            Err(
                Refusal::new(RefusalReason::KindNeedsNaming, input.definition_scope())
                    .with("kind", input.kind)
                    .with("definition", name),
            )
        }
        _ => Ok(()),
    }
}

/// The state must be one in which the action makes sense (contract section 6).
pub(super) fn status(input: &GuardInput<'_>) -> Result<(), Refusal> {
    use TaskStatus as S;
    let status = &input.task.status;
    let fits = match input.action.name() {
        ActionName::Retry => matches!(status, S::Rejected),
        ActionName::Reassign | ActionName::ManualComplete | ActionName::SetResponse => {
            matches!(status, S::Rejected | S::Pending)
        }
        ActionName::SetNote => !status.is_finished() && !matches!(status, S::Unknown(_)),
    };
    if fits {
        return Ok(());
    }
    Err(
        Refusal::new(RefusalReason::StatusNotActionable, input.task_scope())
            .with("status", status)
            .with("action", input.action.name()),
    )
}

/// What OIG has called not automated is not retried (contract section 9, point 13).
pub(super) fn manual_definition(input: &GuardInput<'_>) -> Result<(), Refusal> {
    if input.definition_manual && input.action.name() == ActionName::Retry {
        return Err(Refusal::new(
            RefusalReason::DefinitionManual,
            input.definition_scope(),
        ));
    }
    Ok(())
}

/// manual_complete and set_response are off until allowed per definition, never for revoke and disable.
pub(super) fn permission(input: &GuardInput<'_>) -> Result<(), Refusal> {
    let allowed = match input.action.name() {
        ActionName::ManualComplete => &input.limits.manual_complete,
        ActionName::SetResponse => &input.limits.set_response,
        ActionName::Retry | ActionName::Reassign | ActionName::SetNote => return Ok(()),
    };
    let refusal = || {
        Refusal::new(RefusalReason::ActionNotAllowed, input.definition_scope())
            .with("action", input.action.name())
    };
    if input.kind.takes_access() {
        return Err(refusal().with("never_for_kind", input.kind));
    }
    if matches_definition(allowed, input.task) {
        return Ok(());
    }
    Err(refusal().with("patterns", allowed.len()))
}

/// How many of the listed codes a refusal names.
const CODES_SHOWN: usize = 20;

/// A response code must be one that OIG lists for the task: any other might close it in a way that
/// nobody has meant.
pub(super) fn response(input: &GuardInput<'_>) -> Result<Option<Fresh>, Refusal> {
    let Action::SetResponse { code } = input.action else {
        return Ok(None);
    };
    let unknown = |why: &str| {
        Err(Refusal::new(RefusalReason::FactUnknown, input.task_scope())
            .with("fact", "the task's possible responses")
            .with("why", why)
            .for_person())
    };
    let (listed, as_of) = match input.responses {
        Some(Known::Yes { value, as_of }) => (value, *as_of),
        Some(Known::No { why }) => return unknown(why),
        None => return unknown("they were not asked for"),
    };
    let Some(fresh) = input.fresh(as_of) else {
        return unknown("the reading is too old");
    };
    if listed.iter().any(|one| one.trim() == code.trim()) {
        return Ok(Some(fresh));
    }
    let shown: Vec<&str> = listed.iter().take(CODES_SHOWN).map(|c| c.trim()).collect();
    Err(
        Refusal::new(RefusalReason::ActionNotAllowed, input.task_scope())
            .with("action", input.action.name())
            .with("code", code)
            .with("codes_listed", listed.len())
            .with("listed", shown.join(", ")),
    )
}
