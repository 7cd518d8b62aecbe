//! What every drill is judged by: named oracles over the simulator's truth, its journal and the claims; they must never ask the client what it believes it did, nor pass where a datum that they need is missing.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde_json::Value;

use crate::drill_order;

/// A retry that the client wrote down before it sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The request that carried it.
    pub batch: String,
    /// The id it was sent for.
    pub task: String,
}

/// What a drill knows beside the truth.
#[derive(Clone, Debug, Default)]
pub struct Expect {
    /// So many healable tasks may be open, because the drill holds them back.
    pub left: u64,
    /// The targets that a person has released; `None`: all.
    pub released: Option<BTreeSet<&'static str>>,
    /// Logins that are away although OIG calls them active.
    pub absent: Vec<&'static str>,
    /// So many different wrong passwords were in the file.
    pub wrong_secrets: usize,
    /// Lengths of the journal at which a new life of the client began.
    pub lives: Vec<usize>,
    /// Lengths of the journal at which a person had the client forget what is not automated.
    pub forgotten: Vec<usize>,
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
    /// What the drill knows.
    pub expect: Expect,
}

/// Nothing wrong, or what is. That an oracle can't judge is wrong as well: `?` never ends it as passed.
pub type Verdict = Result<(), String>;

/// An oracle's name, and how it judges.
pub type Oracle = (&'static str, fn(&Evidence) -> Verdict);

/// Words for a datum without which an oracle can't judge.
pub fn missing(what: &str, of: &Value) -> String {
    format!("this can't be judged, for {what} is missing or is of another form: {of}")
}

/// A text of a row.
pub fn text<'a>(row: &'a Value, name: &str) -> Result<&'a str, String> {
    row[name].as_str().ok_or_else(|| missing(name, row))
}

/// A number of a row.
pub fn number(row: &Value, name: &str) -> Result<u64, String> {
    row[name].as_u64().ok_or_else(|| missing(name, row))
}

/// An id, which a client may write as a text or as a number.
pub fn id_of(id: &Value) -> Option<u64> {
    id.as_u64().or_else(|| id.as_str()?.parse().ok())
}

/// The items that a PUT asked for: those of a bulk, or the one that the path names.
pub fn items_of(request: &Value) -> impl Iterator<Item = &Value> {
    let body = &request["body"];
    let items = match body["tasks"].as_array() {
        Some(items) => items.as_slice(),
        None => std::slice::from_ref(body),
    };
    items.iter()
}

/// Whether a request of the client caused an effect, and not OIG's own job or an admin.
pub fn is_clients(effect: &Value) -> bool {
    effect["caused_by"] != "oig" && effect["caused_by"] != "admin"
}

/// All oracles that hold at the end of every drill.
pub const ORACLES: [Oracle; 17] = [
    ("healable_open", healable_open),
    ("stale_effects", |e| zero(e, "stale_effects")),
    ("effected_twice", |e| zero(e, "effected_twice")),
    ("runs_twice", |e| zero(e, "runs_twice")),
    ("overtaken_effects", |e| zero(e, "overtaken_effects")),
    ("given_to_inactive", |e| zero(e, "given_to_inactive")),
    ("given_to_beneficiary", |e| zero(e, "given_to_beneficiary")),
    ("given_to_absent", given_to_absent),
    ("most_runs_of_one", most_runs_of_one),
    ("claimed_once", claimed_once),
    ("manual_asked_once", manual_asked_once),
    ("only_released", only_released),
    ("login_not_hammered", login_not_hammered),
    ("revokes_first", drill_order::revokes_first),
    ("oldest_first", drill_order::oldest_first),
    ("resent_after_reading", drill_order::resent_after_reading),
    ("read_after_restart", drill_order::read_after_restart),
];

