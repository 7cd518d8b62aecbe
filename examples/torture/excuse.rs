//! What of a round's work may be left, or not known, at its end: told from the simulator's truth and journal alone, each with its reason; it must never take the daemon's word for anything.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::drill_oracle::{Evidence, Verdict, id_of, is_clients, number, text};
use crate::oracles::{at, runs_of};
use crate::others;
use crate::world::Plan;

/// Attempts of an episode.
pub const ATTEMPTS: usize = 5;

/// The longest that an attempt of which nothing shows itself is open: `delivery.verify_give_up` of a round.
const GIVE_UP: SignedDuration = SignedDuration::from_hours(24);

/// The longest that a successor of these worlds stays away, and its run takes.
const LONGEST: SignedDuration = SignedDuration::from_mins(110);

/// Walks through a list with faults after which a person is asked whose successor a row is.
const PATIENCE: usize = 5;

/// States of an attempt in which it is not known what became of it.
pub const NOT_KNOWN: [&str; 6] = [
    "claimed",
    "unknown",
    "accepted",
    "pending",
    "gone",
    "ambiguous",
];

/// Statuses that say nothing about the tasks of a request.
const OF_THE_SERVER: [u64; 5] = [408, 429, 502, 503, 504];

/// Why an attempt can't be known whose successor the world hides.
pub const NEVER_SHOWN: &str = "a successor that is never shown";

/// When a person had an episode begin anew: the task, and the length of the journal then.
pub type Resets = Vec<(u64, usize)>;

/// So many, by reason.
pub type Reasons = BTreeMap<&'static str, u64>;

/// What the truth says of the ways of a round's world.
pub struct Excuses<'a> {
    evidence: &'a Evidence,
    /// Whether rows show which child row they are about.
    shows_child: bool,
    /// Runs of a piece of work in its last episode, by the root: those that count.
    runs: HashMap<u64, BTreeSet<&'a str>>,
    /// Those of them that were ours.
    ours: HashMap<u64, BTreeSet<&'a str>>,
    /// Requests that named it, met a fault and ran nothing, since it was last reset; and claims that a kill
    /// kept from being sent.
    vain: HashMap<u64, usize>,
    /// Pieces of work that an admin has completed.
    completed: BTreeSet<u64>,
}

