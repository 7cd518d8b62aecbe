//! Drills of a server that archives finished tasks, the first of each account like the others: what is given is not what was taken away by a task that is shown no more; judged by the simulator's truth alone.

use std::collections::BTreeMap;

use serde_json::json;

use crate::drill::{Drill, Setup};

/// For whom the connector ran with success, without the number, and how often.
pub async fn done_for(drill: &Drill) -> BTreeMap<String, u64> {
    let mut ran = BTreeMap::new();
    for effect in drill.evidence().await.effects() {
        let login = effect["beneficiary"].as_str().expect("a login");
        let prefix = login.trim_end_matches(|c: char| c.is_ascii_digit());
        *ran.entry(prefix.to_owned()).or_default() += u64::from(effect["ok"] == true);
    }
    ran
}

fn counts<const N: usize>(of: [(&str, u64); N]) -> BTreeMap<String, u64> {
    of.map(|(name, count)| (name.to_owned(), count)).into()
}

/// Three people each, of whom access was taken forty days ago, twenty after it could not be given.
fn populations(kinds: &[(&str, &str, &str)]) -> String {
    let one = |(prefix, task, taken): &(&str, &str, &str)| {
        let done = if taken.is_empty() {
            String::new()
        } else {
            format!("done = [{{ task = \"{taken}\", age = \"40d\" }}]\n")
        };
        format!(
            "[[population]]\ntarget = \"AD\"\naccounts = 3\nprefix = \"{prefix}\"\nage = \"60d\"\n\
             task = [{{ task = \"{task}\", failure = \"network\" }}, {{ task = \"Telephone Updated\", failure = \"network\", age = \"2d\" }}]\n{done}"
        )
    };
    kinds.iter().map(one).collect()
}

pub fn world(forget: &str, traits: &str, populations: &str) -> String {
    format!(
        "name = \"archive\"\nseed = 71\n[server]\nforget_after = \"{forget}\"\n[traits]\n{traits}\n\
         [[target]]\nname = \"AD\"\nconnector = \"ldap\"\n{populations}"
    )
}

pub async fn run(world: &str, span: &str) -> Drill {
    let mut drill = Setup::of(world)
        .config("[guard]\nage_limit = \"300d\"")
        .every("30m")
        .enforcing()
        .await;
    drill.run_for(span).await;
    drill
}

const TAKEN: [(&str, &str, &str); 3] = [
    ("ENA", "Enable User", "Disable User"),
    ("GRP", "Add User to Group", "Disable User"),
    ("NEW", "Create User", "Delete User"),
];

/// The server shows no status: what was done in the account since has to be shown, and it is archived.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_given_where_what_took_it_is_archived_with_all_of_its_time() {
    let world = world("30d", "accounts_no_status = true", &populations(&TAKEN));
    let drill = run(&world, "24h").await;
    let (stale, ran, inbox) = (
        drill.count("stale_effects"),
        done_for(&drill).await,
        drill.inbox(),
    );
    drill.judged_elsewhere();
    assert_eq!(stale, 0, "given back: {ran:?} {inbox:#?}");
    let asked = inbox.iter().any(|item| item["why"] == "account_unknown");
    assert!(asked, "{inbox:#?}");
}

/// The same where statuses are shown, and an account that is gone is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_account_is_made_again_where_its_removal_is_archived() {
    let world = world(
        "30d",
        "accounts_hide_gone = true",
        &populations(&TAKEN[2..]),
    );
    let drill = run(&world, "24h").await;
    let (stale, ran, inbox) = (
        drill.count("stale_effects"),
        done_for(&drill).await,
        drill.inbox(),
    );
    drill.judged_elsewhere();
    assert_eq!(stale, 0, "made again: {ran:?} {inbox:#?}");
}

