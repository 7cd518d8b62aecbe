//! Claims found open at start: nothing is sent before they were read, nor for ever because one of them can't be; it never calls one settled.

use std::collections::HashSet;

use jiff::Timestamp;

use super::account::RowState;
use super::core::Core;
use crate::dispatch::verify::{self, Round, Witness};
use crate::ledger::{Index, VerifyItem};
use crate::model::{LineageId, Login, Snapshot};
use crate::oig::LoginState;

/// Rounds of readings after start, in each of which the server answered for others, before one that
/// can't be read no longer holds up the rest.
const START_ROUNDS: u32 = 5;

/// A task of the list whose account no attempt holds: where it can be read and a claim can't, the
/// trouble is the claim's. Each cycle takes another one, since any of them may be broken as well.
pub fn witness(
    snapshot: &Snapshot,
    states: &[Option<RowState>],
    index: &Index,
    cycle: u64,
) -> Option<Witness> {
    let rows = snapshot.tasks.len();
    let from = usize::try_from(cycle).ok()?.checked_rem(rows)?;
    (from..rows)
        .chain(0..from)
        .filter(|row| states[*row].is_some_and(|state| !state.attempt_open))
        .filter(|row| snapshot.further(*row).is_none())
        .map(|row| &snapshot.tasks[row])
        .find(|task| {
            let held = |process| index.is_open_on(process);
            !task.process.as_ref().is_some_and(held)
        })
        .map(|task| Witness {
            task: task.id.clone(),
            process: task.process.clone(),
        })
}

impl Core {
    /// The witness, while it has something to tell: a claim of the start was asked for in vain.
    pub fn witness_asked(&self) -> Option<Witness> {
        let doubt = !self.settled_at_start && !self.start_unread.is_empty();
        self.witness.clone().filter(|_| doubt)
    }

    /// Sending begins once every claim found open at start was answered: read, or not found. One that
    /// can't be read is tried again; after some rounds in which the server answered for others, and
    /// `settle_after` since start, it is left to its later looks, with its account held. Where nothing
    /// can be read, nothing is sent (invariant 4).
    pub fn start_settled(&mut self, now: Timestamp, round: &Round) {
        if self.settled_at_start {
            return;
        }
        let barred = round.barred.iter().map(|(item, _)| (item.clone(), 0));
        self.start_barred.extend(barred);
        let failed = || round.failed.iter().map(|(item, _)| item);
        self.looks_left.extend(failed().cloned());
        self.start_unread.extend(failed().map(|item| item.lineage));
        if !self.looks.is_empty() {
            return;
        }
        if self.looks_left.is_empty() {
            self.settled_at_start = true;
            if !round.barred.is_empty() {
                tracing::error!(
                    not_read = round.barred.len(),
                    "some claims found open at start were sent by a login that can't read now; their accounts stay held (`provtaskd inbox`), and sending begins for the others"
                );
                return;
            }
            tracing::info!(
                "every claim found open at start was read: none of them holds up sending any more"
            );
            return;
        }
        let answers = round.answers && !round.error.as_ref().is_some_and(verify::gone);
        if answers {
            self.start_rounds = self.start_rounds.saturating_add(1);
        }
        let left = self.looks_left.iter();
        let tried = left
            .filter(|item| self.start_unread.contains(&item.lineage))
            .count();
        // rounds may follow each other fast, and a server that starts as well takes its time
        let waited = now.duration_since(self.started) >= self.settings.delivery.settle_after;
        let enough = waited && self.start_rounds >= START_ROUNDS;
        // one that no round has come to may be readable
        if answers && enough && tried == self.looks_left.len() {
            self.settled_at_start = true;
            self.looks_left.clear();
            tracing::error!(
                not_read = tried,
                "some claims found open at start can't be read; their accounts stay held (`provtaskd inbox`), sending begins for the others"
            );
        } else {
            tracing::error!(
                not_read = self.looks_left.len(),
                "claims found open at start could not be read; nothing is sent until they are, or a person says what became of them (`provtaskd outcomes settle`)"
            );
        }
    }

