//! What can have happened: the body of an event and its items; values only, no judgement.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{before, shared, sights};
use crate::ledger::lineage::KnownBy;
use crate::ledger::ran::RunMark;
use crate::model::alike::Step;
use crate::model::{
    Action, ActionName, BatchId, DefKey, Digest, Kind, LineageId, Login, Mode, OrderRelease,
    Outcome, Owner, PolicyHash, ProcessKey, ReadValue, ReceiptStatus, Refusal, Scope, TargetName,
    TaskId, Verdict, task::DefinitionId,
};

/// How an id came to belong to a lineage.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// The server's retry link says so.
    Link,
    /// The one higher id of the same process, definition, user and child row.
    Successor,
    /// The same, found by reading the process.
    Process,
    /// By any of these, while no attempt of ours explains it: OIG's own job or an admin acted.
    Foreign,
    /// A person said so.
    Person,
}

/// First sight of a piece of work; since version 9 it is written as `sights` says.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct OpenedItem {
    /// Our id.
    #[serde(rename = "l")]
    pub lineage: LineageId,
    /// OIG's id.
    #[serde(rename = "t")]
    pub task: TaskId,
    /// Creation time by the server's clock.
    #[serde(rename = "c", skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// What it does.
    #[serde(rename = "k")]
    pub kind: Kind,
    /// Target.
    #[serde(rename = "g", skip_serializing_if = "Option::is_none")]
    pub target: Option<TargetName>,
    /// Definition key.
    #[serde(rename = "dk", skip_serializing_if = "Option::is_none")]
    pub definition: Option<DefKey>,
    /// Definition name.
    #[serde(rename = "dn", skip_serializing_if = "Option::is_none")]
    pub name: Option<Arc<str>>,
    /// Account.
    #[serde(rename = "p", skip_serializing_if = "Option::is_none")]
    pub process: Option<ProcessKey>,
    /// Beneficiary.
    #[serde(rename = "u", skip_serializing_if = "Option::is_none")]
    pub user: Option<Login>,
    /// Digest of the child row.
    #[serde(rename = "ch", skip_serializing_if = "Option::is_none")]
    pub child: Option<Digest>,
    /// Owner at first sight.
    #[serde(rename = "o", skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// Fingerprint of the failure (see `lineage::print`).
    #[serde(rename = "x")]
    pub print: u64,
    /// True where it could be the successor of more than one lineage.
    #[serde(rename = "a", skip_serializing_if = "std::ops::Not::not")]
    pub ambiguous: bool,
    /// What was shown of its last run (since version 8).
    #[serde(rename = "r", skip_serializing_if = "RunMark::is_unknown")]
    pub run: RunMark,
    /// It is as old as its task, and backlog where that is older than the first enforce or shows no date: no list showed
    /// it (a hint, or a walk through the accounts of persons, named it), or the lists have come to show more.
    #[serde(rename = "w", skip_serializing_if = "std::ops::Not::not")]
    pub by_date: bool,
    /// What it is known by, where that was worked out already; never written.
    #[serde(skip)]
    pub known_by: KnownBy,
}

/// A successor.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct JoinedItem {
    /// The lineage.
    #[serde(rename = "l")]
    pub lineage: LineageId,
    /// The new id.
    #[serde(rename = "t")]
    pub task: TaskId,
    /// Its creation time by the server's clock (since version 4).
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// By what.
    pub how: How,
    /// Fingerprint of its state.
    #[serde(rename = "x")]
    pub print: u64,
    /// Another account or definition under which it is shown than its elder: one record says both, so that
    /// no kill leaves a successor whose account is a stranger's (since version 8).
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    pub moved: Option<Redefined>,
}

/// One attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AttemptItem {
    /// The piece of work.
    pub lineage: LineageId,
    /// Which of its attempts.
    pub ordinal: u32,
}

/// A change of a known id.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SeenItem {
    /// The lineage.
    #[serde(rename = "l")]
    pub lineage: LineageId,
    /// Fingerprint of the failure now.
    #[serde(rename = "x")]
    pub print: u64,
    /// Owner now.
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// Status word now.
    #[serde(rename = "s")]
    pub status: Arc<str>,
    /// The definition now, where its key has changed (since version 4).
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    pub redefined: Option<Redefined>,
    /// Shown by a list that was begun before the open attempt was answered: it may be from before the
    /// send (since version 7).
    #[serde(rename = "e", default, skip_serializing_if = "std::ops::Not::not")]
    pub early: bool,
    /// What is shown of its last run; nothing where that may be an attempt's doing (since version 8).
    #[serde(rename = "r", default, skip_serializing_if = "RunMark::is_unknown")]
    pub run: RunMark,
    /// Somebody else has run it since it was last shown: OIG's own job, or an admin (since version 8).
    #[serde(rename = "f", default, skip_serializing_if = "std::ops::Not::not")]
    pub foreign: bool,
    /// No list shows it: it was read by its id. Left out where a list does, as in all that was written before.
    #[serde(rename = "i", default, skip_serializing_if = "std::ops::Not::not")]
    pub by_id: bool,
}

