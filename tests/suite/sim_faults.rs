//! Every fault of the simulator, seen from a client and counted in its truth; a fault that does nothing must fail here.

use reqwest::Method;
use serde_json::{Value, json};

use crate::sim_support::{KEY, Sim, WORLD, field, json_of};

async fn with(fault: Value) -> Sim {
    let sim = Sim::start(WORLD).await;
    sim.control("/sim/act", json!({ "fault": fault })).await;
    sim
}

fn both() -> Value {
    json!({"tasks":[{"id":"1006","action":"retry","taskId":"1006"},{"id":"1008","action":"retry","taskId":"1008"}]})
}

/// One bulk PUT under a fault: status, body as text, and how many connectors ran.
async fn put_under(what: &str) -> (u16, String, u64) {
    let sim = with(json!({"do": what, "on": "put", "at": [1]})).await;
    let response = sim
        .send(Method::PUT, "/provtasks", Some(&both()))
        .await
        .unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap_or_default();
    (status, text, sim.count("effects"))
}

async fn items_under(what: &str) -> Vec<Value> {
    let (status, text, effects) = put_under(what).await;
    assert_eq!((status, effects), (200, 2), "{what}");
    let body: Value = serde_json::from_str(&text).unwrap();
    body["tasks"].as_array().unwrap().clone()
}

#[tokio::test]
async fn items_are_left_out_doubled_and_added() {
    assert_eq!(items_under("omit_items").await.len(), 1);
    let doubled = items_under("duplicate_items").await;
    assert_eq!(doubled.len(), 3);
    assert_eq!(doubled[0], doubled[2]);
    let extra = items_under("extra_items").await;
    assert_eq!(extra[2]["id"], "999999999");
}

#[tokio::test]
async fn words_and_ids_take_other_forms() {
    assert_eq!(items_under("numeric_ids").await[0]["id"], 1006);
    assert_eq!(items_under("lower_status").await[0]["status"], "success");
    assert_eq!(items_under("ok_status").await[0]["status"], "OK");
    assert_eq!(
        items_under("unknown_status").await[0]["status"],
        "IN_PROGRESS"
    );
    let fail = &items_under("false_fail").await[0];
    assert_eq!(fail["status"], "FAIL");
    assert!(fail["reason"].is_string());
}

#[tokio::test]
async fn some_faults_answer_without_acting_and_some_act_without_answering() {
    for (what, status, effects, part) in [
        ("html500", 500, 0, "<HTML>"),
        ("html503", 503, 0, "<HTML>"),
        ("html500_applied", 500, 2, "<HTML>"),
        ("timeout408", 408, 0, "<HTML>"),
        ("gateway504", 504, 0, "<HTML>"),
        ("too_many", 429, 0, "<HTML>"),
        ("xml_error", 500, 0, "<?xml"),
        ("empty200", 200, 2, ""),
        ("login_page", 200, 0, "password"),
        ("login_redirect", 302, 0, ""),
        ("forbidden", 403, 0, "<HTML>"),
        ("finish_first", 200, 0, "FAIL"),
    ] {
        let (got, text, ran) = put_under(what).await;
        assert_eq!((got, ran), (status, effects), "{what}: {text}");
        assert!(text.contains(part), "{what}: {text}");
    }
    let (status, text, ran) = put_under("truncated_json").await;
    assert_eq!((status, ran), (200, 2));
    assert!(serde_json::from_str::<Value>(&text).is_err());
    let forbidden = put_under("forbid_items").await;
    assert_eq!(forbidden.2, 1);
    assert!(forbidden.1.contains("not authorized"));
}

#[tokio::test]
async fn connections_break_before_and_after_the_work() {
    for (what, effects) in [("reset_before", 0), ("reset_after", 2)] {
        let sim = with(json!({"do": what, "on": "put", "at": [1]})).await;
        let error = sim.send(Method::PUT, "/provtasks", Some(&both())).await;
        assert!(error.is_err(), "{what}");
        assert_eq!(sim.count("effects"), effects, "{what}");
    }
    let sim = with(json!({"do": "cut_body", "on": "list", "at": [1]})).await;
    let response = sim.send(Method::GET, "/provtasks", None).await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.text().await.is_err());
    sim.get("/provtasks").await;
}

