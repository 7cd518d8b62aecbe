//! Notices by what the server shows that somebody else acts under our login, on whichever machine, and holds sending then; it takes nothing for another's that this store may have sent, and concludes nothing from silence.
//!
//! The kernel tells of a second instance on this machine (`instance`). Elsewhere only the server can: a task that
//! nothing of ours can have moved is left as a retry leaves it, by our login; or its note has a line of a
//! provtaskd that is not this one.

use std::sync::Arc;

use jiff::Timestamp;

use super::DaemonError;
use super::account::RowState;
use super::core::Core;
use super::evaluate::Bench;
use super::inbox::general;
use super::memory::{Memory, Remembered};
use super::under_way::Why;
use crate::control::{AnotherView, InboxItem};
use crate::ledger::TaskView;
use crate::ledger::record::{Actor, EventBody};
use crate::model::hash::{FastMap, FastSet};
use crate::model::seers::{Bits, bit};
use crate::model::{LineageId, Login, Mode, Scope, Snapshot, Task, TaskId, TaskStatus};
use crate::oig::{Client, OigError};

/// Tasks that are read in a cycle to find out who has moved them.
const READ_AT_ONCE: usize = 4;
/// How a line in a note begins.
const LINE: &str = "[provtaskd L";
/// What the reason of the pause begins with, by which it is known again after a restart.
const SAID: &str = "somebody else acts under this login";
/// Who paused.
const BY: &str = "provtaskd: somebody else acts under this login";
/// Logins under which OIG itself writes: who has changed a row tells nothing there.
const ALMIGHTY: [&str; 2] = ["XELSYSADM", "OIMINTERNAL"];

/// What lists have shown of who changes tasks, in this run of the daemon.
#[derive(Debug, Default)]
pub struct Watched {
    /// Pieces of work whose row was shown as changed last by one of our logins.
    ours: FastSet<LineageId>,
    /// The last line in a row's note that was told as another's.
    noted: FastMap<LineageId, Timestamp>,
    /// The server shows who has changed a row.
    shown: bool,
    /// The logins of whose lists it counts what has moved since they were read last: sending was not held meanwhile.
    counts: Bits,
}

/// An act under our login that is not on record here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stranger {
    /// Our id of the piece of work.
    pub lineage: LineageId,
    /// The task.
    pub task: TaskId,
    /// Under which of our logins it was done; a note does not tell.
    pub login: Option<Login>,
    /// What was read, in words.
    pub read: String,
}

/// What Core knows of it.
#[derive(Debug, Default)]
pub struct Another {
    /// Since when sending was not held; `None` while nothing is looked for.
    pub since: Option<Timestamp>,
    acts: u64,
    last: Option<(Timestamp, String)>,
}

/// Under which login it was done: of several the one of the act, where that is shown.
fn whose<'a>(of: &'a Stranger, main: &'a Login, alone: bool) -> Option<&'a Login> {
    of.login.as_ref().or(alone.then_some(main))
}

/// True where a retry under one of these logins has left the task so.
fn retried_by<'a>(task: &Task, ours: &'a [Login]) -> Option<&'a Login> {
    let by = task.updated_by.as_ref()?;
    (task.status == TaskStatus::UnsuccessfullyCompleted)
        .then(|| ours.iter().find(|own| *own == by))
        .flatten()
}

/// A line of a provtaskd in a note.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Line<'n> {
    text: &'n str,
    at: Timestamp,
    /// The task that it speaks of.
    task: TaskId,
}

/// The last such line in a note that speaks of a time after `from`.
fn line_after(note: &str, from: Timestamp) -> Option<Line<'_>> {
    let mut found = None;
    for line in note.lines() {
        let Some(rest) = line.trim_start().strip_prefix(LINE) else {
            continue;
        };
        let Some((head, said)) = rest.split_once(']') else {
            continue;
        };
        let at = head.split_once(' ').map(|(_, at)| at.parse::<Timestamp>());
        let named = said.strip_prefix(" task ").and_then(|said| {
            let end = said.find(' ').unwrap_or(said.len());
            said.get(..end)
        });
        if let (Some(Ok(at)), Some(named)) = (at, named)
            && at > from
        {
            let (text, task) = (line.trim(), TaskId::new(named));
            found = Some(Line { text, at, task });
        }
    }
    found
}