/// A row was taken from an account that is on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_row_is_given_again_where_its_removal_is_archived() {
    let mut tasks = String::from("[[user]]\nlogin = \"JDOE\"\n");
    for (name, created, more) in [
        ("Add User to Group", "-60d", "failure = \"network\""),
        ("Remove User from Group", "-40d", "status = \"C\""),
    ] {
        tasks.push_str(&format!(
            "[[task]]\ntarget = \"AD\"\nuser = \"JDOE\"\ntask = \"{name}\"\ncreated = \"{created}\"\nchild = \"SALES\"\n{more}\n"
        ));
    }
    let world = world("30d", "show_child = true", &tasks);
    let drill = run(&world, "24h").await;
    let (stale, ran, inbox) = (
        drill.count("stale_effects"),
        done_for(&drill).await,
        drill.inbox(),
    );
    drill.judged_elsewhere();
    assert_eq!(
        (stale, ran.len()),
        (0, 0),
        "given again: {ran:?} {inbox:#?}"
    );
}

/// One old task was completed only now: it is shown, and what others have finished meanwhile is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_that_end_only_now_do_not_tell_that_nothing_is_archived() {
    let mut late = String::new();
    for (id, user) in [(61, "LATEA"), (62, "LATEB"), (63, "LATEC")] {
        late.push_str(&format!(
            "[[user]]\nlogin = \"{user}\"\n\
             [[task]]\nid = {id}\ntarget = \"AD\"\nuser = \"{user}\"\ntask = \"Title Updated\"\nstatus = \"P\"\ncreated = \"-63d\"\n\
             [[task]]\ntarget = \"AD\"\nuser = \"{user}\"\ntask = \"Telephone Updated\"\nfailure = \"network\"\ncreated = \"-1d\"\n"
        ));
    }
    // two of one account are no more than one account
    late.push_str("[[task]]\nid = 64\ntarget = \"AD\"\nuser = \"LATEA\"\ntask = \"Department Updated\"\nstatus = \"P\"\ncreated = \"-62d\"\n");
    let all = format!("{}{late}", populations(&TAKEN));
    let world = world("30d", "accounts_no_status = true", &all);
    let mut drill = Setup::of(&world)
        .config("[guard]\nage_limit = \"300d\"")
        .every("30m")
        .start()
        .await;
    // those of one before anybody looks, the others beside the daemon
    for id in ["61", "64"] {
        drill.act(json!({"task": id, "do": "complete"})).await;
    }
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("2h").await;
    for id in ["62", "63"] {
        drill.act(json!({"task": id, "do": "complete"})).await;
    }
    drill.run_for("24h").await;
    let (stale, ran, inbox) = (
        drill.count("stale_effects"),
        done_for(&drill).await,
        drill.inbox(),
    );
    drill.judged_elsewhere();
    assert_eq!(stale, 0, "given back: {ran:?} {inbox:#?}");
}

/// Nothing is archived: all that nothing was taken from heals, whether statuses are shown or not, and nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nothing_is_archived_all_heals() {
    let healthy = [
        ("GIV", "Add User to Group", ""),
        ("MAK", "Create User", ""),
        ("CHG", "Title Updated", ""),
    ];
    let kinds: Vec<_> = TAKEN.into_iter().chain(healthy).collect();
    // older ones tell it of the oldest work, too
    let older = "[[population]]\ntarget = \"AD\"\naccounts = 2\nprefix = \"USE\"\nage = \"90d\"\n\
         task = [{ task = \"Telephone Updated\", failure = \"data\" }]\n\
         done = [{ task = \"Department Updated\", age = \"80d\" }, { task = \"Title Updated\", age = \"79d\" }]\n";
    let all = format!("{}{older}", populations(&kinds));
    for traits in ["accounts_no_status = true", ""] {
        let drill = run(&world("400d", traits, &all), "24h").await;
        assert_eq!(drill.count("stale_effects"), 0, "{traits}");
        let ran = done_for(&drill).await;
        let healed = counts([("CHG", 6), ("GIV", 6), ("MAK", 6)]);
        assert_eq!(ran, healed, "{traits}: {:#?}", drill.inbox());
        drill.judged_elsewhere();
    }
}

