//! What a real server, folder or login does that the documentation says nothing of: nothing is given back, lost or told wrongly because of it.

use serde_json::json;

use crate::drill::Setup;
use crate::intake_support::{Event, HIDDEN, address, count, standing, tasks_of};
use crate::survey_house::PATIENCE;

/// Accounts that show no finished task: a disable that overtook an enable can't be seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stale_grants_take_no_effect_where_accounts_hide_finished_tasks() {
    let world = include_str!("../../examples/scenarios/stale.toml");
    let world = format!("{world}\n[traits]\nprocess_hides_finished = true\n");
    let mut drill = Setup::of(&world).enforcing().await;
    drill.run_for("24h").await;
    let evidence = drill.evidence().await;
    let stale: Vec<_> = evidence
        .effects()
        .filter(|effect| effect["stale"] == true)
        .map(|effect| {
            format!(
                "{} {} {}",
                effect["beneficiary"], effect["definition"], effect["task"]
            )
        })
        .collect();
    assert_eq!(stale, Vec::<String>::new());
    // nobody is given access, and a person is told why
    let waits = drill.inbox();
    let mut told = waits.iter().map(ToString::to_string);
    assert!(
        told.any(|item| item.contains("account_unknown")),
        "{waits:#?}"
    );
    let left = drill.count("healable_open");
    drill.judge_leaving(left).await;
}

/// More open tasks that no list shows than there are places: a hint behind them is read some day.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hint_behind_more_open_tasks_than_places_is_read_some_day() {
    let intake = crate::intake_support::INTAKE.replace("1s", "10m");
    let mut drill = Setup::of(HIDDEN)
        .config(&format!("{intake}\nreads_per_cycle = 4"))
        .start()
        .await;
    crate::intake_support::secrets(&drill, &[crate::intake_support::SECRET]);
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("2h").await;
    let lists = |drill: &crate::drill::Drill| {
        let journal = drill.journal();
        let of = |row: &&serde_json::Value| {
            row["method"] == "GET"
                && row["path"]
                    .as_str()
                    .is_some_and(|p| p.ends_with("/provtasks"))
        };
        journal.iter().filter(of).count()
    };
    let before = lists(&drill);
    drill.run_for("12h").await;
    let quiet = lists(&drill) - before;
    drill.done(&["pause", "--target", "HR", "--unseen", "--why", "drill"]);
    let tasks: Vec<String> = tasks_of(&drill, "ONE")
        .into_iter()
        .chain(tasks_of(&drill, "TWO"))
        .collect();
    assert_eq!(tasks.len(), 5);
    let at = address(&drill);
    let body = json!({ "tasks": tasks }).to_string();
    assert_eq!(Event::new("m-1", &body).send(&at).0, 202);
    drill.run_for("1h").await;
    let last = Event::new("m-2", r#"{"tasks":["9990001"]}"#);
    assert_eq!(last.send(&at).0, 202);
    drill.run_for("1h").await;
    let before = lists(&drill);
    drill.run_for("12h").await;
    let after = standing(&drill);
    let beside = lists(&drill) - before;
    assert!(
        beside <= quiet + 6,
        "{beside} lists in 12 h, {quiet} before"
    );
    let read = |id: &str| {
        let path = format!("/provtasks/{id}");
        let journal = drill.journal();
        let mut rows = journal.iter();
        rows.any(|row| row["path"].as_str().is_some_and(|of| of.ends_with(&path)))
    };
    for id in &tasks {
        assert!(read(id), "each has its turn: {id}");
    }
    let ended = count(&after, "ended", "not_found");
    drill.safe_so_far().await;
    let _ = drill.judge_leaving(5).await;
    assert_eq!(ended, 1, "{after:#}");
}

/// A task whose reading always ends the readings of the cycle (503, for that one alone) does not keep the others from
/// being read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_is_answered_503_keeps_no_other_hint_waiting() {
    let mut drill = crate::intake_support::taking(HIDDEN, "").await;
    let at = address(&drill);
    let broken =
        json!({"do": "html503", "on": "read", "path": "/provtasks/9990001", "probability": 1.0});
    drill.act(json!({ "fault": broken })).await;
    let body = r#"{"tasks":["9990001","9990002","9990003"]}"#;
    assert_eq!(Event::new("m-1", body).send(&at).0, 202);
    drill.run_for("6h").await;
    let after = standing(&drill);
    drill.judge_leaving(5).await;
    assert_eq!(count(&after, "ended", "not_found"), 2, "{after:#}");
    assert_eq!(after["waiting"], 1, "{after:#}");
}

