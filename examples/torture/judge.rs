//! The verdict of a round: the drills' own oracles, and those of `oracles`; what is excused comes from `excuse` alone; it must never excuse anything by what the daemon says.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::drill_oracle::{Claim, Evidence, Expect, breaches, text};
use crate::excuse::{Excuses, NEVER_SHOWN, Reasons, Resets};
use crate::house::Trouble;
use crate::phase::Remains;
use crate::world::Plan;
use crate::{notes, oracles, others};

/// What is wrong, by the oracle's name.
pub type Found = BTreeMap<&'static str, String>;

/// Everything beside the simulator's word.
pub struct Case<'a> {
    /// The round's plan.
    pub plan: &'a Plan,
    /// What `outcomes export` printed at the end.
    pub outcomes: &'a str,
    /// What `inbox` printed at the end; it is counted, and excuses nothing.
    pub inbox: &'a Value,
    /// What a person let go on.
    pub resets: &'a Resets,
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
    /// Pieces of work that took effect twice.
    pub effects_twice: u64,
    /// Runs that came twice.
    pub runs_twice: u64,
    /// Attempts on record.
    pub attempts: u64,
    /// Attempts whose end nobody knows at the end, although it can be known.
    pub unknown: u64,
    /// Attempts whose end can't be known by the simulator's truth, by reason.
    pub hidden: Reasons,
    /// PUTs that attempt something.
    pub puts: u64,
    /// PUTs that set a note.
    pub notes: u64,
    /// What others did: runs that they ordered, or acts of an admin.
    pub theirs: u64,
    /// Faults that were met.
    pub faults: u64,
    /// Healed pieces of work.
    pub healed: u64,
    /// Healable pieces of work that were left, by what was in their way in the world.
    pub excused: Reasons,
    /// What a person had to let go on.
    pub resets: u64,
    /// Items of the inbox by reason.
    pub inbox: BTreeMap<String, u64>,
    /// Attempts by where they stand at the end.
    pub states: BTreeMap<String, u64>,
}

fn sum<K: Ord + Clone>(into: &mut BTreeMap<K, u64>, from: &BTreeMap<K, u64>) {
    for (key, many) in from {
        *into.entry(key.clone()).or_default() += many;
    }
}

impl Counts {
    /// Adds those of another round.
    pub fn add(&mut self, other: &Counts) {
        self.effects += other.effects;
        self.effects_twice += other.effects_twice;
        self.runs_twice += other.runs_twice;
        self.attempts += other.attempts;
        self.unknown += other.unknown;
        self.puts += other.puts;
        self.notes += other.notes;
        self.theirs += other.theirs;
        self.faults += other.faults;
        self.healed += other.healed;
        self.resets += other.resets;
        sum(&mut self.hidden, &other.hidden);
        sum(&mut self.excused, &other.excused);
        sum(&mut self.inbox, &other.inbox);
        sum(&mut self.states, &other.states);
    }

    /// Attempts whose end nobody knows, those included of which nobody can know.
    pub fn not_known(&self) -> u64 {
        self.unknown + self.hidden.get(NEVER_SHOWN).copied().unwrap_or(0)
    }

    /// The same in a hundred attempts.
    pub fn not_known_percent(&self) -> f64 {
        let whole = |n: u64| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
        100.0 * whole(self.not_known()) / whole(self.attempts.max(1))
    }
}

