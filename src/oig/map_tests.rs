//! Tests of the mapping from rows to tasks; fixtures are literal bodies, nothing is read from elsewhere.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::oig::wire;

fn task_of(row: &Json) -> Result<Task, String> {
    let text = json!({ "tasks": [row] }).to_string();
    let page = wire::page(&text, &["tasks"]).expect("readable");
    single(&page.items[0], &TimeZone::UTC)
}

fn fields(pairs: &[(&str, Json)]) -> Json {
    let list: Vec<Json> = pairs
        .iter()
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect();
    json!({"id": "9000", "fields": list})
}

const D: &str = "Process Instance.Task Details.";
const I: &str = "Process Instance.Task Information.";

#[test]
fn a_full_row_is_typed() {
    let task = task_of(&fields(&[
        (&format!("{D}Key"), json!(622_482)),
        (&format!("{D}Status"), json!("R")),
        ("Status.Category", json!("Pending")),
        ("Process Definition.Tasks.Key", json!(39)),
        ("Process Definition.Tasks.Task Name", json!("Create User")),
        ("Process Instance.Key", json!("0077")),
        ("Objects.Name", json!("LDAP User")),
        ("APP_INSTANCE_NAME", json!("Directory")),
        (&format!("{I}Target User"), json!("jdoe")),
        (&format!("{I}Creation Date"), json!("2026-01-02T03:04:05Z")),
        (&format!("{I}Assigned To User Key"), json!(23)),
        (&format!("{I}Assigned To Group Key"), json!(0)),
        (&format!("{I}Assignee User ID"), json!("bkiddo")),
        ("SCH_REASON", json!("")),
        (&format!("{D}Reason"), json!("connection refused")),
        (&format!("{D}Data"), json!("CONNECTION_ERROR")),
        (&format!("{D}Note"), json!("")),
        ("REQ_KEY", json!(4711)),
        ("Event Handler Manager.Key", json!(0)),
        (&format!("{I}Retry Task"), json!(622_001)),
    ]))
    .expect("a task");
    assert_eq!(task.id.as_str(), "622482");
    assert_eq!(task.status, TaskStatus::Rejected);
    assert_eq!(task.definition_key, Some(DefKey::new("39")));
    assert_eq!(task.definition_name.as_deref(), Some("Create User"));
    assert_eq!(task.process, Some(ProcessKey::new("77")));
    assert_eq!(task.target, Some(TargetName::new("Directory")));
    assert_eq!(task.beneficiary, Some(Login::new("JDOE")));
    assert_eq!(
        task.owner,
        Owner::User {
            key: Some(UserKey::new("23")),
            login: Some(Login::new("BKIDDO"))
        }
    );
    assert_eq!(
        task.created.map(|t| t.to_string()).as_deref(),
        Some("2026-01-02T03:04:05Z")
    );
    assert_eq!(task.reason.as_deref(), Some("connection refused"));
    assert_eq!(task.response.as_deref(), Some("CONNECTION_ERROR"));
    assert_eq!(task.note.as_deref(), Some(""));
    assert_eq!(task.request.as_deref(), Some("4711"));
    assert_eq!(task.has_adapter, Some(false));
    assert_eq!(task.retry_of, Some(TaskId::new("622001")));
    assert_eq!(task.child, None);
    assert_eq!(task.fields.iter().count(), 20);
    assert_eq!(
        task.fields.get("req_key").map(|v| v.as_text()),
        Some("4711")
    );
}

#[test]
fn the_documented_single_task_is_read_and_what_it_does_not_show_stays_unknown() {
    let task = task_of(&json!({"id": "5124", "fields": [
        {"name": "Process Definition.Tasks.Key", "value": 39},
        {"name": "Process Instance.Task Information.Updated By User ID", "value": "XELSYSADM"},
        {"name": "Process Instance.Task Details.Data", "value": "Rejected"},
        {"name": "Process Instance.Task Details.Created By", "value": 1},
        {"name": "Process Definition.Tasks.Task Name", "value": "ManualRevokeStart"},
        {"name": "Process Instance.Task Information.Assignee First Name", "value": "System"},
        {"name": "SCH_REASON", "value": ""},
        {"name": "Process Instance.Task Details.System level", "value": 0},
        {"name": "Process Instance.Task Information.Assign Type", "value": "User"}]}))
    .expect("a task");
    assert_eq!(task.id.as_str(), "5124");
    assert_eq!(task.response.as_deref(), Some("Rejected"));
    assert_eq!(task.updated_by, Some(Login::new("xelsysadm")));
    assert!(matches!(task.status, TaskStatus::Unknown(_)));
    assert_eq!(task.owner, Owner::Unknown);
    assert_eq!(
        (task.target, task.process, task.has_adapter),
        (None, None, None)
    );
}

