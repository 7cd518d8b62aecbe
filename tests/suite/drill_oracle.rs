//! What every drill is judged by: named oracles over the simulator's truth, its journal and the claims; they must never ask the client what it believes it did.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;

/// A retry that the client wrote down before it sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The request that carried it.
    pub batch: String,
    /// The id it was sent for.
    pub task: String,
}

/// Everything that an oracle looks at.
#[derive(Debug)]
pub struct Evidence {
    /// The whole of `/sim/truth`.
    pub truth: Value,
    /// The whole of `/sim/journal`.
    pub journal: Vec<Value>,
    /// The client's claims of retries; a client without a ledger has none.
    pub claims: Vec<Claim>,
    /// So many healable tasks may be open, because the drill holds them back.
    pub left: u64,
}

/// An oracle's name, and what it finds wrong.
pub type Oracle = (&'static str, fn(&Evidence) -> Option<String>);

/// All oracles that hold at the end of every drill.
pub const ORACLES: [Oracle; 10] = [
    ("healable_open", healable_open),
    ("stale_effects", |e| zero(e, "stale_effects")),
    ("effected_twice", |e| zero(e, "effected_twice")),
    ("runs_twice", |e| zero(e, "runs_twice")),
    ("overtaken_effects", |e| zero(e, "overtaken_effects")),
    ("given_to_inactive", |e| zero(e, "given_to_inactive")),
    ("given_to_beneficiary", |e| zero(e, "given_to_beneficiary")),
    ("most_runs_of_one", most_runs_of_one),
    ("claimed_once", claimed_once),
    ("manual_asked_once", manual_asked_once),
];

/// What is wrong, by the oracle's name.
pub fn breaches(evidence: &Evidence) -> BTreeMap<&'static str, String> {
    ORACLES
        .iter()
        .filter_map(|(name, oracle)| oracle(evidence).map(|text| (*name, text)))
        .collect()
}

impl Evidence {
    /// A count of the truth's summary.
    pub fn count(&self, name: &str) -> u64 {
        self.truth["summary"][name]
            .as_u64()
            .unwrap_or_else(|| panic!("the truth has no count {name}"))
    }

    fn rows(&self, name: &str) -> &[Value] {
        self.truth[name].as_array().map_or(&[], Vec::as_slice)
    }

    /// The effects that requests of the client caused.
    pub fn effects(&self) -> impl Iterator<Item = &Value> {
        self.rows("effects")
            .iter()
            .filter(|effect| effect["caused_by"] != "oig" && effect["caused_by"] != "admin")
    }

    /// The items of all PUTs: the request, and the item.
    pub fn items(&self) -> impl Iterator<Item = (&Value, &Value)> {
        self.journal
            .iter()
            .filter(|entry| entry["type"] == "request" && entry["class"] == "put")
            .flat_map(|request| {
                let items = request["items"].as_array().map_or(&[][..], Vec::as_slice);
                items.iter().map(move |item| (request, item))
            })
    }

    /// The items with one action.
    pub fn sent<'a>(&'a self, action: &'a str) -> impl Iterator<Item = (&'a Value, &'a Value)> {
        self.items()
            .filter(move |(_, item)| item["action"] == action)
    }

    /// The truth's rows of tasks.
    pub fn tasks(&self) -> &[Value] {
        self.rows("tasks")
    }

    /// The truth's row of a task id, as the API writes it.
    pub fn task(&self, id: &Value) -> Option<&Value> {
        let id: u64 = id.as_str()?.parse().ok()?;
        self.tasks().iter().find(|task| task["id"] == id)
    }
}

fn zero(evidence: &Evidence, name: &str) -> Option<String> {
    let count = evidence.count(name);
    (count > 0).then(|| {
        let flag = match name {
            "stale_effects" => "stale",
            "overtaken_effects" => "overtaken",
            _ => return format!("{name} is {count}, not 0"),
        };
        let first = evidence.rows("effects").iter().find(|e| e[flag] == true);
        format!("{name} is {count}, not 0; the first: {first:?}")
    })
}

/// Liveness: everything that could heal has healed.
fn healable_open(evidence: &Evidence) -> Option<String> {
    let open = evidence.count("healable_open");
    (open > evidence.left).then(|| {
        let first: Vec<&Value> = evidence
            .tasks()
            .iter()
            .filter(|task| task["could_heal"] == true)
            .take(3)
            .collect();
        format!(
            "{open} tasks could heal and were left, at most {} may be; the first: {first:?}",
            evidence.left
        )
    })
}

/// No piece of work is run more often than an episode's attempts, 5 by default.
fn most_runs_of_one(evidence: &Evidence) -> Option<String> {
    let most = evidence.count("most_runs_of_one");
    (most > 5).then(|| format!("one piece of work was run {most} times, at most 5 may be"))
}

/// Each effect of the client has exactly one claim, and each claim at most one effect.
fn claimed_once(evidence: &Evidence) -> Option<String> {
    let mut ids: HashMap<String, HashSet<String>> = HashMap::new();
    for task in evidence.tasks() {
        ids.entry(task["root"].to_string())
            .or_default()
            .insert(task["id"].to_string());
    }
    let mut used: HashMap<(&str, &str), &Value> = HashMap::new();
    for effect in evidence.effects() {
        let (batch, root) = (effect["caused_by"].as_str()?, effect["root"].as_str()?);
        let known = ids.get(root);
        let found: Vec<&Claim> = evidence
            .claims
            .iter()
            .filter(|claim| claim.batch == batch)
            .filter(|claim| known.is_some_and(|known| known.contains(&claim.task)))
            .collect();
        let [claim] = found[..] else {
            return Some(format!(
                "{} claims instead of one for this effect: {effect}",
                found.len()
            ));
        };
        if let Some(before) = used.insert((&claim.batch, &claim.task), effect) {
            return Some(format!(
                "one claim ({claim:?}) had two effects: {before} and {effect}"
            ));
        }
    }
    None
}

/// A definition that OIG calls "not automated" is asked for only until that is known: in no request after the first refusal.
fn manual_asked_once(evidence: &Evidence) -> Option<String> {
    let mut learned: HashMap<String, &Value> = HashMap::new();
    for (request, item) in evidence.sent("retry") {
        let Some(task) = evidence.task(&item["id"]) else {
            continue;
        };
        if task["automated"] == true {
            continue;
        }
        let definition = format!("{}/{}", task["target"], task["definition"]);
        if let Some(first) = learned.get(&definition)
            && *first != &request["number"]
        {
            return Some(format!(
                "{definition} was learned in request {first} and retried again in request {}",
                request["number"]
            ));
        }
        learned.insert(definition, &request["number"]);
    }
    None
}