#[tokio::test]
async fn a_hanging_put_is_carried_out_although_the_client_gave_up() {
    let sim = with(json!({"do": "hang", "on": "put", "at": [1]})).await;
    let request = sim
        .http
        .put(format!(
            "{}{}/provtasks",
            sim.server.origin(),
            crate::sim_support::BASE
        ))
        .header("Authorization", sim.auth())
        .header("X-Requested-By", "x")
        .header("Content-Type", "application/json")
        .body(both().to_string())
        .timeout(std::time::Duration::from_millis(300));
    assert!(request.send().await.unwrap_err().is_timeout());
    assert_eq!(sim.count("effects"), 2);
}

#[tokio::test]
async fn a_slow_put_takes_effect_long_after_its_connection_has_gone() {
    let sim =
        with(json!({"do": "slow_apply", "on": "put", "at": [1], "delay": "10m", "ms": 1})).await;
    assert!(
        sim.send(Method::PUT, "/provtasks", Some(&both()))
            .await
            .is_err()
    );
    let task = sim.get("/provtasks/1006").await;
    assert_eq!(field(&task, "Process Instance.Task Details.Status"), "R");
    sim.control("/sim/clock/advance", json!({"to": "2027-03-01T07:09:59Z"}))
        .await;
    assert_eq!(sim.count("effects"), 0);
    sim.control("/sim/clock/advance", json!({"to": "2027-03-01T07:10:00Z"}))
        .await;
    assert_eq!(sim.count("effects"), 2);
}

#[tokio::test]
async fn too_many_names_a_time() {
    for (value, seconds) in [(json!("7"), true), (json!("date"), false)] {
        let sim = with(json!({"do": "too_many", "on": "list", "at": [1], "value": value})).await;
        let response = sim.send(Method::GET, "/provtasks", None).await.unwrap();
        let after = response.headers()["retry-after"]
            .to_str()
            .unwrap()
            .to_owned();
        assert_eq!(after == "7", seconds, "{after}");
        assert_eq!(after.ends_with("GMT"), !seconds, "{after}");
    }
}

#[tokio::test]
async fn tokens_and_passwords_stop_working() {
    let sim = with(json!({"do": "expire_tokens", "on": "list", "at": [2]})).await;
    let given = json_of(
        sim.send(Method::POST, "/iam/governance/token/api/v1/tokens", None)
            .await
            .unwrap(),
    )
    .await;
    let token = given["accessToken"].as_str().unwrap();
    for expected in [200, 401, 401] {
        let response = sim
            .http
            .get(format!(
                "{}{}/provtasks",
                sim.server.origin(),
                crate::sim_support::BASE
            ))
            .bearer_auth(token)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), expected);
    }
    let sim = with(json!({"do": "wrong_password", "on": "list", "at": [2]})).await;
    sim.get("/provtasks").await;
    assert_eq!(
        sim.send(Method::GET, "/provtasks", None)
            .await
            .unwrap()
            .status(),
        401
    );
}