/// One file of the folder that can't be moved away must not keep others from being taken.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_can_not_be_put_away_does_not_hold_up_the_others() {
    let mut drill = Setup::of(HIDDEN)
        .config("[intake]\nfolder = \"in\"\nearliest = \"1s\"")
        .file("in/.keep", "")
        .enforcing()
        .await;
    let one = tasks_of(&drill, "ONE");
    let folder = drill.dir.path().join("in");
    // not understood, and its name is so long that NAME.reason can't be made
    std::fs::write(folder.join("a".repeat(250)), "a,b\n1,2\n").expect("written");
    // nor may a name write lines of the log
    std::fs::write(folder.join("x\nFORGED"), "9990004\n").expect("written");
    std::fs::write(folder.join("z.csv"), format!("task\n{}\n", one[0])).expect("written");
    let began = std::time::Instant::now();
    while began.elapsed() < PATIENCE && !folder.join("done/z.csv").exists() {
        tokio::task::yield_now().await;
    }
    let taken = folder.join("done/z.csv").exists();
    assert!(folder.join("done/x\nFORGED").exists());
    let log = drill.log();
    let forged: Vec<&str> = log
        .lines()
        .filter(|line| line.starts_with("FORGED"))
        .collect();
    assert_eq!(forged, Vec::<&str>::new());
    let after = standing(&drill);
    drill.run_for("10m").await;
    drill.approve_backlog();
    drill.run_for("2h").await;
    drill.judge_leaving(if taken { 4 } else { 5 }).await;
    assert!(taken, "{after:#}");
}

/// A hint that only a further login can read waits while that one is stopped, as it does for the main one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hint_of_a_stopped_further_login_is_not_dropped() {
    let further = "[[login]]\nlogin = \"SECOND\"\npassword = \"sim-password-2\"\nis_admin = true\n";
    let world = HIDDEN.replacen("[[target]]", &format!("{further}[[target]]"), 1);
    let mut drill = Setup::of(&world)
        .config(&format!(
            "{}\n[[login]]\nlogin = \"SECOND\"\npassword_file = \"second\"",
            crate::intake_support::INTAKE
        ))
        .start()
        .await;
    crate::intake_support::secrets(&drill, &[crate::intake_support::SECRET]);
    drill.write("second", "sim-password-2");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(drill.dir.path().join("second"), mode).expect("mode");
    let one = tasks_of(&drill, "ONE")[0].clone();
    let fault = json!({"do": "forbidden", "on": "read", "path": format!("/provtasks/{one}"), "login": "PROVSVC", "from_request": 1});
    drill.act(json!({ "fault": fault })).await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill
        .act(json!({ "password": {"login": "SECOND", "new": "other-secret-9"} }))
        .await;
    drill.act(json!({ "expire_tokens": true })).await;
    drill.expect.wrong_secrets = 1;
    drill.run_for("1h").await;
    let at = address(&drill);
    let body = json!({ "tasks": [one] }).to_string();
    assert_eq!(Event::new("m-1", &body).send(&at).0, 202);
    drill.run_for("12h").await;
    let stopped = standing(&drill);
    drill.write("second", "other-secret-9");
    std::fs::set_permissions(
        drill.dir.path().join("second"),
        std::os::unix::fs::PermissionsExt::from_mode(0o600),
    )
    .expect("mode");
    drill.run_for("12h").await;
    let after = standing(&drill);
    drill.safe_so_far().await;
    let left = drill.count("healable_open");
    drill.judge_leaving(left).await;
    assert_eq!(count(&stopped, "ended", "unreadable"), 0, "{stopped:#}");
    assert_eq!(stopped["waiting"], 1, "{stopped:#}");
    // once its password is right the task is read
    assert_eq!(after["waiting"], 0, "{after:#}");
    assert_eq!(count(&after, "ended", "unreadable"), 0, "{after:#}");
}

/// Data were put back and no id has been given out since: what an admin had cancelled is open again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_restore_what_an_admin_had_cancelled_is_not_retried() {
    let world = r#"
