//! Records as version 9 writes them: first sights that leave out what is as in the one before, and answers that leave out SUCCESS; read, and written again byte by byte.

use provtaskd::ledger::Index;
use provtaskd::ledger::record::{EventBody, decode, encode, genesis, link};
use provtaskd::model::{LineageId, Owner, ReceiptStatus, RoleKey, TaskId};

const OPENED: &str = r#"{"v":9,"seq":1,"at":"2027-03-01T09:00:00Z","actor":{"who":"daemon"},"login":"PROVSVC","prev":"0000000000000000000000000000000000000000000000000000000000000000","body":{"is":"lineages_opened","of":{"owners":[{"type":"role","key":"7","name":"OPERATORS"}],"items":[{"l":1,"t":"100","c":"2027-03-01T08:00:00Z","k":"revoke","g":"AD","dk":"300","dn":"Delete User","p":"200","u":"U200","ow":0,"x":36,"r":32},{"l":2,"t":"101","p":"201","u":"U201","x":37},{"l":3,"t":"102","c":"2027-03-01T08:01:00Z","ow":0,"x":38,"a":true},{"l":4,"t":"103","k":"grant","g":"AD","dn":"Add User","x":39,"w":true}]}}}"#;

const RECEIPTS: &str = r#"{"v":9,"seq":2,"at":"2027-03-01T09:00:01Z","actor":{"who":"daemon"},"prev":"0000000000000000000000000000000000000000000000000000000000000000","body":{"is":"receipts","of":{"batch":"01a22a51-3bdd-7583-a59d-0fe559e87fbf","took_ms":1,"items":[{"l":1,"n":1,"t":"100"},{"l":2,"n":1,"t":"101","r":{"status":"unknown","why":"no answer"}},{"l":3,"n":2,"t":"102"}]}}}"#;

#[test]
fn first_sights_have_from_the_one_before_what_they_leave_out_and_no_person() {
    let event = decode(OPENED.as_bytes()).expect("readable");
    let back = String::from_utf8(encode(&event).expect("small")).expect("text");
    assert_eq!(back, OPENED);
    assert_eq!(event.prev, genesis());
    let EventBody::LineagesOpened { items } = &event.body else {
        panic!("{:?}", event.body);
    };
    let owner = Owner::Role {
        key: Some(RoleKey::new("7")),
        name: Some("OPERATORS".into()),
    };
    let owners: Vec<Option<&Owner>> = items.iter().map(|item| item.owner.as_ref()).collect();
    assert_eq!(owners, [Some(&owner), None, Some(&owner), None]);
    let users: Vec<Option<&str>> = items
        .iter()
        .map(|i| Some(i.user.as_ref()?.as_str()))
        .collect();
    assert_eq!(users, [Some("U200"), Some("U201"), None, None]);
    let times: Vec<Option<String>> = items
        .iter()
        .map(|item| item.created.map(|at| at.to_string()))
        .collect();
    let eight = Some("2027-03-01T08:00:00Z".to_owned());
    let later = Some("2027-03-01T08:01:00Z".to_owned());
    assert_eq!(times, [eight.clone(), eight, later, None]);
    let names: Vec<&str> = items
        .iter()
        .filter_map(|item| item.name.as_deref())
        .collect();
    assert_eq!(
        names,
        ["Delete User", "Delete User", "Delete User", "Add User"]
    );
    assert_eq!(
        items
            .iter()
            .filter(|item| item.definition.is_some())
            .count(),
        3
    );
    let mut index = Index::default();
    index.apply(&event, link(&event, OPENED.as_bytes()));
    assert_eq!(index.lineages(), 4);
    assert_eq!(index.current_task(LineageId(3)), Some(TaskId::new("102")));
}

#[test]
fn an_answer_that_says_nothing_else_was_success() {
    let event = decode(RECEIPTS.as_bytes()).expect("readable");
    let back = String::from_utf8(encode(&event).expect("small")).expect("text");
    assert_eq!(back, RECEIPTS);
    let EventBody::Receipts { items, .. } = &event.body else {
        panic!("{:?}", event.body);
    };
    let accepted: Vec<bool> = items
        .iter()
        .map(|item| item.status == ReceiptStatus::Accepted)
        .collect();
    assert_eq!(accepted, [true, false, true]);
}