/// The accounts are older than what the server keeps. What others have finished since then tells that what is younger is
/// still shown.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn young_work_of_old_accounts_heals_though_their_creates_are_archived() {
    let world = world(
        "30d",
        "accounts_no_status = true",
        "[[population]]\ntarget = \"AD\"\naccounts = 4\nprefix = \"OLD\"\nage = \"2d\"\n\
         task = [{ task = \"Add User to Group\", failure = \"network\" }, { task = \"Title Updated\", failure = \"network\" }]\n\
         done = [{ task = \"Create User\", age = \"300d\" }, { task = \"Telephone Updated\", age = \"12d\" }, { task = \"Title Updated\", age = \"11d\" }]\n\
         [[population]]\ntarget = \"AD\"\naccounts = 2\nprefix = \"NEW\"\nage = \"1d\"\n\
         task = [{ task = \"Create User\", failure = \"network\" }, { task = \"Add User to Group\", failure = \"network\" }]\n",
    );
    let drill = run(&world, "24h").await;
    assert_eq!(drill.count("stale_effects"), 0);
    let ran = done_for(&drill).await;
    let healed = counts([("NEW", 4), ("OLD", 8)]);
    assert_eq!(ran, healed, "{:#?}", drill.inbox());
    drill.judge().await;
}

/// Most accounts show nothing that is finished any more. Those that do are found in turn, so that new accounts are made.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_that_tell_are_found_among_many_that_do_not() {
    let many = |prefix: &str, accounts: u8, done: &str| {
        format!(
            "[[population]]\ntarget = \"AD\"\naccounts = {accounts}\nprefix = \"{prefix}\"\nage = \"2d\"\n\
             task = [{{ task = \"Title Updated\", failure = \"data\" }}]\n\
             done = [{{ task = \"Create User\", age = \"300d\" }}{done}]\n"
        )
    };
    let all = [
        many("OLD", 20, ""),
        many(
            "USE",
            3,
            ", { task = \"Telephone Updated\", age = \"12d\" }, { task = \"Title Updated\", age = \"11d\" }",
        ),
        "[[population]]\ntarget = \"AD\"\naccounts = 2\nprefix = \"NEW\"\nage = \"1d\"\ntask = [{ task = \"Create User\", failure = \"network\" }]\n".to_owned(),
    ];
    let drill = run(&world("30d", "", &all.concat()), "24h").await;
    let ran = done_for(&drill).await;
    let (stale, inbox) = (drill.count("stale_effects"), drill.inbox());
    drill.judged_elsewhere();
    assert_eq!((stale, ran), (0, counts([("NEW", 2)])), "{inbox:#?}");
}

/// A bad morning: the directory was down, new people were to get their accounts, and nothing else is open. Each account's
/// status tells that nothing has taken it since.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_accounts_are_made_where_nothing_else_is_open() {
    let new = "[[population]]\ntarget = \"AD\"\naccounts = 5\nprefix = \"NEW\"\nage = \"1d\"\ntask = [{ task = \"Create User\", failure = \"network\" }]\n";
    let drill = run(&world("30d", "", new), "24h").await;
    let ran = done_for(&drill).await;
    assert_eq!(ran, counts([("NEW", 5)]), "{:#?}", drill.inbox());
    drill.judge().await;
}

