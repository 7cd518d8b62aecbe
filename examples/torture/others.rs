//! What others do to a round's tasks, OIG's own job and an admin, and the oracles of it: whatever they do, an effect of theirs is none of ours, and the cap counts theirs; it must never blame the daemon for what they did, nor excuse what it did after it could see that.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::dice::Dice;
use crate::drill_oracle::{Evidence, Verdict, id_of, is_clients, number, text};
use crate::drill_order::is_unclear;
use crate::excuse::{ATTEMPTS, Excuses, Resets};
use crate::oracles::at;
use crate::phase::Remains;
use crate::world::Plan;

/// The roles that tasks are handed to. The daemon's login is in both: what it can't see it can't heal.
const ROLES: [&str; 2] = ["PROV OPERATORS", "SECOND LINE"];

/// Draws of its own: worlds of other seeds stay what they were.
pub fn plan(seed: u64, plan: &mut Plan) {
    let mut dice = Dice::new(seed, 6);
    plan.admin = dice.percent(40);
    let (job, counts) = (dice.percent(30), dice.percent(70));
    let (period, count) = (dice.within(15, 90), dice.within(1, 2));
    if plan.admin {
        plan.scenario.push_str(&format!(
            "[[role]]\nname = \"{}\"\n[[login]]\nlogin = \"PROVSVC\"\npassword = \"sim-password-1\"\nroles = {ROLES:?}\n",
            ROLES[1]
        ));
    }
    if job {
        plan.scenario.push_str(&format!(
            "[timed_retry]\nperiod = \"{period}m\"\ncount = {count}\n"
        ));
    }
    if (job || plan.admin) && !counts {
        plan.counts_theirs = false;
        plan.config = plan.config.replace(
            "[governor]\n",
            "[governor]\ncount_foreign_attempts = false\n",
        );
    }
}

/// What an admin does now to one visible rejected task, as `/sim/act` takes it; `None` where there is none.
pub fn act(truth: &Value, dice: &mut Dice) -> Option<Value> {
    let mut open: BTreeMap<&str, u64> = BTreeMap::new();
    for task in truth["tasks"].as_array().into_iter().flatten() {
        // what is not automated can't be retried by anybody
        if task["status"] == "R" && task["hidden"] == false && task["automated"] == true {
            *open.entry(task["target"].as_str()?).or_default() += 1;
        }
    }
    let targets: Vec<(&str, u64)> = open.into_iter().collect();
    let (target, many) = *dice.pick(&targets)?;
    // the n-th, and no other: the simulator looks for it in the moment of the act
    let each = dice.within(many / 2 + 1, many);
    let mut act = json!({ "target": target, "each": each });
    match dice.within(0, 9) {
        0..=5 => act["do"] = Value::from("retry"),
        6 | 7 => act["do"] = Value::from("complete"),
        _ => {
            let role = dice.pick(&ROLES).copied()?;
            act["do"] = Value::from("reassign");
            act["to"] = Value::from(format!("role:{role}"));
        }
    }
    Some(act)
}

/// What an admin has done to tasks, by the simulator's journal: the row's number, the act's word, the root.
pub fn acts(evidence: &Evidence) -> Result<Vec<(u64, &str, u64)>, String> {
    let mut acts = Vec::new();
    for row in &evidence.journal {
        let word = row["act"]["do"].as_str();
        let Some(word) = word.filter(|_| row["type"] == "act" && row["done"] == true) else {
            continue;
        };
        for task in row["tasks"].as_array().into_iter().flatten() {
            let root = number(evidence.known(task)?, "root")?;
            acts.push((number(row, "seq")?, word, root));
        }
    }
    Ok(acts)
}

/// Roots of the pieces of work that an admin has completed.
pub fn completed(evidence: &Evidence) -> Result<BTreeSet<u64>, String> {
    let acts = acts(evidence)?.into_iter();
    let done = acts.filter(|(_, word, _)| *word == "complete");
    Ok(done.map(|(.., root)| root).collect())
}

