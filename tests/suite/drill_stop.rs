//! Drills of the end and the begin of a process, whole processes: what a service manager is told, and what signals do to a request in flight; nothing may be sent twice for it.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::net::UnixDatagram;

use crate::drill::{Drill, Setup};
use crate::drill_crash::LENIENT;

/// Work for a dozen requests on one target, which runs a retry whenever it is told to.
const ONE_BY_ONE: &str = r#"
name = "one-by-one"
seed = 46
[[target]]
name = "AD"
retries_anything = true
[[population]]
target = "AD"
accounts = 12
task = [{ task = "Telephone Updated", failure = "lock" }]
"#;

/// The longest that an end may take in wall time.
const PATIENCE: Duration = Duration::from_secs(180);

/// True once a PUT has met a fault.
fn held(drill: &Drill) -> bool {
    let journal = drill.journal();
    journal
        .iter()
        .any(|row| row["class"] == "put" && !row["fault"].is_null())
}

fn puts(drill: &Drill) -> usize {
    let journal = drill.journal();
    journal.iter().filter(|row| row["class"] == "put").count()
}

/// A daemon whose first PUT hangs at the server.
async fn in_flight(fault: Value, tables: &str) -> Drill {
    let mut drill = Setup::of(ONE_BY_ONE).config(tables).start().await;
    drill.act(json!({ "fault": fault })).await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill
        .run_until("30m", "a PUT hangs at the server", held)
        .await;
    drill
}

