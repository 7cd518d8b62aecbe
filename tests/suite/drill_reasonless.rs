//! Drills of a server whose list shows no reason of any failure, whole processes: the single tasks tell it, within the read budget, and what is not read yet is called that.

use serde_json::{Value, json};

use crate::drill::{Drill, Setup};

/// A target that has come back, and a list that does not say what failed.
fn world(accounts: u32, list_reason: &str) -> String {
    format!(
        "name = \"reasonless\"\nseed = 17\n[traits]\n{list_reason}\n[[target]]\nname = \"AD\"\n[[population]]\ntarget = \"AD\"\naccounts = {accounts}\ntask = [{{ task = \"Telephone Updated\", failure = \"network\" }}]\n[[target]]\nname = \"HR\"\n[[population]]\ntarget = \"HR\"\naccounts = 2\ntask = [{{ task = \"Disable User\", failure = \"network\" }}]\n"
    )
}

/// Single tasks that were read so far.
fn looks(drill: &Drill) -> Vec<String> {
    let journal = drill.journal();
    let paths = journal.iter().filter_map(|row| row["path"].as_str());
    let singles = paths.filter(|path| path.contains("/provtasks/"));
    singles.map(ToOwned::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_without_reasons_heals_all_the_same() {
    let mut drill = Setup::of(&world(12, "list_reason = 0"))
        .server("reads_per_minute = 40")
        .start()
        .await;
    // nothing was read yet: a question names why a task is left
    let plan = drill.json(&["plan", "--json"]);
    let items = plan["items"].as_array().expect("items").clone();
    let words = |item: &Value| item["verdict_text"].as_str().unwrap_or_default().to_owned();
    let waits = |item: &&Value| words(item).contains("the list shows no reason; its task is read");
    let retried = |item: &&Value| words(item).starts_with("retry");
    assert_eq!(items.len(), 14);
    // a quarter of the budget, and what takes access is among it
    assert_eq!(items.iter().filter(retried).count(), 10, "{items:#?}");
    assert_eq!(items.iter().filter(waits).count(), 4, "{items:#?}");
    let disables = |item: &&Value| item["kind"] == "disable";
    let disables: Vec<&Value> = items.iter().filter(disables).collect();
    assert!(disables.len() == 2 && disables.iter().all(retried));
    let left = items.iter().find(waits).expect("one waits");
    let task = left["task"].as_str().expect("an id").to_owned();
    // who asks about it alone has it read
    let told = drill.json(&["explain", &task, "--json"]);
    assert!(told.to_string().contains("may heal by itself"), "{told:#}");
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("6h").await;
    assert_eq!(drill.count("healed"), 14, "{}", drill.log());
    assert!(
        drill
            .log()
            .contains("the list shows no reason of any failed task")
    );
    drill.judge().await;
}

/// What was read holds over the cycles: the second one reads nothing anew for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_single_task_has_told_is_not_read_in_each_cycle() {
    let mut drill = Setup::of(&world(3, "list_reason = 0"))
        .every("5m")
        .start()
        .await;
    drill.release();
    drill.daemon();
    // the backlog is not released: all wait, and are known
    drill.run_for("1h").await;
    let looks = looks(&drill);
    drill.approve_backlog();
    drill.run_for("6h").await;
    assert_eq!(drill.count("healed"), 5);
    drill.judge().await;
    let mut paths = looks.clone();
    paths.sort();
    paths.dedup();
    assert_eq!((looks.len(), paths.len()), (5, 5), "{looks:?}");
}

/// Where some rows have their reason, who has none has none, and nothing more is read for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_with_reasons_costs_no_reading_of_single_tasks() {
    let mut drill = Setup::of(&world(3, "")).every("5m").start().await;
    drill.release();
    drill.daemon();
    drill.run_for("1h").await;
    assert_eq!(looks(&drill), Vec::<String>::new());
    drill.approve_backlog();
    drill.run_for("6h").await;
    assert_eq!(drill.count("healed"), 5);
    assert_eq!(json!(drill.inbox()), json!([]));
    drill.judge().await;
}

/// Three tasks can't be read, and are the oldest: the others heal in their turn, and those are told as what they are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_that_can_not_be_read_keep_no_others_waiting() {
    let mut world =
        "name = \"unreadable\"\nseed = 17\n[traits]\nlist_reason = 0\n[[target]]\nname = \"AD\"\n"
            .to_owned();
    for n in 0..6 {
        world += &format!(
            "[[user]]\nlogin = \"USER{n}\"\n[[task]]\nid = {}\ntarget = \"AD\"\nuser = \"USER{n}\"\ntask = \"Telephone Updated\"\nfailure = \"network\"\ncreated = \"-{}h\"\n",
            700 + n,
            60 - n
        );
    }
    for n in 0..3 {
        world += &format!(
            "[[fault]]\ndo = \"forbidden\"\non = \"read\"\npath = \"/provtasks/{}\"\nprobability = 1.0\n",
            700 + n
        );
    }
    let mut drill = Setup::of(&world).start().await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("6h").await;
    assert_eq!(drill.count("healed"), 3, "{}", drill.log());
    let plan = drill.json(&["plan", "--json"]);
    let items = plan["items"].as_array().expect("items").iter();
    let words = |item: &Value| item["verdict_text"].as_str().unwrap_or_default().to_owned();
    let unread = items.filter(|item| words(item).contains("could not be read for it"));
    assert_eq!(unread.count(), 3, "{plan:#}");
    drill.judged_elsewhere();
}
