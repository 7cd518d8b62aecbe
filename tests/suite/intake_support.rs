//! Senders of events for the drills of the intake: good ones, and those that break a rule; they must never know more than what a sender knows.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use provtaskd::model::Clock;
use provtaskd::source::intake::sign;
use serde_json::Value;

use crate::drill::{Drill, Setup};

/// The table of the configuration; events come at most a second after a cycle.
pub const INTAKE: &str =
    "[intake]\nlisten = \"127.0.0.1:0\"\nsecret_file = \"secret\"\nearliest = \"1s\"";

/// Secrets.
pub const SECRET: &[u8] = b"the sender's first secret, 32 by";
pub const SECOND: &[u8] = b"the sender's other secret, 32 by";

/// A world with work in the list, and accounts on HR whose tasks belong to somebody else, so that no list shows
/// them; the login may act on them all the same.
pub const HIDDEN: &str = r#"
name = "intake"
seed = 91
[[login]]
login = "PROVSVC"
password = "sim-password-1"
roles = ["PROV OPERATORS"]
is_admin = true
[[target]]
name = "AD"
[[target]]
name = "HR"
[[user]]
login = "OTHER"
[[population]]
target = "AD"
accounts = 4
task = [{ task = "Telephone Updated", failure = "network" }]
[[population]]
target = "HR"
accounts = 3
prefix = "ONE"
owner = ["user:OTHER"]
task = [{ task = "Department Updated", failure = "network" }]
[[population]]
target = "HR"
accounts = 1
prefix = "TWO"
owner = ["user:OTHER"]
task = [{ task = "Department Updated", failure = "network", repeat = 2 }]
"#;

/// Writes the secrets that hold now.
pub fn secrets(drill: &Drill, secrets: &[&[u8]]) {
    let lines: String = secrets
        .iter()
        .map(|secret| format!("whsec_{}\n", STANDARD.encode(secret)))
        .collect();
    let next = drill.dir.path().join(".secret.next");
    std::fs::write(&next, lines).expect("written");
    std::fs::set_permissions(&next, PermissionsExt::from_mode(0o600)).expect("mode");
    std::fs::rename(next, drill.dir.path().join("secret")).expect("moved");
}

/// A running daemon that takes events, with its backlog released; `more` goes into `[intake]`.
pub async fn taking(scenario: &str, more: &str) -> Drill {
    let setup = Setup::of(scenario).config(&format!("{INTAKE}\n{more}"));
    let mut drill = setup.start().await;
    secrets(&drill, &[SECRET]);
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill
}

/// What status says of the intake.
pub fn standing(drill: &Drill) -> Value {
    drill.json(&["status", "--json"])["intake"].clone()
}

/// A count of `[[word, count], …]`.
pub fn count(standing: &Value, list: &str, word: &str) -> u64 {
    let rows = standing[list].as_array().expect("a list of counts");
    let row = rows.iter().find(|row| row[0] == word);
    row.map_or(0, |row| row[1].as_u64().expect("a count"))
}

/// Where events are taken.
pub fn address(drill: &Drill) -> String {
    standing(drill)["listen"]
        .as_str()
        .expect("it listens")
        .to_owned()
}

/// Seconds since 1970, by the wall.
pub fn wall() -> i64 {
    Clock::wall().now().as_second()
}

/// An event with its signature, as it goes over the wire.
#[derive(Clone, Debug)]
pub struct Event {
    pub head: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Event {
    /// A good one in plain JSON.
    pub fn new(id: &str, body: &str) -> Self {
        Self::signed(id, wall(), body, SECRET)
    }

    /// Signed with this secret at this time.
    pub fn signed(id: &str, at: i64, body: &str, secret: &[u8]) -> Self {
        let body = body.as_bytes().to_vec();
        Self {
            head: "POST /v1/tasks HTTP/1.1".to_owned(),
            headers: [
                ("host", "intake".to_owned()),
                ("content-type", "application/json".to_owned()),
                ("webhook-id", id.to_owned()),
                ("webhook-timestamp", at.to_string()),
                ("webhook-signature", sign(secret, id, at, &body)),
                ("content-length", body.len().to_string()),
            ]
            .map(|(name, value)| (name.to_owned(), value))
            .to_vec(),
            body,
        }
    }

    /// With this value of a header, or another one beside it.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(own, _)| own != name);
        self.and(name, value)
    }

    /// With one more header.
    pub fn and(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Without a header.
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(own, _)| own != name);
        self
    }

    /// The request line and the headers.
    pub fn start(&self) -> Vec<u8> {
        let mut text = format!("{}\r\n", self.head);
        for (name, value) in &self.headers {
            text += &format!("{name}: {value}\r\n");
        }
        text += "\r\n";
        text.into_bytes()
    }

    /// Sends it, and answers the status and the whole answer.
    pub fn send(&self, at: &str) -> (u16, String) {
        let mut bytes = self.start();
        bytes.extend_from_slice(&self.body);
        raw(at, &bytes)
    }
}

/// Sends bytes and reads until the answer is whole, or the connection ends; 0: there was no answer.
pub fn raw(at: &str, bytes: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(at).expect("connected");
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .expect("set");
    // it may be turned away before it has sent everything
    let _ = stream.write_all(bytes);
    answer(&mut stream)
}

/// One answer of a connection.
pub fn answer(stream: &mut TcpStream) -> (u16, String) {
    let mut text = String::new();
    let mut part = [0; 4096];
    while let Ok(read) = stream.read(&mut part) {
        text += &String::from_utf8_lossy(&part[..read]);
        let length = text
            .to_ascii_lowercase()
            .split_once("content-length: ")
            .and_then(|(_, rest)| rest.split("\r\n").next()?.parse::<usize>().ok());
        let body = text.split_once("\r\n\r\n").map(|(_, body)| body.len());
        if read == 0 || (length.is_some() && body >= length) {
            break;
        }
    }
    let status = text
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .unwrap_or(0);
    (status, text)
}

/// The ids of the tasks of accounts whose people have this prefix, the oldest first.
pub fn tasks_of(drill: &Drill, prefix: &str) -> Vec<String> {
    let truth = drill.truth();
    let tasks = truth["tasks"].as_array().expect("tasks");
    let mut ids: Vec<u64> = tasks
        .iter()
        .filter(|task| {
            task["beneficiary"]
                .as_str()
                .is_some_and(|login| login.starts_with(prefix))
        })
        .filter_map(|task| task["id"].as_u64())
        .collect();
    ids.sort_unstable();
    ids.iter().map(ToString::to_string).collect()
}
