//! Drills of anchors and of their verification, whole processes: whatever is done to a stopped store is found and named, the store is not touched by looking, and the key never leaves its file.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use provtaskd::ledger::record::{EventBody, decode, digest_of, encode};
use provtaskd::ledger::sled::SledStore;
use provtaskd::ledger::store::Store as _;

use crate::drill::{Drill, Setup};

/// Work that takes some hours.
const WORK: &str = r#"
name = "audit"
seed = 71
[[target]]
name = "AD"
[[population]]
target = "AD"
accounts = 8
task = [{ task = "Add User to Group", failure = "network" }]
"#;
const SECRET: &str = "correct-horse-battery-staple-4711";

type Journal = Vec<(u64, Vec<u8>)>;

/// A drill whose daemon anchors every ten minutes, signed, in a file too.
async fn anchored(more: &str) -> Drill {
    let drill = Setup::of(WORK)
        .config(&format!(
            "[audit]\nanchor_every = \"10m\"\nanchor_file = \"anchors.jsonl\"\nhmac_key_file = \"key\"\n{more}"
        ))
        .start()
        .await;
    let key = drill.dir.path().join("key");
    fs::write(&key, format!("{SECRET}\n")).expect("written");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("mode");
    drill.release();
    drill
}

fn verify(drill: &Drill, args: &[&str]) -> (Option<i32>, String, String) {
    of(&drill.cli(&[&["audit", "verify"], args].concat()))
}

/// Exit code, standard output in one line, standard error.
fn of(output: &Output) -> (Option<i32>, String, String) {
    let out = String::from_utf8_lossy(&output.stdout);
    let words: Vec<&str> = out.split_whitespace().collect();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), words.join(" "), err)
}

fn journal(store: &Path) -> Journal {
    let (journal, _) = SledStore::open(&store.join("journal"), 8 << 20).expect("opened");
    let mut out = Vec::new();
    let mut show = |seq, bytes: &[u8]| {
        out.push((seq, bytes.to_vec()));
        ControlFlow::Continue(())
    };
    journal.visit(0, &mut show).expect("read");
    out
}

/// Puts another journal into the place of a store's.
fn replace(store: &Path, records: &Journal) {
    let dir = store.join("journal");
    fs::remove_dir_all(&dir).expect("removed");
    let (journal, _) = SledStore::open(&dir, 8 << 20).expect("made");
    journal.append(records).expect("written");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("a directory") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else if path.is_file() {
            fs::copy(&path, &target).expect("copied");
        }
    }
}

/// Every file below a directory, with its bytes and when it was written.
fn contents(dir: &Path) -> BTreeMap<PathBuf, (Vec<u8>, std::time::SystemTime)> {
    let mut out = BTreeMap::new();
    let mut left = vec![dir.to_path_buf()];
    while let Some(path) = left.pop() {
        let meta = fs::symlink_metadata(&path).expect("it is there");
        if meta.is_dir() {
            let entries = fs::read_dir(&path).expect("a directory");
            left.extend(entries.map(|entry| entry.expect("an entry").path()));
        } else if meta.is_file() {
            let bytes = fs::read(&path).expect("read");
            out.insert(path, (bytes, meta.modified().expect("a time")));
        }
    }
    out
}

/// What somebody does who exchanges a record and mends the chain behind it.
fn mend(journal: &mut Journal, from: usize) {
    let mut prev = digest_of(&journal[from - 1].1);
    let first = journal[from - 1].0 + 1;
    for (seq, (number, bytes)) in (first..).zip(&mut journal[from..]) {
        let mut event = decode(bytes).expect("a record");
        (event.seq, event.prev) = (seq, prev.clone());
        *number = seq;
        *bytes = encode(&event).expect("small");
        prev = digest_of(bytes);
    }
}

