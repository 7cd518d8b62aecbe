//! Whether a newly seen id is a new piece of work or the successor of one we know; pure, and where it can't be told it says so.

use std::collections::{BTreeMap, HashSet};

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};

use super::ran::RunMark;
use super::record::How;
use crate::model::task::{DefinitionId, Fnv};
use crate::model::{Digest, LineageId, Login, Task, TaskId};

/// What a successor has in common with its predecessor: process instance, definition, target user
/// and child row. The first 16 bytes of a SHA-256 over them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct JoinKey(pub [u8; 16]);

impl JoinKey {
    /// `None` where process or definition are not shown: then nothing is ever joined by key.
    pub fn of(
        process: Option<&str>,
        definition: Option<&str>,
        user: Option<&str>,
        child: Option<&Digest>,
    ) -> Option<Self> {
        let mut hash = Sha256::new();
        let parts = [
            process?,
            definition?,
            user.unwrap_or(""),
            child.map_or("", Digest::as_str),
        ];
        for part in parts {
            hash.update(part.as_bytes());
            hash.update([0xff]);
        }
        let bytes: [u8; 32] = hash.finalize().into();
        let mut first = [0u8; 16];
        first.copy_from_slice(&bytes[..16]);
        Some(Self(first))
    }

    /// The key of a row. Definition by key, else by lower-case name.
    pub fn of_task(task: &Task) -> Option<Self> {
        Self::with_child(task, child_digest(task).as_ref())
    }

    fn with_child(task: &Task, child: Option<&Digest>) -> Option<Self> {
        let key = task.definition_key.as_ref().map(|k| k.as_str());
        let name = match (key, &task.definition_name) {
            (None, Some(name)) => Some(name.trim().to_ascii_lowercase()),
            _ => None,
        };
        Self::of(
            task.process.as_ref().map(|p| p.as_str()),
            key.or(name.as_deref()),
            task.beneficiary.as_ref().map(|l| l.as_str()),
            child,
        )
    }
}

/// What a first sight is known by, where whoever made its record has worked it out already: its key, and
/// [`who`]. Nothing of it is on record, so it makes no two differ.
#[derive(Clone, Copy, Debug, Default)]
pub struct KnownBy(pub Option<(Option<JoinKey>, u32)>);

impl PartialEq for KnownBy {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// What a piece of work has in common with its successor where no account is shown, or another one with each
/// retry: target, definition, user and child row, in small. 0 where target or definition are not shown.
pub fn who(definition: Option<&DefinitionId>, user: Option<&Login>, child: Option<&Digest>) -> u32 {
    let Some(of) = definition else { return 0 };
    small(of.target.as_str(), ("", &of.definition), user, child)
}

/// The same of a row, whose definition is not put together for it.
fn who_of(task: &Task, child: Option<&Digest>) -> u32 {
    let user = task.beneficiary.as_ref();
    match (&task.target, &task.definition_key) {
        (Some(target), Some(key)) => small(target.as_str(), ("#", key.as_str()), user, child),
        _ => who(task.definition().as_ref(), user, child),
    }
}

fn small(
    target: &str,
    (head, definition): (&str, &str),
    user: Option<&Login>,
    child: Option<&Digest>,
) -> u32 {
    let mut hash = Fnv::default();
    hash.text(target);
    hash.piece(head);
    hash.text(definition);
    hash.text(user.map_or("", Login::as_str));
    hash.text(child.map_or("", Digest::as_str));
    let small = u32::try_from(hash.finish() % u64::from(u32::MAX));
    small.unwrap_or(0).saturating_add(1)
}

/// The digest under which a child row is remembered (its values are personal data).
pub fn child_digest(task: &Task) -> Option<Digest> {
    let child = task.child.as_ref()?;
    let digest = super::record::digest_of;
    Some(match task.row {
        Some(row) => digest(format!("{row:016x}").as_bytes()),
        None => digest(child.as_bytes()),
    })
}

/// Fingerprint of the failure itself: id, status, reason and response. Unlike [`Task::version`] it
/// doesn't change with note and owner, so that our own writes never look like a new failure.
pub fn print(task: &Task) -> u64 {
    print_beside(task, |hash, reason| hash.text(reason))
}

/// The same with the mark of the last run, which goes over the same text.
pub fn print_and_run(task: &Task) -> (u64, RunMark) {
    let mut run = RunMark::default();
    let print = print_beside(task, |hash, reason| {
        run = RunMark::beside(task, hash, reason)
    });
    (print, run)
}

fn print_beside(task: &Task, reason: impl FnOnce(&mut Fnv, &str)) -> u64 {
    let mut hash = Fnv::default();
    hash.text(task.id.as_str());
    hash.text(task.status.as_str());
    reason(&mut hash, task.reason.as_deref().unwrap_or(""));
    hash.text(task.response.as_deref().unwrap_or(""));
    hash.finish()
}

/// A lineage whose present id is no longer open and that may have a successor.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// The lineage.
    pub lineage: LineageId,
    /// Its present id.
    pub task: TaskId,
    /// Its key.
    pub key: Option<JoinKey>,
    /// True where an attempt of ours is open or has gone without a trace.
    pub ours: bool,
}

