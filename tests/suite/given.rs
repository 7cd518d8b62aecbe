//! A FIFO in the place of every file that the program is told to read, through the real binary: each is refused by name, and nobody waits for a writer.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The longest that a command may take that only looks (wall time).
const PATIENCE: Duration = Duration::from_secs(60);

/// A FIFO of that name, without a writer.
pub fn fifo(path: &Path) {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("a FIFO");
}

/// Exit code and all that a command says; one that hangs is ended, and the test with it.
fn said(dir: &Path, args: &[&str]) -> (Option<i32>, String) {
    let log = dir.join("log");
    let out = File::create(&log).expect("made");
    let mut child = Command::new(env!("CARGO_BIN_EXE_provtaskd"))
        .args(args)
        .current_dir(dir)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(out.try_clone().expect("a second handle"))
        .stderr(out)
        .spawn()
        .expect("the binary starts");
    let began = Instant::now();
    let code = loop {
        if let Some(status) = child.try_wait().expect("its own child") {
            break status.code();
        }
        if began.elapsed() > PATIENCE {
            child.kill().expect("ended");
            child.wait().expect("gone");
            panic!("{args:?} hangs");
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    (code, fs::read_to_string(log).expect("text"))
}

/// A directory with a usable configuration, a FIFO `fifo`, and a directory of policies with one.
fn house(server: &str, extra: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |name: &str| dir.path().join(name);
    let config = format!(
        "[server]\norigin = \"http://127.0.0.1:9\"\nlogin = \"ME\"\n{server}\n[store]\ndir = \"store\"\n{extra}\n"
    );
    fs::write(at("provtaskd.toml"), config).expect("written");
    fs::write(at("pw"), "correct-horse-1").expect("written");
    fs::set_permissions(at("pw"), Permissions::from_mode(0o600)).expect("mode");
    fifo(&at("fifo"));
    for name in ["10-a.rhai", "10-a.test.toml", "kinds.toml"] {
        let set = at(&format!("set-{name}"));
        fs::create_dir(&set).expect("made");
        fs::write(set.join("20-b.rhai"), "fn decide(task, facts) { pass() }\n").expect("written");
        fifo(&set.join(name));
    }
    dir
}

#[test]
fn check_names_a_fifo_in_the_place_of_any_file_and_does_not_wait_for_it() {
    let pw = "password_file = \"pw\"";
    let https = "password_file = \"pw\"\nclient_cert = \"fifo\"\nclient_key = \"fifo\"";
    for (key, server, extra) in [
        ("server.password_file", "password_file = \"fifo\"", ""),
        (
            "server.ca_file",
            "password_file = \"pw\"\nca_file = \"fifo\"",
            "",
        ),
        ("server.client_cert", https, ""),
        (
            "server.traits",
            "password_file = \"pw\"\ntraits = \"fifo\"",
            "",
        ),
        (
            "login.0.password_file",
            pw,
            "[[login]]\nlogin = \"HER\"\npassword_file = \"fifo\"",
        ),
        ("absence.feed", pw, "[absence]\nfeed = \"fifo\""),
        (
            "intake.persons_file",
            pw,
            "[intake]\npersons_file = \"fifo\"",
        ),
        (
            "intake.secret_file",
            pw,
            "[intake]\nlisten = \"127.0.0.1:9\"\nsecret_file = \"fifo\"",
        ),
        ("audit.anchor_file", pw, "[audit]\nanchor_file = \"fifo\""),
        (
            "audit.hmac_key_file",
            pw,
            "[audit]\nhmac_key_file = \"fifo\"",
        ),
        ("10-a.rhai", pw, "[policy]\ndir = \"set-10-a.rhai\""),
        (
            "10-a.test.toml",
            pw,
            "[policy]\ndir = \"set-10-a.test.toml\"",
        ),
        ("kinds.toml", pw, "[policy]\ndir = \"set-kinds.toml\""),
    ] {
        let dir = house(server, extra);
        let (code, text) = said(dir.path(), &["check"]);
        assert!(matches!(code, Some(0 | 78)), "{key}: {code:?}: {text}");
        assert!(
            text.contains(key) && text.contains("not a file but a FIFO"),
            "{key}: {text}"
        );
    }
}

#[test]
fn no_command_waits_for_a_fifo_that_it_is_told_to_read() {
    let dir = house("password_file = \"pw\"", "");
    let init = [
        "init",
        "--yes",
        "--offline",
        "--origin",
        "https://oig.example.com:14001",
        "--login",
        "ME",
    ];
    for args in [
        &["-c", "fifo", "check"][..],
        &["-c", "fifo", "status"],
        &["-c", "fifo", "run"],
        &["sim", "--scenario", "./fifo"],
        &["sim", "--traits", "fifo"],
        &["survey", "--from", "fifo"],
        &["store", "check", "--backup", "fifo"],
        &["store", "restore", "fifo"],
        &["store", "import", "fifo"],
        &["policy", "test", "set-10-a.rhai"],
        &["policy", "test", "set-10-a.test.toml"],
        &[&init[..], &["--password-from", "../fifo"]].concat(),
        &[
            &init[..],
            &["--password-from", "../pw", "--ca-file", "../fifo"],
        ]
        .concat(),
    ] {
        let inside = dir.path().join("inside");
        fs::create_dir_all(&inside).expect("made");
        let at = if args[0] == "init" {
            inside.as_path()
        } else {
            dir.path()
        };
        let (code, text) = said(at, args);
        assert!(code.is_some_and(|code| code != 0), "{args:?}: {text}");
        assert!(text.contains("not a file but a FIFO"), "{args:?}: {text}");
    }
}
