//! `check` and `policy test` through the real binary: each problem with file, line and a remedy, and an exit code that says so.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn provtaskd(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_provtaskd"))
        .args(args)
        .current_dir(dir)
        .env_clear()
        .output()
        .expect("the binary runs")
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// A directory with a usable configuration, and these files beside it.
fn house(extra: &str, files: &[(&str, &str)]) -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().expect("a directory");
    let config = format!(
        "[server]\norigin = \"http://127.0.0.1:9\"\nlogin = \"ME\"\npassword_file = \"pw\"\n[store]\ndir = \"store\"\n{extra}"
    );
    let mut all = vec![
        ("provtaskd.toml", config.as_str()),
        ("pw", "correct-horse-1"),
    ];
    all.extend(files);
    for (name, text) in all {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().expect("inside")).expect("made");
        std::fs::write(path, text).expect("written");
    }
    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(dir.path().join("pw"), private).expect("mode");
    dir
}

#[test]
fn a_store_that_can_not_be_made_is_no_good_configuration() {
    let dir = house("", &[("taken", "a file")]);
    let place = |text: &str| {
        let path = dir.path().join("provtaskd.toml");
        let config = std::fs::read_to_string(&path).expect("there");
        let line = config.lines().find(|line| line.starts_with("dir = "));
        let config = config.replace(line.expect("a store"), &format!("dir = \"{text}\""));
        std::fs::write(&path, config).expect("written");
        let output = provtaskd(dir.path(), &["check"]);
        (output.status.code(), said(&output))
    };
    for bad in [
        "taken",
        "taken/store",
        "/proc/store",
        "/proc/self",
        "/proc/self/fd",
    ] {
        let (code, text) = place(bad);
        assert_eq!(code, Some(78), "{bad}: {text}");
        assert!(text.contains("store.dir: ") && text.contains(bad), "{text}");
    }
    let (_, text) = place("/proc/store");
    assert!(text.contains("file system of the kernel's own"), "{text}");
    let output = provtaskd(dir.path(), &["run"]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(73), "{text}");
    assert!(text.contains("file system of the kernel's own"), "{text}");
    let (_, text) = place("/proc/self");
    assert!(!text.contains("is not there"), "{text}");
    // what may be a slip is made all the same, and said
    let (code, text) = place("not/there/yet");
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("not is not there either"), "{text}");
    assert!(!dir.path().join("not").exists());
    let started = said(&provtaskd(dir.path(), &["run", "--once"]));
    assert!(started.contains("not is not there either"), "{started}");
    assert!(dir.path().join("not/there/yet").exists(), "{started}");
    let (_, text) = place("not/there/too");
    assert!(!text.contains("not there either"), "{text}");
}

