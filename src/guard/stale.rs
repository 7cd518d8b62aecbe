//! No stale grant (invariant 10): access is given only to a beneficiary and an account that were read as good; what can't be told is asked, never assumed.

use std::cmp::Ordering;
use std::fmt::Display;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::model::facts::{AccountView, Person, Sibling, UserStatus};
use crate::model::standing::{AccountState, EndDate, OfAccount};
use crate::model::{Kind, Known, ReadValue, Refusal, RefusalReason, TaskStatus};

use super::active::is_active;
use super::input::{Fresh, GuardInput, needs};
use super::order::same_row;
use super::returns;

/// Nobody has asked for it yet.
const NOT_ASKED: &str = "not asked for yet";
/// Only open tasks of the account are known, as the list shows them.
const FINISHED_NOT_READ: &str = "the account's finished tasks were not read";
/// Its person's accounts were not asked for.
const STATUS_NOT_READ: &str = "whether the account is on was not read";
/// Its status may be that of before.
const MOVED: &str = "the account has moved since its status was read";
/// It was read, longer ago than a fact holds.
const TOO_OLD: &str = "the reading is too old";

/// No account that was read has shown a finished task.
const HIDDEN: &str = "neither the account nor another one that was read has shown what tells that it is on: finished tasks may be hidden or archived, and with them one that took this access away";

/// Neither the account nor others have shown that what was finished after the work is still shown.
const ARCHIVED: &str = "nothing shows that finished tasks from before this work are still there (the account's own completed create, or of two accounts each when a task has ended, or two completed automated tasks): what took the access away since may be archived";

/// It may be what our own retry of an older order has made.
const UNSETTLED: &str =
    "it may be what a retry of an older order has made, which is still to be read back";

/// The account was taken by an older order, and what gives it back is still open.
const OFF_FOR_NOW: &str =
    "the account was taken by an older order, and a younger one that gives it back is still open";

/// The beneficiary was read as active, lately, and is the row's own.
pub(super) fn beneficiary(input: &GuardInput<'_>) -> Result<Option<Fresh>, Refusal> {
    if !needs(input.kind, input.action).beneficiary {
        return Ok(None);
    }
    let unknown = |why: &str| {
        let refusal = Refusal::new(RefusalReason::BeneficiaryUnknown, input.task_scope());
        Err(asked_or_person(refusal, why))
    };
    let Some(login) = &input.task.beneficiary else {
        return unknown("the row shows no target user");
    };
    let (person, as_of): (&Person, _) = match input.beneficiary {
        Known::Yes { value, as_of } => (value, *as_of),
        Known::No { why } => return unknown(why),
    };
    if person.login != *login {
        return unknown("another user was read");
    }
    let Some(fresh) = input.fresh(as_of) else {
        return unknown(TOO_OLD);
    };
    is_active(input.task_scope(), person, odd_end(input), ended(input))?;
    Ok(Some(fresh))
}

/// The person's last day, where it is over.
fn ended<'a>(input: &'a GuardInput<'_>) -> Option<&'a EndDate> {
    let Known::Yes { value, as_of } = input.standing else {
        return None;
    };
    // one that is too old is read again for the account
    let end = value.end.as_ref().filter(|end| end.over <= input.now);
    end.filter(|_| input.fresh(*as_of).is_some())
}

/// What stands as the person's last day and can't be read.
fn odd_end<'a>(input: &'a GuardInput<'_>) -> Option<&'a str> {
    input.standing.value()?.odd_end.as_deref()
}

/// What was only not asked for yet, or too long ago, is asked for by the next cycle: nobody has to act.
fn asked_or_person(refusal: Refusal, why: &str) -> Refusal {
    let refusal = refusal.with("why", why);
    match why {
        NOT_ASKED | FINISHED_NOT_READ | STATUS_NOT_READ | TOO_OLD | MOVED => refusal,
        _ => refusal.for_person(),
    }
}

