//! A probe that meets a server in trouble, one question at a time: what is no plain "no" takes away nothing that an earlier probe has learned, and is said.

use std::fs;
use std::sync::{Arc, Mutex};

use provtaskd::model::ActionName;
use provtaskd::traits::{Traits, missing};
use serde_json::Value;

use crate::client_stub::Seen;
use crate::drill_front::between;
use crate::survey_house::{House, WORLD};

/// What the front end answers in the place of the server, and to what.
#[derive(Clone, Copy)]
struct Rule {
    name: &'static str,
    on: fn(&str) -> bool,
    status: &'static str,
    /// So often; then the server answers.
    times: u32,
    /// What must be as it was learned before.
    kept: &'static [&'static str],
    /// The part that is named as not seen.
    said: &'static str,
}

const TROUBLE: &str = "503 Service Unavailable";
const ALWAYS: u32 = u32::MAX;

fn list(path: &str) -> bool {
    path.contains("/provtasks?")
}

fn filtered(path: &str) -> bool {
    list(path) && path.contains("&q=")
}

fn larger(path: &str) -> bool {
    list(path) && path.ends_with("limit=40")
}

fn unlimited(path: &str) -> bool {
    path.ends_with("/provtasks")
}

fn token(path: &str) -> bool {
    path.contains("/token/")
}

fn people(path: &str) -> bool {
    path.contains("/users?")
}

fn joined(path: &str) -> bool {
    people(path) && ["+or+", "%20or%20"].iter().any(|or| path.contains(or))
}

fn own(path: &str) -> bool {
    people(path) && path.contains("PROVSVC")
}

fn roles(path: &str) -> bool {
    path.contains("roles=assigned")
}

fn task(path: &str) -> bool {
    path.split_once("/provtasks/")
        .is_some_and(|(_, rest)| !rest.contains('/'))
}

fn history(path: &str) -> bool {
    path.ends_with("/history")
}

fn responses(path: &str) -> bool {
    path.ends_with("/responses")
}

fn account(path: &str) -> bool {
    path.contains("/provprocesses/")
}

const fn rule(
    name: &'static str,
    on: fn(&str) -> bool,
    status: &'static str,
    times: u32,
    kept: &'static [&'static str],
    said: &'static str,
) -> Rule {
    Rule {
        name,
        on,
        status,
        times,
        kept,
        said,
    }
}

const SIZES: &[&str] = &["/paging/largest", "/paging/capped_at", "/paging/refused_at"];
const ROADS: &[&str] = &["/roads"];
const PEOPLE: &[&str] = &["/people"];

const TROUBLES: [Rule; 16] = [
    rule("larger", larger, TROUBLE, 1, SIZES, "larger pages"),
    rule(
        "no limit",
        unlimited,
        TROUBLE,
        1,
        &["/paging/default_rows"],
        "default page",
    ),
    rule("filter", filtered, TROUBLE, ALWAYS, ROADS, "filter"),
    rule("tokens", token, TROUBLE, ALWAYS, ROADS, "token service"),
    rule(
        "tokens, busy",
        token,
        "429 Too Many Requests",
        ALWAYS,
        ROADS,
        "token service",
    ),
    rule("joined people, once", joined, TROUBLE, 1, PEOPLE, "people"),
    rule(
        "people",
        people,
        "408 Request Timeout",
        ALWAYS,
        PEOPLE,
        "people",
    ),
    rule(
        "own record",
        own,
        TROUBLE,
        ALWAYS,
        &["/scope", "/people/own_record"],
        "whose tasks",
    ),
    rule("roles", roles, TROUBLE, ALWAYS, &["/scope"], "whose tasks"),
    rule("a task that ended", task, "404 Not Found", 1, ROADS, ""),
    rule("its history", history, "404 Not Found", 1, ROADS, ""),
    rule("a task", task, TROUBLE, ALWAYS, ROADS, "single tasks"),
    rule(
        "a task, 408",
        task,
        "408 Request Timeout",
        1,
        ROADS,
        "single tasks",
    ),
    rule("histories", history, TROUBLE, ALWAYS, ROADS, "histories"),
    rule("responses", responses, TROUBLE, ALWAYS, ROADS, "responses"),
    rule(
        "accounts",
        account,
        TROUBLE,
        ALWAYS,
        &["/accounts"],
        "accounts",
    ),
];

/// A server behind a front end whose rule can be changed.
struct Place {
    house: House,
    rule: Arc<Mutex<Option<(Rule, u32)>>>,
}

