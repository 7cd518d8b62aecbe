//! One drill of each sort in real time, on a clock that is scaled and not stepped: nothing waits for the daemon here.

use serde_json::json;

use crate::drill::{Drill, Setup};

/// Domain time runs so many times faster.
const SCALE: f64 = 600.0;

/// Limits that a busy machine keeps at that speed, when wall time becomes domain time.
const SLACK: &str = "[delivery]\nreread_after = \"30m\"\n[guard]\nfact_age = \"1h\"";

/// Work on two targets, one of which comes up only after a while.
fn world(extra: &str) -> Setup {
    let scenario = format!(
        r#"
name = "real"
seed = 16
{extra}
[[target]]
name = "AD"
retries_anything = true
[[population]]
target = "AD"
accounts = 6
task = [{{ task = "Telephone Updated", failure = "network" }}]
"#
    );
    Setup::of(&scenario).scaled(SCALE).config(SLACK)
}

fn healed(count: u64) -> impl Fn(&Drill) -> bool {
    move |drill| drill.count("healed") >= count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_real_time_what_can_heal_heals() {
    let mut drill = world(
        "[[target]]\nname = \"SAP\"\nconnector = \"erp\"\nrun = \"later\"\nlater = \"2m\"\n[[population]]\ntarget = \"SAP\"\naccounts = 4\nprefix = \"S\"\ntask = [{ task = \"Add Role\", failure = \"lock\" }]\n",
    )
    .enforcing_in_real_time()
    .await;
    drill.until("everything has healed", healed(10)).await;
    let evidence = drill.judge().await;
    assert_eq!(evidence.count("effects"), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_real_time_stale_grants_take_no_effect() {
    let mut drill = world(
        "[[population]]\ntarget = \"AD\"\naccounts = 5\nprefix = \"LVR\"\nstatus = \"Disabled\"\ntask = [{ task = \"Add User to Group\", failure = \"network\" }]\n",
    )
    .enforcing_in_real_time()
    .await;
    drill.until("the good ones have healed", healed(6)).await;
    let asked = |drill: &Drill| drill.inbox().iter().any(|item| item["why"] != "baseline");
    drill.until("the stale ones are asked", asked).await;
    let evidence = drill.judge().await;
    assert_eq!(evidence.count("effects"), 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_real_time_a_kill_while_a_put_hangs_is_survived() {
    let mut drill = world("").enforcing_in_real_time().await;
    drill
        .act(json!({"fault": {"do": "hang", "on": "put", "at": [1]}}))
        .await;
    let held = |drill: &Drill| drill.journal().iter().any(|row| row["fault"] == "Hang");
    drill.until("a PUT hangs at the server", held).await;
    drill.kill_and_restart().await;
    drill.until("everything has healed", healed(6)).await;
    let evidence = drill.judge().await;
    assert_eq!(evidence.count("effects"), 6, "each claim had one effect");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_real_time_a_wrong_password_stops_everything_until_it_is_mended() {
    let mut drill = world("").enforcing_in_real_time().await;
    drill
        .act(json!({"password": {"login": "PROVSVC", "new": "right-horse-2"}}))
        .await;
    drill.expect.wrong_secrets = 1;
    let stopped =
        |drill: &Drill| drill.json(&["status", "--json"])["login_state"]["login"] == "stopped";
    drill.until("the login is stopped", stopped).await;
    drill.safe_so_far().await;
    drill.password("right-horse-2");
    drill.until("everything has healed", healed(6)).await;
    drill.judge().await;
}
