//! All that the journal says, in memory: changed only by applying events, so that replaying the journal rebuilds it exactly.

mod apart;
mod apply;
mod attempt;
mod backlog;
mod compact;
mod ends;
mod getters;
mod handed;
mod held;
mod justified;
mod late;
mod learned;
mod left;
mod open;
mod ours;
mod parts;
mod print;
mod released;
mod step;
mod sums;
mod untouched;
mod used;
mod worlds;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use crate::model::hash::FastMap;
use crate::model::task::DefinitionId;
use crate::model::{
    ActionName, AttemptState, Digest, LineageId, Login, Mode, OrderRelease, Owner, PolicyHash,
    Scope, TargetName, TaskId,
};

pub(in crate::ledger) use apart::Made;
#[cfg(test)]
pub(in crate::ledger) use attempt::Sent;
pub use attempt::{Attempt, FoundAt};
pub(in crate::ledger) use compact::{Lineage, Past, flags};
pub use compact::{Short, Stamp, TaskRef};
pub use ends::{Lonely, Outage};
pub use getters::{BaselineView, Counts, InboxItem, Memo};
pub use handed::Unlisted;
pub use justified::{Justifications, Unjustified};
pub use left::{LEFT_REWOUND, Left};
pub use ours::Retried;
pub(in crate::ledger) use print::decided_print;
pub use print::said_print;

/// What a pause holds for.
pub type PauseScope = Scope;

/// What was on record as later than now, in numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ahead {
    /// Attempts that are open, or gone without a trace.
    pub attempts: usize,
    /// Pieces of work.
    pub lineages: usize,
}

/// What became of a hold.
#[derive(Clone, PartialEq, Debug)]
pub enum HoldState {
    /// Waits for a person.
    Open,
    /// Approved until a time.
    Approved {
        /// End of the approval.
        until: Timestamp,
    },
    /// Rejected.
    Rejected,
}

/// Acts over a cap that wait for a person.
#[derive(Clone, PartialEq, Debug)]
pub struct Hold {
    /// Binds what follows.
    pub id: Digest,
    /// The action.
    pub action: ActionName,
    /// The target.
    pub target: TargetName,
    /// The policy set that wanted it.
    pub policy: PolicyHash,
    /// The ids.
    pub tasks: Vec<TaskId>,
    /// When it was opened.
    pub since: Timestamp,
    /// What became of it.
    pub state: HoldState,
}

/// A learned "not automated".
#[derive(Clone, PartialEq, Debug)]
pub(in crate::ledger) struct Manual {
    pub since: Timestamp,
    pub reason: Arc<str>,
}

/// A pause by a person.
#[derive(Clone, PartialEq, Debug)]
pub struct Pause {
    /// End; `None`: until resumed.
    pub until: Option<Timestamp>,
    /// The person's words.
    pub reason: Arc<str>,
    /// Since when.
    pub since: Timestamp,
    /// The uid of whoever ordered it; `None` where no person did.
    pub by: Option<u32>,
}

/// What is known of a store that was rewound, beside the interval.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Restored {
    /// From what a person made the store, where one did.
    pub from: Option<Arc<str>>,
    /// Lineages that went on behind the last record, as far as they are known.
    pub lineages: Vec<LineageId>,
    /// Lineages that were not done at the last record that was there.
    pub unfinished: u64,
    /// When that was found.
    pub since: Timestamp,
}

/// A refused login.
#[derive(Clone, PartialEq, Debug)]
pub struct Stopped {
    /// Since when.
    pub since: Timestamp,
    /// Digest of the secret that failed.
    pub secret: Option<Digest>,
    /// What the server said.
    pub why: Arc<str>,
}

