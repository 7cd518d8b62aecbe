//! The simulator's world: retries and their successors, people, acts, the journal, determinism; judged over HTTP and by its own truth.

use provtaskd::sim::{Scenario, SimOptions, SimServer};
use reqwest::Method;
use serde_json::{Value, json};

use crate::sim_support::{BASE, KEY, Sim, WORLD, field};

/// Retries everything that is rejected and visible, in one PUT. Answers how many items there were.
async fn retry_all(sim: &Sim) -> usize {
    let list = sim
        .get("/provtasks?limit=1000&q=Process::Instance.Task::Details.Status+eq+Rejected")
        .await;
    let tasks: Vec<Value> = list["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|task| {
            let id = field(task, KEY).to_string();
            json!({"id": id, "action": "retry", "taskId": id})
        })
        .collect();
    let count = tasks.len();
    if count > 0 {
        sim.put("/provtasks", json!({ "tasks": tasks })).await;
    }
    count
}

async fn go(sim: &Sim, to: &str) {
    sim.control("/sim/clock/hold", json!({"until": to})).await;
    sim.control("/sim/clock/advance", json!({ "to": to })).await;
}

#[tokio::test]
async fn an_outage_heals_only_as_fast_as_the_target_recovers() {
    let sim = Sim::with(Scenario::built_in("outage").unwrap()).await;
    assert_eq!(retry_all(&sim).await, 160);
    assert_eq!(sim.count("healed"), 40, "the target that is up");
    // While the other one is down nothing on it could heal, so a careful client owes nothing.
    assert_eq!(sim.count("healable_open"), 0);
    go(&sim, "2027-03-01T10:30:00Z").await;
    assert_eq!(sim.count("healable_open"), 120);
    assert_eq!(retry_all(&sim).await, 120);
    assert_eq!(sim.count("healed"), 70, "30 runs a minute");
    go(&sim, "2027-03-01T12:00:00Z").await;
    assert_eq!(retry_all(&sim).await, 90);
    assert_eq!((sim.count("healed"), sim.count("healable_open")), (160, 0));
    assert_eq!(
        (sim.count("effected_twice"), sim.count("runs_twice")),
        (0, 0)
    );
    assert_eq!(sim.count("most_runs_of_one"), 3);
}

#[tokio::test]
async fn the_truth_sees_stale_grants() {
    let sim = Sim::with(Scenario::built_in("stale").unwrap()).await;
    assert_eq!(
        sim.count("healable_open"),
        40,
        "20 good ones, 10 grants before an open disable, 10 disables"
    );
    retry_all(&sim).await;
    // A blind client does harm, and the truth counts it.
    assert!(
        sim.count("stale_effects") >= 45,
        "{}",
        sim.count("stale_effects")
    );
}

