//! The verdict of a round: the drills' own oracles, and those that only kills and a store of files call for; it must never excuse anything by what the daemon says.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::drill_oracle::{Claim, Evidence, Expect, breaches};
use crate::house::Trouble;
use crate::phase::Remains;
use crate::world::Plan;

/// What is wrong, by the oracle's name.
pub type Found = BTreeMap<&'static str, String>;

/// States in which nobody knows what became of an attempt.
pub const UNKNOWN: [&str; 3] = ["claimed", "unknown", "ambiguous"];

/// Attempts of an episode.
const ATTEMPTS: usize = 5;

/// Everything beside the simulator's word.
pub struct Case<'a> {
    /// The round's plan.
    pub plan: &'a Plan,
    /// What `outcomes export` printed at the end.
    pub outcomes: &'a str,
    /// What `inbox` printed at the end.
    pub inbox: &'a Value,
    /// Lengths of the journal at the kills.
    pub lives: &'a [usize],
    /// What each kill has left, and the orderly end.
    pub remains: &'a [Remains],
}

/// Figures of a round.
#[derive(Debug, Default, Clone)]
pub struct Counts {
    /// Effects of the daemon.
    pub effects: u64,
    /// Work that took effect twice, or runs that came twice.
    pub duplicates: u64,
    /// Attempts on record.
    pub attempts: u64,
    /// Attempts whose end nobody knows at the end.
    pub unknown: u64,
    /// PUTs.
    pub puts: u64,
    /// Faults that were met.
    pub faults: u64,
    /// Healed pieces of work.
    pub healed: u64,
    /// Healable pieces of work that used up their attempts, or wait behind such a one.
    pub used_up: u64,
    /// Items of the inbox by reason.
    pub inbox: BTreeMap<String, u64>,
    /// Attempts by where they stand at the end.
    pub states: BTreeMap<String, u64>,
}

impl Counts {
    /// Adds those of another round.
    pub fn add(&mut self, other: &Counts) {
        self.effects += other.effects;
        self.duplicates += other.duplicates;
        self.attempts += other.attempts;
        self.unknown += other.unknown;
        self.puts += other.puts;
        self.faults += other.faults;
        self.healed += other.healed;
        self.used_up += other.used_up;
        for (why, many) in &other.inbox {
            *self.inbox.entry(why.clone()).or_default() += many;
        }
        for (state, many) in &other.states {
            *self.states.entry(state.clone()).or_default() += many;
        }
    }

    /// Attempts whose end nobody knows, in a hundred.
    pub fn unknown_percent(&self) -> f64 {
        let whole = |n: u64| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
        100.0 * whole(self.unknown) / whole(self.attempts.max(1))
    }
}

/// Judges a round.
pub fn judge(
    case: Case<'_>,
    truth: Value,
    mut journal: Vec<Value>,
) -> Result<(Found, Counts), Trouble> {
    let rows: Vec<Value> = case
        .outcomes
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()
        .map_err(|error| Trouble::Store(format!("outcomes export: {error}")))?;
    mark_cut(&mut journal, case.remains);
    let claims = rows
        .iter()
        .filter(|row| row["action"] == "retry")
        .filter_map(|row| {
            Some(Claim {
                batch: row["batch"].as_str()?.to_owned(),
                task: row["task"].as_str()?.to_owned(),
            })
        })
        .collect();
    let evidence = Evidence {
        truth,
        journal,
        claims,
        expect: Expect {
            lives: case.lives.to_vec(),
            ..Expect::default()
        },
    };
    let mut found = breaches(&evidence);
    // both are asked below, with what the stores after the kills say
    found.remove("healable_open");
    found.remove("read_after_restart");
    let mut add = |name: &'static str, what: Option<String>| {
        if let Some(what) = what {
            found.insert(name, what);
        }
    };
    let per_minute = usize::try_from(case.plan.per_minute).unwrap_or(usize::MAX);
    add("rate", rate(&evidence, per_minute));
    add("one_write", one_write(&evidence));
    add("sent_is_claimed", sent_is_claimed(&evidence, &rows));
    add("sent_once", sent_once(&evidence));
    add("claimed_before", claimed_before(&evidence, &case));
    add("settled_first", settled_first(&evidence, &case));
    add("acknowledged", acknowledged(case.remains));
    add("not_applied", not_applied(&evidence, &rows));
    add("completed", completed(&evidence, &rows));
    let mut left = left(&evidence.truth, &evidence.journal);
    // these wait for a person; they count as unknown, of which there may be few
    left.retain(|id| !doubtful(case.inbox, *id));
    add(
        "liveness",
        (!left.is_empty()).then(|| {
            format!(
                "{} pieces of work could heal and did not: {:?}; inbox: {}",
                left.len(),
                left,
                case.inbox
            )
        }),
    );
    let counts = counts(&evidence, &rows, case.inbox);
    Ok((found, counts))
}

