//! The harness of whole-process drills: a simulator in this process on a held, stepped clock, and the real binary beside it; a drill must never end without its oracles.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use provtaskd::control::{self, OutcomeFilter, Reply, Request};
use provtaskd::model::ActionName;
use provtaskd::sim::scenario::ClockMode;
use provtaskd::sim::{Scenario, SimOptions, SimServer};
use serde_json::{Value, json};

use crate::drill_oracle::{Claim, Evidence, Expect, breaches};

/// The longest that a span of domain time may take in wall time.
const PATIENCE: Duration = Duration::from_secs(180);

/// What a drill starts from.
#[derive(Debug)]
pub struct Setup {
    scenario: Scenario,
    server: String,
    config: String,
    files: Vec<(&'static str, String)>,
    every: &'static str,
}

/// A world and a daemon.
pub struct Drill {
    /// The daemon's directory: configuration, password, store, log.
    pub dir: tempfile::TempDir,
    /// The simulator.
    pub sim: SimServer,
    http: reqwest::Client,
    /// The daemon, while it runs.
    pub child: Option<Child>,
    /// What the oracles are told beside the truth.
    pub expect: Expect,
    judged: bool,
}

impl Setup {
    /// A scenario in TOML; its clock is stepped and held, whatever it says.
    pub fn of(scenario: &str) -> Self {
        Self::with(Scenario::from_toml(scenario).expect("the scenario is right"))
    }

    /// A scenario that ships; stepped and held as well.
    pub fn shipped(name: &str) -> Self {
        Self::with(Scenario::built_in(name).expect("a shipped scenario"))
    }

    fn with(mut scenario: Scenario) -> Self {
        scenario.clock.mode = ClockMode::Stepped;
        scenario.clock.hold = true;
        Self {
            scenario,
            server: String::new(),
            config: String::new(),
            files: Vec::new(),
            every: "5m",
        }
    }

    /// Real time, so many times faster; nothing is stepped then.
    pub fn scaled(mut self, factor: f64) -> Self {
        self.scenario.clock.mode = ClockMode::Scaled;
        self.scenario.clock.scale = factor;
        self
    }

    /// A file in the daemon's directory.
    pub fn file(mut self, name: &'static str, text: impl Into<String>) -> Self {
        self.files.push((name, text.into()));
        self
    }

    /// More keys of `[server]`.
    pub fn server(mut self, keys: &str) -> Self {
        self.server.push_str(keys);
        self.server.push('\n');
        self
    }

    /// More tables of the configuration, other than server, schedule, mode, store, admin, log.
    pub fn config(mut self, tables: &str) -> Self {
        self.config.push_str(tables);
        self.config.push('\n');
        self
    }

    /// The shortest pause between cycles.
    pub fn every(mut self, every: &'static str) -> Self {
        self.every = every;
        self
    }

    /// Starts the simulator and writes the daemon's files; no daemon runs yet.
    pub async fn start(self) -> Drill {
        let password = self.scenario.login[0].password.clone();
        let login = self.scenario.login[0].login.clone();
        let sim = SimServer::start(SimOptions::new(self.scenario))
            .await
            .expect("the simulator starts");
        let dir = tempfile::tempdir().expect("a directory");
        let config = format!(
            "[server]\norigin = \"{}\"\nlogin = \"{login}\"\npassword_file = \"password\"\nsimulator_clock = true\n{}\n\
             [schedule]\nevery = \"{}\"\n[mode]\nglobal = \"enforce\"\n[store]\ndir = \"store\"\n[admin]\nlisten = \"off\"\n{}",
            sim.origin(),
            self.server,
            self.every,
            self.config
        );
        fs::write(dir.path().join("provtaskd.toml"), config).expect("written");
        for (name, text) in &self.files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().expect("below the directory")).expect("made");
            fs::write(path, text).expect("written");
        }
        let http = reqwest::Client::builder()
            .no_proxy()
            .build()
            .expect("a client");
        let drill = Drill {
            dir,
            sim,
            http,
            child: None,
            expect: Expect::default(),
            judged: false,
        };
        drill.password(&password);
        drill
    }

    /// The same with a released policy set, a running daemon, and its whole first-day backlog released by a person.
    pub async fn enforcing(self) -> Drill {
        let mut drill = self.start().await;
        drill.release();
        drill.daemon();
        drill.run_for("1m").await;
        drill.approve_backlog();
        drill
    }

    /// The same in real time.
    pub async fn enforcing_in_real_time(self) -> Drill {
        let mut drill = self.start().await;
        drill.release();
        drill.daemon();
        let backlog = |drill: &Drill| {
            drill.store().join("control.sock").exists()
                && drill.inbox().iter().any(|item| item["why"] == "baseline")
        };
        drill.until("the backlog is in the inbox", backlog).await;
        drill.approve_backlog();
        drill
    }
}