/// Disabled long ago, enabled after it, and both have failed: the account is on, and whether it was switched on since is
/// archived. The enable could not follow the disable, so that neither goes before a person has said which of them is meant.
/// Who is gone loses his account all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_disable_waits_with_the_younger_enable_where_it_could_not_follow() {
    let both = |prefix: &str| {
        format!(
            "[[population]]\ntarget = \"AD\"\naccounts = 3\nprefix = \"{prefix}\"\nage = \"60d\"\n\
             task = [{{ task = \"Disable User\", failure = \"network\" }}, {{ task = \"Enable User\", failure = \"network\", age = \"55d\" }}]\n"
        )
    };
    for traits in ["", "accounts_no_status = true"] {
        let all = [both("EMP"), both("GON")].concat();
        let mut drill = Setup::of(&world("30d", traits, &all))
            .config("[guard]\nage_limit = \"300d\"")
            .every("30m")
            .start()
            .await;
        for n in 1..=3 {
            let login = format!("GON{n:04}");
            drill
                .act(json!({"user": login, "status": "Disabled"}))
                .await;
        }
        drill.release();
        drill.daemon();
        drill.run_for("1m").await;
        drill.approve_backlog();
        drill.run_for("24h").await;
        let (ran, inbox) = (done_for(&drill).await, drill.inbox());
        let about = format!("{traits}: {ran:?} {inbox:#?}");
        assert_eq!(ran, counts([("GON", 3)]), "{about}");
        let asked = inbox.iter().find(|item| item["why"] == "account_unknown");
        let text = asked.and_then(|item| item["text"].as_str());
        assert!(
            text.unwrap_or_default().contains("younger enable"),
            "{about}"
        );
        // a person says which: of one the disable is cancelled, of another the enable
        let truth = drill.truth();
        let open = |login: &str, name: &str| {
            let mut tasks = truth["tasks"].as_array().expect("tasks").iter();
            let mine = |task: &&serde_json::Value| {
                task["beneficiary"] == login && task["definition"] == name && task["status"] == "R"
            };
            let id = &tasks.find(mine).expect("an open task")["id"];
            id.to_string().trim_matches('"').to_owned()
        };
        let why = drill.done(&["explain", &open("EMP0003", "Disable User")]);
        assert!(why.contains("cancel in OIG the one"), "{traits}: {why}");
        for (login, name) in [("EMP0001", "Disable User"), ("EMP0002", "Enable User")] {
            let id = open(login, name);
            drill.act(json!({"task": id, "do": "cancel"})).await;
        }
        drill.run_for("24h").await;
        // who leaves while it waits is not asked about for long
        let gone = json!({"user": "EMP0003", "status": "Disabled"});
        drill.act(gone).await;
        drill.run_for("50m").await;
        let evidence = drill.evidence().await;
        let good = evidence.effects().filter(|effect| effect["ok"] == true);
        let mut ran: Vec<(String, String)> = good
            .map(|effect| {
                let text = |name: &str| effect[name].as_str().expect("a name").to_owned();
                (text("beneficiary"), text("definition"))
            })
            .filter(|(login, _)| login.starts_with("EMP"))
            .collect();
        ran.sort();
        drill.judged_elsewhere();
        let disabled = ("EMP0002".to_owned(), "Disable User".to_owned());
        assert!(ran.contains(&disabled), "{traits}: {ran:?}");
        let mut third = ran.iter().filter(|(login, _)| login == "EMP0003");
        let last = third.next().map(|(_, name)| name.as_str());
        assert_eq!(last, Some("Disable User"), "{traits}: {ran:?}");
        assert_eq!(third.count(), 0, "{traits}: {ran:?}");
        let off = ("EMP0001".to_owned(), "Disable User".to_owned());
        assert!(!ran.contains(&off), "{traits}: {ran:?}");
    }
}