name = "restored-grants"
seed = 47
[[target]]
name = "AD"
state = "down"
[[population]]
target = "AD"
accounts = 8
task = [{ task = "Add User to Group", failure = "network" }]
"#;
    let mut drill = Setup::of(world).every("5m").start().await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.done(&["pause", "--target", "AD", "--why", "drill"]);
    drill.approve_backlog();
    drill.run_for("1m").await;
    drill.act(json!({"backup": true})).await;
    let tasks: Vec<u64> = drill.truth()["tasks"]
        .as_array()
        .expect("tasks")
        .iter()
        .filter(|task| task["status"] == "R")
        .filter_map(|task| task["id"].as_u64())
        .collect();
    for task in &tasks {
        drill
            .act(json!({"task": task.to_string(), "do": "cancel"}))
            .await;
    }
    drill.run_for("24h").await;
    drill.done(&["resume", "--target", "AD"]);
    drill.run_for("1h").await;
    drill.act(json!({"restore": true})).await;
    drill.act(json!({"target": "AD", "state": "up"})).await;
    let then = drill.journal().len();
    drill.run_for("1h").await;
    let waits = drill.inbox().iter().any(|item| item["id"] == "baseline:AD");
    drill.run_for("24h").await;
    let sent = drill.journal()[then..]
        .iter()
        .filter(|row| row["method"] == "PUT")
        .count();
    let world = drill.inbox().iter().any(|item| item["id"] == "world");
    drill.safe_so_far().await;
    let left = drill.count("healable_open");
    drill.judge_leaving(left).await;
    assert!(
        world || sent == 0,
        "sent {sent}, waited as backlog: {waits}"
    );
}

/// An account is known by its tasks: an answer without the list of them, one that says that there are more, and that
/// of another account are no reading of this one's tasks.
#[tokio::test]
async fn an_account_whose_tasks_were_not_shown_is_not_read() {
    use crate::client_stub::{Stub, http, json, setup};
    use provtaskd::model::ProcessKey;
    let row = r#"{"id":"28","fields":[{"name":"Status.Category","value":"Pending"}]}"#;
    let stub = Stub::start(move |_, seen| match seen.path.as_str() {
        "/api/v1/provprocesses/21" => json(r#"{"id":"21","links":[]}"#),
        "/api/v1/provprocesses/22" => json(format!(
            r#"{{"id":"22","count":1,"hasMore":true,"provisionProcessTaskTOList":[{row}]}}"#
        )),
        "/api/v1/provprocesses/23" => json(format!(
            r#"{{"id":"99","provisionProcessTaskTOList":[{row}]}}"#
        )),
        _ => http("404 Not Found", "", ""),
    })
    .await;
    let client = setup(&stub.origin()).client();
    let mut taken = Vec::new();
    for key in ["21", "22", "23"] {
        let read = client.process(&ProcessKey::new(key)).await;
        if let Ok(Some(tasks)) = read {
            taken.push((key, tasks.len()));
        }
    }
    assert_eq!(taken, [], "(account, tasks) taken for a whole reading");
}

/// A list that shows no creation dates, and accounts that do: an enable of before the disable is not younger than it
/// because it was seen later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stale_grants_take_no_effect_where_a_list_shows_no_dates() {
    let world = include_str!("../../examples/scenarios/stale.toml");
    let world = format!("{world}\n[traits]\nlist_no_dates = true\n");
    let mut drill = Setup::of(&world).enforcing().await;
    drill.run_for("24h").await;
    drill.judge().await;
}

/// Pages that do not hold still, and more than one of them: the survey counts what there is, or says that it does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_survey_over_several_moving_pages_counts_right_or_says_so() {
    let world = r#"
name = "moving"
seed = 17
[traits]
list_order = "moving"
[[target]]
name = "AD"
[[population]]
target = "AD"
accounts = 120
task = [{ task = "Telephone Updated", failure = "network" }]
"#;
    let mut drill = Setup::of(world)
        .server("page_size = 10\nrequire_probe = true")
        .start()
        .await;
    drill.done(&["survey", "--out", "report.json"]);
    let report = std::fs::read_to_string(drill.dir.path().join("report.json")).expect("written");
    let report: serde_json::Value = serde_json::from_str(&report).expect("JSON");
    let probed = drill.json(&["probe", "--format", "json"]);
    drill.release();
    drill.daemon();
    drill.run_for("24h").await;
    let status = drill.done(&["status"]);
    let visible = drill.json(&["status", "--json"])["tasks_visible"].clone();
    let no_road = drill.json(&["status", "--json"])["no_road"].clone();
    drill.judge_leaving(120).await;
    assert_eq!(probed["paging"]["pages"], "unstable");
    assert!(
        visible == 120 || status.contains("moved") || status.contains("whole"),
        "{visible} of 120 are visible, it says, and not that pages moved; {no_road} are in no list, it says"
    );
    let right = report["tasks"] == 120 && report["scope"]["stable"] == json!(true);
    let said = report["scope"]["stable"] == json!(false);
    assert!(right || said);
}