/// What the rows of a list show, before what was read of them is let go.
#[derive(Debug, Default)]
pub struct Glance {
    ours: Vec<Login>,
    /// By one of our logins, under the id that was known: the row tells it.
    run: Vec<(LineageId, TaskId, Login)>,
    /// With a line of a provtaskd, and the task of which it speaks.
    noted: Vec<(LineageId, TaskId, String, TaskId)>,
    /// What goes on under another id.
    joined: Vec<LineageId>,
    /// What the lists before have shown as changed by our logins.
    before: FastSet<LineageId>,
    counts: Bits,
}

/// Goes over a list that the ledger has taken in. What the lists before did not show yet tells nothing. Its rows
/// are marked in the memory.
pub fn glance(
    bench: &Bench,
    memory: &mut Memory,
    snapshot: &Snapshot,
    states: &[Option<RowState>],
    views: &[TaskView],
) -> Glance {
    let before = std::mem::take(&mut memory.watched);
    let further = bench
        .logins
        .further()
        .iter()
        .map(|(login, _)| login.clone());
    let ours: Vec<Login> = std::iter::once(bench.settings.server.login.clone())
        .chain(further)
        .collect();
    let read = snapshot.read();
    let mut watched = Watched {
        ours: FastSet::default(),
        noted: FastMap::default(),
        shown: before.shown,
        counts: bench.watch.map_or(0, |_| before.counts | read),
    };
    // of what this pass can't show the last sight stands
    let not_asked = |lineage: &LineageId| {
        let known = memory.lineages.get(lineage);
        known.is_some_and(|known| !known.asked(read))
    };
    let kept = before.ours.iter().copied().filter(not_asked);
    watched.ours.extend(kept);
    let kept = before.noted.iter().map(|(lineage, at)| (*lineage, *at));
    let kept = kept.filter(|(lineage, _)| not_asked(lineage));
    watched.noted.extend(kept);
    let noted_from = bench
        .watch
        .and_then(|since| since.checked_add(bench.settings.delivery.settle_after).ok());
    // of a list that was not read the next one counts from the same sight on
    let counts = bench.watch.map_or(0, |_| before.counts);
    let (mut noted, mut run, mut joined) = (Vec::new(), Vec::new(), Vec::new());
    for ((task, state), view) in snapshot.tasks.iter().zip(states).zip(views) {
        let (Some(state), true) = (state, view.current) else {
            continue;
        };
        let lineage = state.lineage;
        let by = task.updated_by.as_ref();
        watched.shown |= by.is_some();
        let own = by.filter(|by| ours.contains(by));
        if own.is_some() {
            watched.ours.insert(lineage);
        } else {
            watched.ours.remove(&lineage);
        }
        let told = before.noted.get(&lineage).copied();
        watched.noted.extend(told.map(|at| (lineage, at)));
        if let (Some(from), Some(note)) = (noted_from, task.note.as_deref())
            && let Some(line) = line_after(note, told.map_or(from, |told| told.max(from)))
        {
            watched.noted.insert(lineage, line.at);
            let text = line.text.chars().take(160).collect();
            noted.push((lineage, task.id.clone(), text, line.task));
        }
        let known = memory.lineages.get(&lineage);
        let known =
            known.is_some_and(|known| known.asked(counts)) && !before.ours.contains(&lineage);
        if let Some(own) = own.filter(|_| known && view.run_by_others) {
            run.push((lineage, task.id.clone(), own.clone()));
        }
        if known && view.new {
            joined.push(lineage);
        }
    }
    memory.watched = watched;
    Glance {
        ours,
        run,
        noted,
        joined,
        before: before.ours,
        counts,
    }
}

/// Who reads a task: the first login that has seen it.
fn client_of(bench: &Bench, by: Bits) -> &Client {
    let further = usize::try_from(by.trailing_zeros()).ok();
    let further = further.and_then(|n| bench.logins.further().get(n.checked_sub(1)?));
    further.map_or(&bench.client, |(_, client)| client)
}