/// Waits for the process to end by itself; answers its exit code, and how long it took.
async fn ended(drill: &mut Drill) -> (Option<i32>, Duration) {
    let began = Instant::now();
    let mut child = drill.child.take().expect("it runs");
    loop {
        if let Some(status) = child.try_wait().expect("its own child") {
            drill.expect.lives.push(drill.journal().len());
            return (status.code(), began.elapsed());
        }
        if began.elapsed() > PATIENCE {
            drill.child = Some(child);
            panic!("it does not end");
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The next life heals everything, and nothing has run twice.
async fn goes_on(mut drill: Drill) {
    drill.daemon();
    drill.run_for("12h").await;
    let evidence = drill.judge().await;
    assert_eq!(evidence.count("healed"), 12);
    assert_eq!(evidence.count("effects"), 12, "each claim had one effect");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_waits_for_the_answer_of_what_is_in_flight_and_sends_nothing_more() {
    let slow = json!({"do": "hang", "on": "put", "at": [1], "ms": 1500});
    let mut drill = in_flight(slow, "").await;
    drill.signal(Signal::TERM);
    let (code, _) = ended(&mut drill).await;
    assert_eq!(code, Some(0), "{}", drill.log());
    let log = drill.log();
    let (_, after) = log
        .split_once("stopping: nothing new is claimed")
        .expect("it says that it stops");
    assert!(!after.contains("were still in flight"), "{after}");
    assert_eq!(puts(&drill), 1, "nothing more was sent");
    // the answer was taken in: the next life has nothing to ask for before it goes on
    drill.daemon();
    drill.run_for("1m").await;
    let told = drill.json(&["outcomes", "list", "--json"]);
    assert!(!told.to_string().contains("\"unknown\""), "{told:#}");
    drill.stop();
    goes_on(drill).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_at_once_and_what_was_in_flight_is_read_first_by_the_next_life() {
    let hang = json!({"do": "hang", "on": "put", "at": [1]});
    let mut drill = in_flight(hang, "[delivery]\ngrace = \"10m\"").await;
    drill.signal(Signal::TERM);
    let stopping = |drill: &Drill| drill.log().contains("stopping: nothing new is claimed");
    drill.until("it says that it stops", stopping).await;
    drill.signal(Signal::TERM);
    // long before the grace period ends
    let (code, _) = ended(&mut drill).await;
    assert_eq!(code, Some(0), "{}", drill.log());
    assert!(
        drill.log().contains("were still in flight"),
        "{}",
        drill.log()
    );
    goes_on(drill).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_grace_period_ends_a_stop_that_waits_in_vain() {
    let hang = json!({"do": "hang", "on": "put", "at": [1]});
    let mut drill = in_flight(hang, "[delivery]\ngrace = \"1s\"").await;
    drill.signal(Signal::TERM);
    let (code, took) = ended(&mut drill).await;
    assert_eq!(code, Some(0), "{}", drill.log());
    assert!(took >= Duration::from_millis(900), "{took:?} is no grace");
    assert!(
        drill.log().contains("were still in flight"),
        "{}",
        drill.log()
    );
    goes_on(drill).await;
}

/// In the grace period whoever asks is answered: that the daemon ends, and what of an order is on record.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_it_ends_a_daemon_says_so_and_takes_orders_on_record() {
    let hang = json!({"do": "hang", "on": "put", "at": [1]});
    let mut drill = in_flight(hang, "[delivery]\ngrace = \"10m\"").await;
    drill.signal(Signal::TERM);
    let stopping = |drill: &Drill| drill.log().contains("stopping: nothing new is claimed");
    drill.until("the log says that it stops", stopping).await;
    let began = Instant::now();
    let status = drill.json(&["status", "--json"]);
    let ending = status["ending"].as_str().expect("it says that it ends");
    assert!(ending.contains("1 request in flight"), "{ending}");
    let shown = drill.done(&["status"]);
    assert!(shown.contains("ENDING"), "{shown}");
    assert!(
        drill.cli(&["inbox"]).status.success(),
        "what it holds can be looked at"
    );
    let said = drill.done(&["pause", "--why", "a change"]);
    for words in ["paused everything", "on record", "the daemon is ending"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    // what would read the server, or go on after it, is refused at once
    let task = status["last_cycle"].as_str().map(|_| "1").expect("a cycle");
    for args in [
        &["plan"][..],
        &["explain", task],
        &["reload"],
        &["store", "export", "copy"],
    ] {
        let output = drill.cli(args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(75), "{args:?}: {said}");
        assert!(said.contains("the daemon is ending"), "{args:?}: {said}");
    }
    let said = drill.done(&["stop"]);
    assert!(said.contains("ending already"), "{said}");
    assert!(began.elapsed() < Duration::from_secs(60), "at once");
    drill.signal(Signal::TERM);
    let (code, _) = ended(&mut drill).await;
    assert_eq!(code, Some(0), "{}", drill.log());
    // the pause holds in the next life
    drill.daemon();
    drill.run_for("6h").await;
    assert_eq!(puts(&drill), 1, "paused");
    drill.done(&["resume"]);
    drill.run_for("12h").await;
    let evidence = drill.judge().await;
    assert_eq!(evidence.count("healed"), 12);
    assert_eq!(evidence.count("effects"), 12, "each claim had one effect");
}

/// The service manager's end of the socket; it takes everything at once, as systemd does.
struct Manager {
    dir: tempfile::TempDir,
    told: Arc<Mutex<Vec<String>>>,
}

impl Manager {
    fn listens() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let socket = UnixDatagram::bind(dir.path().join("notify")).expect("a socket");
        let told: Arc<Mutex<Vec<String>>> = Arc::default();
        let heard = Arc::clone(&told);
        tokio::spawn(async move {
            let mut buffer = [0; 4096];
            while let Ok(length) = socket.recv(&mut buffer).await {
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                let states = text.lines().map(str::to_owned);
                heard.lock().expect("no holder panics").extend(states);
            }
        });
        Self { dir, told }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("notify")
    }

    /// The binary as a unit of `Type=notify` starts it.
    fn unit(&self) -> Command {
        let mut run = Command::new("env");
        run.arg(format!("NOTIFY_SOCKET={}", self.path().display()));
        run.args([env!("CARGO_BIN_EXE_provtaskd"), "run"]);
        run
    }

    /// What came before the mark, once that is there; it is taken out.
    fn up_to_mark(&self) -> Option<Vec<String>> {
        let mut told = self.told.lock().expect("no holder panics");
        let at = told.iter().position(|state| state == "X_MARK=1")?;
        told.remove(at);
        Some(told.clone())
    }

    /// All states that have come so far, in order: what is sent last comes last.
    async fn heard(&self) -> Vec<String> {
        let own = UnixDatagram::unbound().expect("a socket");
        own.send_to(b"X_MARK=1", self.path()).await.expect("sent");
        let began = Instant::now();
        loop {
            if let Some(told) = self.up_to_mark() {
                return told;
            }
            assert!(began.elapsed() < PATIENCE, "its own word does not come");
            tokio::task::yield_now().await;
        }
    }
}

fn count(told: &[String], state: &str) -> usize {
    told.iter().filter(|one| *one == state).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_manager_is_told_of_start_life_and_stop() {
    let mut drill = Setup::of(LENIENT).start().await;
    let manager = Manager::listens();
    drill.release();
    drill.daemon_by(manager.unit());
    drill.run_for("1m").await;
    let begun = manager.heard().await;
    assert_eq!(
        begun.first().map(String::as_str),
        Some("READY=1"),
        "{begun:?}"
    );
    // it is ready when it can be asked, and says in a line what it sees
    assert_eq!(drill.json(&["status", "--json"])["tasks_visible"], 12);
    let seen = |state: &String| state.starts_with("STATUS=12 tasks visible to PROVSVC");
    assert!(begun.iter().any(seen), "{begun:?}");
    drill.approve_backlog();
    drill.run_for("12h").await;
    let alive = manager.heard().await;
    let beats = |told: &[String]| count(told, "WATCHDOG=1");
    assert!(beats(&alive) > beats(&begun), "fed by its work");
    assert_eq!(count(&alive, "STOPPING=1"), 0, "it runs");
    let evidence = drill.judge().await;
    assert_eq!(evidence.count("healed"), 12);
    let all = manager.heard().await;
    assert_eq!(
        all.last().map(String::as_str),
        Some("STOPPING=1"),
        "the last word"
    );
    assert_eq!(count(&all, "STOPPING=1"), 1);
    assert_eq!(count(&all, "READY=1"), 1);
}

/// A manager that does not take its messages must not hold up the work.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_manager_that_does_not_listen_holds_nothing_up() {
    let mut drill = Setup::of(LENIENT).start().await;
    let dir = tempfile::tempdir().expect("a directory");
    let deaf = UnixDatagram::bind(dir.path().join("notify")).expect("a socket");
    drill.release();
    let mut run = Command::new("env");
    run.arg(format!(
        "NOTIFY_SOCKET={}",
        dir.path().join("notify").display()
    ));
    run.args([env!("CARGO_BIN_EXE_provtaskd"), "run"]);
    drill.daemon_by(run);
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("48h").await;
    let evidence = drill.judge().await;
    assert_eq!(evidence.count("healed"), 12);
    drop(deaf);
}

/// Until it can do its work, whoever waits for it must wait on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_not_start_is_never_ready() {
    let mut drill = Setup::of(LENIENT)
        .file(
            "policies/10-broken.rhai",
            "fn decide(task, facts) { retry( }\n",
        )
        .file(
            "policies/kinds.toml",
            include_str!("../../policies/kinds.toml"),
        )
        .file(
            "policies/reasons.toml",
            include_str!("../../policies/reasons.toml"),
        )
        .config("[policy]\ndir = \"policies\"")
        .start()
        .await;
    let manager = Manager::listens();
    drill.daemon_by(manager.unit());
    let (code, _) = ended(&mut drill).await;
    assert_eq!(code, Some(78), "{}", drill.log());
    let told = manager.heard().await;
    assert_eq!(count(&told, "READY=1"), 0, "{told:?}");
    drill.write(
        "policies/10-broken.rhai",
        "fn decide(task, facts) { retry() }\n",
    );
    drill.release();
    drill.daemon_by(manager.unit());
    drill.run_for("1m").await;
    let told = manager.heard().await;
    assert_eq!(count(&told, "READY=1"), 1, "{told:?}");
    drill.approve_backlog();
    drill.run_for("12h").await;
    drill.judge().await;
}