fn counts(evidence: &Evidence, rows: &[Value], inbox: &Value) -> Counts {
    let number = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let mut by_why = BTreeMap::new();
    for item in inbox.as_array().into_iter().flatten() {
        let why = item["why"].as_str().unwrap_or_default().to_owned();
        *by_why.entry(why).or_default() += item["count"].as_u64().unwrap_or(1);
    }
    let mut by_state = BTreeMap::new();
    for row in rows {
        let state = row["state"].as_str().unwrap_or_default().to_owned();
        *by_state.entry(state).or_default() += 1;
    }
    let could = evidence.tasks().iter().filter(|t| t["could_heal"] == true);
    Counts {
        effects: number(evidence.effects().count()),
        duplicates: evidence.count("effected_twice") + evidence.count("runs_twice"),
        attempts: number(rows.len()),
        unknown: number(
            rows.iter()
                .filter(|row| UNKNOWN.iter().any(|state| row["state"] == *state))
                .count(),
        ),
        puts: number(evidence.class("put").count()),
        faults: number(
            evidence
                .requests()
                .filter(|row| !row["fault"].is_null())
                .count(),
        ),
        healed: evidence.count("healed"),
        used_up: number(could.count()),
        inbox: by_why,
        states: by_state,
    }
}

/// A PUT that was cut off by a kill is one whose answer nobody has.
fn mark_cut(journal: &mut [Value], remains: &[Remains]) {
    let cut: BTreeSet<&str> = remains.iter().flat_map(Remains::unanswered).collect();
    for row in journal {
        let batch = row["request_id"].as_str().unwrap_or_default();
        if row["class"] == "put" && cut.contains(batch) {
            row["cut"] = Value::Bool(true);
        }
    }
}

/// Wall milliseconds by which a PUT's runs hold up its answer.
pub fn waits(row: &Value, journal: &[Value], targets: &[(String, u64)]) -> i64 {
    let ran: Vec<&str> = row["items"]
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|item| item["runs"].as_array().into_iter().flatten())
        .filter_map(Value::as_str)
        .collect();
    let target = journal
        .iter()
        .filter(|row| row["type"] == "effect")
        .find(|effect| effect["run"].as_str().is_some_and(|run| ran.contains(&run)))
        .and_then(|effect| effect["target"].as_str());
    let each = targets
        .iter()
        .find(|(name, _)| Some(name.as_str()) == target)
        .map_or(0, |(_, ms)| *ms);
    let many = u64::try_from(ran.len()).unwrap_or(0);
    i64::try_from(each.saturating_mul(many)).unwrap_or(0)
}

fn at(row: &Value) -> Option<Timestamp> {
    row["at"].as_str()?.parse().ok()
}

fn items(row: &Value) -> impl Iterator<Item = &Value> {
    row["body"]["tasks"].as_array().into_iter().flatten()
}

/// Whether the inbox asks whose successor a task is.
pub fn doubtful(inbox: &Value, id: u64) -> bool {
    let id = id.to_string();
    inbox
        .as_array()
        .into_iter()
        .flatten()
        .filter(|item| item["why"] == "ambiguous")
        .flat_map(|item| item["tasks"].as_array().into_iter().flatten())
        .any(|task| *task == id.as_str())
}

/// Tasks that could heal, are rejected, and have no good reason to be so: their attempts are not used
/// up, nor those of what has to go before them in their account.
pub fn left(truth: &Value, journal: &[Value]) -> Vec<u64> {
    let tasks = truth["tasks"].as_array().map_or(&[][..], Vec::as_slice);
    let roots: HashMap<String, &Value> = tasks
        .iter()
        .map(|task| (task["id"].to_string(), &task["root"]))
        .collect();
    let mut asked: HashMap<&Value, usize> = HashMap::new();
    for row in journal.iter().filter(|row| row["class"] == "put") {
        for item in items(row).filter(|item| item["action"] == "retry") {
            if let Some(root) = item["id"].as_str().and_then(|id| roots.get(id)) {
                *asked.entry(root).or_default() += 1;
            }
        }
    }
    let open = |task: &&Value| task["status"] == "R" || task["status"] == "P";
    let used_up = |task: &Value| asked.get(&task["root"]).is_some_and(|n| *n >= ATTEMPTS);
    // what has failed for good holds up the younger ones of its definition, as a revoke holds up all
    let stuck: Vec<&Value> = tasks
        .iter()
        .filter(open)
        .filter(|task| used_up(task) || task["could_heal"] != true)
        .collect();
    tasks
        .iter()
        .filter(|task| task["could_heal"] == true && !used_up(task))
        .filter(|task| !stuck.iter().any(|other| holds_up(other, task)))
        .filter_map(|task| task["id"].as_u64())
        .collect()
}