impl Drill {
    /// Releases the policy set for enforce, with the daemon or without.
    pub fn release(&self) {
        let status = self.json(&["status", "--json"]);
        let hash = status["policy_hash"].as_str().expect("a policy set");
        let release = [
            "policy", "release", hash, "--person", "Drill", "--word", "D-1",
        ];
        self.done(&release);
    }

    /// Starts the daemon.
    pub fn daemon(&mut self) {
        let mut run = Command::new(env!("CARGO_BIN_EXE_provtaskd"));
        run.arg("run");
        self.daemon_by(run);
    }

    /// Starts the daemon by a command that becomes it.
    pub fn daemon_by(&mut self, mut run: Command) {
        assert!(self.child.is_none(), "a daemon runs already");
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_path())
            .expect("a log");
        let child = run
            .current_dir(self.dir.path())
            .env_clear()
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("the binary starts");
        self.child = Some(child);
    }

    /// Lets so much domain time pass, and returns when the daemon is idle at its end.
    pub async fn run_for(&mut self, span: &str) {
        let held = self.post("/sim/clock/hold", json!({ "for": span })).await;
        let began = Instant::now();
        loop {
            self.still_runs();
            if self.glance(2_000).await {
                return;
            }
            assert!(
                began.elapsed() < PATIENCE,
                "the daemon did not come to rest at {} within {PATIENCE:?}",
                held["hold"]
            );
        }
    }

    /// Lets time pass until the daemon has read a list, and its stepped clock with it: who waits at the hold does not read it,
    /// and an order that comes then is carried out at a time that is minutes behind the server's.
    pub async fn freshly_read(&mut self) {
        let from = self.truth()["now"].as_str().expect("a time").to_owned();
        let read_since = |drill: &Self| {
            let mut rows = drill.journal().into_iter();
            rows.any(|row| row["class"] == "list" && row["at"].as_str() > Some(from.as_str()))
        };
        for _ in 0..120 {
            if read_since(self) {
                return;
            }
            self.run_for("1m").await;
        }
        panic!("no list was read in two hours");
    }

    /// Lets at most so much domain time pass, until something is seen; the daemon may be in the middle of anything then.
    pub async fn run_until(&mut self, span: &str, what: &str, seen: impl Fn(&Drill) -> bool) {
        self.post("/sim/clock/hold", json!({ "for": span })).await;
        self.until(what, seen).await;
    }

    /// Lets at most so much domain time pass, until something is seen or the daemon has nothing more to do.
    pub async fn run_until_or_rest(&mut self, span: &str, seen: impl Fn(&Drill) -> bool) {
        self.post("/sim/clock/hold", json!({ "for": span })).await;
        let began = Instant::now();
        while !seen(self) {
            self.still_runs();
            assert!(began.elapsed() < PATIENCE, "it neither went on nor rested");
            if self.glance(20).await {
                return;
            }
        }
    }

    /// Waits until something is seen, without touching the clock.
    pub async fn until(&mut self, what: &str, seen: impl Fn(&Drill) -> bool) {
        let began = Instant::now();
        while !seen(self) {
            self.still_runs();
            assert!(began.elapsed() < PATIENCE, "waited in vain until {what}");
            self.glance(20).await;
        }
    }

    /// Asks whether a client waits at the hold, for so many milliseconds.
    async fn glance(&self, ms: u32) -> bool {
        let origin = self.sim.origin();
        let url = format!("{origin}/sim/clock/wait_held?timeout_ms={ms}");
        let answer = self.http.get(url).send().await.expect("an answer");
        answer.status() == 200
    }

    fn still_runs(&mut self) {
        if let Some(child) = &mut self.child
            && let Some(status) = child.try_wait().expect("its own child")
        {
            self.child = None;
            panic!("the daemon ended with {status}");
        }
    }

    /// Writes a file into the daemon's directory.
    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.dir.path().join(name), text).expect("written");
    }

    /// Writes the password file, for the daemon's eyes only.
    pub fn password(&self, secret: &str) {
        self.write_secret("password", secret);
    }

    /// Writes a file of a secret, for the daemon's eyes only.
    pub fn write_secret(&self, name: &str, secret: &str) {
        let file = self.dir.path().join(name);
        fs::write(&file, secret).expect("written");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("mode");
    }

    /// Changes the world as `/sim/act` takes it.
    pub async fn act(&self, act: Value) {
        self.post("/sim/act", act).await;
    }

    /// A POST to a control endpoint of the simulator.
    pub async fn post(&self, path: &str, body: Value) -> Value {
        let answer = self
            .http
            .post(format!("{}{path}", self.sim.origin()))
            .body(body.to_string())
            .send()
            .await
            .expect("an answer");
        let status = answer.status();
        let text = answer.text().await.expect("a body");
        assert_eq!(status, 200, "{path} {body}: {text}");
        serde_json::from_str(&text).expect("JSON")
    }

    /// The whole truth of the world.
    pub fn truth(&self) -> Value {
        self.sim.truth()
    }

    /// A count of the truth's summary.
    pub fn count(&self, name: &str) -> u64 {
        self.sim.summary()["summary"][name]
            .as_u64()
            .unwrap_or_else(|| panic!("the truth has no count {name}"))
    }

    /// All that the simulator has written down.
    pub fn journal(&self) -> Vec<Value> {
        self.sim.journal(0)
    }

    /// Runs a command of the binary beside the daemon.
    pub fn cli(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_provtaskd"))
            .args(args)
            .current_dir(self.dir.path())
            .env_clear()
            .output()
            .expect("the binary runs")
    }

    /// Runs a command that must work; answers what it printed.
    pub fn done(&self, args: &[&str]) -> String {
        let output = self.cli(args);
        assert!(
            output.status.success(),
            "{args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("text")
    }

    /// Runs a command that must work and prints JSON.
    pub fn json(&self, args: &[&str]) -> Value {
        let text = self.done(args);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{args:?}: {error}: {text}"))
    }

    /// The inbox's items.
    pub fn inbox(&self) -> Vec<Value> {
        let inbox = self.json(&["inbox", "--json"]);
        inbox.as_array().cloned().unwrap_or_default()
    }

    /// Releases the first-day backlog of every target.
    pub fn approve_backlog(&self) {
        for item in self.inbox() {
            let id = item["id"].as_str().expect("an id");
            if id.starts_with("baseline:") {
                let all = ["--yes-release", "99999"];
                self.done(&[&["approve", id, "--why", "the drill's backlog"][..], &all].concat());
            }
        }
    }

    /// Kills the daemon in the middle of whatever it does, and waits until the simulator has noticed.
    pub async fn kill9(&mut self) {
        let mut child = self.child.take().expect("a daemon runs");
        child.kill().expect("killed");
        child.wait().expect("reaped");
        let began = Instant::now();
        while self.glance(0).await {
            assert!(began.elapsed() < PATIENCE, "its requests live on");
        }
        self.expect.lives.push(self.journal().len());
    }

    /// Kills the daemon and starts it again.
    pub async fn kill_and_restart(&mut self) {
        self.kill9().await;
        self.daemon();
    }

    /// Sends the daemon a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let child = self.child.as_ref().expect("a daemon runs");
        rustix::process::kill_process(rustix::process::Pid::from_child(child), signal)
            .expect("its own child");
    }

    /// Ends the daemon cleanly.
    pub fn stop(&mut self) {
        self.done(&["stop"]);
        let mut child = self.child.take().expect("a daemon runs");
        let status = child.wait().expect("reaped");
        assert!(status.success(), "the daemon ended with {status}");
    }

    /// Where the daemon's log is.
    pub fn log_path(&self) -> PathBuf {
        self.dir.path().join("daemon.log")
    }

    /// What the daemon has logged, all its lives.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// The store's directory.
    pub fn store(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    /// Everything that the oracles look at; the daemon must run.
    pub async fn evidence(&self) -> Evidence {
        Evidence {
            claims: claims(&self.store().join("control.sock")).await,
            truth: self.truth(),
            journal: self.journal(),
            expect: self.expect.clone(),
        }
    }

    /// All oracles but the one of liveness hold now; for the middle of a drill.
    pub async fn safe_so_far(&self) -> Evidence {
        let evidence = self.evidence().await;
        let mut found = breaches(&evidence);
        found.remove("healable_open");
        assert!(found.is_empty(), "{found:#?}");
        evidence
    }

    /// Ends a drill of one fault, which looks at that alone.
    pub fn judged_elsewhere(mut self) {
        self.judged = true;
        if self.child.is_some() {
            self.stop();
        }
    }

    /// Ends the drill: all oracles hold, and all that could heal has healed.
    pub async fn judge(self) -> Evidence {
        self.judge_leaving(0).await
    }

    /// Ends the drill of a daemon whose store was put back: claims that are not in it any more were shown
    /// before, and count as well.
    pub async fn judge_with(mut self, earlier: Vec<Claim>) -> Evidence {
        let mut evidence = self.evidence().await;
        self.judged = true;
        for claim in earlier {
            if !evidence.claims.contains(&claim) {
                evidence.claims.push(claim);
            }
        }
        let found = breaches(&evidence);
        assert!(
            found.is_empty(),
            "{found:#?}\n{:#}",
            evidence.truth["summary"]
        );
        self.stop();
        evidence
    }

    /// Ends the drill where somebody else has run a piece of work once beside us, and all other oracles hold.
    pub async fn judge_beside_another(mut self) -> Evidence {
        let evidence = self.evidence().await;
        self.judged = true;
        let mut found = breaches(&evidence);
        assert!(found.remove("effected_twice").is_some(), "{found:#?}");
        found.remove("runs_twice");
        assert!(found.is_empty(), "{found:#?}");
        assert_eq!(evidence.count("effects_not_by_client"), 1);
        self.stop();
        evidence
    }

    /// Ends the drill where a revoke came only after what ran before it was sent: nobody could have let it wait.
    pub async fn judge_after_a_late_revoke(mut self) -> Evidence {
        let evidence = self.evidence().await;
        self.judged = true;
        let mut found = breaches(&evidence);
        assert!(found.remove("revokes_first").is_some(), "{found:#?}");
        assert!(found.is_empty(), "{found:#?}");
        self.stop();
        evidence
    }

    /// Ends the drill where so many healable tasks have to be open, because a person or an unreachable piece holds them.
    pub async fn judge_leaving(mut self, left: u64) -> Evidence {
        self.expect.left = left;
        let evidence = self.evidence().await;
        self.judged = true;
        let found = breaches(&evidence);
        assert!(
            found.is_empty(),
            "{found:#?}\n{:#}",
            evidence.truth["summary"]
        );
        self.stop();
        evidence
    }
}

impl Drop for Drill {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // it may have ended by itself
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let tail = &lines[lines.len().saturating_sub(60)..];
            eprintln!("the end of the daemon's log:\n{}", tail.join("\n"));
            eprintln!("the truth: {}", self.sim.summary()["summary"]);
        } else {
            assert!(self.judged, "a drill ends with `judge`");
        }
    }
}

/// The retries that the ledger behind a socket has claimed.
pub async fn claims(socket: &Path) -> Vec<Claim> {
    let list = Request::OutcomesList {
        filter: OutcomeFilter {
            limit: Some(100_000),
            ..OutcomeFilter::default()
        },
    };
    let Ok(Reply::Outcomes(view)) = control::ask(socket, list, PATIENCE).await else {
        panic!("the daemon does not list its outcomes");
    };
    view.rows
        .into_iter()
        .filter(|row| row.action == ActionName::Retry)
        .map(|row| Claim {
            batch: row.batch.expect("a claim names its request"),
            task: row.task.to_string(),
        })
        .collect()
}