/// The anchors that a text holds, by record.
fn anchored_records(text: &str) -> Vec<u64> {
    let lines = text.lines().filter(|line| line.contains("\"anchor\":1"));
    let records = lines.map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
        line["seq"].as_u64().expect("a record")
    });
    records.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_done_to_a_store_is_found_and_the_record_is_named() {
    let mut drill = anchored("").await;
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("1h").await;
    let (code, out, err) = verify(&drill, &[]);
    assert_eq!(code, Some(0), "while it runs: {out}\n{err}");
    assert!(out.contains("VERIFIED up to record"), "{out}");
    // anchors of records that are written while the command waits for its input are not called lost
    let mut waiting = Command::new(env!("CARGO_BIN_EXE_provtaskd"))
        .args(["audit", "verify", "--anchors", "-"])
        .current_dir(drill.dir.path())
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    drill.run_for("1h").await;
    let anchors = fs::read(drill.dir.path().join("anchors.jsonl")).expect("anchors");
    let mut to = waiting.stdin.take().expect("a pipe");
    to.write_all(&anchors).expect("it reads");
    drop(to);
    let (code, out, err) = of(&waiting.wait_with_output().expect("it ends"));
    assert_eq!(code, Some(0), "while it runs: {out}\n{err}");
    drill.stop();
    let store = drill.store();
    let older = drill.dir.path().join("older");
    copy(&store, &older);
    // the second life logs as JSON
    let mut run = Command::new(env!("CARGO_BIN_EXE_provtaskd"));
    run.args(["--log-format", "json", "run"]);
    drill.daemon_by(run);
    drill.run_for("3h").await;
    drill.stop();

    let file = drill.dir.path().join("anchors.jsonl");
    let text = fs::read_to_string(&file).expect("anchors");
    let records = anchored_records(&text);
    assert!(records.len() > 8, "{records:?}");
    let mode = fs::metadata(&file).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let before = contents(&store);
    let (code, out, err) = verify(&drill, &[]);
    assert_eq!(code, Some(0), "{out}\n{err}");
    let whole = journal_of_copy(&store, drill.dir.path());
    let last = whole.last().expect("records").0;
    // the end of the daemon was anchored too
    assert_eq!(records.last(), Some(&last));
    let verified = format!("VERIFIED up to record {last},");
    assert!(
        out.contains(&verified) && out.contains("HMAC checked"),
        "{out}"
    );
    // both logs say the same as the file, through a pipe too
    let log = drill.log_path();
    let piped = Command::new(env!("CARGO_BIN_EXE_provtaskd"))
        .args(["audit", "verify", "--anchors", "-"])
        .current_dir(drill.dir.path())
        .env_clear()
        .stdin(fs::File::open(&log).expect("a log"))
        .output()
        .expect("the binary runs");
    for (code, log_out, err) in [
        of(&piped),
        verify(&drill, &["--anchors", log.to_str().expect("text")]),
    ] {
        assert_eq!(code, Some(0), "{log_out}\n{err}");
        assert!(log_out.contains(&verified), "{log_out}");
        let agree = format!("{} of {0} anchors agree", records.len());
        assert!(log_out.contains(&agree), "{agree}: {log_out}");
    }
    assert!(contents(&store) == before, "looking has changed the store");

    let middle = whole.len() / 2;
    let name = |place: usize| whole[place].0;
    let mut cases: Vec<(&str, Journal, Vec<String>)> = Vec::new();
    let mut byte = whole.clone();
    let at = byte[middle]
        .1
        .windows(8)
        .position(|part| part == b"2027-03-")
        .expect("there");
    byte[middle].1[at + 6] = b'4';
    let before_it = records.iter().filter(|of| **of < name(middle)).max();
    cases.push((
        "a byte",
        byte,
        vec![
            format!("record {} was changed", name(middle)),
            format!("VERIFIED up to record {},", before_it.expect("an anchor")),
        ],
    ));
    let mut swapped = whole.clone();
    let bytes = swapped[middle].1.clone();
    swapped[middle].1 = std::mem::replace(&mut swapped[middle + 1].1, bytes);
    cases.push((
        "two swapped",
        swapped,
        vec![format!(
            "in the place of record {} lies record {}",
            name(middle),
            name(middle + 1)
        )],
    ));
    let mut cut = whole.clone();
    cut.truncate(middle);
    cases.push((
        "the end cut off",
        cut,
        vec![
            format!("anchor of record {last},"),
            format!(
                "record {last} was acknowledged, and the journal ends with record {}",
                name(middle - 1)
            ),
        ],
    ));
    let mut gap = whole.clone();
    gap.remove(middle);
    cases.push((
        "one taken out",
        gap,
        vec![format!(
            "record {} comes after record {}",
            name(middle + 1),
            name(middle - 1)
        )],
    ));
    // the chain is mended: only the anchors tell
    let mut forged = whole.clone();
    let mut event = decode(&forged[middle].1).expect("a record");
    event.body = EventBody::Note {
        text: "forged".into(),
    };
    forged.insert(middle, (0, encode(&event).expect("small")));
    mend(&mut forged, middle);
    let proven = records
        .iter()
        .filter(|of| **of < name(middle))
        .max()
        .copied()
        .unwrap_or(0);
    let next = records
        .iter()
        .find(|of| **of >= name(middle))
        .expect("an anchor after it");
    cases.push((
        "one put in",
        forged,
        vec![
            format!(
                "something between record {} and record {next} was changed, cut or put in",
                proven + 1
            ),
            format!("VERIFIED up to record {proven},"),
        ],
    ));
    for (what, changed, said) in cases {
        replace(&store, &changed);
        let (code, out, err) = verify(&drill, &[]);
        println!("{what}: {out}");
        assert_eq!(code, Some(3), "{what}: {out}\n{err}");
        for said in said {
            assert!(out.contains(&said), "{what}: {said}\n{out}");
        }
        assert!(err.contains("error: ") && err.contains("hint: "), "{err}");
    }

    // an older copy of everything: the store itself does not notice
    fs::remove_dir_all(&store).expect("removed");
    copy(&older, &store);
    fs::set_permissions(&store, fs::Permissions::from_mode(0o700)).expect("mode");
    let (code, out, _) = verify(&drill, &[]);
    assert_eq!(code, Some(3), "{out}");
    assert!(out.contains(&format!("anchor of record {last},")), "{out}");
    assert!(out.contains("nothing in it tells of a loss"), "{out}");
    // an older journal beside the present sidecar: whatever opens it puts that on record
    fs::remove_dir_all(&store).expect("removed");
    copy(&older, &store);
    fs::set_permissions(&store, fs::Permissions::from_mode(0o700)).expect("mode");
    fs::write(store.join("sidecar"), &before[&store.join("sidecar")].0).expect("written");
    drill.cli(&["status"]);
    let (code, out, _) = verify(&drill, &[]);
    assert_eq!(code, Some(3), "{out}");
    let found = journal_of_copy(&older, drill.dir.path())
        .last()
        .expect("records")
        .0;
    assert!(
        out.contains(&format!(
            "record {} tells that the store was put back",
            found + 1
        )),
        "{out}"
    );
    assert!(
        out.contains(&format!("VERIFIED up to record {found},")),
        "{out}"
    );

    // the key is in its file alone
    let key = drill.dir.path().join("key");
    for (path, (bytes, _)) in contents(drill.dir.path()) {
        let holds = bytes
            .windows(SECRET.len())
            .any(|part| part == SECRET.as_bytes());
        assert_eq!(holds, path == key, "{}", path.display());
    }
    // all is as it was again
    fs::remove_dir_all(&store).expect("removed");
    for (path, (bytes, _)) in &before {
        fs::create_dir_all(path.parent().expect("below")).expect("made");
        fs::write(path, bytes).expect("written");
    }
    fs::set_permissions(&store, fs::Permissions::from_mode(0o700)).expect("mode");
    drill.daemon();
    drill.run_for("6h").await;
    drill.judge().await;
}

