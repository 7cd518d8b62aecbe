//! The report's tables against rows that were made by hand and at random.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::render::stale_line;
use super::*;
use crate::model::{Kind, Login, Owner, RefusalReason, TargetName, TaskId, TaskStatus};

const NOW: &str = "2027-03-01T08:00:00Z";

fn now() -> Timestamp {
    NOW.parse().expect("a time")
}

/// A row with nothing special, so many days old.
pub fn row(id: u32, days: i64) -> Row {
    Row {
        task: TaskId::new(&id.to_string()),
        name: Some(Arc::from("Create User")),
        target: Some(TargetName::new("AD")),
        kind: Kind::Create,
        class: Arc::from("network"),
        status: TaskStatus::Rejected,
        created: Some(now() - SignedDuration::from_hours(24 * days)),
        reason: Some(Arc::from("Connection refused")),
        person: Some(Login::new("EMP1")),
        person_word: PersonWord::Active,
        left: None,
        left_untold: false,
        owner: Owner::Unknown,
        owner_login: None,
        owner_word: OwnerWord::Nobody,
        owner_until: None,
        role_word: None,
        said: Err(RefusalReason::NotToldYet),
    }
}

pub fn context() -> Context {
    Context {
        taken_at: now(),
        origin: "http://127.0.0.1:14000".to_owned(),
        login: Login::new("SVC"),
        logins: Vec::new(),
        words: String::new(),
        policy: Policies {
            hash: "abcdef0123456789".to_owned(),
            shipped: true,
            names: vec!["30-retry.rhai".to_owned()],
            unmapped: Vec::new(),
        },
        scope: Scope {
            statement: "visible to this login is not existing".to_owned(),
            roads: Vec::new(),
            filter: None,
            complete: true,
            stable: true,
            passes: 1,
            unreadable: 0,
            own: 0,
            by_roles: 0,
            by_own_roles: None,
            by_others: 0,
            by_nobody: 0,
            roles: Vec::new(),
            other_owners: 0,
            hidden: Vec::new(),
            accounts_read: 0,
            accounts_listed: 0,
        },
        reads: Reads::default(),
        notes: vec!["a note".to_owned()],
    }
}

#[test]
fn open_access_is_of_those_alone_who_are_known_to_be_gone_and_the_oldest_comes_first() {
    let of = |id: u32, days: i64, kind: Kind, word: PersonWord| Row {
        kind,
        person_word: word,
        person: Some(Login::new(&format!("L{id}"))),
        ..row(id, days)
    };
    let mut rows = vec![
        of(1, 3, Kind::Revoke, PersonWord::Disabled),
        of(2, 40, Kind::Disable, PersonWord::Deleted),
        of(3, 90, Kind::Revoke, PersonWord::Active),
        of(4, 90, Kind::Revoke, PersonWord::NotShown),
        of(5, 90, Kind::Revoke, PersonWord::NotRead),
        of(6, 9, Kind::Grant, PersonWord::Disabled),
        of(7, 8, Kind::Change, PersonWord::Disabled),
        of(11, 7, Kind::Grant, PersonWord::ActivePast),
        // he left long before anybody asked for the revoke
        Row {
            left: Some(now() - SignedDuration::from_hours(24 * 100)),
            ..of(8, 1, Kind::Revoke, PersonWord::Disabled)
        },
        // a last day that is to come is none yet
        Row {
            left: Some(now() + SignedDuration::from_hours(24)),
            ..of(9, 5, Kind::Revoke, PersonWord::Disabled)
        },
    ];
    rows.push(Row {
        created: None,
        ..of(10, 0, Kind::Revoke, PersonWord::Disabled)
    });
    let report = report(&rows, context());
    let open: Vec<(&str, Option<i64>, &str)> = report
        .open_access
        .tasks
        .iter()
        .map(|task| (task.task.as_str(), task.days, task.since_by.as_str()))
        .collect();
    assert_eq!(
        open,
        [
            ("8", Some(100), "leave date"),
            ("2", Some(40), "task created"),
            ("9", Some(5), "task created"),
            ("1", Some(3), "task created"),
            ("10", None, "not known"),
        ]
    );
    assert_eq!(report.open_access.people, 5);
    assert_eq!(report.open_access.not_told, 2);
    let stale: Vec<&str> = report
        .stale_grants
        .tasks
        .iter()
        .map(|task| task.task.as_str())
        .collect();
    assert_eq!(stale, ["6", "11"]);
    let (gone, past) = (
        report.stale_grants.people,
        report.stale_grants.active_people,
    );
    assert_eq!((gone, past, report.stale_grants.active_tasks), (1, 1, 1));
    let said = stale_line(&report);
    assert!(
        said.starts_with("1 create, grant or enable for 1 person"),
        "{said}"
    );
    assert!(
        said.contains("1 more is for 1 person whom OIG calls active"),
        "{said}"
    );
}

#[test]
fn ages_end_where_they_say() {
    let day = 86_400;
    let words: Vec<&str> = [0, day - 1, day, 14 * day - 1, 14 * day, 400 * day]
        .into_iter()
        .map(|seconds| age_word(Some(seconds)))
        .collect();
    assert_eq!(
        words,
        [
            "below 1 day",
            "below 1 day",
            "1 to 7 days",
            "7 to 14 days",
            "14 to 30 days",
            "over 365 days",
        ]
    );
    assert_eq!(age_word(None), "not known");
}

fn hostile() -> Row {
    Row {
        name: Some(Arc::from("<script>alert(1)</script>")),
        target: Some(TargetName::new("=cmd|' /C calc'!A0")),
        kind: Kind::Revoke,
        person: Some(Login::new("\"><IMG SRC=X>")),
        person_word: PersonWord::Disabled,
        reason: Some(Arc::from("</title><b>| a \u{1b}[31m & 'x' \u{202e}")),
        ..row(666, 2)
    }
}

