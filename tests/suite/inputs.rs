//! Every bad input that an admin can give: one clear message, the exit code of the table, no panic, nothing lost and nothing leaked; a case must fail if the binary says something else.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use provtaskd::cli::failure::Kind;
use provtaskd::sim::{Scenario, SimOptions, SimServer};

use crate::inputs_other::OTHERS;

const PASSWORD: &str = "correct-horse-1";

/// One bad input.
pub struct Case {
    pub name: &'static str,
    /// More of the configuration, after `[admin]`.
    pub config: &'static str,
    /// What else is wrong in the directory.
    pub spoil: fn(&Path),
    pub args: &'static [&'static str],
    pub kind: Kind,
    /// What the message must name.
    pub says: &'static [&'static str],
}

pub fn nothing(_: &Path) {}

/// There is a store: an order makes none, but a release does. A start would have to be the only one of its
/// server and login on this machine.
pub fn started(dir: &Path) {
    let status = run(dir, &["status", "--json"]);
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).expect("JSON");
    let hash = status["policy_hash"].as_str().expect("a hash");
    let release = ["policy", "release", hash, "--person", "A", "--word", "B"];
    let output = run(dir, &release);
    assert!(output.status.success(), "{output:?}");
}

fn config_is(dir: &Path, text: &str) {
    fs::write(dir.join("provtaskd.toml"), text).expect("written");
}

fn replace(dir: &Path, from: &str, to: &str) {
    let path = dir.join("provtaskd.toml");
    let text = fs::read_to_string(&path).expect("the configuration");
    assert!(text.contains(from), "{from}");
    fs::write(&path, text.replace(from, to)).expect("written");
}

fn password_is(dir: &Path, text: &str, mode: u32) {
    let path = dir.join("pw");
    fs::write(&path, text).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("mode");
}

fn policy_is(dir: &Path, name: &str, text: &str) {
    fs::create_dir_all(dir.join("mine")).expect("made");
    fs::write(dir.join("mine").join(name), text).expect("written");
}

const MINE: &str = "[policy]\ndir = \"mine\"\n";