    /// What was found open at start, and its login could not read then, holds that login up no more once it was read.
    /// One that can't be read does so for as many rounds as at start; its login's list was read before each of them.
    pub fn barred_read(&mut self, items: &[VerifyItem], round: &Round) {
        let of = |items: &[(VerifyItem, String)]| -> HashSet<LineageId> {
            items.iter().map(|(item, _)| item.lineage).collect()
        };
        let (failed, mut left) = (of(&round.failed), of(&round.barred));
        left.extend(round.rest.iter().map(|item| item.lineage));
        let asked: HashSet<LineageId> = items.iter().map(|item| item.lineage).collect();
        self.start_barred.retain_mut(|(item, rounds)| {
            if !asked.contains(&item.lineage) || left.contains(&item.lineage) {
                return true;
            }
            *rounds += 1;
            failed.contains(&item.lineage) && *rounds < START_ROUNDS
        });
    }

    /// True where this login (`None`: the main one) has to read first what it had sent before the start.
    pub fn reads_first(&self, login: Option<&Login>) -> bool {
        let mut barred = self.start_barred.iter();
        barred.any(|(item, _)| item.login.as_ref() == login)
    }

    /// What was found open at start, and its login can read now.
    fn barred_to_read(&self) -> Vec<VerifyItem> {
        let items = self.start_barred.iter().map(|(item, _)| item);
        let can_read = |item: &&VerifyItem| {
            let client = match &item.login {
                None => Some(&self.client),
                Some(login) => self.logins.of(login),
            };
            client.is_some_and(|client| client.login_state() == LoginState::Ok)
        };
        items.filter(can_read).cloned().collect()
    }

    /// What was read while the server's data were in doubt told nothing: it is still to be read, also
    /// where this is the start's.
    pub fn read_in_vain(&mut self, items: Vec<VerifyItem>) {
        let left = std::mem::take(&mut self.looks_left);
        let asked = left.iter().map(|item| item.lineage).collect();
        self.looks_left = left;
        self.looks_left.extend(left_over(items, asked, |_| true));
    }

    /// What is to be read singly now; at start, also what readings that stopped early did not come to.
    pub fn take_looks(&mut self, looks: Vec<VerifyItem>) {
        let mut left = std::mem::take(&mut self.looks_left);
        let unread = std::mem::replace(&mut self.looks, looks);
        if self.settled_at_start {
            let asked = self.looks.iter().map(|item| item.lineage).collect();
            let barred = left_over(self.barred_to_read(), asked, |_| true);
            self.looks.extend(barred);
            return;
        }
        left.extend(unread);
        let asked = self.looks.iter().map(|item| item.lineage).collect();
        // a person may have said meanwhile what became of one
        let ledger = self.ledger.clone();
        let open = |item: &VerifyItem| {
            ledger.read(|index| {
                index
                    .open_attempt(item.lineage)
                    .is_some_and(|attempt| attempt.ordinal == item.ordinal)
            })
        };
        self.looks.extend(left_over(left, asked, open));
        // one that ends every round must not keep it from those that were not asked for yet
        self.looks
            .sort_by_key(|item| self.start_unread.contains(&item.lineage));
        self.settled_at_start = self.looks.is_empty() && !self.looking;
    }
}

/// Items that are still to be read, each once, but for those that are asked for anyway.
fn left_over(
    items: Vec<VerifyItem>,
    mut asked: HashSet<LineageId>,
    open: impl Fn(&VerifyItem) -> bool,
) -> impl Iterator<Item = VerifyItem> {
    items
        .into_iter()
        .filter(move |item| open(item) && asked.insert(item.lineage))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TaskId;

    fn item(of: u64) -> VerifyItem {
        VerifyItem {
            lineage: LineageId(of),
            ordinal: 1,
            task: TaskId::new("90"),
            process: None,
            login: None,
            read_process: false,
            due: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn what_was_not_read_stays_to_be_read_once() {
        let asked = HashSet::from([LineageId(2)]);
        let items = [1, 2, 3, 1, 4].map(item).to_vec();
        let open = |item: &VerifyItem| item.lineage != LineageId(4);
        let left: Vec<u64> = left_over(items, asked, open).map(|i| i.lineage.0).collect();
        assert_eq!(left, [1, 3]);
    }
}
