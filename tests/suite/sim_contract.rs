//! The simulator's answers against the documented bodies and codes, written out literally; it must never take them from the simulator's own code.

use reqwest::Method;
use serde_json::json;

use crate::sim_support::{BASE, KEY, Sim, WORLD, field, json_of};

#[tokio::test]
async fn the_list_has_the_documented_envelope() {
    let sim = Sim::start(WORLD).await;
    let list = sim.get("/provtasks?q=Status.Category+eq+Rejected").await;
    let mut head = list.clone();
    let tasks = head.as_object_mut().unwrap().remove("tasks").unwrap();
    let expected = sim.documented(
        r#"{"links":[
            {"rel":"self","href":"https://pseudo.example/iam/governance/selfservice/api/v1/provtasks"},
            {"rel":"self","href":"https://pseudo.example/iam/governance/selfservice/api/v1/provtasks?offset=1&limit=10&q=Status.Category%20eq%20Rejected"},
            {"rel":"first","href":"https://pseudo.example/iam/governance/selfservice/api/v1/provtasks?offset=1&limit=10&q=Status.Category%20eq%20Rejected"}],
            "count":3,"hasMore":false,"totalResult":-1}"#,
    );
    assert_eq!(head, expected);
    let first = sim.documented(
        r#"{"links":[{"rel":"self","href":"https://pseudo.example/iam/governance/selfservice/api/v1/provtasks/1006"}],
            "fields":[{"name":"Process Instance.Descriptive Data","value":"dtran20190614c"}]}"#,
    );
    assert_eq!(tasks[0]["links"], first["links"]);
    assert_eq!(tasks[0]["fields"][0], first["fields"][0]);
    assert!(tasks[0].get("id").is_none());
    assert_eq!(field(&tasks[0], KEY), json!(1006));
}

#[tokio::test]
async fn a_retry_closes_the_old_id_and_opens_a_higher_one() {
    let sim = Sim::start(WORLD).await;
    let answer = sim
        .put(
            "/provtasks",
            json!({"tasks":[{"id":"1006","action":"retry","taskId":"1006"},{"id":"1008","action":"retry","taskId":"1008"}]}),
        )
        .await;
    let expected = sim.documented(
        r#"{"links":[{"rel":"self","href":"https://pseudo.example/iam/governance/selfservice/api/v1/provtasks"}],
            "tasks":[
             {"links":[{"rel":"self","href":"https://pseudo.example/iam/governance/selfservice/api/v1/provtasks/1006"}],"id":"1006","status":"SUCCESS","action":"retry"},
             {"links":[{"rel":"self","href":"https://pseudo.example/iam/governance/selfservice/api/v1/provtasks/1008"}],"id":"1008","status":"SUCCESS","action":"retry"}]}"#,
    );
    assert_eq!(answer, expected);
    let old = sim.get("/provtasks/1006").await;
    assert_eq!(field(&old, "Process Instance.Task Details.Status"), "UC");
    // 1006 healed and its successor is done; 1008's target is down, so its successor is rejected under a new id.
    let list = sim.get("/provtasks?q=Status.Category+eq+Rejected").await;
    let keys: Vec<u64> = list["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|task| field(task, KEY).as_u64().unwrap())
        .collect();
    assert_eq!(keys.len(), 2, "{keys:?}");
    assert_eq!(keys[0], 1002);
    assert!(keys[1] > 5124, "{keys:?}");
    assert_eq!(
        (sim.count("effects_ok"), sim.count("effects_failed")),
        (1, 1)
    );
}

#[tokio::test]
async fn retrying_what_is_not_automated_is_the_documented_fail_with_200() {
    let sim = Sim::start(WORLD).await;
    let answer = sim
        .put(
            "/provtasks",
            json!({"tasks":[{"id":"30","action":"retry","taskId":"30"},{"id":"31","action":"retry","taskId":"31"}]}),
        )
        .await;
    let expected = sim.documented(
        r#"{"links":[{"rel":"self","href":"https://pseudo.example/iam/governance/selfservice/api/v1/provtasks"}],
        "tasks":[
         {"links":[{"rel":"self","href":"https://pseudo.example/iam/governance/selfservice/api/v1/provtasks/30"}],"id":"30","status":"FAIL","action":"retry","reason":"This task is not automated. If task is completed, set status to UC."},
         {"links":[{"rel":"self","href":"https://pseudo.example/iam/governance/selfservice/api/v1/provtasks/31"}],"id":"31","status":"FAIL","action":"retry","reason":"This task is not automated. If task is completed, set status to UC."}]}"#,
    );
    assert_eq!(answer, expected);
    assert_eq!(sim.count("effects"), 0);
}