impl Place {
    async fn new() -> Self {
        let world = WORLD.replace(
            "roles = [\"PROV OPERATORS\"]",
            "roles = [\"PROV OPERATORS\", \"SYSTEM ADMINISTRATORS\"]",
        );
        let house = House::with(&world, "page_size = 20", "").await;
        let rule: Arc<Mutex<Option<(Rule, u32)>>> = Arc::default();
        let held = Arc::clone(&rule);
        let front = between(house.sim.origin(), move |seen: &Seen, _: &str| {
            let mut held = held.lock().expect("a lock");
            let (rule, left) = held.as_mut()?;
            if *left == 0 || !(rule.on)(&seen.path) {
                return None;
            }
            *left -= 1;
            Some((rule.status, r#"{"message":"not now"}"#.to_owned()))
        })
        .await;
        let file = house.dir.path().join("provtaskd.toml");
        let config = fs::read_to_string(&file).expect("its configuration");
        let config = config.replace(&house.sim.origin(), &front);
        fs::write(&file, config).expect("written");
        Self { house, rule }
    }

    fn probe(&self, rule: Option<Rule>) -> (Value, String) {
        *self.rule.lock().expect("a lock") = rule.map(|rule| (rule, rule.times));
        let said = self.house.done(&["probe"]);
        if let Some((rule, left)) = *self.rule.lock().expect("a lock") {
            assert!(left < rule.times, "{}: nothing was asked so", rule.name);
        }
        (self.kept(), said)
    }

    fn file(&self) -> std::path::PathBuf {
        self.house.dir.path().join("store/traits.json")
    }

    fn kept(&self) -> Value {
        let text = fs::read_to_string(self.file()).expect("kept");
        serde_json::from_str(&text).expect("JSON")
    }
}

fn may(traits: &Value) -> Vec<ActionName> {
    let traits: Traits = serde_json::from_value(traits.clone()).expect("traits");
    let all = ActionName::ALL.into_iter();
    all.filter(|action| missing(&traits, *action).is_none())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_trouble_of_any_question_takes_away_what_was_learned() {
    let place = Place::new().await;
    let (good, said) = place.probe(None);
    assert!(!said.contains("not seen this time"), "{said}");
    let before = fs::read(place.file()).expect("kept");
    assert_eq!(good["roads"]["filter"], "honoured");
    assert_eq!(good["roads"]["token"], "there");
    assert_ne!(good["scope"]["administrator"], Value::Null);
    assert_eq!(may(&good).len(), 4, "all but a retry");
    let mut wrong = Vec::new();
    for rule in TROUBLES {
        fs::write(place.file(), &before).expect("written");
        let (now, said) = place.probe(Some(rule));
        for part in rule.kept {
            let (was, is) = (good.pointer(part), now.pointer(part));
            if was != is {
                wrong.push(format!("{}: {part} was {was:?}, is {is:?}", rule.name));
            }
        }
        if may(&now) != may(&good) {
            wrong.push(format!("{}: only {:?} are left", rule.name, may(&now)));
        }
        let named = format!(
            "not seen this time, {}: the server was in trouble",
            rule.said
        );
        // lines are wrapped
        let said: Vec<&str> = said.split_whitespace().collect();
        let says = match rule.said {
            "" => !said.join(" ").contains("not seen this time"),
            _ => said.join(" ").contains(&named),
        };
        if !says {
            wrong.push(format!("{}: it is not said", rule.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The same questions, plainly refused: that is what is learned.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_plainly_refused_is_not_kept() {
    const NO: &str = "403 Forbidden";
    let place = Place::new().await;
    place.probe(None);
    let before = fs::read(place.file()).expect("kept");
    let refused = [
        (
            larger as fn(&str) -> bool,
            "400 Bad Request",
            "/paging/refused_at",
            "40",
        ),
        (filtered, "400 Bad Request", "/roads/filter", "\"refused\""),
        (token, NO, "/roads/token", "\"refuses\""),
        (token, "404 Not Found", "/roads/token", "\"absent\""),
        (people, NO, "/people/shown", "0"),
        (joined, "501 Not Implemented", "/people/joined", "false"),
        (roles, NO, "/scope/roles", "null"),
        (task, "404 Not Found", "/roads/single", "false"),
        (task, "405 Method Not Allowed", "/roads/single", "false"),
        (responses, NO, "/roads/responses", "false"),
        (account, NO, "/accounts/read", "0"),
    ];
    let mut wrong = Vec::new();
    for (on, status, part, word) in refused {
        fs::write(place.file(), &before).expect("written");
        let (now, said) = place.probe(Some(rule(part, on, status, ALWAYS, &[], "")));
        let is = now.pointer(part).map(Value::to_string);
        if is.as_deref() != Some(word) || said.contains("not seen this time") {
            wrong.push(format!("{status}: {part} is {is:?}: {said}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Nothing is known of what a first probe was not told; it is not called a want of rights either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_probe_in_trouble_calls_nothing_refused() {
    let place = Place::new().await;
    for trouble in TROUBLES {
        if place.file().exists() {
            fs::remove_file(place.file()).expect("removed");
        }
        let (now, _) = place.probe(Some(trouble));
        let roads = now["roads"].to_string();
        assert!(!roads.contains("refuse"), "{}: {roads}", trouble.name);
        let limit = &now["paging"]["refused_at"];
        assert_eq!(*limit, Value::Null, "{}", trouble.name);
        for road in ["single", "history", "responses"] {
            assert_ne!(now["roads"][road], false, "{}", trouble.name);
        }
        if !trouble.said.is_empty() {
            let unseen = now["unseen"].as_array();
            assert!(
                unseen.is_some_and(|all| !all.is_empty()),
                "{}",
                trouble.name
            );
        }
    }
}