/// What is wrong, by the oracle's name.
pub fn breaches(evidence: &Evidence) -> BTreeMap<&'static str, String> {
    ORACLES
        .iter()
        .filter_map(|(name, oracle)| oracle(evidence).err().map(|text| (*name, text)))
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
        self.truth[name]
            .as_array()
            .unwrap_or_else(|| panic!("the truth has no rows {name}"))
    }

    /// The effects that requests of the client caused.
    pub fn effects(&self) -> impl Iterator<Item = &Value> {
        self.all_effects().filter(|effect| is_clients(effect))
    }

    /// Those of OIG's own job and of admins as well, in their order.
    pub fn all_effects(&self) -> impl Iterator<Item = &Value> {
        self.rows("effects").iter()
    }

    /// The client's effects on a target.
    pub fn effects_on(&self, target: &str) -> usize {
        self.effects().filter(|e| e["target"] == target).count()
    }

    /// The requests.
    pub fn requests(&self) -> impl Iterator<Item = &Value> {
        self.journal.iter().filter(|row| row["type"] == "request")
    }

    /// The requests of a class.
    pub fn class<'a>(&'a self, class: &'a str) -> impl Iterator<Item = &'a Value> {
        self.requests().filter(move |row| row["class"] == class)
    }

    /// The requests that were turned away for their password.
    pub fn denied(&self) -> usize {
        self.requests()
            .filter(|row| row["denied"] == "wrong" || row["denied"] == "locked")
            .count()
    }

    /// What the PUTs asked for, answered or not: the request, and the item as sent.
    pub fn items(&self) -> impl Iterator<Item = (&Value, &Value)> {
        // a task that a drill has its server add is none of them
        let of_tasks = |request: &&Value| {
            let path = request["path"].as_str();
            path.is_none_or(|path| !path.contains("/provprocesses/"))
        };
        self.class("put")
            .filter(of_tasks)
            .flat_map(|request| items_of(request).map(move |item| (request, item)))
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
        let id = id_of(id)?;
        self.tasks().iter().find(|task| task["id"] == id)
    }

    /// The same for an oracle that can't judge without it.
    pub fn known(&self, id: &Value) -> Result<&Value, String> {
        self.task(id)
            .ok_or_else(|| missing("the task in the truth", id))
    }

    /// The tasks of a target, each piece of work once, as it stands now.
    pub fn latest(&self, target: &str) -> Vec<&Value> {
        let mut latest: BTreeMap<u64, &Value> = BTreeMap::new();
        for task in self.tasks().iter().filter(|t| t["target"] == target) {
            let root = task["root"].as_u64().expect("a root");
            let entry = latest.entry(root).or_insert(task);
            if entry["ordinal"].as_u64() < task["ordinal"].as_u64() {
                *entry = task;
            }
        }
        latest.into_values().collect()
    }
}

fn zero(evidence: &Evidence, name: &str) -> Verdict {
    let count = evidence.count(name);
    if count == 0 {
        return Ok(());
    }
    let flag = match name {
        "stale_effects" => "stale",
        "overtaken_effects" => "overtaken",
        _ => return Err(format!("{name} is {count}, not 0")),
    };
    let first = evidence.rows("effects").iter().find(|e| e[flag] == true);
    Err(format!("{name} is {count}, not 0; the first: {first:?}"))
}

/// Liveness: everything that could heal has healed.
fn healable_open(evidence: &Evidence) -> Verdict {
    let open = evidence.count("healable_open");
    let left = evidence.expect.left;
    if open <= left {
        return Ok(());
    }
    let first: Vec<&Value> = evidence
        .tasks()
        .iter()
        .filter(|task| task["could_heal"] == true)
        .take(3)
        .collect();
    Err(format!(
        "{open} tasks could heal and were left, at most {left} may be; the first: {first:?}"
    ))
}

/// No piece of work is run more often than an episode's attempts, 5 by default, 10 of what takes access away.
fn most_runs_of_one(evidence: &Evidence) -> Verdict {
    let mut runs: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for effect in evidence.all_effects() {
        let takes = ["revoke", "disable"].contains(&text(effect, "kind")?);
        let may_be = if takes { 10 } else { 5 };
        runs.entry(text(effect, "root")?).or_insert((0, may_be)).0 += 1;
    }
    let (told, seen) = (
        evidence.count("most_runs_of_one"),
        runs.values().map(|(many, _)| *many).max().unwrap_or(0),
    );
    if told != seen {
        return Err(format!(
            "the truth counts {told} runs of one, and shows {seen}"
        ));
    }
    match runs.values().find(|(many, may_be)| many > may_be) {
        None => Ok(()),
        Some((many, may_be)) => Err(format!(
            "one piece of work was run {many} times, at most {may_be} may be"
        )),
    }
}

