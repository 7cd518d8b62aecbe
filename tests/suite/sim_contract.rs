//! The simulator against the documented contract: literal bodies, codes, faults, clocks, determinism; it must never use the client of this crate.

use base64::Engine as _;
use provtaskd::sim::{Scenario, SimOptions, SimServer};
use reqwest::{Method, Response};
use serde_json::{Value, json};

const BASE: &str = "/iam/governance/selfservice/api/v1";

struct Sim {
    server: SimServer,
    http: reqwest::Client,
    login: (String, String),
}

impl Sim {
    async fn start(toml: &str) -> Self {
        Self::with(Scenario::from_toml(toml).unwrap()).await
    }

    async fn with(scenario: Scenario) -> Self {
        let login = &scenario.login[0];
        let login = (login.login.clone(), login.password.clone());
        Self {
            server: SimServer::start(SimOptions::new(scenario)).await.unwrap(),
            http: reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .no_proxy()
                .pool_max_idle_per_host(0)
                .build()
                .unwrap(),
            login,
        }
    }

    fn auth(&self) -> String {
        let pair = format!("{}:{}", self.login.0, self.login.1);
        format!(
            "Basic {}",
            base64::engine::general_purpose::STANDARD.encode(pair)
        )
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> reqwest::Result<Response> {
        let path = if path.starts_with("/sim") || path.starts_with("/iam") {
            path.to_owned()
        } else {
            format!("{BASE}{path}")
        };
        let mut request = self
            .http
            .request(method.clone(), format!("{}{path}", self.server.origin()))
            .header("Authorization", self.auth());
        if method != Method::GET {
            request = request.header("X-Requested-By", "test");
        }
        if let Some(body) = body {
            request = request
                .header("Content-Type", "application/json")
                .body(body.to_string());
        }
        request.send().await
    }

    async fn get(&self, path: &str) -> Value {
        let response = self.send(Method::GET, path, None).await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        json_of(response).await
    }

    async fn put(&self, path: &str, body: Value) -> Value {
        let response = self.send(Method::PUT, path, Some(&body)).await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        json_of(response).await
    }

    async fn control(&self, path: &str, body: Value) -> Value {
        let response = self.send(Method::POST, path, Some(&body)).await.unwrap();
        assert_eq!(response.status(), 200, "{path} {body}");
        json_of(response).await
    }

    /// A documented body, its host replaced by the simulator's origin.
    fn documented(&self, text: &str) -> Value {
        let text = text
            .replace("https://pseudo.example", &self.server.origin())
            .replace("http://pseudo.example", &self.server.origin());
        serde_json::from_str(&text).unwrap()
    }

    fn count(&self, name: &str) -> u64 {
        self.server.summary()["summary"][name].as_u64().unwrap()
    }
}

async fn json_of(response: Response) -> Value {
    let text = response.text().await.unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn field(task: &Value, name: &str) -> Value {
    task["fields"]
        .as_array()
        .unwrap()
        .iter()
        .find(|field| field["name"] == name)
        .unwrap_or_else(|| panic!("no field {name}"))["value"]
        .clone()
}

const KEY: &str = "Process Instance.Task Details.Key";

/// Five tasks with the documented ids.
const WORLD: &str = r#"
name = "documented"
[server]
shuffle_bulk = false
[[target]]
name = "AD"
[[target]]
name = "SAP"
connector = "erp"
state = "down"
[[user]]
key = 23
login = "BKIDDO"
first = "Beatrix"
last = "Kiddo"
[[user]]
key = 17
login = "AARORA"
first = "Anil"
last = "Arora"
[[user]]
key = 24
login = "DTRAN20190614C"
first = "Dung"
last = "Tran"
manager = "BKIDDO"
[[account]]
key = 22
target = "AD"
user = "DTRAN20190614C"
descriptive = "dtran20190614c"
[[account]]
key = 18
target = "SAP"
user = "AARORA"
[[definition]]
key = 39
target = "AD"
name = "ManualRevokeStart"
manual = true
[[definition]]
key = 374
target = "SAP"
name = "Add Role"
[[role]]
key = 8
name = "REVIEWERS"
members = ["DTRAN20190614C"]
[[task]]
id = 1006
target = "AD"
user = "DTRAN20190614C"
task = "Add User to Group"
child = "CN=A"
failure = "network"
created = "-9h"
[[task]]
id = 1008
target = "SAP"
user = "AARORA"
task = "Add Role"
failure = "network"
created = "-8h"
[[task]]
id = 30
target = "AD"
user = "DTRAN20190614C"
task = "ManualRevokeStart"
created = "-7h"
[[task]]
id = 31
target = "AD"
user = "DTRAN20190614C"
task = "ManualRevokeStart"
created = "-6h"
[[task]]
id = 1002
target = "AD"
user = "AARORA"
task = "Create User"
failure = "network"
created = "-5h"
[[task]]
id = 5124
target = "AD"
user = "AARORA"
task = "ManualRevokeStart"
owner = "user:XELSYSADM"
assign_type = "User"
status = "R"
data = "Rejected"
reason = ""
created = "-4h"
"#;

#[tokio::test]
async fn the_list_has_the_documented_envelope() {
    let sim = Sim::start(WORLD).await;
    let list = sim.get("/provtasks?q=Status.Category+eq+Rejected").await;
    let mut head = list.clone();
    let tasks = head.as_object_mut().unwrap().remove("tasks").unwrap();
    let expected = sim.documented(
        r#"{"links":[
            {"rel":"self","href":"https://pseudo.example/iam/governance/selfservice/api/v1/provtasks"},
            {"rel":"self","href":"https://pseudo.example/iam/governance/selfservice/api/v1/provtasks?offset=1&limit=10&q=Status.Category%20eq%20Rejected"},
            {"rel":"first","href":"https://pseudo.example/iam/governance/selfservice/api/v1/provtasks?offset=1&limit=10&q=Status.Category%20eq%20Rejected"}],
            "count":3,"hasMore":false,"totalResult":-1}"#,
    );
    assert_eq!(head, expected);
    let first = sim.documented(
        r#"{"links":[{"rel":"self","href":"https://pseudo.example/iam/governance/selfservice/api/v1/provtasks/1006"}],
            "fields":[{"name":"Process Instance.Descriptive Data","value":"dtran20190614c"}]}"#,
    );
    assert_eq!(tasks[0]["links"], first["links"]);
    assert_eq!(tasks[0]["fields"][0], first["fields"][0]);
    assert!(tasks[0].get("id").is_none());
    assert_eq!(field(&tasks[0], KEY), json!(1006));
}

