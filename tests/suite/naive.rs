//! A client as admins write it, a loop of "retry all" without memory or care; the oracles must find out what it does, so it must never be made safe.

use std::collections::HashSet;
use std::time::Duration;

use base64::Engine as _;
use jiff::{SignedDuration, Timestamp};
use provtaskd::sim::{Scenario, SimOptions, SimServer};
use serde_json::{Value, json};

use crate::drill_oracle::{Claim, Evidence, Expect};
use crate::sim_support::{BASE, field};

/// What the naive client leaves out.
#[derive(Clone, Debug, Default)]
pub struct Knobs {
    /// So often it reads the list and acts.
    pub rounds: u32,
    /// Domain time between the rounds.
    pub pause: SignedDuration,
    /// The newest task first.
    pub newest_first: bool,
    /// Sends every PUT that it has sent once again.
    pub sends_twice: bool,
    /// Sends a PUT again at once whose answer it did not understand.
    pub resends_unclear: bool,
    /// Writes a claim down for what it sends first, but not for what it sends again.
    pub claims: bool,
    /// Retries only tasks of these definitions; empty: all.
    pub only: Vec<&'static str>,
}

/// The naive client and its world.
pub struct Naive {
    /// The simulator.
    pub sim: SimServer,
    http: reqwest::Client,
    login: (String, String),
    requests: u32,
    /// What it has written down.
    pub claims: Vec<Claim>,
    /// What the oracles are told.
    pub expect: Expect,
}

impl Naive {
    /// In a world of its own, on a stepped clock that nobody holds.
    pub async fn of(scenario: &str) -> Self {
        Self::with(Scenario::from_toml(scenario).expect("the scenario is right")).await
    }

    /// In a shipped one.
    pub async fn shipped(name: &str) -> Self {
        Self::with(Scenario::built_in(name).expect("a shipped scenario")).await
    }

    async fn with(mut scenario: Scenario) -> Self {
        scenario.clock.hold = false;
        let login = &scenario.login[0];
        let login = (login.login.clone(), login.password.clone());
        let sim = SimServer::start(SimOptions::new(scenario))
            .await
            .expect("the simulator starts");
        Self {
            sim,
            http: plain_http(),
            login,
            requests: 0,
            claims: Vec::new(),
            expect: Expect::default(),
        }
    }

    /// What the oracles look at.
    pub fn evidence(&self) -> Evidence {
        Evidence {
            truth: self.sim.truth(),
            journal: self.sim.journal(0),
            claims: self.claims.clone(),
            expect: self.expect.clone(),
        }
    }

    /// A change of the world.
    pub async fn act(&self, act: Value) {
        let url = format!("{}/sim/act", self.sim.origin());
        let answer = self.http.post(url).body(act.to_string()).send().await;
        assert_eq!(answer.expect("an answer").status(), 200, "{act}");
    }

    /// Lets domain time pass.
    pub async fn pass(&self, span: SignedDuration) {
        if span.is_zero() {
            return;
        }
        let now: Timestamp = self.sim.summary()["now"]
            .as_str()
            .and_then(|text| text.parse().ok())
            .expect("the world's time");
        let to = now.checked_add(span).expect("a time");
        let url = format!("{}/sim/clock/advance", self.sim.origin());
        let body = json!({ "to": to }).to_string();
        let answer = self.http.post(url).body(body).send().await;
        assert_eq!(answer.expect("an answer").status(), 200);
    }

    /// The open tasks that are rejected, oldest first.
    pub async fn rejected(&self) -> Vec<Value> {
        let path = "/provtasks?limit=5000&q=Status.Category+eq+Rejected";
        let list = call(
            &self.http,
            &self.sim.origin(),
            &self.login,
            "GET",
            path,
            None,
        )
        .await;
        let mut tasks = list.map_or(Vec::new(), |list| {
            list["tasks"].as_array().cloned().unwrap_or_default()
        });
        let created = "Process Instance.Task Information.Creation Date";
        tasks.sort_by_key(|task| field(task, created).to_string());
        tasks
    }

    /// Sends a PUT; answers false if it was not understood.
    pub async fn put(&mut self, items: &[Value], claim: bool) -> bool {
        self.requests += 1;
        let batch = format!("naive-{}", self.requests);
        if claim {
            self.claims.extend(items.iter().map(|item| Claim {
                batch: batch.clone(),
                task: item["id"].as_str().unwrap_or_default().to_owned(),
            }));
        }
        self.send(items, &batch).await
    }

    async fn send(&self, items: &[Value], batch: &str) -> bool {
        let url = format!("{}{BASE}/provtasks", self.sim.origin());
        let answer = self
            .http
            .put(url)
            .header("Authorization", basic(&self.login))
            .header("Content-Type", "application/json")
            .header("X-Requested-By", "naive")
            .header("X-Request-ID", batch)
            .body(json!({ "tasks": items }).to_string())
            .send()
            .await;
        match answer {
            Ok(answer) if answer.status() == 200 => json_of(answer).await.is_some(),
            _ => false,
        }
    }