/// Looks for such acts once every row of the list is remembered. What an attempt on record may have moved tells
/// nothing.
pub async fn look(
    bench: &Bench,
    memory: &Memory,
    snapshot: &Snapshot,
    glance: Glance,
) -> Result<Vec<Stranger>, OigError> {
    let Glance {
        ours,
        run,
        noted,
        joined,
        before,
        counts,
    } = glance;
    let mut asked = joined.clone();
    // those that the lists before showed and these don't; what only a list shows that was not read has gone nowhere
    let (cycle, read) = (memory.cycle, snapshot.read());
    let is_gone =
        |known: &Remembered| known.seen < cycle && known.asked(read) && known.asked(counts);
    let mut gone: Vec<LineageId> = memory
        .lineages
        .iter()
        .filter(|(lineage, known)| is_gone(known) && !before.contains(lineage))
        .map(|(lineage, _)| *lineage)
        .collect();
    gone.sort_unstable();
    asked.extend(gone);
    if !memory.watched.shown {
        asked.clear();
    }
    let ledger = &bench.ledger;
    let free = ledger.read(|index| index.untouched(&asked));
    let found = free.into_iter().take(READ_AT_ONCE).filter_map(|lineage| {
        // of a piece of work that goes on under another id the one before is read
        let task = ledger.read(|index| match joined.contains(&lineage) {
            true => index.id_before(lineage),
            false => index.current_task(lineage),
        });
        Some((lineage, task?))
    });
    let found: Vec<(LineageId, TaskId)> = found.collect();
    let mut out = Vec::new();
    for (lineage, id) in found {
        let by = memory.lineages.get(&lineage).map_or(bit(0), |of| of.by);
        match client_of(bench, by).task(&id).await {
            Ok(Some(task)) => {
                if let Some(login) = retried_by(&task, &ours) {
                    let read = format!("was read as {} by {login}", task.status);
                    out.push((lineage, id, Some(login.clone()), read));
                }
            }
            Ok(None) => {}
            Err(error) if error.is_login() && by & bit(0) != 0 => return Err(error),
            Err(error) => {
                tracing::debug!(%error, task = %id, "it could not be read who has moved a task");
                break;
            }
        }
    }
    for (lineage, id, login) in run {
        let read = format!("shows another run, by {login}");
        out.push((lineage, id, Some(login), read));
    }
    for (lineage, id, text, named) in noted {
        let of_named = ledger.read(|index| {
            let lineage = index.lineage_of(&named);
            lineage.is_none_or(|lineage| !index.untouched(&[lineage]).is_empty())
        });
        if of_named {
            let read = format!("has a note that is not of this store: {text}");
            out.push((lineage, id, None, read));
        }
    }
    // once more: what waited in a queue may have been sent while this was read, and its claim came first
    let lineages: Vec<LineageId> = out.iter().map(|(lineage, ..)| *lineage).collect();
    let free: FastSet<LineageId> = ledger
        .read(|index| index.untouched(&lineages))
        .into_iter()
        .collect();
    out.retain(|(lineage, ..)| free.contains(lineage));
    let out = out
        .into_iter()
        .map(|(lineage, task, login, read)| Stranger {
            lineage,
            task,
            login,
            read,
        });
    Ok(out.collect())
}

impl Core {
    /// Whether such acts are looked for in the cycle that begins: only while this daemon itself may send, and not
    /// before what a former run or store has sent had its time.
    pub fn watch_for_another(&mut self) {
        let now = self.clock.now();
        let settled = self
            .started
            .checked_add(self.settings.delivery.settle_after);
        let may_send = !self.once
            && self.enforces()
            && self.settled_at_start
            && settled.is_ok_and(|settled| now >= settled)
            && !self.is_almighty()
            && !self
                .governor
                .pauses(now)
                .iter()
                .any(|pause| pause.scope == Scope::Global);
        self.another.since = match self.another.since {
            since @ Some(_) if may_send => since,
            _ => may_send.then_some(now),
        };
    }

    fn is_almighty(&self) -> bool {
        ALMIGHTY.contains(&self.settings.server.login.as_str())
    }

    /// A cycle has found such acts: sending is paused until a person resumes it.
    pub async fn take_strangers(
        &mut self,
        now: Timestamp,
        found: &[Stranger],
    ) -> Result<(), DaemonError> {
        let Some(first) = found.first().filter(|_| self.another.since.is_some()) else {
            return Ok(());
        };
        let many = u64::try_from(found.len()).unwrap_or(u64::MAX);
        self.another.acts += many;
        self.metrics.acts_of_others(many);
        let alone = self.logins.further().is_empty();
        let login = whose(first, &self.settings.server.login, alone);
        let login = login.map(tracing::field::display);
        let read = format!("task {} ({}) {}", first.task, first.lineage, first.read);
        self.another.last = Some((now, read.clone()));
        if self.settings.server.shared_login {
            tracing::warn!(login, task = %first.task, lineage = %first.lineage, read = %first.read, acts = many, "somebody else acts under this login; nothing is held for it (server.shared_login)");
            return Ok(());
        }
        tracing::warn!(login, task = %first.task, lineage = %first.lineage, read = %first.read, acts = many, "sending is paused: somebody else acts under this login, and no attempt of this store explains it: another provtaskd on another machine, a script, a person; end it or give it a login of its own, then `provtaskd resume`");
        let reason = format!("{SAID}: {read}, and no attempt of this store explains it");
        if self.governor.pause(now, Scope::Global, BY, None).is_none() {
            self.void_queue(now, Why::Another);
            let body = EventBody::Paused {
                scope: Scope::Global,
                until: None,
                reason: Arc::from(reason),
            };
            self.put(body, Actor::Daemon, now).await?;
        }
        self.another.since = None;
        self.epoch += 1;
        Ok(())
    }