#[tokio::test]
async fn a_retry_closes_the_old_id_and_opens_a_higher_one() {
    let sim = Sim::start(WORLD).await;
    let answer = sim
        .put(
            "/provtasks",
            json!({"tasks":[{"id":"1006","action":"retry","taskId":"1006"},{"id":"1008","action":"retry","taskId":"1008"}]}),
        )
        .await;
    let expected = sim.documented(
        r#"{"links":[{"rel":"self","href":"https://pseudo.example/iam/governance/selfservice/api/v1/provtasks"}],
            "tasks":[
             {"links":[{"rel":"self","href":"https://pseudo.example/iam/governance/selfservice/api/v1/provtasks/1006"}],"id":"1006","status":"SUCCESS","action":"retry"},
             {"links":[{"rel":"self","href":"https://pseudo.example/iam/governance/selfservice/api/v1/provtasks/1008"}],"id":"1008","status":"SUCCESS","action":"retry"}]}"#,
    );
    assert_eq!(answer, expected);
    let old = sim.get("/provtasks/1006").await;
    assert_eq!(field(&old, "Process Instance.Task Details.Status"), "UC");
    // 1006 healed and its successor is done; 1008's target is down, so its successor is rejected under a new id.
    let list = sim.get("/provtasks?q=Status.Category+eq+Rejected").await;
    let keys: Vec<u64> = list["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|task| field(task, KEY).as_u64().unwrap())
        .collect();
    assert_eq!(keys.len(), 2, "{keys:?}");
    assert_eq!(keys[0], 1002);
    assert!(keys[1] > 5124, "{keys:?}");
    assert_eq!(
        (sim.count("effects_ok"), sim.count("effects_failed")),
        (1, 1)
    );
}

#[tokio::test]
async fn a_stepped_world_moves_only_when_asked_and_stops_at_the_hold() {
    let sim = Sim::with(Scenario::built_in("outage").unwrap()).await;
    let clock = sim.get("/sim/clock").await;
    assert_eq!(clock["mode"], "stepped");
    assert_eq!(clock["now"], "2027-03-01T07:00:00.000Z");
    sim.control("/sim/clock/hold", json!({"for": "6h"})).await;
    let there = sim
        .control("/sim/clock/advance", json!({"to": "2027-03-01T09:30:00Z"}))
        .await;
    assert_eq!(
        there,
        json!({"now": "2027-03-01T09:30:00.000Z", "held": false})
    );
    // A client that wants to go beyond the hold waits there until the hold is raised.
    let client = async {
        sim.control("/sim/clock/advance", json!({"to": "2027-03-01T14:00:00Z"}))
            .await
    };
    let test = async {
        let held = sim.get("/sim/clock/wait_held?timeout_ms=10000").await;
        assert_eq!(
            held,
            json!({"held": true, "now": "2027-03-01T13:00:00.000Z"})
        );
        sim.control("/sim/clock/hold", json!({"for": "2h"})).await;
    };
    let (reached, ()) = tokio::join!(client, test);
    assert_eq!(
        reached,
        json!({"now": "2027-03-01T14:00:00.000Z", "held": false})
    );
}
