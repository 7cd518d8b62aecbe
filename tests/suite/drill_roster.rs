//! Drills of the forms that an absence file comes in: what was not understood is never taken for "nobody is away".

use std::collections::BTreeMap;

use provtaskd::absence::roster::{Presence, parse, presence};
use provtaskd::model::Login;
use provtaskd::model::facts::{Person, UserStatus};
use serde_json::Value;

use crate::drill::{Drill, Setup};

/// Manual work of a target that nothing else is known of.
pub const POLICY: &str = "[policy]\nkinds = { \"*/Manual Grant\" = \"grant\" }";

/// LEFT is gone, his proxy AWAY is active in OIG and on leave by the file.
pub const PEOPLE: &str = r#"
name = "roster"
seed = 31
[server]
list_scope = "everybody"
[[user]]
login = "LEFT"
status = "Disabled"
[[user]]
login = "AWAY"
[[user]]
login = "OTHER"
[[proxy]]
user = "LEFT"
proxy = "AWAY"
start = "-5d"
end = "30d"
[[target]]
name = "DESK"
connector = "ticket"
[[population]]
target = "DESK"
accounts = 6
prefix = "EMP"
owner = ["user:LEFT"]
task = [{ task = "Manual Grant" }]
"#;

const GOOD: &str = "login,from,to,stand_in\nAWAY,2027-02-20,2027-03-20,OTHER\n";

/// How many tasks each has, by the truth.
pub fn by_owner(drill: &Drill) -> BTreeMap<String, usize> {
    let mut owners = BTreeMap::new();
    let truth = drill.truth();
    for task in truth["tasks"].as_array().expect("tasks") {
        let owner = task["owner"].as_str().expect("an owner").to_owned();
        *owners.entry(owner).or_default() += 1;
    }
    owners
}

/// What AWAY has been handed, and what is said of the file.
async fn handed_with(file: &[u8]) -> (usize, Value, bool) {
    let mut drill = Setup::of(PEOPLE)
        .config(POLICY)
        .config("[absence]\nfeed = \"leave.csv\"")
        .start()
        .await;
    std::fs::write(drill.dir.path().join("leave.csv"), file).expect("written");
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("6h").await;
    let feed = drill.json(&["status", "--json"])["absence_feed"].clone();
    let in_inbox = drill
        .inbox()
        .iter()
        .any(|item| item["id"] == "absence_feed");
    let away = by_owner(&drill).get("user:AWAY").copied().unwrap_or(0);
    drill.judged_elsewhere();
    (away, feed, in_inbox)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_file_hands_nothing_to_who_is_away() {
    let (away, feed, _) = handed_with(GOOD.as_bytes()).await;
    assert_eq!(away, 0, "{feed:#}");
    assert_eq!(feed["rows"], 1, "{feed:#}");
}

/// As a spreadsheet of an old Mac writes it: the whole file is one header, and "nobody is away".
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_with_carriage_returns_alone_is_not_an_empty_one() {
    let (away, feed, inbox) = handed_with(GOOD.replace('\n', "\r").as_bytes()).await;
    assert_eq!(away, 0, "handed to who is away; inbox: {inbox}; {feed:#}");
    assert_eq!(feed["rows"], 1, "it is read: {feed:#}");
}

/// As a spreadsheet writes CSV in most of Europe.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_with_semicolons_does_not_make_everybody_present() {
    let (away, feed, inbox) = handed_with(GOOD.replace(',', ";").as_bytes()).await;
    assert_eq!(away, 0, "handed to who is away; inbox: {inbox}; {feed:#}");
    assert_eq!(feed["rows"], 1, "it is read: {feed:#}");
}

/// "Unicode text" of a spreadsheet, and what `>` of PowerShell writes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_in_utf_16_does_not_make_everybody_present() {
    let mut bytes = vec![0xff, 0xfe];
    bytes.extend(GOOD.encode_utf16().flat_map(u16::to_le_bytes));
    let (away, feed, inbox) = handed_with(&bytes).await;
    assert_eq!(away, 0, "handed to who is away; inbox: {inbox}; {feed:#}");
    assert!(inbox, "a person is told: {feed:#}");
}