#[tokio::test]
async fn reassigning_many_echoes_request_ids_and_moves_the_tasks() {
    let sim = Sim::start(WORLD).await;
    let to = json!([{"name":"assignee","value":"23"},{"name":"type","value":"user"}]);
    let answer = sim
        .put(
            "/provtasks",
            json!({"tasks":[{"id":"30","requestId":"10001","action":"reassign","fields":to},
                            {"id":"31","requestId":"10002","action":"reassign","fields":to}]}),
        )
        .await;
    let expected = sim.documented(
        r#"{"links":[{"rel":"self","href":"https://pseudo.example/iam/governance/selfservice/api/v1/provtasks"}],
        "tasks":[
         {"links":[{"rel":"self","href":"https://pseudo.example/iam/governance/selfservice/api/v1/provtasks/30"}],"id":"30","status":"SUCCESS","requestId":"10001","action":"reassign"},
         {"links":[{"rel":"self","href":"https://pseudo.example/iam/governance/selfservice/api/v1/provtasks/31"}],"id":"31","status":"SUCCESS","requestId":"10002","action":"reassign"}]}"#,
    );
    assert_eq!(answer, expected);
    let task = sim.get("/provtasks/30").await;
    assert_eq!(
        field(
            &task,
            "Process Instance.Task Information.Assigned To User Key"
        ),
        23
    );
    assert_eq!(
        field(
            &task,
            "Process Instance.Task Information.Assigned To Group Key"
        ),
        0
    );
    // They are no longer the caller's, so they have left his list, and he may not touch them.
    let list = sim.get("/provtasks").await;
    assert_eq!(list["count"], 3);
    let refused = sim
        .send(
            Method::PUT,
            "/provtasks/30",
            Some(&json!({"action":"retry"})),
        )
        .await
        .unwrap();
    assert_eq!(refused.status(), 403);
}

#[tokio::test]
async fn single_actions_answer_as_documented() {
    let sim = Sim::start(WORLD).await;
    let done = sim.documented(
        r#"{"links":[{"rel":"self","href":"https://pseudo.example/iam/governance/selfservice/api/v1/provtasks/1002"}],"id":"1002","status":"SUCCESS"}"#,
    );
    let note = json!({"action":"setNote","fields":[{"name":"Process Instance.Task Details.Note","value":"Updated value of Note-NB"}]});
    assert_eq!(sim.put("/provtasks/1002", note).await, done);
    let task = sim.get("/provtasks/1002").await;
    assert_eq!(
        field(&task, "Process Instance.Task Details.Note"),
        "Updated value of Note-NB"
    );
    assert_eq!(
        sim.put("/provtasks/1002", json!({"action":"retry"})).await,
        done
    );
    let response = json!({"action":"setResponse","fields":[{"name":"Process Definition.Tasks.Responses.Response","value":"VALIDATION_FAILED"}]});
    let answer = sim.put("/provtasks/30", response).await;
    assert_eq!(answer["status"], "SUCCESS");
    let task = sim.get("/provtasks/30").await;
    assert_eq!(
        field(&task, "Process Instance.Task Details.Data"),
        "VALIDATION_FAILED"
    );
    let to_role = json!({"action":"reassign","fields":[{"name":"assignee","value":"8"},{"name":"type","value":"role"}]});
    assert_eq!(sim.put("/provtasks/31", to_role).await["status"], "SUCCESS");
    let answer = sim
        .put("/provtasks/30", json!({"action":"manualComplete"}))
        .await;
    assert_eq!(answer["status"], "SUCCESS");
    let task = sim.get("/provtasks/30").await;
    assert_eq!(field(&task, "Process Instance.Task Details.Status"), "MC");
    // 1006 and 1008 are left to the caller.
    assert_eq!(sim.get("/provtasks").await["count"], 2);
}