    /// The inbox's item while sending is paused for it.
    pub fn another_item(&self, now: Timestamp) -> Option<InboxItem> {
        let (since, reason) = self.ledger.read(|index| {
            let pause = index.pause(&Scope::Global, now)?;
            pause
                .reason
                .starts_with(SAID)
                .then(|| (pause.since, Arc::clone(&pause.reason)))
        })?;
        let text = format!(
            "{reason}. It may be another provtaskd on another machine, a script, or a person; each would repeat what the other has done. End it, or give it a login of its own, wait delivery.settle_after, then `provtaskd resume`. Where others are meant to act under this login: server.shared_login."
        );
        Some(general("another", since, "another_client", text))
    }

    /// The same for `status`.
    pub fn another_view(&self) -> AnotherView {
        let last = self.another.last.clone();
        AnotherView {
            not_watched: self.why_not_watched(),
            acts: self.another.acts,
            last_at: last.as_ref().map(|(at, _)| *at),
            last: last.map(|(_, read)| read),
        }
    }

    fn why_not_watched(&self) -> Option<String> {
        let shown = self.memory.as_deref().is_none_or(|of| of.watched.shown);
        if self.once {
            Some("no daemon runs, and a single cycle shows no change".to_owned())
        } else if self.is_almighty() {
            Some("OIG itself acts under this login".to_owned())
        } else if self.settings.modes.global < Mode::Enforce {
            Some("nothing is sent in this mode".to_owned())
        } else if self.another.since.is_none() {
            Some("sending is held, or began less than delivery.settle_after ago".to_owned())
        } else if !shown {
            Some(
                "the server does not show who has changed a task; only notes are looked at"
                    .to_owned(),
            )
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_retry_leaves_under_our_login_is_anothers_act() {
        let ours = [Login::new("PROVSVC"), Login::new("PROVSVC_HR")];
        let task = |status, by: Option<&str>| Task {
            updated_by: by.map(Login::new),
            ..Task::bare(TaskId::new("1234"), status)
        };
        let uc = TaskStatus::UnsuccessfullyCompleted;
        for (status, by, is) in [
            (uc.clone(), Some("provsvc_hr"), true),
            (uc.clone(), Some("XELSYSADM"), false),
            (uc, None, false),
            (TaskStatus::Rejected, Some("PROVSVC"), false),
            (TaskStatus::Completed, Some("PROVSVC"), false),
            (TaskStatus::ManuallyCompleted, Some("PROVSVC"), false),
        ] {
            let found = retried_by(&task(status, by), &ours);
            assert_eq!(found.is_some(), is, "{by:?}");
        }
    }

    #[test]
    fn of_several_logins_the_one_of_the_act_is_named_and_none_where_a_note_tells_none() {
        let main = Login::new("PROVSVC");
        let of = |login: Option<&str>| Stranger {
            lineage: LineageId(1),
            task: TaskId::new("7"),
            login: login.map(Login::new),
            read: String::new(),
        };
        let named = |login, alone| whose(&of(login), &main, alone).map(Login::to_string);
        assert_eq!(named(Some("HR"), false).as_deref(), Some("HR"));
        assert_eq!(named(None, false), None);
        assert_eq!(named(None, true).as_deref(), Some("PROVSVC"));
    }

    #[test]
    fn a_line_counts_from_its_time_on_and_other_words_do_not() {
        let from: Timestamp = "2027-03-01T14:00:00Z".parse().expect("a time");
        let new = "[provtaskd L17.2 2027-03-01T14:40:12Z] task 01234 retried by x; it was done";
        let old = "[provtaskd L9.1 2027-03-01T13:59:59Z] task 99 retried; it was done";
        let both =
            format!("Ann: look\n{new}\n{old}\n[provtaskd L1.1 soon] task 5 x\n[provtaskd L2");
        let line = line_after(&both, from).expect("a line");
        assert_eq!((line.text, &line.task), (new, &TaskId::new("1234")));
        assert_eq!(line_after(&both, line.at), None, "it was told");
        for note in [
            "",
            old,
            "provtaskd L17.2",
            "[provtaskd L1 2027-03-01T15:00:00Z",
        ] {
            assert_eq!(line_after(note, from), None, "{note}");
        }
    }
}
