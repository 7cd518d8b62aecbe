//! A person who stands in every text field of every record is erased from a store on disk: no string of his is left, what holds still holds, and the chain verifies.

mod bodies;
mod sorts;

use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::ledger::open::mark;
use crate::ledger::record::{
    Actor, AlikeItem, AttemptItem, ClaimItem, DecidedItem, JoinedItem, Meta, OpenedItem,
    ReceiptItem, Redefined, ReusedItem, RewriteWhy, SeenItem, Sum, chain, digest_of, genesis,
};
use crate::ledger::record::{How, decode};
use crate::ledger::sidecar::Sidecar;
use crate::ledger::sled::SledStore;
use crate::ledger::store::Store as _;
use crate::ledger::upkeep::{ErasePlan, Erasing, Order, erase, export_to};
use crate::ledger::verify::{Anchors, Verifier};
use crate::model::settings::StoreSettings;
use crate::model::{
    ActionName, AttemptEvent, BatchId, Digest, Kind, Mode, OrderRelease, Outcome, PolicyHash,
    ReceiptStatus, Refusal, RefusalReason, Scope, TargetName, TaskId, task::DefinitionId,
};

use bodies::{Called, bodies};
use sorts::{SORTS, sort};

fn at() -> Timestamp {
    "2027-03-01T08:00:00Z".parse().expect("a time")
}

fn settings(dir: &Path) -> StoreSettings {
    StoreSettings {
        dir: dir.to_path_buf(),
        cache: 8 << 20,
    }
}

/// Writes a store of these bodies, each by a person and a login of that name.
fn made(dir: &Path, who: &Called, bodies: Vec<EventBody>) -> Index {
    let mut index = Index::default();
    let mut records = Vec::new();
    let name = who.words(1);
    let meta = Meta::by(Actor::Person { uid: 7, name }, at());
    let meta = meta.login(Some(Login::new(&who.login)));
    for body in bodies {
        let link = index.head().cloned().unwrap_or_else(genesis);
        let mut body = body;
        if let EventBody::Rewritten {
            to,
            changed,
            sum,
            head,
            ..
        } = &mut body
        {
            // as one that is true
            (*to, *head) = (index.last_seq(), link.clone());
            (*changed, *sum) = Sum::default().end();
        }
        let head = link;
        let all = chain(&meta, body, index.last_seq() + 1, head).expect("small");
        for (event, bytes, digest) in all {
            index.apply(&event, digest);
            records.push((event.seq, bytes));
        }
    }
    let (store, _) = SledStore::open(&dir.join("journal"), 8 << 20).expect("made");
    store.append(&records).expect("written");
    drop(store);
    let (sidecar, _) = Sidecar::open(&dir.join("sidecar")).expect("made");
    let mut sidecar = sidecar.beside(dir.join("journal").join("db"));
    sidecar.write(&mark(&index)).expect("written");
    index
}

fn exported(dir: &Path) -> String {
    let mut out = Vec::new();
    export_to(&settings(dir), &mut out).expect("exported");
    String::from_utf8(out).expect("text")
}

fn records(dir: &Path) -> Vec<(u64, Vec<u8>)> {
    let (store, _) = SledStore::open(&dir.join("journal"), 8 << 20).expect("opened");
    let mut out = Vec::new();
    store
        .visit(0, &mut |seq, bytes| {
            out.push((seq, bytes.to_vec()));
            std::ops::ControlFlow::Continue(())
        })
        .expect("read");
    out
}

fn erased(dir: &Path, who: &Called, names: &[String]) -> ErasePlan {
    let erasing = Erasing {
        login: &who.login,
        names,
        reason: "request 4711",
        yes: true,
    };
    let actor = Actor::Person {
        uid: 0,
        name: "uid 0".into(),
    };
    let order = Order {
        actor,
        now: at(),
        last: &|_| None,
    };
    erase(&settings(dir), erasing, order, &mut |_| {}).expect("erased")
}