#[test]
fn ids_come_from_the_field_else_the_id_else_the_self_link() {
    let link = json!([{"rel": "self", "href": "https://other:1/api/provtasks/0031/"}]);
    let both = json!({"links": link, "fields": []});
    assert_eq!(task_of(&both).expect("a task").id.as_str(), "31");
    let number = json!({"id": 44, "fields": null});
    assert_eq!(task_of(&number).expect("a task").id.as_str(), "44");
    assert!(task_of(&json!({"fields": []})).is_err());
    assert!(task_of(&json!("31")).is_err());
}

#[test]
fn owners_are_users_roles_or_unknown() {
    let owner = |pairs: &[(&str, Json)]| task_of(&fields(pairs)).expect("a task").owner;
    let group_key = format!("{I}Assigned To Group Key");
    let user_key = format!("{I}Assigned To User Key");
    let login = format!("{I}Assignee User ID");
    assert_eq!(
        owner(&[
            (&group_key, json!("8")),
            (&user_key, json!("0")),
            ("Groups.Group Name", json!("HELPDESK"))
        ]),
        Owner::Role {
            key: Some(RoleKey::new("8")),
            name: Some(Arc::from("HELPDESK"))
        }
    );
    assert_eq!(
        owner(&[(&group_key, json!(8)), (&user_key, json!(9))]),
        Owner::Unknown
    );
    assert_eq!(
        owner(&[(&login, json!("")), ("Groups.Group Name", json!(""))]),
        Owner::Unknown
    );
    assert_eq!(
        owner(&[(&login, json!({"base": "amy"}))]),
        Owner::User {
            key: None,
            login: Some(Login::new("AMY"))
        }
    );
}

#[test]
fn a_small_or_later_retry_number_is_no_link() {
    for value in [
        json!(0),
        json!(2),
        json!(1000),
        json!(9000),
        json!(9001),
        json!("x"),
    ] {
        let task = task_of(&fields(&[(&format!("{I}Retry Task"), value)])).expect("a task");
        assert_eq!(task.retry_of, None);
    }
}

#[test]
fn child_rows_are_told_apart_without_keeping_them() {
    let child = |value: &str| {
        task_of(&fields(&[("UD_ADUSRC_GROUPNAME", json!(value))]))
            .expect("a task")
            .child
    };
    assert_ne!(child("cn=a"), child("cn=b"));
    assert_eq!(child("cn=a"), child("cn=a"));
    assert!(child("cn=a").is_some_and(|d| d.len() == 16 && !d.contains("cn")));
    let named = |value: &str| {
        task_of(&fields(&[(&format!("{I}Child Data"), json!(value))]))
            .expect("a task")
            .child
    };
    assert!(named("cn=a").is_some(), "with the group's name before it");
    assert_eq!(named(" "), None, "an empty field is no row");
    for of_account in [
        "UD_ADUSER_UID",
        "UD_ADUSER_C",
        "UD_C_NAME",
        "UD_ADUSRC",
        "UD_X",
    ] {
        let row = task_of(&fields(&[(of_account, json!("x"))])).expect("a task");
        assert_eq!(row.child, None, "{of_account} is the account's");
        let shown = row.fields.get(of_account);
        assert_eq!(
            shown.map(|value| value.as_text().to_owned()).as_deref(),
            Some("x"),
            "a policy reads it"
        );
        let with = fields(&[
            (of_account, json!("x")),
            ("UD_ADUSRC_GROUPNAME", json!("cn=a")),
        ]);
        let with = task_of(&with).expect("a task");
        assert_eq!(with.child, child("cn=a"), "it tells no row from another");
    }
    let form =
        task_of(&json!({"id": "1", "fields": [], "formFields": [{"name": "Group", "value": "x"}]}));
    let form = form.expect("a task");
    assert_eq!(form.child, None, "it may be the account's form");
    let shown = form
        .fields
        .get("Group")
        .map(|value| value.as_text().to_owned());
    assert_eq!(shown.as_deref(), Some("x"), "a policy reads it");
    let odd = task_of(
        &json!({"id": "1", "fields": [{"name": format!("{D}Status"), "value": "R"}],
        "formFields": [{"name": format!("{D}Status"), "value": "C"}, {"name": "UD_ADUSRC_GROUPNAME", "value": "x"}]}),
    );
    let odd = odd.expect("a task");
    assert_eq!((odd.status, odd.child), (TaskStatus::Rejected, None));
}

#[test]
fn names_are_matched_without_case_and_blanks_and_status_falls_back_to_the_category() {
    let task = task_of(&fields(&[
        (" STATUS.category ", json!("rejected")),
        ("objects.NAME", json!(" SAP ")),
    ]))
    .expect("a task");
    assert_eq!(task.status, TaskStatus::Rejected);
    assert_eq!(task.target, Some(TargetName::new("SAP")));
}

