//! A drill of two daemons on different machines, whole processes: the later one learns from the server alone that its login is used by another, and holds sending; judged by the simulator's journal.

use std::fs::File;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::drill::{Drill, Setup, claims};

const WORLD: &str = r#"
name = "two machines"
seed = 91
[[target]]
name = "AD"
[[population]]
target = "AD"
accounts = 40
task = [{ task = "Telephone Updated", failure = "network" }]
"#;

/// A daemon with a store of its own, to whose kernel the first one is unknown: it reaches the server by another port.
struct Second {
    child: Child,
}

/// Another port of the same server, while this process runs.
async fn relay(origin: &str) -> String {
    let server = origin.trim_start_matches("http://").to_owned();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a port");
    let at = listener.local_addr().expect("its address");
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let server = server.clone();
            tokio::spawn(async move {
                let mut far = tokio::net::TcpStream::connect(server).await?;
                tokio::io::copy_bidirectional(&mut near, &mut far).await
            });
        }
    });
    format!("http://{at}")
}

impl Second {
    async fn start(drill: &Drill) -> Self {
        let config = std::fs::read_to_string(drill.dir.path().join("provtaskd.toml"));
        let config = config.expect("a configuration");
        let origin = drill.sim.origin();
        let config = config
            .replace(&origin, &relay(&origin).await)
            .replace("dir = \"store\"", "dir = \"second\"")
            .replace("every = \"2m\"", "every = \"2m\"\nat_most = \"2m\"");
        drill.write("second.toml", &config);
        let hash = Self::json(drill, &["status", "--json"])["policy_hash"].clone();
        let hash = hash.as_str().expect("a policy set");
        let person = ["policy", "release", hash, "--person", "B", "--word", "D-2"];
        Self::done(drill, &person);
        let log = File::create(drill.dir.path().join("second.log")).expect("a log");
        let child = Command::new(env!("CARGO_BIN_EXE_provtaskd"))
            .args(["--config", "second.toml", "run"])
            .current_dir(drill.dir.path())
            .env_clear()
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("the binary starts");
        Self { child }
    }

    fn done(drill: &Drill, args: &[&str]) -> String {
        drill.done(&[&["--config", "second.toml"], args].concat())
    }

    fn json(drill: &Drill, args: &[&str]) -> Value {
        serde_json::from_str(&Self::done(drill, args)).expect("JSON")
    }

    fn status(drill: &Drill) -> Value {
        Self::json(drill, &["status", "--json"])
    }

    fn inbox(drill: &Drill) -> Vec<Value> {
        let inbox = Self::json(drill, &["inbox", "--json"]);
        inbox.as_array().cloned().unwrap_or_default()
    }

    fn is_up(drill: &Drill) -> bool {
        drill.dir.path().join("second/control.sock").exists()
    }

