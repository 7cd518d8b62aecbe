//! As what a store knows a name: a target's is not taken for a person's login, because words that name the target would be taken out of the record. It reads, and changes nothing.

use super::error::UpkeepError;
use super::rewrite::Ground;
use crate::ledger::record::EventBody;
use crate::model::{Action, Login, Owner, Principal, TargetName, Verdict};

/// Refuses a login that is the name of a target that was seen, where nobody of that login ever was: as
/// beneficiary, owner, or the one to whom something was handed.
///
/// # Errors
/// It is such a name, or the store can't be read.
pub(super) fn refuse_target(ground: &Ground, login: &str) -> Result<(), UpkeepError> {
    let name = TargetName::new(login);
    let mut targets = ground.before.index.targets_seen();
    let Some(target) = targets.find(|target| target.is_like(&name)) else {
        return Ok(());
    };
    let login = Login::new(login);
    let mut met = false;
    ground.each(|event| met |= meets(&event.body, &login))?;
    if met {
        return Ok(());
    }
    Err(UpkeepError::Nothing(format!(
        "{target} is a target, and nobody of that login was ever seen: every word about the target would go from the record. `--user` takes a person's login, as `provtaskd explain TASK` shows it as beneficiary or owner"
    )))
}

/// True where an event shows a person of this login.
fn meets(body: &EventBody, login: &Login) -> bool {
    let owner = |owner: Option<&Owner>| matches!(owner, Some(Owner::User { login: Some(of), .. }) if of == login);
    let handed = |action: &Action| matches!(action, Action::Reassign { to: Principal::User { login: to, .. } } if to == login);
    match body {
        EventBody::LineagesOpened { items } => items
            .iter()
            .any(|item| item.user.as_ref() == Some(login) || owner(item.owner.as_ref())),
        EventBody::Seen { items } => items.iter().any(|item| {
            let redefined = item.redefined.as_ref();
            redefined.and_then(|new| new.user.as_ref()) == Some(login) || owner(item.owner.as_ref())
        }),
        EventBody::LineagesJoined { items } => items.iter().any(|item| {
            let moved = item.moved.as_ref();
            moved.and_then(|new| new.user.as_ref()) == Some(login)
        }),
        EventBody::Claims { items, .. } => items.iter().any(|item| handed(&item.action)),
        EventBody::Decided { items } => items.iter().any(
            |item| matches!(&item.verdict, Some(Verdict::Act { action, .. }) if handed(action)),
        ),
        _ => false,
    }
}
