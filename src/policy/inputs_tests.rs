//! Tests of stored inputs: whole tasks there and back, older forms, and texts that are none; they decide nothing.

use proptest::prelude::*;

use super::*;
use crate::model::facts::{AccountView, DefinitionMemory, History, Now, PastAttempt};
use crate::model::{AttemptState, Kind, LineageId, Principal};

fn facts() -> Facts {
    let at: Timestamp = "2027-02-01T09:00:00Z".parse().expect("a time");
    Facts {
        now: Now {
            at,
            zone: "Europe/Berlin".to_owned(),
            weekday: 1,
            hour: 10,
            minute: 0,
            business_hours: true,
        },
        kind: Kind::Grant,
        class: Arc::from("network"),
        retryable: true,
        history: History {
            lineage: LineageId(7),
            attempts: 1,
            attempts_total: 2,
            first_seen: at,
            failed_since: at,
            last_attempt_at: Some(at),
            last_state: None,
            in_vain: 0,
            unproven: 0,
            reset: false,
            stale: false,
            keeps_ids: false,
            recent: Vec::new(),
            former_owners: Vec::new(),
            ids: vec![TaskId::new("5")],
        },
        owner: Known::unknown("a: \"b\",\nc"),
        beneficiary: Known::unknown("not read"),
        siblings: Known::unknown("not read"),
        definition: DefinitionMemory::default(),
        fulfilment_role: None,
        age: SignedDuration::from_secs(3),
    }
}

fn text() -> impl Strategy<Value = String> {
    "[-,:0-3äx\"\\\\\n]{0,9}"
}

fn task() -> impl Strategy<Value = Task> {
    let maybe = || prop::option::of(text().prop_map(Arc::<str>::from));
    let fields = prop::collection::vec((text(), 0u8..4, text()), 0..6);
    let texts = [maybe(), maybe(), maybe(), maybe(), maybe(), maybe()];
    (texts, fields, any::<Option<bool>>(), 0u8..5, any::<bool>()).prop_map(
        |([name, reason, response, note, request, child], fields, has_adapter, n, same)| {
            let mut task = Task::bare(TaskId::new("41"), TaskStatus::Rejected);
            let sort = |n| ["s", "n", "b", "j"][usize::from(n)].chars().next();
            let pairs = fields.iter().map(|(name, n, value)| {
                // of a truth value only the two words are kept
                let value = if *n == 2 { "true" } else { value.as_str() };
                (name.as_str(), field(sort(*n).unwrap_or('s'), value))
            });
            task.fields = Fields::from_pairs(pairs);
            let shown = task
                .fields
                .iter()
                .last()
                .map(|(_, v)| Arc::from(v.as_text()));
            task.reason = if same { shown } else { reason };
            task.status = match n {
                0 => TaskStatus::Unknown(Arc::from("pending")),
                1 => TaskStatus::PendingCancellation,
                2 => TaskStatus::UnsuccessfullyCompleted,
                _ => TaskStatus::Rejected,
            };
            task.owner = Owner::Role {
                key: None,
                name: note.clone(),
            };
            task.created = (n > 2).then(|| facts().now.at);
            task.process = (n > 1).then(|| ProcessKey::new("77"));
            (task.definition_name, task.response, task.note) = (name, response, note);
            (task.request, task.child, task.has_adapter) = (request, child, has_adapter);
            task
        },
    )
}

proptest! {
    #[test]
    fn every_task_comes_back_whole(task in task()) {
        let (back, known) = replay(&inputs_text(&task, &facts())).expect("reads back");
        prop_assert_eq!(known, facts());
        let shown = |task: &Task| {
            let task = task.clone();
            let fields: Vec<(String, String)> = task
                .fields
                .iter()
                .map(|(name, value)| (name.to_owned(), format!("{value:?}")))
                .collect();
            format!("{:?} {fields:?}", Task { fields: Fields::default(), ..task })
        };
        prop_assert_eq!(shown(&back), shown(&task));
    }

    #[test]
    fn no_text_makes_reading_panic(task in task(), at in any::<usize>(), with in "[-,:9ä{]{0,3}") {
        let mut text = inputs_text(&task, &facts());
        let mut at = at % text.len();
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        text.insert_str(at, &with);
        let _ = replay(&text);
        text.truncate(at);
        let _ = replay(&text);
    }
}

/// What was seen, the text of the facts for itself.
fn said(facts: &Facts, words: &mut InputsWriter) -> String {
    let text = words.text(&Task::bare(TaskId::new("1"), TaskStatus::Pending), facts);
    let at = text.find(":{\"now\"").expect("facts are last") + 1;
    text[at..].trim_end_matches(',').to_owned()
}