/// A newly seen id.
#[derive(Clone, Debug)]
pub struct Newcomer {
    /// Its place in the caller's list.
    pub at: usize,
    /// The id.
    pub task: TaskId,
    /// Its key.
    pub key: Option<JoinKey>,
    /// See [`who`].
    pub who: u32,
    /// When the server says that it made it.
    pub created: Option<Timestamp>,
    /// The lineage that its retry link names, where there is one; it is never joined to another.
    pub linked: Option<LineageId>,
    /// The task that it names as the one it retries.
    pub of: Option<TaskId>,
    /// It names a task that is as new as itself: whose successor it is shows once that one is known.
    pub of_newcomer: bool,
    /// Its id was this lineage's, and is another task now.
    pub instead_of: Option<LineageId>,
}

impl Newcomer {
    /// A row whose id nobody has.
    pub fn new(at: usize, task: &Task, linked: Option<LineageId>) -> Self {
        let child = child_digest(task);
        Self {
            at,
            task: task.id.clone(),
            key: JoinKey::with_child(task, child.as_ref()),
            who: who_of(task, child.as_ref()),
            created: task.created,
            linked,
            of: task.retry_of.clone(),
            of_newcomer: false,
            instead_of: None,
        }
    }

    /// What its lineage will be known by, where that is one of its own.
    pub fn known_by(&self) -> KnownBy {
        let own = self.instead_of.is_none();
        KnownBy(own.then_some((self.key, self.who)))
    }

    /// A row whose id another lineage had: it is nobody's successor, and a person has to look.
    pub fn instead(at: usize, task: &Task, of: LineageId) -> Self {
        Self {
            key: None,
            who: 0,
            of: None,
            instead_of: Some(of),
            ..Self::new(at, task, None)
        }
    }
}

/// Marks the newcomers that name another one.
pub fn mark_chains(newcomers: &mut [Newcomer]) {
    let names = |new: &Newcomer| new.linked.is_none() && new.of.is_some();
    if !newcomers.iter().any(names) {
        return;
    }
    let ids: HashSet<TaskId> = newcomers.iter().map(|new| new.task.clone()).collect();
    for new in newcomers {
        new.of_newcomer =
            new.linked.is_none() && new.of.as_ref().is_some_and(|of| ids.contains(of));
    }
}

/// So much may the server's clock be behind ours before its word on what came first is wrong.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_secs(30);

/// True where the server says that it made the task before the send. Its stamp may lack the fraction
/// or be a date alone, and its clock may differ from ours by a little.
pub fn made_before(created: Option<Timestamp>, sent: Timestamp) -> bool {
    is_before(created, sent, coarseness(created))
}

/// The same in one reading: where another of its stamps has a time of day, a quarter of an hour is one too, and only
/// midnight may be a date alone.
pub fn made_before_among(created: Option<Timestamp>, sent: Timestamp, timed: bool) -> bool {
    let midnight = created.is_some_and(|at| at.as_second().rem_euclid(24 * 60 * 60) == 0);
    let coarse = match timed && !midnight {
        true => coarseness(created).min(SignedDuration::from_secs(1)),
        false => coarseness(created),
    };
    is_before(created, sent, coarse)
}

