//! The simulator as a server: clocks, tokens and locks, pages, the scenarios that ship, what it refuses; it must never need a scenario file on disk.

use provtaskd::sim::{Scenario, SimOptions, SimServer};
use reqwest::Method;
use serde_json::json;

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

#[tokio::test]
async fn a_large_world_is_served_whole_in_large_pages() {
    let mut scenario = Scenario::built_in("bench").unwrap();
    scenario.population[0].accounts = 5_000;
    let sim = Sim::with(scenario).await;
    let mut rows = 0;
    for page in 0..10 {
        let list = sim
            .get(&format!(
                "/provtasks?limit=500&offset={}&q=Status.Category+eq+Rejected",
                page * 500 + 1
            ))
            .await;
        rows += list["tasks"].as_array().unwrap().len();
    }
    assert_eq!(rows, 5_000);
    let list = sim.get("/provtasks?limit=500").await;
    let tasks: Vec<_> = list["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|task| json!({"id": field(task, KEY).to_string(), "action": "retry"}))
        .collect();
    let answer = sim.put("/provtasks", json!({"tasks": tasks})).await;
    assert_eq!(answer["tasks"].as_array().unwrap().len(), 500);
    assert_eq!(sim.count("healed"), 500);
}

#[tokio::test]
async fn a_naive_client_brings_the_demo_to_its_end_and_does_harm_on_the_way() {
    let sim = Sim::with(Scenario::built_in("demo").unwrap()).await;
    for hour in [8, 12, 14, 16, 18, 20] {
        sim.control(
            "/sim/clock/advance",
            json!({"to": format!("2027-03-01T{hour:02}:00:00Z")}),
        )
        .await;
        for target in ["AD", "EXCHANGE", "SAP", "ORADB"] {
            let path = format!(
                "/provtasks?limit=2000&q=Status.Category+eq+Rejected+AND+Objects.Name+eq+{target}"
            );
            let list = sim.get(&path).await;
            let tasks: Vec<_> = list["tasks"]
                .as_array()
                .unwrap()
                .iter()
                .map(|task| json!({"id": field(task, KEY).to_string(), "action": "retry"}))
                .collect();
            sim.put("/provtasks", json!({ "tasks": tasks })).await;
        }
    }
    assert!(sim.count("healed") > 1_500, "{}", sim.count("healed"));
    assert_eq!(
        (sim.count("effected_twice"), sim.count("runs_twice")),
        (0, 0)
    );
    assert!(
        sim.count("stale_effects") >= 90,
        "{}",
        sim.count("stale_effects")
    );
    assert!(sim.count("effects_to_inactive") >= 60);
}