/// No run that a client ordered is carried out for it a second time. OIG's job may start one that waits: then
/// that run is its own as well, and the client has ordered it once.
pub fn runs_twice(evidence: &Evidence) -> Verdict {
    let mut runs: BTreeMap<&str, u32> = BTreeMap::new();
    for effect in evidence.all_effects().filter(|effect| is_clients(effect)) {
        *runs.entry(text(effect, "run")?).or_default() += 1;
    }
    match runs.into_iter().find(|(_, times)| *times > 1) {
        Some((run, times)) => Err(format!("run {run} was carried out {times} times")),
        None => Ok(()),
    }
}

/// The runs of others.
pub fn effects(evidence: &Evidence) -> impl Iterator<Item = &Value> {
    evidence.all_effects().filter(|effect| !is_clients(effect))
}

/// Whether the last run of a piece of work was ordered by others, before what it needs was there: that it
/// says so, and no more that its target was away, makes it a person's, although that has come by now.
pub fn was_too_early(evidence: &Evidence, root: &str) -> bool {
    let last = evidence
        .all_effects()
        .filter(|effect| effect["root"] == root)
        .last();
    last.is_some_and(|effect| !is_clients(effect) && effect["error"] == "not_found")
}

/// How many things others have done that a client may take for its own.
pub fn many(evidence: &Evidence) -> u64 {
    let acts = acts(evidence).map_or(0, |acts| acts.len());
    u64::try_from(effects(evidence).count().max(acts)).unwrap_or(u64::MAX)
}

/// The journal's row of an effect, by its run and who ordered it: where two have retried one id, both have
/// ordered the same run.
fn rows_of(evidence: &Evidence) -> Result<HashMap<(&str, &str), u64>, String> {
    let mut rows = HashMap::new();
    for row in evidence
        .journal
        .iter()
        .filter(|row| row["type"] == "effect")
    {
        let by = (text(row, "run")?, text(row, "caused_by")?);
        rows.insert(by, number(row, "seq")?);
    }
    Ok(rows)
}

/// The journal's row of a batch.
fn sent_at(evidence: &Evidence) -> Result<HashMap<&str, &Value>, String> {
    let mut rows = HashMap::new();
    for row in evidence.class("put") {
        rows.insert(text(row, "request_id")?, row);
    }
    Ok(rows)
}

/// None of our effects gave what must not be given any more.
pub fn stale(evidence: &Evidence) -> Verdict {
    match evidence.effects().find(|effect| effect["stale"] == true) {
        Some(effect) => Err(format!("one of our effects is stale: {effect}")),
        None => Ok(()),
    }
}

/// None of our changes went over a newer one that was ours too. What an admin has had run out of its order
/// is his; how often that came is counted.
pub fn overtaken(evidence: &Evidence) -> Verdict {
    let effects: Vec<&Value> = evidence.all_effects().collect();
    for (position, effect) in effects.iter().enumerate() {
        if effect["overtaken"] != true || !is_clients(effect) {
            continue;
        }
        let newest = effects[..position].iter().rev().find(|other| {
            other["process"] == effect["process"]
                && other["definition"] == effect["definition"]
                && other["ok"] == true
        });
        if newest.is_some_and(|other| is_clients(other)) {
            return Err(format!(
                "one of our effects went over a newer one: {effect}"
            ));
        }
    }
    Ok(())
}

/// Whether a list was begun, and answered, between two rows of the journal.
fn listed(evidence: &Evidence, after: u64, before: u64) -> bool {
    evidence.class("list").any(|row| {
        let query = row["query"].as_str().unwrap_or_default();
        let begins = query.split('&').any(|part| part == "offset=1");
        let good = row["fault"].is_null() && row["status"] == 200;
        let between = |at: u64| at > after && at < before;
        begins && good && row["seq"].as_u64().is_some_and(between)
    })
}