#[tokio::test]
async fn the_truth_sees_changes_in_the_wrong_order() {
    let sim = Sim::with(Scenario::built_in("siblings").unwrap()).await;
    let list = sim
        .get("/provtasks?limit=500&q=Process::Definition.Tasks.Task::Name+eq+Department::Updated")
        .await;
    let mut ids: Vec<u64> = list["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|task| field(task, KEY).as_u64().unwrap())
        .collect();
    assert_eq!(ids.len(), 80);
    ids.sort_unstable_by(|a, b| b.cmp(a));
    for id in ids {
        sim.put(&format!("/provtasks/{id}"), json!({"action":"retry"}))
            .await;
    }
    assert_eq!(
        sim.count("overtaken_effects"),
        60,
        "three of four in each of 20 accounts"
    );
}

#[tokio::test]
async fn successors_show_themselves_as_each_target_has_it() {
    let sim = Sim::with(Scenario::built_in("successors").unwrap()).await;
    let first: Vec<u64> = sim
        .get("/provtasks?limit=500&q=Objects.Name+eq+LINKED")
        .await["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|task| field(task, KEY).as_u64().unwrap())
        .collect();
    assert_eq!(retry_all(&sim).await, 70);
    let open = async |target: &str| {
        sim.get(&format!("/provtasks?limit=500&q=Objects.Name+eq+{target}"))
            .await
    };
    assert_eq!(open("ATONCE").await["count"], 0);
    assert_eq!(open("RUNSLATER").await["count"], 10);
    assert_eq!(open("HOURSLATER").await["count"], 0);
    assert_eq!(open("HIDDEN").await["count"], 0);
    let linked = open("LINKED").await;
    let mut links: Vec<u64> = linked["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|task| {
            field(task, "Process Instance.Task Information.Retry Task")
                .as_u64()
                .unwrap()
        })
        .collect();
    links.sort_unstable();
    assert_eq!(links, first);
    go(&sim, "2027-03-01T07:05:00Z").await;
    assert_eq!(open("RUNSLATER").await["count"], 0);
    assert_eq!(open("SAMEID").await["count"], 0);
    let bounced = open("BOUNCES").await;
    assert_eq!(bounced["count"], 10);
    assert_eq!(field(&bounced["tasks"][0], "Status.Category"), "Rejected");
    assert_eq!(sim.count("healed"), 50, "all but HOURSLATER and BOUNCES");
    go(&sim, "2027-03-01T10:01:00Z").await;
    assert_eq!(open("HOURSLATER").await["count"], 10);
    go(&sim, "2027-03-01T10:03:00Z").await;
    assert_eq!(open("HOURSLATER").await["count"], 0);
    assert_eq!(retry_all(&sim).await, 10);
    go(&sim, "2027-03-01T10:10:00Z").await;
    assert_eq!(retry_all(&sim).await, 10);
    go(&sim, "2027-03-01T10:20:00Z").await;
    assert_eq!((sim.count("healed"), sim.count("rejected")), (70, 0));
}

#[tokio::test]
async fn finished_tasks_are_forgotten_after_their_time() {
    let world = WORLD.replace("[server]", "[server]\nforget_after = \"2h\"");
    let sim = Sim::start(&world).await;
    sim.put("/provtasks/1006", json!({"action":"retry"})).await;
    sim.get("/provtasks/1006").await;
    go(&sim, "2027-03-01T09:00:00Z").await;
    let gone = sim
        .send(Method::GET, "/provtasks/1006", None)
        .await
        .unwrap();
    assert_eq!(gone.status(), 404);
}

#[tokio::test]
async fn acts_change_the_world() {
    let sim = Sim::start(WORLD).await;
    sim.control("/sim/act", json!({"target":"SAP","state":"up"}))
        .await;
    sim.put("/provtasks/1008", json!({"action":"retry"})).await;
    assert_eq!(sim.count("healed"), 1);
    sim.control("/sim/act", json!({"user":"BKIDDO","status":"Disabled"}))
        .await;
    assert_eq!(field(&sim.get("/users/23").await, "Status"), "Disabled");
    let to = json!({"action":"reassign","fields":[{"name":"assignee","value":"23"},{"name":"type","value":"user"}]});
    assert_eq!(sim.put("/provtasks/30", to).await["status"], "SUCCESS");
    assert_eq!(sim.count("given_to_inactive"), 1);
    sim.control("/sim/act", json!({"task":"1006","do":"cancel"}))
        .await;
    let task = sim.get("/provtasks/1006").await;
    assert_eq!(field(&task, "Process Instance.Task Details.Status"), "X");
    sim.control("/sim/act", json!({"task":"1002","do":"hide"}))
        .await;
    let hidden = sim
        .send(Method::GET, "/provtasks/1002", None)
        .await
        .unwrap();
    assert_eq!(hidden.status(), 404);
    let wrong = sim
        .send(
            Method::POST,
            "/sim/act",
            Some(&json!({"task":"77","do":"cancel"})),
        )
        .await
        .unwrap();
    assert_eq!(wrong.status(), 400);
}

#[tokio::test]
async fn oig_itself_and_admins_act_by_schedule() {
    let world = format!(
        "{WORLD}\n[timed_retry]\nperiod = \"1h\"\ncount = 2\ntargets = [\"SAP\"]\n[[event]]\nat = \"30m\"\nact = {{ target = \"AD\", each = 2, do = \"retry\" }}\n"
    );
    let sim = Sim::start(&world).await;
    go(&sim, "2027-03-02T07:00:00Z").await;
    let effects: Vec<(String, String)> = sim
        .server
        .journal(0)
        .iter()
        .filter(|entry| entry["type"] == "effect")
        .map(|entry| {
            (
                entry["caused_by"].as_str().unwrap().to_owned(),
                entry["target"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    let by = |cause: &str, target: &str| {
        effects
            .iter()
            .filter(|(known, at)| known == cause && at == target)
            .count()
    };
    assert_eq!(
        (by("oig", "SAP"), by("oig", "AD"), by("admin", "AD")),
        (2, 0, 1),
        "{effects:?}"
    );
}

#[tokio::test]
async fn the_journal_ties_each_effect_to_its_put_and_survives_in_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.jsonl");
    let mut options = SimOptions::new(Scenario::from_toml(WORLD).unwrap());
    options.journal = Some(path.clone());
    let server = SimServer::start(options).await.unwrap();
    let mut sim = Sim::start(WORLD).await;
    sim.server = server;
    let response = sim
        .http
        .put(format!("{}{BASE}/provtasks/1006", sim.server.origin()))
        .header("Authorization", sim.auth())
        .header("X-Requested-By", "x")
        .header("X-Request-ID", "batch-7")
        .header("Content-Type", "application/json")
        .body(r#"{"action":"retry"}"#)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    let lines: Vec<Value> = std::fs::read_to_string(&path)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines, sim.server.journal(0));
    let (effect, request) = (&lines[0], &lines[1]);
    assert_eq!(effect["caused_by"], "batch-7");
    assert_eq!(request["request_id"], "batch-7");
    assert_eq!(request["items"][0]["runs"], json!([effect["run"]]));
    assert_eq!(request["body"], json!({"action":"retry"}));
    assert_eq!(effect["ok"], true);
}

#[tokio::test]
async fn the_same_seed_gives_the_same_world_whatever_the_order_of_requests() {
    async fn outcome(backwards: bool) -> Vec<(String, bool)> {
        let mut scenario = Scenario::built_in("outage").unwrap();
        scenario.target[0].window.clear();
        scenario.target[0].error_rate = 0.5;
        let sim = Sim::with(scenario).await;
        let list = sim.get("/provtasks?limit=500&q=Objects.Name+eq+AD").await;
        let mut ids: Vec<u64> = list["tasks"]
            .as_array()
            .unwrap()
            .iter()
            .map(|task| field(task, KEY).as_u64().unwrap())
            .collect();
        if backwards {
            ids.reverse();
        }
        let tasks: Vec<Value> = ids
            .iter()
            .map(|id| json!({"id": id.to_string(), "action": "retry"}))
            .collect();
        sim.put("/provtasks", json!({ "tasks": tasks })).await;
        let mut runs: Vec<(String, bool)> = sim.server.truth()["effects"]
            .as_array()
            .unwrap()
            .iter()
            .map(|effect| {
                (
                    effect["run"].as_str().unwrap().to_owned(),
                    effect["ok"] == true,
                )
            })
            .collect();
        runs.sort();
        runs
    }
    let (forward, backward) = (outcome(false).await, outcome(true).await);
    assert_eq!(forward, backward);
    let good = forward.iter().filter(|(_, ok)| *ok).count();
    assert!((30..90).contains(&good), "{good} of {}", forward.len());
}

#[tokio::test]
async fn scaled_and_wall_clocks_run_by_themselves_and_can_not_be_stepped() {
    for (clock, mode) in [("scaled:100000", "scaled"), ("wall", "wall")] {
        let mut options = SimOptions::new(Scenario::built_in("small").unwrap());
        options.clock = Some(provtaskd::sim::clock::parse_clock(clock).unwrap());
        let mut sim = Sim::start(WORLD).await;
        sim.server = SimServer::start(options).await.unwrap();
        let at = async || {
            let clock = sim.get("/sim/clock").await;
            assert_eq!(clock["mode"], mode);
            clock["now"]
                .as_str()
                .unwrap()
                .parse::<jiff::Timestamp>()
                .unwrap()
        };
        let before = at().await;
        let mut after = at().await;
        for _ in 0..10_000 {
            if after > before {
                break;
            }
            after = at().await;
        }
        assert!(after > before, "{clock}");
        let refused = sim
            .send(
                Method::POST,
                "/sim/clock/advance",
                Some(&json!({"to":"2030-01-01T00:00:00Z"})),
            )
            .await
            .unwrap();
        assert_eq!(refused.status(), 409);
    }
}