#[tokio::test]
async fn one_task_and_what_hangs_on_it_have_the_documented_fields() {
    let sim = Sim::start(WORLD).await;
    let task = sim.get("/provtasks/5124").await;
    assert_eq!(task["id"], "5124");
    for (name, value) in [
        ("Process Definition.Tasks.Key", json!(39)),
        (
            "Process Instance.Task Information.Updated By User ID",
            json!("XELSYSADM"),
        ),
        ("Process Instance.Task Details.Data", json!("Rejected")),
        ("Process Instance.Task Details.Created By", json!(1)),
        (
            "Process Definition.Tasks.Task Name",
            json!("ManualRevokeStart"),
        ),
        (
            "Process Instance.Task Information.Assignee First Name",
            json!("System"),
        ),
        ("SCH_REASON", json!("")),
        ("Process Instance.Task Details.System level", json!(0)),
        (
            "Process Instance.Task Information.Assign Type",
            json!("User"),
        ),
        ("Event Handler Manager.Key", json!(0)),
    ] {
        assert_eq!(field(&task, name), value, "{name}");
    }
    let mut history = sim.get("/provtasks/30/history").await;
    let rows = history
        .as_object_mut()
        .unwrap()
        .remove("provTaskHistoryList")
        .unwrap();
    let expected = sim.documented(
        r#"{"links":[
         {"rel":"self","href":"https://pseudo.example/iam/governance/selfservice/api/v1/provtasks/30/history"},
         {"rel":"self","href":"https://pseudo.example/iam/governance/selfservice/api/v1/provtasks/30/history?offset=1&limit=10"},
         {"rel":"first","href":"https://pseudo.example/iam/governance/selfservice/api/v1/provtasks/30/history?offset=1&limit=10"}],
         "count":1,"hasMore":false,"totalResult":-1}"#,
    );
    assert_eq!(history, expected);
    assert_eq!(
        rows[0]["fields"][0],
        json!({"name":"Status","value":"Pending"})
    );
    assert_eq!(
        rows[0]["fields"][1],
        json!({"name":"ASSIGNER_USER_KEY","value":0})
    );
    let responses = sim.get("/provtasks/30/responses").await;
    let first = &responses["provTaskResponseList"][0];
    assert_eq!(
        first["fields"][0],
        json!({"name":"Process Definition.Tasks.Key","value":39})
    );
    assert_eq!(
        first["fields"][1],
        json!({"name":"Event Handler Manager.Key","value":0})
    );
    let process = sim.get("/provprocesses/22").await;
    assert_eq!(process["id"], "22");
    let tasks = process["provisionProcessTaskTOList"].as_array().unwrap();
    assert_eq!(
        tasks
            .iter()
            .map(|task| task["id"].as_str().unwrap())
            .collect::<Vec<_>>(),
        // the account was made once and filled in: the scenario says nothing of that, so finished tasks of before all
        // others do
        ["300022", "460022", "1006", "30", "31"]
    );
    assert_eq!(
        field(&tasks[3], "Process Instance.Task Information.Assign Type"),
        "Default task assignment"
    );
    assert_eq!(field(&tasks[0], "Status.Category"), "Completed");
    assert_eq!(field(&tasks[3], "Status.Category"), "Pending");
    let one = sim.get("/provprocesses/22?taskInstanceKey=30").await;
    assert_eq!(
        one["provisionProcessTaskTOList"].as_array().unwrap().len(),
        1
    );
}

