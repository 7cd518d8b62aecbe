//! The house of the survey's tests: a simulator in this process, a directory with a configuration, and what the world itself says; the survey's word is never taken for the truth.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use provtaskd::sim::scenario::ClockMode;
use provtaskd::sim::{Scenario, SimOptions, SimServer};
use serde_json::Value;

/// The longest that anything may take in wall time.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A world with leavers, owners who can't act and a few of everything.
pub const WORLD: &str = r#"
name = "survey"
seed = 41
start = "2027-03-01T07:00:00Z"
[[login]]
login = "PROVSVC"
password = "sim-password-1"
roles = ["PROV OPERATORS"]
[[role]]
name = "SERVICE DESK"
members = ["AHOLM"]
[[user]]
login = "AHOLM"
[[user]]
login = "FGRANT"
status = "Disabled"
[[user]]
login = "DDEEP"
status = "Deleted"
[[user]]
login = "JLATE"
status = "Disabled Until Start Date"
[[user]]
login = "QUITTER"
status = "Disabled"
fields = { "End Date" = "2026-11-01" }
[[target]]
name = "AD"
connector = "ldap"
[[target]]
name = "SAP"
connector = "erp"
[[population]]
target = "AD"
accounts = 30
prefix = "EMP"
task = [{ task = "Create User", failure = "network", age = "3h" }, { task = "Telephone Updated", failure = "data", age = "20d" }]
[[population]]
target = "SAP"
accounts = 12
prefix = "EMP"
owner = ["role:SERVICE DESK"]
task = [{ task = "Add Role", failure = "lock", age = "2d" }]
[[population]]
target = "AD"
accounts = 9
prefix = "LVR"
status = "Disabled"
age = "70d"
spread = "40d"
task = [{ task = "Disable User", failure = "network" }, { task = "Remove User from Group", failure = "timeout" }, { task = "Add User to Group", failure = "network" }]
[[population]]
target = "SAP"
accounts = 4
prefix = "GONE"
status = "Deleted"
age = "400d"
task = [{ task = "Lock User", failure = "network" }]
[[population]]
target = "AD"
accounts = 5
prefix = "HERE"
owner = ["user:FGRANT"]
task = [{ task = "Remove User from Group", failure = "network" }]
[[population]]
target = "AD"
accounts = 3
prefix = "THERE"
owner = ["user:DDEEP"]
task = [{ task = "Title Updated", failure = "network" }]
[[population]]
target = "AD"
accounts = 2
prefix = "SOON"
owner = ["user:JLATE"]
task = [{ task = "Department Updated", failure = "network" }]
[[task]]
target = "AD"
user = "QUITTER"
task = "Disable User"
failure = "network"
created = "-24h"
[[task]]
target = "AD"
user = "AHOLM"
task = "Order Hardware"
"#;

/// A simulator and a directory with a configuration.
pub struct House {
    pub dir: tempfile::TempDir,
    pub sim: SimServer,
}

impl House {
    pub async fn of(scenario: &str) -> Self {
        Self::with(scenario, "", "").await
    }

    /// More keys of `[server]`, and more tables.
    pub async fn with(scenario: &str, server: &str, tables: &str) -> Self {
        let mut scenario = Scenario::from_toml(scenario).expect("the scenario is right");
        scenario.clock.mode = ClockMode::Stepped;
        let login = scenario.login[0].clone();
        let sim = SimServer::start(SimOptions::new(scenario))
            .await
            .expect("the simulator starts");
        let dir = tempfile::tempdir().expect("a directory");
        let config = format!(
            "[server]\norigin = \"{}\"\nlogin = \"{}\"\npassword_file = \"password\"\nsimulator_clock = true\n{server}\n[store]\ndir = \"store\"\n[admin]\nlisten = \"off\"\n{tables}",
            sim.origin(),
            login.login,
        );
        fs::write(dir.path().join("provtaskd.toml"), config).expect("written");
        let house = Self { dir, sim };
        house.password(&login.password);
        house
    }

    pub fn password(&self, secret: &str) {
        self.secret("password", secret);
    }

    /// A file of the directory that holds a secret.
    pub fn secret(&self, name: &str, secret: &str) {
        let file = self.dir.path().join(name);
        fs::write(&file, secret).expect("written");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("mode");
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_provtaskd"));
        command
            .args(args)
            .current_dir(self.dir.path())
            .env_clear()
            .stdin(Stdio::null());
        command
    }

    pub fn cli(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("the binary runs")
    }

    pub fn done(&self, args: &[&str]) -> String {
        let output = self.cli(args);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{args:?}: {error}");
        String::from_utf8(output.stdout).expect("text")
    }

