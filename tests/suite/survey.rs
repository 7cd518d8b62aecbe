//! `survey` as a whole process against the simulator: its numbers are the world's, it writes nothing, and a kill costs no reading twice.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use serde_json::Value;

use crate::config::{between, same_as_file};
use crate::survey_house::{
    EVERYBODY, House, PATIENCE, WORLD, agrees, counted, kind, leavers, listed, owner_state, status,
    sums, text,
};
use crate::survey_html::well_formed;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_numbers_are_those_of_the_world_and_nothing_is_written() {
    let house = House::of(&format!("{WORLD}{EVERYBODY}")).await;
    let report = house.report(&[]);
    let tasks = house.open(|_| true);
    assert_eq!(tasks.len(), 30 * 2 + 12 + 9 * 3 + 4 + 5 + 3 + 2 + 2);
    agrees(&house, &report, &tasks);
    house.nothing_was_written();

    // whose owner can't act
    let stuck: BTreeMap<String, u64> = report["stuck"]
        .as_array()
        .expect("owners")
        .iter()
        .map(|owner| {
            (
                text(&owner["owner"]),
                owner["tasks"].as_u64().expect("a count"),
            )
        })
        .collect();
    let expected = [("user:FGRANT", 5), ("user:DDEEP", 3), ("user:JLATE", 2)];
    assert_eq!(
        stuck,
        expected.map(|(owner, n)| (owner.to_owned(), n)).into()
    );

    // stale grants are refused by the guards, by a name, and whatever is older than the age limit as well
    let refused = |verdict: &str| -> BTreeSet<String> {
        let rows = report["outlook"].as_array().expect("rows").iter();
        rows.filter(|row| row["verdict"] == verdict)
            .filter_map(|row| row["refused"].as_str().map(str::to_owned))
            .collect()
    };
    let named = refused("retry");
    assert!(named.contains("too_old"), "{named:?}");
    let stale = report["stale_grants"]["tasks"].as_array().expect("tasks");
    assert_eq!(stale.len(), 9);
    for task in stale {
        assert!(
            task["refused"].is_string() || task["verdict"] != "retry",
            "{task}"
        );
    }
    // what waits for its release anyway is not read for it: that is no reason to mend anything
    let open = report["open_access"]["tasks"].as_array().expect("tasks");
    let held = [open, stale].into_iter().flatten();
    let held: BTreeSet<&str> = held.filter_map(|task| task["refused"].as_str()).collect();
    assert!(held.contains("too_old, not_looked_at"), "{held:?}");
    assert!(!held.iter().any(|of| of.contains("unknown")), "{held:?}");
    // what is new and may go is shown as such: nothing was left unread
    let goes = report["outlook"].as_array().expect("rows").iter();
    let goes: u64 = goes
        .filter(|row| row["verdict"] == "retry" && row["refused"].is_null())
        .map(|row| row["tasks"].as_u64().expect("a count"))
        .sum();
    assert!(goes >= 30, "{:#}", report["outlook"]);
    assert_eq!(report["reads"]["limited"], false);
    // one cause is one row, whoever it is about
    let reasons = report["reasons"].as_array().expect("reasons");
    assert!(reasons.len() <= 12, "{reasons:#?}");
    for reason in reasons {
        let masked = text(&reason["masked"]);
        assert!(!masked.chars().any(char::is_numeric), "{masked}");
    }
    // nothing about people is left beside
    let left: Vec<_> = fs::read_dir(house.dir.path()).expect("read").collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

/// The scenario of the README and of docs/first-day.md has something in every chapter.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shipped_first_day_shows_every_chapter() {
    let house = House::of(include_str!("../../examples/scenarios/first-day.toml")).await;
    let report = house.report(&["--no-names"]);
    let tasks = house.open(|_| true);
    assert_eq!(report["tasks"], u64::try_from(tasks.len()).expect("few"));
    assert_eq!(
        sums(&report, "target"),
        counted(&tasks, |t| text(&t["target"]))
    );
    let open = report["open_access"]["tasks"].as_array().expect("tasks");
    assert_eq!(open.len(), 14 * 3 + 5 + 1);
    assert!(open.iter().any(|task| task["since_by"] == "leave date"));
    assert_eq!(report["stale_grants"]["people"], 22);
    let stuck = report["stuck"].as_array().expect("owners");
    assert!(
        stuck
            .iter()
            .any(|owner| owner["to_hand_over"].as_u64() > Some(0))
    );
    let whole = report.to_string();
    for name in ["LVR0", "QUITTER", "EFISCHER", "AHOLM"] {
        assert!(!whole.contains(name), "{name} although --no-names");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_word_their_answers_otherwise_are_counted_the_same() {
    let traits = [
        "numeric_ids = true\ndates = \"no_zone\"",
        "status_words = true\ndates = \"day\"",
        "map_fields = true\nlegacy = true",
        "localised = true\ndates = \"offset\"\nnew_process_key = true",
        "show_child = true\ndates = \"millis\"\nprocess_hides_finished = true",
        // words in lower case, no process keys, and much of it at once
        "lower_words = true\nstatus_words = true",
        "no_process_key = true",
        "list_order = \"newest\"\nnumeric_ids = true\nlegacy = true\nmap_fields = true\nlower_words = true\nno_process_key = true\ndates = \"no_zone\"",
    ];
    for words in traits {
        let house = House::of(&format!("{WORLD}{EVERYBODY}[traits]\n{words}\n")).await;
        let report = house.report(&[]);
        let tasks = house.open(|_| true);
        let people = house.status_of();
        assert_eq!(
            sums(&report, "target"),
            counted(&tasks, |t| text(&t["target"])),
            "{words}"
        );
        assert_eq!(sums(&report, "kind"), counted(&tasks, kind), "{words}");
        assert_eq!(sums(&report, "status"), counted(&tasks, status), "{words}");
        assert_eq!(
            sums(&report, "owner_state"),
            counted(&tasks, |task| owner_state(task, &people)),
            "{words}"
        );
        let ids = |list: Vec<(String, String)>| -> BTreeSet<String> {
            list.into_iter().map(|(_, id)| id).collect()
        };
        assert_eq!(
            ids(listed(&report, "open_access")),
            ids(leavers(&tasks, &people, &["revoke", "disable"])),
            "{words}"
        );
        house.nothing_was_written();
    }
}

/// A further login of a world.
const SECOND: &str = "[[login]]\nlogin = \"SECOND\"\npassword = \"second-password-1\"\nroles = [\"PROV OPERATORS\"]\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_sees_a_third_counts_that_third_and_says_so_in_every_format() {
    let third = WORLD
        .replace("roles = [\"PROV OPERATORS\"]", "roles = [\"SERVICE DESK\"]")
        .replace(
            "prefix = \"LVR\"",
            "prefix = \"LVR\"\nowner = [\"role:SERVICE DESK\"]",
        )
        .replacen("[[role]]", &format!("{SECOND}[[role]]"), 1);
    let tables = "[[login]]\nlogin = \"SECOND\"\npassword_file = \"second\"\n";
    let house = House::with(&third, "", tables).await;
    house.secret("second", "second-password-1");
    let formats = ["r.html", "r.md", "r.json", "r.csv", "r.txt"];
    let mut args = vec!["survey"];
    for file in formats {
        args.extend(["--out", file]);
    }
    house.done(&args);
    // its role's tasks, and nobody else's
    let tasks = house.open(|task| task["owner"] == "role:SERVICE DESK");
    assert_eq!((tasks.len(), house.open(|_| true).len()), (39, 115));
    let read = |file: &str| fs::read_to_string(house.dir.path().join(file)).expect(file);
    let report: Value = serde_json::from_str(&read("r.json")).expect("JSON");
    agrees(&house, &report, &tasks);
    // nobody looks at a terminal: as wide as a file
    assert_eq!(house.done(&["survey", "--from", "r.json"]), read("r.txt"));
    let scope = &report["scope"];
    assert_eq!(scope["by_others"], 0);
    assert_eq!(scope["by_roles"], u64::try_from(tasks.len()).expect("few"));
    for file in formats {
        let text = read(file).split_whitespace().collect::<Vec<_>>().join(" ");
        for words in [
            "visible to this login is not existing",
            "this login's own queue only",
        ] {
            let escaped = words.replace('\'', "&#39;");
            assert!(
                text.contains(words) || text.contains(&escaped),
                "{file}: {words}"
            );
        }
        let mode = fs::metadata(house.dir.path().join(file))
            .expect("there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    for line in read("r.txt").lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    well_formed(&read("r.html"));
    // the saved report gives the other formats again, without a server
    let asked = house.requests(0).len();
    let again = house.done(&["survey", "--from", "r.json", "--format", "html"]);
    assert_eq!(again, read("r.html"));
    assert_eq!(house.requests(0).len(), asked);
    // a further login sees what its own role has, and is asked alone
    let report = house.report(&["--login", "second", "--no-resume"]);
    let tasks = house.open(|task| task["owner"] == "role:PROV OPERATORS");
    assert!(tasks.len() > 20, "{}", tasks.len());
    agrees(&house, &report, &tasks);
    let by_main = |row: &Value| row["login"] == "PROVSVC";
    assert!(!house.requests(asked).iter().any(by_main));
    for command in ["survey", "probe"] {
        let unknown = house.cli(&[command, "--login", "THIRD"]);
        let said = String::from_utf8_lossy(&unknown.stderr).into_owned();
        assert_eq!(unknown.status.code(), Some(64), "{said}");
        assert!(
            said.contains("the configuration has PROVSVC, SECOND"),
            "{said}"
        );
    }
    // so it is probed: its own list
    let probed = house.done(&[
        "probe",
        "--login",
        "SECOND",
        "--no-save",
        "--format",
        "json",
    ]);
    let probed: Value = serde_json::from_str(&probed).expect("JSON");
    assert_eq!(probed["login"], "SECOND");
    let all = u64::try_from(tasks.len()).expect("few");
    assert_eq!(probed["scope"]["own_roles"], all, "{:#}", probed["scope"]);
    assert!(!house.requests(asked).iter().any(by_main));
    house.nothing_was_written();
    // a refused one is named, with the file to mend
    house.secret("second", "not-it");
    let refused = house.cli(&["survey", "--login", "SECOND", "--no-resume"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(77), "{said}");
    let line = said.lines().find(|line| line.starts_with("error: "));
    let line = line.expect("one");
    assert!(line.contains("login SECOND is stopped"), "{line}");
    assert!(line.contains("/second"), "{line}");
}

/// Open tasks that the list leaves out are met in accounts that are read for another reason.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_that_only_an_account_shows_are_counted_as_not_visible() {
    let world = r#"
name = "mixed"
seed = 3
[[role]]
name = "SERVICE DESK"
members = []
[[target]]
name = "AD"
[[population]]
target = "AD"
accounts = 6
prefix = "EMP"
task = [{ task = "Add User to Group", failure = "network", age = "2h" }, { task = "Title Updated", failure = "data", age = "1h", owner = "role:SERVICE DESK" }]
"#;
    let house = House::of(world).await;
    let report = house.report(&[]);
    assert_eq!(report["tasks"], 6);
    assert_eq!(house.open(|_| true).len(), 12);
    let hidden: u64 = report["scope"]["hidden"]
        .as_array()
        .expect("owners")
        .iter()
        .map(|pair| pair[1].as_u64().expect("a count"))
        .sum();
    assert_eq!(hidden, 6, "{:#}", report["scope"]);
    let statement = text(&report["scope"]["statement"]);
    assert!(
        statement.contains("At least 6 more open tasks exist"),
        "{statement}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_tokens_only_the_token_service_is_written_to() {
    let house = House::with(&format!("{WORLD}{EVERYBODY}"), "auth = \"bearer\"", "").await;
    let report = house.report(&[]);
    agrees(&house, &report, &house.open(|_| true));
    let posts: Vec<Value> = house
        .requests(0)
        .into_iter()
        .filter(|request| request["method"] != "GET")
        .collect();
    assert_eq!(posts.len(), 1, "{posts:?}");
    house.nothing_was_written();
}

fn key_of(request: &Value) -> String {
    format!("{}?{}", text(&request["path"]), text(&request["query"]))
}

fn is_list(request: &Value) -> bool {
    text(&request["path"]).ends_with("/provtasks")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_kill_only_what_is_missing_is_asked_for() {
    // the survey is killed while it waits for one account
    let fault = "[[fault]]\ndo = \"hang\"\non = \"read\"\nfrom_request = 30\nlimit = 1\n";
    let house = House::of(&format!("{WORLD}{EVERYBODY}{fault}")).await;
    let mut child = house
        .command(&["survey", "--out", "r.json"])
        .stderr(Stdio::null())
        .spawn()
        .expect("started");
    let began = Instant::now();
    let hangs = |request: &Value| text(&request["fault"]).contains("Hang");
    while !house.requests(0).iter().any(hangs) {
        assert!(began.elapsed() < PATIENCE, "{:#?}", house.requests(0).len());
        assert!(
            child.try_wait().expect("its child").is_none(),
            "it has ended"
        );
        tokio::task::yield_now().await;
    }
    child.kill().expect("killed");
    child.wait().expect("reaped");
    let first: Vec<Value> = house.requests(0);
    let answered: BTreeSet<String> = first
        .iter()
        .filter(|request| !is_list(request) && !hangs(request))
        .map(key_of)
        .collect();
    assert!(answered.len() >= 10, "{answered:?}");
    let readings = house.dir.path().join("provtaskd-survey.readings");
    let mode = fs::metadata(&readings).expect("kept").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    house.done(&["survey", "--out", "r.json"]);
    let second = house.requests(first.len());
    assert!(second.iter().any(is_list), "the list is read anew");
    let again: Vec<String> = second
        .iter()
        .filter(|request| !is_list(request))
        .map(key_of)
        .filter(|key| answered.contains(key))
        .collect();
    assert!(again.is_empty(), "asked again: {again:?}");
    assert!(!readings.exists(), "nothing about people is left beside");
    let report: Value = serde_json::from_str(
        &fs::read_to_string(house.dir.path().join("r.json")).expect("written"),
    )
    .expect("JSON");
    agrees(&house, &report, &house.open(|_| true));
    assert!(report["reads"]["taken_over"].as_u64() > Some(0));

    // without the kept readings all is asked once more
    let before = house.requests(0).len();
    house.done(&["survey", "--no-resume", "--out", "r.json"]);
    let third: BTreeSet<String> = house.requests(before).iter().map(key_of).collect();
    assert!(
        answered.is_subset(&third),
        "the check sees what is asked again"
    );
    // and what was taken over is counted with what was read; which accounts beside the needed ones are asked what they
    // show goes by turns
    let whole: Value = serde_json::from_str(
        &fs::read_to_string(house.dir.path().join("r.json")).expect("written"),
    )
    .expect("JSON");
    let accounts = |keys: &BTreeSet<String>| {
        let paths = keys.iter().filter(|key| key.contains("/provprocesses/"));
        paths.count() as u64
    };
    let both = house.requests(0)[..before].iter().map(key_of).collect();
    for (report, asked) in [(&report, &both), (&whole, &third)] {
        for what in ["accounts", "accounts_read"] {
            assert_eq!(report["reads"][what], accounts(asked), "{what}");
        }
    }
    for what in ["people", "people_read"] {
        assert_eq!(report["reads"][what], whole["reads"][what], "{what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_of_requests_is_kept_and_what_was_not_read_is_called_so() {
    let house = House::of(&format!("{WORLD}{EVERYBODY}")).await;
    let report = house.report(&["--max-reads", "3"]);
    let asked = house.requests(0);
    let beside = asked.iter().filter(|request| !is_list(request)).count();
    assert!(beside <= 3, "{beside}");
    assert_eq!(report["reads"]["limited"], true);
    assert_eq!(
        report["tasks"],
        u64::try_from(house.open(|_| true).len()).expect("few")
    );
    let outlook = report["outlook"].as_array().expect("rows").iter();
    let held: BTreeSet<&str> = outlook.filter_map(|row| row["refused"].as_str()).collect();
    assert!(held.contains("not_looked_at"), "{held:?}");
    assert!(!held.contains("account_unknown"), "{held:?}");
    // whose access is to be taken is read first
    assert!(!listed(&report, "open_access").is_empty());
    // and the next run goes on from there
    let mut rounds = 0;
    loop {
        let before = house.requests(0).len();
        let report = house.report(&["--max-reads", "40"]);
        let beside = house
            .requests(before)
            .into_iter()
            .filter(|r| !is_list(r))
            .count();
        assert!(beside <= 40, "{beside}");
        rounds += 1;
        assert!(rounds < 10, "it comes to an end");
        if report["reads"]["limited"] == false {
            agrees(&house, &report, &house.open(|_| true));
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_password_is_not_tried_again_until_it_changes() {
    let house = House::of(&format!("{WORLD}{EVERYBODY}")).await;
    house.password("not-the-password");
    let output = house.cli(&["survey"]);
    assert_eq!(output.status.code(), Some(77), "{output:?}");
    let tried = house.requests(0).len();
    assert!(tried <= 2, "{tried}");
    let output = house.cli(&["survey"]);
    assert_eq!(output.status.code(), Some(77), "{output:?}");
    assert_eq!(house.requests(0).len(), tried, "it was tried again");
    // one place holds the stop, and a person's word ends it there
    house.done(&["login", "clear"]);
    let output = house.cli(&["survey"]);
    assert_eq!(output.status.code(), Some(77), "{output:?}");
    assert_eq!(house.requests(0).len(), tried + 1, "once more");
    let left = house.dir.path().join("provtaskd-survey.readings");
    let left = fs::read_to_string(left).unwrap_or_default();
    assert!(!left.contains("stopped"), "{left}");
    // `plan` asks the same place
    let output = house.cli(&["plan"]);
    assert_eq!(output.status.code(), Some(77), "{output:?}");
    assert_eq!(house.requests(0).len(), tried + 1, "it was tried again");
    house.password("sim-password-1");
    house.report(&[]);
    let stop = house.dir.path().join("store/traits.json.login");
    assert!(!stop.exists(), "a login that works keeps no stop");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_works_while_a_daemon_holds_the_store() {
    let house = House::of(&format!("{WORLD}{EVERYBODY}")).await;
    let mut daemon = house
        .command(&["run"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("started");
    let began = Instant::now();
    while !house.dir.path().join("store/control.sock").exists() {
        assert!(began.elapsed() < PATIENCE, "the daemon does not listen");
        tokio::task::yield_now().await;
    }
    let output = house.cli(&["survey", "--format", "csv"]);
    daemon.kill().expect("killed");
    daemon.wait().expect("reaped");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn texts_of_a_hostile_server_stay_texts() {
    let world = r#"
name = "hostile"
seed = 9
[[target]]
name = "=cmd|' /C calc'!A0"
connector = "ldap"
[[user]]
login = "LEAVER"
status = "Disabled"
[[definition]]
target = "=cmd|' /C calc'!A0"
name = """Disable <script>alert('x')</script> "User" & more"""
kind = "disable"
[[task]]
target = "=cmd|' /C calc'!A0"
user = "LEAVER"
task = """Disable <script>alert('x')</script> "User" & more"""
failure = "network"
[[task]]
target = "=cmd|' /C calc'!A0"
user = "LEAVER"
task = "Create User"
failure = "network"
"#;
    let kinds = "[policy]\nkinds = { \"*/Disable*\" = \"disable\" }\n";
    let house = House::with(world, "", kinds).await;
    house.done(&[
        "survey", "--out", "r.html", "--out", "r.csv", "--out", "r.md", "--out", "r.txt",
    ]);
    let read = |file: &str| fs::read_to_string(house.dir.path().join(file)).expect(file);
    let html = read("r.html");
    well_formed(&html);
    assert!(!html.contains("<script"), "{html}");
    assert!(html.contains("&lt;script&gt;"));
    assert!(!read("r.md").contains("<script"));
    for line in read("r.csv").lines().skip(1) {
        let cell = line.trim_start_matches('"');
        assert!(!cell.starts_with(['=', '+', '-', '@']), "{line}");
    }
    assert!(read("r.csv").contains("\"'=cmd|' /C calc'!A0\""));
}

#[test]
fn the_check_of_forms_notices_what_is_wrong() {
    for wrong in [
        "<!DOCTYPE html>\n<html><body><p>x</body></html>",
        "<!DOCTYPE html>\n<html><p class=x>x</p></html>",
        "<!DOCTYPE html>\n<html><p>a & b</p></html>",
        "<!DOCTYPE html>\n<html><p>x</p>",
        "<!DOCTYPE html>\n<html><img src=\"http://x\"/></html>",
        "<!DOCTYPE html>\n<html><script>1</script></html>",
    ] {
        let caught = std::panic::catch_unwind(|| well_formed(wrong));
        assert!(caught.is_err(), "{wrong}");
    }
    well_formed(
        "<!DOCTYPE html>\n<html lang=\"en\"><style>a{b:c}</style><p title=\"&lt;\">x &amp; y</p></html>",
    );
}

/// What docs/first-day.md shows is what the program prints.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_manual_shows_the_first_day_as_it_is() {
    let house = House::of(include_str!("../../examples/scenarios/first-day.toml")).await;
    let printed = {
        house.done(&["survey", "--out", "survey.txt"]);
        fs::read_to_string(house.dir.path().join("survey.txt")).expect("written")
    };
    let origin = house.sim.origin();
    let printed = printed.replace(&origin, "http://127.0.0.1:14000");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/first-day.md");
    let made = between(&path, "survey", &format!("```\n{printed}```\n"));
    same_as_file(&path, &made);
}

/// a server whose pages are not stable, one of the trait sets that the issue names: the numbers are those of
/// the world, or the report says that a third of it is missing, and not "a few".
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_unstable_pages_is_counted_as_it_is() {
    let world = format!("{WORLD}{EVERYBODY}[traits]\nlist_order = \"moving\"\n");
    let house = House::with(&world, "page_size = 40", "").await;
    let report = house.report(&[]);
    let tasks = house.open(|_| true);
    let said = report["scope"]["statement"].to_string();
    assert_eq!(
        sums(&report, "target"),
        counted(&tasks, |t| text(&t["target"])),
        "{} of {} tasks; {said}",
        report["tasks"],
        tasks.len()
    );
}
