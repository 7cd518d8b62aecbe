//! Drills of hints from outside, whole processes: what is acknowledged is read, also after a kill; what no list shows acts only with its account known; a hint changes nothing but when something is read.

use serde_json::json;

use crate::intake_support::{
    Event, HIDDEN, SECOND, SECRET, address, count, secrets, standing, taking, tasks_of,
};

/// Lets time pass until so many named tasks are followed and a cycle has seen them, and releases what waits as backlog: the
/// notice of an event may come after the clock has gone on, and a task that was found is decided on with the next list.
async fn released(drill: &mut crate::drill::Drill, followed: u64) {
    for _ in 0..30 {
        drill.run_for("1m").await;
        let waits = drill.inbox().iter().any(|item| item["id"] == "baseline:HR");
        if standing(drill)["followed"] == followed && waits {
            break;
        }
    }
    assert_eq!(standing(drill)["followed"], followed);
    drill.approve_backlog();
}

/// One task of an event.
fn names(task: &str) -> String {
    json!({ "tasks": [task] }).to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_only_an_event_names_is_read_and_heals_and_says_how_it_was_seen() {
    let mut drill = taking(HIDDEN, "").await;
    drill.run_for("1h").await;
    let (at, one) = (address(&drill), tasks_of(&drill, "ONE"));
    let unknown = drill.cli(&["explain", &one[0]]);
    let said = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(said.contains("the store has never seen it"), "{said}");
    let (status, answer) = Event::new("m-1", &names(&one[0])).send(&at);
    assert_eq!(status, 202, "{answer}");
    assert!(answer.contains(r#"{"status":"accepted"}"#), "{answer}");
    // it is found beside one cycle, and a row of the next
    let seen = |drill: &crate::drill::Drill| {
        drill.json(&["status", "--json"])["roads"][1] == json!(["event", 1])
    };
    for _ in 0..5 {
        drill.run_until_or_rest("4s", seen).await;
        if seen(&drill) {
            break;
        }
    }
    let status = drill.json(&["status", "--json"]);
    assert_eq!(
        status["roads"][1],
        json!(["event", 1]),
        "{:#}",
        status["roads"]
    );
    assert_eq!(status["intake"]["followed"], 1, "{:#}", status["intake"]);
    assert_eq!(status["no_road"], json!([["user:OTHER", 1]]));
    let text = drill.done(&["status"]);
    assert!(text.contains("no login's list shows, by owner"), "{text}");
    let explained = drill.done(&["explain", &one[0]]);
    assert!(explained.contains("a signed event named it"), "{explained}");
    // it is older than the first enforce, and waits like what the list has shown then
    drill.run_for("1h").await;
    assert_eq!(drill.evidence().await.effects_on("HR"), 0);
    assert_eq!(drill.inbox()[0]["id"], "baseline:HR");
    drill.approve_backlog();
    drill.run_for("2h").await;
    let after = standing(&drill);
    assert_eq!(count(&after, "ended", "followed"), 1, "{after:#}");
    assert_eq!(count(&after, "ended", "finished"), 1, "{after:#}");
    assert_eq!(
        (&after["waiting"], &after["followed"]),
        (&json!(0), &json!(0))
    );
    // the four of the list, and the one that was named; nobody has named the other four of HR
    let evidence = drill.judge_leaving(4).await;
    assert_eq!(evidence.effects_on("HR"), 1);
    assert_eq!(evidence.effects_on("AD"), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_was_answered_is_acted_on_although_the_daemon_is_killed_at_once() {
    let mut drill = taking(HIDDEN, "").await;
    drill.run_for("1h").await;
    let (at, one) = (address(&drill), tasks_of(&drill, "ONE"));
    let (event, other) = (
        Event::new("m-1", &names(&one[1])),
        Event::new("m-2", r#"{"tasks":["999999"]}"#),
    );
    assert_eq!(event.send(&at).0, 202);
    assert_eq!(other.send(&at).0, 202);
    let truth = drill.truth();
    let mut tasks = truth["tasks"].as_array().expect("tasks").iter();
    let task = tasks.find(|task| task["id"].as_u64() == one[2].parse().ok());
    let person = &task.expect("it is there")["beneficiary"];
    let users = json!({ "users": [person, "NOSUCH"] }).to_string();
    assert_eq!(Event::new("m-3", &users).send(&at).0, 202);
    // nothing has read it yet: the world stands still
    drill.kill_and_restart().await;
    drill.run_for("1m").await;
    let at = address(&drill);
    let (status, answer) = event.send(&at);
    assert_eq!(status, 200, "a replay after a restart: {answer}");
    assert!(answer.contains("duplicate"), "{answer}");
    drill.run_for("2h").await;
    let after = standing(&drill);
    assert_eq!(after["duplicates"], 1, "{after:#}");
    assert_eq!(count(&after, "ended", "not_found"), 1, "{after:#}");
    // the person was walked through once, and the old task found there waits for a word like the list's
    let persons = &after["persons"];
    let got = json!([persons["walked"], persons["found"], persons["not_shown"]]);
    assert_eq!(got, json!([1, 1, ["NOSUCH"]]), "{after:#}");
    assert_eq!(after["persons_waiting"], 0, "{after:#}");
    let text = drill.done(&["status"]);
    let said = "persons who were named: accounts of 1 persons read, 1 tasks found";
    let plain = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(plain.contains(said), "{text}");
    assert!(!drill.log().contains("NOSUCH"), "no log names a person");
    drill.approve_backlog();
    drill.run_for("2h").await;
    let evidence = drill.judge_leaving(3).await;
    assert_eq!(evidence.effects_on("HR"), 2, "once, although it came twice");
    let walked = evidence.requests().filter(|row| {
        let query = row["query"].as_str().unwrap_or_default();
        // the guards ask for a last day as well
        query.contains("accounts=") && !query.contains("End")
    });
    assert_eq!(walked.count(), 1);
}

/// The newer of two changes of one attribute is named, and no list shows the older one: only the account's
/// process does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_was_named_waits_for_an_older_one_that_nobody_has_named() {
    let mut drill = taking(HIDDEN, "").await;
    drill.run_for("1h").await;
    let (at, two) = (address(&drill), tasks_of(&drill, "TWO"));
    assert_eq!(two.len(), 2);
    assert_eq!(Event::new("m-1", &names(&two[1])).send(&at).0, 202);
    released(&mut drill, 1).await;
    drill.run_for("2h").await;
    let so_far = drill.evidence().await;
    assert_eq!(
        so_far.effects_on("HR"),
        0,
        "the older one was not overtaken"
    );
    let explained = drill.done(&["explain", &two[1]]);
    assert!(explained.contains("waits_for_older"), "{explained}");
    // once that is named too both go, in their order
    assert_eq!(Event::new("m-2", &names(&two[0])).send(&at).0, 202);
    released(&mut drill, 2).await;
    drill.run_for("4h").await;
    let evidence = drill.judge_leaving(3).await;
    assert_eq!(evidence.effects_on("HR"), 2);
}

/// A revoke waits for nothing in its account where the list shows it; one that only a hint has named waits until its
/// account could be read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_was_named_waits_while_its_account_can_not_be_read() {
    let scenario = format!(
        "{HIDDEN}[[population]]\ntarget = \"HR\"\naccounts = 1\nprefix = \"REV\"\nowner = [\"user:OTHER\"]\ntask = [{{ task = \"Remove User from Group\", failure = \"network\" }}]\n"
    );
    let mut drill = taking(&scenario, "").await;
    drill.run_for("1h").await;
    let (at, revoke) = (address(&drill), tasks_of(&drill, "REV"));
    let truth = drill.truth();
    let tasks = truth["tasks"].as_array().expect("tasks");
    let task = tasks
        .iter()
        .find(|task| task["id"].as_u64() == revoke[0].parse().ok());
    let process = &task.expect("it is there")["process"];
    let path = format!("/provprocesses/{process}");
    let fault = json!({ "do": "html500", "on": "read", "probability": 1.0, "path": path });
    drill.act(json!({ "fault": fault })).await;
    assert_eq!(Event::new("m-1", &names(&revoke[0])).send(&at).0, 202);
    released(&mut drill, 1).await;
    drill.run_for("2h").await;
    let so_far = drill.evidence().await;
    let sent = so_far.effects_on("HR");
    assert_eq!(sent, 0, "nothing is sent while its siblings are not known");
    let status = drill.json(&["status", "--json"]);
    let refusals = status["refusals"].as_array().expect("reasons");
    let waits = refusals.iter().any(|row| row[0] == "siblings_unknown");
    assert!(waits, "{refusals:?}");
    drill.act(json!({ "clear_faults": true })).await;
    drill.run_for("12h").await;
    let evidence = drill.judge_leaving(5).await;
    assert_eq!(evidence.effects_on("HR"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_is_said_to_work_again_is_looked_at_earlier_and_nothing_more() {
    let mut drill = taking(HIDDEN, "").await;
    drill.run_for("2h").await;
    drill.done(&["pause", "--target", "HR", "--unseen", "--why", "drill"]);
    let lists = |drill: &crate::drill::Drill| {
        let journal = drill.journal();
        let gets = journal.iter().filter(|entry| {
            entry["method"] == "GET"
                && entry["path"]
                    .as_str()
                    .is_some_and(|path| path.ends_with("/provtasks"))
        });
        gets.count()
    };
    let writes = drill.json(&["status", "--json"])["writes_sent"].clone();
    // an idle daemon looks every half hour or so; a minute brings nothing by itself
    drill.run_for("31s").await;
    let before = lists(&drill);
    drill.run_for("20s").await;
    assert_eq!(lists(&drill), before);
    let event = Event::new("m-1", r#"{"target":"HR","state":"recovered"}"#);
    assert_eq!(event.send(&address(&drill)).0, 202);
    // the notice may come after the clock has gone on: what counts is that it looks within these seconds
    let looked = |drill: &crate::drill::Drill| lists(drill) > before;
    drill
        .run_until("20s", "it is looked at earlier", looked)
        .await;
    drill.run_for("1s").await;
    let status = drill.json(&["status", "--json"]);
    assert_eq!(status["writes_sent"], writes, "nothing was sent for it");
    assert_eq!(status["pauses"].as_array().map(Vec::len), Some(1));
    assert_eq!(status["intake"]["waiting"], 0);
    drill.judge_leaving(5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_secrets_hold_while_they_are_changed_and_the_old_one_not_a_moment_longer() {
    let mut drill = taking(HIDDEN, "").await;
    let at = address(&drill);
    let send = |id: &str, secret: &[u8]| {
        let body = r#"{"tasks":["4711"]}"#;
        Event::signed(id, crate::intake_support::wall(), body, secret)
            .send(&at)
            .0
    };
    // a change of the file is seen within half a second; each try is an event of its own
    let becomes = async |secret: &[u8], wanted: u16| {
        let began = std::time::Instant::now();
        for n in 0_u32.. {
            if send(&format!("try-{wanted}-{n}"), secret) == wanted {
                return;
            }
            assert!(began.elapsed().as_secs() < 30, "never answered {wanted}");
            tokio::task::yield_now().await;
        }
    };
    assert_eq!([send("a", SECRET), send("b", SECOND)], [202, 401]);
    secrets(&drill, &[SECOND, SECRET]);
    becomes(SECOND, 202).await;
    assert_eq!([send("c", SECRET), send("d", SECOND)], [202, 202]);
    secrets(&drill, &[SECOND]);
    becomes(SECRET, 401).await;
    assert_eq!([send("e", SECRET), send("f", SECOND)], [401, 202]);
    // a file that can't be used leaves no secret at all, and says so
    secrets(&drill, &[b"short"]);
    becomes(SECOND, 503).await;
    assert_eq!([send("g", SECRET), send("h", SECOND)], [503, 503]);
    let log = drill.log();
    assert!(log.contains("no event is taken until the secret"), "{log}");
    let status = drill.done(&["status"]);
    assert!(
        status.contains("no event is taken (no_secret): the secret file"),
        "{status}"
    );
    assert!(!log.contains("whsec_d"), "no secret is shown");
    secrets(&drill, &[SECOND]);
    becomes(SECOND, 202).await;
    assert_eq!(send("i", SECOND), 202);
    drill.run_for("2h").await;
    drill.judge_leaving(5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_a_folder_are_hints_like_events() {
    let mut drill = crate::drill::Setup::of(HIDDEN)
        .config("[intake]\nfolder = \"in\"\nearliest = \"1s\"")
        .file("in/.keep", "")
        .enforcing()
        .await;
    drill.run_for("1h").await;
    let one = tasks_of(&drill, "ONE");
    drill.write(
        "in/.extract",
        &format!(
            "Task Key;Owner\n{};OTHER\n{};OTHER\nuser:NOSUCH;\n",
            one[0], one[2]
        ),
    );
    let folder = drill.dir.path().join("in");
    std::fs::rename(folder.join(".extract"), folder.join("extract.csv")).expect("moved");
    drill.write("in/broken.csv", "a,b\n1,2\n");
    let away = folder.clone();
    drill
        .until("the files are put away", |_| {
            away.join("done/extract.csv").exists() && away.join("failed/broken.csv.reason").exists()
        })
        .await;
    // a database extract names what is old: it waits for a person
    drill.run_for("2h").await;
    assert_eq!(drill.evidence().await.effects_on("HR"), 0);
    drill.approve_backlog();
    drill.run_for("2h").await;
    let after = standing(&drill);
    assert_eq!(
        (&after["files"], &after["files_failed"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(
        after["persons"]["not_shown"],
        json!(["NOSUCH"]),
        "{after:#}"
    );
    assert_eq!(count(&after, "ended", "followed"), 2, "{after:#}");
    let evidence = drill.judge_leaving(3).await;
    assert_eq!(evidence.effects_on("HR"), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_list_shows_is_not_read_by_its_id_and_what_is_not_there_is_dropped() {
    let mut drill = taking(HIDDEN, "reads_per_cycle = 4").await;
    let shown = tasks_of(&drill, "EMP");
    let tasks: Vec<String> = shown
        .into_iter()
        .chain((1..=9).map(|n| format!("99{n}")))
        .collect();
    let body = json!({ "tasks": tasks }).to_string();
    assert_eq!(Event::new("m-1", &body).send(&address(&drill)).0, 202);
    drill.run_for("2h").await;
    let after = standing(&drill);
    assert_eq!(count(&after, "ended", "not_found"), 9, "{after:#}");
    assert_eq!(after["waiting"], 0, "{after:#}");
    let evidence = drill.judge_leaving(5).await;
    let single = evidence.requests().filter(|entry| {
        let path = entry["path"].as_str().unwrap_or_default();
        entry["method"] == "GET" && path.contains("/provtasks/99")
    });
    assert_eq!(single.count(), 18, "each twice, four in a cycle");
}

/// A task that an event names is answered very late: cycles, and what is due in them, do not wait for it, and it is
/// read all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_named_task_that_is_answered_late_holds_up_no_cycle_and_is_found() {
    let setup = crate::drill::Setup::of(HIDDEN).config(crate::intake_support::INTAKE);
    let mut drill = setup.start().await;
    secrets(&drill, &[SECRET]);
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    // the first pause is over for all of the list, and only the backlog holds them
    drill.run_for("1h").await;
    let one = tasks_of(&drill, "ONE");
    let late = format!("/provtasks/{}", one[0]);
    let fault = json!({ "do": "hang", "ms": 5000, "on": "read", "probability": 1.0, "limit": 1, "path": late });
    drill.act(json!({ "fault": fault })).await;
    let named = json!({ "tasks": [one[0], one[1]] }).to_string();
    let at = address(&drill);
    assert_eq!(Event::new("m-1", &named).send(&at).0, 202);
    let of = |row: &serde_json::Value, path: &str| {
        row["path"].as_str().is_some_and(|own| own.ends_with(path))
    };
    let asked = |drill: &crate::drill::Drill| drill.journal().iter().any(|row| of(row, &late));
    for _ in 0..5 {
        drill.run_until_or_rest("2s", asked).await;
        if asked(&drill) {
            break;
        }
    }
    assert!(asked(&drill), "the named one was never asked for");
    drill.approve_backlog();
    released(&mut drill, 2).await;
    drill.run_for("2h").await;
    let evidence = drill.judge_leaving(3).await;
    let healed = evidence.effects_on("HR");
    assert_eq!(healed, 2, "both were found and have healed");
    let first = |wanted: &dyn Fn(&serde_json::Value) -> bool| evidence.requests().position(wanted);
    let next = format!("/provtasks/{}", one[1]);
    let sent = first(&|row| row["method"] == "PUT").expect("something was due");
    let read = first(&|row| of(row, &next));
    assert!(
        Some(sent) < read,
        "{sent} was sent while the one before {read:?} was not answered"
    );
}

/// Tasks of somebody else's are in no list, and nobody names them: the accounts of their persons show them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_only_the_accounts_of_persons_show_is_found_by_a_walk_and_heals_once() {
    let further = "[[login]]\nlogin = \"SECOND\"\npassword = \"sim-password-2\"\nis_admin = true\n";
    let world = HIDDEN.replacen("[[target]]", &format!("{further}[[target]]"), 1);
    let intake = "[intake]\npersons_file = \"persons\"\npersons_every = \"6h\"\npersons_per_cycle = 2\nearliest = \"1s\"";
    let second = "[[login]]\nlogin = \"SECOND\"\npassword_file = \"second\"";
    let mut drill = crate::drill::Setup::of(&world)
        .config(&format!("{intake}\n{second}"))
        .file("persons", "")
        .start()
        .await;
    drill.write("second", "sim-password-2");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(drill.dir.path().join("second"), mode).expect("mode");
    let truth = drill.truth();
    let tasks = truth["tasks"].as_array().expect("tasks").iter();
    let hidden = tasks.clone().filter(|task| task["owner"] == "user:OTHER");
    // one account and its task only the further login may read
    let one = tasks_of(&drill, "ONE")[0].clone();
    let task = hidden
        .clone()
        .find(|task| task["id"] == json!(one.parse::<u64>().ok()));
    let account = task.expect("it is there")["process"].to_string();
    for path in [
        format!("/provtasks/{one}"),
        format!("/provprocesses/{account}"),
    ] {
        let fault = json!({"do": "forbidden", "on": "read", "path": path, "login": "PROVSVC", "from_request": 1});
        drill.act(json!({ "fault": fault })).await;
    }
    let persons: std::collections::BTreeSet<&str> = hidden
        .filter_map(|task| task["beneficiary"].as_str())
        .collect();
    assert_eq!(persons.len(), 4);
    let lines: Vec<&str> = persons.iter().copied().chain(["NOSUCH"]).collect();
    drill.write("persons", &format!("# leavers\n{}\n", lines.join("\n")));
    drill.release();
    drill.daemon();
    let slice = |drill: &crate::drill::Drill| standing(drill)["walk"]["turns"]["walked"] != 0;
    drill.run_until_or_rest("1h", slice).await;
    // how far it has come and what it has found is known after a kill
    drill.kill_and_restart().await;
    drill.run_for("1h").await;
    // old work of others is backlog like that of the list: nothing of it goes out before a person's word
    assert_eq!(drill.count("effects"), 0);
    let held = drill.inbox();
    let held = held.iter().find(|item| item["id"] == "baseline:HR");
    assert_eq!(
        held.map(|item| &item["count"]),
        Some(&json!(5)),
        "{held:#?}"
    );
    let one = tasks_of(&drill, "ONE");
    let explained = drill.done(&["explain", &one[0]]);
    assert!(explained.contains("in a walk through"), "{explained}");
    let after = standing(&drill)["walk"].clone();
    let turns = &after["turns"];
    let got = json!([turns["walked"], turns["not_walked"], after["over"]]);
    assert_eq!(got, json!([4, 1, true]), "{after:#}");
    assert_eq!(turns["not_shown"], json!(["NOSUCH"]), "{after:#}");
    let roads = drill.json(&["status", "--json"])["roads"].clone();
    assert_eq!(roads[1], json!(["walk", 5]), "{roads}");
    let text = drill.done(&["status"]);
    for said in [
        "tasks found that no list shows",
        "not shown NOSUCH",
        "user:OTHER",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    drill.approve_backlog();
    drill.run_for("3h").await;
    let evidence = drill.judge().await;
    assert_eq!(evidence.effects_on("HR"), 5);
    let asked = |row: &&serde_json::Value| {
        let query = row["query"].as_str().unwrap_or_default();
        // the guards ask for a last day as well
        query.contains("accounts=") && !query.contains("End")
    };
    // each person once in a walk, and the one at whom the kill came a second time
    let asked = evidence.requests().filter(asked).count();
    assert!((4..=5).contains(&asked), "{asked}");
}

/// The front end gives up on one account each time, and another one takes its time: the tasks of a leaver are found all
/// the same, and nothing that is due waits for a walk.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_is_never_answered_is_named_and_a_walk_holds_up_neither_others_nor_a_cycle()
{
    let leaver = HIDDEN.replace(
        "login = \"OTHER\"",
        "login = \"OTHER\"\nstatus = \"Disabled\"",
    );
    let mut drill = crate::drill::Setup::of(&leaver)
        .server("reads_per_minute = 48")
        .config("[intake]\npersons_file = \"persons\"\npersons_every = \"6h\"\nearliest = \"1s\"")
        .file("persons", "")
        .start()
        .await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    let truth = drill.truth();
    let tasks = truth["tasks"].as_array().expect("tasks").iter();
    let hidden = tasks.filter(|task| task["owner"] == "user:OTHER");
    let process = |task: &serde_json::Value| format!("/provprocesses/{}", task["process"]);
    let persons: std::collections::BTreeMap<&str, String> = hidden
        .filter_map(|task| Some((task["beneficiary"].as_str()?, process(task))))
        .collect();
    let persons: Vec<(&str, String)> = persons.into_iter().collect();
    let (slow, next, never) = (&persons[0].1, &persons[1].1, &persons[2]);
    let fault = json!({ "do": "hang", "ms": 2000, "on": "read", "probability": 1.0, "limit": 1, "path": slow });
    drill.act(json!({ "fault": fault })).await;
    let fault = json!({ "do": "gateway504", "on": "read", "probability": 1.0, "path": never.1 });
    drill.act(json!({ "fault": fault })).await;
    let lines: Vec<&str> = persons.iter().map(|(login, _)| *login).collect();
    drill.write("persons", &lines.join("\n"));
    drill.approve_backlog();
    drill.run_for("3h").await;
    let so_far = drill.safe_so_far().await;
    let first = |wanted: &dyn Fn(&serde_json::Value) -> bool| so_far.requests().position(wanted);
    let sent = first(&|row| row["method"] == "PUT").expect("something was due");
    let walked = first(&|row| {
        row["path"]
            .as_str()
            .is_some_and(|path| path.ends_with(next.as_str()))
    });
    assert!(
        Some(sent) < walked,
        "{sent} was sent, and {walked:?} read before"
    );
    // six readings in a slice: one for the persons, two for each; the third one's turn is in the next slice
    let accounts = so_far.requests().filter(|row| {
        let query = row["query"].as_str().unwrap_or_default();
        // the guards ask for a last day as well
        query.contains("accounts=") && !query.contains("End")
    });
    let mut minutes = std::collections::BTreeMap::<String, u64>::new();
    for row in accounts {
        let at = row["at"].as_str().expect("a time");
        *minutes.entry(at[..16].to_owned()).or_default() += 1;
    }
    let slices: Vec<u64> = minutes.values().copied().collect();
    assert_eq!(slices, [3, 2], "{minutes:?}");
    let after = standing(&drill)["walk"].clone();
    let turns = &after["turns"];
    let got = json!([
        turns["walked"],
        turns["found"],
        after["over"],
        turns["not_read"]
    ]);
    assert_eq!(got, json!([3, 4, true, [never.0]]), "{after:#}");
    // the next walk finds what this one could not
    drill.act(json!({ "clear_faults": true })).await;
    drill.run_for("7h").await;
    drill.approve_backlog();
    drill.run_for("3h").await;
    let evidence = drill.judge().await;
    assert_eq!(evidence.effects_on("HR"), 5);
}

/// A line that is no login is named and left out; a file of persons that can't be read stops the walk and nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_persons_that_can_not_be_used_is_named_and_stops_only_the_walk() {
    let mut drill = crate::drill::Setup::of(HIDDEN)
        .config("[intake]\npersons_file = \"persons\"\n")
        .file("persons", "NOSUCH\nA,2027-01-01\nNOBODY\nlogin,from\n")
        .enforcing()
        .await;
    drill.run_for("2h").await;
    let problem = standing(&drill)["walk"]["problem"].clone();
    let problem = problem.as_str().expect("a problem");
    assert!(problem.contains("persons:2: "), "{problem}");
    assert!(problem.contains("1 more"), "{problem}");
    let text = drill.done(&["status"]);
    assert!(text.contains("PROBLEM: "), "{text}");
    let walk = standing(&drill)["walk"].clone();
    assert_eq!(walk["turns"]["not_walked"], 2, "{walk:#}");
    let file = drill.dir.path().join("persons");
    std::fs::remove_file(&file).expect("removed");
    std::fs::create_dir(&file).expect("made");
    drill.run_for("1h").await;
    let problem = standing(&drill)["walk"]["problem"].clone();
    let problem = problem.as_str().expect("a problem");
    assert!(problem.contains("persons: "), "{problem}");
    std::fs::remove_dir(&file).expect("removed");
    drill.write("persons", "NOSUCH\n");
    drill.run_for("1h").await;
    let walk = standing(&drill)["walk"].clone();
    assert_eq!(walk["problem"], serde_json::Value::Null, "{walk:#}");
    let evidence = drill.judge_leaving(5).await;
    assert_eq!(evidence.effects_on("AD"), 4);
}

/// A further login that may not search for persons at all (its server says so with anything but 403).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_further_login_whose_search_for_persons_fails_loses_nobody_the_main_one_is_shown() {
    let further = "[[login]]\nlogin = \"SECOND\"\npassword = \"sim-password-2\"\n";
    let world = HIDDEN.replacen("[[target]]", &format!("{further}[[target]]"), 1);
    let second = "[[login]]\nlogin = \"SECOND\"\npassword_file = \"second\"";
    let mut drill = crate::drill::Setup::of(&world)
        .config(&format!(
            "[intake]\npersons_file = \"persons\"\npersons_every = \"30d\"\nearliest = \"1s\"\n{second}"
        ))
        .file("persons", "")
        .start()
        .await;
    drill.write("second", "sim-password-2");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(drill.dir.path().join("second"), mode).expect("mode");
    let fault = json!({"do": "html500", "on": "people", "path": "/users", "login": "SECOND", "from_request": 1});
    drill.act(json!({ "fault": fault })).await;
    let truth = drill.truth();
    let tasks = truth["tasks"].as_array().expect("tasks").iter();
    let shown: std::collections::BTreeSet<String> = tasks
        .filter(|task| task["owner"] == "user:OTHER")
        .filter_map(|task| Some(task["beneficiary"].as_str()?.to_owned()))
        .collect();
    let shown: Vec<String> = shown.into_iter().collect();
    drill.write("persons", &format!("{}\nZZ1\n", shown.join("\n")));
    drill.release();
    drill.daemon();
    drill.run_for("24h").await;
    let walk = standing(&drill)["walk"].clone();
    drill.safe_so_far().await;
    assert_eq!(walk["turns"]["walked"], shown.len(), "{walk:#}");
    // what the walk has found is read as the main login, and does not vanish with it
    let followed = standing(&drill)["followed"].clone();
    let refused = json!({"login": "PROVSVC", "new": "right-horse-2"});
    drill.act(json!({ "password": refused })).await;
    drill.expect.wrong_secrets = 1;
    drill.run_for("1h").await;
    let status = drill.done(&["status"]);
    let status = status.split_whitespace().collect::<Vec<_>>().join(" ");
    let said = format!("NOT COUNTED either: {followed} task");
    assert!(status.contains(&said), "{said}: {status}");
    drill.password("right-horse-2");
    drill.run_for("1h").await;
    drill.approve_backlog();
    drill.run_for("3h").await;
    drill.judge().await;
}

/// Most leavers of a file are often deleted, and shown to nobody. A small budget must not let them hold the
/// walk up at the first one who is shown, for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn persons_who_are_not_shown_do_not_hold_up_a_walk_for_ever() {
    let mut drill = crate::drill::Setup::of(HIDDEN)
        .server("reads_per_minute = 32")
        .config("[intake]\npersons_file = \"persons\"\npersons_every = \"6h\"\nearliest = \"1s\"")
        .file("persons", "")
        .start()
        .await;
    let truth = drill.truth();
    let tasks = truth["tasks"].as_array().expect("tasks").iter();
    let shown: std::collections::BTreeSet<String> = tasks
        .filter(|task| task["owner"] == "user:OTHER")
        .filter_map(|task| Some(task["beneficiary"].as_str()?.to_owned()))
        .collect();
    let first = shown.first().expect("one").clone();
    // all behind the first one in the alphabet
    let gone = ["ZZ1", "ZZ2", "ZZ3", "ZZ4"];
    drill.write("persons", &format!("{first}\n{}\n", gone.join("\n")));
    drill.release();
    drill.daemon();
    drill.run_for("12h").await;
    let walk = standing(&drill)["walk"].clone();
    drill.safe_so_far().await;
    assert_eq!(walk["turns"]["walked"], 1, "{walk:#}");
    assert_eq!(walk["turns"]["not_walked"], 4, "{walk:#}");
    drill.approve_backlog();
    drill.run_for("3h").await;
    drill.judge_leaving(5).await;
}
