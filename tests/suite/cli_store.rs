//! The real binary at a store that is open to others, held by another process, or not writable: it says what is true and what to do.

use std::fs::{self, File, Permissions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

fn command(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_provtaskd"));
    command
        .args(args)
        .current_dir(dir)
        .env_clear()
        .stdin(Stdio::null());
    command
}

fn provtaskd(dir: &Path, args: &[&str]) -> Output {
    command(dir, args).output().expect("the binary runs")
}

/// Exit code, and what it said on standard error.
fn said(output: &Output) -> (Option<i32>, String) {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), text)
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("mode");
}

const PAUSE: [&str; 3] = ["pause", "--why", "a test"];

/// A directory with a usable configuration of a server that nobody runs, and a store.
fn house() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    let config = "[server]\norigin = \"http://127.0.0.1:9\"\nlogin = \"ME\"\npassword_file = \"pw\"\n[store]\ndir = \"store\"\n[admin]\nlisten = \"off\"\n";
    fs::write(dir.path().join("provtaskd.toml"), config).expect("written");
    let password = dir.path().join("pw");
    fs::write(&password, "correct-horse-1\n").expect("written");
    mode(&password, 0o600);
    crate::inputs::started(dir.path());
    let (code, text) = said(&provtaskd(dir.path(), &PAUSE));
    assert_eq!(code, Some(0), "{text}");
    dir
}

#[test]
fn an_order_makes_no_store_where_a_directory_was_mistyped() {
    let dir = house();
    fs::create_dir(dir.path().join("other")).expect("made");
    fs::write(dir.path().join("other/file"), "of somebody").expect("written");
    for (typed, there) in [("stroe", 0), ("other", 1)] {
        for order in [
            &PAUSE[..],
            &["resume"],
            &["approve", "baseline:AD", "--why", "x"],
            &["outcomes", "reset", "L1", "--why", "x"],
            &["outcomes", "settle", "L1", "--failed", "--why", "x"],
            &["baseline", "release", "AD", "--why", "x"],
            &["forget", "AD/Add User"],
            &["store", "rebind", "--from", "x", "--why", "x"],
        ] {
            let args = [&["--store", typed][..], order].concat();
            let (code, text) = said(&provtaskd(dir.path(), &args));
            assert_eq!(code, Some(73), "{args:?}: {text}");
            assert!(text.contains("there is no store in"), "{args:?}: {text}");
            assert!(text.contains("the daemon makes it"), "{args:?}: {text}");
            assert!(text.contains("provtaskd run --once"), "{args:?}: {text}");
        }
        let questions = [
            &["status"][..],
            &["inbox"],
            &["outcomes", "list"],
            &["baseline", "show"],
            &["login", "clear"],
        ];
        for question in questions {
            let args = [&["--store", typed][..], question].concat();
            provtaskd(dir.path(), &args);
        }
        let left = fs::read_dir(dir.path().join(typed)).map_or(0, Iterator::count);
        assert_eq!(left, there, "{typed}: nothing is made");
    }
    // a release may come before the first start, and says what it made
    let status = provtaskd(dir.path(), &["--store", "new", "status", "--json"]);
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).expect("JSON");
    let hash = status["policy_hash"].as_str().expect("a hash");
    // one that is refused makes none
    let unknown = [
        "--store", "new", "policy", "release", "deadbeef", "--person", "A", "--word", "B",
    ];
    let output = provtaskd(dir.path(), &unknown);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        text.contains("ever loaded here") && text.contains("none was made"),
        "{text}"
    );
    assert!(!dir.path().join("new").exists());
    let release = [
        "--store", "new", "policy", "release", hash, "--person", "A", "--word", "B",
    ];
    let output = provtaskd(dir.path(), &release);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("there was no store in") && text.contains("one was made"),
        "{text}"
    );
    let output = provtaskd(dir.path(), &release);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && !text.contains("one was made"),
        "{text}"
    );
}

#[test]
fn a_store_that_others_may_enter_is_refused_with_the_remedy() {
    let dir = house();
    let store = dir.path().join("store");
    for bits in [0o750, 0o705, 0o777] {
        mode(&store, bits);
        let (code, text) = said(&provtaskd(dir.path(), &["run", "--once"]));
        assert_eq!(code, Some(78), "{bits:o}: {text}");
        assert!(text.contains(&format!("(mode {bits:o})")), "{text}");
        assert!(text.contains("chmod 700"), "{text}");
        let (code, text) = said(&provtaskd(dir.path(), &["check"]));
        assert_eq!(code, Some(78), "{bits:o}: {text}");
        assert!(
            text.contains("store.dir") && text.contains("chmod 700"),
            "{text}"
        );
    }
    // behind a link too
    mode(&store, 0o755);
    let real = dir.path().join("elsewhere");
    fs::rename(&store, &real).expect("moved");
    symlink(&real, &store).expect("linked");
    let (code, text) = said(&provtaskd(dir.path(), &["run", "--once"]));
    assert_eq!(code, Some(78), "{text}");
    mode(&real, 0o700);
    let (code, text) = said(&provtaskd(dir.path(), &["check"]));
    assert_eq!(code, Some(0), "{text}");
    let (code, text) = said(&provtaskd(dir.path(), &["run", "--once"]));
    assert_eq!(code, Some(69), "now the server is what is missing: {text}");
}