/// The account was not revoked or disabled, and no later opposite task is open or done in it.
pub(super) fn account(input: &GuardInput<'_>) -> Result<Option<Fresh>, Refusal> {
    if !needs(input.kind, input.action).process {
        return Ok(None);
    }
    if let Some(now) = input.account.value().and_then(|of| of.own_now.as_ref()) {
        let refusal = Refusal::new(RefusalReason::TaskMoved, input.task_scope());
        return Err(refusal.with("found", format!("its account shows it as {now} now")));
    }
    if input.kind.takes_access() {
        // however long it queues, it is asked again by each cycle: readings that grow old don't hold it up
        let again = given_again(input);
        return again.or_else(|why| gone_or(input, why)).map(|()| None);
    }
    let unknown = |why: &str| {
        let refusal = Refusal::new(RefusalReason::AccountUnknown, input.account_scope());
        asked_or_person(refusal, why)
    };
    if input.task.process.is_none() {
        return Err(unknown("the row shows no account"));
    }
    let (view, as_of) = match input.account {
        Known::Yes { value, as_of } => (value, *as_of),
        Known::No { why } => return Err(unknown(why)),
    };
    // what is certain is said first: a later revoke that is seen counts even in a poor reading
    let opposite = view.tasks.iter().filter(|s| later_opposite(input, s));
    // what may be ours is told apart once it is settled: until then the account is busy anyway
    if let Some(other) = opposite.min_by_key(|s| s.unsettled) {
        return Err(if other.unsettled {
            busy(input, other, UNSETTLED)
        } else {
            stale(input, other, "later")
        });
    }
    if !view.from_process {
        let why = input.unread.as_deref();
        return Err(unknown(why.unwrap_or(FINISHED_NOT_READ)));
    }
    let Some(fresh) = input.fresh(as_of) else {
        return Err(unknown(TOO_OLD));
    };
    if let Some(other) = switched_off_by(input, &view.tasks) {
        return Err(match given_back_soon(input, other, &view.tasks) {
            Some(next) => busy(input, next, OFF_FOR_NOW),
            None => stale(input, other, "account is off"),
        });
    }
    if let Some(other) = view
        .tasks
        .iter()
        .find(|s| s.kind == Kind::Unknown && open_or_done(s) && input.may_be_earlier_than(s))
    {
        return Err(unknown("a later task is of a kind that nobody has named")
            .with("task", &other.id)
            .with("definition", &other.name));
    }
    let all = &view.tasks;
    if let Some(other) = all.iter().find(|s| closed_by_a_person(input, s, all)) {
        return Err(unknown("a later task that takes access was closed as unsuccessful, and no retry of it is shown: a person may have done the work")
            .with("task", &other.id)
            .with("definition", &other.name));
    }
    if let Some(other) = view.tasks.iter().find(|s| overtakes(input, s)) {
        let refusal = Refusal::new(RefusalReason::Overtaken, input.account_scope());
        let refusal = refusal
            .with("task", &other.id)
            .with("status", &other.status);
        return Err(refusal.for_person());
    }
    // of whom nothing is given anyway, nothing more is read
    let active = |person: &Person| person.status == UserStatus::Active;
    let on = if input.beneficiary.value().is_some_and(active) {
        is_on(input, view, as_of)
    } else {
        Ok(Some(fresh))
    };
    if let Err(refusal) = &on
        && refusal.reason == RefusalReason::StaleGrant
    {
        return on;
    }
    if input.history.stale && !view.tasks.iter().any(|s| explains(input, s)) {
        let refusal = Refusal::new(RefusalReason::StaleGrant, input.account_scope())
            .with(
                "because",
                "it was seen before, and the account shows no more",
            )
            .for_person();
        return Err(refusal);
    }
    let shown = on?;
    // without its status, what this account shows has to tell; one that is being made has nothing to show yet, and by its
    // status nothing has taken it since
    let kept = match shown {
        None if input.kind != Kind::Create => view.tasks.iter().any(|s| s.finished),
        Some(_) if input.kind == Kind::Create => true,
        _ => input.finished_shown,
    };
    if !kept {
        return Err(unknown(HIDDEN));
    }
    // where no status tells it, it hangs on finished tasks, of which the server may show the younger ones alone
    let hangs = shown.is_none() || input.kind == Kind::Grant;
    if hangs && input.dated && !is_all_shown(input, &view.tasks) {
        return Err(unknown(ARCHIVED));
    }
    Ok(shown.into_iter().chain([fresh]).min())
}

