//! The simulator's world: clocks, retries and their successors, people, scenarios, locks, determinism; judged over HTTP and by its own truth.

use provtaskd::sim::{Scenario, SimOptions, SimServer};
use reqwest::Method;
use serde_json::{Value, json};

use crate::sim_support::{BASE, KEY, Sim, WORLD, field, json_of};

#[tokio::test]
async fn a_stepped_world_moves_only_when_asked_and_stops_at_the_hold() {
    let sim = Sim::with(Scenario::built_in("outage").unwrap()).await;
    let clock = sim.get("/sim/clock").await;
    assert_eq!(clock["mode"], "stepped");
    assert_eq!(clock["now"], "2027-03-01T07:00:00.000Z");
    sim.control("/sim/clock/hold", json!({"for": "6h"})).await;
    let there = sim
        .control("/sim/clock/advance", json!({"to": "2027-03-01T09:30:00Z"}))
        .await;
    assert_eq!(
        there,
        json!({"now": "2027-03-01T09:30:00.000Z", "held": false})
    );
    // A client that wants to go beyond the hold waits there until the hold is raised.
    let client = async {
        sim.control("/sim/clock/advance", json!({"to": "2027-03-01T14:00:00Z"}))
            .await
    };
    let test = async {
        let held = sim.get("/sim/clock/wait_held?timeout_ms=10000").await;
        assert_eq!(
            held,
            json!({"held": true, "now": "2027-03-01T13:00:00.000Z"})
        );
        sim.control("/sim/clock/hold", json!({"for": "2h"})).await;
    };
    let (reached, ()) = tokio::join!(client, test);
    assert_eq!(
        reached,
        json!({"now": "2027-03-01T14:00:00.000Z", "held": false})
    );
}

#[tokio::test]
async fn tokens_work_until_they_expire_and_are_renewed() {
    let sim = Sim::start(WORLD).await;
    let tokens = "/iam/governance/token/api/v1/tokens";
    let given = json_of(sim.send(Method::POST, tokens, None).await.unwrap()).await;
    assert_eq!(given["expiresIn"], "1799");
    assert_eq!(given["tokenType"], "Bearer");
    let list = |token: String| {
        sim.http
            .get(format!("{}{BASE}/provtasks", sim.server.origin()))
            .bearer_auth(token)
            .send()
    };
    let first = given["accessToken"].as_str().unwrap().to_owned();
    assert_eq!(list(first.clone()).await.unwrap().status(), 200);
    let renewed = sim
        .http
        .put(format!("{}{tokens}", sim.server.origin()))
        .bearer_auth(&first)
        .header("X-Requested-By", "x")
        .send()
        .await
        .unwrap();
    let second = json_of(renewed).await["accessToken"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_ne!(first, second);
    sim.control("/sim/clock/advance", json!({"to":"2027-03-01T07:31:00Z"}))
        .await;
    assert_eq!(list(first).await.unwrap().status(), 401);
}

#[tokio::test]
async fn wrong_passwords_lock_the_login_and_are_journalled_without_credentials() {
    let mut sim = Sim::start(WORLD).await;
    let right = sim.login.1.clone();
    sim.login.1 = "not-it-4711".to_owned();
    for _ in 0..5 {
        assert_eq!(
            sim.send(Method::GET, "/provtasks", None)
                .await
                .unwrap()
                .status(),
            401
        );
    }
    sim.login.1 = right;
    assert_eq!(
        sim.send(Method::GET, "/provtasks", None)
            .await
            .unwrap()
            .status(),
        401
    );
    let journal = sim.server.journal(0);
    let denied: Vec<&str> = journal
        .iter()
        .map(|entry| entry["denied"].as_str().unwrap())
        .collect();
    assert_eq!(
        denied,
        ["wrong", "wrong", "wrong", "wrong", "wrong", "locked"]
    );
    let text = serde_json::to_string(&journal).unwrap();
    assert!(!text.contains("4711") && !text.contains("Basic "));
    sim.control(
        "/sim/act",
        json!({"password":{"login":"PROVSVC","new":"fresh"}}),
    )
    .await;
    sim.login.1 = "fresh".to_owned();
    sim.get("/provtasks").await;
    assert!(
        !serde_json::to_string(&sim.server.journal(0))
            .unwrap()
            .contains("fresh")
    );
}

#[tokio::test]
async fn pages_lead_on_by_next_and_together_hold_each_task_once() {
    let sim = Sim::with(Scenario::built_in("outage").unwrap()).await;
    let mut path = "/provtasks?q=Objects.Name+eq+AD&limit=50".to_owned();
    let mut seen = Vec::new();
    for page in 0.. {
        assert!(page < 5, "next never ends");
        let list = sim.get(&path).await;
        seen.extend(
            list["tasks"]
                .as_array()
                .unwrap()
                .iter()
                .map(|task| field(task, KEY).as_u64().unwrap()),
        );
        let next = list["links"]
            .as_array()
            .unwrap()
            .iter()
            .find(|link| link["rel"] == "next");
        assert_eq!(list["hasMore"], next.is_some());
        let Some(next) = next else { break };
        path = next["href"]
            .as_str()
            .unwrap()
            .replace(&sim.server.origin(), "");
    }
    let before = seen.len();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!((before, seen.len()), (120, 120));
}

#[tokio::test]
async fn every_shipped_scenario_starts_and_shows_work() {
    for name in Scenario::built_in_names() {
        let mut scenario =
            Scenario::built_in(name).unwrap_or_else(|| panic!("{name} can't be read"));
        for population in &mut scenario.population {
            population.accounts = population.accounts.min(700);
        }
        let sim = Sim::with(scenario).await;
        let list = sim.get("/provtasks?limit=5").await;
        if name != "faults" {
            assert!(list["count"].as_u64().unwrap() > 0, "{name}");
        }
        assert_eq!(sim.count("effects"), 0, "{name}");
    }
}

#[tokio::test]
async fn the_demo_has_the_promised_size() {
    let sim = Sim::with(Scenario::built_in("demo").unwrap()).await;
    let open = sim.count("open");
    assert!((2_700..3_300).contains(&open), "{open}");
}

#[tokio::test]
async fn only_loopback_is_bound() {
    for bind in ["0.0.0.0:0", "192.0.2.1:80", "[::]:0"] {
        let mut options = SimOptions::new(Scenario::built_in("small").unwrap());
        options.bind = bind.to_owned();
        let error = SimServer::start(options).await.err().expect("must refuse");
        assert!(error.to_string().contains("loopback"), "{bind}: {error}");
    }
}

#[test]
fn scenarios_that_name_what_does_not_exist_are_refused() {
    for (text, word) in [
        ("seeed = 1", "seeed"),
        (
            "[[task]]\ntarget = \"AD\"\nuser = \"X\"\ntask = \"T\"",
            "AD",
        ),
        (
            "[[target]]\nname = \"AD\"\n[[task]]\ntarget = \"AD\"\nuser = \"X\"\ntask = \"T\"",
            "\"X\"",
        ),
        (
            "[[event]]\nat = \"5 years\"\nact = { clear_faults = true }",
            "5 years",
        ),
        (
            "[[event]]\nat = \"1h\"\nact = { target = \"NONE\", state = \"up\" }",
            "NONE",
        ),
        (
            "[[target]]\nname = \"A\"\n[[target]]\nname = \"A\"",
            "twice",
        ),
    ] {
        let error = Scenario::from_toml(text).unwrap_err().to_string();
        assert!(error.contains(word), "{text}: {error}");
    }
}

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
