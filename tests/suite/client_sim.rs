//! The client against the simulator, which shares no code with it: every read and both forms of PUT, over real HTTP.

use provtaskd::model::clock::Clock;
use provtaskd::model::decision::Action;
use provtaskd::model::id::{BatchId, Login, TaskId};
use provtaskd::oig::{Client, LoginState, WriteItem, receipts};

use crate::client_stub::{setup, write_password};
use crate::sim_support::{BASE, Sim, WORLD};

fn retry(id: &str) -> WriteItem {
    WriteItem {
        task: TaskId::new(id),
        request: None,
        action: Action::Retry,
    }
}

#[tokio::test]
async fn everything_that_the_cycle_asks_is_answered_by_the_simulator() {
    let sim = Sim::start(WORLD).await;
    let mut setup = setup(&sim.server.origin());
    setup.settings.api_path = BASE.to_owned();
    setup.settings.login = Login::new(&sim.login.0);
    setup.settings.login_as_written = sim.login.0.clone();
    write_password(&setup.settings.password_file, &sim.login.1);
    let client = Client::new(&setup.settings, Clock::wall(), LoginState::Ok).expect("a client");

    let list = client.list().await.expect("a list");
    assert!(list.complete && list.unreadable.is_empty(), "{list:?}");
    let ids: Vec<&str> = list.tasks.iter().map(|t| t.id.as_str()).collect();
    for id in ["1006", "1008", "30", "31", "1002"] {
        assert!(ids.contains(&id), "{id} in {ids:?}");
    }
    let task = client
        .task(&TaskId::new("1006"))
        .await
        .expect("read")
        .expect("there");
    assert!(
        task.target.is_some() && task.beneficiary.is_some(),
        "{task:?}"
    );
    let process = task.process.clone().expect("an account");
    let account = client
        .process(&process)
        .await
        .expect("read")
        .expect("there");
    assert!(account.iter().any(|t| t.id == task.id));
    client.history(&task.id).await.expect("a history");
    client.responses(&task.id).await.expect("responses");

    let person = client
        .user_by_login(&Login::new("BKIDDO"))
        .await
        .expect("read")
        .expect("there");
    let key = person.key.clone().expect("a key");
    assert_eq!(client.user(&key).await.expect("read"), Some(person));
    let both = [
        Login::new("BKIDDO"),
        Login::new("AARORA"),
        Login::new("NOBODY"),
    ];
    let people = client.users_by_login(&both).await.expect("people");
    assert_eq!(
        (people.found.len(), people.missing.len()),
        (2, 1),
        "{people:?}"
    );
    client.proxies(&key).await.expect("proxies");
    let role = client
        .role_by_name("REVIEWERS")
        .await
        .expect("read")
        .expect("there");
    let members = client.role_members(&role.key).await.expect("members");
    assert_eq!(members[0].login, Login::new("DTRAN20190614C"));

    let batch = BatchId(uuid::Uuid::from_u128(9));
    let answer = client
        .put_bulk(batch, &[retry("1006"), retry("30")])
        .await
        .expect("answered");
    let sent = [TaskId::new("1006"), TaskId::new("30")];
    let got = receipts(&sent, &answer);
    assert_eq!(got[0].1.event().as_str(), "answered_success", "{got:?}");
    assert_eq!(got[1].1.event().as_str(), "answered_fail", "{got:?}");
    let one = client
        .put_one(batch, &retry("1002"))
        .await
        .expect("answered");
    assert_eq!(one.items.len(), 1);
    assert_eq!(client.requests().writes, 2);
}