/// True where what was finished since the work was ordered is still shown. What takes an account or a row of it is done
/// after the account was made, so that whoever still shows that create shows it as well. What other accounts tell is
/// worked out with what is read of them.
pub(super) fn is_all_shown(input: &GuardInput<'_>, tasks: &[Sibling]) -> bool {
    // one that a list has shown open has ended since, whatever came in between
    let made = |s: &Sibling| {
        s.kind == Kind::Create
            && s.status == TaskStatus::Completed
            && s.child.is_none()
            && !s.seen_open
            && !input.may_be_earlier_than(s)
    };
    let since = input.since().at;
    let others = input.finished_from.is_some_and(|from| from <= since);
    tasks.iter().any(made) || (others && !input.elder.lost)
}

/// What an act that gives access rests on, for its record.
pub(super) fn rests(input: &GuardInput<'_>) -> Arc<[ReadValue]> {
    let mut out: Vec<ReadValue> = Vec::new();
    if !needs(input.kind, input.action).beneficiary {
        return Arc::default();
    }
    let mut add = |name: &str, value: &dyn Display, read: Timestamp| {
        let value = format!("{value} (read {read:.0})");
        out.push((Arc::from(name), Arc::from(value)));
    };
    if let Known::Yes { value, as_of } = input.beneficiary {
        add("beneficiary", &value.status.as_str(), *as_of);
    }
    if let (Known::Yes { value, as_of }, Some(process)) = (input.standing, &input.task.process) {
        match value.of(process) {
            OfAccount::Status(status) => add("account", status, *as_of),
            OfAccount::Missing => add("account", &"not among the person's", *as_of),
            OfAccount::NoStatus => add("account", &"no status shown", *as_of),
            OfAccount::NotTold => add("account", &"not told among the person's", *as_of),
        }
        if let Some(end) = &value.end {
            add("end_date", &end.shown, *as_of);
        }
    }
    if let Known::Yes { value, as_of } = input.account {
        let finished = value.tasks.iter().filter(|other| other.finished).count();
        let tasks = format!("{}, {finished} of them finished", value.tasks.len());
        add("other_tasks", &tasks, *as_of);
    }
    Arc::from(out)
}