    /// Lets it look at the server a few times more.
    async fn cycles(drill: &mut Drill, many: usize) {
        for _ in 0..many {
            let before = Self::status(drill)["last_cycle"].clone();
            let moved = |drill: &Drill| Self::status(drill)["last_cycle"] != before;
            drill.until("another cycle of the second one", moved).await;
        }
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        // it may have ended by itself
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_that_reads_acts_of_another_under_its_login_sends_nothing_until_a_person_resumes()
{
    let mut drill = Setup::of(WORLD)
        .config("[governor.default]\nper_minute = 1\n")
        .scaled(600.0)
        .every("2m")
        .start()
        .await;
    drill.release();
    drill.daemon();
    let waits = |drill: &Drill| {
        drill.store().join("control.sock").exists()
            && drill.inbox().iter().any(|item| item["why"] == "baseline")
    };
    drill.until("the first one has its backlog", waits).await;
    let second = Second::start(&drill).await;
    drill.until("the second one runs", Second::is_up).await;
    let watches = |drill: &Drill| Second::status(drill)["another"]["not_watched"].is_null();
    drill.until("the second one watches", watches).await;
    Second::cycles(&mut drill, 2).await;
    // OIG's own retry, or an admin's, is no other client
    let first = drill.truth()["tasks"][0]["id"].clone();
    drill
        .act(json!({"do": "retry", "task": first.to_string()}))
        .await;
    Second::cycles(&mut drill, 3).await;
    let status = Second::status(&drill);
    assert_eq!(status["another"]["acts"], 0, "{status:#}");
    assert_eq!(status["pauses"], json!([]), "{status:#}");

    // what the first one sends is
    drill.approve_backlog();
    let held = |drill: &Drill| Second::status(drill)["pauses"] != json!([]);
    drill.until("the second one holds", held).await;
    let status = Second::status(&drill);
    let read = status["another"]["last"].as_str().expect("what was read");
    assert!(
        read.starts_with("task ")
            && read.ends_with("was read as unsuccessfully_completed by PROVSVC"),
        "{read}"
    );
    let items = Second::inbox(&drill);
    let item = items.iter().find(|item| item["id"] == "another");
    let text = item
        .and_then(|item| item["text"].as_str())
        .expect("an item");
    assert!(
        text.contains(read) && text.contains("`provtaskd resume`"),
        "{text}"
    );
    let log = std::fs::read_to_string(drill.dir.path().join("second.log")).expect("a log");
    assert!(
        log.contains("sending is paused: somebody else acts under this login"),
        "{log}"
    );
    let warned = log.lines().find(|line| line.contains("sending is paused"));
    let warned = warned.expect("a line");
    assert!(warned.contains("login=PROVSVC"), "{warned}");
    let shown = Second::done(&drill, &["status"]);
    assert!(shown.contains("another client: "), "{shown}");

    // it has work of its own now, and leaves it
    let own = drill.json(&["status", "--json"]);
    assert_eq!(
        own["another"]["acts"], 0,
        "the first one sees nobody: {own:#}"
    );
    drill.done(&["pause", "--why", "one at a time"]);
    let backlog = [
        "approve",
        "baseline:AD",
        "--yes-release",
        "9999",
        "--why",
        "the drill's backlog",
    ];
    Second::done(&drill, &backlog);
    Second::cycles(&mut drill, 3).await;
    assert!(drill.count("healable_open") > 0, "something is left for it");
    let sent = Second::json(&drill, &["outcomes", "list", "--json"]);
    assert_eq!(sent, json!([]), "nothing is sent");
    Second::done(&drill, &["resume"]);
    let report = Second::done(&drill, &["report", "daily"]);
    assert!(
        report.contains("somebody else acts under this login"),
        "{report}"
    );
    drill
        .until("it acts by a person's word", |drill| {
            drill.count("healable_open") == 0
        })
        .await;
    assert!(
        Second::inbox(&drill)
            .iter()
            .all(|item| item["id"] != "another")
    );
    let own = drill.json(&["status", "--json"]);
    assert_eq!(
        own["another"]["acts"], 0,
        "who is paused looks for nobody: {own:#}"
    );
    let theirs = claims(&drill.dir.path().join("second/control.sock")).await;
    Second::done(&drill, &["stop"]);
    drop(second);
    let idle = Second::status(&drill)["another"]["not_watched"].to_string();
    assert!(idle.contains("no daemon runs"), "{idle}");
    drill.judge_with(theirs).await;
}

/// Rows whose notes name another's attempts; nothing is retried here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_of_another_provtaskd_in_a_note_pauses_unless_the_login_is_shared() {
    let leave = "fn decide(task, facts) { leave(\"a person does it\") }\n";
    let mut drill = Setup::of(&WORLD.replace("accounts = 40", "accounts = 3"))
        .server("shared_login = true")
        .config("[policy]\ndir = \"policies\"\n")
        .file("policies/10-leave.rhai", leave)
        .every("5m")
        .enforcing()
        .await;
    drill.run_for("40m").await;
    let tasks = drill.truth()["tasks"].clone();
    let id = |n: usize| tasks[n]["id"].to_string();
    let now = drill.sim.summary()["now"].clone();
    let now = now.as_str().expect("a time").to_owned();
    let line = |at: &str| {
        format!("Ann: look\n[provtaskd L7.1 {at}] task 4711 retried by a.rhai:1; it was done")
    };
    // of a former store, or of a time before this run
    let note = |n: usize, at: &str| json!({"task": id(n), "do": "note", "to": line(at)});
    drill.act(note(0, "2020-03-01T08:00:00Z")).await;
    drill.act(note(1, &now)).await;
    drill.run_for("35m").await;
    let status = drill.json(&["status", "--json"]);
    let told = (&status["another"]["acts"], &status["pauses"]);
    assert_eq!(told, (&json!(1), &json!([])), "{status:#}");
    assert_eq!(status["another"]["not_watched"], Value::Null);
    let config = std::fs::read_to_string(drill.dir.path().join("provtaskd.toml")).expect("there");
    let config = config.replace("shared_login = true", "shared_login = false");
    drill.write("provtaskd.toml", &config);
    drill.done(&["reload"]);
    drill.run_for("35m").await;
    let status = drill.json(&["status", "--json"]);
    assert_eq!(
        status["pauses"],
        json!([]),
        "it was told already: {status:#}"
    );
    drill.act(note(2, &now)).await;
    drill.run_for("35m").await;
    let status = drill.json(&["status", "--json"]);
    let why = status["pauses"][0]["why"].as_str().expect("a pause");
    let named = format!("task {} ", id(2));
    assert!(
        why.contains(&named) && why.contains("task 4711 retried"),
        "{why}"
    );
    drill.kill_and_restart().await;
    drill.run_for("10m").await;
    let shown = drill.inbox().iter().any(|item| item["id"] == "another");
    assert!(shown, "over a restart");
    drill.judge_leaving(3).await;
}

/// A task that keeps its id shows another run; nothing of ours has sent anything here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_under_our_login_of_a_task_that_keeps_its_id_is_anothers_and_is_counted() {
    let keeps =
        "name = \"AD\"\nstate = \"down\"\nsame_id = true\nrun = \"later\"\nlater = \"2h\"\n";
    let world = WORLD.replace("accounts = 40", "accounts = 3");
    let leave = "fn decide(task, facts) { leave(\"a person does it\") }\n";
    let mut drill = Setup::of(&world.replacen("name = \"AD\"\n", keeps, 1))
        .config("[policy]\ndir = \"policies\"\n")
        .file("policies/10-leave.rhai", leave)
        .every("5m")
        .enforcing()
        .await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = free.local_addr().expect("its address");
    drop(free);
    let config = std::fs::read_to_string(drill.dir.path().join("provtaskd.toml")).expect("there");
    let config = config.replace("listen = \"off\"", &format!("listen = \"{at}\""));
    drill.write("provtaskd.toml", &config);
    drill.kill_and_restart().await;
    drill.run_for("40m").await;
    let counted = async || {
        let answer = reqwest::get(format!("http://{at}/metrics")).await;
        let text = answer.expect("an answer").text().await.expect("text");
        let line = text
            .lines()
            .find(|line| line.contains("acts_of_others_total "));
        line.expect("a counter")
            .rsplit(' ')
            .next()
            .map(str::to_owned)
    };
    assert_eq!(counted().await.as_deref(), Some("0"));
    let id = drill.truth()["tasks"][1]["id"].to_string();
    let password = std::fs::read_to_string(drill.dir.path().join("password")).expect("there");
    let path = "iam/governance/selfservice/api/v1/provtasks";
    let put = reqwest::Client::new()
        .put(format!("{}/{path}", drill.sim.origin()))
        .basic_auth("PROVSVC", Some(password.trim()))
        .header("X-Requested-By", "another")
        .header("Content-Type", "application/json")
        .body(json!({"tasks": [{"id": id, "action": "retry", "taskId": id}]}).to_string());
    let answer = put.send().await.expect("an answer");
    assert_eq!(answer.status(), 200, "{:?}", answer.text().await);
    drill.run_for("35m").await;
    let status = drill.json(&["status", "--json"]);
    let why = status["pauses"][0]["why"].as_str().expect("a pause");
    let read = format!("task {id} (");
    assert!(
        why.contains(&read) && why.contains("shows another run, by PROVSVC"),
        "{why}"
    );
    assert_eq!(counted().await.as_deref(), Some("1"));
    drill.run_for("40m").await;
    assert_eq!(counted().await.as_deref(), Some("1"), "told once");
    drill.judge_leaving(3).await;
}