#[tokio::test]
async fn pages_shift_overlap_and_lead_nowhere() {
    let keys = |list: &Value| -> Vec<u64> {
        list["tasks"]
            .as_array()
            .unwrap()
            .iter()
            .map(|task| field(task, KEY).as_u64().unwrap())
            .collect()
    };
    let plain = Sim::start(WORLD).await;
    let second = keys(&plain.get("/provtasks?offset=3&limit=2").await);
    let third = keys(&plain.get("/provtasks?offset=4&limit=2").await);
    let first = keys(&plain.get("/provtasks?offset=2&limit=2").await);
    let under = async |what: &str, path: &str| {
        let sim = with(json!({"do": what, "on": "list", "at": [1]})).await;
        let list = sim.get(path).await;
        (list, sim)
    };
    let page = "/provtasks?offset=3&limit=2";
    assert_eq!(keys(&under("shift_pages", page).await.0), third);
    assert_eq!(keys(&under("overlap_pages", page).await.0), first);
    assert_ne!(second, third);
    let next = |list: &Value| {
        let links = list["links"].as_array().unwrap();
        let found = links.iter().find(|link| link["rel"] == "next").unwrap();
        found["href"].as_str().unwrap().to_owned()
    };
    let (list, _sim) = under("repeat_next", "/provtasks?offset=1&limit=2").await;
    assert!(next(&list).contains("offset=1&"), "{}", next(&list));
    let (list, _sim) = under("foreign_next", "/provtasks?offset=1&limit=2").await;
    assert!(next(&list).starts_with("https://oim-frontend.invalid:14001/iam/"));
    let (list, _sim) = under("empty_more", "/provtasks").await;
    assert_eq!(
        (&list["hasMore"], list["tasks"].as_array().unwrap().len()),
        (&json!(true), 0)
    );
    let two = "/provtasks?offset=1&limit=3";
    let (list, _sim) = under("false_end", two).await;
    assert_eq!(list["hasMore"], false);
    assert!(next(&list).contains("offset=4&"), "{}", next(&list));
    let (list, _sim) = under("no_has_more", two).await;
    assert!(list.get("hasMore").is_none() && next(&list).contains("offset=4&"));
    let (list, _sim) = under("cut_rows", two).await;
    let rows = list["tasks"].as_array().unwrap().len();
    assert_eq!((rows, &list["count"]), (2, &json!(3)));
    assert_eq!(
        (&list["hasMore"], list["links"].as_array().unwrap().len()),
        (&json!(false), 3)
    );
    let (list, _sim) = under("omit_items", "/provtasks").await;
    assert_eq!(list["tasks"].as_array().unwrap().len(), 4);
    let (list, _sim) = under("duplicate_items", "/provtasks").await;
    assert_eq!(list["tasks"].as_array().unwrap().len(), 6);
}

#[tokio::test]
async fn fields_take_other_shapes_by_fault_and_by_trait() {
    let sim = with(json!({"do": "map_fields", "on": "list", "at": [1]})).await;
    let list = sim.get("/provtasks").await;
    assert_eq!(list["tasks"][0]["fields"][KEY], 1006);
    let sim = with(json!({"do": "base_values", "on": "list", "at": [1]})).await;
    let list = sim.get("/provtasks").await;
    assert_eq!(
        field(&list["tasks"][0], "Status.Category"),
        json!({"base": "Rejected"})
    );
    let traits = "[traits]\nnumeric_ids = true\ndates = \"millis\"\nstatus_words = true\nmap_fields = true\nlegacy = true\n";
    let sim = Sim::start(&format!("{WORLD}\n{traits}")).await;
    let task = sim.get("/provtasks/1006").await;
    assert_eq!(task["id"], 1006);
    assert_eq!(
        task["fields"]["Process Instance.Task Details.Status"],
        "Rejected"
    );
    assert!(task["fields"]["Process Instance.Task Information.Creation Date"].is_i64());
    let answer = sim.put("/provtasks/1006", json!({"action":"retry"})).await;
    assert_eq!(answer["status"], "OK");
}

#[tokio::test]
async fn bodies_are_far_too_large_plain_and_packed() {
    let sim = with(json!({"do": "oversized", "on": "list", "at": [1], "value": "3"})).await;
    let body = sim
        .send(Method::GET, "/provtasks", None)
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    assert!(body.len() > 3 << 20);
    let sim = with(json!({"do": "gzip_bomb", "on": "list", "at": [1], "value": "2"})).await;
    // The test's client unpacks; what it gets must be whole and checked by the stream's own sum.
    let response = sim.send(Method::GET, "/provtasks", None).await.unwrap();
    let body = response.bytes().await.unwrap();
    assert_eq!(body.len(), 2 << 20);
    assert!(body.iter().all(|byte| *byte == b' '));
}