/// Whether the account is on, as its person's accounts show it, and since when that is known; `None` where the
/// server shows no status.
fn is_on(
    input: &GuardInput<'_>,
    view: &AccountView,
    read: Timestamp,
) -> Result<Option<Fresh>, Refusal> {
    let Some(process) = &input.task.process else {
        return Ok(None);
    };
    let unknown = |why: &str| {
        let refusal = Refusal::new(RefusalReason::AccountUnknown, input.account_scope());
        asked_or_person(refusal, why)
    };
    let (standing, as_of) = match input.standing {
        Known::Yes { value, as_of } => (value, *as_of),
        Known::No { why } if &**why == NOT_ASKED => return Err(unknown(STATUS_NOT_READ)),
        Known::No { why } => return Err(unknown(why)),
    };
    let Some(fresh) = input.fresh(as_of) else {
        return Err(unknown(TOO_OLD));
    };
    let of = standing.of(process);
    if !of.is_good() && as_of < read {
        return Err(unknown(MOVED));
    }
    let status = match of {
        OfAccount::NoStatus => return Ok(None),
        // what is yet to be made need not be there
        OfAccount::Missing | OfAccount::NotTold if input.kind == Kind::Create => return Ok(None),
        OfAccount::Missing => {
            return Err(unknown(
                "the accounts that the server shows of the beneficiary do not hold it",
            ));
        }
        OfAccount::NotTold => {
            return Err(unknown(
                "the server does not show the beneficiary's accounts, or not all of them with their keys",
            ));
        }
        OfAccount::Status(status) => status,
    };
    match status.state() {
        AccountState::On => Ok(Some(fresh)),
        AccountState::NotYet if input.kind == Kind::Create => Ok(Some(fresh)),
        // that it is off is what an enable is for, where a disable from before it is still shown: else one from
        // after it may have been archived. One that our own retry has carried out only now tells nothing of that
        AccountState::Off if input.kind == Kind::Enable => {
            let before = |s: &Sibling| took_account(s) && !input.may_be_earlier_than(s);
            let ours = |s: &Sibling| took_account(s) && ordered_before(input, s);
            let tasks = &view.tasks;
            let all = tasks.iter().any(before)
                || (tasks.iter().any(ours) && input.dated && is_all_shown(input, tasks));
            match all {
                true => Ok(Some(fresh)),
                false => Err(unknown(
                    "the account is off, and what took it from before this task is not shown: one from after it may be archived",
                )
                .with("account", status)),
            }
        }
        // an older order to take it is being carried out
        AccountState::Off | AccountState::Revoked
            if view.tasks.iter().any(|s| is_taking(input, s)) =>
        {
            Err(unknown(MOVED).with("account", status))
        }
        AccountState::Off | AccountState::Revoked => {
            let refusal = Refusal::new(RefusalReason::StaleGrant, input.account_scope())
                .with("because", "account is off")
                .with("account", status);
            Err(refusal.for_person())
        }
        AccountState::NotYet => {
            Err(unknown("the account is not there yet").with("account", status))
        }
        AccountState::Unknown => Err(unknown(
            "the account's status is a word that nobody has explained",
        )
        .with("account", status)),
    }
}

/// An attempt of ours on an older order to take the whole account that is not settled.
fn is_taking(input: &GuardInput<'_>, other: &Sibling) -> bool {
    let whole = other.kind.takes_access() && other.child.is_none();
    let under_way = other.attempt_open && !other.status.is_finished() && !input.is_later(other);
    whole && (under_way || other.unsettled)
}

/// A done task that took the whole account.
fn took_account(other: &Sibling) -> bool {
    other.status.is_done() && other.child.is_none() && other.kind.takes_access()
}

/// So old is work that takes access and may have been overtaken by a person's return; what is younger waits for no
/// reading.
const LONG_OPEN: SignedDuration = SignedDuration::from_hours(24);

/// True for work that takes access and is so old that its account is read first.
pub fn is_long_open(origin: Timestamp, now: Timestamp) -> bool {
    now.duration_since(origin) >= LONG_OPEN
}

/// What takes access waits for nothing, and yet is asked about where a later task has given it again: a person who
/// came back would lose it to an order from before. What can't be read holds up no revoke, and a young one is judged
/// by what is known.
fn given_again(input: &GuardInput<'_>) -> Result<(), Refusal> {
    let Known::Yes { value, as_of } = input.account else {
        return Ok(());
    };
    let gave = |s: &&Sibling| {
        let whole = matches!(s.kind, Kind::Create | Kind::Enable) && s.child.is_none();
        let row = s.kind == Kind::Grant && s.child.is_some() && s.child == input.row();
        (if input.row().is_some() { row } else { whole })
            && s.status.may_be_done()
            && (input.elder.lost || (input.dated && input.is_later(s)))
    };
    if let Some(other) = value.tasks.iter().find(gave) {
        return Err(stale(input, other, "given again since"));
    }
    let not_yet = |why: &str| {
        Refusal::new(RefusalReason::AccountUnknown, input.account_scope()).with("why", why)
    };
    let waits = input.seen_late || is_long_open(input.origin, input.now);
    match (value.from_process, &input.unread) {
        _ if !waits => {}
        (true, _) if input.fresh(*as_of).is_none() => return Err(not_yet(TOO_OLD)),
        (false, None) => return Err(not_yet(FINISHED_NOT_READ)),
        _ => {}
    }
    if input.history.stale {
        let refusal = Refusal::new(RefusalReason::StaleGrant, input.account_scope())
            .with("because", "access was seen as given again since");
        return Err(refusal.for_person());
    }
    // what can't be read holds up nothing here either
    match value.from_process {
        true => returns::followed(input, &value.tasks),
        false => Ok(()),
    }
}