#[test]
fn what_is_made_in_a_store_is_for_its_user_alone() {
    let dir = house();
    let mut left = vec![dir.path().join("store")];
    let mut seen = 0;
    while let Some(path) = left.pop() {
        let meta = fs::symlink_metadata(&path).expect("it is there");
        assert_eq!(
            meta.permissions().mode() & 0o077,
            0,
            "{} is open to others",
            path.display()
        );
        seen += 1;
        if meta.is_dir() {
            let entries = fs::read_dir(&path).expect("a directory");
            left.extend(entries.map(|entry| entry.expect("an entry").path()));
        }
    }
    assert!(seen > 3, "a store is more than {seen} files");
}

#[test]
fn commands_at_the_same_time_wait_for_each_other() {
    let dir = house();
    let all: Vec<_> = (0..4)
        .map(|n| {
            let task = n.to_string();
            let args = ["pause", "--why", "a test", "--unseen", "--task", &task];
            command(dir.path(), &args)
                .stderr(Stdio::piped())
                .spawn()
                .expect("the binary runs")
        })
        .collect();
    for child in all {
        let (code, text) = said(&child.wait_with_output().expect("it ends"));
        assert_eq!(code, Some(0), "{text}");
    }
    let status = provtaskd(dir.path(), &["status"]);
    let shown = String::from_utf8_lossy(&status.stdout);
    assert_eq!(shown.matches("paused: ").count(), 5, "{shown}");
    assert!(shown.contains(": a test"), "why it is paused: {shown}");
}

/// A command has the store for a moment: a daemon that starts just then waits for it.
#[test]
fn run_waits_for_a_command_that_has_the_store() {
    let dir = house();
    let path = dir.path().join("store/lock");
    let lock = File::options().write(true).open(path).expect("a lock file");
    lock.lock().expect("nobody holds it");
    let mut run = command(dir.path(), &["run", "--once"]);
    let run = run.stderr(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut run = run.expect("the binary runs");
    // the command ends as soon as the daemon says that it waits
    let mut lines = BufReader::new(run.stderr.take().expect("piped")).lines();
    let told = lines.by_ref().map(|line| line.expect("text"));
    let told: Vec<String> = told
        .take_while(|line| !line.contains("waiting for it"))
        .collect();
    drop(lock);
    let rest: Vec<String> = lines.map(|line| line.expect("text")).collect();
    let code = run.wait().expect("it ends").code();
    assert_eq!(code, Some(69), "it came to ask the server: {rest:?}");
    assert!(!rest.is_empty(), "it never said that it waits: {told:?}");
}

#[test]
fn a_store_that_can_not_be_written_is_looked_at_elsewhere() {
    let dir = house();
    let scratch = ["store", "check", "--scratch", "/proc/nowhere"];
    let (code, text) = said(&provtaskd(dir.path(), &scratch));
    assert!(matches!(code, Some(73 | 74)), "{code:?}: {text}");
    assert!(text.contains("name with --scratch a directory"), "{text}");
}

#[test]
fn a_store_that_stays_held_is_said_after_a_while_and_sooner_by_run() {
    let dir = house();
    let path = dir.path().join("store/lock");
    let mut lock = File::options().write(true).open(path).expect("a lock file");
    lock.lock().expect("nobody holds it");
    lock.set_len(0).expect("emptied");
    let holder = std::process::id();
    writeln!(lock, "{holder}").expect("written");

    let began = Instant::now();
    let (code, text) = said(&provtaskd(dir.path(), &["run"]));
    assert_eq!(code, Some(75), "{text}");
    assert!(
        text.contains(&format!("in use by process {holder}")),
        "{text}"
    );
    assert!(text.contains("waiting for it"), "{text}");
    assert!(began.elapsed() < Duration::from_secs(8), "soon: {text}");

    let (code, text) = said(&provtaskd(dir.path(), &["status"]));
    assert_eq!(code, Some(75), "{text}");
    for part in [
        &*format!("in use by process {holder}"),
        "waited 10 s",
        "hint: ",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    drop(lock);
    let (code, text) = said(&provtaskd(dir.path(), &["status"]));
    assert_eq!(code, Some(0), "{text}");
}

#[test]
fn a_store_that_is_not_writable_blames_nobody_else() {
    const NOBODY: u32 = 65534;
    let dir = house();
    let store = dir.path().join("store");
    // root may write everywhere
    let as_root = rustix::process::geteuid().is_root();
    if as_root {
        let mut left = vec![dir.path().to_owned()];
        while let Some(path) = left.pop() {
            chown(&path, Some(NOBODY), Some(NOBODY)).expect("root may");
            if path.is_dir() {
                let entries = fs::read_dir(&path).expect("a directory");
                left.extend(entries.map(|entry| entry.expect("an entry").path()));
            }
        }
    }
    let run = || {
        let mut run = command(dir.path(), &["run", "--once"]);
        if as_root {
            run.uid(NOBODY).gid(NOBODY);
        }
        run.output()
    };
    mode(&store, 0o500);
    let output = match run() {
        Err(error) if as_root => {
            let why = format!("uid {NOBODY} can't start the binary: {error}");
            return crate::drill_full::skipped("the store that its user may not write", &why);
        }
        output => output.expect("the binary runs"),
    };
    let (code, text) = said(&output);
    mode(&store, 0o700);
    assert!(matches!(code, Some(73 | 74)), "{code:?}: {text}");
    assert!(text.contains("ermission denied"), "{text}");
    assert!(text.contains("chmod 700"), "what to do: {text}");
    assert!(
        !text.contains("another daemon") && !text.contains("a daemon holds"),
        "{text}"
    );
}