    pub fn report(&self, more: &[&str]) -> Value {
        let args = [&["survey", "--format", "json"], more].concat();
        let text = self.done(&args);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// Open tasks of the world that the list shows to its login.
    pub fn open(&self, visible: impl Fn(&Value) -> bool) -> Vec<Value> {
        let truth = self.sim.truth();
        let tasks = truth["tasks"].as_array().expect("tasks").iter();
        tasks
            .filter(|task| {
                let status = task["status"].as_str().expect("a code");
                !["C", "MC", "UC", "X"].contains(&status) && task["hidden"] == false
            })
            .filter(|task| visible(task))
            .cloned()
            .collect()
    }

    pub fn status_of(&self) -> BTreeMap<String, String> {
        let truth = self.sim.truth();
        let users = truth["users"].as_array().expect("users").iter();
        users
            .map(|user| (text(&user["login"]), text(&user["status"])))
            .collect()
    }

    /// Requests to OIG, from a number on.
    pub fn requests(&self, from: usize) -> Vec<Value> {
        let journal = self.sim.journal(0).into_iter();
        journal
            .filter(|entry| entry["type"] == "request")
            .skip(from)
            .collect()
    }

    /// Nothing but reads, and tokens where they are configured.
    pub fn nothing_was_written(&self) {
        for request in self.requests(0) {
            let token = text(&request["path"]).contains("/iam/governance/token/");
            assert!(request["method"] == "GET" || token, "{request}");
        }
        let effects = self.sim.journal(0).into_iter();
        assert_eq!(effects.filter(|entry| entry["type"] == "effect").count(), 0);
        assert!(!self.dir.path().join("store").exists(), "a store was made");
    }
}

pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

pub fn sums(report: &Value, field: &str) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for class in report["classes"].as_array().expect("classes") {
        *sums.entry(text(&class[field])).or_default() += class["tasks"].as_u64().expect("a count");
    }
    sums
}

pub fn counted(tasks: &[Value], word: impl Fn(&Value) -> String) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for task in tasks {
        *counts.entry(word(task)).or_default() += 1;
    }
    counts
}

pub fn kind(task: &Value) -> String {
    match text(&task["kind"]).as_str() {
        "other" => "unknown".to_owned(),
        kind => kind.to_owned(),
    }
}

pub fn status(task: &Value) -> String {
    let word = match text(&task["status"]).as_str() {
        "R" => "rejected",
        "P" => "pending",
        "W" => "waiting",
        other => panic!("no word for {other}"),
    };
    word.to_owned()
}

/// The word for a task's owner, by the world.
pub fn owner_state(task: &Value, people: &BTreeMap<String, String>) -> String {
    let owner = text(&task["owner"]);
    let Some(login) = owner.strip_prefix("user:") else {
        return "role".to_owned();
    };
    match people[login].as_str() {
        "Disabled Until Start Date" => "not started".to_owned(),
        word => word.to_lowercase(),
    }
}

/// Ids of tasks that take access of people who are gone, the oldest first, by the world.
pub fn leavers(
    tasks: &[Value],
    people: &BTreeMap<String, String>,
    kinds: &[&str],
) -> Vec<(String, String)> {
    let gone = |task: &&Value| {
        let status = people[&text(&task["beneficiary"])].as_str();
        ["Disabled", "Deleted"].contains(&status)
    };
    let mut found: Vec<(String, String)> = tasks
        .iter()
        .filter(|task| kinds.contains(&kind(task).as_str()))
        .filter(gone)
        .map(|task| {
            let since = match text(&task["beneficiary"]).as_str() {
                "QUITTER" => "2026-11-01T00:00:00Z".to_owned(),
                _ => text(&task["created"]),
            };
            (since, text(&task["id"]))
        })
        .collect();
    found.sort();
    found
}

pub fn listed(report: &Value, table: &str) -> Vec<(String, String)> {
    report[table]["tasks"]
        .as_array()
        .expect("tasks")
        .iter()
        .map(|task| (text(&task["since"]), text(&task["task"])))
        .collect()
}

/// All that a report says is what the world says.
pub fn agrees(house: &House, report: &Value, tasks: &[Value]) {
    let people = house.status_of();
    let all = u64::try_from(tasks.len()).expect("few");
    assert_eq!(report["tasks"], all);
    assert_eq!(
        sums(report, "target"),
        counted(tasks, |t| text(&t["target"]))
    );
    assert_eq!(sums(report, "kind"), counted(tasks, kind));
    assert_eq!(sums(report, "status"), counted(tasks, status));
    assert_eq!(
        sums(report, "owner_state"),
        counted(tasks, |task| owner_state(task, &people))
    );
    for table in ["classes", "reasons", "outlook"] {
        let rows = report[table].as_array().expect("a table").iter();
        let sum: u64 = rows
            .map(|row| row["tasks"].as_u64().expect("a count"))
            .sum();
        assert_eq!(sum, all, "{table}");
    }
    let sorted = |mut list: Vec<(String, String)>| {
        list.sort();
        list
    };
    for (table, kinds) in [
        ("open_access", &["revoke", "disable"][..]),
        ("stale_grants", &["create", "grant", "enable"][..]),
    ] {
        let shown = listed(report, table);
        assert_eq!(
            sorted(shown.clone()),
            leavers(tasks, &people, kinds),
            "{table}"
        );
        let times: Vec<&String> = shown.iter().map(|(since, _)| since).collect();
        assert!(times.is_sorted(), "{table}: the oldest first: {shown:?}");
    }
}

/// The list shows everybody's tasks.
pub const EVERYBODY: &str = "[server]\nlist_scope = \"everybody\"\n";
