//! Reads tasks once more right before they are claimed, where their snapshot has grown old, and of hand-overs and of what gives access the people; what has moved is not sent (contract section 9, point 7).

mod people;

pub(super) use self::people::rests_on_owner;
pub use self::people::{PersonRead, Readers};
use super::evaluate::Behind;
use super::under_way::Permit;
use crate::dispatch::verify::{IN_A_ROW, of_the_server};
use crate::governor::Admitted;
use crate::ledger::{ClaimRequest, Index, Ledger};
use crate::model::{
    Action, ActionName, Clock, Owner, Principal, Refusal, RefusalReason, Scope, Task, TaskStatus,
};
use crate::oig::Client;
use crate::policy::PolicySet;

/// Takes out of the batch what is no longer as it was decided on, and answers it with why. A task that
/// can't be read keeps itself back; its neighbours only where the server is the trouble, or where half
/// of the time that is left to any that was read has passed with reading: then that goes, while it may.
pub async fn keep_unmoved(
    client: &Client,
    clock: &Clock,
    known: &Rested<'_>,
    claim: &mut ClaimRequest,
    behind: Vec<Option<Behind>>,
    permit: &Permit,
) -> Moved {
    let began = clock.now();
    let half = |item: &Admitted| {
        began
            .checked_add(permit.until(item).duration_since(began) / 2)
            .unwrap_or(began)
    };
    let mut read_until = claim.batch.items.iter().map(half).max().unwrap_or(began);
    let items = std::mem::take(&mut claim.batch.items);
    let requests = std::mem::take(&mut claim.requests);
    let (mut refused, mut kept) = (Vec::new(), Vec::new());
    let mut stop: Option<String> = None;
    let mut in_a_row = 0;
    for ((item, request), behind) in items.into_iter().zip(requests).zip(behind) {
        let id = item.decision().task.clone();
        let now = clock.now();
        if stop.is_none() && now > read_until {
            stop = Some("the readings before it took too long".to_owned());
        }
        // what may not be claimed any more costs no reading
        let withdrawn = permit.refusal(&item, now);
        let refusal = match (&stop, withdrawn) {
            (_, Some(withdrawn)) => Some(withdrawn),
            (Some(why), None) => Some(unread(&item, why)),
            (None, None) => match client.task(&id).await {
                Ok(found) => {
                    in_a_row = 0;
                    match found {
                        Some(task) => moved(&item, &task, behind.as_ref(), known),
                        None => Some(refusal(&item, "it is not shown any more")),
                    }
                }
                Err(error) => {
                    let why = error.to_string();
                    let refusal = unread(&item, &why);
                    in_a_row += 1;
                    if of_the_server(&error) || in_a_row >= IN_A_ROW {
                        // the next one would meet the same; the rest is proposed anew
                        stop = Some(why);
                    }
                    Some(refusal)
                }
            },
        };
        match refusal {
            Some(refusal) => {
                permit.give_up(&item);
                refused.push((item, refusal));
            }
            None => {
                read_until = read_until.min(half(&item));
                claim.batch.items.push(item);
                claim.requests.push(request);
                kept.push(behind);
            }
        }
    }
    let people = keep_unmoved_people(clock, known, claim, kept, permit, &mut refused).await;
    Moved { refused, people }
}

/// The same where the list is young enough: of its tasks nothing is read, and of people what may have grown old.
pub async fn keep_unmoved_beneficiaries(
    clock: &Clock,
    known: &Rested<'_>,
    claim: &mut ClaimRequest,
    permit: &Permit,
) -> Moved {
    let behind = vec![None; claim.batch.items.len()];
    let mut refused = Vec::new();
    let people = keep_unmoved_people(clock, known, claim, behind, permit, &mut refused).await;
    Moved { refused, people }
}

/// What reading once more has found.
#[derive(Debug, Default)]
pub struct Moved {
    /// What is no longer as it was decided on, with why.
    pub refused: Vec<(Admitted, Refusal)>,
    /// The people who were read for that.
    pub people: Vec<PersonRead>,
}

