//! `provtaskd demo` as a newcomer meets it, through the real binary: it ends well, tells its five stories again when asked, and leaves nothing behind.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// A Monday that an unoptimised binary plays in seconds; every sort of task is still there. On a busy
/// machine it takes longer, and the whole day is what is judged.
const SMALL: [&str; 3] = ["demo", "--tasks", "200"];

/// The demo, with its temporary files under `dir`.
fn demo(dir: &Path, more: &[&str]) -> Command {
    with_patience(dir, "600", more)
}

fn with_patience(dir: &Path, patience: &str, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_provtaskd"));
    command
        .args(SMALL)
        .args(["--patience", patience])
        .args(more)
        .current_dir(dir)
        .env_clear()
        .env("TMPDIR", dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn is_empty(dir: &Path) -> bool {
    std::fs::read_dir(dir)
        .expect("a directory")
        .next()
        .is_none()
}

/// Reads lines up to one that contains `mark`.
fn up_to(out: &mut BufReader<ChildStdout>, mark: &str) -> Vec<String> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        let read = out.read_line(&mut line).expect("text");
        assert!(read > 0, "the demo ended before `{mark}`: {lines:#?}");
        let found = line.contains(mark);
        lines.push(line.trim_end().to_owned());
        if found {
            return lines;
        }
    }
}

fn stderr(child: &mut Child) -> String {
    let mut text = String::new();
    let mut pipe = child.stderr.take().expect("piped");
    pipe.read_to_string(&mut text).expect("text");
    text
}

/// The numbers of a line.
fn numbers(line: &str) -> Vec<u64> {
    line.split(|c: char| !c.is_ascii_digit())
        .filter_map(|part| part.parse().ok())
        .collect()
}

#[test]
fn the_demo_heals_what_can_heal_counts_honestly_and_leaves_nothing_behind() {
    let dir = tempfile::tempdir().expect("a directory");
    let output = demo(dir.path(), &[]).output().expect("the binary runs");
    let text = String::from_utf8(output.stdout).expect("text");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}\n{text}");
    assert_eq!(errors, "", "nothing is wrong, so nothing is said");
    assert!(is_empty(dir.path()), "something is left in TMPDIR");
    assert!(!text.contains('\u{1b}'), "no redrawing where nobody looks");

    for step in [
        "mode observe, not enforce",
        "0 writes were sent",
        "is released for enforce by",
        "baseline:AD ",
        "baseline:LEGACYHR ",
    ] {
        assert!(text.contains(step), "`{step}` is missing:\n{text}");
    }
    let healed = text
        .lines()
        .find(|line| line.contains("tasks that could heal have healed"))
        .map(numbers)
        .expect("the truth");
    assert!(
        healed[0] > 50 && healed[0] == healed[1],
        "{healed:?}\n{text}"
    );
    // the daemon's own count of retries that were read as completed is the simulator's count
    let row = |words: &str| {
        let line = text.lines().find(|line| line.starts_with(words));
        *numbers(line.unwrap_or_else(|| panic!("no row `{words}`:\n{text}")))
            .last()
            .expect("a sum")
    };
    assert_eq!(row("completed "), healed[0], "{text}");
    assert_eq!(
        row("seen "),
        numbers(&text)[0],
        "each task is counted once:\n{text}"
    );
    for number in 1..=5 {
        let story = text
            .lines()
            .any(|line| line.starts_with(&format!("{number}  ")));
        assert!(story, "story {number} is missing:\n{text}");
    }
    assert!(!text.contains("no such case"), "{text}");
}