fn called() -> impl Strategy<Value = Called> {
    // nothing of it is part of a word that stands in every store
    (
        "zq[a-z]{3,6}",
        "Xw[a-zé]{3,6}",
        "Vj[a-zß]{3,6}",
        7_000_000_u32..8_000_000,
    )
        .prop_map(|(login, first, last, key)| Called {
            login,
            first,
            last,
            key: key.to_string(),
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn nothing_of_a_person_is_left_in_any_field_and_the_chain_verifies(who in called()) {
        let dir = tempfile::tempdir().expect("a directory");
        let all = bodies(&who);
        let sorts: BTreeSet<usize> = all.iter().map(sort).collect();
        prop_assert_eq!(sorts.len(), SORTS, "a sort has no body here");
        let before = made(dir.path(), &who, all);
        let text = names::folded(&exported(dir.path()));
        for string in who.strings() {
            prop_assert!(text.contains(&string), "{string} is nowhere: the test tells nothing");
        }
        let plan = erased(dir.path(), &who, &[]);
        prop_assert_eq!((plan.open.len(), plan.in_force, plan.configured), (0, 0, 0));
        let text = names::folded(&exported(dir.path()));
        for string in who.strings() {
            let at = text.find(&string);
            let near = at.map(|at| text[at..].chars().take(60).collect::<String>());
            prop_assert_eq!(near, None, "{}", string);
        }
        let mut verifier = Verifier::new(Anchors::default(), Vec::new());
        let mut after = Index::default();
        for (seq, bytes) in records(dir.path()) {
            verifier.add(seq, &bytes);
            let event = decode(&bytes).expect("a record");
            after.apply(&event, crate::ledger::record::link(&event, &bytes));
        }
        let verified = verifier.end(None);
        prop_assert_eq!(verified.findings, vec![]);
        prop_assert!(verified.rewritten > 30);
        // what holds still holds
        prop_assert_eq!(before.by_task, after.by_task);
        prop_assert_eq!(before.counts, after.counts);
        prop_assert_eq!(after.manual.len(), 1);
        prop_assert_eq!(after.pauses.len(), 1);
        prop_assert_eq!(after.released.len(), 1);
        prop_assert!(after.stopped.contains_key(&Login::new("ME")));
    }
}

#[test]
fn a_login_is_found_as_a_whole_word_in_any_case() {
    let person = Person::new("jdoe", &[]).expect("a person");
    for text in [
        "JDOE",
        "owner user:jdoe is away",
        "(jDoe)",
        "jdoe@example.org",
        "a-jdoe",
    ] {
        assert!(person.is_named(text), "{text}");
    }
    for text in ["", "jdoes", "xjdoe", "jdo", "jdoe1"] {
        assert!(!person.is_named(text), "{text}");
    }
    assert!(!Person::new("", &[]).expect("nobody").is_named("anything"));
}

#[test]
fn a_name_that_is_given_is_found_and_one_that_is_too_short_is_refused() {
    let names = ["Jane Doe".to_owned(), "jd@example.org".to_owned()];
    let person = Person::new("U17", &names).expect("a person");
    for text in ["DOE, Jane", "to jd@example.org.", "u17"] {
        assert!(person.is_named(text), "{text}");
    }
    assert!(!person.is_named("Jane has a doe"));
    assert!(Person::new("U17", &["J.".to_owned()]).is_err());
}

#[test]
fn work_that_is_open_keeps_what_names_him_and_that_is_counted() {
    let dir = tempfile::tempdir().expect("a directory");
    let who = Called {
        login: "jdoe".to_owned(),
        first: "Jane".to_owned(),
        last: "Doe".to_owned(),
        key: "7000001".to_owned(),
    };
    let mut all = bodies(&who);
    // the ends are missing, and so is what closes everything
    all.retain(|body| {
        !matches!(
            body,
            EventBody::Outcomes { .. } | EventBody::WorldAccepted { .. }
        )
    });
    made(dir.path(), &who, all);
    let plan = erased(dir.path(), &who, &[]);
    assert_eq!(plan.open, [LineageId(1), LineageId(2)]);
    assert!(plan.texts_kept > 0);
    let text = exported(dir.path());
    let opened = text.lines().find(|line| line.contains("lineages_opened"));
    assert!(opened.expect("there").contains("JDOE"));
    let note = text.lines().find(|line| line.contains("\"is\":\"note\""));
    assert!(note.expect("there").contains("(taken out)"));
}

#[test]
fn a_login_that_is_a_number_is_found_only_where_the_words_say_that_it_is_one() {
    let person = Person::new("1234567", &[]).expect("a person");
    for text in [
        "user 1234567 is locked",
        "User: 1234567",
        "user id 1234567",
        "owner user:1234567 is away",
        "the owner 1234567 has left",
        "uid=1234567,ou=people",
        "{\"type\":\"user\",\"key\":\"9\",\"login\":\"1234567\"}",
        "to 1234567@corp.example.",
        "CORP\\1234567 can't be bound",
    ] {
        assert!(person.is_named(text), "{text}");
        assert!(
            !person.is_named(&text.replace("1234567", "12345678")),
            "{text}"
        );
    }
    for text in [
        "1234567",
        "ticket 1234567",
        "(1234567)",
        "user#1234567",
        "no user. 1234567 rows were read",
        "task 1234567 was read twice",
        "superuser 1234567",
        "1234567 users",
    ] {
        assert!(!person.is_named(text), "{text}");
        assert!(person.is_mentioned(text), "{text}");
    }
    assert!(person.is_value("task.beneficiary", "\"1234567\""));
    assert!(!person.is_value("task.process", "1234567"));
    assert!(!person.is_value("owner.key", "1234567"));
}

/// A row as it is stored, of somebody with that login, in an account of that number.
fn stored_row(login: &str, account: &str) -> String {
    let parts = ["417", "known", "R", "39", "Create", account, "AD", login];
    let parts: String = parts.iter().map(|p| format!("{}:{p},", p.len())).collect();
    let name = "Process Instance.Key";
    format!(
        "2;{parts}{}:{name},s{}:{account},",
        name.len(),
        account.len()
    )
}

#[test]
fn a_number_that_is_somebodys_login_is_not_taken_out_of_the_work_of_strangers() {
    let dir = tempfile::tempdir().expect("a directory");
    let who = Called {
        login: "1234567".to_owned(),
        first: "Jane".to_owned(),
        last: "Doe".to_owned(),
        key: "9000001".to_owned(),
    };
    let (his, strangers) = (
        stored_row("1234567", "801"),
        stored_row("SOMEBODY", "1234567"),
    );
    let opened = |lineage: u64, login: &str| OpenedItem {
        lineage: LineageId(lineage),
        task: TaskId::new(&format!("{}", 100 + lineage)),
        created: None,
        kind: Kind::Grant,
        target: Some(TargetName::new("AD")),
        definition: None,
        name: None,
        process: None,
        user: Some(Login::new(login)),
        child: None,
        owner: Some(Owner::User {
            key: None,
            login: Some(Login::new(&who.login)),
        }),
        print: 5,
        ambiguous: false,
        run: Default::default(),
        by_date: false,
        known_by: Default::default(),
    };
    let note = |text: &str| EventBody::Note { text: text.into() };
    let decided = |lineage: u64, inputs: &str, read: [(&str, &str); 2]| EventBody::Decided {
        items: vec![DecidedItem {
            lineage: LineageId(lineage),
            task: TaskId::new("102"),
            version: 1,
            kind: Kind::Grant,
            policy: None,
            line: None,
            hash: PolicyHash::new(&"2".repeat(64)),
            inputs: digest_of(inputs.as_bytes()),
            moment: None,
            verdict: Some(Verdict::Ask {
                reason: "account 1234567 is not there".into(),
                after: None,
            }),
            fault: None,
            refusal: None,
            read: read.map(|(name, value)| (name.into(), value.into())).into(),
            relook: None,
        }],
    };
    let stored = |text: &str| EventBody::InputsStored {
        digest: digest_of(text.as_bytes()),
        part: 0,
        of: 1,
        text: text.to_owned(),
    };
    let all = vec![
        EventBody::StoreCreated {
            store: "0190-s".to_owned(),
        },
        EventBody::LineagesOpened {
            items: vec![opened(1, "1234567"), opened(2, "SOMEBODY")],
        },
        stored(&his),
        stored(&strangers),
        decided(
            2,
            &strangers,
            [("task.process", "1234567"), ("task.reason", "row 1234567")],
        ),
        decided(
            2,
            &his,
            [
                ("task.beneficiary", "\"1234567\""),
                ("task.target", "AD-of-two"),
            ],
        ),
        note("ticket 1234567 was closed"),
        note("user 1234567 has left"),
        // all of it is closed
        EventBody::WorldAccepted {
            up_to: LineageId(2),
            reason: "put back".into(),
        },
    ];
    made(dir.path(), &who, all);
    erased(dir.path(), &who, &[]);
    let text = exported(dir.path());
    for stays in [
        "ticket 1234567 was closed",
        "account 1234567 is not there",
        "row 1234567",
        "AD-of-two",
        "Process Instance.Key,s7:1234567,",
    ] {
        assert!(text.contains(stays), "{stays} is a stranger's");
    }
    let text = names::folded(&text);
    for goes in [
        "user 1234567",
        "user:1234567",
        "ad,7:1234567",
        "\\\"1234567\\\"",
        "\"u\":\"1234567\"",
        "\"login\":\"1234567\"",
    ] {
        let at = text.find(goes);
        let near = at.map(|at| {
            text[at.saturating_sub(80)..]
                .chars()
                .take(200)
                .collect::<String>()
        });
        assert_eq!(near, None, "{goes}");
    }
}