/// The definition of a known task under another key, with what its successors are known by.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Redefined {
    /// Its key.
    #[serde(rename = "d")]
    pub definition: DefKey,
    /// Account.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub process: Option<ProcessKey>,
    /// Beneficiary.
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Login>,
    /// Digest of the child row.
    #[serde(rename = "ch", default, skip_serializing_if = "Option::is_none")]
    pub child: Option<Digest>,
}

/// One intended attempt; since version 8 it is written as `before` says.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct ClaimItem {
    /// The lineage.
    #[serde(rename = "l")]
    pub lineage: LineageId,
    /// Its n-th try.
    #[serde(rename = "n")]
    pub ordinal: u32,
    /// The id that is sent.
    #[serde(rename = "t")]
    pub task: TaskId,
    /// What is sent.
    #[serde(rename = "a")]
    pub action: Action,
    /// Account.
    #[serde(rename = "p", skip_serializing_if = "Option::is_none")]
    pub process: Option<ProcessKey>,
    /// Definition.
    #[serde(rename = "d", skip_serializing_if = "Option::is_none")]
    pub definition: Option<DefinitionId>,
    /// What it does.
    #[serde(rename = "k")]
    pub kind: Kind,
    /// Policy file that wanted it.
    #[serde(rename = "f", skip_serializing_if = "Option::is_none")]
    pub policy: Option<Arc<str>>,
    /// What the policy saw.
    #[serde(rename = "i")]
    pub inputs: Digest,
    /// Version of the task that was decided on.
    #[serde(rename = "w")]
    pub version: u64,
    /// What the guards had read, by name, where access is given; records without it are of before, or give none.
    #[serde(rename = "g", skip_serializing_if = "is_nothing")]
    pub rests: Arc<[ReadValue]>,
}

pub(super) fn is_nothing(rests: &Arc<[ReadValue]>) -> bool {
    rests.is_empty()
}

/// One answer; since version 9 it is written as `sights` says.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ReceiptItem {
    /// The lineage.
    #[serde(rename = "l")]
    pub lineage: LineageId,
    /// Its n-th try.
    #[serde(rename = "n")]
    pub ordinal: u32,
    /// The id that was sent.
    #[serde(rename = "t")]
    pub task: TaskId,
    /// The answer.
    #[serde(rename = "r", default = "sights::accepted")]
    pub status: ReceiptStatus,
}

/// A decision, or what held it back; recorded when it changes.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct DecidedItem {
    /// The lineage.
    #[serde(rename = "l")]
    pub lineage: LineageId,
    /// The id it was about.
    #[serde(rename = "t")]
    pub task: TaskId,
    /// Version of the task.
    #[serde(rename = "w")]
    pub version: u64,
    /// What it does.
    #[serde(rename = "k")]
    pub kind: Kind,
    /// Policy file.
    #[serde(rename = "f", skip_serializing_if = "Option::is_none")]
    pub policy: Option<Arc<str>>,
    /// Line of the rule.
    #[serde(rename = "ln", skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The policy set; written once for a whole record.
    #[serde(rename = "h", skip_serializing)]
    pub hash: PolicyHash,
    /// What it saw.
    #[serde(rename = "i")]
    pub inputs: Digest,
    /// When it saw that: the moment that is no part of the digest; equal ones are written once for a whole record.
    #[serde(rename = "m", skip_serializing)]
    pub moment: Option<Arc<str>>,
    /// The answer.
    #[serde(rename = "v", skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// Fault of the script.
    #[serde(rename = "e", skip_serializing_if = "Option::is_none")]
    pub fault: Option<Arc<str>>,
    /// Why nothing is done now.
    #[serde(rename = "r", skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
    /// Names and values read on the way (clipped); equal ones are written once for a whole record.
    #[serde(rename = "rd", skip_serializing)]
    pub read: Arc<[ReadValue]>,
    /// When to look again.
    #[serde(rename = "u", skip_serializing_if = "Option::is_none")]
    pub relook: Option<Timestamp>,
}