/// True where a stamp is no date alone, in whatever zone.
pub fn is_timed(created: Timestamp) -> bool {
    coarseness(Some(created)) < SignedDuration::from_hours(24)
}

fn is_before(created: Option<Timestamp>, sent: Timestamp, coarse: SignedDuration) -> bool {
    created.is_some_and(|at| sent.duration_since(at) >= coarse.saturating_add(CLOCKS_DIFFER))
}

/// By how much a task may be younger than its stamp says.
pub fn coarseness(created: Option<Timestamp>) -> SignedDuration {
    // midnight is on a quarter of an hour in every zone
    match created {
        Some(at) if at.subsec_nanosecond() != 0 => SignedDuration::ZERO,
        Some(at) if at.as_second().rem_euclid(15 * 60) == 0 => SignedDuration::from_hours(24),
        _ => SignedDuration::from_secs(1),
    }
}

/// What a newcomer is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Join {
    /// New work.
    Fresh,
    /// The successor of this lineage.
    To(LineageId, How),
    /// It can't be told yet; the next pass tells more.
    Undecided,
    /// Could belong to any of these, or shares the only one with another newcomer.
    Ambiguous(Vec<LineageId>),
}

/// Joins newcomers to waiting lineages as design section 1, "lineage", says. The answer is aligned
/// with `newcomers`. `how` is what a join by key is called.
pub fn join(waiting: &[Waiting], newcomers: &[Newcomer], how: How) -> Vec<Join> {
    let by_lineage: BTreeMap<LineageId, &Waiting> =
        waiting.iter().map(|w| (w.lineage, w)).collect();
    let mut out = vec![Join::Fresh; newcomers.len()];
    let mut taken: BTreeMap<LineageId, Vec<usize>> = BTreeMap::new();
    for (i, new) in newcomers.iter().enumerate() {
        if let Some(lineage) = new.linked
            && by_lineage.contains_key(&lineage)
        {
            taken.entry(lineage).or_default().push(i);
        }
    }
    for (lineage, who) in &taken {
        for i in who {
            out[*i] = if who.len() == 1 {
                Join::To(*lineage, How::Link)
            } else {
                Join::Ambiguous(vec![*lineage])
            };
        }
    }
    // by the keys of those that wait, which mostly are far fewer
    let mut groups: BTreeMap<JoinKey, (Vec<&Waiting>, Vec<usize>)> = BTreeMap::new();
    for old in waiting {
        if let Some(key) = old.key
            && !taken.contains_key(&old.lineage)
        {
            groups.entry(key).or_default().0.push(old);
        }
    }
    if groups.is_empty() {
        return out;
    }
    for (i, new) in newcomers.iter().enumerate() {
        if let (Some(key), Join::Fresh) = (new.key, &out[i])
            && let Some(group) = groups.get_mut(&key)
        {
            group.1.push(i);
        }
    }
    for (old, new) in groups.values() {
        settle_group(old, new, newcomers, how, &mut out);
    }
    out
}

