//! Drills of owners on leave, whole processes: who gets their work, and who never does; judged by the simulator's truth alone.

use std::collections::BTreeMap;

use crate::drill::Setup;
use crate::drill_oracle::Evidence;

/// What the installation says of the manual work.
const POLICY: &str = "[policy]\nkinds = { \"*/Manual Grant\" = \"grant\" }";

/// Open tasks by owner.
fn by_owner(evidence: &Evidence, target: &str) -> BTreeMap<String, usize> {
    let mut owners = BTreeMap::new();
    for task in evidence.latest(target) {
        let owner = task["owner"].as_str().expect("an owner").to_owned();
        *owners.entry(owner).or_default() += 1;
    }
    owners
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_of_people_who_left_goes_to_checked_stand_ins_and_else_to_the_inbox() {
    let mut drill = Setup::shipped("leave").config(POLICY).enforcing().await;
    drill.run_for("30h").await;
    let inbox = drill.inbox();
    let asked: u64 = inbox
        .iter()
        .filter(|item| item["why"] == "asked")
        .filter_map(|item| item["count"].as_u64())
        .sum();
    let evidence = drill.judge().await;
    let owners = by_owner(&evidence, "SERVICEDESK");
    let holds = |owner: &str| owners.get(owner).copied().unwrap_or(0);
    assert_eq!(
        holds("user:AHOLM"),
        10,
        "EFISCHER's, by his proxy: {owners:?}"
    );
    assert_eq!(
        holds("user:EFISCHER"),
        1,
        "the stand-in would be the beneficiary"
    );
    for (owner, why) in [
        ("user:FGRANT", "his proxy has ended"),
        ("user:HJUNG", "his proxies stand in for each other"),
        ("user:KNEUMANN", "his proxy has not begun"),
        ("user:LOTTO", "nobody stands in"),
        ("user:GHAAS", "a standing proxy is no absence"),
    ] {
        assert_eq!(holds(owner), 10, "{why}: {owners:?}");
    }
    assert_eq!(asked, 41, "what nobody can take is asked: {inbox:#?}");
    assert_eq!(
        evidence.sent("reassign").count(),
        10,
        "each was handed over once"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_fulfilment_role_takes_what_no_person_can() {
    let mut drill = Setup::shipped("leave")
        .config(POLICY)
        .config("fulfilment_roles = { \"*\" = \"SERVICE DESK\" }")
        .config("[governor]\ncap_share_percent = 100")
        .enforcing()
        .await;
    drill.run_for("24h").await;
    // LOTTO left after the release, which was for what wanted something at that time
    drill.approve_backlog();
    drill.run_for("6h").await;
    let evidence = drill.judge().await;
    let owners = by_owner(&evidence, "SERVICEDESK");
    let expected = BTreeMap::from([
        ("role:SERVICE DESK".to_owned(), 41),
        ("user:AHOLM".to_owned(), 10),
        ("user:GHAAS".to_owned(), 10),
    ]);
    assert_eq!(owners, expected);
    assert_eq!(evidence.count("owned_by_inactive"), 0);
}

/// People whom OIG calls active, and a file that knows better.
pub const ABSENCES: &str = r#"
name = "absences"
seed = 13
[server]
list_scope = "everybody"
[[user]]
login = "OWNER"
[[user]]
login = "AWAYTOO"
[[user]]
login = "THERE"
[[user]]
login = "SECOND"
[[user]]
login = "GONE"
status = "Disabled"
[[user]]
login = "LATER"
[[role]]
name = "DESK"
members = ["AWAYTOO", "THERE"]
[[role]]
name = "DESERTED"
members = ["AWAYTOO"]
[[proxy]]
user = "SECOND"
proxy = "AWAYTOO"
start = "-5d"
end = "30d"
[[target]]
name = "DESK"
connector = "ticket"
[[population]]
target = "DESK"
accounts = 9
prefix = "EMP"
owner = ["user:OWNER", "user:SECOND", "user:LATER"]
task = [{ task = "Manual Grant" }]
[[task]]
target = "DESK"
user = "THERE"
task = "Manual Grant"
owner = "user:OWNER"
"#;

/// OWNER's stand-in is away himself and has one who is there; SECOND's has left; LATER goes tomorrow.
pub const FEED: &str = "login,from,to,stand_in
OWNER,2027-02-20,2027-03-20,AWAYTOO
AWAYTOO,2027-02-25,2027-03-10,THERE
SECOND,2027-02-20,2027-03-20,GONE
LATER,2027-03-02T00:00:00Z,2027-03-20,THERE
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_absence_file_is_followed_to_somebody_who_is_there() {
    let mut drill = Setup::of(ABSENCES)
        .file("absences.csv", FEED)
        .config(POLICY)
        .config("[absence]\nfeed = \"absences.csv\"")
        .enforcing()
        .await;
    drill.expect.absent = vec!["OWNER", "AWAYTOO", "SECOND"];
    drill.run_for("6h").await;
    let today = drill.safe_so_far().await;
    assert_eq!(
        by_owner(&today, "DESK").get("user:LATER"),
        Some(&3),
        "not away yet"
    );
    drill.run_for("24h").await;
    drill.expect.absent.push("LATER");
    // a release is for what wanted something at that time
    drill.approve_backlog();
    drill.run_for("6h").await;
    let evidence = drill.judge().await;
    let owners = by_owner(&evidence, "DESK");
    let expected = BTreeMap::from([
        // 3 of OWNER by his stand-in's stand-in, 3 of SECOND by his proxy's, 3 of LATER by his own
        ("user:THERE".to_owned(), 9),
        // the beneficiary would be THERE
        ("user:OWNER".to_owned(), 1),
    ]);
    assert_eq!(owners, expected);
}

/// Hands all work to whoever must not have it.
const RECKLESS: &str = r#"
fn decide(task, facts) {
    if task.owner == "user:OWNER" { return reassign("user:GONE"); }
    if task.owner == "user:SECOND" { return reassign("user:AWAYTOO"); }
    reassign("user:" + task.beneficiary)
}
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reckless_policy_hands_nothing_to_those_who_must_not_have_it() {
    let mut drill = Setup::of(ABSENCES)
        .file("absences.csv", FEED)
        .file("policies/10-reckless.rhai", RECKLESS)
        .file(
            "policies/kinds.toml",
            include_str!("../../policies/kinds.toml"),
        )
        .file(
            "policies/reasons.toml",
            include_str!("../../policies/reasons.toml"),
        )
        .config(POLICY)
        .config("dir = \"policies\"\n[absence]\nfeed = \"absences.csv\"")
        .enforcing()
        .await;
    drill.expect.absent = vec!["OWNER", "AWAYTOO", "SECOND"];
    drill.run_for("12h").await;
    let status = drill.json(&["status", "--json"]);
    let refusals: BTreeMap<&str, u64> = status["refusals"]
        .as_array()
        .expect("refusals")
        .iter()
        .filter_map(|row| Some((row[0].as_str()?, row[1].as_u64()?)))
        .collect();
    let evidence = drill.judge().await;
    assert_eq!(evidence.sent("reassign").count(), 0);
    let expected = BTreeMap::from([
        ("assignee_away", 3),
        ("assignee_is_beneficiary", 3),
        ("assignee_not_active", 4),
    ]);
    assert_eq!(refusals, expected, "each is named");
}
