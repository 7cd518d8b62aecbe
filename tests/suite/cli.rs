//! The real binary as an admin meets it: exit codes, one error and one hint, nothing lost, nothing leaked; and that the manual and the unit tell the truth.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use provtaskd::cli;
use provtaskd::cli::failure::{Kind, table};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn provtaskd(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_provtaskd"))
        .args(args)
        .current_dir(dir)
        .env_clear()
        .output()
        .expect("the binary runs")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("an exit code, not a signal")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A directory with a usable configuration of a server that nobody runs.
fn house(extra: &str) -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().expect("a directory");
    let config = format!(
        "[server]\norigin = \"http://127.0.0.1:9\"\nlogin = \"ME\"\npassword_file = \"pw\"\n[store]\ndir = \"store\"\n{extra}"
    );
    std::fs::write(dir.path().join("provtaskd.toml"), config).expect("written");
    let password = dir.path().join("pw");
    std::fs::write(&password, "correct-horse-1\n").expect("written");
    std::fs::set_permissions(&password, std::fs::Permissions::from_mode(0o600)).expect("mode");
    dir
}

#[test]
fn a_good_configuration_is_checked_with_success() {
    let dir = house("");
    let output = provtaskd(dir.path(), &["check"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert!(String::from_utf8_lossy(&output.stdout).contains("mode observe"));
}

#[test]
fn every_bad_input_has_one_error_one_hint_and_its_code() {
    let good = house("");
    let bad = house("[delivery]\nsettle_after = \"1s\"\ngrace = \"never\"\n");
    let no_password = house("");
    std::fs::remove_file(no_password.path().join("pw")).expect("removed");
    let empty = tempfile::tempdir().expect("a directory");
    std::fs::write(good.path().join("afile"), "").expect("written");
    let short = good.path().join("short");
    std::fs::write(&short, "0123\n").expect("written");
    std::fs::set_permissions(&short, std::os::unix::fs::PermissionsExt::from_mode(0o600))
        .expect("mode");
    let verify = ["audit", "verify", "--hmac-key-file", "short"];
    let cases: [(&Path, &[&str], Kind); 13] = [
        (good.path(), &["--store", "afile", "status"], Kind::Store),
        (good.path(), &verify, Kind::Data),
        (good.path(), &["frobnicate"], Kind::Usage),
        (good.path(), &["pause"], Kind::Usage),
        (
            good.path(),
            &["pause", "--why", "x", "--definition", "nonsense"],
            Kind::Usage,
        ),
        (good.path(), &["explain", " "], Kind::Usage),
        (good.path(), &["outcomes", "show", ""], Kind::Usage),
        (good.path(), &["login", "clear"], Kind::Data),
        (good.path(), &["stop"], Kind::Unreachable),
        (good.path(), &["-c", "missing.toml", "check"], Kind::Config),
        (empty.path(), &["status"], Kind::Config),
        (bad.path(), &["run"], Kind::Config),
        (no_password.path(), &["check"], Kind::Config),
    ];
    for (dir, args, kind) in cases {
        let output = provtaskd(dir, args);
        let said = stderr(&output);
        assert_eq!(code(&output), i32::from(kind.code()), "{args:?}: {said}");
        let errors = said
            .lines()
            .filter(|l| l.starts_with("error: ") && !l.starts_with("error: line"))
            .count();
        assert!(errors >= 1, "{args:?}: {said}");
        assert!(output.stdout.is_empty(), "{args:?} printed a result");
        if kind != Kind::Usage {
            assert!(
                said.lines().any(|l| l.starts_with("hint: ")),
                "{args:?}: {said}"
            );
        }
    }
    let said = stderr(&provtaskd(bad.path(), &["check"]));
    assert!(
        said.contains("delivery.settle_after") && said.contains("delivery.grace"),
        "{said}"
    );
}

#[test]
fn the_simulator_names_the_folder_or_the_line_that_it_stops_at() {
    let dir = tempfile::tempdir().expect("a directory");
    let world = "name = \"x\"\n[[user]]\nlogin = \"ANN\"\nstatus = \"gone\"\n";
    std::fs::write(dir.path().join("world.toml"), world).expect("written");
    std::fs::create_dir(dir.path().join("try")).expect("made");
    for (args, error, hint) in [
        (
            ["--scenario", "small", "--write-config", "try"],
            "try exists already",
            "does not exist yet",
        ),
        (
            ["--scenario", "world.toml", "--write-config", "new"],
            "world.toml:4: `gone` is no status",
            "docs/simulator.md",
        ),
    ] {
        let output = provtaskd(dir.path(), &[&["sim"], &args[..]].concat());
        let said = stderr(&output);
        assert_eq!(code(&output), i32::from(Kind::Data.code()), "{said}");
        let told = said.lines().find(|line| line.starts_with("hint: "));
        assert!(
            said.contains(error) && told.is_some_and(|told| told.contains(hint)),
            "{said}"
        );
    }
}

#[test]
fn a_socket_of_a_dead_daemon_is_no_daemon() {
    let dir = house("");
    std::fs::create_dir(dir.path().join("store")).expect("made");
    let socket = dir.path().join("store/control.sock");
    drop(std::os::unix::net::UnixListener::bind(&socket).expect("bound"));
    let output = provtaskd(dir.path(), &["reload"]);
    assert_eq!(
        code(&output),
        i32::from(Kind::Unreachable.code()),
        "{}",
        stderr(&output)
    );
}

#[test]
fn completions_and_help_are_results_not_errors() {
    let dir = tempfile::tempdir().expect("a directory");
    for args in [
        ["completions", "bash"].as_slice(),
        &["--help"],
        &["--version"],
    ] {
        let output = provtaskd(dir.path(), args);
        assert_eq!(code(&output), 0, "{args:?}");
        assert!(
            String::from_utf8_lossy(&output.stdout).contains("provtaskd"),
            "{args:?}"
        );
    }
}

#[test]
fn the_manual_holds_the_exit_codes_and_every_command() {
    let path = root().join("docs/operations.md");
    let made = super::config::between(&path, "exit codes", &table());
    super::config::same_as_file(&path, &made);
    let text = std::fs::read_to_string(&path).expect("the manual");
    for command in cli::commands() {
        assert!(
            text.contains(&format!("`{command}")),
            "{command} is missing in docs/operations.md"
        );
    }
}

/// `Key=value` lines of a section of the daemon's unit.
fn unit(section: &str) -> Vec<(String, String)> {
    lines_of("provtaskd.service", section)
}

/// `Key=value` lines of a section.
fn lines_of(file: &str, section: &str) -> Vec<(String, String)> {
    let path = root().join("examples/deploy").join(file);
    let text = std::fs::read_to_string(path).expect("the unit");
    let mut now = String::new();
    let mut found = Vec::new();
    for line in text
        .lines()
        .filter(|l| !l.starts_with('#') && !l.trim().is_empty())
    {
        if let Some(name) = line.strip_prefix('[') {
            now = name.trim_end_matches(']').to_owned();
        } else if now == section {
            let (key, value) = line.split_once('=').expect("key=value");
            found.push((key.to_owned(), value.to_owned()));
        }
    }
    found
}

#[test]
fn the_unit_of_the_report_is_hardened_like_the_daemons_and_has_its_timer() {
    let file = "provtaskd-report.service";
    let service = lines_of(file, "Service");
    // what is about being a daemon, and the machine's name, by which it greets the mail server
    let other = [
        "Type",
        "NotifyAccess",
        "WatchdogSec",
        "ExecStartPre",
        "ExecStart",
        "ExecReload",
        "Restart",
        "RestartSec",
        "RestartPreventExitStatus",
        "TimeoutStopSec",
        "KillMode",
        "LimitNOFILE",
        "Environment",
        "TasksMax",
        "LoadCredential",
        "ProcSubset",
        "RuntimeDirectory",
        "RuntimeDirectoryMode",
        "RuntimeDirectoryPreserve",
    ];
    for line in unit("Service") {
        if !other.contains(&line.0.as_str()) {
            assert!(service.contains(&line), "{line:?} is missing in {file}");
        }
    }
    let has = |key: &str, value: &str| service.contains(&(key.to_owned(), value.to_owned()));
    assert!(has("Type", "oneshot"));
    let restarts = service.iter().find(|(key, _)| key == "Restart");
    assert!(restarts.is_none_or(|(_, value)| value == "no"));
    let started = service.iter().find(|(key, _)| key == "ExecStart");
    let words = &started.expect("a command").1;
    assert!(words.ends_with("report daily --mail"), "{words}");
    assert!(words.starts_with("/usr/bin/provtaskd "), "{words}");
    let timer = lines_of("provtaskd-report.timer", "Timer");
    assert!(timer.iter().any(|(key, _)| key == "OnCalendar"));
    assert!(!timer.iter().any(|(key, _)| key == "Unit"), "by its name");
    // the directory that the configuration takes for its credentials is named after it
    let mail = std::fs::read_to_string(root().join("src/config/resolve/mail.rs")).expect("read");
    assert!(mail.contains(&format!("/run/credentials/{file}")));
}

#[test]
fn the_unit_is_hardened_and_calls_commands_that_exist() {
    let service = unit("Service");
    for (key, _) in &service {
        let times = service.iter().filter(|(k, _)| k == key).count();
        assert_eq!(times, 1, "{key} stands {times} times");
    }
    let value = |key: &str| {
        service
            .iter()
            .find(|(k, _)| k == key)
            .map_or("", |(_, v)| v.as_str())
    };
    for (key, expected) in [
        ("Type", "notify"),
        ("NotifyAccess", "main"),
        ("StateDirectoryMode", "0700"),
        ("UMask", "0077"),
        ("LimitCORE", "0"),
        ("ProtectSystem", "strict"),
        ("NoNewPrivileges", "yes"),
    ] {
        assert_eq!(value(key), expected, "{key}");
    }
    assert!(!value("WatchdogSec").is_empty() && !value("MemoryMax").is_empty());
    let commands = cli::commands();
    for key in ["ExecStartPre", "ExecStart"] {
        let mut words = value(key).split_whitespace().rev();
        let last = words.find(|word| !word.starts_with('-')).unwrap_or("");
        assert!(
            commands.iter().any(|c| c == last),
            "{key}: `{last}` is no command"
        );
    }
    let dir = tempfile::tempdir().expect("a directory");
    for key in ["ExecStartPre", "ExecStart"] {
        let mut args: Vec<&str> = value(key).split_whitespace().skip(1).collect();
        args.push("--help");
        assert_eq!(
            code(&provtaskd(dir.path(), &args)),
            0,
            "{key} is not understood"
        );
    }
    for code in [Kind::NotAllowed, Kind::Config].map(Kind::code) {
        let prevented = value("RestartPreventExitStatus");
        assert!(
            prevented.split_whitespace().any(|c| c == code.to_string()),
            "{code}"
        );
    }
}
