//! The real binary in the hands of somebody new: files that break under a running daemon, lists that are long, errors that nobody can read; no order may be taken away by them.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};

use provtaskd::control::{self, OutcomeFilter, Reply, Request};
use serde_json::Value;

use crate::drill::{Drill, Setup};

fn binary(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_provtaskd"));
    command.args(args).current_dir(dir).env_clear();
    command
}

fn provtaskd(dir: &Path, args: &[&str]) -> Output {
    binary(dir, args).output().expect("the binary runs")
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The same, which has to work.
fn done(dir: &Path, args: &[&str]) -> Output {
    let output = provtaskd(dir, args);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", err(&output));
    output
}

/// A configuration of a server that nobody runs, and its password.
fn house(extra: &str) -> tempfile::TempDir {
    house_at(&nobody(), extra)
}

/// A server that nobody runs, another one each time: two that act on one would notice each other.
fn nobody() -> String {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    format!("http://127.9.0.{}:9", NEXT.fetch_add(1, Ordering::Relaxed))
}

fn house_at(origin: &str, extra: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    fs::write(dir.path().join("provtaskd.toml"), config(origin, extra)).expect("written");
    password(dir.path(), b"correct-horse-1\n");
    dir
}

fn config(origin: &str, extra: &str) -> String {
    format!(
        "[server]\norigin = \"{origin}\"\nlogin = \"ME\"\npassword_file = \"pw\"\n[store]\ndir = \"store\"\n{extra}"
    )
}

fn password(dir: &Path, bytes: &[u8]) {
    let file = dir.join("pw");
    fs::write(&file, bytes).expect("written");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("mode");
}

/// A running daemon; killed at the latest when the test ends.
struct Daemon {
    child: Child,
    log: BufReader<ChildStderr>,
}

impl Daemon {
    /// Starts it and waits until it says that it runs.
    fn start(dir: &Path, args: &[&str]) -> Self {
        let mut child = binary(dir, args)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let log = BufReader::new(child.stderr.take().expect("piped"));
        let mut daemon = Self { child, log };
        daemon.until("provtaskd runs");
        daemon
    }

    fn until(&mut self, words: &str) {
        let mut line = String::new();
        let mut all = String::new();
        while !line.contains(words) {
            line.clear();
            let read = self.log.read_line(&mut line).expect("the log");
            assert!(read > 0, "`{words}` was never said:\n{all}");
            all.push_str(&line);
        }
    }

    fn code(mut self) -> Option<i32> {
        self.child.wait().expect("its own child").code()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // it may have ended by itself
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const OFF: &str = "[admin]\nlisten = \"off\"\n";

#[test]
fn no_error_in_the_file_takes_away_the_orders_to_a_running_daemon() {
    let dir = house(&format!("{OFF}socket = \"own.sock\"\n"));
    let dir = dir.path();
    let good = fs::read_to_string(dir.join("provtaskd.toml")).expect("read");
    let daemon = Daemon::start(dir, &["run"]);
    for (broken, said) in [
        (
            format!("{good}[mode]\nglobal = \"Enforce\"\n"),
            "mode.global",
        ),
        (
            format!("{good}[mode\nglobal = observe\n"),
            "provtaskd.toml:",
        ),
        (format!("typo = = 1\n{good}"), "provtaskd.toml:"),
    ] {
        fs::write(dir.join("provtaskd.toml"), &broken).expect("written");
        for args in [
            ["status"].as_slice(),
            &["inbox"],
            &["pause", "--why", "the file is broken"],
            &["resume"],
            &["outcomes", "list"],
        ] {
            let output = done(dir, args);
            let warned = err(&output);
            assert!(
                warned.contains("warning: ") && warned.contains(said),
                "{args:?}: {warned}"
            );
        }
        let status = out(&done(dir, &["status"]));
        assert!(
            status
                .lines()
                .any(|line| line.starts_with("configuration: ") && line.contains(said)),
            "{status}"
        );
    }
    // nothing can be read any more: the command line names the socket, or the store
    fs::remove_file(dir.join("provtaskd.toml")).expect("removed");
    let output = provtaskd(dir, &["-c", "provtaskd.toml", "status"]);
    assert_eq!(output.status.code(), Some(78), "{}", err(&output));
    let hint = err(&output);
    assert!(hint.contains("--socket FILE or --store DIR"), "{hint}");
    done(
        dir,
        &["-c", "provtaskd.toml", "--socket", "own.sock", "status"],
    );
    done(
        dir,
        &["-c", "provtaskd.toml", "--socket", "own.sock", "stop"],
    );
    assert_eq!(daemon.code(), Some(0));

    fs::write(dir.join("provtaskd.toml"), config(&nobody(), OFF)).expect("written");
    let daemon = Daemon::start(dir, &["run"]);
    fs::remove_file(dir.join("provtaskd.toml")).expect("removed");
    let named = ["-c", "provtaskd.toml", "--store", "store"];
    done(dir, &[&named[..], &["pause", "--why", "x"]].concat());
    done(dir, &[&named[..], &["stop"]].concat());
    assert_eq!(daemon.code(), Some(0));
    // where no daemon answers, the error is the answer
    let output = provtaskd(dir, &[&named[..], &["status"]].concat());
    assert_eq!(output.status.code(), Some(78), "{}", err(&output));
}

#[test]
fn a_reload_works_with_a_socket_of_its_own_name() {
    let dir = house(&format!("{OFF}socket = \"own.sock\"\n"));
    let daemon = Daemon::start(dir.path(), &["run"]);
    done(dir.path(), &["reload"]);
    done(dir.path(), &["stop"]);
    assert_eq!(daemon.code(), Some(0));
}

#[test]
fn what_the_store_alone_answers_needs_no_password() {
    let dir = house("");
    let dir = dir.path();
    fs::remove_file(dir.join("pw")).expect("removed");
    let status = out(&done(dir, &["status"]));
    assert!(
        status.contains("pw"),
        "the status says what is missing: {status}"
    );
    crate::inputs::started(dir);
    done(dir, &["pause", "--why", "no password"]);
    done(dir, &["outcomes", "list"]);
    let status = out(&done(dir, &["status"]));
    assert!(status.contains("paused: "), "{status}");
    for args in [["plan"].as_slice(), &["explain", "1"], &["run", "--once"]] {
        let output = provtaskd(dir, args);
        assert_eq!(output.status.code(), Some(78), "{args:?}: {}", err(&output));
        assert!(err(&output).contains("pw"), "{args:?}: {}", err(&output));
    }
}

#[test]
fn a_status_without_a_daemon_does_not_speak_for_one() {
    let dir = house("");
    crate::inputs::started(dir.path());
    done(dir.path(), &["pause", "--why", "now that there is a store"]);
    let status = out(&done(dir.path(), &["status"]));
    for wrong in ["not tried yet", "not read yet", "since start", "cycle  -"] {
        assert!(!status.contains(wrong), "`{wrong}`:\n{status}");
    }
    assert!(
        status.matches("not known while no daemon runs").count() >= 4,
        "{status}"
    );
}

/// What no list was read of is not 0: only attempts are known of a target then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn targets_without_a_daemon_show_what_the_store_knows_and_no_count_of_a_list() {
    let mut drill = Setup::of(FEW).enforcing().await;
    drill.run_for("3h").await;
    let row = |drill: &Drill| drill.json(&["status", "--json"])["targets"][0].clone();
    let running = row(&drill);
    assert!(running["visible"].is_u64(), "{running}");
    let completed = running["completed"].clone();
    assert_eq!(completed, 3);
    drill.stop();
    let stopped = row(&drill);
    assert_eq!(stopped["completed"], completed);
    assert!(
        stopped["visible"].is_null() && stopped["rejected"].is_null(),
        "{stopped}"
    );
    let text = drill.done(&["status"]);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("AD - - 0 3"), "{text}");
    let why = "visible, rejected: not known while no daemon runs";
    assert!(text.contains(why), "{text}");
    drill.daemon();
    drill.run_for("1m").await;
    drill.judge().await;
}

/// More attempts than one screen, all of the same kind.
const MANY: &str = r#"
name = "many"
seed = 21
[[target]]
name = "AD"
[[population]]
target = "AD"
accounts = 230
task = [{ task = "Telephone Updated", failure = "lock", heals_after = 1 }]
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_holds_every_attempt_and_a_list_says_what_it_leaves_out() {
    let mut drill = Setup::of(MANY)
        .config("[governor]\ncap_share_percent = 100\ncap_retries = 1000\n[governor.default]\nper_minute = 1000\nbatch_max = 500\nbatch_start = 500\n")
        .enforcing()
        .await;
    drill.run_for("3h").await;
    let lines = |drill: &Drill| drill.done(&["outcomes", "export"]).lines().count();
    let running = lines(&drill);
    assert!(running > 200, "{running}");

    let listed = drill.cli(&["outcomes", "list", "--limit", "7"]);
    let left = format!("{} more left out", running - 7);
    assert!(err(&listed).contains(&left), "{}", err(&listed));
    let listed = drill.cli(&["outcomes", "list", "--json"]);
    let rows: Vec<Value> = serde_json::from_slice(&listed.stdout).expect("JSON");
    assert_eq!(rows.len(), 100);
    assert!(err(&listed).contains("more left out"), "{}", err(&listed));

    // page by page nothing is lost and nothing comes twice
    let socket = drill.store().join("control.sock");
    let mut paged = Vec::new();
    let mut filter = OutcomeFilter {
        limit: Some(37),
        ..OutcomeFilter::default()
    };
    loop {
        let list = Request::OutcomesList {
            filter: filter.clone(),
        };
        let patience = std::time::Duration::from_secs(60);
        let Ok(Reply::Outcomes(page)) = control::ask(&socket, list, patience).await else {
            panic!("no list");
        };
        paged.extend(page.rows.iter().map(|row| (row.lineage, row.ordinal)));
        if page.left_out == 0 {
            break;
        }
        filter.after = paged.last().copied();
    }
    assert_eq!(paged.len(), running);
    paged.sort_unstable();
    paged.dedup();
    assert_eq!(paged.len(), running);

    drill.stop();
    assert_eq!(lines(&drill), running);
    drill.daemon();
    drill.run_for("1m").await;
    drill.judge().await;
}

#[test]
fn the_hash_that_people_see_is_enough_to_release_a_set() {
    let dir = house("");
    let dir = dir.path();
    let release = |hash: &str| {
        let args = ["policy", "release", hash, "--person", "A", "--word", "B"];
        provtaskd(dir, &args)
    };
    let status: Value =
        serde_json::from_slice(&done(dir, &["status", "--json"]).stdout).expect("JSON");
    let hash = status["policy_hash"].as_str().expect("a hash");
    let unknown = release("0123456789ab");
    assert_eq!(unknown.status.code(), Some(65), "{}", err(&unknown));
    let short = release(&hash[..7]);
    assert_eq!(short.status.code(), Some(65), "{}", err(&short));
    assert!(err(&short).contains("too short"), "{}", err(&short));
    let good = release(&hash[..12]);
    assert_eq!(good.status.code(), Some(0), "{}", err(&good));
    let status = out(&done(dir, &["status"]));
    assert!(status.contains("released "), "{status}");
}

#[test]
fn an_error_that_can_not_be_written_changes_no_exit_code() {
    let dir = house("[mode]\nglobal = \"Enforce\"\n");
    let full = || {
        fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .expect("a full disk")
    };
    let ended = |dir: &Path, args: &[&str]| {
        binary(dir, args)
            .stdout(Stdio::null())
            .stderr(full())
            .status()
            .expect("the binary runs")
    };
    assert_eq!(ended(dir.path(), &["check"]).code(), Some(78));
    assert_eq!(ended(dir.path(), &["frobnicate"]).code(), Some(64));
    // `2>&1 | head -1`: the reader has gone
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let ended_unread = binary(dir.path(), &["check"])
        .stdout(writer.try_clone().expect("a second end"))
        .stderr(writer)
        .status()
        .expect("the binary runs");
    assert_eq!(ended_unread.code(), Some(78));
    for format in ["human", "json", "journald"] {
        let good = house(OFF);
        let args = ["--log-format", format, "run", "--once"];
        assert_eq!(ended(good.path(), &args).code(), Some(69), "{format}");
    }
}

#[test]
fn the_journal_is_told_the_level_and_all_that_a_line_says_without_a_time() {
    let dir = house(OFF);
    let output = provtaskd(dir.path(), &["--log-format", "journald", "run", "--once"]);
    let said = err(&output);
    let line = |of: &str| {
        let line = said.lines().find(|line| line.contains(of));
        line.unwrap_or_else(|| panic!("no line of {of}: {said}"))
    };
    assert!(
        line("provtaskd runs").starts_with("<6>provtaskd runs "),
        "{said}"
    );
    // `journalctl` shows the message alone
    let failed = line("the cycle could not be finished");
    let level = failed.starts_with("<4>") || failed.starts_with("<3>");
    assert!(level && failed.contains("="), "{failed}");
    let plain = |line: &&str| line.starts_with('<') && !line.contains('\u{1b}');
    let logged: Vec<&str> = said.lines().collect();
    assert!(logged.len() > 2 && logged.iter().all(plain), "{said}");
    // the last word as well, and what helps beside it
    assert!(
        logged.iter().any(|line| line.starts_with("<3>error: ")),
        "{said}"
    );
    assert!(
        logged.iter().any(|line| line.starts_with("<3>hint: ")),
        "{said}"
    );
    // of a value with blanks it is seen where it ends
    let (_, cause) = failed.split_once("error=").expect("a cause");
    assert!(cause.starts_with('"'), "{failed}");
}

/// systemd says for which process a reload is; the configuration may name another socket by now.
#[test]
fn a_reload_of_a_unit_that_finds_no_daemon_says_why() {
    let dir = house(OFF);
    let reload = |unit: bool| {
        let mut command = binary(dir.path(), &["reload"]);
        if unit {
            command.env("MAINPID", "417");
        }
        let output = command.output().expect("the binary runs");
        assert_eq!(output.status.code(), Some(69), "{}", err(&output));
        err(&output)
    };
    assert!(reload(false).contains("nothing to do"));
    let said = reload(true);
    assert!(
        said.contains("process 417") && said.contains("store.dir and admin.socket"),
        "{said}"
    );
}

#[test]
fn one_cycle_that_is_interrupted_is_not_done() {
    // takes the connection and never answers
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let origin = format!("http://{}", silent.local_addr().expect("its address"));
    let dir = house_at(&origin, OFF);
    let daemon = Daemon::start(dir.path(), &["run", "--once"]);
    let connection = silent.accept().expect("it reads");
    let pid = rustix::process::Pid::from_child(&daemon.child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("its own child");
    assert_eq!(daemon.code(), Some(130));
    drop(connection);
}

#[test]
fn a_port_that_is_taken_has_a_way_out() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = taken.local_addr().expect("its address");
    let dir = house(&format!("[admin]\nlisten = \"{at}\"\n"));
    let output = provtaskd(dir.path(), &["run"]);
    assert_eq!(output.status.code(), Some(78), "{}", err(&output));
    let hint = err(&output);
    let hint = hint
        .lines()
        .find(|l| l.starts_with("hint: "))
        .expect("a hint");
    assert!(
        hint.contains("\"off\"") && !hint.contains("leave it out"),
        "{hint}"
    );
}

#[test]
fn a_settlement_without_an_end_names_both_ends() {
    let dir = house("");
    let output = provtaskd(dir.path(), &["outcomes", "settle", "417", "--why", "x"]);
    assert_eq!(output.status.code(), Some(64), "{}", err(&output));
    let said = err(&output);
    assert!(
        said.contains("--completed") && said.contains("--failed"),
        "{said}"
    );
    let both = [
        "outcomes",
        "settle",
        "417",
        "--why",
        "x",
        "--completed",
        "--failed",
    ];
    assert_eq!(provtaskd(dir.path(), &both).status.code(), Some(64));
}

/// One target with little to do.
const FEW: &str = r#"
name = "few"
seed = 3
[[target]]
name = "AD"
[[population]]
target = "AD"
accounts = 3
task = [{ task = "Telephone Updated", failure = "lock", heals_after = 1 }]
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_no_task_has_is_said_once_when_the_list_was_read() {
    let mut drill = Setup::of(FEW)
        .config("[mode.targets]\nADD = \"off\"\nAD = \"enforce\"\n[governor.targets.Elsewhere]\nper_minute = 3")
        .enforcing()
        .await;
    drill.run_for("1h").await;
    let log = drill.log();
    assert_eq!(
        log.matches("the list shows no task of this target").count(),
        2,
        "{log}"
    );
    assert!(
        log.contains("mode.targets.ADD") && log.contains("did you mean \"AD\"?"),
        "{log}"
    );
    assert!(log.contains("governor.targets.Elsewhere"), "{log}");
    // the modes beside the global one are told, of targets that no task has too
    let status = drill.done(&["status"]);
    let status = status.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        status.contains("enforce; beside it, the lowest wins: target AD: enforce, target ADD: off"),
        "{status}"
    );
    drill.judge().await;
}

#[test]
fn the_columns_of_status_are_explained_in_its_help_and_in_the_manual() {
    let dir = house("");
    let help = out(&done(dir.path(), &["status", "--help"]));
    let manual = include_str!("../../docs/operations.md");
    for column in [
        "visible",
        "rejected",
        "open",
        "completed",
        "failed",
        "gone",
        "in vain",
        "breaker",
    ] {
        let explains = |line: &str| line.contains(column) && line.trim().len() > column.len() + 20;
        assert!(help.lines().any(explains), "{column}: {help}");
        assert!(
            manual
                .lines()
                .any(|line| line.starts_with("| `") && line.contains(&format!("`{column}`"))),
            "{column}"
        );
    }
}