/// What is done is not done again by us: neither after our own run, nor after one of theirs, unless ours
/// was on its way already. Where both retried one id, with no list between them, the server has the work
/// twice, and a list that shows one of the two results shows nothing wrong.
pub fn twice(evidence: &Evidence) -> Verdict {
    let (rows, sent) = (rows_of(evidence)?, sent_at(evidence)?);
    let mut all: HashMap<(&str, &Value), Vec<&Value>> = HashMap::new();
    for effect in evidence.all_effects() {
        let root = text(effect, "root")?;
        all.entry((root, &effect["item"])).or_default().push(effect);
    }
    let seq_of = |effect: &Value| -> Result<u64, String> {
        if is_clients(effect) {
            let batch = text(effect, "caused_by")?;
            let request = sent.get(batch);
            return number(request.ok_or_else(|| format!("no request {batch}"))?, "seq");
        }
        let by = (text(effect, "run")?, text(effect, "caused_by")?);
        let seq = rows.get(&by).copied();
        seq.ok_or_else(|| format!("not in the journal: {effect}"))
    };
    for effects in all.into_values() {
        let mut doubled = false;
        for (position, effect) in effects.iter().enumerate() {
            if !is_clients(effect) || doubled {
                continue;
            }
            let seq = seq_of(effect)?;
            for before in &effects[..position] {
                let (done, theirs) = (seq_of(before)?, !is_clients(before));
                let raced = theirs && (done > seq || !listed(evidence, done, seq));
                doubled |= raced && before["task"] == effect["task"];
                let twice = before["ok"] == true && effect["ok"] == true;
                if twice && !raced && !doubled {
                    return Err(format!("{before} was done, and then by us: {effect}"));
                }
            }
        }
    }
    Ok(())
}

/// What is called ours ran by our request; where the request's end was not clear, nobody can tell.
/// So it is with a claim that was open at a kill: whether it had gone out, only the server knew.
pub fn none_of_theirs(evidence: &Evidence, rows: &[Value], remains: &[Remains]) -> Verdict {
    let cut: BTreeSet<&str> = remains.iter().flat_map(Remains::unanswered).collect();
    let sent = sent_at(evidence)?;
    let mut ours: BTreeSet<(&str, &str)> = BTreeSet::new();
    for effect in evidence.effects() {
        ours.insert((text(effect, "caused_by")?, text(effect, "root")?));
    }
    for row in rows {
        if !matches!(text(row, "state")?, "completed" | "bounced")
            || text(row, "action")? != "retry"
        {
            continue;
        }
        let root = number(evidence.known(&row["task"])?, "root")?.to_string();
        let batch = text(row, "batch")?;
        let Some(request) = sent.get(batch) else {
            if cut.contains(batch) {
                continue;
            }
            return Err(format!("{row} is said to have ended, and was never sent"));
        };
        if !ours.contains(&(batch, root.as_str())) && !spoilt(request) {
            return Err(format!(
                "{row} is said to be {}, and no run of the connector was by its request",
                row["state"]
            ));
        }
    }
    Ok(())
}

/// Whether the answer for an item could not be heard, whatever else the request came to.
fn spoilt(request: &Value) -> bool {
    let fault = request["fault"].as_str().unwrap_or_default();
    is_unclear(request)
        || matches!(
            fault,
            "OmitItems" | "UnknownStatus" | "ForbidItems" | "FinishFirst"
        )
}

/// A run: its row in the journal, from when on it can be known, and who caused it.
type Run<'a> = (u64, Option<Timestamp>, &'a str);

