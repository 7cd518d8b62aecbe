//! Any single change of a journal is found from the next anchor on, and what was rewritten by order is not one.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::ledger::anchor::Head;
use crate::ledger::record::{Meta, VERSION, chain, digest_of, encode};

type Journal = Vec<(u64, Vec<u8>)>;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).expect("a time")
}

fn put(journal: &mut Journal, body: EventBody) {
    let last = journal.last().map(|(seq, bytes)| {
        let event = decode(bytes).expect("own bytes");
        (*seq, link(&event, bytes))
    });
    let (seq, prev) = last.unwrap_or((0, genesis()));
    let second = i64::try_from(seq).expect("small");
    let made = chain(&Meta::daemon(at(second), None), body, seq + 1, prev).expect("small");
    journal.extend(made.into_iter().map(|(event, bytes, _)| (event.seq, bytes)));
}

fn note(n: usize) -> EventBody {
    EventBody::Note {
        text: Arc::from(format!("note {n}")),
    }
}

/// Records 1 to `many`.
fn journal(many: usize) -> Journal {
    let mut out = Vec::new();
    let store = "s".to_owned();
    put(&mut out, EventBody::StoreCreated { store });
    (2..=many).for_each(|n| put(&mut out, note(n)));
    out
}

fn anchor(journal: &Journal, seq: u64, key: Option<&Key>) -> Anchor {
    let (_, bytes) = journal.iter().find(|(of, _)| *of == seq).expect("there");
    let head = Head {
        store: "s".to_owned(),
        seq,
        link: link(&decode(bytes).expect("own bytes"), bytes),
    };
    Anchor::of(&head, at(i64::try_from(seq).expect("small")), key)
}

fn anchors(journal: &Journal, seqs: &[u64], key: Option<&Key>) -> Anchors {
    let mut out = Anchors::default();
    for seq in seqs {
        out.line(&anchor(journal, *seq, key).line().expect("JSON"));
    }
    out
}

fn verify(journal: &Journal, anchors: Anchors) -> Verified {
    signed(journal, anchors, Vec::new())
}

fn signed(journal: &Journal, anchors: Anchors, keys: Vec<Key>) -> Verified {
    let mut verifier = Verifier::new(anchors, keys);
    for (seq, bytes) in journal {
        verifier.add(*seq, bytes);
    }
    verifier.end(None)
}

fn proven(of: &Verified) -> u64 {
    of.proven.as_ref().map_or(0, |proven| proven.record)
}

/// As a rewriting does it: other words, the old link kept.
fn rewrite(journal: &mut Journal, places: &[usize]) {
    for place in places {
        let (_, bytes) = &mut journal[*place];
        let mut event = decode(bytes).expect("own bytes");
        event.was = Some(link(&event, bytes));
        event.body = EventBody::Dropped {};
        *bytes = encode(&event).expect("small");
    }
    let mut sum = Sum::default();
    let mut head = genesis();
    for (_, bytes) in &*journal {
        let event = decode(bytes).expect("own bytes");
        sum.add(&event, bytes);
        head = link(&event, bytes);
    }
    let (changed, sum) = sum.end();
    let body = EventBody::Rewritten {
        why: RewriteWhy::Erase,
        to: journal.last().expect("some").0,
        changed,
        sum,
        head,
        reason: Arc::from("asked for"),
    };
    put(journal, body);
}

/// What somebody does who writes a changed record and mends the chain behind it.
fn mend(journal: &mut Journal, from: usize) {
    let mut prev = match from {
        0 => genesis(),
        from => digest_of(&journal[from - 1].1),
    };
    let first = journal[..from].last().map_or(0, |(seq, _)| *seq);
    for (seq, (number, bytes)) in (first + 1..).zip(&mut journal[from..]) {
        let mut event = decode(bytes).expect("own bytes");
        (event.seq, event.prev) = (seq, prev.clone());
        *number = seq;
        *bytes = encode(&event).expect("small");
        prev = digest_of(bytes);
    }
}