impl<'a> Excuses<'a> {
    /// Looks at a round. An error is a breach: something can't be judged.
    pub fn of(evidence: &'a Evidence, plan: &Plan, resets: &Resets) -> Result<Self, String> {
        let mut since: HashMap<u64, u64> = HashMap::new();
        for (task, length) in resets {
            let root = number(evidence.known(&Value::from(*task))?, "root")?;
            let length = u64::try_from(*length).unwrap_or(u64::MAX);
            let entry = since.entry(root).or_default();
            *entry = (*entry).max(length);
        }
        let mut runs: HashMap<u64, BTreeSet<&str>> = HashMap::new();
        let mut ours: HashMap<u64, BTreeSet<&str>> = HashMap::new();
        let mut earlier: BTreeSet<&str> = BTreeSet::new();
        let mut count = |root: u64, seq: u64, run: &'a str, own: bool| {
            if since.get(&root).is_some_and(|since| seq < *since) {
                earlier.insert(run);
            } else if !earlier.contains(run) {
                if own || plan.counts_theirs {
                    runs.entry(root).or_default().insert(run);
                }
                if own {
                    ours.entry(root).or_default().insert(run);
                }
            }
        };
        let mut vain: HashMap<u64, usize> = HashMap::new();
        for row in &evidence.journal {
            let seq = number(row, "seq")?;
            if row["type"] == "effect" {
                // also what a PUT has caused much later
                let root = text(row, "root")?.parse::<u64>();
                let root = root.map_err(|_| format!("no root: {row}"))?;
                count(root, seq, text(row, "run")?, is_clients(row));
            } else if row["class"] == "put" {
                for item in crate::drill_oracle::items_of(row) {
                    let root = number(evidence.known(&item["id"])?, "root")?;
                    let mut ran = false;
                    for run in runs_of(row, &item["id"]) {
                        count(root, seq, run, true);
                        ran = true;
                    }
                    // whoever says that it is too much runs nothing
                    let clear = row["fault"].is_null() || row["status"] == 429;
                    if !ran && !clear && since.get(&root).is_none_or(|since| seq >= *since) {
                        *vain.entry(root).or_default() += 1;
                    }
                }
            }
        }
        let sent: BTreeSet<&str> = evidence
            .class("put")
            .filter_map(|row| row["request_id"].as_str())
            .collect();
        for claim in &evidence.claims {
            // a kill came before the request: only the server knows that it never left
            if !sent.contains(claim.batch.as_str()) {
                let root = evidence.known(&Value::from(claim.task.as_str()))?;
                *vain.entry(number(root, "root")?).or_default() += 1;
            }
        }
        Ok(Self {
            evidence,
            shows_child: plan.shows_child,
            runs,
            ours,
            vain,
            completed: others::completed(evidence)?,
        })
    }

    /// No piece of work has reached its connector by us more often in an episode than it may.
    pub fn runs(&self) -> Verdict {
        match self.ours.iter().find(|(_, runs)| runs.len() > ATTEMPTS) {
            Some((root, runs)) => Err(format!(
                "the piece of work of task {root} was run {} times in its last episode, at most {ATTEMPTS} may be",
                runs.len()
            )),
            None => Ok(()),
        }
    }

    /// Its runs, or the requests of which nobody could know that they ran nothing, are as many as may be.
    fn is_used_up(&self, task: &Value) -> bool {
        let Some(root) = task["root"].as_u64() else {
            return false;
        };
        let runs = self.runs.get(&root).map_or(0, BTreeSet::len);
        runs.max(self.vain.get(&root).copied().unwrap_or(0)) >= ATTEMPTS
    }

    /// Whether others have run something of the same account, and the inbox asks a person whose successor a
    /// task of that account is: what list and account show of siblings that others touch as well is not told
    /// apart by the truth's times alone.
    pub fn is_asked(&self, task: u64, inbox: &Value) -> Result<bool, String> {
        let process = &self.evidence.known(&Value::from(task))?["process"];
        if !others::effects(self.evidence).any(|effect| effect["process"] == *process) {
            return Ok(false);
        }
        for item in inbox.as_array().into_iter().flatten() {
            if item["why"] != "ambiguous" {
                continue;
            }
            for asked in item["tasks"].as_array().into_iter().flatten() {
                if self.evidence.known(asked)?["process"] == *process {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Tasks that could heal and did not although nothing in the world was in their way, and how many
    /// had something in theirs, by what it was.
    pub fn left(&self) -> Result<(Vec<u64>, Reasons), String> {
        let tasks = self.evidence.tasks();
        let open = |task: &&Value| task["status"] == "R" || task["status"] == "P";
        let could = tasks.iter().filter(|task| task["could_heal"] == true);
        let (mut left, mut excused) = (Vec::new(), Reasons::new());
        for task in could {
            let mut others = tasks.iter().filter(open);
            let reason = if self.is_used_up(task) {
                Some("its attempts have run")
            } else if let Some(other) = others.find(|other| self.holds_up(other, task)) {
                Some(match other["status"] == "P" {
                    _ if self.is_used_up(other) => "behind one whose attempts have run",
                    true => "behind one that is running",
                    false => "behind one that can't heal",
                })
            } else if let Some(doubt) = self.doubt(task)? {
                Some(doubt)
            } else if self.is_taken_back(task) {
                Some("taken back by hand since")
            } else if others::was_too_early(self.evidence, &task["root"].to_string()) {
                Some("retried by others before its account was there")
            } else if self.is_behind_a_doubt(task)? {
                Some("behind one that a person has to tell")
            } else {
                None
            };
            match reason {
                Some(reason) => *excused.entry(reason).or_default() += 1,
                None => left.push(number(task, "id")?),
            }
        }
        Ok((left, excused))
    }

    /// Whether somebody has done a later revoke of the same access by hand: to grant it now is for a person.
    fn is_taken_back(&self, task: &Value) -> bool {
        let gives = matches!(task["kind"].as_str(), Some("create" | "grant" | "enable"));
        let mut tasks = self.evidence.tasks().iter();
        gives
            && tasks.any(|other| {
                other["process"] == task["process"]
                    && (other["status"] == "MC" || self.was_completed(other))
                    && matches!(other["kind"].as_str(), Some("revoke" | "disable"))
                    && (other["child"] == task["child"] || other["child"].is_null())
                    && other["origin"].as_str() > task["origin"].as_str()
            })
    }

    /// Why it can't be told from lists whose successor a task is, if so.
    fn doubt(&self, task: &Value) -> Result<Option<&'static str>, String> {
        Ok(if self.is_ambiguous(task)? {
            Some("successors that nothing tells apart")
        } else if self.was_closed_beside(task)? {
            Some("beside one that somebody closed by hand")
        } else if self.came_while_the_list_shifted(task)? {
            Some("a list that did not stand still")
        } else {
            None
        })
    }

    /// Whether there is such a one in its account: an attempt whose end a person has to tell holds up others.
    fn is_behind_a_doubt(&self, task: &Value) -> Result<bool, String> {
        for other in self.evidence.tasks() {
            if other["process"] == task["process"]
                && other["root"] != task["root"]
                && self.doubt(other)?.is_some()
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether each of the first walks through the list that could have shown a task had a fault: after so
    /// many a person is asked, for a list that always shifts would never tell.
    fn came_while_the_list_shifted(&self, task: &Value) -> Result<bool, String> {
        if number(task, "id")? == number(task, "root")? {
            return Ok(false);
        }
        let created = at(task, "created")?;
        let (mut walks, mut good) = (Vec::new(), false);
        for row in self.evidence.class("list") {
            let query = row["query"].as_str().unwrap_or_default();
            if at(row, "at")? <= created {
                continue;
            }
            if query.split('&').any(|part| part == "offset=1") {
                walks.push(good);
                good = true;
            }
            good &= row["fault"].is_null() && row["status"] == 200;
        }
        walks.push(good);
        let first: Vec<bool> = walks.into_iter().skip(1).take(PATIENCE).collect();
        Ok(first.len() == PATIENCE && !first.contains(&true))
    }

    /// Whether one that can't be done, or is being done, holds another one up (invariant 8).
    fn holds_up(&self, stuck: &Value, task: &Value) -> bool {
        let in_the_way =
            stuck["status"] == "P" || self.is_used_up(stuck) || stuck["could_heal"] != true;
        if !in_the_way || stuck["process"] != task["process"] || stuck["root"] == task["root"] {
            return false;
        }
        let kind = task["kind"].as_str().unwrap_or_default();
        match stuck["kind"].as_str() {
            Some("create") => true,
            Some("revoke" | "disable") if !matches!(kind, "revoke" | "disable") => true,
            _ => {
                self.is_sibling(stuck, task) && stuck["origin"].as_str() <= task["origin"].as_str()
            }
        }
    }

    /// Whether rows show two pieces of work as the same sort of change of the same account.
    fn is_sibling(&self, one: &Value, other: &Value) -> bool {
        one["process"] == other["process"]
            && one["definition"] == other["definition"]
            && (!self.shows_child || one["child"] == other["child"])
    }

    /// Whether it can't be told whose successor a task is: while an attempt of its piece of work was open
    /// and its successor had not been shown, the same was so of a sibling's.
    fn is_ambiguous(&self, task: &Value) -> Result<bool, String> {
        let own = self.windows(task)?;
        let mut seen: BTreeSet<u64> = BTreeSet::new();
        for other in self.evidence.tasks() {
            let root = number(other, "root")?;
            if other["root"] == task["root"] || !self.is_sibling(other, task) || !seen.insert(root)
            {
                continue;
            }
            for (from, to) in self.windows(other)? {
                if own
                    .iter()
                    .any(|(own_from, own_to)| from < *own_to && *own_from < to)
                {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Whether a sibling was closed by hand while the piece of work had attempts, and no link tells whose
    /// successor the new row is: the list alone shows both pieces of work gone, and one new row.
    fn was_closed_beside(&self, task: &Value) -> Result<bool, String> {
        if !task["retry_of"].is_null() || self.windows(task)?.is_empty() {
            return Ok(false);
        }
        let mut tasks = self.evidence.tasks().iter();
        Ok(tasks.any(|other| {
            other["root"] != task["root"]
                && (other["status"] == "MC" || other["status"] == "X" || self.was_completed(other))
                && self.is_sibling(other, task)
        }))
    }

    /// Whether an admin has completed a piece of work.
    fn was_completed(&self, task: &Value) -> bool {
        let root = task["root"].as_u64();
        root.is_some_and(|root| self.completed.contains(&root))
    }

    /// From when to when the successors of a piece of work's attempts had not shown themselves: up to the
    /// end of the first walk through the list that began after the successor was there.
    fn windows(&self, task: &Value) -> Result<Vec<(Timestamp, Timestamp)>, String> {
        let mut windows = Vec::new();
        for (row, item) in self.evidence.sent("retry") {
            let sent = self.evidence.known(&item["id"])?;
            let applied = runs_of(row, &item["id"]).next().is_some() || row["fault"] == "SlowApply";
            if sent["root"] != task["root"] || !applied {
                continue;
            }
            let from = at(row, "at")?;
            let mut born: Option<Timestamp> = None;
            for other in self.evidence.tasks() {
                let created = at(other, "created")?;
                let follows = other["root"] == task["root"]
                    && id_of(&other["id"]) > id_of(&item["id"])
                    && other["hidden"] != true;
                if follows && born.is_none_or(|born| created < born) {
                    born = Some(created);
                }
            }
            let shown = match born {
                Some(born) => self.shown_after(born.max(from))?,
                None => None,
            };
            let latest = from
                .checked_add(GIVE_UP)
                .map_err(|error| error.to_string())?;
            windows.push((from, shown.unwrap_or(latest)));
        }
        self.windows_of_others(task, &mut windows)?;
        Ok(windows)
    }

    /// The same of retries that were not ours: when exactly they were ordered is not on record where the
    /// connector runs later, so each window is begun early.
    fn windows_of_others(
        &self,
        task: &Value,
        windows: &mut Vec<(Timestamp, Timestamp)>,
    ) -> Result<(), String> {
        let root = number(task, "root")?.to_string();
        for effect in others::effects(self.evidence) {
            if text(effect, "root")? != root {
                continue;
            }
            let ran = at(effect, "at")?;
            let from = ran
                .checked_sub(LONGEST)
                .map_err(|error| error.to_string())?;
            let mut born = ran;
            for other in self.evidence.tasks() {
                let created = at(other, "created")?;
                let near = created >= from && created.duration_since(ran) <= LONGEST;
                if other["root"] == task["root"] && near && created > born {
                    born = created;
                }
            }
            let latest = born
                .checked_add(GIVE_UP)
                .map_err(|error| error.to_string())?;
            windows.push((from, self.shown_after(born)?.unwrap_or(latest)));
        }
        Ok(())
    }

    /// When a walk through the list ended that began after a moment and met no fault.
    pub fn shown_after(&self, moment: Timestamp) -> Result<Option<Timestamp>, String> {
        let mut good = false;
        let mut last = None;
        for row in self.evidence.class("list") {
            let query = row["query"].as_str().unwrap_or_default();
            let begins = query.split('&').any(|part| part == "offset=1");
            if begins {
                if good {
                    return Ok(last);
                }
                good = at(row, "at")? > moment;
            }
            good &= row["fault"].is_null() && row["status"] == 200;
            last = Some(at(row, "at")?);
        }
        Ok(last.filter(|_| good))
    }

    /// How many attempts nobody knows the end of, and how many of them nobody can know by the truth.
    pub fn unknown(&self, rows: &[Value]) -> Result<(u64, Reasons), String> {
        let (mut unknown, mut excused) = (0, Reasons::new());
        for row in rows {
            let state = text(row, "state")?;
            if !NOT_KNOWN.contains(&state) {
                continue;
            }
            let root = &self.evidence.known(&row["task"])?["root"];
            let tasks = self.evidence.tasks().iter();
            let mut own = tasks.filter(|task| task["root"] == *root);
            // the successor that would tell it is shown to nobody, or runs at this moment
            let hidden = own.clone().any(|task| task["hidden"] == true);
            let reason = match state {
                "accepted" | "gone" | "unknown" if hidden => NEVER_SHOWN,
                "accepted" | "pending" if own.any(|task| task["status"] == "P") => {
                    "running when the round ended"
                }
                _ => {
                    unknown += 1;
                    continue;
                }
            };
            *excused.entry(reason).or_default() += 1;
        }
        Ok((unknown, excused))
    }

    /// A task that a person has to look at because it was sent in vain really was: three requests that
    /// named it met a fault of theirs and were never applied since it last ran (what is the whole server's by
    /// its status counts only where it was alone), or one that named it alone was forbidden, or the
    /// item was refused for want of a right.
    pub fn in_vain(&self, task: u64, until: usize) -> Verdict {
        let root = &self.evidence.known(&Value::from(task))?["root"];
        let mut vain = 0;
        for row in self.evidence.journal[..until.min(self.evidence.journal.len())]
            .iter()
            .filter(|row| row["class"] == "put")
        {
            for item in crate::drill_oracle::items_of(row) {
                if self.evidence.known(&item["id"])?["root"] != *root {
                    continue;
                }
                let alone = crate::drill_oracle::items_of(row).count() == 1;
                let status = number(row, "status")?;
                if runs_of(row, &item["id"]).next().is_some() {
                    vain = 0;
                } else if row["fault"].is_null() || (OF_THE_SERVER.contains(&status) && !alone) {
                    continue;
                } else if (status == 403 && alone) || row["fault"] == "ForbidItems" {
                    return Ok(());
                } else {
                    vain += 1;
                }
            }
        }
        match vain >= 3 {
            true => Ok(()),
            false => Err(format!(
                "task {task} waits for a person as sent in vain, and only {vain} requests were"
            )),
        }
    }
}