    /// Reads the list and retries everything on it, round for round.
    pub async fn retry_all(&mut self, knobs: &Knobs) {
        for _ in 0..knobs.rounds {
            let mut tasks = self.rejected().await;
            if knobs.newest_first {
                tasks.reverse();
            }
            let name = "Process Definition.Tasks.Task Name";
            let meant = |task: &&Value| {
                knobs.only.is_empty() || knobs.only.iter().any(|only| field(task, name) == *only)
            };
            let ids: Vec<String> = tasks.iter().filter(meant).map(id_of).collect();
            let mut seen = HashSet::new();
            for id in ids.iter().filter(|id| seen.insert((*id).clone())) {
                let item = [json!({"id": id, "action": "retry", "taskId": id})];
                let clear = self.put(&item, knobs.claims).await;
                if knobs.sends_twice || (!clear && knobs.resends_unclear) {
                    let batch = format!("naive-{}", self.requests);
                    self.send(&item, &batch).await;
                }
            }
            self.pass(knobs.pause).await;
        }
    }

    /// Hands all tasks of an owner to a login, whoever that is.
    pub async fn hand_over(&mut self, from: &str, to: &str) {
        self.hand(from, ("user", "users", "login", to)).await;
    }

    /// The same to a role, whoever is in it.
    pub async fn hand_over_to_role(&mut self, from: &str, to: &str) {
        self.hand(from, ("role", "roles", "name", to)).await;
    }

    async fn hand(&mut self, from: &str, (sort, of, by, to): (&str, &str, &str, &str)) {
        let truth = self.sim.truth();
        let rows = |name: &str| truth[name].as_array().cloned().unwrap_or_default();
        let key = rows(of)
            .iter()
            .find(|row| row[by] == to)
            .map(|row| row["key"].to_string())
            .expect("somebody of that name");
        let items: Vec<Value> = rows("tasks")
            .iter()
            .filter(|task| task["owner"] == format!("user:{from}"))
            .map(|task| {
                json!({"id": task["id"].to_string(), "action": "reassign", "fields": [
                    {"name": "assignee", "value": key}, {"name": "type", "value": sort}]})
            })
            .collect();
        assert!(!items.is_empty(), "{from} owns nothing");
        assert!(self.put(&items, false).await, "the server takes it");
    }

    /// Asks for the list with whatever password it has.
    pub async fn ask(&self) {
        let path = "/provtasks";
        call(
            &self.http,
            &self.sim.origin(),
            &self.login,
            "GET",
            path,
            None,
        )
        .await;
    }
}

/// The id of a row of the list.
pub fn id_of(task: &Value) -> String {
    field(task, crate::sim_support::KEY).to_string()
}

fn basic(login: &(String, String)) -> String {
    let pair = format!("{}:{}", login.0, login.1);
    let pair = base64::engine::general_purpose::STANDARD.encode(pair);
    format!("Basic {pair}")
}

fn plain_http() -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .pool_max_idle_per_host(0)
        .timeout(Duration::from_secs(10))
        .build()
        .expect("a client")
}

/// One request as an admin's script sends it; `None` if the answer is not JSON.
async fn call(
    http: &reqwest::Client,
    origin: &str,
    login: &(String, String),
    method: &str,
    path: &str,
    body: Option<Value>,
) -> Option<Value> {
    let method = method.parse().expect("a method");
    let mut request = http
        .request(method, format!("{origin}{BASE}{path}"))
        .header("Authorization", basic(login))
        .header("X-Requested-By", "script");
    if let Some(body) = body {
        request = request
            .header("Content-Type", "application/json")
            .body(body.to_string());
    }
    json_of(request.send().await.ok()?).await
}

async fn json_of(answer: reqwest::Response) -> Option<Value> {
    let text = answer.text().await.ok()?;
    serde_json::from_str(&text).ok()
}

/// Adds a task of a definition to an account, as OIG itself would; answers its id.
pub async fn add_task(sim: &SimServer, process: &Value, definition: &str) -> String {
    let login = ("PROVSVC".to_owned(), "sim-password-1".to_owned());
    let (http, origin) = (plain_http(), sim.origin());
    let known: HashSet<String> = ids(sim);
    let path = format!("/provprocesses/{process}/availabletasks?limit=100");
    let list = call(&http, &origin, &login, "GET", &path, None)
        .await
        .expect("a list");
    let row = list["provisionProcessAvailableTaskTO"]
        .as_array()
        .and_then(|rows| {
            rows.iter()
                .find(|row| field(row, "Process Definition.Tasks.Task Name") == definition)
        })
        .unwrap_or_else(|| panic!("{definition} in {list:#}"));
    let key = field(row, "Process Definition.Tasks.Key").to_string();
    let body = json!({"action": "addTask", "fields": [{"name": "Process Definition.Tasks.Key", "value": key}]});
    let path = format!("/provprocesses/{process}");
    let done = call(&http, &origin, &login, "PUT", &path, Some(body))
        .await
        .expect("done");
    assert_eq!(done["status"], "SUCCESS", "{done}");
    let mut fresh = ids(sim).into_iter().filter(|id| !known.contains(id));
    fresh.next().expect("a new task")
}

fn ids(sim: &SimServer) -> HashSet<String> {
    let truth = sim.truth();
    let tasks = truth["tasks"].as_array().cloned().unwrap_or_default();
    tasks.iter().map(|task| task["id"].to_string()).collect()
}