/// Another column comes first: no row names its person where he is looked for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_with_another_first_column_does_not_make_everybody_present() {
    let text = "id,login,from,to,stand_in\n7,AWAY,2027-02-20,2027-03-20,OTHER\n";
    let (away, feed, inbox) = handed_with(text.as_bytes()).await;
    assert_eq!(away, 0, "handed to who is away; inbox: {inbox}; {feed:#}");
    assert!(inbox, "a person is told: {feed:#}");
}

/// Half of a stand-in's name is another person, whom nobody has asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_cut_in_its_last_row_hands_nothing_to_anybody() {
    // cut out of `LEFT,2027-02-20,,AWAYTOO`, and whole but for its line end
    for part in ["LEFT,2027-02-20,,AWAY", "LEFT,2027-02-20,2027-03-20,AWAY"] {
        let file = format!("login,from,to,stand_in\n{part}");
        let (away, feed, inbox) = handed_with(file.as_bytes()).await;
        assert_eq!(away, 0, "handed on by half a row; inbox: {inbox}; {feed:#}");
        assert_eq!(feed["rows"], Value::Null, "{part}: {feed:#}");
        let said = feed["problem"].as_str().unwrap_or_default();
        assert!(
            said.contains("leave.csv:2") && said.contains("put a line end behind it"),
            "{feed:#}"
        );
        assert!(inbox, "a person is told: {feed:#}");
    }
}

fn person(login: &str) -> Person {
    Person {
        key: None,
        login: Login::new(login),
        status: UserStatus::Active,
        manager: None,
    }
}

/// "Compared without regard to case": also outside ASCII.
#[test]
fn an_absence_holds_for_a_login_in_small_letters_with_an_umlaut() {
    let zone = jiff::tz::TimeZone::UTC;
    let parsed = parse("jmüller,2027-01-01,2027-12-31,x\n", "leave.csv", &zone);
    let now = "2027-03-01T00:00:00Z".parse().expect("a time");
    let shown = presence(&person("JMÜLLER"), &parsed.roster, now);
    assert!(!matches!(shown, Presence::Here), "{shown:?}");
}

/// The same file as Latin-1: the name is garbled, and he is not known as present.
#[test]
fn an_absence_in_latin_1_does_not_make_its_person_present() {
    let bytes = b"JM\xdcLLER,2027-01-01,2027-12-31,x\n";
    let text = String::from_utf8_lossy(bytes);
    let parsed = parse(&text, "leave.csv", &jiff::tz::TimeZone::UTC);
    let now = "2027-03-01T00:00:00Z".parse().expect("a time");
    let shown = presence(&person("JMÜLLER"), &parsed.roster, now);
    let said = !parsed.problems.is_empty() && parsed.misread.is_some();
    assert!(said || !matches!(shown, Presence::Here), "{parsed:?}");
}

/// A feed keyed by mail address matches nobody: its people are shown as nobody's, and named where the server is asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_names_people_whom_oig_does_not_know_is_told() {
    let file = GOOD.replace("AWAY,", "away@corp.example,");
    let mut drill = Setup::of(PEOPLE)
        .file("leave.csv", file)
        .config("[absence]\nfeed = \"leave.csv\"")
        .enforcing()
        .await;
    drill.run_for("1h").await;
    let feed = drill.json(&["status", "--json"])["absence_feed"].clone();
    assert_eq!(feed["people"], 1, "{feed:#}");
    assert_eq!(feed["people_seen"], 0, "{feed:#}");
    let status = drill.done(&["status"]);
    let words = status.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("NONE of the 1 whom it names"), "{status}");
    let output = drill.cli(&["check", "--online"]);
    let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("of the first 1 people"), "{said}");
    drill.judged_elsewhere();
}

