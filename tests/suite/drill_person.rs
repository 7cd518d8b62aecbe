//! Drills of who a person is now: a last day that could not be asked for, a login that was given out again, an account that was only unlocked.

use serde_json::{Value, json};

use crate::drill::Setup;
use crate::drill_front::{behind, is_one};

/// Leavers, by OIG's own word, whose disable failed; an unlock was done in their accounts afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unlock_or_enable_holds_up_no_disable_of_somebody_who_is_disabled() {
    for later in ["Unlock User", "Enable User"] {
        let world = format!(
            r#"
name = "unlocked"
seed = 8
[[target]]
name = "AD"
connector = "ldap"
[[definition]]
target = "AD"
name = "Unlock User"
kind = "change"
[[population]]
target = "AD"
accounts = 3
prefix = "LVR"
status = "Disabled"
age = "50h"
task = [{{ task = "Disable User", failure = "network" }}]
done = [{{ task = "{later}", age = "10h" }}]
"#
        );
        let mut drill = Setup::of(&world).enforcing().await;
        drill.run_for("24h").await;
        let (effects, inbox) = (drill.count("effects"), drill.inbox());
        drill.judged_elsewhere();
        assert_eq!(effects, 3, "{later}: {inbox:#?}");
    }
}

/// The first question for an End Date meets a front end that is being reloaded: whose last day is over is given nothing,
/// neither then nor later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_refusal_of_end_dates_gives_nothing_to_those_whose_time_is_over() {
    let mut world = "name = \"past\"\nseed = 9\n[[target]]\nname = \"AD\"\n".to_owned();
    for n in 1..=4 {
        world.push_str(&format!(
            "[[user]]\nlogin = \"PAST{n}\"\nfields = {{ \"End Date\" = \"2027-01-15\" }}\n\
             [[task]]\ntarget = \"AD\"\nuser = \"PAST{n}\"\ntask = \"Add User to Group\"\nfailure = \"network\"\n"
        ));
    }
    let mut drill = Setup::of(&world).start().await;
    let asked = std::sync::atomic::AtomicBool::new(false);
    behind(&drill, move |seen, _| {
        let first = is_one(&seen.path, "users")
            && seen.path.contains("accounts=all")
            && !asked.swap(true, std::sync::atomic::Ordering::SeqCst);
        first.then(|| ("400 Bad Request", "{}".to_owned()))
    })
    .await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("6h").await;
    let (effects, inbox) = (drill.count("effects"), drill.inbox());
    drill.judged_elsewhere();
    assert_eq!(effects, 0, "{inbox:#?}");
}

/// The login of somebody who was deleted is borne by another one now; the open creates are the first one's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whose_login_was_given_out_again_is_not_given_the_accounts_of_the_one_before() {
    given_out_again(false).await;
}

/// The same where the new one owns other tasks, of which the list shows his key alone: he is read by that, and who he is
/// says nothing of the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_who_is_read_by_his_key_speaks_for_nobody_of_the_same_login() {
    given_out_again(true).await;
}

/// A field of a row in its place.
fn set(row: &mut Value, name: &str, to: Value) {
    let name = format!("Process Instance.Task Information.{name}");
    let fields = row["fields"].as_array_mut().expect("fields");
    fields.retain(|field| field["name"] != name.as_str());
    fields.push(json!({ "name": name, "value": to }));
}

async fn given_out_again(owns: bool) {
    let world = r#"
name = "reused"
seed = 9
[[target]]
name = "AD"
[[population]]
target = "AD"
accounts = 3
prefix = "USED"
status = "Deleted"
task = [{ task = "Create User", failure = "network" }]
[[population]]
target = "AD"
accounts = 3
prefix = "EMP"
task = [{ task = "Telephone Updated", failure = "network" }]
"#;
    let mut drill = Setup::of(world).start().await;
    behind(&drill, move |seen, text| {
        if is_one(&seen.path, "users") && seen.path.contains("/users/99000") {
            let none = r#"{"links":[],"fields":[{"name":"usr_key","value":99000}],"accounts":[]}"#;
            let of = none.replace("}],", "},{\"name\":\"User Login\",\"value\":\"USED0001\"},{\"name\":\"Status\",\"value\":\"Active\"}],");
            return Some(("200 OK", of));
        }
        if owns && seen.method == "GET" && seen.path.contains("/provtasks?") {
            let mut page: Value = serde_json::from_str(text).ok()?;
            for row in page["tasks"].as_array_mut()? {
                if row.to_string().contains("EMP") {
                    for name in ["Assignee User ID", "Assigned To Group Key"] {
                        set(row, name, Value::Null);
                    }
                    set(row, "Assigned To User Key", json!(99000));
                }
            }
            return Some(("200 OK", page.to_string()));
        }
        if !seen.path.contains("/users?") {
            return None;
        }
        let mut page: Value = serde_json::from_str(text).ok()?;
        let rows = page["users"].as_array_mut()?;
        let mut more = Vec::new();
        for row in rows.iter() {
            let text = row.to_string();
            if text.contains("USED") {
                let mut other: Value =
                    serde_json::from_str(&text.replace("Deleted", "Active")).ok()?;
                other["id"] = json!("99000");
                for field in other["fields"].as_array_mut()? {
                    if field["name"] == "usr_key" {
                        field["value"] = json!(99000);
                    }
                }
                more.push(other);
            }
        }
        rows.extend(more);
        page["count"] = json!(rows.len());
        Some(("200 OK", page.to_string()))
    })
    .await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("6h").await;
    let (effects, inbox) = (drill.count("effects_to_inactive"), drill.inbox());
    drill.judged_elsewhere();
    assert_eq!(effects, 0, "{inbox:#?}");
}

/// A server that shows no status: an unlock that was done in a disabled account does not make it one that is on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unlock_makes_no_disabled_account_one_that_is_on() {
    for unlock in ["", ", { task = \"Unlock User\", age = \"6d\" }"] {
        let given = unlocked(unlock).await;
        assert_eq!(
            given, 0,
            "grants in disabled accounts; done later: {unlock:?}"
        );
    }
}

async fn unlocked(unlock: &str) -> u64 {
    let world = r#"
name = "unlocked"
seed = 8
[traits]
accounts_no_status = true
[[target]]
name = "AD"
connector = "ldap"
[[definition]]
target = "AD"
name = "Unlock User"
kind = "change"
[[population]]
target = "AD"
accounts = 3
prefix = "EMP"
age = "5d"
task = [{ task = "Add User to Group", failure = "network" }]
done = [{ task = "Disable User", age = "8d" }UNLOCK]
"#;
    let mut drill = Setup::of(&world.replace("UNLOCK", unlock))
        .enforcing()
        .await;
    drill.run_for("24h").await;
    let given = drill.count("effects");
    drill.judged_elsewhere();
    given
}