#[test]
fn a_machine_without_authorities_is_named_before_the_start() {
    let dir = house("", &[]);
    let path = dir.path().join("provtaskd.toml");
    let config = std::fs::read_to_string(&path).expect("there");
    std::fs::write(&path, config.replace("http://127", "https://127")).expect("written");
    for args in [&["check"][..], &["run", "--once"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_provtaskd"))
            .args(args)
            .current_dir(dir.path())
            .env_clear()
            .envs([("SSL_CERT_FILE", "/nowhere"), ("SSL_CERT_DIR", "/nowhere")])
            .output()
            .expect("the binary runs");
        let text = said(&output);
        assert_eq!(output.status.code(), Some(78), "{args:?}: {text}");
        assert!(
            text.contains("ca-certificates") && text.contains("server.ca_file"),
            "{text}"
        );
    }
}

const POLICY: &str = "fn decide(task, facts) {\n  leave(\"all\")\n}\n";
const GOOD: &str = "[[case]]\nname = \"all is left\"\nexpect = { verdict = \"leave\" }\n";
const BAD: &str = "# cases\n\n[[case]]\nname = \"all is left\"\nexpect = { verdict = \"leave\" }\n\n[[case]]\nname = \"but not this\"\nexpect = { verdict = \"retry\" }\n";

#[test]
fn a_failing_case_names_file_and_line_and_what_came_out() {
    let dir = house(
        "",
        &[("own/10-a.rhai", POLICY), ("own/10-a.test.toml", BAD)],
    );
    let output = provtaskd(dir.path(), &["policy", "test", "own"]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    for part in [
        "own/10-a.test.toml  1 passed, 1 failed",
        "failed: own/10-a.test.toml:7: but not this",
        "expected retry",
        "came out: leave: all (10-a.rhai:2)",
        "error: 1 case(s) failed",
        "hint: ",
    ] {
        assert!(text.contains(part), "`{part}` is missing:\n{text}");
    }
    let slip = BAD.replace("\"retry\"", "\"retrry\"");
    std::fs::write(dir.path().join("own/10-a.test.toml"), slip).expect("written");
    let text = said(&provtaskd(dir.path(), &["policy", "test", "own"]));
    for part in [
        "own/10-a.test.toml:7: but not this",
        "there is no verdict `retrry`",
        "leave, ask, none",
    ] {
        assert!(text.contains(part), "`{part}` is missing:\n{text}");
    }
    std::fs::write(dir.path().join("own/10-a.test.toml"), GOOD).expect("written");
    let output = provtaskd(dir.path(), &["policy", "test", "own"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

#[test]
fn the_shipped_set_is_tested_without_any_configuration_and_its_scores_are_shown() {
    let dir = tempfile::tempdir().expect("a directory");
    let output = provtaskd(dir.path(), &["policy", "test"]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    for part in ["30-retry.test.toml", "0 failed", "held out: ", "precision "] {
        assert!(text.contains(part), "`{part}` is missing:\n{text}");
    }
}

#[test]
fn a_policy_that_does_not_compile_is_a_fault_of_the_configuration() {
    let broken = "fn decide(task, facts) {\n  retry(\n}\n";
    let dir = house("[policy]\ndir = \"own\"\n", &[("own/10-a.rhai", broken)]);
    for args in [["policy", "test"].as_slice(), &["check"]] {
        let output = provtaskd(dir.path(), args);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(78), "{args:?}: {text}");
        assert!(text.contains("own/10-a.rhai:3:"), "{args:?}: {text}");
        assert!(text.contains("hint: "), "{args:?}: {text}");
    }
}

#[test]
fn cases_that_fail_make_check_fail_with_another_code_than_a_broken_configuration() {
    let dir = house(
        "[policy]\ndir = \"own\"\n",
        &[("own/10-a.rhai", POLICY), ("own/10-a.test.toml", BAD)],
    );
    let output = provtaskd(dir.path(), &["check"]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("own/10-a.test.toml:7: but not this"),
        "{text}"
    );
    let output = provtaskd(dir.path(), &["check", "--syntax-only"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

/// Without cases nothing is tested, and that is no good test.
#[test]
fn policies_without_cases_are_told_and_not_called_tested() {
    let files = [("own/10-a.rhai", POLICY), ("own/20-b.rhai", POLICY)];
    let dir = house("[policy]\ndir = \"own\"\n", &files);
    let ran = |args: &[&str]| {
        let output = provtaskd(dir.path(), args);
        (output.status.code(), said(&output))
    };
    let (code, text) = ran(&["policy", "test"]);
    assert_eq!(code, Some(1), "{text}");
    for part in [
        "no cases: nothing was tested of ",
        "own/10-a.rhai, ",
        "own/20-b.rhai\n",
        "error: no policy has a case: nothing was tested",
        "hint: ",
    ] {
        assert!(text.contains(part), "`{part}` is missing:\n{text}");
    }
    // it can be used all the same
    let (code, text) = ran(&["check"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("policy.dir: no cases: nothing was tested of "),
        "{text}"
    );
    assert!(text.contains("good (1 warning)"), "{text}");
    // a file without a case is none
    std::fs::write(dir.path().join("own/20-b.test.toml"), "# later\n").expect("written");
    assert_eq!(ran(&["policy", "test"]).0, Some(1));
    std::fs::write(dir.path().join("own/20-b.test.toml"), GOOD).expect("written");
    let (code, text) = ran(&["policy", "test"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("no cases: nothing was tested of ") && !text.contains("20-b.rhai\n"),
        "{text}"
    );
    let (code, text) = ran(&["check"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("no cases: nothing was tested of ") && text.contains("own/10-a.rhai"),
        "{text}"
    );
}

#[test]
fn a_cron_line_that_nobody_understands_stops_every_command() {
    let dir = house("[schedule]\ncron = [\"61 * * * *\"]\n", &[]);
    for args in [["check"].as_slice(), &["run"], &["status"]] {
        let output = provtaskd(dir.path(), args);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(78), "{args:?}: {text}");
        assert!(
            text.contains("provtaskd.toml:8: schedule.cron: `61 * * * *`: ")
                && text.lines().count() == 3,
            "{text}"
        );
    }
}

/// `run` starts with each of these: `check` says what it means, and does not call the configuration unusable.
#[test]
fn what_is_wrong_with_the_absences_is_a_warning_that_says_what_it_means() {
    let head = "login,from,to,stand_in\n";
    let row = format!("{head}ANNA,2027-03-01,2027-03-05,BEN\n");
    for (feed, says) in [
        (
            None,
            &["leave.csv", "nobody counts as away or as there"][..],
        ),
        (
            Some(String::new()),
            &["is empty", "nobody counts as away or as there"],
        ),
        (
            Some(format!("{row}CARL,2027-03-01,")),
            &[
                "leave.csv:3: ",
                "put a line end behind it",
                "nobody counts as away or as there",
            ],
        ),
        (
            Some(format!("user,from,to\n{row}")),
            &["leave.csv:1: ", "nobody counts as away or as there"],
        ),
        (
            Some(format!("{row}CARL,soon,,\n")),
            &["leave.csv:3: ", "login,from,to,stand_in"],
        ),
        (
            Some(format!("{row}anna,2027-03-05,2027-03-06,CARL\n")),
            &["leave.csv:3: ", "leave.csv:2", "another stand-in"],
        ),
    ] {
        let dir = house("[absence]\nfeed = \"leave.csv\"\n", &[]);
        if let Some(feed) = &feed {
            std::fs::write(dir.path().join("leave.csv"), feed).expect("written");
        }
        let output = provtaskd(dir.path(), &["check"]);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(0), "{feed:?}: {text}");
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in says {
            assert!(
                words.contains(part),
                "{feed:?}: `{part}` is missing: {text}"
            );
        }
        assert!(text.contains("warning"), "{text}");
    }
}

#[test]
fn a_file_of_persons_and_one_of_anchors_are_tried_as_the_daemon_would() {
    use std::os::unix::fs::PermissionsExt as _;
    let tables = "[intake]\npersons_file = \"persons\"\n[audit]\nanchor_file = \"far/anchors\"\n";
    let lines = "ANNA\nlogin,from\n# BEN\nCARL\n";
    let dir = house(tables, &[("persons", lines)]);
    let at = |name: &str| dir.path().join(name);
    let open = std::fs::Permissions::from_mode(0o666);
    std::fs::set_permissions(at("persons"), open).expect("mode");
    let output = provtaskd(dir.path(), &["check"]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(78), "{text}");
    assert!(text.contains("(mode 666)"), "{text}");
    let private = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(at("persons"), private).expect("mode");
    let output = provtaskd(dir.path(), &["check"]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(78), "{text}");
    for part in [
        "persons:2: this is no login",
        "audit.anchor_file: ",
        "far/anchors",
    ] {
        assert!(text.contains(part), "`{part}` is missing:\n{text}");
    }
    // a table of many columns is not told line by line
    std::fs::write(at("persons"), "A,B\n".repeat(30)).expect("written");
    let text = said(&provtaskd(dir.path(), &["check"]));
    assert!(
        text.contains("persons:20: ") && !text.contains("persons:21: "),
        "{text}"
    );
    assert!(text.contains("10 more such lines"), "{text}");
    std::fs::remove_file(at("persons")).expect("removed");
    std::fs::create_dir(at("persons")).expect("made");
    std::fs::create_dir(at("far")).expect("made");
    let text = said(&provtaskd(dir.path(), &["check"]));
    assert!(text.contains("persons: it is not a file"), "{text}");
    assert!(!text.contains("anchor_file"), "{text}");
    // it only looks
    assert!(!at("far/anchors").exists());
    std::fs::create_dir(at("far/anchors")).expect("made");
    let text = said(&provtaskd(dir.path(), &["check"]));
    assert!(text.contains("anchors: it is not a file"), "{text}");
}

#[test]
fn every_problem_of_every_file_is_listed_at_once() {
    let dir = house(
        "[policy]\ndir = \"own\"\n[guard]\nage_limit = \"never\"\n",
        &[("own/10-a.rhai", POLICY)],
    );
    let output = provtaskd(dir.path(), &["check"]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(78), "{text}");
    assert!(
        text.contains("provtaskd.toml:10: guard.age_limit: "),
        "{text}"
    );
    // once that is mended, the tables of the set are read as well
    let dir = house(
        "[policy]\ndir = \"own\"\n[absence]\nfeed = \"gone.csv\"\n",
        &[
            ("own/10-a.rhai", POLICY),
            (
                "own/kinds.toml",
                "[[kind]]\nkind = \"gift\"\nnames = [\"x\"]\n",
            ),
            (
                "own/reasons.toml",
                "[[class]]\nname = \"n\"\nretryable = true\npatterns = [\"(\"]\n",
            ),
        ],
    );
    let output = provtaskd(dir.path(), &["check"]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(78), "{text}");
    for part in [
        "own/kinds.toml:2:",
        "own/reasons.toml:4:",
        "absence.feed: ",
        "gone.csv",
    ] {
        assert!(text.contains(part), "`{part}` is missing:\n{text}");
    }
}

#[test]
fn the_shipped_examples_are_good() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let output = provtaskd(
        &root,
        &["policy", "test", "examples/policies", "--require-coverage"],
    );
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

/// A PEM block of nothing that anybody could use.
const NO_CERT: &str = "-----BEGIN CERTIFICATE-----\nnot base64\n-----END CERTIFICATE-----\n";

#[test]
fn a_password_file_that_the_daemon_would_refuse_is_found_and_never_shown() {
    for (bytes, what) in [
        (b"".as_slice(), "is empty"),
        (b"first-secret\nsecond-secret\n", "more than one line"),
        (b"s\xffecret\n", "UTF-8"),
    ] {
        let dir = house("", &[]);
        std::fs::write(dir.path().join("pw"), bytes).expect("written");
        let output = provtaskd(dir.path(), &["check"]);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(78), "{what}: {text}");
        assert!(
            text.contains("provtaskd.toml:4: server.password_file: ") && text.contains(what),
            "{text}"
        );
        assert!(!text.contains("secret"), "{text}");
    }
}

#[test]
fn certificates_that_are_none_are_found() {
    let keys = "ca_file = \"ca\"\nclient_cert = \"cert\"\nclient_key = \"key\"";
    for (text, named) in [
        (
            "no PEM",
            ["server.ca_file", "server.client_cert", "server.client_key"].as_slice(),
        ),
        (NO_CERT, &["server.ca_file", "server.client_key"]),
    ] {
        let dir = house("", &[("ca", text), ("cert", text), ("key", text)]);
        let file = dir.path().join("provtaskd.toml");
        let config = std::fs::read_to_string(&file).expect("read");
        let config = config.replacen("[store]", &format!("{keys}\n[store]"), 1);
        std::fs::write(&file, config).expect("written");
        let output = provtaskd(dir.path(), &["check"]);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(78), "{text}");
        for key in named {
            assert!(text.contains(&format!("{key}: ")), "{key}: {text}");
        }
    }
}

#[test]
fn a_mode_for_a_policy_that_does_not_exist_is_said_with_the_right_name() {
    // no port: another daemon on this machine may have the usual one
    let dir = house(
        "[mode.policies]\n\"30-retry\" = \"off\"\n\"40-escalate.rhai\" = \"off\"\n\"xyz\" = \"off\"\n[admin]\nlisten = \"off\"\n",
        &[],
    );
    let output = provtaskd(dir.path(), &["check"]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("good (2 warnings)"), "{text}");
    assert!(
        text.contains("provtaskd.toml:8: mode.policies.30-retry: ")
            && text.contains("did you mean \"30-retry.rhai\"?"),
        "{text}"
    );
    assert!(
        text.contains("provtaskd.toml:10: mode.policies.xyz: ")
            && text.contains("one of: 10-manual.rhai"),
        "{text}"
    );
    // and at start, where nobody ran a check
    let text = said(&provtaskd(dir.path(), &["run", "--once"]));
    assert!(text.contains("did you mean \"30-retry.rhai\"?"), "{text}");
}

#[test]
fn a_bad_value_hides_no_other_finding() {
    let dir = house(
        "[schedule]\nevery = 5\n[governor]\nmax_attempts = 0\n[absence]\nfeed = \"gone.csv\"\n[log]\nlevel = \"loud\"\n[policy]\ndir = \"nowhere\"\n",
        &[],
    );
    let output = provtaskd(dir.path(), &["check"]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(78), "{text}");
    for part in [
        "schedule.every: ",
        "governor.max_attempts: ",
        "absence.feed: ",
        "log.level: ",
        "policy.dir: ",
    ] {
        assert!(text.contains(part), "`{part}` is missing:\n{text}");
    }
}

#[test]
fn a_policy_that_is_no_text_hides_no_other_that_is_broken() {
    let broken = "fn decide(task, facts) {\n  retry(\n}\n";
    let dir = house(
        "[policy]\ndir = \"own\"\n",
        &[
            ("own/20-b.rhai", broken),
            ("own/20-b.test.toml", "case = \"none\"\n"),
            ("own/30-c.rhai", POLICY),
        ],
    );
    std::fs::write(dir.path().join("own/10-a.rhai"), b"// \xff\n").expect("written");
    std::fs::write(dir.path().join("own/30-c.test.toml"), b"# \xff\n").expect("written");
    for args in [["check"].as_slice(), &["policy", "test"]] {
        let output = provtaskd(dir.path(), args);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(78), "{args:?}: {text}");
        for part in ["own/10-a.rhai", "own/20-b.rhai:3:", "own/30-c.test.toml"] {
            assert!(
                text.contains(part),
                "{args:?}: `{part}` is missing:\n{text}"
            );
        }
    }
}