/// One key: exactly one waiting lineage and exactly one higher id make a pair; more of either side
/// can't be told apart.
fn settle_group(
    old: &[&Waiting],
    new: &[usize],
    newcomers: &[Newcomer],
    how: How,
    out: &mut [Join],
) {
    let higher = |i: usize, w: &Waiting| newcomers[i].task.cmp_numeric(&w.task).is_gt();
    for i in new {
        let mine: Vec<&&Waiting> = old.iter().filter(|w| higher(*i, w)).collect();
        let Some(first) = mine.first() else { continue };
        let rivals = new
            .iter()
            .filter(|j| mine.iter().any(|w| higher(**j, w)))
            .count();
        out[*i] = if mine.len() == 1 && rivals == 1 {
            if newcomers[*i].linked.is_some() || newcomers[*i].of_newcomer {
                // it says itself whose successor it is, and that is another's
                continue;
            }
            let how = if first.ours || how == How::Process {
                how
            } else {
                How::Foreign
            };
            Join::To(first.lineage, how)
        } else {
            Join::Ambiguous(mine.iter().map(|w| w.lineage).collect())
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{DefKey, TargetName, TaskStatus};

    fn old(lineage: u64, task: &str, key: u8) -> Waiting {
        Waiting {
            lineage: LineageId(lineage),
            task: TaskId::new(task),
            key: Some(JoinKey([key; 16])),
            ours: true,
        }
    }

    fn new(at: usize, task: &str, key: u8) -> Newcomer {
        Newcomer {
            at,
            task: TaskId::new(task),
            key: Some(JoinKey([key; 16])),
            who: 0,
            created: None,
            linked: None,
            of: None,
            of_newcomer: false,
            instead_of: None,
        }
    }

    #[test]
    fn one_and_one_are_a_pair_and_a_lower_id_never_is() {
        let waiting = [old(1, "90", 5)];
        assert_eq!(
            join(&waiting, &[new(0, "1000", 5)], How::Successor),
            [Join::To(LineageId(1), How::Successor)]
        );
        assert_eq!(
            join(&waiting, &[new(0, "89", 5)], How::Successor),
            [Join::Fresh]
        );
        assert_eq!(
            join(&waiting, &[new(0, "1000", 6)], How::Successor),
            [Join::Fresh]
        );
    }

    #[test]
    fn siblings_that_nothing_tells_apart_are_ambiguous() {
        let waiting = [old(1, "90", 5), old(2, "91", 5)];
        let joins = join(
            &waiting,
            &[new(0, "100", 5), new(1, "101", 5)],
            How::Successor,
        );
        assert!(
            joins
                .iter()
                .all(|j| matches!(j, Join::Ambiguous(of) if of.len() == 2))
        );
        let one = join(&waiting, &[new(0, "100", 5)], How::Successor);
        assert!(matches!(&one[0], Join::Ambiguous(of) if of.len() == 2));
        let two = join(
            &waiting[..1],
            &[new(0, "100", 5), new(1, "101", 5)],
            How::Successor,
        );
        assert!(two.iter().all(|j| matches!(j, Join::Ambiguous(_))));
    }

    #[test]
    fn a_retry_link_tells_siblings_apart() {
        let waiting = [old(1, "90", 5), old(2, "91", 5)];
        let mut a = new(0, "100", 5);
        a.linked = Some(LineageId(2));
        let joins = join(&waiting, &[a, new(1, "101", 5)], How::Successor);
        assert_eq!(joins[0], Join::To(LineageId(2), How::Link));
        assert_eq!(joins[1], Join::To(LineageId(1), How::Successor));
    }

    #[test]
    fn without_our_own_send_a_successor_is_foreign() {
        let mut waiting = old(1, "90", 5);
        waiting.ours = false;
        assert_eq!(
            join(&[waiting], &[new(0, "100", 5)], How::Successor),
            [Join::To(LineageId(1), How::Foreign)]
        );
    }

    #[test]
    fn what_is_worked_out_in_one_go_is_what_each_is_by_itself() {
        let mut task = Task::bare(TaskId::new("7"), TaskStatus::Rejected);
        for reason in ["", " ", "refused", " refused ", "ä\n"] {
            task.reason = Some(reason.into());
            task.response = Some("R".into());
            let apart = (print(&task), RunMark::of(&task));
            assert_eq!(print_and_run(&task), apart, "{reason:?}");
        }
        task.reason = None;
        assert_eq!(print_and_run(&task), (print(&task), RunMark::of(&task)));
        task.beneficiary = Some(Login::new("A"));
        for (target, key, name) in [
            (None, Some("39"), None),
            (Some("AD"), Some("39"), Some("Create User")),
            (Some("AD"), None, Some(" Create User")),
            (Some("AD"), None, None),
        ] {
            task.target = target.map(TargetName::new);
            task.definition_key = key.map(DefKey::new);
            task.definition_name = name.map(Into::into);
            let by_parts = who(task.definition().as_ref(), task.beneficiary.as_ref(), None);
            assert_eq!(who_of(&task, None), by_parts);
        }
    }

    #[test]
    fn a_row_without_process_is_never_joined() {
        assert_eq!(JoinKey::of(None, Some("39"), Some("A"), None), None);
        assert_ne!(
            JoinKey::of(Some("1"), Some("23"), None, None),
            JoinKey::of(Some("12"), Some("3"), None, None)
        );
    }
}