/// Whom a row names as stand-in and OIG does not show stands in for nobody, and a person is told which row it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stand_in_whom_oig_does_not_show_is_told_by_the_place_of_his_row() {
    let mut drill = Setup::of(PEOPLE)
        .config(POLICY)
        .config("[absence]\nfeed = \"leave.csv\"")
        .file(
            "leave.csv",
            "login,from,to,stand_in\nLEFT,2027-02-20,,NOSUCH\nAWAY,2027-02-20,,OTHER\nLEFT,2027-02-21,,ILL::SINCE\n",
        )
        .start()
        .await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("2h").await;
    let told = |drill: &Drill| -> Vec<String> {
        let items = drill.inbox();
        let of = items.iter().filter(|item| item["id"] == "stand_ins");
        of.map(|item| item["text"].to_string()).collect()
    };
    let items = told(&drill);
    assert_eq!(items.len(), 1, "{:#?}", drill.inbox());
    assert!(
        items[0].contains("leave.csv:2, leave.csv:4:") && !items[0].contains("leave.csv:3"),
        "{items:?}"
    );
    assert!(
        !items[0].contains("NOSUCH"),
        "nothing of the file: {items:?}"
    );
    // for whom OIG can't be asked is told as well, and repeated nowhere
    let checked = drill.cli(&["check"]);
    let checked = String::from_utf8_lossy(&[checked.stdout, checked.stderr].concat()).into_owned();
    assert!(
        checked.contains("leave.csv:4: OIG can't be asked"),
        "{checked}"
    );
    let plan = drill.json(&["plan", "--json"]);
    for item in plan["items"].as_array().expect("items") {
        let id = item["task"].as_str().expect("an id");
        let told = drill.json(&["explain", id, "--json"]).to_string();
        assert!(!told.contains("SINCE"), "{told}");
    }
    let status = drill.json(&["status", "--json"])["doubtful"].to_string();
    assert!(status.contains("leave.csv:2, leave.csv:4:"), "{status}");
    assert_eq!(
        drill.log().matches("stands as stand-in in").count(),
        1,
        "once"
    );
    // mended, nothing is said any more
    drill.write(
        "leave.csv",
        "login,from,to,stand_in\nLEFT,2027-02-20,,OTHER\n",
    );
    drill.run_for("2h").await;
    assert_eq!(told(&drill), Vec::<String>::new());
    drill.judged_elsewhere();
}

/// What stands in the column of stand-ins and is no name may say what ails somebody: it is in nothing that is kept or shown.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reason_in_the_column_of_stand_ins_is_kept_and_shown_nowhere() {
    for reason in ["KRANKdepression", "KRANK seit Mai"] {
        let file = format!("{GOOD}LEFT,2027-02-20,,{reason}\n");
        let mut drill = Setup::of(PEOPLE)
            .config(POLICY)
            .config("[absence]\nfeed = \"leave.csv\"")
            .file("leave.csv", file)
            .start()
            .await;
        drill.release();
        drill.daemon();
        drill.run_for("1m").await;
        drill.approve_backlog();
        drill.run_for("2h").await;
        let task = drill.truth()["tasks"][0]["id"].to_string().replace('"', "");
        let live = drill.done(&["explain", &task]);
        assert!(live.contains("leave.csv:3"), "{live}");
        let inbox = drill.done(&["inbox"]);
        let shown = drill.done(&["outcomes", "show", &task]);
        drill.stop();
        let recorded = drill.done(&["explain", &task]);
        let all = drill.done(&["outcomes", "export"]);
        for text in [&live, &recorded, &inbox, &shown, &all, &drill.log()] {
            assert!(!text.to_lowercase().contains("krank"), "{text}");
        }
        drill.judged_elsewhere();
    }
}

/// A fourth column that no header names: the rows hold, and a reload says what is not read, and no count of bad rows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_says_of_a_file_without_a_header_what_is_not_read() {
    let mut drill = Setup::of(PEOPLE)
        .config(POLICY)
        .config("[absence]\nfeed = \"leave.csv\"")
        .file("leave.csv", "LEFT,2027-02-20,,OTHER\n")
        .start()
        .await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    let output = drill.cli(&["reload"]);
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(
        said.contains("no header calls the fourth column stand_in"),
        "{said}"
    );
    assert!(!said.contains("can't be read: 0"), "{said}");
    // the log says it once, however many cycles read the file
    drill.run_for("3h").await;
    let log = drill.log();
    let warns = |line: &&str| line.contains("WARN") && line.contains("no header calls the fourth");
    assert_eq!(log.lines().filter(warns).count(), 1, "{log}");
    drill.judged_elsewhere();
}