/// Who is gone, by OIG's own word, has not come back: whatever was done in his account since, what takes it from him is
/// asked about no more. That is read before a person is asked.
fn gone_or(input: &GuardInput<'_>, why: Refusal) -> Result<(), Refusal> {
    // what is only not read yet is read first
    if !why.needs_person {
        return Err(why);
    }
    let not_yet = |why: &str| {
        Refusal::new(RefusalReason::BeneficiaryUnknown, input.task_scope()).with("why", why)
    };
    if ended(input).is_some() {
        return Ok(());
    }
    // a young one is judged by what is known
    let reads = input.seen_late || is_long_open(input.origin, input.now);
    match input.beneficiary {
        Known::Yes { as_of, .. } if input.fresh(*as_of).is_none() && reads => Err(not_yet(TOO_OLD)),
        Known::Yes { value, as_of } if input.fresh(*as_of).is_some() => match value.status {
            UserStatus::Disabled | UserStatus::Deleted => Ok(()),
            _ => Err(why),
        },
        Known::No { why } if &**why == NOT_ASKED && reads => Err(not_yet(NOT_ASKED)),
        _ => Err(why),
    }
}

/// True for a task that tells why what was stale is so no more: a later one has given the same again. What gives the
/// account back gives back no row of it; and a revoke that did not come about is not known to be the one that was seen.
/// The server forgets finished tasks; that nothing is shown tells nothing.
fn explains(input: &GuardInput<'_>, other: &Sibling) -> bool {
    let gave = match (input.kind, input.row()) {
        (Kind::Grant, None) => false,
        (_, Some(row)) => other.kind == Kind::Grant && other.child == Some(row),
        _ => other.child.is_none() && matches!(other.kind, Kind::Create | Kind::Enable),
    };
    gave && other.status.is_done() && input.dated && !input.elder.lost && input.is_later(other)
}

/// A revoke or disable that was closed as UC, by no retry that is shown: OIG tells people to close so what they have
/// done by hand.
fn closed_by_a_person(input: &GuardInput<'_>, other: &Sibling, all: &[Sibling]) -> bool {
    let comes_after = |next: &Sibling| match (next.id.number(), other.id.number()) {
        (Some(next), Some(other)) => next > other,
        _ => next.origin > other.origin,
    };
    let replaces = |next: &Sibling| {
        let row = next.child == other.child || next.child.is_none() || other.child.is_none();
        let same = next.kind == other.kind
            && next.name.trim().eq_ignore_ascii_case(other.name.trim())
            && row;
        same && next.status != TaskStatus::Cancelled && comes_after(next)
    };
    other.status == TaskStatus::UnsuccessfullyCompleted
        && other.kind.takes_access()
        && takes_from(input, other)
        && input.may_be_earlier_than(other)
        && !all.iter().any(replaces)
}

/// True for a newer change of the same attribute or row that is done, or closed and nobody can tell how: the older one
/// would be written over it.
fn overtakes(input: &GuardInput<'_>, other: &Sibling) -> bool {
    matches!(input.kind, Kind::Change | Kind::Password)
        && other.kind == input.kind
        && other.status.may_be_done()
        && input.dated
        && input.is_later(other)
        && same_row(input, other)
}