/// One text that is stored as its difference to another.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct AlikeItem {
    /// Digest of the text.
    #[serde(rename = "d")]
    pub digest: Digest,
    /// What makes it of the base.
    #[serde(rename = "s")]
    pub steps: Vec<Step>,
}

/// An id that is another task than it was.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ReusedItem {
    /// The lineage that it belonged to.
    #[serde(rename = "l")]
    pub lineage: LineageId,
    /// The id.
    #[serde(rename = "t")]
    pub task: TaskId,
    /// What differs, then and now.
    #[serde(rename = "y")]
    pub why: Arc<str>,
}

/// Why a journal was rewritten.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RewriteWhy {
    /// Only to take less room: no record was changed.
    Compact,
    /// What is past its time was taken out.
    Retention,
    /// Personal fields were taken out.
    Erase,
}

/// What happened. New variants need a new record version.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is", content = "of")]
#[expect(
    missing_docs,
    reason = "the fields are named by the variants' own docs"
)]
pub enum EventBody {
    /// The store began; `store` is its id.
    StoreCreated { store: String },
    /// The store belongs to this server and login.
    WorldBound { fingerprint: String },
    /// The store held less than its sidecar says: it was rewound. `damage` stands for what can't be read or
    /// is missing before it, `restored` says from what a person made the store, `lineages` names those that
    /// went on behind the last record, as far as they are known (the three since version 6).
    StoreRewound {
        expected: u64,
        found: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        damage: Option<Digest>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        restored: Option<Arc<str>>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        lineages: Vec<LineageId>,
    },
    /// What the rewind may have lost was settled against the server.
    RewindSettled { reason: Arc<str> },
    /// Known ids are other tasks now, with the evidence: another server, or one whose data were put
    /// back; nothing is sent (since version 4).
    WorldDoubted { why: Arc<str> },
    /// A person took that over: lineages up to this one are closed (since version 4).
    WorldAccepted { up_to: LineageId, reason: Arc<str> },
    /// A person said that it is the known server: a false alarm (since version 4).
    WorldKept { reason: Arc<str> },
    /// Single ids that are other tasks now (since version 4).
    IdsReused { items: Vec<ReusedItem> },
    /// First sights.
    #[serde(with = "sights")]
    LineagesOpened { items: Vec<OpenedItem> },
    /// Successors.
    LineagesJoined { items: Vec<JoinedItem> },
    /// These tasks could be successors of these lineages; a person must say.
    LineageAmbiguous {
        lineages: Vec<LineageId>,
        tasks: Vec<TaskId>,
    },
    /// No list shows these pieces of work any more, and no attempt of ours waits to be told: what happened to
    /// them is not known. `lost`: nor had a list shown them since the store was rewound, so that an attempt of
    /// the lost interval may have ended them; an empty list says that all were looked through for that. With a
    /// `reason` a person has taken note of what left so (since version 8).
    LineagesLeft {
        lineages: Vec<LineageId>,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        lost: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Arc<str>>,
    },
    /// Known ids that changed.
    Seen { items: Vec<SeenItem> },
    /// Decisions and refusals that changed (values read stand once since version 3, moments since version 4).
    #[serde(with = "shared")]
    Decided { items: Vec<DecidedItem> },
    /// Intended attempts of one batch.
    Claims {
        batch: BatchId,
        target: TargetName,
        action: ActionName,
        #[serde(deserialize_with = "before::deserialize")]
        items: Vec<ClaimItem>,
    },
    /// Answers to one batch; `took_ms` for the whole PUT.
    Receipts {
        batch: BatchId,
        took_ms: u64,
        items: Vec<ReceiptItem>,
    },
    /// What became of attempts.
    Outcomes { items: Vec<Outcome> },
    /// OIG says that tasks of this definition are not automated (`manual` true), or that it is wrong (false).
    Learned {
        definition: DefinitionId,
        manual: bool,
        reason: Arc<str>,
    },
    /// A person forgot what was learned.
    Forgot { definition: DefinitionId },
    /// Reassignments over a cap wait for a person; `hold` binds action, target, policy and ids.
    HoldOpened {
        hold: Digest,
        action: ActionName,
        target: TargetName,
        policy: PolicyHash,
        tasks: Vec<TaskId>,
    },
    /// A person approved a hold, until a time.
    Approved {
        hold: Digest,
        until: Timestamp,
        reason: Arc<str>,
    },
    /// A person rejected a hold.
    Rejected { hold: Digest, reason: Arc<str> },
    /// A hold came to its end: used, expired or no longer wanted.
    HoldClosed { hold: Digest, reason: Arc<str> },
    /// Sending is paused.
    Paused {
        scope: Scope,
        until: Option<Timestamp>,
        reason: Arc<str>,
    },
    /// Sending goes on.
    Resumed { scope: Scope },
    /// The mode in force.
    ModeChanged { mode: Mode, reason: Arc<str> },
    /// A policy set was loaded; `sources` is stored under that digest.
    PolicySeen { hash: PolicyHash, sources: Digest },
    /// A person released a policy set for enforce, with a word.
    PolicyReleased { hash: PolicyHash, word: Arc<str> },
    /// Enforce was switched on first: all open lineages up to this one wait for a release.
    BaselineTaken { up_to: LineageId },
    /// They were there while their target or action was only observed, or not probed, with enforce on for others: they wait
    /// for a release, too (since version 8).
    BaselineHeld { lineages: Vec<LineageId> },
    /// Released from the baseline (and from the age limit).
    BaselineReleased {
        lineages: Vec<LineageId>,
        reason: Arc<str>,
    },
    /// A person said that a piece of work need not wait for one other task of its account; `task` is its id
    /// then. It is void once that task changes, or the work is attempted or closed (since version 7).
    OrderReleased {
        lineage: LineageId,
        task: TaskId,
        release: OrderRelease,
        reason: Arc<str>,
    },
    /// What was done is about to be said in the task's own note: one line about attempt `ordinal`, added to
    /// what the note says already. Never a second time for the same attempt, whatever becomes of it (since
    /// version 8).
    JustificationClaimed {
        batch: BatchId,
        lineage: LineageId,
        ordinal: u32,
        task: TaskId,
        target: TargetName,
        line: Arc<str>,
    },
    /// How that ended; `seen` where a reading afterwards showed the line (since version 8).
    JustificationEnded {
        batch: BatchId,
        lineage: LineageId,
        ordinal: u32,
        task: TaskId,
        status: ReceiptStatus,
        seen: bool,
    },
    /// A person began a new episode.
    EpisodeReset {
        lineage: LineageId,
        reason: Arc<str>,
    },
    /// The server refused the login; `secret` is a salted digest of the secret that failed.
    LoginStopped {
        login: Login,
        secret: Option<Digest>,
        why: Arc<str>,
    },
    /// The login may be tried again.
    LoginCleared { login: Login, why: Arc<str> },
    /// The governor's machines, as JSON text in parts.
    GovernorState {
        version: u32,
        part: u32,
        of: u32,
        json: String,
    },
    /// Something stored once by digest, in parts.
    InputsStored {
        digest: Digest,
        part: u32,
        of: u32,
        text: String,
    },
    /// Texts stored as their difference to one that is stored whole (since version 2).
    InputsAlike { base: Digest, items: Vec<AlikeItem> },
    /// What stood here was taken out when the journal was rewritten; only its link in the chain is kept
    /// (since version 6).
    Dropped {},
    /// The journal before this record was rewritten: `changed` records up to `to`, of which `head` was the
    /// link, say in [`Event::was`](super::Event::was) what they were; `sum` is the digest over what they
    /// are now (see [`Sum`](super::Sum)). A later one stands for all earlier ones (since version 6).
    Rewritten {
        why: RewriteWhy,
        to: u64,
        changed: u64,
        sum: Digest,
        head: Digest,
        reason: Arc<str>,
    },
    /// The requests of these attempts can't be carried out any more, though they were told without it: within
    /// one run `settle_after` has passed for each (since version 8).
    LateOver { items: Vec<AttemptItem> },
    /// Requests that the daemon has sent to read something, after one moment and up to another: `reads` of
    /// tasks, processes and people, `tokens` to log in. Requests to write are claims (since version 8).
    Requests {
        from: Timestamp,
        to: Timestamp,
        reads: u64,
        tokens: u64,
    },
    /// A mark that an index was saved up to here; nothing hangs on it.
    Checkpoint { up_to: u64 },
    /// Anything a person or the daemon wants to have on record.
    Note { text: Arc<str> },
    /// A pause of the whole server's reads and writes.
    ServerBackOff {
        until: Timestamp,
        pause: SignedDuration,
        why: Arc<str>,
    },
}
