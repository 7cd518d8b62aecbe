//! Drills of a known name that leads to another server.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use provtaskd::sim::scenario::ClockMode;
use provtaskd::sim::{Scenario, SimOptions, SimServer};
use serde_json::Value;

use crate::drill::Setup;
use crate::drill_restored::restored;

/// A front end that passes on to one of two servers; the first one's clock is the time of both.
async fn switch(one: String, two: String, switched: Arc<AtomicBool>) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let own = format!("http://{}", listener.local_addr().expect("an address"));
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("a client");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (one, two, client, switched) = (
                one.clone(),
                two.clone(),
                client.clone(),
                Arc::clone(&switched),
            );
            tokio::spawn(async move {
                let Some(seen) = crate::client_stub::read_request(&mut stream).await else {
                    return;
                };
                let other = switched.load(Ordering::SeqCst) && !seen.path.starts_with("/sim");
                let origin = if other { two } else { one };
                let method = reqwest::Method::from_bytes(seen.method.as_bytes()).expect("a method");
                let mut ask = client.request(method, format!("{origin}{}", seen.path));
                for (name, value) in &seen.headers {
                    if !["host", "connection", "content-length", "accept-encoding"]
                        .contains(&name.as_str())
                    {
                        ask = ask.header(name, value);
                    }
                }
                let Ok(got) = ask.body(seen.body.clone()).send().await else {
                    return;
                };
                let status = got.status().to_string();
                let text = got.text().await.unwrap_or_default();
                let bytes =
                    crate::client_stub::http(&status, "content-type: application/json\r\n", text);
                crate::client_stub::answer(&mut stream, &bytes).await;
            });
        }
    });
    own
}

/// The name leads to another server (a clone that went its own way, another stage): none of the known tasks is there,
/// others are, older than the first enforce and with ids that were never given out here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_server_under_the_known_name_is_sent_nothing() {
    let mut drill =
        Setup::of(&restored(12).replace("name = \"AD\"", "name = \"AD\"\nstate = \"down\""))
            .every("5m")
            .start()
            .await;
    let mut text = "name = \"other\"\nseed = 5\n[[target]]\nname = \"AD\"\n".to_owned();
    for n in 0..12 {
        text += &format!(
            "[[user]]\nlogin = \"OTHER{n}\"\n[[task]]\nid = {}\ntarget = \"AD\"\nuser = \"OTHER{n}\"\ntask = \"Telephone Updated\"\nfailure = \"network\"\ncreated = \"-48h\"\n",
            990_000 + n
        );
    }
    let mut scenario = Scenario::from_toml(&text).expect("right");
    scenario.clock.mode = ClockMode::Stepped;
    let other = SimServer::start(SimOptions::new(scenario))
        .await
        .expect("it starts");
    let switched = Arc::new(AtomicBool::new(false));
    let front = switch(drill.sim.origin(), other.origin(), Arc::clone(&switched)).await;
    let config = fs::read_to_string(drill.dir.path().join("provtaskd.toml")).expect("read");
    drill.write(
        "provtaskd.toml",
        &config.replace(&drill.sim.origin(), &front),
    );
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("6h").await;
    switched.store(true, Ordering::SeqCst);
    drill.run_for("12h").await;
    let sent: Vec<Value> = other
        .journal(0)
        .into_iter()
        .filter(|row| row["class"] == "put")
        .collect();
    let said = drill.inbox().iter().any(|item| item["id"] == "world");
    drill.judged_elsewhere();
    assert_eq!(
        (sent.len(), said),
        (0, true),
        "(sent to another server, said)"
    );
}
