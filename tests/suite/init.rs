//! `init` through the real binary: what it writes is accepted by `check`, is private, and overwrites nothing; a password never stands in argv, output or configuration.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::survey_house::{House, WORLD};

const SECRET: &str = "sim-password-1";

fn run(dir: &Path, args: &[&str], stdin: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_provtaskd"))
        .args(args)
        .current_dir(dir)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut input = child.stdin.take().expect("piped");
    // one that asks for nothing has ended by now
    let _ = input.write_all(stdin.as_bytes());
    drop(input);
    child.wait_with_output().expect("it ends")
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("there").permissions().mode() & 0o777
}

const OFFLINE: [&str; 8] = [
    "init",
    "--yes",
    "--offline",
    "--origin",
    "https://oig.example.com:14001",
    "--login",
    "PROV\"TASKD",
    "--password-stdin",
];

#[test]
fn what_it_writes_is_private_commented_and_accepted_by_check() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = dir.path().join("new/provtaskd.toml");
    let config = at.to_str().expect("text");
    let args = [
        &["-c", config],
        OFFLINE.as_slice(),
        &["--zone", "Europe/Zurich"],
    ]
    .concat();
    let output = run(dir.path(), &args, "correct horse ä\n");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(!said(&output).contains("horse"), "{}", said(&output));
    let beside = at.parent().expect("a directory");
    assert_eq!((mode(beside), mode(&at)), (0o700, 0o600));
    let password = beside.join("password");
    assert_eq!(mode(&password), 0o600);
    let kept = fs::read_to_string(&password).expect("written");
    assert_eq!(kept, "correct horse ä\n");
    let text = fs::read_to_string(&at).expect("written");
    assert!(!text.contains("horse"));
    for part in [
        "global = \"observe\"",
        "[mode.targets]\n\"*\" = \"observe\"\n",
        "zone = \"Europe/Zurich\"",
        "dir = \"store\"",
        "# ",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let output = run(dir.path(), &["-c", config, "check"], "");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(
        said(&output).contains("good (0 warnings); mode observe"),
        "{}",
        said(&output)
    );
    assert!(!beside.join("store").exists(), "a store was made");
}

#[test]
fn nothing_that_is_there_is_overwritten() {
    for name in ["provtaskd.toml", "password"] {
        let dir = tempfile::tempdir().expect("a directory");
        fs::write(dir.path().join(name), "mine").expect("written");
        let output = run(dir.path(), &OFFLINE, "secret-1\n");
        assert_eq!(output.status.code(), Some(74), "{}", said(&output));
        assert!(
            said(&output).contains("is there already"),
            "{}",
            said(&output)
        );
        let kept = fs::read_to_string(dir.path().join(name)).expect("there");
        assert_eq!(kept, "mine");
        let left = fs::read_dir(dir.path()).expect("read").count();
        assert_eq!(left, 1, "something was written beside it");
    }
    // a link to nowhere is there too
    let dir = tempfile::tempdir().expect("a directory");
    std::os::unix::fs::symlink("elsewhere", dir.path().join("password")).expect("linked");
    let output = run(dir.path(), &OFFLINE, "secret-1\n");
    assert_eq!(output.status.code(), Some(74), "{}", said(&output));
    assert!(!dir.path().join("elsewhere").exists());
}

#[test]
fn what_can_not_be_right_is_told_before_anything_is_written() {
    let change = |from: &str, to: &'static str| -> Vec<&str> {
        OFFLINE
            .iter()
            .map(|arg| if *arg == from { to } else { *arg })
            .collect()
    };
    let with_ca = [&OFFLINE[..], &["--ca-file", "nothere.pem"]].concat();
    let no_pem = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let with_text = [&OFFLINE[..], &["--ca-file", no_pem]].concat();
    let cases: [(Vec<&str>, &str, i32, &str); 10] = [
        (
            change(
                "https://oig.example.com:14001",
                "http://oig.example.com:14000",
            ),
            "x\n",
            78,
            "plain http",
        ),
        (
            change("https://oig.example.com:14001", "oig.example.com"),
            "x\n",
            78,
            "server.origin",
        ),
        (change("PROV\"TASKD", "A:B"), "x\n", 78, "colon"),
        (with_ca, "x\n", 65, "can't be read"),
        (with_text, "x\n", 65, "no certificate in PEM"),
        (OFFLINE.to_vec(), "x\ny\n", 65, "more than one line"),
        (OFFLINE.to_vec(), "\u{feff}x\n", 65, "byte order mark"),
        (OFFLINE.to_vec(), "\n", 65, "empty"),
        (OFFLINE.to_vec(), "", 130, "standard input ended"),
        (OFFLINE[..7].to_vec(), "x\n", 64, "there is no password"),
    ];
    for (args, stdin, code, word) in cases {
        let dir = tempfile::tempdir().expect("a directory");
        let output = run(dir.path(), &args, stdin);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{args:?}: {}",
            said(&output)
        );
        assert!(said(&output).contains(word), "{word}: {}", said(&output));
        assert!(said(&output).contains("hint: "), "{}", said(&output));
        let left = fs::read_dir(dir.path()).expect("read").count();
        assert_eq!(left, 0, "{args:?}: something was written");
    }
    let dir = tempfile::tempdir().expect("a directory");
    let output = run(
        dir.path(),
        &["init", "--login", "ME", "--password-stdin"],
        "x\n",
    );
    assert_eq!(output.status.code(), Some(64), "{}", said(&output));
    assert!(
        said(&output).contains("--origin is missing"),
        "{}",
        said(&output)
    );
    // there is no option for the password itself
    let output = run(dir.path(), &["init", "--password", "x"], "");
    assert_eq!(output.status.code(), Some(64), "{}", said(&output));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_is_asked_at_the_end_and_the_files_stay_where_it_refuses() {
    let house = House::of(WORLD).await;
    let origin = house.sim.origin();
    let args = [
        "init",
        "--yes",
        "--origin",
        &origin,
        "--login",
        "PROVSVC",
        "--password-stdin",
    ];
    let dir = tempfile::tempdir().expect("a directory");
    let output = run(dir.path(), &args, &format!("{SECRET}\n"));
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    for part in ["mode observe", "may read the list", "next: provtaskd"] {
        assert!(said(&output).contains(part), "{part}: {}", said(&output));
    }
    assert!(!said(&output).contains(SECRET), "{}", said(&output));
    house.nothing_was_written();
    // and survey and probe go on from there
    let output = run(dir.path(), &["probe"], "");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));

    let asked = house.requests(0).len();
    let dir = tempfile::tempdir().expect("a directory");
    let from = dir.path().join("given");
    fs::write(&from, "wrong-password").expect("written");
    let args = [
        "init",
        "--yes",
        "--origin",
        &origin,
        "--login",
        "PROVSVC",
        "--password-from",
        "given",
    ];
    let output = run(dir.path(), &args, "");
    assert_eq!(output.status.code(), Some(77), "{}", said(&output));
    assert!(
        said(&output).contains("401") && said(&output).contains("both files are written"),
        "{}",
        said(&output)
    );
    assert_eq!(house.requests(asked).len(), 1);
    assert!(dir.path().join("provtaskd.toml").exists());
}
