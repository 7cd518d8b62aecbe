//! Tests of stored inputs: whole tasks there and back, older forms, and texts that are none; they decide nothing.

use proptest::prelude::*;

use super::*;
use crate::model::alike::Step;
use crate::model::facts::{AccountView, DefinitionMemory, History, Now, PastAttempt};
use crate::model::{AttemptState, InputsText, Kind, LineageId, Principal, text_digest};

fn facts() -> Facts {
    let at: Timestamp = "2027-02-01T09:00:00Z".parse().expect("a time");
    Facts {
        now: Now {
            at,
            zone: "Europe/Berlin".into(),
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
            creation_over_since: false,
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

    /// Whatever was written before: the digest is the text's own, and what is told by another text is the text.
    #[test]
    fn every_task_is_told_to_the_byte_after_any_others(
        tasks in prop::collection::vec((task(), 0u64..3, 0u8..3), 1..8)
    ) {
        let mut words = InputsWriter::default();
        for (n, (task, lineage, owner)) in (50..).zip(tasks) {
            let (mut task, mut facts) = (task, facts());
            task.id = TaskId::new(&n.to_string());
            facts.history.lineage = LineageId(lineage);
            facts.owner = Known::unknown(["a", "b: \"c\"", "a longer one, of which much is alike"][usize::from(owner)]);
            let before = facts.clone();
            let told = words.parts(&task, &mut facts);
            prop_assert_eq!(&facts, &before);
            let length = told.text.len();
            let text = told.text.whole().expect("the steps fit");
            prop_assert_eq!(length, text.len());
            let alone = InputsWriter::default().parts(&task, &mut facts);
            prop_assert_eq!(&alone.digest, &told.digest);
            let alone = alone.text.whole();
            prop_assert_eq!(Some(&text), alone.as_ref());
            prop_assert_eq!(&text_digest(&text), &told.digest);
            let (_, back) = replay_at(&text, &told.moment).expect("reads back");
            prop_assert_eq!(back, before);
        }
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

/// What was seen, the facts for themselves, as JSON.
fn said(facts: &Facts, words: &mut InputsWriter) -> serde_json::Value {
    let text = words.text(&Task::bare(TaskId::new("1"), TaskStatus::Pending), facts);
    let ([_, _, around, people], own) = blocks(&text).expect("it has blocks");
    let (mut parts, mut own) = (Vec::new(), own);
    while let Some((part, rest)) = part(own) {
        (parts, own) = ([parts, vec![part.unwrap_or("-")]].concat(), rest);
    }
    // a task without fields: the history is last
    let [.., lineage, history, ids] = parts.as_slice() else {
        panic!("{parts:?}");
    };
    let text = format!(
        "{{{around},{people},\"history\":{{\"lineage\":{lineage},{history},\"ids\":{ids}}}}}"
    );
    serde_json::from_str(&text).expect("JSON")
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
    one(&|f| f.history.creation_over_since = true);
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
                own_now: None,
            },
            as_of: f.now.at,
        };
    });
    one(&|f| f.definition.manual_since = Some(f.now.at));
    one(&|f| f.fulfilment_role = Some(to.clone()));
    one(&|f| f.age = SignedDuration::from_secs(99));
    let mut words = InputsWriter::default();
    for (n, facts) in all.iter().enumerate() {
        let wanted = serde_json::to_value(facts).expect("plain values");
        assert_eq!(said(facts, &mut words), wanted, "case {n}");
        assert_eq!(
            said(&plain, &mut words),
            serde_json::to_value(&plain).expect("plain")
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

/// A row as long as real ones.
fn row(n: u32) -> Task {
    let mut task = Task::bare(TaskId::new(&n.to_string()), TaskStatus::Rejected);
    let (key, user) = (n.to_string(), format!("USER{n}"));
    let reason = format!("connection refused by app7 for {user}, after 30000 ms");
    let more = "the same in every row, ".repeat(30);
    let pairs = [
        ("Process Instance.Task Details.Key", &key),
        ("Process Instance.Task Information.Target User", &user),
        ("SCH_REASON", &reason),
        ("Objects.Description", &more),
    ];
    task.fields = Fields::from_pairs(pairs.map(|(name, text)| (name, FieldValue::Text(text))));
    task.definition_name = Some(Arc::from("Delete User"));
    task.target = Some(TargetName::new("Mail"));
    task.process = Some(ProcessKey::new(&(9 * n).to_string()));
    task.beneficiary = Some(Login::new(&user));
    task.reason = Some(Arc::from(reason));
    task
}

#[test]
fn tasks_of_one_sort_are_told_by_what_they_share_and_that_names_nobody() {
    let mut words = InputsWriter::default();
    let mut told = |n: u32| {
        let mut facts = facts();
        facts.history.lineage = LineageId(u64::from(n));
        facts.history.ids = vec![TaskId::new(&n.to_string())];
        words.parts(&row(n), &mut facts).text
    };
    assert!(matches!(told(1001), InputsText::Whole(_)));
    let mut bases = Vec::new();
    for n in 1002..1012 {
        let InputsText::Alike { base, steps, len } = told(n) else {
            panic!("{n} is whole");
        };
        let put: usize = steps.iter().map(|Step(_, _, put)| put.len()).sum();
        assert!(
            put < 200 && steps.len() < 12 && len > 1500,
            "{put}, {steps:?}"
        );
        bases.push(base);
    }
    assert!(bases.windows(2).all(|two| Arc::ptr_eq(&two[0], &two[1])));
    let shared = &bases[0].text;
    assert!(shared.contains("the same in every row"), "{shared}");
    for own in ["1001", "1002", "USER", "9009", "9018"] {
        assert!(!shared.contains(own), "{own} in {shared}");
    }
    assert!(replay(shared).is_err(), "it is no task's");
    // another sort has another frame, and one that its frame does not fit begins a new one
    let mut other = row(1012);
    other.target = Some(TargetName::new("AD"));
    assert!(matches!(
        words.parts(&other, &mut facts()).text,
        InputsText::Whole(_)
    ));
    let mut odd = row(1013);
    odd.fields = Fields::from_pairs([("Other", FieldValue::Number("7"))]);
    for whole in [true, false] {
        let text = words.parts(&odd, &mut facts()).text;
        assert_eq!(matches!(text, InputsText::Whole(_)), whole);
    }
}

/// Two tasks of one person share what names him; the frame leaves it out.
#[test]
fn what_two_tasks_of_one_person_share_of_him_is_in_no_frame() {
    let mut words = InputsWriter::default();
    words.parts(&row(1001), &mut facts());
    let mut again = row(1001);
    again.id = TaskId::new("1002");
    let InputsText::Alike { base, .. } = words.parts(&again, &mut facts()).text else {
        panic!("it is whole");
    };
    assert!(!base.text.contains("USER1001"), "{}", base.text);
}

const OLD_2: &str = r#"2;2:41,5:known,1:R,2:39,11:Create User,2:77,2:AD,4:JDOE,38:{"type":"role","key":"7","name":"OPS"},20:2026-11-20T08:00:00Z,5:field,1:2,-,0:,-,-,4:true,-,1:4,12:Objects.Name,s2:AD,20:Process Instance.Key,n2:77,10:SCH_REASON,s18:connection refused,4:Flag,b4:true,"#;
const FACTS_2: &str = r#"{"now":{"at":"2026-11-20T09:00:00Z","zone":"UTC","weekday":5,"hour":9,"minute":0,"business_hours":true},"kind":"create","class":"network","retryable":true,"history":{"lineage":3,"attempts":0,"attempts_total":0,"first_seen":"2026-11-20T09:00:00Z","failed_since":"2026-11-20T09:00:00Z","last_attempt_at":null,"last_state":null,"recent":[],"former_owners":[],"ids":["41"]},"owner":{"known":"no","why":"not read"},"beneficiary":{"known":"no","why":"not read"},"siblings":{"known":"no","why":"not read"},"definition":{"manual_since":null,"manual_reason":null},"fulfilment_role":null,"age":"PT1H"}"#;

#[test]
fn inputs_of_version_2_are_read() {
    let old = format!("{OLD_2}{}:{FACTS_2},", FACTS_2.len());
    let (task, facts) = replay(&old).expect("an old text");
    assert_eq!(task.status, TaskStatus::Rejected);
    assert_eq!(task.reason.as_deref(), Some("connection refused"));
    assert_eq!(task.beneficiary, Some(Login::new("JDOE")));
    assert_eq!(
        (task.has_adapter, task.note.as_deref()),
        (Some(true), Some(""))
    );
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