/// The state of everything, as the journal says.
#[derive(Clone, Debug, Default)]
pub struct Index {
    pub(in crate::ledger) last_seq: u64,
    pub(in crate::ledger) head: Option<Digest>,
    pub(in crate::ledger) store_id: Option<String>,
    pub(in crate::ledger) fingerprint: Option<String>,
    pub(in crate::ledger) rewound: Option<(u64, u64)>,
    /// What is known of that beside the two numbers.
    pub(in crate::ledger) restored: Option<Restored>,
    /// What was missing or unreadable when the store was last found rewound; settled with it.
    pub(in crate::ledger) damage: Option<Digest>,
    /// Since when, and by what, the server's data are not those that are known here.
    pub(in crate::ledger) other_world: Option<(Timestamp, Arc<str>)>,
    /// The store was bound to another server than it was, and nobody has looked yet.
    pub(in crate::ledger) moved: bool,
    /// The highest id that is a number.
    pub(in crate::ledger) top: u64,
    /// Lineage `L` is at `L - 1`.
    pub(in crate::ledger) lineages: Vec<Lineage>,
    pub(in crate::ledger) by_task: FastMap<TaskRef, u32>,
    /// Since when no list shows those that left, with what else is known of it.
    pub(in crate::ledger) left: FastMap<LineageId, left::Left>,
    /// The last lineage that was known when the store was last found rewound, until all up to it were looked
    /// through.
    pub(in crate::ledger) lost_up_to: Option<LineageId>,
    /// When a person has last let attempts count from zero, and with that ended a doubt; of records that are kept.
    pub(in crate::ledger) reset_at: FastMap<LineageId, compact::Stamp>,
    /// Ids that were taken from their lineages and that nobody has yet.
    pub(in crate::ledger) reused: FastMap<TaskRef, LineageId>,
    /// Each by itself: a table is up to twice as large as what is in it.
    pub(in crate::ledger) attempts: FastMap<LineageId, Box<Attempt>>,
    pub(in crate::ledger) counts: BTreeMap<AttemptState, u64>,
    /// Attempts that a person has called completed.
    pub(in crate::ledger) by_word: u64,
    pub(in crate::ledger) targets: compact::Interner<TargetName>,
    pub(in crate::ledger) definitions: compact::Interner<DefinitionId>,
    pub(in crate::ledger) owners: compact::Interner<Owner>,
    pub(in crate::ledger) manual: BTreeMap<DefinitionId, Manual>,
    pub(in crate::ledger) pauses: HashMap<Scope, Pause>,
    pub(in crate::ledger) holds: BTreeMap<Digest, Hold>,
    pub(in crate::ledger) mode: Option<Mode>,
    /// The words that came with it.
    pub(in crate::ledger) mode_words: Option<Arc<str>>,
    pub(in crate::ledger) policies: BTreeMap<PolicyHash, (Digest, Timestamp)>,
    /// The policy set that was loaded last.
    pub(in crate::ledger) in_force: Option<PolicyHash>,
    pub(in crate::ledger) released: HashMap<PolicyHash, (Timestamp, Arc<str>)>,
    pub(in crate::ledger) baseline: Option<(LineageId, Timestamp)>,
    /// Further logins whose own backlog was taken, and when.
    pub(in crate::ledger) baseline_of: BTreeMap<Login, Timestamp>,
    /// For which tasks a piece of work need not wait any more, by a person's word.
    pub(in crate::ledger) orders: BTreeMap<LineageId, Vec<OrderRelease>>,
    pub(in crate::ledger) justifications: Justifications,
    pub(in crate::ledger) stopped: BTreeMap<Login, Stopped>,
    pub(in crate::ledger) governor: parts::Stored,
    /// What was claimed since that was stored: by action, target, and whether it takes access away.
    pub(in crate::ledger) claimed_since: BTreeMap<(ActionName, TargetName, bool), u32>,
    /// Of these the tasks of what is no retry: an approval of a person may have let them go.
    pub(in crate::ledger) used_since: Vec<(ActionName, TargetName, TaskId)>,
    pub(in crate::ledger) server_until: Option<Timestamp>,
    /// Requests in a row that ended without a clear answer.
    pub(in crate::ledger) ends: ends::Ends,
    /// Targets, by number, that have shown the result of a retry under the id that was retried.
    pub(in crate::ledger) keep_ids: BTreeSet<u32>,
    pub(in crate::ledger) kept: FastMap<compact::Short, u64>,
    /// Sums over `attempts`, moved with them.
    pub(in crate::ledger) open: open::Open,
    /// By the number of the target: how late the successors came that were joined by likeness alone.
    pub(in crate::ledger) delays: FastMap<u32, Vec<apart::Delay>>,
    /// What was told and may still be carried out.
    pub(in crate::ledger) late: late::Late,
    /// What was handed to people, and is theirs as far as is known.
    pub(in crate::ledger) handed: FastMap<LineageId, handed::Handed>,
}

impl PartialEq for Index {
    fn eq(&self, other: &Self) -> bool {
        self.last_seq == other.last_seq
            && self.head == other.head
            && self.store_id == other.store_id
            && self.fingerprint == other.fingerprint
            && self.rewound == other.rewound
            && self.restored == other.restored
            && self.damage == other.damage
            && self.other_world == other.other_world
            && self.moved == other.moved
            && self.lineages == other.lineages
            && self.by_task == other.by_task
            && self.left == other.left
            && self.lost_up_to == other.lost_up_to
            && self.reused == other.reused
            && self.attempts == other.attempts
            && self.counts == other.counts
            && self.by_word == other.by_word
            && self.manual == other.manual
            && self.pauses == other.pauses
            && self.holds == other.holds
            && self.mode == other.mode
            && self.mode_words == other.mode_words
            && self.policies == other.policies
            && self.in_force == other.in_force
            && self.released == other.released
            && self.baseline == other.baseline
            && self.baseline_of == other.baseline_of
            && self.orders == other.orders
            && self.justifications == other.justifications
            && self.stopped == other.stopped
            && self.governor == other.governor
            && self.claimed_since == other.claimed_since
            && self.used_since == other.used_since
            && self.server_until == other.server_until
            && self.ends == other.ends
            && self.keep_ids == other.keep_ids
            && self.kept == other.kept
            && self.open == other.open
            && self.delays == other.delays
            && self.late == other.late
            && self.handed == other.handed
    }
}