/// The records of a store, read from a copy of it.
fn journal_of_copy(store: &Path, dir: &Path) -> Journal {
    let to = dir.join("copy");
    copy(store, &to);
    let records = journal(&to);
    fs::remove_dir_all(&to).expect("removed");
    records
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_keys_forged_anchors_and_files_without_any_are_told_apart() {
    let mut drill = anchored("").await;
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("12h").await;
    let file = drill.dir.path().join("anchors.jsonl");
    let text = fs::read_to_string(&file).expect("anchors");
    let status = drill.json(&["status", "--json"]);
    let key = status["anchor"]["key"]
        .as_str()
        .expect("a key's digest")
        .to_owned();
    assert_eq!(status["anchor"]["problem"], serde_json::Value::Null);
    assert!(text.contains(&key));
    let with = |name: &str, lines: &str, args: &[&str]| {
        drill.write(name, lines);
        verify(&drill, &[&["--anchors", name], args].concat())
    };
    // another key than the one of the anchors
    drill.write("other", "another-key-of-some-length");
    let other = drill.dir.path().join("other");
    fs::set_permissions(&other, fs::Permissions::from_mode(0o600)).expect("mode");
    let (code, out, err) = with("a", &text, &["--hmac-key-file", "other"]);
    assert_eq!(code, Some(3), "{out}");
    assert!(err.contains("audit.former_hmac_key_files"), "{err}");
    assert!(
        out.contains(&format!("signed with key {key}, which was not given")),
        "{out}"
    );
    assert!(out.contains("NOTHING is verified"), "{out}");
    let both = ["--hmac-key-file", "other", "--hmac-key-file", "key"];
    assert_eq!(with("a", &text, &both).0, Some(0));
    // an anchor that was written by hand, and one that was changed
    let first: Vec<&str> = text.lines().take(1).collect();
    let mut bare: serde_json::Value = serde_json::from_str(first[0]).expect("JSON");
    let record = bare["seq"].as_u64().expect("a record");
    bare["at"] = serde_json::json!("2020-01-01T00:00:00Z");
    let (code, out, _) = with("a", &format!("{bare}\n{text}"), &[]);
    assert_eq!(code, Some(3), "{out}");
    assert!(
        out.contains(&format!(
            "anchor of record {record} (line 1) was changed or forged"
        )),
        "{out}"
    );
    bare.as_object_mut().expect("an object").remove("hmac");
    let (code, out, _) = with("a", &format!("{bare}\n{text}"), &[]);
    assert_eq!(code, Some(3), "{out}");
    assert!(
        out.contains(&format!("anchor of record {record} (line 1) has no HMAC")),
        "{out}"
    );
    // of another store, and torn
    let strange = text.replace("\"store\":\"", "\"store\":\"x");
    let (code, out, _) = with("a", &strange, &["--hmac-key-file", "key"]);
    assert_eq!(code, Some(3), "{out}");
    let torn = &first[0][..first[0].len() / 2];
    let (code, out, _) = with("a", &format!("{text}{torn}\n"), &[]);
    assert_eq!(code, Some(3), "{out}");
    assert!(out.contains("is an anchor that can't be read"), "{out}");
    // no anchor at all is no proof of anything
    let (code, _, err) = with("a", "nothing\n", &[]);
    assert_eq!(code, Some(65), "{err}");
    assert!(err.contains("there is no anchor in a"), "{err}");
    let (code, _, err) = verify(&drill, &["--anchors", "gone"]);
    assert_eq!(code, Some(74), "{err}");
    fs::set_permissions(&other, fs::Permissions::from_mode(0o644)).expect("mode");
    let (code, _, err) = with("a", &text, &["--hmac-key-file", "other"]);
    assert_eq!(code, Some(74), "{err}");
    assert!(err.contains("chmod 600"), "{err}");
    let json = drill.json(&["audit", "verify", "--json"]);
    assert_eq!(json["findings"], serde_json::json!([]));
    assert_eq!(json["proven"]["signed"], true);
    drill.judge().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_can_not_be_written_stops_nothing_unless_it_is_required() {
    let mut drill = Setup::of(WORK)
        .config("[audit]\nanchor_every = \"10m\"\nanchor_file = \"mount/anchors\"")
        .enforcing()
        .await;
    drill.run_for("30m").await;
    let status = drill.json(&["status", "--json"]);
    let problem = status["anchor"]["problem"]
        .as_str()
        .expect("a problem")
        .to_owned();
    assert!(problem.contains("o such file"), "{problem}");
    assert!(
        drill.done(&["status"]).contains("NOT in"),
        "a person is told"
    );
    assert!(drill.count("effects") > 0, "it goes on");
    drill.run_for("12h").await;
    let log = drill.log();
    assert_eq!(
        log.matches("the anchor file is not written").count(),
        1,
        "said once"
    );
    assert!(
        log.matches("the journal's head is anchored").count() >= 3,
        "{log}"
    );
    drill.judge().await;

    let mut drill = Setup::of(WORK)
        .config("[audit]\nanchor_every = \"10m\"\nanchor_file = \"mount/anchors\"\nanchor_required = true")
        .enforcing()
        .await;
    drill.run_for("2h").await;
    assert_eq!(drill.count("effects"), 0, "nothing is sent");
    let status = drill.json(&["status", "--json"]);
    assert_eq!(status["refusals"][0][0], "anchor_missing", "{status:#}");
    assert_eq!(status["effective_mode"], "observe");
    assert!(
        status["mode_why"].to_string().contains("anchor file"),
        "{status:#}"
    );
    let mount = drill.dir.path().join("mount");
    fs::create_dir(&mount).expect("mounted");
    let anchors = mount.join("anchors");
    let began = Instant::now();
    // tried again every few seconds of wall time
    while fs::metadata(&anchors).map_or(0, |meta| meta.len()) == 0 {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "never tried again"
        );
        std::thread::yield_now();
    }
    drill.run_for("12h").await;
    assert!(drill.count("effects") > 0, "it goes on");
    drill.judge().await;
}

#[test]
fn a_key_that_is_none_is_an_error_at_start_and_in_check() {
    let dir = tempfile::tempdir().expect("a directory");
    let run = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_provtaskd"))
            .args(args)
            .current_dir(dir.path())
            .env_clear()
            .stdin(Stdio::null())
            .output()
            .expect("the binary runs");
        of(&output)
    };
    let put = |name: &str, text: &str, mode: u32| {
        let path = dir.path().join(name);
        let mut file = fs::File::create(&path).expect("made");
        file.write_all(text.as_bytes()).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("mode");
    };
    let config = "[server]\norigin = \"http://127.0.0.1:9\"\nlogin = \"ME\"\npassword_file = \"pw\"\n[store]\ndir = \"store\"\n[admin]\nlisten = \"off\"\n[audit]\nhmac_key_file = \"key\"\n";
    put("provtaskd.toml", config, 0o600);
    put("pw", "correct-horse-1\n", 0o600);
    put("key", SECRET, 0o600);
    let missing = run(&["audit", "verify"]);
    assert_eq!(missing.0, Some(73), "no store: {}", missing.2);
    assert!(missing.2.contains("there is no store in"), "{}", missing.2);
    for (text, mode) in [("short", 0o600), (SECRET, 0o644)] {
        put("key", text, mode);
        for args in [&["run", "--once"][..], &["check"]] {
            let (code, _, err) = run(args);
            assert_eq!(code, Some(78), "{args:?}: {err}");
            assert!(err.contains("key"), "{err}");
            assert!(!err.contains(SECRET), "{err}");
        }
    }
    put("key", SECRET, 0o600);
    let (code, _, err) = run(&["check"]);
    assert_eq!(code, Some(0), "{err}");
}
