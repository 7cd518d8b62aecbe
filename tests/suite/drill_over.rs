//! Drills of what counts although no list shows it open: a newer change that is done, hand-overs that are under way, and a note that is no revoke.

use serde_json::json;

use crate::drill::Setup;

/// The older change failed, a newer one of the same attribute is done: written now, the older one would be what stands.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_change_is_not_written_over_a_newer_one_that_is_done() {
    let mut world = "name = \"over\"\nseed = 3\n[[target]]\nname = \"AD\"\n".to_owned();
    for user in ["U1", "U2"] {
        world.push_str(&format!(
            "[[user]]\nlogin = \"{user}\"\n\
             [[task]]\ntarget = \"AD\"\nuser = \"{user}\"\ntask = \"Telephone Updated\"\nvalue = \"old\"\nfailure = \"network\"\ncreated = \"-5h\"\n\
             [[task]]\ntarget = \"AD\"\nuser = \"{user}\"\ntask = \"Telephone Updated\"\nvalue = \"new\"\nstatus = \"C\"\ncreated = \"-1h\"\n\
             [[task]]\ntarget = \"AD\"\nuser = \"{user}\"\ntask = \"Title Updated\"\nvalue = \"other\"\nfailure = \"network\"\ncreated = \"-5h\"\n"
        ));
    }
    let mut drill = Setup::of(&world).enforcing().await;
    drill.run_for("12h").await;
    let (over, healed) = (drill.count("overtaken_effects"), drill.count("healed"));
    let inbox = drill.inbox();
    let asked = inbox.iter().filter(|item| item["why"] == "overtaken");
    let asked: Option<u64> = asked.map(|item| item["count"].as_u64()).sum();
    drill.judged_elsewhere();
    assert_eq!(over, 0, "{inbox:#?}");
    assert_eq!((healed, asked), (2, Some(2)), "{inbox:#?}");
}

/// An admin retries the older change of two, and what came of that is no list's: it may be a newer one, and a person is asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_beside_one_that_somebody_else_has_retried_is_asked_about() {
    let task = |id: u32, value: &str, hours: u32| {
        format!(
            "[[task]]\nid = {id}\ntarget = \"AD\"\nuser = \"U1\"\ntask = \"Telephone Updated\"\nvalue = \"{value}\"\nfailure = \"network\"\ncreated = \"-{hours}h\"\n"
        )
    };
    let world = [
        "name = \"older\"\nseed = 3\n[[user]]\nlogin = \"U1\"\n[[target]]\nname = \"AD\"\nretries_anything = true\n".to_owned(),
        task(5001, "old", 5),
        task(5002, "new", 1),
    ]
    .concat();
    let mut drill = Setup::of(&world).start().await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.act(json!({"task": "5001", "do": "retry"})).await;
    drill.run_for("10m").await;
    drill.approve_backlog();
    drill.run_for("12h").await;
    let (healed, inbox) = (drill.count("healed"), drill.inbox());
    drill.judged_elsewhere();
    let asked = inbox.iter().any(|item| item["why"] == "overtaken");
    assert!(asked && healed == 1, "{healed} {inbox:#?}");
}

/// Hand-overs take effect after their answers have failed to come: until they are read, the list shows him with nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hand_overs_that_are_under_way_count_towards_the_load() {
    let world = r#"
name = "coming"
seed = 3
[server]
list_scope = "everybody"
[[user]]
login = "LEFT"
status = "Disabled"
[[user]]
login = "AHOLM"
[[proxy]]
user = "LEFT"
proxy = "AHOLM"
start = "-10d"
end = "30d"
[[target]]
name = "DESK"
connector = "ticket"
[[population]]
target = "DESK"
accounts = 20
prefix = "EMP"
age = "2h"
owner = ["user:LEFT"]
task = [{ task = "Manual Grant" }]
[[fault]]
do = "slow_apply"
on = "put"
probability = 1.0
ms = 1
delay = "12m"
"#;
    let mut drill = Setup::of(world)
        .config("[policy.kinds]\n\"DESK/Manual Grant\" = \"grant\"\n[guard]\nassignee_load = 5")
        .config("[governor]\ncap_share_percent = 100\n[governor.default]\nbatch_start = 5")
        .enforcing()
        .await;
    drill.run_for("1h").await;
    let evidence = drill.evidence().await;
    let handed = evidence.sent("reassign").count();
    drill.judged_elsewhere();
    assert!((1..=5).contains(&handed), "{handed} tasks for one person");
}

/// A note on a disable can't be read back; disables of other accounts wait for nothing of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_note_on_a_revoke_holds_no_other_revoke_up() {
    let world = r#"
name = "lane"
seed = 3
[traits]
no_notes = true
[[target]]
name = "AD"
[[population]]
target = "AD"
accounts = 4
prefix = "REV"
age = "2h"
task = [{ task = "Disable User", failure = "network" }]
[[user]]
login = "NOTED"
[[task]]
target = "AD"
user = "NOTED"
task = "Disable User"
failure = "network"
created = "-20h"
"#;
    let note = "const NEEDS = [\"history\"];\nfn decide(task, facts) {\n    if task.beneficiary == \"NOTED\" {\n        if facts.history.attempts_total == 0 { return set_note(\"seen\").priority(500); }\n        return leave(\"noted\");\n    }\n    if task.status == \"rejected\" { return retry().after(\"3m\"); }\n}\n";
    let mut drill = Setup::of(world)
        .file("policies/10-note.rhai", note)
        .file(
            "policies/kinds.toml",
            include_str!("../../policies/kinds.toml"),
        )
        .file(
            "policies/reasons.toml",
            include_str!("../../policies/reasons.toml"),
        )
        .config("[policy]\ndir = \"policies\"")
        .enforcing()
        .await;
    drill.run_for("10m").await;
    let evidence = drill.evidence().await;
    let (notes, retried) = (
        evidence.sent("setNote").count(),
        evidence.sent("retry").count(),
    );
    drill.judged_elsewhere();
    assert_eq!((notes, retried), (1, 4));
}
