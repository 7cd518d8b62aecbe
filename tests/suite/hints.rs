//! What a failed command says, through the real binary: where it is wrong, and what to do next that fits the cause.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

const CONFIG: &str = "[server]\norigin = \"http://127.9.9.9:9\"\nlogin = \"ME\"\npassword_file = \"pw\"\n[store]\ndir = \"store\"\n[admin]\nlisten = \"off\"\n";

fn house(config: impl AsRef<[u8]>) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    fs::write(dir.path().join("provtaskd.toml"), config).expect("written");
    let password = dir.path().join("pw");
    fs::write(&password, "correct-horse-1\n").expect("written");
    fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).expect("mode");
    dir
}

fn provtaskd(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_provtaskd"));
    command.args(args).current_dir(dir).env_clear();
    command.output().expect("the binary runs")
}

/// The same by a shell that lets no file grow.
fn without_room(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new("sh");
    let limit = "trap \"\" XFSZ; ulimit -f 0; exec \"$0\" \"$@\"";
    command
        .args(["-c", limit, env!("CARGO_BIN_EXE_provtaskd")])
        .args(args)
        .current_dir(dir);
    command.output().expect("the shell runs")
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_configuration_that_is_not_utf_8_is_named_with_file_and_line() {
    let config = CONFIG.replace("\"ME\"", "\"M\u{e9}\"");
    let latin: Vec<u8> = config
        .chars()
        .map(|c| u8::try_from(u32::from(c)).expect("Latin-1"))
        .collect();
    let dir = house(latin);
    for command in [["check"].as_slice(), &["run"], &["probe"]] {
        let output = provtaskd(dir.path(), command);
        let said = err(&output);
        assert_eq!(output.status.code(), Some(78), "{said}");
        for words in [
            "provtaskd.toml:3: server.login",
            "0xe9",
            "UTF-8",
            "save the file as UTF-8",
        ] {
            assert!(said.contains(words), "{command:?}: {words}: {said}");
        }
    }
}

#[test]
fn a_standard_output_that_takes_nothing_has_a_hint() {
    let dir = house(CONFIG);
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .expect("there");
    let output = Command::new(env!("CARGO_BIN_EXE_provtaskd"))
        .arg("check")
        .current_dir(dir.path())
        .env_clear()
        .stdout(full)
        .output()
        .expect("the binary runs");
    let said = err(&output);
    assert_eq!(output.status.code(), Some(74), "{said}");
    assert!(said.contains("hint: make room on that disk"), "{said}");
}

#[test]
fn a_disk_without_room_is_not_taken_for_a_want_of_rights() {
    let dir = tempfile::tempdir().expect("a directory");
    fs::write(dir.path().join("from"), "correct-horse-1\n").expect("written");
    let init = [
        "init",
        "--yes",
        "--offline",
        "--origin",
        "https://oig.example.com:14001",
        "--login",
        "ME",
        "--password-from",
        "from",
    ];
    let output = without_room(dir.path(), &init);
    let said = err(&output);
    assert_eq!(output.status.code(), Some(74), "{said}");
    assert!(
        said.contains("hint: raise this process's limit on the size of files"),
        "{said}"
    );
    assert!(!said.contains("as a user who may write there"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probe_that_finds_no_room_for_its_traits_says_so() {
    let house = crate::survey_house::House::of(crate::survey_house::WORLD).await;
    let output = without_room(house.dir.path(), &["probe"]);
    let said = err(&output);
    assert_eq!(output.status.code(), Some(74), "{said}");
    assert!(
        said.contains("hint: make room there, then probe again"),
        "{said}"
    );
}

#[test]
fn policies_that_are_broken_at_start_are_named_with_their_directory() {
    let dir = house(format!("{CONFIG}[policy]\ndir = \"mine\"\n"));
    let mine = dir.path().join("mine");
    fs::create_dir(&mine).expect("made");
    fs::write(
        mine.join("10-x.rhai"),
        "fn decide(task, facts) {\n  retry(\n}\n",
    )
    .expect("written");
    let output = provtaskd(dir.path(), &["run"]);
    let said = err(&output);
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(
        said.contains(&format!("they are in {}", mine.display())),
        "{said}"
    );
    assert!(
        said.contains(&format!("mend what is named in {}", mine.display())),
        "{said}"
    );
}

#[test]
fn a_command_that_is_told_to_be_run_names_the_configuration_that_was_named() {
    let dir = house(CONFIG);
    let other = dir.path().join("other.toml");
    fs::rename(dir.path().join("provtaskd.toml"), &other).expect("moved");
    let named = other.to_str().expect("text");
    let output = provtaskd(dir.path(), &["-c", named, "reload"]);
    let said = err(&output);
    assert_eq!(output.status.code(), Some(69), "{said}");
    assert!(
        said.contains(&format!("`provtaskd -c {named} run`")),
        "{said}"
    );
    fs::write(&other, CONFIG.replace("login = ", "logn = ")).expect("written");
    let output = provtaskd(dir.path(), &["check", "-c", named]);
    let said = err(&output);
    assert!(
        said.contains(&format!("then run `provtaskd -c {named} check`")),
        "{said}"
    );
}

/// OIG's filters know no escape for some words; blanks and other signs are good.
#[test]
fn a_person_who_can_never_be_asked_for_is_named_by_check() {
    let dir = house(format!("{CONFIG}[intake]\npersons_file = \"persons\"\n"));
    let persons = dir.path().join("persons");
    fs::write(&persons, "ANNA\nO'NEIL\nbad login!\nBEN OR CARL\n").expect("written");
    fs::set_permissions(&persons, fs::Permissions::from_mode(0o644)).expect("mode");
    let output = provtaskd(dir.path(), &["check"]);
    let said = err(&output);
    assert_eq!(output.status.code(), Some(78), "{said}");
    for words in [
        "persons:2: ",
        "it holds a quote",
        "persons:4: ",
        "AND or OR",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(!said.contains("persons:3: "), "{said}");
}

#[test]
fn a_help_that_can_not_be_written_and_an_export_to_nobody_are_failures() {
    let dir = house(CONFIG);
    let shell = |line: &str| {
        let output = Command::new("sh")
            .args(["-c", line, env!("CARGO_BIN_EXE_provtaskd")])
            .current_dir(dir.path())
            .output()
            .expect("the shell runs");
        (output.status.code(), err(&output))
    };
    for line in ["\"$0\" --help >/dev/full", "\"$0\" --version >/dev/full"] {
        let (code, said) = shell(line);
        assert_eq!(code, Some(74), "{line}: {said}");
        assert!(said.contains("hint: make room on that disk"), "{said}");
    }
    for command in [
        "audit export --from 2027-03-01 --to 2027-03-02",
        "outcomes export",
    ] {
        let (code, said) = shell(&format!("\"$0\" {command} >&-"));
        assert_eq!(code, Some(74), "{command}: {said}");
        assert!(said.contains("standard output is closed"), "{said}");
    }
    assert_eq!(shell("\"$0\" --help | head -1").0, Some(0));
    let (code, said) = shell("\"$0\" outcomes export >/dev/null");
    assert_eq!(code, Some(0), "somebody wants it so: {said}");
}

#[test]
fn what_can_not_be_counted_or_is_no_name_is_refused_in_words() {
    let dir = house(CONFIG);
    for args in [
        &[
            "audit",
            "export",
            "--from",
            "9999-12-31",
            "--to",
            "9999-12-31",
        ][..],
        &[
            "report",
            "daily",
            "--from",
            "9999-12-31",
            "--to",
            "9999-12-31",
        ],
        &["explain", "1", "--at", "9999-12-31T23:59:59Z"],
    ] {
        let output = provtaskd(dir.path(), args);
        let said = err(&output);
        assert_eq!(output.status.code(), Some(64), "{said}");
        assert!(said.contains("no time that can be counted"), "{said}");
    }
    for name in ["A\nB", "A\u{1b}[31mB"] {
        let args = ["pause", "--why", "x", "--unseen", "--target", name];
        let output = provtaskd(dir.path(), &args);
        let said = err(&output);
        assert_eq!(output.status.code(), Some(65), "{said}");
        assert!(said.contains("a control character"), "{said}");
        assert!(!said.contains('\u{1b}'), "{said:?}");
    }
    for (table, number, key) in [
        (
            "intake",
            "max_waiting = 99999999999999999999",
            "intake.max_waiting",
        ),
        (
            "governor",
            "max_attempts = 9223372036854775808",
            "governor.max_attempts",
        ),
        (
            "governor",
            "max_attempts = -99999999999999999999",
            "governor.max_attempts",
        ),
    ] {
        let dir = house(format!("{CONFIG}[{table}]\n{number}\n"));
        let output = provtaskd(dir.path(), &["check"]);
        let said = err(&output);
        assert_eq!(output.status.code(), Some(78), "{said}");
        let place = format!("provtaskd.toml:10: {key}: the number is beyond");
        assert!(said.contains(&place), "{number}: {said}");
    }
}

#[test]
fn a_key_that_was_appended_below_the_last_table_is_told_where_it_belongs() {
    let dir = house(format!("{CONFIG}mode.global = \"enforce\"\n"));
    let said = err(&provtaskd(dir.path(), &["check"]));
    for words in [
        "provtaskd.toml:9: admin.mode",
        "it stands below [admin]",
        "before the first table",
        "[mode]",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
}

#[test]
fn a_journal_that_is_no_directory_is_named_by_all_who_open_the_store() {
    let dir = house(CONFIG);
    let store = dir.path().join("store");
    fs::create_dir(&store).expect("made");
    fs::set_permissions(&store, fs::Permissions::from_mode(0o700)).expect("mode");
    fs::write(store.join("journal"), "garbage").expect("written");
    for (args, code) in [
        (&["check"][..], 78),
        (&["status"], 73),
        (&["run", "--once"], 73),
        (&["store", "check"], 73),
        (&["store", "backup", "b"], 73),
        (&["audit", "verify"], 73),
    ] {
        let output = provtaskd(dir.path(), args);
        let said = err(&output);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(
            said.contains("store/journal") && said.contains("it is not a directory"),
            "{args:?}: {said}"
        );
    }
    assert_eq!(
        fs::read_to_string(store.join("journal")).expect("there"),
        "garbage"
    );
}
