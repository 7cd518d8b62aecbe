//! The curl lines of Oracle's documentation, run as they are printed by the real curl against the simulator; only host, credentials and task ids are put in, and nothing of this crate's client is used.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::drill_full::skipped;
use crate::sim_support::{Sim, WORLD, field};

/// "Example to Show How to Update Multiple Provisioning Tasks".
const UPDATE: &str = r#"curl  -H "Content-Type: application/json"  -H "X-Requested-By: <anyvalue>"  -X PUT  -u username:password  -d @put.json https://pseudo.com/iam/governance/selfservice/api/v1/provtasks"#;

/// Its put.json.
const PUT_JSON: &str = r#"{
 "tasks":[
     {
	   "id" : "3016",
	   "requestId" : "10001",
           "action": "reassign",
	   "fields": [
		  {
			"name": "assignee",
			"value": "23"
		  },
		  {
			"name": "type",
			"value": "user"
		  }
	    ]
     },
     {
     	  "id" : "3018",
     	  "requestId" : "10002",
   	  "action": "reassign",
	  "fields": [
		  {
			"name": "assignee",
			"value": "23"
		  },
		  {
			"name": "type",
			"value": "user"
		  }
	    ]
     }
  ]
}
"#;

/// Its answer.
const UPDATED: &str = r#"{
    "links": [
        {
            "rel": "self",
            "href": "https://pseudo.com/iam/governance/selfservice/api/v1/provtasks"
        }
    ],
    "tasks": [
        {
            "links": [
                {
                    "rel": "self",
                    "href":
"https://pseudo.com/iam/governance/selfservice/api/v1/provtasks/3018"
                }
            ],
            "id": "3018",
            "status": "SUCCESS",
            "requestId": "10002",
            "action": "reassign"
        },
        {
            "links": [
                {
                    "rel": "self",
                    "href":
"https://pseudo.com/iam/governance/selfservice/api/v1/provtasks/3016"
                }
            ],
            "id": "3016",
            "status": "SUCCESS",
            "requestId": "10001",
            "action": "reassign"
        }
    ]
}"#;

/// "Example to Show How to Bulk Retry the Provisioning Tasks", to the letter: no blank stands before the address.
const RETRY: &str = r#" curl -X PUT --verbose -k -1  -H "Content-Type: application/json" -H "X-Requested-By: provtask"  -u username:password  -d '{
		"tasks": [
			{
				"id":"<Prov-Task_ID>",		
				"action":"retry",
				"taskId":"<Prov-Task_ID>" 
	     },
         { 
		      "id":"<Prov-Task_ID>", 
			  "action":"retry", 
			  "taskId":"<Prov-Task_ID>" 
	      }
        ]
  }'https://pseudo.com/iam/governance/selfservice/api/v1/provtasks"#;

/// Its answer.
const REFUSED: &str = r#"{
    "links": [
        {
            "rel": "self",
            "href": "https://pseudo.com/iam/governance/selfservice/api/v1/provtasks"
        }
    ],
    "tasks": [
        {
            "links": [
                {
                    "rel": "self",
                    "href": "https://pseudo.com/iam/governance/selfservice/api/v1/provtasks/30"
                }
            ],
            "id": "30",
            "status": "FAIL",
            "action": "retry",
            "reason": "This task is not automated. If task is completed, set status to UC."
        },
        {
            "links": [
                {
                    "rel": "self",
                    "href": "https://pseudo.com/iam/governance/selfservice/api/v1/provtasks/31"
                }
            ],
            "id": "31",
            "status": "FAIL",
            "action": "retry",
            "reason": "This task is not automated. If task is completed, set status to UC."
        }
    ]
}"#;

/// True where curl can be run; `.ci/run` sees to it.
fn curl_is_there() -> bool {
    let there = Command::new("curl").arg("--version").output().is_ok();
    if !there {
        skipped("the documented lines are not run", "curl is not installed");
    }
    there
}

/// Runs a documented line by a shell, with the simulator's host and credentials.
fn run(sim: &Sim, line: &str, dir: &Path) -> Output {
    let line = line
        .replace("https://pseudo.com", &sim.server.origin())
        .replace(
            "username:password",
            &format!("{}:{}", sim.login.0, sim.login.1),
        );
    let mut shell = Command::new("sh");
    shell.args(["-c", &line]).current_dir(dir);
    for proxy in [
        "http_proxy",
        "HTTP_PROXY",
        "all_proxy",
        "ALL_PROXY",
        "CURL_HOME",
    ] {
        shell.env_remove(proxy);
    }
    // no .curlrc of whoever runs the tests
    shell.env("HOME", dir).env("NO_PROXY", "*");
    shell.output().expect("a shell")
}