/// The category holds what was given up, too.
#[test]
fn a_category_alone_tells_that_a_task_is_finished_and_not_how() {
    for word in ["Completed", " completed ", "COMPLETED"] {
        let row = fields(&[("Status.Category", json!(word))]);
        let status = task_of(&row).expect("a task").status;
        assert!(status.is_finished() && status.may_be_done(), "{status}");
        assert!(!status.is_done(), "{status}");
        // as records have it
        assert_eq!(TaskStatus::parse(status.as_str()), status);
    }
    let told = task_of(&fields(&[(&format!("{D}Status"), json!("Completed"))]));
    assert_eq!(told.expect("a task").status, TaskStatus::Completed);
}

#[test]
fn a_status_beside_a_category_that_contradicts_it_is_unknown() {
    let status = |status: &str, category: &str| {
        let row = fields(&[
            (&format!("{D}Status"), json!(status)),
            ("Status.Category", json!(category)),
        ]);
        task_of(&row).expect("a task").status
    };
    for (shown, category) in [
        ("R", "Completed"),
        ("Rejected", "cancelled"),
        ("R", "MC"),
        ("P", "Completed"),
        ("W", "Cancelled"),
        ("C", "Rejected"),
        ("MC", "Pending"),
    ] {
        let told = status(shown, category);
        assert!(
            matches!(told, TaskStatus::Unknown(_)),
            "{shown}, {category}: {told:?}"
        );
    }
    for (shown, category, is) in [
        ("R", "Rejected", TaskStatus::Rejected),
        ("rejected", " REJECTED ", TaskStatus::Rejected),
        ("R", "Fehlgeschlagen", TaskStatus::Rejected),
        ("R", "", TaskStatus::Rejected),
        ("R", "Pending", TaskStatus::Rejected),
        ("P", "Pending", TaskStatus::Pending),
        ("W", "Pending", TaskStatus::Waiting),
        ("S", "Pending", TaskStatus::Suspended),
        ("C", "Completed", TaskStatus::Completed),
        ("MC", "Completed", TaskStatus::ManuallyCompleted),
        ("UC", "Completed", TaskStatus::UnsuccessfullyCompleted),
        ("UC", "Rejected", TaskStatus::UnsuccessfullyCompleted),
        ("X", "Cancelled", TaskStatus::Cancelled),
        ("PX", "Pending", TaskStatus::PendingCancellation),
    ] {
        assert_eq!(status(shown, category), is, "{shown}, {category}");
    }
}