#[tokio::test]
async fn tasks_can_be_added_to_a_process() {
    let sim = Sim::start(WORLD).await;
    let available = sim.get("/provprocesses/18/availabletasks").await;
    let rows = available["provisionProcessAvailableTaskTO"]
        .as_array()
        .unwrap();
    assert_eq!(available["count"], rows.len());
    assert_eq!(rows[0]["fields"][0]["name"], "Event Handler Manager.Key");
    let add = json!({"action":"addTask","fields":[{"name":"Process Definition.Tasks.Key","value":"374"}]});
    let expected = sim.documented(
        r#"{"links":[{"rel":"self","href":"http://pseudo.example/iam/governance/selfservice/api/v1/provprocesses/18"}],"id":"18","status":"SUCCESS"}"#,
    );
    assert_eq!(sim.put("/provprocesses/18", add).await, expected);
    let process = sim.get("/provprocesses/18").await;
    assert_eq!(
        process["provisionProcessTaskTOList"]
            .as_array()
            .unwrap()
            .len(),
        4
    );
}

#[tokio::test]
async fn users_are_found_and_shown_as_documented() {
    let sim = Sim::start(WORLD).await;
    let user = sim
        .get("/users/23?fields=Display%20Name,First%20Name,User%20Login")
        .await;
    let expected = sim.documented(
        r#"{"links":[{"rel":"self","href":"http://pseudo.example/iam/governance/selfservice/api/v1/users/23"}],
        "fields":[{"name":"Display Name","value":{"base":"Beatrix Kiddo"}},{"name":"First Name","value":"Beatrix"},
                  {"name":"User Login","value":"BKIDDO"},{"name":"usr_key","value":23}]}"#,
    );
    assert_eq!(user, expected);
    let list = sim
        .get("/users?fields=Display+Name&q=Manager::Login+eq+BKIDDO")
        .await;
    let expected = sim.documented(
        r#"{"links":[
         {"rel":"self","href":"https://pseudo.example/iam/governance/selfservice/api/v1/users?fields=Display%20Name&offset=1&limit=10&q=Manager%3A%3ALogin%20eq%20BKIDDO"},
         {"rel":"first","href":"https://pseudo.example/iam/governance/selfservice/api/v1/users?fields=Display%20Name&offset=1&limit=10&q=Manager%3A%3ALogin%20eq%20BKIDDO"}],
        "count":1,"hasMore":false,"totalResult":-1,
        "users":[{"id":"24","links":[{"rel":"self","href":"https://pseudo.example/iam/governance/selfservice/api/v1/users/24"}],
                  "fields":[{"name":"Display Name","value":"Dung Tran"},{"name":"usr_key","value":24}]}]}"#,
    );
    assert_eq!(list, expected);
    let whole = sim
        .get("/users/24?accounts=provisioned&roles=assigned")
        .await;
    assert_eq!(whole["accounts"][0]["processInstanceKey"], 22);
    assert_eq!(whole["roles"], json!([{"id":"8","name":"REVIEWERS"}]));
    assert_eq!(field(&whole, "Status"), "Active");
    assert_eq!(
        sim.get("/users?q=User::Login+eq+BKIDDO+or+User::Login+eq+AARORA")
            .await["count"],
        2
    );
}

#[tokio::test]
async fn proxies_are_added_and_shown_as_documented() {
    let sim = Sim::start(WORLD).await;
    let add = json!({"user":{"add":[
        {"userid":"17","startDate":"2027-08-19T08:00:00Z","endDate":"2027-08-21T12:00:00Z"}]}});
    let response = sim
        .send(Method::PATCH, "/users/24/proxies", Some(&add))
        .await
        .unwrap();
    let expected = sim.documented(
        r#"{"user":{"links":[{"rel":"self","href":"https://pseudo.example/iam/governance/selfservice/api/v1/users/24/proxies"}],
         "add":[{"links":[{"rel":"self","href":"https://pseudo.example/iam/governance/selfservice/api/v1/users/17"}],
                 "requestId":0,"id":"1","userid":"17","status":"SUCCESS","description":"NOT_STARTED","relationship":"MANAGER"}]}}"#,
    );
    assert_eq!(json_of(response).await, expected);
    let expected = sim.documented(
        r#"{"links":[
         {"rel":"self","href":"https://pseudo.example/iam/governance/selfservice/api/v1/users/24/proxies?offset=1&limit=10"},
         {"rel":"first","href":"https://pseudo.example/iam/governance/selfservice/api/v1/users/24/proxies?offset=1&limit=10"}],
         "count":1,"hasMore":false,"totalResult":-1,
         "user":[{"links":[{"rel":"self","href":"https://pseudo.example/iam/governance/selfservice/api/v1/users/17"}],
           "requestId":0,"id":"1","userLogin":"AARORA","description":"NOT_STARTED",
           "startDate":"2027-08-19T08:00:00Z","endDate":"2027-08-21T12:00:00Z","relationship":"MANAGER"}]}"#,
    );
    assert_eq!(sim.get("/users/24/proxies").await, expected);
    assert_eq!(
        sim.get("/users/24/proxies?proxyType=past").await["count"],
        0
    );
    let wrong = sim
        .send(Method::GET, "/users/24/proxies?proxyType=future", None)
        .await
        .unwrap();
    assert_eq!(wrong.status(), 400);
    let remove = json!({"user":{"delete":[{"id":"1"}]}});
    let response = sim
        .send(Method::PATCH, "/users/24/proxies", Some(&remove))
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(sim.get("/users/24/proxies?proxyType=all").await["count"], 0);
}