fn answered(output: &Output) -> Value {
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{err}");
    let mut answer: Value =
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}\n{err}"));
    in_order(&mut answer);
    answer
}

/// A bulk answer has no order of its own.
fn in_order(answer: &mut Value) {
    let tasks = answer["tasks"].as_array_mut().expect("tasks");
    tasks.sort_by_key(|task| task["id"].to_string());
}

fn documented(sim: &Sim, text: &str) -> Value {
    let text = text.replace("https://pseudo.com", &sim.server.origin());
    let mut answer: Value = serde_json::from_str(&text).expect("JSON");
    in_order(&mut answer);
    answer
}

/// The documented line with one id for each placeholder in turn.
fn with_ids(line: &str, ids: &[&str]) -> String {
    let mut line = line.to_owned();
    for id in ids {
        line = line.replacen("<Prov-Task_ID>", id, 1);
    }
    assert!(!line.contains("<Prov-Task_ID>"), "{line}");
    line
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_documented_update_of_many_tasks_is_answered_as_documented() {
    if !curl_is_there() {
        return;
    }
    // the ids of that example
    let world = WORLD
        .replace("id = 30\n", "id = 3016\n")
        .replace("id = 31\n", "id = 3018\n");
    let sim = Sim::start(&world).await;
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("put.json"), PUT_JSON).expect("written");
    let answer = answered(&run(&sim, UPDATE, dir.path()));
    assert_eq!(answer, documented(&sim, UPDATED));
    let owner = "Process Instance.Task Information.Assigned To User Key";
    for id in ["3016", "3018"] {
        let task = sim.get(&format!("/provtasks/{id}")).await;
        assert_eq!(field(&task, owner), json!(23), "{id} has its new owner");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_documented_retry_of_many_tasks_is_answered_as_documented() {
    if !curl_is_there() {
        return;
    }
    let sim = Sim::start(WORLD).await;
    let dir = tempfile::tempdir().expect("a directory");
    let printed = with_ids(RETRY, &["30", "30", "31", "31"]);
    // as it is printed the address is a part of the body, and curl has nowhere to go
    let before = sim.server.journal(0).len();
    let lost = run(&sim, &printed, dir.path());
    assert_eq!(lost.status.code(), Some(2), "{lost:?}");
    assert_eq!(sim.server.journal(0).len(), before, "nothing came");
    let mended = printed.replace("}'https", "}' https");
    let answer = answered(&run(&sim, &mended, dir.path()));
    assert_eq!(answer, documented(&sim, REFUSED));
    assert_eq!(sim.count("effects"), 0);
    // and for tasks that are automated
    let line = with_ids(RETRY, &["1006", "1006", "1008", "1008"]).replace("}'https", "}' https");
    let answer = answered(&run(&sim, &line, dir.path()));
    for (task, id) in answer["tasks"]
        .as_array()
        .expect("tasks")
        .iter()
        .zip(["1006", "1008"])
    {
        assert_eq!(
            (&task["id"], &task["status"]),
            (&json!(id), &json!("SUCCESS"))
        );
    }
    assert_eq!(sim.count("effects"), 2);
}

/// What the documentation says is needed is needed: without the header or the password nothing happens.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_documented_lines_need_their_header_and_their_password() {
    if !curl_is_there() {
        return;
    }
    let sim = Sim::start(WORLD).await;
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(
        dir.path().join("put.json"),
        PUT_JSON.replace("3016", "30").replace("3018", "31"),
    )
    .expect("written");
    for (without, status) in [
        ("-H \"X-Requested-By: <anyvalue>\"", "400"),
        ("-u username:password", "401"),
    ] {
        let line = UPDATE.replace(without, "-s -o /dev/null -w '%{http_code}'");
        assert_ne!(line, UPDATE);
        let output = run(&sim, &line, dir.path());
        assert_eq!(String::from_utf8_lossy(&output.stdout), status, "{without}");
    }
    let owner = "Process Instance.Task Information.Assigned To User Key";
    let task = sim.get("/provtasks/30").await;
    assert_ne!(field(&task, owner), json!(23));
}