/// Whether a task that can't be done holds another one up (invariant 8).
fn holds_up(stuck: &Value, task: &Value) -> bool {
    if stuck["process"] != task["process"] || stuck["root"] == task["root"] {
        return false;
    }
    let kind = stuck["kind"].as_str().unwrap_or_default();
    matches!(kind, "revoke" | "disable" | "create")
        || stuck["definition"] == task["definition"]
            && stuck["origin"].as_str() <= task["origin"].as_str()
}

/// In no span of 60 seconds are more items sent to a target than its rate, over kills too.
fn rate(evidence: &Evidence, per_minute: usize) -> Option<String> {
    let mut sent: BTreeMap<&str, Vec<(Timestamp, &Value)>> = BTreeMap::new();
    for row in evidence.class("put") {
        for item in items(row) {
            let target = evidence.task(&item["id"])?["target"].as_str()?;
            sent.entry(target)
                .or_default()
                .push((at(row)?, &row["number"]));
        }
    }
    for (target, times) in sent {
        for (first, (from, request)) in times.iter().enumerate() {
            let end = from.checked_add(SignedDuration::from_secs(60)).ok()?;
            let many = times[first..]
                .iter()
                .take_while(|(at, _)| *at < end)
                .count();
            if many > per_minute {
                return Some(format!(
                    "{many} items to {target} in the 60 seconds from request {request} on ({from}), {per_minute} may be"
                ));
            }
        }
    }
    None
}

/// What runs at a target is the only write of its account until it has run.
fn one_write(evidence: &Evidence) -> Option<String> {
    let mut ended: HashMap<&str, u64> = HashMap::new();
    for row in evidence
        .journal
        .iter()
        .filter(|row| row["type"] == "effect")
    {
        ended.insert(row["run"].as_str()?, row["seq"].as_u64()?);
    }
    // by account: until which row of the journal a run is under way
    let mut busy: HashMap<String, (u64, &Value)> = HashMap::new();
    for row in evidence.class("put") {
        let seq = row["seq"].as_u64()?;
        let done = row["items"].as_array().map_or(&[][..], Vec::as_slice);
        for item in items(row).filter(|item| item["action"] == "retry") {
            let account = evidence.task(&item["id"])?["process"].to_string();
            if let Some((until, before)) = busy.get(&account)
                && seq < *until
            {
                return Some(format!(
                    "request {} acts on account {account} while the run of request {before} is under way",
                    row["number"]
                ));
            }
            let runs = done
                .iter()
                .filter(|done| done["id"] == item["id"])
                .flat_map(|done| done["runs"].as_array().into_iter().flatten());
            let until = runs.filter_map(|run| ended.get(run.as_str()?)).max();
            if let Some(until) = until {
                busy.insert(account, (*until, &row["number"]));
            }
        }
    }
    None
}

/// Every item that was sent is on record at the end, with its request.
fn sent_is_claimed(evidence: &Evidence, rows: &[Value]) -> Option<String> {
    let known: BTreeSet<(&str, &str)> = rows
        .iter()
        .filter_map(|row| Some((row["batch"].as_str()?, row["task"].as_str()?)))
        .collect();
    evidence.items().find_map(|(row, item)| {
        let batch = row["request_id"].as_str().unwrap_or_default();
        let task = item["id"].as_str().unwrap_or_default();
        (!known.contains(&(batch, task))).then(|| {
            format!(
                "task {task} went out in request {} ({batch}), which no claim names",
                row["number"]
            )
        })
    })
}

/// No batch goes out twice.
fn sent_once(evidence: &Evidence) -> Option<String> {
    let mut seen: HashMap<&str, &Value> = HashMap::new();
    evidence.class("put").find_map(|row| {
        let before = seen.insert(row["request_id"].as_str()?, &row["number"])?;
        Some(format!(
            "requests {before} and {} are the same batch",
            row["number"]
        ))
    })
}