#[derive(Clone, Debug)]
enum Change {
    Byte(usize, usize, u8),
    Remove(usize),
    Insert(usize),
    Swap(usize),
    Cut(usize),
    /// A record that is exchanged, the chain behind it mended.
    Forge(usize),
    /// The same for one that is put in, and one that is taken out.
    ForgeIn(usize),
    ForgeOut(usize),
    /// A record that pretends to have been rewritten.
    Pretend(usize),
}

fn change() -> impl Strategy<Value = Change> {
    let place = 0usize..1000;
    prop_oneof![
        (place.clone(), 0usize..4000, 1u8..).prop_map(|(a, b, c)| Change::Byte(a, b, c)),
        place.clone().prop_map(Change::Remove),
        place.clone().prop_map(Change::Insert),
        place.clone().prop_map(Change::Swap),
        place.clone().prop_map(Change::Cut),
        place.clone().prop_map(Change::Forge),
        place.clone().prop_map(Change::ForgeIn),
        place.clone().prop_map(Change::ForgeOut),
        place.prop_map(Change::Pretend),
    ]
}

/// Makes one change; answers the place of the first record that is not as it was.
fn apply(journal: &mut Journal, change: &Change) -> usize {
    let many = journal.len();
    let forged = |n: usize| EventBody::Note {
        text: Arc::from(format!("forged {n}")),
    };
    match *change {
        Change::Byte(place, at, by) => {
            let place = place % many;
            let bytes = &mut journal[place].1;
            let at = at % bytes.len();
            bytes[at] ^= by;
            place
        }
        Change::Remove(place) => {
            journal.remove(place % many);
            place % many
        }
        Change::Insert(place) => {
            let place = 1 + place % (many - 1);
            let copy = journal[place - 1].clone();
            journal.insert(place, copy);
            place
        }
        Change::Swap(place) => {
            let place = place % (many - 1);
            let bytes = journal[place].1.clone();
            journal[place].1 = std::mem::replace(&mut journal[place + 1].1, bytes);
            place
        }
        Change::Cut(place) => {
            let place = place % many;
            journal.truncate(place);
            place
        }
        Change::Forge(place) => {
            let place = 1 + place % (many - 1);
            let mut event = decode(&journal[place].1).expect("own bytes");
            event.body = forged(place);
            journal[place].1 = encode(&event).expect("small");
            mend(journal, place);
            place
        }
        Change::ForgeIn(place) => {
            let place = 1 + place % (many - 1);
            let mut event = decode(&journal[place].1).expect("own bytes");
            event.body = forged(place);
            journal.insert(place, (0, encode(&event).expect("small")));
            mend(journal, place);
            place
        }
        Change::ForgeOut(place) => {
            let place = 1 + place % (many - 1);
            journal.remove(place);
            mend(journal, place);
            place
        }
        Change::Pretend(place) => {
            let place = 1 + place % (many - 1);
            let bytes = &mut journal[place].1;
            let mut event = decode(bytes).expect("own bytes");
            event.was = Some(digest_of(bytes));
            event.body = forged(place);
            *bytes = encode(&event).expect("small");
            place
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn any_single_change_is_found_from_the_next_anchor_on(
        many in 3usize..40, every in 1usize..8, change in change()
    ) {
        let whole = journal(many);
        let seqs: Vec<u64> = (1..=many).step_by(every).map(|n| u64::try_from(n).expect("small")).collect();
        let untouched = verify(&whole, anchors(&whole, &seqs, None));
        prop_assert_eq!(&untouched.findings, &[]);
        prop_assert_eq!(proven(&untouched), *seqs.last().expect("some"));
        let mut changed = whole.clone();
        let place = apply(&mut changed, &change);
        let first = u64::try_from(place).expect("small") + 1;
        let verified = verify(&changed, anchors(&whole, &seqs, None));
        // whatever was done, nothing that is not as it was is called proven
        prop_assert!(proven(&verified) < first, "{verified:#?}");
        if seqs.iter().any(|seq| *seq >= first) {
            prop_assert!(!verified.findings.is_empty(), "{change:?} at {first}");
            // what lies before it is proven all the same
            let before = seqs.iter().rev().find(|seq| **seq < first).copied().unwrap_or(0);
            prop_assert_eq!(proven(&verified), before, "{:?}: {:#?}", change, verified);
        }
    }

    #[test]
    fn a_rewriting_by_order_keeps_every_older_anchor_and_a_change_after_it_is_found(
        many in 4usize..30, places in prop::collection::btree_set(1usize..30, 1..6), twice: bool,
        spoil in 0usize..6,
    ) {
        let mut it = journal(many);
        let old: Vec<u64> = (1..=u64::try_from(many).expect("small")).collect();
        let mut given = anchors(&it, &old, None);
        let places: Vec<usize> = places.into_iter().filter(|place| *place < many).collect();
        rewrite(&mut it, &places);
        if twice {
            (0..3).for_each(|n| put(&mut it, note(n)));
            rewrite(&mut it, &[1]);
        }
        let last = it.last().expect("some").0;
        given.line(&anchor(&it, last, None).line().expect("JSON"));
        let lines = |of: &Journal| {
            let mut given = anchors(&journal(many), &old, None);
            given.line(&anchor(&it, last, None).line().expect("JSON"));
            verify(of, given)
        };
        let verified = verify(&it, given);
        prop_assert_eq!(&verified.findings, &[]);
        prop_assert_eq!(proven(&verified), last);
        prop_assert_eq!(verified.rewritings.len(), if twice { 2 } else { 1 });
        // one of the rewritten ones is exchanged once more
        let rewritten: Vec<usize> = (0..it.len())
            .filter(|at| decode(&it[*at].1).expect("own bytes").was.is_some())
            .collect();
        if let Some(place) = rewritten.get(spoil % rewritten.len().max(1)) {
            let mut event = decode(&it[*place].1).expect("own bytes");
            event.body = note(99);
            let mut spoilt = it.clone();
            spoilt[*place].1 = encode(&event).expect("small");
            let verified = lines(&spoilt);
            let told = verified.findings.iter().any(|f| matches!(f, Finding::RewrittenChanged { .. }));
            prop_assert!(told, "{verified:#?}");
        }
    }
}

#[test]
fn a_forged_rewriting_is_not_believed_before_it_is_anchored_and_then_it_is_on_record() {
    let mut it = journal(10);
    let given = || anchors(&journal(10), &[5, 10], None);
    rewrite(&mut it, &[3]);
    let verified = verify(&it, given());
    assert_eq!(
        verified.findings,
        [Finding::RewritingUnanchored { record: 11, to: 10 }]
    );
    // without anchors the journal is only consistent in itself, and nothing is called proven
    let verified = verify(&it, Anchors::default());
    assert_eq!((verified.findings.len(), proven(&verified)), (0, 0));
    let mut later = given();
    later.line(&anchor(&it, 11, None).line().expect("JSON"));
    let verified = verify(&it, later);
    assert_eq!(verified.findings, []);
    assert_eq!(verified.rewritings[0].record, 11);
    assert_eq!(verified.rewritings[0].by, "daemon");
}

#[test]
fn an_older_copy_that_was_put_back_loses_its_anchors_and_the_rewind_is_named() {
    let whole = journal(20);
    let mut it = whole[..8].to_vec();
    put(
        &mut it,
        EventBody::StoreRewound {
            expected: 20,
            found: 8,
            damage: None,
            restored: None,
            lineages: Vec::new(),
        },
    );
    (0..15).for_each(|n| put(&mut it, note(n)));
    // the second life reaches beyond the first, and was noticed after all anchors of that
    let event = &mut it[8];
    let mut rewound = decode(&event.1).expect("own bytes");
    rewound.at = at(500);
    event.1 = encode(&rewound).expect("small");
    mend(&mut it, 9);
    let mut later = anchor(&it, 24, None);
    later.at = at(1000);
    let mut given = anchors(&whole, &[5, 10, 20], None);
    given.line(&later.line().expect("JSON"));
    let verified = verify(&it, given);
    assert_eq!(proven(&verified), 24);
    assert_eq!(verified.findings.len(), 2, "{:#?}", verified.findings);
    for (finding, of) in verified.findings.iter().zip([10, 20]) {
        let Finding::AnchorCut {
            record, rewound, ..
        } = finding
        else {
            panic!("{finding:?}");
        };
        assert_eq!((*record, *rewound), (of, Some(9)));
    }
    // the same without a word about it: nothing explains the loss
    let mut cut = Verifier::new(anchors(&whole, &[5, 10], None), Vec::new());
    for (seq, bytes) in &whole[..8] {
        cut.add(*seq, bytes);
    }
    let mark = Mark {
        store: "s".to_owned(),
        seq: 20,
        head: String::new(),
    };
    let verified = cut.end(Some(&mark));
    assert!(verified.findings.contains(&Finding::EndMissing {
        acknowledged: 20,
        last: 8
    }));
    let said: Vec<String> = verified.findings.iter().map(ToString::to_string).collect();
    assert!(said[0].contains("anchor of record 10"), "{said:?}");
    assert!(said[0].contains("nothing in it tells"), "{said:?}");
}

#[test]
fn with_keys_an_anchor_counts_only_with_their_hmac() {
    let it = journal(10);
    let key = || Key::of(b"a key of sufficient length").expect("long");
    let older = || Key::of(b"the key before that one").expect("long");
    let mut given = anchors(&it, &[2], Some(&older()));
    given.line(&anchor(&it, 4, Some(&key())).line().expect("JSON"));
    given.line(&anchor(&it, 6, None).line().expect("JSON"));
    let mut forged = anchor(&it, 8, Some(&key()));
    forged.seq = 9;
    given.line(&forged.line().expect("JSON"));
    given.line("{\"anchor\":1,\"sto");
    let head = Head {
        store: "t".to_owned(),
        seq: 3,
        link: genesis(),
    };
    given.line(&Anchor::of(&head, at(3), Some(&key())).line().expect("JSON"));
    let verified = signed(&it, given, vec![key()]);
    let is =
        |wanted: &dyn Fn(&Finding) -> bool| verified.findings.iter().filter(|f| wanted(f)).count();
    assert_eq!(verified.findings.len(), 5, "{:#?}", verified.findings);
    assert_eq!(
        is(&|f| matches!(f, Finding::KeyUnknown { record: 2, .. })),
        1
    );
    assert_eq!(
        is(&|f| matches!(f, Finding::HmacMissing { record: 6, .. })),
        1
    );
    assert_eq!(
        is(&|f| matches!(f, Finding::HmacWrong { record: 9, .. })),
        1
    );
    assert_eq!(
        is(&|f| matches!(f, Finding::AnchorUnreadable { line: 5, .. })),
        1
    );
    assert_eq!(
        is(&|f| matches!(f, Finding::OtherStore { record: 3, .. })),
        1
    );
    assert_eq!(proven(&verified), 4);
    assert!(verified.proven.expect("one").signed);
    // both keys of a rotation
    let both = signed(
        &it,
        anchors(&it, &[2], Some(&older())),
        vec![key(), older()],
    );
    assert_eq!((both.findings.len(), proven(&both)), (0, 2));
    assert!(verify(&it, anchors(&it, &[2], Some(&key()))).unchecked_hmacs);
}

#[test]
fn a_record_of_a_newer_program_is_said_and_proves_nothing() {
    let mut it = journal(5);
    let given = anchors(&it, &[2, 5], None);
    let text = String::from_utf8(it[2].1.clone()).expect("text");
    let newer = VERSION + 2;
    let ours = format!("\"v\":{VERSION}");
    assert!(text.contains(&ours), "{text}");
    it[2].1 = text.replace(&ours, &format!("\"v\":{newer}")).into_bytes();
    let verified = verify(&it, given);
    let newer = Finding::RecordNewer {
        record: 3,
        version: newer,
    };
    assert_eq!(verified.findings[0], newer);
    assert_eq!(proven(&verified), 2);
}

#[test]
fn a_change_that_two_anchors_enclose_is_told_by_its_records() {
    let differs = |proven| {
        let at = "2027-03-01T00:00:00Z".parse().expect("a timestamp");
        let finding = Finding::AnchorDiffers {
            line: 2,
            record: 9,
            at,
            proven,
            later: 0,
        };
        finding.to_string()
    };
    assert!(differs(3).contains("between record 4 and record 9"));
    for proven in [8, 9, 12] {
        let said = differs(proven);
        assert!(said.contains("record 9 was changed, or another"), "{said}");
    }
}