/// What is wrong with the configuration and what it names.
const CONFIGURATIONS: &[Case] = &[
    Case {
        name: "not TOML",
        config: "",
        spoil: |dir| config_is(dir, "[server\norigin = 1\n"),
        args: &["check"],
        kind: Kind::Config,
        says: &[":1:"],
    },
    Case {
        name: "a text where a table is wanted",
        config: "",
        spoil: |dir| config_is(dir, "mode = \"enforce\"\n"),
        args: &["check"],
        kind: Kind::Config,
        says: &[":1: mode: a table is wanted here", "[mode]", "global = "],
    },
    Case {
        name: "an unknown key",
        config: "[delivery]\nsetle_after = \"15m\"\n",
        spoil: nothing,
        args: &["run"],
        kind: Kind::Config,
        says: &[":10:", "delivery.setle_after", "settle_after"],
    },
    Case {
        name: "an unknown section",
        config: "[governer]\nmax_attempts = 3\n",
        spoil: nothing,
        args: &["check"],
        kind: Kind::Config,
        says: &["governer", "governor"],
    },
    Case {
        name: "no configuration",
        config: "",
        spoil: |dir| fs::remove_file(dir.join("provtaskd.toml")).expect("removed"),
        args: &["-c", "provtaskd.toml", "run"],
        kind: Kind::Config,
        says: &["provtaskd.toml", "No such file"],
    },
    Case {
        name: "a directory for a configuration",
        config: "",
        spoil: nothing,
        args: &["-c", ".", "status"],
        kind: Kind::Config,
        says: &["can't read the configuration"],
    },
    Case {
        name: "bytes that are no text",
        config: "",
        spoil: |dir| fs::write(dir.join("provtaskd.toml"), [0xff, 0xfe, 0x00]).expect("written"),
        args: &["check"],
        kind: Kind::Config,
        says: &["UTF-8"],
    },
    Case {
        name: "plain http to another machine",
        config: "",
        spoil: |dir| replace(dir, "http://127.0.0.1:9", "http://oig.example.com:14000"),
        args: &["run"],
        kind: Kind::Config,
        says: &[":2:", "server.origin", "plain http"],
    },
    Case {
        name: "a bad cron line",
        config: "[schedule]\ncron = [\"61 * * * *\"]\n",
        spoil: nothing,
        args: &["run"],
        kind: Kind::Config,
        says: &["schedule.cron", "61 * * * *"],
    },
    Case {
        name: "a cron line that never fires",
        config: "[schedule]\ncron = [\"0 0 30 2 *\"]\n",
        spoil: nothing,
        args: &["check"],
        kind: Kind::Config,
        says: &["schedule.cron", "no such day"],
    },
    Case {
        name: "a zone that is none",
        config: "[schedule]\nzone = \"Mars/Base\"\n",
        spoil: nothing,
        args: &["check"],
        kind: Kind::Config,
        says: &["schedule.zone", "Mars/Base"],
    },
    Case {
        name: "a log level that is none",
        config: "[log]\nlevel = \"loud\"\n",
        spoil: nothing,
        args: &["check"],
        kind: Kind::Config,
        says: &["log.level", "loud"],
    },
    Case {
        name: "a log level that is none, at start",
        config: "[log]\nlevel = \"loud\"\n",
        spoil: nothing,
        args: &["run", "--once"],
        kind: Kind::Config,
        says: &["log.level", "loud"],
    },
    Case {
        name: "no password file",
        config: "",
        spoil: |dir| fs::remove_file(dir.join("pw")).expect("removed"),
        args: &["check"],
        kind: Kind::Config,
        says: &["server.password_file", "pw"],
    },
    Case {
        name: "no password file, at start",
        config: "",
        spoil: |dir| fs::remove_file(dir.join("pw")).expect("removed"),
        args: &["run"],
        kind: Kind::Config,
        says: &["pw", "No such file"],
    },
    Case {
        name: "an empty password",
        config: "",
        spoil: |dir| password_is(dir, "\n", 0o600),
        args: &["run"],
        kind: Kind::Config,
        says: &["pw is empty"],
    },
    Case {
        name: "a password of two lines",
        config: "",
        spoil: |dir| password_is(dir, "correct-horse-1\nb\n", 0o600),
        args: &["run"],
        kind: Kind::Config,
        says: &["more than one line"],
    },
    Case {
        name: "a password that everybody can read",
        config: "",
        spoil: |dir| password_is(dir, "correct-horse-1\n", 0o644),
        args: &["check"],
        kind: Kind::Config,
        says: &["server.password_file", "by everybody", "chmod 600"],
    },
    Case {
        name: "a password that everybody can read, at start",
        config: "",
        spoil: |dir| password_is(dir, "correct-horse-1\n", 0o644),
        args: &["run"],
        kind: Kind::Config,
        says: &["pw", "by everybody", "chmod 600"],
    },
    Case {
        name: "a policy that does not parse",
        config: MINE,
        spoil: |dir| policy_is(dir, "10-x.rhai", "fn decide(task, facts) {\n  retry(\n}\n"),
        args: &["check"],
        kind: Kind::Config,
        says: &["10-x.rhai:3"],
    },
    Case {
        name: "a policy that does not parse, at start",
        config: MINE,
        spoil: |dir| policy_is(dir, "10-x.rhai", "fn decide(task, facts) {\n  retry(\n}\n"),
        args: &["run"],
        kind: Kind::Config,
        says: &["10-x.rhai:3", "the policies can't be used"],
    },
    Case {
        name: "a policy without decide",
        config: MINE,
        spoil: |dir| policy_is(dir, "10-x.rhai", "let x = 1;\n"),
        args: &["check"],
        kind: Kind::Config,
        says: &["10-x.rhai", "decide"],
    },
    Case {
        name: "a directory without policies",
        config: MINE,
        spoil: |dir| fs::create_dir(dir.join("mine")).expect("made"),
        args: &["check"],
        kind: Kind::Config,
        says: &["no policy"],
    },
    Case {
        name: "a table of kinds that is none",
        config: MINE,
        spoil: |dir| {
            policy_is(dir, "10-x.rhai", "fn decide(task, facts) { }\n");
            policy_is(dir, "kinds.toml", "[[kind]\n");
        },
        args: &["check"],
        kind: Kind::Config,
        says: &["kinds.toml"],
    },
    Case {
        name: "a simulator's clock where there is none",
        config: "",
        spoil: |dir| {
            replace(
                dir,
                "password_file",
                "simulator_clock = true\npassword_file",
            )
        },
        args: &["run"],
        kind: Kind::Config,
        says: &["simulator_clock", "127.0.0.1:9"],
    },
];

fn house(origin: &str, config: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    let text = format!(
        "[server]\norigin = \"{origin}\"\nlogin = \"PROVSVC\"\npassword_file = \"pw\"\n[store]\ndir = \"store\"\n[admin]\n{config}"
    );
    // nobody listens on a port that another test may hold
    config_is(
        dir.path(),
        &text.replace("[admin]\n", "[admin]\nlisten = \"off\"\n"),
    );
    password_is(dir.path(), "correct-horse-1\n", 0o600);
    dir
}