/// The same for the people of hand-overs and for who is given access, right before their claim: what a cycle has read of
/// them may be as old as `guard.fact_age`. What takes access waits for no reading of people.
async fn keep_unmoved_people(
    clock: &Clock,
    known: &Rested<'_>,
    claim: &mut ClaimRequest,
    behind: Vec<Option<Behind>>,
    permit: &Permit,
    refused: &mut Vec<(Admitted, Refusal)>,
) -> Vec<PersonRead> {
    let gives = |item: &Admitted| item.gives_to().is_some();
    let hands_over = claim.batch.action == ActionName::Reassign;
    if claim.batch.items.is_empty() || !(hands_over || claim.batch.items.iter().any(gives)) {
        return Vec::new();
    }
    let read = known.people.read(clock, &claim.batch.items, &behind).await;
    let now = clock.now();
    let items = std::mem::take(&mut claim.batch.items);
    let requests = std::mem::take(&mut claim.requests);
    for ((item, request), behind) in items.into_iter().zip(requests).zip(behind) {
        match known.people.refusal(&item, behind.as_ref(), &read, now) {
            Some(refusal) => {
                permit.give_up(&item);
                refused.push((item, refusal));
            }
            None => {
                claim.batch.items.push(item);
                claim.requests.push(request);
            }
        }
    }
    read.into_people()
}

/// Why a task as it is now is not what was decided on.
fn moved(
    item: &Admitted,
    task: &Task,
    behind: Option<&Behind>,
    known: &Rested<'_>,
) -> Option<Refusal> {
    if task.status.is_finished() || matches!(task.status, TaskStatus::Unknown(_)) {
        return Some(refusal(item, &format!("it is {} now", task.status)));
    }
    // a person who has given it to somebody else meanwhile is not overruled
    let handed_on = behind.is_some_and(|behind| {
        task.owner != Owner::Unknown && !same_owner(&behind.owner, &task.owner)
    });
    if handed_on && item.action() != &Action::Retry {
        return Some(refusal(item, "somebody has handed it on"));
    }
    match item.action() {
        Action::Retry if task.status != TaskStatus::Rejected => {
            Some(refusal(item, &format!("it is {} now", task.status)))
        }
        Action::Retry => known.ran_since(item, task),
        Action::Reassign { to } => {
            owned_by(&task.owner, to).then(|| refusal(item, "it has this owner already"))
        }
        Action::SetNote { .. } | Action::SetResponse { .. } | Action::ManualComplete => None,
    }
}

/// What decisions about tasks rest on beside their rows.
#[derive(Debug)]
pub struct Rested<'a> {
    /// Where it is told what a reason says.
    pub policies: &'a PolicySet,
    /// What lists have shown of runs.
    pub ledger: &'a Ledger,
    /// Who reads people.
    pub people: &'a Readers,
}

impl Rested<'_> {
    /// It has run and failed once more, as it seems: by its start, or by a reason of another class than the decision has
    /// read. A reading without a reason, or one that words it in another way, is no difference.
    fn ran_since(&self, item: &Admitted, task: &Task) -> Option<Refusal> {
        let decision = item.decision();
        let anew = |index: &Index| index.began_anew(decision.lineage, task);
        if self.ledger.read(anew) {
            return Some(refusal(item, "it was run since, and has failed again"));
        }
        if task.reason.is_none() && task.response.is_none() {
            return None;
        }
        let class = self.policies.classify(task);
        let retryable = class.retryable.to_string();
        let differs = decision
            .read
            .iter()
            .any(|(name, value)| match name.as_ref() {
                "facts.class" => *value != class.name,
                "facts.retryable" => **value != *retryable,
                _ => false,
            });
        let found = format!("its failure is of class {} now", class.name);
        differs.then(|| refusal(item, &found))
    }
}

/// By key where both show one: a list and a single reading need not show the same of an owner.
fn same_owner(a: &Owner, b: &Owner) -> bool {
    match (a, b) {
        (
            Owner::User { key, login },
            Owner::User {
                key: key_b,
                login: login_b,
            },
        ) => match (key, key_b) {
            (Some(key), Some(key_b)) => key == key_b,
            _ => login.is_none() || login_b.is_none() || login == login_b,
        },
        (
            Owner::Role { key, name },
            Owner::Role {
                key: key_b,
                name: name_b,
            },
        ) => match (key, key_b) {
            (Some(key), Some(key_b)) => key == key_b,
            _ => name.is_none() || name_b.is_none() || name == name_b,
        },
        _ => false,
    }
}

fn owned_by(owner: &Owner, to: &Principal) -> bool {
    match (owner, to) {
        (Owner::User { key: Some(key), .. }, Principal::User { key: Some(to), .. }) => key == to,
        (Owner::Role { key: Some(key), .. }, Principal::Role { key: Some(to), .. }) => key == to,
        _ => false,
    }
}

fn refusal(item: &Admitted, found: &str) -> Refusal {
    let scope = Scope::Task(item.decision().task.clone());
    Refusal::new(RefusalReason::TaskMoved, scope).with("found", found)
}

fn unread(item: &Admitted, why: &str) -> Refusal {
    let scope = Scope::Task(item.decision().task.clone());
    Refusal::new(RefusalReason::FactUnknown, scope)
        .with("fact", "the task right before it is sent")
        .with("why", why)
}