fn stale(input: &GuardInput<'_>, other: &Sibling, how: &str) -> Refusal {
    Refusal::new(RefusalReason::StaleGrant, input.account_scope())
        .with("because", how)
        .with("task", &other.id)
        .with("kind", other.kind)
        .with("status", &other.status)
        // it stays open for ever unless somebody ends it
        .for_person()
}

fn busy(input: &GuardInput<'_>, other: &Sibling, why: &str) -> Refusal {
    Refusal::new(RefusalReason::AccountBusy, input.account_scope())
        .with("task", &other.id)
        .with("definition", &other.name)
        .with("status", &other.status)
        .with("why", why)
}

fn open_or_done(sibling: &Sibling) -> bool {
    sibling.status.may_be_done() || !sibling.status.is_finished()
}

fn later_opposite(input: &GuardInput<'_>, other: &Sibling) -> bool {
    other.kind.takes_access()
        && open_or_done(other)
        && input.may_be_earlier_than(other)
        && !ordered_before(input, other)
        && takes_from(input, other)
}

/// True where it is surely what our own retry of an order has made that is older than this work: it was done only now,
/// and yet does not undo what was ordered after it.
fn ordered_before(input: &GuardInput<'_>, other: &Sibling) -> bool {
    let before = other.ordered.is_some_and(|at| at < input.since().at);
    before && input.dated && !input.elder.lost
}

/// The open task that gives the account back, ordered after the order that has taken it, where that is older than this
/// work: it waits for what was ordered before it, and is not stale.
fn given_back_soon<'a>(
    input: &GuardInput<'_>,
    off: &Sibling,
    tasks: &'a [Sibling],
) -> Option<&'a Sibling> {
    let own = (!input.may_be_earlier_than(off)).then_some(off.origin);
    let ordered = off.ordered.filter(|_| ordered_before(input, off)).or(own)?;
    tasks.iter().find(|s| {
        let gives = matches!(s.kind, Kind::Create | Kind::Enable) && s.child.is_none();
        gives && !s.status.is_finished() && !s.ambiguous && s.origin > ordered
    })
}

/// True where the revoke is about the account, or about the row that this task gives. A revoke that
/// shows its child row takes that row only; a grant that does not show its own may be that row.
fn takes_from(input: &GuardInput<'_>, other: &Sibling) -> bool {
    match (&other.child, &input.row()) {
        (None, _) => true,
        (Some(theirs), Some(ours)) => theirs == ours,
        (Some(_), None) => input.kind == Kind::Grant,
    }
}

/// The done task that left the account revoked or disabled, if the last such task says so. A create
/// and an enable are what ends that state, so an earlier one does not make them stale.
fn switched_off_by<'a>(input: &GuardInput<'_>, tasks: &'a [Sibling]) -> Option<&'a Sibling> {
    if matches!(input.kind, Kind::Create | Kind::Enable) {
        return None;
    }
    tasks
        .iter()
        // what nobody can tell to be done counts as done where it takes access alone
        .filter(|s| s.status.is_done() || (s.kind.takes_access() && s.status.may_be_done()))
        .filter(|s| s.child.is_none())
        .filter(|s| {
            matches!(
                s.kind,
                Kind::Create | Kind::Enable | Kind::Revoke | Kind::Disable
            )
        })
        .max_by(|a, b| older_first(a, b))
        .filter(|last| last.kind.takes_access())
}

/// Order by origin, then by the lineages' first ids; where even that is equal, what takes access counts as later.
fn older_first(a: &Sibling, b: &Sibling) -> Ordering {
    a.origin
        .cmp(&b.origin)
        .then_with(|| match (a.first_number(), b.first_number()) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => a.id.cmp_numeric(&b.id),
        })
        .then_with(|| a.kind.takes_access().cmp(&b.kind.takes_access()))
}