/// The evidence of the simulator, with nothing of the daemon's in it; for a look before the end.
pub fn evidence_of(truth: Value, journal: Vec<Value>) -> Evidence {
    Evidence {
        truth,
        journal,
        claims: Vec::new(),
        expect: Expect::default(),
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
    notes::set_apart(&mut journal);
    let mut evidence = evidence_of(truth, journal);
    evidence.expect.lives = case.lives.to_vec();
    // without these nothing else can be judged
    let ground = oracles::whole(&evidence).and_then(|()| claims_of(&rows));
    match ground {
        Ok(claims) => evidence.claims = claims,
        Err(what) => return Ok((Found::from([("whole", what)]), Counts::default())),
    }
    let mut found = breaches(&evidence);
    // these are asked below, with what the stores after the kills say, and by episode
    for name in ["healable_open", "read_after_restart", "most_runs_of_one"] {
        found.remove(name);
    }
    let theirs = others::many(&evidence);
    if theirs > 0 {
        // the truth counts what others did as well
        for name in [
            "stale_effects",
            "effected_twice",
            "overtaken_effects",
            "runs_twice",
        ] {
            found.remove(name);
        }
    }
    let per_minute = usize::try_from(case.plan.per_minute).unwrap_or(usize::MAX);
    let mut counts = counts(&evidence, &rows, &case);
    let verdicts = [
        ("rate", oracles::rate(&evidence, per_minute)),
        ("one_write", oracles::one_write(&evidence)),
        (
            "sent_is_claimed",
            oracles::sent_is_claimed(&evidence, &rows),
        ),
        ("sent_once", oracles::sent_once(&evidence)),
        ("claimed_before", oracles::claimed_before(&evidence, &case)),
        ("settled_first", oracles::settled_first(&evidence, &case)),
        ("notes", notes::notes(&evidence, &case)),
        ("acknowledged", oracles::acknowledged(case.remains)),
        ("not_applied", oracles::not_applied(&evidence, &rows)),
        ("completed", oracles::completed(&evidence, &rows)),
        ("stale_effects", others::stale(&evidence)),
        ("effected_twice", others::twice(&evidence)),
        ("runs_twice", others::runs_twice(&evidence)),
        ("overtaken_effects", others::overtaken(&evidence)),
        (
            "none_of_theirs",
            others::none_of_theirs(&evidence, &rows, case.remains),
        ),
        ("cap", cap(&evidence, &case)),
        ("liveness", alive(&evidence, &rows, &case, &mut counts)),
    ];
    for (name, verdict) in verdicts {
        if let Err(what) = verdict {
            found.entry(name).or_insert(what);
        }
    }
    Ok((found, counts))
}

fn claims_of(rows: &[Value]) -> Result<Vec<Claim>, String> {
    let mut claims = Vec::new();
    for row in rows {
        if text(row, "action")? == "retry" {
            claims.push(Claim {
                batch: text(row, "batch")?.to_owned(),
                task: text(row, "task")?.to_owned(),
            });
        }
    }
    Ok(claims)
}

/// No piece of work was run, or sent, more often than it may.
fn cap(evidence: &Evidence, case: &Case<'_>) -> Result<(), String> {
    let excuses = Excuses::of(evidence, case.plan, case.resets)?;
    excuses.runs()?;
    others::cap(evidence, &excuses, case.plan, case.resets)
}

/// What the inbox says of an account in which others have run things.
const ASKED: &str = "in an account that others act on too, and a person is asked";

/// All that could heal has healed, and a person had to let nothing go on that was not in vain.
fn alive(
    evidence: &Evidence,
    rows: &[Value],
    case: &Case<'_>,
    counts: &mut Counts,
) -> Result<(), String> {
    let excuses = Excuses::of(evidence, case.plan, case.resets)?;
    let (all, excused) = excuses.left()?;
    counts.excused = excused;
    let mut left = Vec::new();
    for task in all {
        if excuses.is_asked(task, case.inbox)? {
            *counts.excused.entry(ASKED).or_default() += 1;
        } else {
            left.push(task);
        }
    }
    (counts.unknown, counts.hidden) = excuses.unknown(rows)?;
    for (task, length) in case.resets {
        excuses.in_vain(*task, *length)?;
    }
    if left.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{} pieces of work could heal and did not: {left:?}; inbox: {}",
        left.len(),
        case.inbox
    ))
}

fn counts(evidence: &Evidence, rows: &[Value], case: &Case<'_>) -> Counts {
    let number = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let mut by_why = BTreeMap::new();
    for item in case.inbox.as_array().into_iter().flatten() {
        let why = item["why"].as_str().unwrap_or_default().to_owned();
        *by_why.entry(why).or_default() += item["count"].as_u64().unwrap_or(1);
    }
    let mut by_state = BTreeMap::new();
    for row in rows {
        let state = row["state"].as_str().unwrap_or_default().to_owned();
        *by_state.entry(state).or_default() += 1;
    }
    let faults = evidence.requests().filter(|row| !row["fault"].is_null());
    Counts {
        effects: number(evidence.effects().count()),
        effects_twice: evidence.count("effected_twice"),
        runs_twice: evidence.count("runs_twice"),
        attempts: number(rows.len()),
        puts: number(evidence.class("put").count()),
        notes: number(evidence.class("note").count()),
        theirs: others::many(evidence),
        faults: number(faults.count()),
        healed: evidence.count("healed"),
        resets: number(case.resets.len()),
        inbox: by_why,
        states: by_state,
        ..Counts::default()
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