/// That the login may read its own record tells nothing of the people whom it hands work to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_was_shown_nobody_but_itself_may_not_reassign() {
    let mut drill = Setup::of(HIDDEN)
        .server("require_probe = true")
        .start()
        .await;
    let mut traits = drill.json(&["probe", "--format", "json"]);
    traits["people"]["asked"] = json!(15);
    traits["people"]["shown"] = json!(0);
    traits["people"]["own_record"] = json!(true);
    let traits = provtaskd::traits::Traits::parse(&traits.to_string(), std::path::Path::new("t"))
        .expect("traits");
    let missing = provtaskd::traits::missing(&traits, provtaskd::model::ActionName::Reassign);
    drill.daemon();
    drill.run_for("1m").await;
    drill.judge_leaving(9).await;
    assert!(missing.is_some(), "reassign may be enforced");
}

/// The guards against stale grants hold whatever the server's forms.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stale_grants_take_no_effect_whatever_the_forms() {
    let mut found = Vec::new();
    for traits in [
        "legacy = true\nmap_fields = true",
        "numeric_ids = true\nlower_words = true",
        "dates = \"no_zone\"",
        "dates = \"day\"",
        "dates = \"millis\"\nshow_child = true",
        "localised = true\nstatus_words = true",
        "new_process_key = true",
        "list_order = \"moving\"",
    ] {
        let world = include_str!("../../examples/scenarios/stale.toml");
        let world = format!("{world}\n[traits]\n{traits}\n");
        let mut drill = Setup::of(&world).every("30m").enforcing().await;
        drill.run_for("8h").await;
        let sums: Vec<u64> = ["effects", "healed", "stale_effects", "effects_to_inactive"]
            .map(|name| drill.count(name))
            .to_vec();
        let _ = tokio::spawn(async move { drill.judge().await }).await;
        if sums[2] > 0 || sums[3] > 0 {
            found.push((traits, sums));
        }
    }
    assert!(found.is_empty(), "{found:?}");
}

/// The login may read these tasks and not act on them: each is sent once, and waits for a person then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_login_has_no_right_to_act_on_is_not_sent_again() {
    let world = HIDDEN.replace("is_admin = true\n", "");
    assert_ne!(world, HIDDEN);
    let mut drill = Setup::of(&world)
        .config("[intake]\nfolder = \"in\"\nearliest = \"1s\"")
        .file("in/.keep", "")
        .enforcing()
        .await;
    let one = tasks_of(&drill, "ONE");
    let folder = drill.dir.path().join("in");
    std::fs::write(folder.join(".z"), one.join("\n")).expect("written");
    std::fs::rename(folder.join(".z"), folder.join("z.csv")).expect("moved");
    let away = folder.join("done/z.csv");
    drill.until("it is taken", |_| away.exists()).await;
    drill.run_for("10m").await;
    drill.approve_backlog();
    drill.run_for("24h").await;
    let evidence = drill.evidence().await;
    let tried = |id: &String| {
        let all = evidence.items();
        all.filter(|(_, item)| item["id"].to_string().trim_matches('"') == id)
            .count()
    };
    let tries: Vec<usize> = one.iter().map(tried).collect();
    assert_eq!(tries, [1, 1, 1]);
    let inbox = drill.inbox();
    let item = inbox.iter().find(|item| item["why"] == "not_authorised");
    assert_eq!(item.expect("it waits")["count"], 3, "{inbox:#?}");
    // whoever has got the right says so
    drill.done(&["outcomes", "reset", &one[0], "--why", "the right was given"]);
    drill.run_for("24h").await;
    let evidence = drill.judge_leaving(5).await;
    let again = evidence
        .items()
        .filter(|(_, item)| item["id"].to_string().trim_matches('"') == one[0]);
    assert_eq!(again.count(), 2);
}