#[test]
fn facts_are_written_as_their_own_serialising_does_and_never_as_those_of_the_task_before() {
    let plain = facts();
    let mut all = vec![plain.clone()];
    let mut one = |change: &dyn Fn(&mut Facts)| {
        let mut facts = plain.clone();
        change(&mut facts);
        all.push(facts);
    };
    let at = |text: &str| -> Timestamp { text.parse().expect("a time") };
    let to = Principal::User {
        key: None,
        login: Login::new("A\"B"),
    };
    one(&|f| f.now.at = at("2027-02-01T09:00:00.123456789Z"));
    one(&|f| f.now.business_hours = false);
    one(&|f| f.kind = Kind::Revoke);
    one(&|f| f.class = Arc::from("a \"class\""));
    one(&|f| f.retryable = false);
    one(&|f| f.history.lineage = LineageId(u64::MAX));
    one(&|f| (f.history.attempts, f.history.attempts_total) = (0, u32::MAX));
    one(&|f| f.history.first_seen = at("2027-01-31T00:00:00Z"));
    one(&|f| f.history.failed_since = at("2027-01-31T00:00:00Z"));
    one(&|f| f.history.last_attempt_at = None);
    one(&|f| f.history.last_state = Some(AttemptState::Bounced));
    one(&|f| f.history.former_owners = vec![to.clone(), to.clone()]);
    one(&|f| f.history.ids = Vec::new());
    one(&|f| f.history.ids = vec![TaskId::new("a \"b\\"), TaskId::new("7"), TaskId::new("ä")]);
    one(&|f| {
        f.history.recent = vec![PastAttempt {
            ordinal: 1,
            at: f.now.at,
            state: AttemptState::Accepted,
            reason: Some(Arc::from("line\nline")),
        }];
    });
    one(&|f| f.owner = Known::unknown("other"));
    one(&|f| f.beneficiary = Known::unknown("other"));
    one(&|f| {
        f.siblings = Known::Yes {
            value: AccountView {
                tasks: Vec::new(),
                from_process: true,
            },
            as_of: f.now.at,
        };
    });
    one(&|f| f.definition.manual_since = Some(f.now.at));
    one(&|f| f.fulfilment_role = Some(to.clone()));
    one(&|f| f.age = SignedDuration::from_secs(99));
    let mut words = InputsWriter::default();
    for (n, facts) in all.iter().enumerate() {
        let wanted = serde_json::to_string(facts).expect("plain values");
        assert_eq!(said(facts, &mut words), wanted, "case {n}");
        assert_eq!(
            said(&plain, &mut words),
            serde_json::to_string(&plain).expect("plain")
        );
    }
}

#[test]
fn inputs_of_version_1_are_read() {
    let old = r#"{"v":1,"task":{"id":"41","status":"rejected","definition_key":"39","definition_name":"Create User","process":"77","target":"AD","beneficiary":"JDOE","owner":{"type":"role","key":"7","name":"OPS"},"created":"2026-11-20T08:00:00Z","reason":"connection refused","response":null,"note":"","request":null,"retry_of":null,"has_adapter":true,"child":null,"fields":[["Objects.Name","s","AD"],["Process Instance.Key","n","77"],["Flag","b","true"],["Name","j","{\"base\":\"x\"}"]]},"facts":{"now":{"at":"2026-11-20T09:00:00Z","zone":"UTC","weekday":5,"hour":9,"minute":0,"business_hours":true},"kind":"create","class":"network","retryable":true,"history":{"lineage":3,"attempts":0,"attempts_total":0,"first_seen":"2026-11-20T09:00:00Z","failed_since":"2026-11-20T09:00:00Z","last_attempt_at":null,"last_state":null,"recent":[],"former_owners":[],"ids":["41"]},"owner":{"known":"no","why":"not read"},"beneficiary":{"known":"no","why":"not read"},"siblings":{"known":"no","why":"not read"},"definition":{"manual_since":null,"manual_reason":null},"fulfilment_role":null,"age":"PT1H"}}"#;
    let (task, facts) = replay(old).expect("an old text");
    assert_eq!(task.reason.as_deref(), Some("connection refused"));
    assert_eq!(
        task.fields.get("process instance.key"),
        Some(FieldValue::Number("77"))
    );
    assert_eq!(task.fields.iter().count(), 4);
    assert_eq!(
        (facts.history.lineage, &*facts.class),
        (LineageId(3), "network")
    );
}
