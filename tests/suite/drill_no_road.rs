//! A drill of owners whose tasks no login's list shows, whole process: what `status` says of them rests on a cycle that read all lists.

use serde_json::json;

use crate::client_stub::write_password;
use crate::drill::Setup;
use crate::intake_support::{Event, HIDDEN, INTAKE, SECRET, address, secrets, tasks_of};

/// A login whose list is read seldom: who has no road is told from when all lists were read, not forgotten with
/// each cycle that leaves it out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn owners_without_a_road_are_told_between_the_lists_of_a_login_that_is_read_seldom() {
    let further = "[[login]]\nlogin = \"SELDOM\"\npassword = \"second-password-1\"\n";
    let world = HIDDEN.replacen("[[target]]", &format!("{further}[[target]]"), 1);
    let table = "[[login]]\nlogin = \"SELDOM\"\npassword_file = \"second\"\nevery = \"30m\"";
    let config = format!(
        "{INTAKE}
{table}"
    );
    let mut drill = Setup::of(&world).config(&config).start().await;
    secrets(&drill, &[SECRET]);
    write_password(&drill.dir.path().join("second"), "second-password-1");
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("1h").await;
    drill.done(&[
        "pause",
        "--target",
        "HR",
        "--unseen",
        "--why",
        "it is to stay as it is",
    ]);
    let (at, one) = (address(&drill), tasks_of(&drill, "ONE"));
    let (status, answer) = Event::new("m-1", &json!({ "tasks": [one[0]] }).to_string()).send(&at);
    assert_eq!(status, 202, "{answer}");
    let (mut told, mut between) = (Vec::new(), 0);
    // it is found beside one pass and a row of the next; whose it is tells the first after that which reads all lists
    for _ in 0..20 {
        drill.run_for("5m").await;
        let status = drill.json(&["status", "--json"]);
        told.push(status["no_road"] == json!([["user:OTHER", 1]]));
        let text = drill.done(&["status"]);
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        between += u32::from(text.contains("when all lists were last read"));
    }
    let first = told.iter().position(|told| *told).expect("never told");
    assert!(told[first..].iter().all(|told| *told), "{told:?}");
    assert!(told.len() - first > 7, "{told:?}");
    assert!(
        between > 3,
        "told between the lists of the other login, too"
    );
    drill.done(&["resume", "--target", "HR"]);
    drill.approve_backlog();
    drill.run_for("2h").await;
    drill.judge_leaving(4).await;
}