/// No piece of work is sent once it has had as many runs as it may, theirs among them where they count. One of
/// theirs counts here only if whole walks through the list have shown what it came from and what it made.
pub fn cap(evidence: &Evidence, excuses: &Excuses<'_>, plan: &Plan, resets: &Resets) -> Verdict {
    let mut since: HashMap<u64, u64> = HashMap::new();
    for (task, length) in resets {
        let root = number(evidence.known(&Value::from(*task))?, "root")?;
        let length = u64::try_from(*length).unwrap_or(u64::MAX);
        let entry = since.entry(root).or_default();
        *entry = (*entry).max(length);
    }
    let rows = rows_of(evidence)?;
    // by the root: each run with its row in the journal, from when on it can be known, and who caused it
    let mut runs: HashMap<u64, Vec<Run<'_>>> = HashMap::new();
    let mut born: HashMap<u64, Vec<(u64, Timestamp)>> = HashMap::new();
    for task in evidence.tasks() {
        let (root, id) = (number(task, "root")?, number(task, "id")?);
        let shown = task["hidden"] != true;
        let created = at(task, "created")?;
        let all = born.entry(root).or_default();
        if shown {
            all.push((id, created));
        }
    }
    for all in born.values_mut() {
        all.sort_unstable();
    }
    for effect in evidence.all_effects() {
        let root: u64 = text(effect, "root")?
            .parse()
            .map_err(|_| format!("no root: {effect}"))?;
        let by = (text(effect, "run")?, text(effect, "caused_by")?);
        let seq = rows.get(&by).copied();
        let seq = seq.ok_or_else(|| format!("not in the journal: {effect}"))?;
        if since.get(&root).is_some_and(|since| seq < *since) {
            continue;
        }
        let known = match is_clients(effect) {
            true => Some(Timestamp::MIN),
            false if !plan.counts_theirs => None,
            false => {
                // the k-th run of a piece of work makes its k-th successor
                let ids = born.get(&root).map_or(&[][..], Vec::as_slice);
                let task = id_of(&effect["task"]).unwrap_or_default();
                let place = ids.iter().position(|(id, _)| *id == task);
                told(excuses, ids, place, effect)?
            }
        };
        let cause = text(effect, "caused_by")?;
        runs.entry(root).or_default().push((seq, known, cause));
    }
    for (row, item) in evidence.sent("retry") {
        let root = number(evidence.known(&item["id"])?, "root")?;
        let (seq, when) = (number(row, "seq")?, at(row, "at")?);
        let batch = text(row, "request_id")?;
        let had = runs.get(&root).into_iter().flatten();
        // what a request has run in the call stands in the journal before it
        let had = had.filter(|(run, known, cause)| {
            *run < seq && *cause != batch && known.is_some_and(|at| at < when)
        });
        if had.count() >= ATTEMPTS {
            return Err(format!(
                "the piece of work of task {root} had been run {ATTEMPTS} times, and went out again in request {}",
                row["number"]
            ));
        }
    }
    Ok(())
}

/// Whole walks that have to show the new id of a run of theirs before it has to be known: what was seen of it
/// once goes with a kill.
const WALKS: usize = 5;

/// When whole walks had shown both ends of a run of theirs: the row that was retried while it was open, and
/// the one that came of it.
fn told(
    excuses: &Excuses<'_>,
    ids: &[(u64, Timestamp)],
    place: Option<usize>,
    effect: &Value,
) -> Result<Option<Timestamp>, String> {
    let Some(place) = place else { return Ok(None) };
    let ran = at(effect, "at")?;
    // in the call the run has the old id, later the new one
    let (old, new) = match ids.get(place + 1) {
        Some((_, created)) if *created >= ran => (place, place + 1),
        _ if place > 0 => (place - 1, place),
        _ => return Ok(None),
    };
    let (_, from) = ids[old];
    let (_, made) = ids[new];
    let ends = ids.get(new + 1).map(|(_, next)| *next);
    let before = excuses.shown_after(from)?.filter(|shown| *shown < ran);
    // a new id is joined once two sights without a kill between them agree
    let mut after = Some(made);
    for _ in 0..WALKS {
        let Some(moment) = after else { break };
        after = excuses.shown_after(moment)?;
    }
    let after = after.filter(|shown| ends.is_none_or(|end| *shown < end));
    Ok(before.and(after))
}
