//! A simulator in the test's process and a plain HTTP client for it; it must never use the client of this crate.

use base64::Engine as _;
use provtaskd::sim::{Scenario, SimOptions, SimServer};
use reqwest::{Method, Response};
use serde_json::Value;

pub const BASE: &str = "/iam/governance/selfservice/api/v1";

/// A simulator with a plain HTTP client.
pub struct Sim {
    pub server: SimServer,
    pub http: reqwest::Client,
    pub login: (String, String),
}

impl Sim {
    pub async fn start(toml: &str) -> Self {
        Self::with(Scenario::from_toml(toml).unwrap()).await
    }

    pub async fn with(scenario: Scenario) -> Self {
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

    pub fn auth(&self) -> String {
        let pair = format!("{}:{}", self.login.0, self.login.1);
        format!(
            "Basic {}",
            base64::engine::general_purpose::STANDARD.encode(pair)
        )
    }

    pub async fn send(
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

    pub async fn get(&self, path: &str) -> Value {
        let response = self.send(Method::GET, path, None).await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        json_of(response).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Value {
        let response = self.send(Method::PUT, path, Some(&body)).await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        json_of(response).await
    }

    pub async fn control(&self, path: &str, body: Value) -> Value {
        let response = self.send(Method::POST, path, Some(&body)).await.unwrap();
        assert_eq!(response.status(), 200, "{path} {body}");
        json_of(response).await
    }

    /// A documented body, its host replaced by the simulator's origin.
    pub fn documented(&self, text: &str) -> Value {
        let text = text
            .replace("https://pseudo.example", &self.server.origin())
            .replace("http://pseudo.example", &self.server.origin());
        serde_json::from_str(&text).unwrap()
    }

    pub fn count(&self, name: &str) -> u64 {
        self.server.summary()["summary"][name].as_u64().unwrap()
    }
}

pub async fn json_of(response: Response) -> Value {
    let text = response.text().await.unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

pub fn field(task: &Value, name: &str) -> Value {
    task["fields"]
        .as_array()
        .unwrap()
        .iter()
        .find(|field| field["name"] == name)
        .unwrap_or_else(|| panic!("no field {name}"))["value"]
        .clone()
}

pub const KEY: &str = "Process Instance.Task Details.Key";

/// Five tasks with the documented ids.
pub const WORLD: &str = r#"
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