/// The same under a further login whose list is read once in a while (`every`), a task that only it sees.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_of_another_client_under_a_further_login_that_is_seldom_read_is_noticed() {
    let keeps =
        "name = \"AD\"\nstate = \"down\"\nsame_id = true\nrun = \"later\"\nlater = \"3h\"\n";
    let world = WORLD.replace(
        "accounts = 40",
        "accounts = 3\nowner = [\"role:SECOND LINE\"]",
    );
    let logins = "[[role]]\nname = \"SECOND LINE\"\n[[login]]\nlogin = \"PROVSVC\"\npassword = \"sim-password-1\"\n[[login]]\nlogin = \"SECOND\"\npassword = \"sim-password-2\"\nroles = [\"SECOND LINE\"]\n[[target]]";
    let world = world.replacen("[[target]]", logins, 1);
    let leave = "fn decide(task, facts) { leave(\"a person does it\") }\n";
    let mut drill = Setup::of(&world.replacen("name = \"AD\"\n", keeps, 1))
        .config("[policy]\ndir = \"policies\"\n[[login]]\nlogin = \"SECOND\"\npassword_file = \"second\"\nevery = \"3h\"\n")
        .file("policies/10-leave.rhai", leave)
        .every("5m")
        .start()
        .await;
    drill.write("second", "sim-password-2");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(drill.dir.path().join("second"), mode).expect("mode");
    drill.release();
    drill.daemon();
    drill.run_for("4h").await;
    let id = drill.truth()["tasks"][1]["id"].to_string();
    let path = "iam/governance/selfservice/api/v1/provtasks";
    let put = reqwest::Client::new()
        .put(format!("{}/{path}", drill.sim.origin()))
        .basic_auth("SECOND", Some("sim-password-2"))
        .header("X-Requested-By", "another")
        .header("Content-Type", "application/json")
        .body(json!({"tasks": [{"id": id, "action": "retry", "taskId": id}]}).to_string());
    let answer = put.send().await.expect("an answer");
    assert_eq!(answer.status(), 200, "{:?}", answer.text().await);
    drill.run_for("150m").await;
    let status = drill.json(&["status", "--json"]);
    let why = status["pauses"][0]["why"].as_str().expect("a pause");
    let read = format!("task {id} (");
    assert!(
        why.contains(&read) && why.contains("shows another run, by SECOND"),
        "{why}"
    );
    drill.judge_leaving(3).await;
}
