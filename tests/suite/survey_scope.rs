//! What a survey says of the extent of its list: whose tasks it counts, who has left although OIG calls him active, and which roles have nobody who can act; each against the simulator's truth.

use std::fs;

use serde_json::{Value, json};

use crate::survey_house::{EVERYBODY, House, text};

/// A login in one role, another role with one member, and a target.
const HEAD: &str = r#"
name = "scope"
seed = 5
start = "2027-03-01T07:00:00Z"
[[login]]
login = "PROVSVC"
password = "sim-password-1"
roles = ["PROV OPERATORS"]
[[role]]
name = "SERVICE DESK"
members = ["AHOLM"]
[[user]]
login = "AHOLM"
[[target]]
name = "AD"
"#;

/// So many tasks of one owner.
fn owned(owner: &str, prefix: &str, many: u32) -> String {
    format!(
        "[[population]]\ntarget = \"AD\"\naccounts = {many}\nprefix = \"{prefix}\"\nowner = [\"{owner}\"]\ntask = [{{ task = \"Title Updated\", failure = \"network\", age = \"1h\" }}]\n"
    )
}

const FORMATS: [&str; 5] = ["r.html", "r.md", "r.json", "r.csv", "r.txt"];

/// The report in each format, its words in one line.
fn every_format(house: &House) -> Vec<(&'static str, String)> {
    let mut args = vec!["survey", "--no-resume"];
    for file in FORMATS {
        args.extend(["--out", file]);
    }
    house.done(&args);
    let read = |file: &'static str| {
        let text = fs::read_to_string(house.dir.path().join(file)).expect(file);
        let words: Vec<&str> = text.split_whitespace().collect();
        (file, words.join(" ").replace("&#39;", "'"))
    };
    FORMATS.into_iter().map(read).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_of_other_roles_is_not_called_the_login_s_own_queue() {
    let world = format!("{HEAD}{}{EVERYBODY}", owned("role:SERVICE DESK", "EMP", 7));
    let house = House::of(&world).await;
    let report = house.report(&[]);
    assert_eq!(report["tasks"], 7);
    let scope = &report["scope"];
    assert_eq!(
        (&scope["by_roles"], &scope["by_own_roles"]),
        (&json!(7), &json!(0)),
        "{scope:#}"
    );
    for (file, said) in every_format(&house) {
        assert!(!said.contains("own queue only"), "{file}: {said}");
        for words in [
            "7 of them belong to roles in which PROVSVC is not",
            "wider than this login's own queue",
        ] {
            assert!(said.contains(words), "{file}: {words}: {said}");
        }
    }
    // what the probe says is the same
    let probed = house.done(&["probe", "--no-save", "--format", "json"]);
    let probed: Value = serde_json::from_str(&probed).expect("JSON");
    assert_eq!(probed["scope"]["other_roles"], 7);
    house.nothing_was_written();

    // its own role beside another: each is counted as what it is
    let world = format!(
        "{HEAD}{}{}{EVERYBODY}",
        owned("role:SERVICE DESK", "EMP", 3),
        owned("role:PROV OPERATORS", "OWN", 2)
    );
    let house = House::of(&world).await;
    let report = house.report(&[]);
    let scope = &report["scope"];
    assert_eq!(
        (&scope["by_roles"], &scope["by_own_roles"]),
        (&json!(5), &json!(2)),
        "{scope:#}"
    );
    let statement = text(&scope["statement"]);
    assert!(
        statement.contains("3 of them belong to roles in which PROVSVC is not"),
        "{statement}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_a_login_s_roles_are_not_shown_nothing_is_claimed_of_them() {
    let world = format!(
        "{HEAD}[[user]]\nlogin = \"PROVSVC\"\nvisible = false\n{}",
        owned("role:PROV OPERATORS", "EMP", 4)
    );
    let house = House::of(&world).await;
    let report = house.report(&[]);
    assert_eq!(report["tasks"], 4);
    assert_eq!(report["scope"]["by_own_roles"], Value::Null);
    for (file, said) in every_format(&house) {
        for claim in ["own queue only", "wider than this login's own queue"] {
            assert!(!said.contains(claim), "{file}: {claim}: {said}");
        }
        assert!(
            said.contains("in which roles PROVSVC is was not shown"),
            "{file}: {said}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_active_although_the_leave_date_has_passed_is_listed_apart() {
    let user = |login: &str, status: &str, end: &str| {
        format!(
            "[[user]]\nlogin = \"{login}\"\nstatus = \"{status}\"\nfields = {{ \"End Date\" = \"{end}\" }}\n"
        )
    };
    let task = |user: &str, task: &str| {
        format!(
            "[[task]]\ntarget = \"AD\"\nuser = \"{user}\"\ntask = \"{task}\"\nfailure = \"network\"\ncreated = \"-24h\"\n"
        )
    };
    let world = [
        HEAD.to_owned(),
        user("PAST", "Active", "2026-11-01"),
        user("COMING", "Active", "2027-06-30"),
        user("TODAY", "Active", "2027-03-01"),
        user("QUITTER", "Disabled", "2026-12-01"),
        task("PAST", "Disable User"),
        task("PAST", "Remove User from Group"),
        task("PAST", "Add User to Group"),
        task("COMING", "Disable User"),
        task("TODAY", "Disable User"),
        task("AHOLM", "Disable User"),
        task("QUITTER", "Disable User"),
    ]
    .concat();
    let house = House::of(&world).await;
    let report = house.report(&[]);
    let open = &report["open_access"];
    let rows: Vec<(String, String, String)> = open["tasks"]
        .as_array()
        .expect("tasks")
        .iter()
        .map(|row| {
            (
                text(&row["person"]),
                text(&row["person_state"]),
                text(&row["since"]),
            )
        })
        .collect();
    let row = |person: &str, state: &str, since: &str| {
        (person.to_owned(), state.to_owned(), since.to_owned())
    };
    let past = row("PAST", "active, leave date passed", "2026-11-01T00:00:00Z");
    assert_eq!(
        rows,
        [
            past.clone(),
            past,
            row("QUITTER", "disabled", "2026-12-01T00:00:00Z"),
        ]
    );
    assert_eq!(
        (
            &open["people"],
            &open["active_people"],
            &open["active_tasks"]
        ),
        (&json!(1), &json!(1), &json!(2)),
        "{open:#}"
    );
    // nor is he missing among those to whom access would be given
    let stale = &report["stale_grants"];
    let rows: Vec<(String, String)> = stale["tasks"]
        .as_array()
        .expect("tasks")
        .iter()
        .map(|row| (text(&row["person"]), text(&row["person_state"])))
        .collect();
    let past = ("PAST".to_owned(), "active, leave date passed".to_owned());
    assert_eq!(rows, [past]);
    assert_eq!(
        (
            &stale["people"],
            &stale["active_people"],
            &stale["active_tasks"]
        ),
        (&json!(0), &json!(1), &json!(1)),
        "{stale:#}"
    );
    for (file, said) in every_format(&house) {
        if file != "r.csv" {
            assert!(said.contains("active, leave date passed"), "{file}: {said}");
        }
        if !["r.csv", "r.json"].contains(&file) {
            assert!(
                said.contains("1 is for 1 person whom OIG calls active although"),
                "{file}: {said}"
            );
        }
        if file != "r.json" {
            assert!(
                said.contains("1 revoke or disable of 1 person who is gone is still open"),
                "{file}: {said}"
            );
            assert!(
                said.contains(
                    "2 more are open of 1 person whom OIG calls active although the leave date has passed"
                ),
                "{file}: {said}"
            );
        }
    }
    house.nothing_was_written();
}

/// A role without members, one whose only member has gone, and one that works.
fn with_roles(more: &str) -> String {
    [
        HEAD,
        "[[role]]\nname = \"EMPTY\"\n[[role]]\nname = \"LEFT OVER\"\nmembers = [\"FGRANT\"]\n[[user]]\nlogin = \"FGRANT\"\nstatus = \"Disabled\"\n",
        more,
        &owned("role:EMPTY", "EMP", 3),
        &owned("role:LEFT OVER", "LEF", 2),
        &owned("role:SERVICE DESK", "DES", 4),
        EVERYBODY,
    ]
    .concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles_in_which_nobody_can_act_are_among_the_owners_who_can_not() {
    let house = House::of(&with_roles("")).await;
    let report = house.report(&[]);
    let stuck: Vec<(String, String, u64)> = report["stuck"]
        .as_array()
        .expect("owners")
        .iter()
        .map(|owner| {
            (
                text(&owner["owner"]),
                text(&owner["state"]),
                owner["tasks"].as_u64().expect("a count"),
            )
        })
        .collect();
    assert_eq!(
        stuck,
        [
            ("role:EMPTY".to_owned(), "no members".to_owned(), 3),
            (
                "role:LEFT OVER".to_owned(),
                "no active member".to_owned(),
                2
            ),
        ]
    );
    let reads = &report["reads"];
    assert_eq!(
        (&reads["roles"], &reads["roles_read"]),
        (&json!(3), &json!(3)),
        "{reads:#}"
    );
    let members = |house: &House| {
        let asked = house.requests(0).into_iter();
        asked
            .filter(|row| text(&row["path"]).ends_with("/members"))
            .count()
    };
    assert_eq!(members(&house), 3, "each once");
    for (file, said) in every_format(&house) {
        if file == "r.csv" || file == "r.json" {
            continue;
        }
        assert!(said.contains("5 tasks of 2 owners"), "{file}: {said}");
        assert!(said.contains("no active member"), "{file}: {said}");
        assert!(
            said.contains("3 of 3 roles that own tasks were looked into"),
            "{file}: {said}"
        );
    }
    house.nothing_was_written();
    // a limit of requests leaves them out, and says so
    let house = House::of(&with_roles("")).await;
    let few = house.report(&["--max-reads", "3"]);
    assert_eq!(few["stuck"], json!([]));
    assert_eq!(few["reads"]["roles_read"], 0, "{:#}", few["reads"]);
}

/// An empty list of members that nobody is shown in is no empty role.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_members_are_not_shown_roles_are_not_called_empty() {
    let hidden = with_roles("[[user]]\nlogin = \"PROVSVC\"\nvisible = false\n")
        .replace(
            "[[user]]\nlogin = \"AHOLM\"\n",
            "[[user]]\nlogin = \"AHOLM\"\nvisible = false\n",
        )
        .replace(
            "status = \"Disabled\"\n",
            "status = \"Disabled\"\nvisible = false\n",
        );
    let house = House::of(&hidden).await;
    let report = house.report(&[]);
    assert_eq!(report["tasks"], 9);
    assert_eq!(report["stuck"], json!([]), "{:#}", report["stuck"]);
    assert_eq!(report["reads"]["roles_read"], 0);
    for (file, said) in every_format(&house) {
        if file == "r.csv" || file == "r.json" {
            continue;
        }
        assert!(
            said.contains("Roles were not looked into"),
            "{file}: {said}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_member_who_can_act_is_enough_and_who_is_away_can_not() {
    let world = [
        HEAD,
        "[[user]]\nlogin = \"FGRANT\"\nstatus = \"Disabled\"\n[[user]]\nlogin = \"LOTTO\"\n",
        "[[role]]\nname = \"MIXED\"\nmembers = [\"FGRANT\", \"LOTTO\", \"AHOLM\"]\n",
        "[[role]]\nname = \"ON LEAVE\"\nmembers = [\"FGRANT\", \"LOTTO\"]\n",
        &owned("role:MIXED", "EMP", 3),
        &owned("role:ON LEAVE", "LEF", 2),
        EVERYBODY,
    ]
    .concat();
    let house = House::with(&world, "", "[absence]\nfeed = \"leave.csv\"\n").await;
    fs::write(
        house.dir.path().join("leave.csv"),
        "login,from,to,stand_in\nLOTTO,2027-02-20,2027-03-20,\n",
    )
    .expect("written");
    let report = house.report(&[]);
    let stuck: Vec<(String, String)> = report["stuck"]
        .as_array()
        .expect("owners")
        .iter()
        .map(|owner| (text(&owner["owner"]), text(&owner["state"])))
        .collect();
    assert_eq!(
        stuck,
        [("role:ON LEAVE".to_owned(), "all members away".to_owned())]
    );
    assert_eq!(report["reads"]["roles_read"], 2, "{:#}", report["reads"]);
    house.nothing_was_written();
}