fn run(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_provtaskd"))
        .args(args)
        .current_dir(dir)
        .env_clear()
        .env("RUST_BACKTRACE", "1")
        .stdin(Stdio::null())
        .output()
        .expect("the binary runs")
}

/// What is wrong with an answer: it has to be one message, its code, no panic, no password.
fn faults(name: &str, output: &Output, kind: Kind, says: &[&str]) -> Vec<String> {
    let said = String::from_utf8_lossy(&output.stderr);
    let errors: Vec<&str> = said.lines().filter(|l| l.starts_with("error: ")).collect();
    let hints = said.lines().filter(|l| l.starts_with("hint: ")).count();
    let mut wrong = Vec::new();
    let mut must = |holds: bool, what: &str| {
        if !holds {
            wrong.push(format!("{name}: {what}: {:?}\n{said}", output.status));
        }
    };
    must(
        output.status.code() == Some(i32::from(kind.code())),
        "the exit code",
    );
    must(output.stdout.is_empty(), "it printed a result");
    for word in says {
        must(said.contains(word), &format!("`{word}` is not named"));
    }
    for never in ["panicked", "internal fault", "stack backtrace", PASSWORD] {
        must(!said.contains(never), &format!("it says `{never}`"));
    }
    must(errors.iter().all(|e| e.len() < 500), "too long to read");
    match kind {
        // clap's own form: one error, usage, help
        Kind::Usage => must(errors.len() == 1, "one error"),
        // all findings at once, one to a line, and what can't be used at the end
        Kind::Config => must(!errors.is_empty() && hints == 1, "findings and one hint"),
        _ => must(errors.len() == 1 && hints == 1, "one error and one hint"),
    }
    wrong
}

fn judge(name: &str, output: &Output, kind: Kind, says: &[&str]) {
    let wrong = faults(name, output, kind, says);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn all(cases: &[Case]) {
    let wrong: Vec<String> = cases
        .iter()
        .flat_map(|case| {
            let dir = house("http://127.0.0.1:9", case.config);
            (case.spoil)(dir.path());
            faults(case.name, &run(dir.path(), case.args), case.kind, case.says)
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_bad_configuration_is_one_clear_message() {
    all(CONFIGURATIONS);
}

#[test]
fn every_other_bad_input_is_one_clear_message() {
    all(OTHERS);
}

#[test]
fn a_store_of_somebody_else_is_left_alone_by_commands_and_by_the_daemon() {
    let dir = house("http://127.0.0.1:9", "");
    let mine = fs::metadata(dir.path()).expect("there").uid();
    // root gives one away; everybody else finds one of root's
    let store = dir.path().join("store");
    let foreign = if mine == 0 {
        fs::create_dir(&store).expect("made");
        std::os::unix::fs::chown(&store, Some(12_345), None).expect("given away");
        store
    } else {
        "/usr".into()
    };
    let before = fs::read_dir(&foreign).expect("there").count();
    let foreign_text = foreign.to_str().expect("text");
    for args in [
        ["status"].as_slice(),
        &["outcomes", "list"],
        &["run"],
        &["run", "--once"],
    ] {
        let mut whole = vec!["--store", foreign_text];
        whole.extend(args);
        let output = run(dir.path(), &whole);
        judge(
            "a foreign store",
            &output,
            Kind::NotAllowed,
            &["belongs to uid", "sudo"],
        );
        let after = fs::read_dir(&foreign).expect("there").count();
        assert_eq!(after, before, "{args:?} left something there");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_the_server_does_not_know_and_a_login_that_it_refuses() {
    let scenario = Scenario::built_in("small").expect("a shipped scenario");
    let right = scenario.login[0].password.clone();
    let sim = SimServer::start(SimOptions::new(scenario))
        .await
        .expect("started");
    let dir = house(&sim.origin(), "");
    password_is(dir.path(), &right, 0o600);
    let output = run(dir.path(), &["explain", "999999999"]);
    judge("an unknown task", &output, Kind::Data, &["999999999"]);
    let output = run(dir.path(), &["explain", "not-a-task"]);
    judge("no task at all", &output, Kind::Data, &["not-a-task"]);
    password_is(dir.path(), PASSWORD, 0o600);
    for (args, says) in [
        (["plan"].as_slice(), "401"),
        (&["run", "--once"], "refused"),
    ] {
        let output = run(dir.path(), args);
        judge("a wrong password", &output, Kind::NotAllowed, &[says]);
    }
    let denied = sim
        .journal(0)
        .iter()
        .filter(|row| row["denied"] == "wrong")
        .count();
    assert!(
        (1..=2).contains(&denied),
        "{denied} requests with it, over both commands"
    );
}
