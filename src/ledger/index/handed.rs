//! Who has handed over work, as the lineages' former owners tell, and what was handed to whom by ourselves and is shown by no list since; it concludes nothing of what became of that.

use jiff::{SignedDuration, Timestamp};

use super::{Index, Stamp};
use crate::ledger::record::{ClaimItem, SeenItem};
use crate::model::hash::FastSet;
use crate::model::{
    Action, AttemptState, LineageId, Login, Owner, Principal, TaskId, TaskStatus, UserKey,
};

/// So long a hand-over is remembered at most; `guard.handed_for` is never longer.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(30 * 24);

/// A piece of work that was handed to a person by us.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(in crate::ledger) struct Handed {
    /// The number of the person, among the owners.
    to: u32,
    /// The attempt.
    ordinal: u32,
    /// When it was claimed, then when it was told to be done.
    at: Stamp,
    /// It was done, or may have been: its id left the list, and nothing says why.
    done: bool,
    /// A list has shown it as that person's since: what becomes of it lists tell.
    listed: bool,
}

/// Work that was handed to a person, and that no list has shown as his since.
#[derive(Clone, Debug)]
pub struct Unlisted<'a> {
    /// Its task.
    pub task: TaskId,
    /// Whose it is.
    pub login: &'a Login,
    /// The key under which he got it.
    pub key: Option<&'a UserKey>,
    /// When it was told to be his.
    pub at: Timestamp,
    /// Lists have shown other work as his that he was handed.
    pub others_listed: bool,
}

impl Index {
    /// How many of these people had work once that was handed to somebody else.
    pub fn gave_work(&self, people: &FastSet<&Login>) -> usize {
        let mut gave: FastSet<&Login> = FastSet::default();
        if people.is_empty() {
            return 0;
        }
        let pasts = self.lineages.iter().filter_map(|of| of.past.as_ref());
        for owner in pasts.flat_map(|past| &past.owners) {
            if let Some(Owner::User {
                login: Some(login), ..
            }) = self.owners.get(*owner)
                && people.contains(login)
            {
                gave.insert(login);
            }
        }
        gave.len()
    }

    /// What we have handed to people since then and no list has shown as theirs, nor as anybody else's: where a login
    /// sees its own tasks alone, no list ever will.
    pub fn handed_unlisted(&self, since: Timestamp) -> impl Iterator<Item = Unlisted<'_>> {
        let since = Stamp::from(since);
        let counts = move |of: &Handed| of.done && !of.listed && of.at >= since;
        let listed: FastSet<u32> = (self.handed.values())
            .filter_map(|of| of.listed.then_some(of.to))
            .collect();
        self.handed.iter().filter_map(move |(lineage, of)| {
            let of = Some(of).filter(|of| counts(of))?;
            let Owner::User {
                key,
                login: Some(login),
            } = self.owners.get(of.to)?
            else {
                return None;
            };
            Some(Unlisted {
                task: TaskId::from(&self.lineage(*lineage)?.task),
                login,
                key: key.as_ref(),
                at: of.at.time(),
                others_listed: listed.contains(&of.to),
            })
        })
    }

    /// True where the work was handed to a person by us, and that is done.
    pub fn is_handed_away(&self, lineage: LineageId) -> bool {
        self.handed.get(&lineage).is_some_and(|of| of.done)
    }

    /// True where we have handed the work to a person of late, or it has had another owner than its present one.
    pub(in crate::ledger) fn was_handed(&self, lineage: LineageId) -> bool {
        let past = self.lineage(lineage).and_then(|of| of.past.as_ref());
        self.handed.contains_key(&lineage) || past.is_some_and(|past| !past.owners.is_empty())
    }

    /// A hand-over is claimed.
    pub(super) fn hand_over(&mut self, item: &ClaimItem, at: Stamp) {
        let Action::Reassign { to } = &item.action else {
            return;
        };
        let Principal::User { key, login } = to else {
            return;
        };
        let oldest = Stamp::from(
            at.time()
                .saturating_sub(REMEMBERED)
                .unwrap_or(Timestamp::MIN),
        );
        self.handed.retain(|_, of| of.at >= oldest);
        let to = self.owners.put(&Owner::User {
            key: key.clone(),
            login: Some(login.clone()),
        });
        let handed = Handed {
            to,
            ordinal: item.ordinal,
            at,
            done: false,
            listed: false,
        };
        self.handed.insert(item.lineage, handed);
    }

    /// A hand-over is told.
    pub(super) fn handed_over(
        &mut self,
        lineage: LineageId,
        ordinal: u32,
        became: AttemptState,
        at: Stamp,
    ) {
        let may_be_his = matches!(became, AttemptState::Completed | AttemptState::Gone);
        match self.handed.get_mut(&lineage) {
            Some(of) if of.ordinal == ordinal && may_be_his => (of.done, of.at) = (true, at),
            Some(of) if of.ordinal == ordinal => {
                self.handed.remove(&lineage);
            }
            // to a role, after it had been somebody's
            Some(_) if became == AttemptState::Completed => {
                self.handed.remove(&lineage);
            }
            _ => {}
        }
    }

    /// A row shows work that was handed over: as his to whom it was, as another's, or finished.
    pub(super) fn handed_is_shown(&mut self, item: &SeenItem, at: Stamp) {
        let Some(of) = self.handed.get_mut(&item.lineage) else {
            return;
        };
        let owner = item.owner.as_ref();
        let is_his = |owner| self.owners.get(of.to).is_some_and(|to| is_same(to, owner));
        match owner.map(is_his) {
            Some(true) => of.listed |= !item.by_id,
            Some(false) if of.done && at > of.at => {
                self.handed.remove(&item.lineage);
                return;
            }
            _ => {}
        }
        if TaskStatus::parse(&item.status).is_finished() {
            self.handed.remove(&item.lineage);
        }
    }
}

/// The same person, by login or by key.
fn is_same(one: &Owner, other: &Owner) -> bool {
    match (one, other) {
        (
            Owner::User { key, login },
            Owner::User {
                key: other_key,
                login: other_login,
            },
        ) => (login.is_some() && login == other_login) || (key.is_some() && key == other_key),
        _ => false,
    }
}