/// What had arrived when the daemon was killed was on disk as a claim then.
fn claimed_before(evidence: &Evidence, case: &Case<'_>) -> Option<String> {
    case.lives.iter().zip(case.remains).find_map(|(end, remains)| {
        let rows = evidence.journal[..*end].iter();
        rows.filter(|row| row["class"] == "put").find_map(|row| {
            let batch = row["request_id"].as_str().unwrap_or_default();
            (!remains.claims.contains_key(batch)).then(|| {
                format!(
                    "request {} had arrived when the daemon was killed, and its batch {batch} was not on disk",
                    row["number"]
                )
            })
        })
    })
}

/// After a kill what is not known is asked for before anything is sent.
fn settled_first(evidence: &Evidence, case: &Case<'_>) -> Option<String> {
    let ends = case.lives.iter().copied().skip(1);
    let ends = ends.chain([evidence.journal.len()]);
    for ((begin, remains), end) in case.lives.iter().zip(case.remains).zip(ends) {
        let life = &evidence.journal[*begin..end];
        let Some(first) = life.iter().position(|row| row["class"] == "put") else {
            continue;
        };
        for task in remains.unknown.values() {
            let process = evidence.task(&Value::from(task.as_str()))?["process"].to_string();
            let asked = life[..first].iter().any(|row| {
                let path = row["path"].as_str().unwrap_or_default();
                row["class"] == "read"
                    && (path.ends_with(&format!("/provtasks/{task}"))
                        || path.ends_with(&format!("/provprocesses/{process}")))
                    || row["class"] == "list"
                        && row["status"] == 200
                        && followed(evidence, task, row)
            });
            if !asked {
                return Some(format!(
                    "what became of task {task} was not known at the kill at row {begin}, and request {} went out before it was read",
                    life[first]["number"]
                ));
            }
        }
    }
    None
}

/// Whether a list could show what had become of a task: its successor.
fn followed(evidence: &Evidence, task: &str, list: &Value) -> bool {
    let root = evidence
        .task(&Value::from(task))
        .map_or(&Value::Null, |task| &task["root"]);
    let number = task.parse::<u64>().ok();
    evidence.tasks().iter().any(|other| {
        let created: Option<Timestamp> = other["created"].as_str().and_then(|at| at.parse().ok());
        other["root"] == *root && other["id"].as_u64() > number && created <= at(list)
    })
}

/// Nothing that was acknowledged before a kill is lost or changed after it.
fn acknowledged(remains: &[Remains]) -> Option<String> {
    remains.windows(2).find_map(|pair| {
        let [before, after] = pair else { return None };
        if after.unreadable > 0 {
            return Some(format!("{} records can't be read", after.unreadable));
        }
        let known = before.records.range(..=before.acknowledged);
        known
            .filter(|(seq, digest)| after.records.get(seq) != Some(digest))
            .map(|(seq, _)| {
                format!("record {seq} was acknowledged and is not there any more, or another one")
            })
            .next()
    })
}

fn roots(evidence: &Evidence) -> HashMap<String, String> {
    let row = |task: &Value| (task["id"].to_string(), task["root"].to_string());
    evidence.tasks().iter().map(row).collect()
}

/// What is called not applied, unsent or refused has had no effect.
fn not_applied(evidence: &Evidence, rows: &[Value]) -> Option<String> {
    let roots = roots(evidence);
    let states = ["not_applied", "unsent", "refused"];
    rows.iter()
        .filter(|row| states.iter().any(|state| row["state"] == *state))
        .find_map(|row| {
            let root = roots.get(row["task"].as_str()?)?;
            let effect = evidence
                .effects()
                .find(|e| e["caused_by"] == row["batch"] && e["root"] == root.as_str())?;
            Some(format!("{row} is said to have had no effect: {effect}"))
        })
}

/// What is called completed is done.
fn completed(evidence: &Evidence, rows: &[Value]) -> Option<String> {
    let roots = roots(evidence);
    rows.iter()
        .filter(|row| row["state"] == "completed" && row["action"] == "retry")
        .find_map(|row| {
            let root = roots.get(row["task"].as_str()?)?;
            let mut tasks = evidence.tasks().iter();
            let done = tasks.any(|task| {
                task["root"].to_string().as_str() == root.as_str()
                    && (task["status"] == "C" || task["status"] == "MC")
            });
            (!done).then(|| format!("{row} is said to be completed, and nothing of it is"))
        })
}