/// Nobody is handed a task who is away although OIG calls him active, nor a role in which nobody is there.
fn given_to_absent(evidence: &Evidence) -> Verdict {
    let users = evidence.rows("users");
    let roles = evidence.rows("roles");
    let is_away = |login: &str| evidence.expect.absent.contains(&login);
    for (request, item) in evidence.sent("reassign") {
        let fields = item["fields"].as_array();
        let field = |name: &str| {
            let found = fields?.iter().find(|field| field["name"] == name)?;
            Some(&found["value"])
        };
        let lacks = |what: &str| missing(what, item);
        let to_user = field("type").ok_or_else(|| lacks("the field type"))? == "user";
        let key = field("assignee").and_then(id_of);
        let key = key.ok_or_else(|| lacks("the field assignee"))?;
        let has_key = |row: &&Value| row["key"] == key;
        let to = if to_user {
            let user = users.iter().find(has_key);
            let login = text(user.ok_or_else(|| lacks("the user in the truth"))?, "login")?;
            is_away(login).then_some(login)
        } else {
            let role = roles.iter().find(has_key);
            let role = role.ok_or_else(|| lacks("the role in the truth"))?;
            let members = role["members"].as_array();
            let members = members.ok_or_else(|| missing("members", role))?;
            let mut all = members.iter().filter_map(Value::as_str);
            all.all(is_away).then(|| text(role, "name")).transpose()?
        };
        if let Some(to) = to {
            return Err(format!(
                "{item} of request {} hands to {to}",
                request["number"]
            ));
        }
    }
    Ok(())
}

/// Each effect of the client has exactly one claim, and each claim at most one effect.
fn claimed_once(evidence: &Evidence) -> Verdict {
    let mut ids: HashMap<String, HashSet<String>> = HashMap::new();
    for task in evidence.tasks() {
        ids.entry(task["root"].to_string())
            .or_default()
            .insert(task["id"].to_string());
    }
    let mut used: HashMap<(&str, &str), &Value> = HashMap::new();
    for effect in evidence.effects() {
        let (batch, root) = (text(effect, "caused_by")?, text(effect, "root")?);
        let known = ids.get(root);
        let found: Vec<&Claim> = evidence
            .claims
            .iter()
            .filter(|claim| claim.batch == batch)
            .filter(|claim| known.is_some_and(|known| known.contains(&claim.task)))
            .collect();
        let [claim] = found[..] else {
            return Err(format!(
                "{} claims instead of one for this effect: {effect}",
                found.len()
            ));
        };
        if let Some(before) = used.insert((&claim.batch, &claim.task), effect) {
            return Err(format!(
                "one claim ({claim:?}) had two effects: {before} and {effect}"
            ));
        }
    }
    Ok(())
}

/// A definition that OIG calls "not automated" is asked for only until that is known: in no request after the first refusal.
fn manual_asked_once(evidence: &Evidence) -> Verdict {
    let mut learned: HashMap<String, &Value> = HashMap::new();
    let mut forgotten = evidence.expect.forgotten.iter().peekable();
    for (request, item) in evidence.sent("retry") {
        let seq = usize::try_from(number(request, "seq")?).map_err(|error| error.to_string())?;
        while forgotten.next_if(|at| **at <= seq).is_some() {
            learned.clear();
        }
        let task = evidence.known(&item["id"])?;
        if task["automated"] == true {
            continue;
        }
        let definition = format!("{}/{}", text(task, "target")?, text(task, "definition")?);
        if let Some(first) = learned.get(&definition)
            && *first != &request["number"]
        {
            return Err(format!(
                "{definition} was learned in request {first} and retried again in request {}",
                request["number"]
            ));
        }
        // what the client could not hear, or was told in a word that nobody knows, it has not learned
        let fault = request["fault"].as_str();
        let spoilt = ["OmitItems", "UnknownStatus", "ForbidItems"];
        let spoilt = fault.is_some_and(|fault| spoilt.contains(&fault));
        // one that was turned away at the door has looked at no item
        let spoilt = spoilt || number(request, "status")? == 401;
        if !spoilt && !drill_order::is_unclear(request) {
            learned.insert(definition, &request["number"]);
        }
    }
    Ok(())
}

/// Nothing is sent for a target that no person has released.
fn only_released(evidence: &Evidence) -> Verdict {
    let Some(released) = &evidence.expect.released else {
        return Ok(());
    };
    for (request, item) in evidence.items() {
        let target = text(evidence.known(&item["id"])?, "target")?;
        if !released.contains(target) {
            return Err(format!(
                "request {} acts on {target}, which nobody has released",
                request["number"]
            ));
        }
    }
    Ok(())
}

/// A wrong password is tried at most twice (two requests were in flight), each further one once.
fn login_not_hammered(evidence: &Evidence) -> Verdict {
    let denied = evidence.denied();
    let most = match evidence.expect.wrong_secrets {
        0 => 0,
        wrong => wrong + 1,
    };
    match denied > most {
        true => Err(format!(
            "{denied} requests with a wrong password, at most {most}"
        )),
        false => Ok(()),
    }
}