#[test]
fn a_kept_demo_tells_the_same_five_stories_until_it_is_stopped() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut child = demo(dir.path(), &["--keep"])
        .spawn()
        .expect("the binary runs");
    let mut out = BufReader::new(child.stdout.take().expect("piped"));
    let lines = up_to(&mut out, "Ctrl-C here");
    let told = |command: &str, title: &str| -> String {
        let at = lines
            .iter()
            .position(|line| line.trim_start().starts_with(&format!("# {title}")))
            .unwrap_or_else(|| panic!("`{title}` is not offered: {lines:#?}"));
        let line = lines[at..]
            .iter()
            .find(|line| line.contains(command))
            .expect("a command");
        let words: Vec<&str> = line.split_whitespace().collect();
        let output = Command::new(words[0])
            .args(&words[1..])
            .env_clear()
            .output()
            .expect("the binary runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {errors}");
        String::from_utf8(output.stdout).expect("text")
    };
    let stories: [(&str, &[&str]); 5] = [
        (
            "An outage",
            &[
                "on EXCHANGE",
                "bounced",
                ": completed",
                "may heal by itself: network",
            ],
        ),
        ("A retired target", &["on LEGACYHR", "breaker_open"]),
        (
            "A manual task",
            &[
                "not automated",
                "reassign to role:SERVICE DESK",
                ": completed",
            ],
        ),
        ("A leaver's old grant", &["stale_grant", "because later"]),
        (
            "An owner on leave",
            &[
                "user:CDIAZ is away until",
                "reassign to user:DWEBER",
                ": completed",
            ],
        ),
    ];
    for (title, parts) in stories {
        for command in ["outcomes show", "explain"] {
            let story = told(command, title);
            for part in parts {
                assert!(
                    story.contains(part),
                    "{command}, {title}: `{part}` is missing:\n{story}"
                );
            }
        }
    }
    let config = lines
        .iter()
        .flat_map(|line| line.split_whitespace())
        .find(|word| word.ends_with("provtaskd.toml"))
        .expect("the configuration");
    let stopped = Command::new(env!("CARGO_BIN_EXE_provtaskd"))
        .args(["-c", config, "stop"])
        .output()
        .expect("the binary runs");
    assert!(stopped.status.success());
    let status = child.wait().expect("reaped");
    assert!(status.success(), "{status}: {}", stderr(&mut child));
    assert!(is_empty(dir.path()), "something is left in TMPDIR");
}

#[test]
fn an_interrupted_demo_leaves_nothing_behind_either() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let dir = tempfile::tempdir().expect("a directory");
        let mut child = demo(dir.path(), &[]).spawn().expect("the binary runs");
        let mut out = BufReader::new(child.stdout.take().expect("piped"));
        up_to(&mut out, "provtaskd policy release");
        assert!(!is_empty(dir.path()), "it works under TMPDIR");
        let pid = Pid::from_child(&child);
        kill_process(pid, signal).expect("its own child");
        // what is written meanwhile must not fill the pipe
        let mut rest = String::new();
        out.read_to_string(&mut rest).expect("text");
        let status = child.wait().expect("reaped");
        let said = stderr(&mut child);
        assert_eq!(status.code(), Some(130), "{signal:?}: {said}");
        assert!(said.contains("error: the demo was interrupted"), "{said}");
        assert!(said.contains("hint: "), "{said}");
        assert!(is_empty(dir.path()), "something is left in TMPDIR");
    }
}

#[test]
fn a_demo_on_a_slow_machine_ends_early_and_says_so() {
    let dir = tempfile::tempdir().expect("a directory");
    let output = with_patience(dir.path(), "0", &[])
        .output()
        .expect("the binary runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("the day ends after 0 of 24 hours"), "{text}");
    assert!(text.contains("What the simulator saw"), "{text}");
    // next to nothing was done, and a daemon that heals nothing fails the demo
    let healed = text
        .lines()
        .find(|line| line.contains("tasks that could heal have healed"))
        .map(numbers)
        .expect("the truth");
    let expected = if healed[0] == 0 { 1 } else { 0 };
    assert_eq!(output.status.code(), Some(expected), "{text}");
    assert!(is_empty(dir.path()), "something is left in TMPDIR");
}

#[test]
fn a_demo_without_room_says_where_it_needs_some() {
    let dir = tempfile::tempdir().expect("a directory");
    let output = demo(dir.path(), &[])
        .env("TMPDIR", dir.path().join("nowhere"))
        .output()
        .expect("the binary runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(74), "{said}");
    assert!(
        said.contains("nowhere") && said.contains("TMPDIR"),
        "{said}"
    );
}