#[test]
fn texts_of_the_server_are_text_in_every_format() {
    let report = report(&[hostile()], context());
    let html = render::html(&report);
    assert!(!html.contains("<script") && !html.contains("<IMG") && !html.contains("</title><b>"));
    assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(!html.contains('\u{1b}') && !html.contains('\u{202e}'));
    let markdown = render::markdown(&report);
    assert!(!markdown.contains("<script") && !markdown.contains("<IMG"));
    let csv = render::csv(&report);
    assert!(csv.contains("\"'=cmd|' /C calc'!A0\""), "{csv}");
}

#[test]
fn every_format_says_that_visible_is_not_existing() {
    let report = report(&[row(1, 1)], context());
    let json = serde_json::to_string(&report).expect("JSON");
    for text in [
        render::html(&report),
        render::markdown(&report),
        render::csv(&report),
        json,
    ] {
        assert!(
            text.contains("visible to this login is not existing"),
            "{text}"
        );
    }
}

#[test]
fn a_report_is_read_back_as_it_was_written() {
    let report = report(&[row(1, 1), hostile()], context());
    let json = serde_json::to_string(&report).expect("JSON");
    let back: Report = serde_json::from_str(&json).expect("a report");
    assert_eq!(back, report);
}

#[test]
fn without_names_nobody_can_be_told() {
    let mut owned = row(2, 3);
    owned.owner = Owner::User {
        key: None,
        login: Some(Login::new("OTTO")),
    };
    owned.owner_login = Some(Login::new("OTTO"));
    owned.owner_word = OwnerWord::Disabled;
    owned.reason = Some(Arc::from("user OTTO is locked on srv.example"));
    owned.said = Ok(Said {
        verdict: "reassign",
        policy: None,
        refused: Vec::new(),
        to: Some("user:ANNA".to_owned()),
    });
    let mut context = context();
    context.scope.hidden = vec![("user:PAUL".to_owned(), 3), ("role:OPS".to_owned(), 1)];
    let mut report = report(&[owned, hostile()], context);
    let named = serde_json::to_string(&report).expect("JSON");
    assert!(
        ["OTTO", "ANNA", "PAUL"]
            .iter()
            .all(|name| named.contains(name))
    );
    report.leave_names_out();
    let json = serde_json::to_string(&report).expect("JSON");
    for name in ["OTTO", "ANNA", "PAUL", "IMG", "srv.example"] {
        assert!(!json.contains(name), "{name}: {json}");
    }
    assert!(json.contains("role:OPS"), "{json}");
}

fn any_row() -> impl Strategy<Value = Row> {
    let words = prop_oneof![
        Just(PersonWord::Active),
        Just(PersonWord::Disabled),
        Just(PersonWord::NotRead),
        Just(PersonWord::Nobody),
    ];
    let owners = prop_oneof![
        Just(OwnerWord::Active),
        Just(OwnerWord::Away),
        Just(OwnerWord::Role),
        Just(OwnerWord::NotShown),
    ];
    let said = prop_oneof![
        Just(Err(RefusalReason::SuccessorKnown)),
        prop::option::of(Just(RefusalReason::TooOld)).prop_map(|refused| Ok(Said {
            verdict: "retry",
            policy: Some(Arc::from("30-retry.rhai")),
            refused: refused.into_iter().map(Held::Refused).collect(),
            to: None,
        })),
        Just(Ok(Said {
            verdict: "leave",
            policy: None,
            refused: Vec::new(),
            to: None,
        })),
    ];
    (
        0..99_999_u32,
        -3..900_i64,
        0..Kind::ALL.len(),
        words,
        owners,
        said,
        prop::option::of("[A-C]"),
        prop::option::of("(user [A-Z]{3}|error [0-9]{1,3}|timeout)"),
    )
        .prop_map(
            |(id, days, kind, person_word, owner_word, said, target, reason)| Row {
                kind: Kind::ALL[kind],
                person_word,
                owner_word,
                said,
                target: target.as_deref().map(TargetName::new),
                reason: reason.as_deref().map(Arc::from),
                ..row(id, days)
            },
        )
}

proptest! {
    #[test]
    fn every_table_adds_up_to_the_rows(rows in prop::collection::vec(any_row(), 0..60)) {
        let report = report(&rows, context());
        let all = u64::try_from(rows.len()).expect("few");
        prop_assert_eq!(report.tasks, all);
        let sum: u64 = report.classes.iter().map(|class| class.tasks).sum();
        prop_assert_eq!(sum, all);
        for axis in Axis::ALL {
            let sum: u64 = along(&report.classes, axis).iter().map(|(_, count)| count).sum();
            prop_assert_eq!(sum, all, "{:?}", axis);
        }
        let sum: u64 = report.reasons.iter().map(|reason| reason.tasks).sum();
        prop_assert_eq!(sum, all);
        let sum: u64 = report.outlook.iter().map(|row| row.tasks).sum();
        prop_assert_eq!(sum, all);
        let gone = |row: &&Row| row.kind.takes_access() && row.person_word.is_gone();
        prop_assert_eq!(report.open_access.tasks.len(), rows.iter().filter(gone).count());
        let stuck: u64 = report.stuck.iter().map(|owner| owner.tasks).sum();
        let cannot = rows.iter().filter(|row| row.owner_word.cannot_act()).count();
        prop_assert_eq!(stuck, u64::try_from(cannot).expect("few"));
    }
}