#[test]
fn rows_of_one_page_with_different_field_orders_keep_their_names() {
    let text = json!({"tasks": [
        {"id": 1, "fields": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
        {"id": 2, "fields": [{"name": "B", "value": "3"}, {"name": "C", "value": "4"}, {"name": "A", "value": "5"}]},
    ]})
    .to_string();
    let page = wire::page(&text, &["tasks"]).expect("readable");
    let zone = TimeZone::UTC;
    let mut mapper = Mapper::new(&zone);
    let mut pool = Interner::default();
    let mut tasks: Vec<Task> = page
        .items
        .iter()
        .map(|row| mapper.task(row, &mut pool).expect("a task"))
        .collect();
    let table = mapper.table();
    for task in &mut tasks {
        task.fields.share_table(Arc::clone(&table));
    }
    let text = |at: usize, name: &str| tasks[at].fields.get(name).map(|v| v.as_text().to_owned());
    assert_eq!(text(0, "B").as_deref(), Some("2"));
    assert_eq!(text(0, "C"), None);
    assert_eq!(text(1, "B").as_deref(), Some("3"));
    assert_eq!(text(1, "C").as_deref(), Some("4"));
    assert_eq!(text(1, "A").as_deref(), Some("5"));
}

#[test]
fn a_long_reason_is_kept_once_and_shows_in_every_field_that_has_it() {
    let long = "ORA-12541: TNS: no listener ".repeat(8);
    let other = "the connector gave up ".repeat(8);
    let of = |sch: &str, detail: &str| {
        task_of(&fields(&[
            (&format!("{D}Status"), json!("R")),
            ("SCH_REASON", json!(sch)),
            (&format!("{D}Reason"), json!(detail)),
        ]))
        .expect("a task")
    };
    for (sch, detail, reason) in [
        (&*long, &*long, &*long),
        (&long, &other, &long),
        (&other, &long, &other),
        ("", &long, &long),
        ("short", &long, "short"),
    ] {
        let mut task = of(sch, detail);
        assert_eq!(task.reason.as_deref(), Some(reason));
        for fields in [task.fields.clone(), task.fields.take()] {
            let text = |name: &str| fields.get(name).map(|value| value.as_text().to_owned());
            assert_eq!(text("SCH_REASON").as_deref(), Some(sch));
            assert_eq!(text(&format!("{D}Reason")).as_deref(), Some(detail));
            assert_eq!(
                text(&format!("{D}Status")).as_deref(),
                Some("R"),
                "beside it"
            );
        }
        assert_eq!(task.fields.iter().count(), 0, "taken");
    }
    let task = of(&long, &long);
    let bytes = format!("{:?}", task.fields);
    assert_eq!(bytes.matches("ORA-12541").count(), 8, "once: {bytes}");
}

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        ".{0,12}".prop_map(Json::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::btree_map("(base|name|value|id|[a-z]{0,3})", inner, 0..4)
                .prop_map(|m| Json::Object(m.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_value_in_any_known_field_panics(values in prop::collection::vec(any_json(), 22), id in any_json()) {
        let names = [
            "Process Instance.Task Details.Key", "Process Instance.Task Details.Status", "Status.Category",
            "Process Definition.Tasks.Task Name", "Process Definition.Tasks.Key", "Process Instance.Key",
            "APP_INSTANCE_NAME", "Objects.Name", "Process Instance.Task Information.Target User",
            "Process Instance.Task Information.Assigned To User Key", "Process Instance.Task Information.Assignee User ID",
            "Process Instance.Task Information.Assigned To Group Key", "Groups.Group Name",
            "Process Instance.Task Information.Creation Date", "Process Instance.Task Details.Creation Date",
            "SCH_REASON", "Process Instance.Task Details.Reason", "Process Instance.Task Details.Data",
            "REQ_KEY", "Process Instance.Task Information.Retry Task", "Event Handler Manager.Key", "UD_X",
        ];
        let list: Vec<Json> = names.iter().zip(values).map(|(name, value)| json!({"name": name, "value": value})).collect();
        let _ = task_of(&json!({"id": id, "fields": list, "formFields": id}));
    }
}

#[test]
fn the_start_of_the_last_run_is_the_same_in_whatever_form_it_comes() {
    let started = |value: Json| {
        let task = task_of(&fields(&[(&format!("{D}Actual Start Date"), value)]));
        task.expect("a task").started.map(|at| at.to_string())
    };
    let expected = Some("2026-01-02T03:04:05Z".to_owned());
    assert_eq!(started(json!("2026-01-02T03:04:05Z")), expected);
    assert_eq!(started(json!({"base": "2026-01-02T03:04:05Z"})), expected);
    assert_eq!(started(json!("")), None);
}

#[test]
fn the_end_of_a_task_is_read_where_one_is_shown_and_it_has_come_to_one() {
    let ended = |name: &str, status: &str, value: Json| {
        let list = [
            (&format!("{D}Status") as &str, json!(status)),
            (name, value),
        ];
        let task = task_of(&fields(&list)).expect("a task");
        task.ended.map(|at| at.to_string())
    };
    let at = "2026-01-02T03:04:05Z";
    for name in ["Actual End Date", "actual end"] {
        let name = format!("{D}{name}");
        assert_eq!(ended(&name, "C", json!(at)).as_deref(), Some(at));
        assert_eq!(ended(&name, "R", json!(at)), None);
        assert_eq!(ended(&name, "C", json!("")), None);
    }
    let planned = format!("{D}Projected End");
    assert_eq!(ended(&planned, "C", json!(at)), None);
}

#[test]
fn what_looks_like_a_secret_is_in_no_text_of_a_task() {
    let reason = "bind as cn=svc failed, password=tr0mb0ne after 3 attempts to reach the host";
    let shown = task_of(&fields(&[
        ("SCH_REASON", json!(reason)),
        (&format!("{D}Note"), json!("he uses pwd=tr0mb0ne now")),
        (&format!("{D}Data"), json!("Bearer tr0mb0ne")),
        ("UD_ADUSER_PASSWORD", json!("tr0mb0ne")),
        ("UD_ADUSER_UID", json!("jdoe")),
        ("UD_ADUSER_PWD", json!(null)),
    ]))
    .expect("a task");
    let masked = "bind as cn=svc failed, password=*** after 3 attempts to reach the host";
    assert_eq!(shown.reason.as_deref(), Some(masked));
    assert_eq!(shown.note.as_deref(), Some("he uses pwd=*** now"));
    let text = |name: &str| {
        shown
            .fields
            .get(name)
            .map(|value| value.as_text().to_owned())
    };
    assert_eq!(text("SCH_REASON").as_deref(), Some(masked));
    assert_eq!(text("UD_ADUSER_PASSWORD").as_deref(), Some("***"));
    assert_eq!(text("UD_ADUSER_UID").as_deref(), Some("jdoe"));
    assert_eq!(text("UD_ADUSER_PWD"), None);
    assert!(!format!("{shown:?}").contains("tr0mb0ne"), "{shown:?}");
}