/// Tasks of long ago that came to their end just before the daemon was started, which no list has shown open.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_that_ended_late_before_anybody_looked_do_not_tell_that_nothing_is_archived() {
    let mut late = String::new();
    for (id, user) in [(61, "LATEA"), (62, "LATEB")] {
        late.push_str(&format!(
            "[[user]]\nlogin = \"{user}\"\n\
             [[task]]\nid = {id}\ntarget = \"AD\"\nuser = \"{user}\"\ntask = \"Title Updated\"\nstatus = \"P\"\ncreated = \"-61d\"\n\
             [[task]]\ntarget = \"AD\"\nuser = \"{user}\"\ntask = \"Telephone Updated\"\nfailure = \"network\"\ncreated = \"-1d\"\n"
        ));
    }
    let all = format!("{}{late}", populations(&TAKEN));
    let world = world("30d", "accounts_no_status = true", &all);
    let mut drill = Setup::of(&world)
        .config("[guard]\nage_limit = \"300d\"")
        .every("30m")
        .start()
        .await;
    for id in ["61", "62"] {
        drill.act(json!({"task": id, "do": "complete"})).await;
    }
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("24h").await;
    let (stale, ran, inbox) = (
        drill.count("stale_effects"),
        done_for(&drill).await,
        drill.inbox(),
    );
    drill.judged_elsewhere();
    assert_eq!(stale, 0, "given back: {ran:?} {inbox:#?}");
    // nothing waits without a word: each piece of work that was not done is a person's
    let asked: u64 = inbox
        .iter()
        .filter(|item| item["why"] == "account_unknown")
        .filter_map(|item| item["count"].as_u64())
        .sum();
    assert!(asked >= 9, "{inbox:#?}");
}

/// Two creates that came to their end only now, beside which something has failed meanwhile: that tells of no time at which
/// they had ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_creates_that_ended_late_do_not_tell_that_nothing_is_archived() {
    let mut late = String::new();
    for (id, user) in [(61, "LATEA"), (62, "LATEB")] {
        late.push_str(&format!(
            "[[user]]\nlogin = \"{user}\"\n\
             [[task]]\nid = {id}\ntarget = \"AD\"\nuser = \"{user}\"\ntask = \"Create User\"\nstatus = \"P\"\ncreated = \"-63d\"\n\
             [[task]]\ntarget = \"AD\"\nuser = \"{user}\"\ntask = \"Title Updated\"\nfailure = \"data\"\ncreated = \"-1500h\"\n"
        ));
    }
    let all = format!("{}{late}", populations(&TAKEN));
    for traits in ["accounts_no_status = true", ""] {
        let mut drill = Setup::of(&world("30d", traits, &all))
            .config("[guard]\nage_limit = \"300d\"")
            .every("30m")
            .start()
            .await;
        for id in ["61", "62"] {
            drill.act(json!({"task": id, "do": "complete"})).await;
        }
        drill.release();
        drill.daemon();
        drill.run_for("1m").await;
        drill.approve_backlog();
        drill.run_for("24h").await;
        let (stale, inbox) = (drill.count("stale_effects"), drill.inbox());
        drill.judged_elsewhere();
        assert_eq!(stale, 0, "given back: {traits} {inbox:#?}");
    }
}

/// The account's own create was pending for days; a row of it failed, was taken away, and that is archived. The daemon's
/// own list shows the create open until somebody completes it now: it tells of no time before that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_own_create_that_was_watched_while_it_was_open_tells_nothing_of_before() {
    let world = world(
        "5d",
        "show_child = true",
        "[[user]]\nlogin = \"JDOE\"\n\
         [[task]]\nid = 61\ntarget = \"AD\"\nuser = \"JDOE\"\ntask = \"Create User\"\nstatus = \"P\"\ncreated = \"-12d\"\n\
         [[task]]\nid = 62\ntarget = \"AD\"\nuser = \"JDOE\"\ntask = \"Add User to Group\"\nfailure = \"network\"\nchild = \"SALES\"\ncreated = \"-10d\"\n\
         [[task]]\nid = 63\ntarget = \"AD\"\nuser = \"JDOE\"\ntask = \"Remove User from Group\"\nstatus = \"C\"\nchild = \"SALES\"\ncreated = \"-8d\"\n",
    );
    let mut drill = run(&world, "6h").await;
    drill.act(json!({"task": "61", "do": "complete"})).await;
    drill.run_for("12h").await;
    let (stale, inbox) = (drill.count("stale_effects"), drill.inbox());
    drill.judged_elsewhere();
    assert_eq!(stale, 0, "given back: {inbox:#?}");
    let asked = inbox.iter().any(|item| item["why"] == "account_unknown");
    assert!(asked, "{inbox:#?}");
}