#[tokio::test]
async fn roles_show_their_members() {
    let sim = Sim::start(WORLD).await;
    let members = sim.get("/roles/8/members?membershipType=DIRECT").await;
    let expected = sim.documented(
        r#"{"links":[
         {"rel":"self","href":"https://pseudo.example/iam/governance/selfservice/api/v1/roles/8/members?membershipType=DIRECT&offset=1&limit=10"},
         {"rel":"first","href":"https://pseudo.example/iam/governance/selfservice/api/v1/roles/8/members?membershipType=DIRECT&offset=1&limit=10"}],
         "count":1,"hasMore":false,"totalResult":-1,
         "users":[{"links":[{"rel":"self","href":"https://pseudo.example/iam/governance/selfservice/api/v1/users/24"}],
                   "id":"24","userLogin":"DTRAN20190614C","email":"dtran20190614c@corp.example"}]}"#,
    );
    assert_eq!(members, expected);
    let roles = sim.get("/roles?q=Role::Name+eq+reviewers").await;
    assert_eq!(roles["roles"][0]["id"], "8");
}

#[tokio::test]
async fn the_documented_codes_are_given() {
    let sim = Sim::start(WORLD).await;
    let url = format!("{}{BASE}/provtasks", sim.server.origin());
    let body = json!({"tasks":[]}).to_string();
    let put = || {
        sim.http
            .put(&url)
            .header("Authorization", sim.auth())
            .body(body.clone())
    };
    let bare = put()
        .header("Content-Type", "application/json")
        .send()
        .await
        .unwrap();
    assert_eq!(bare.status(), 400, "without X-Requested-By");
    let untyped = put().header("X-Requested-By", "x").send().await.unwrap();
    assert_eq!(untyped.status(), 415);
    let nobody = sim.http.get(&url).send().await.unwrap();
    assert_eq!(nobody.status(), 401);
    assert!(
        nobody.headers()["www-authenticate"]
            .to_str()
            .unwrap()
            .starts_with("Basic")
    );
    for (method, path, status) in [
        (Method::GET, "/provtasks/999", 404),
        (Method::GET, "/nothing", 404),
        (Method::GET, "/users/999", 404),
        (Method::GET, "/provprocesses/999", 404),
        (Method::GET, "/provtasks?offset=0", 400),
        (Method::GET, "/provtasks?q=Nonsense+eq+1", 400),
        (Method::PUT, "/provtasks/5124", 403),
        (Method::DELETE, "/provtasks/30", 405),
        (Method::OPTIONS, "/provtasks", 200),
        (Method::HEAD, "/provtasks", 200),
    ] {
        let body = (method == Method::PUT).then(|| json!({"action":"retry"}));
        let response = sim.send(method.clone(), path, body.as_ref()).await.unwrap();
        assert_eq!(response.status(), status, "{method} {path}");
        assert!(response.headers().contains_key("responsetime"), "{path}");
    }
    for body in [json!({"action":"explode"}), json!({"action":"reassign"})] {
        let response = sim
            .send(Method::PUT, "/provtasks/30", Some(&body))
            .await
            .unwrap();
        assert_eq!(response.status(), 400, "{body}");
    }
}
