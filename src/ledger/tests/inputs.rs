//! What decisions rest on is on record with them, once, and small; no disk.

use super::*;
use crate::ledger::{DecisionRecord, Inputs, MAX_INPUTS, said_print};
use crate::model::alike::steps;
use crate::model::{Base, InputsText, Refusal, Scope, Verdict, text_digest};

const CYCLE: CycleId = CycleId(uuid::Uuid::from_u128(1));

/// Inputs as long as real ones, of which two lineages differ in little.
fn text(id: &str, note: &str) -> String {
    format!(
        "{{\"v\":1,\"task\":{{\"id\":\"{id}\",\"status\":\"rejected\"}},\"note\":\"{note}\",\"rest\":\"{}\"}}",
        "connection refused, ".repeat(100)
    )
}

fn decision(lineage: LineageId, task: &str, text: &str, because: &str) -> Decision {
    let mut decision = admitted(lineage, task, Action::Retry).decision().clone();
    decision.inputs = text_digest(text);
    decision.moment = Some(Arc::from("then"));
    decision.verdict = Some(Verdict::Leave {
        reason: Arc::from(because),
        after: None,
    });
    decision
}

fn record(decision: &Decision, refusal: Option<RefusalReason>) -> DecisionRecord {
    DecisionRecord {
        decision: Arc::new(decision.clone()),
        refusal: refusal.map(|reason| Refusal::new(reason, Scope::Global)),
        relook: None,
    }
}

fn inputs(decision: &Decision, text: &str) -> Inputs {
    Inputs {
        lineage: decision.lineage,
        digest: decision.inputs.clone(),
        text: InputsText::Whole(text.to_owned()),
        said: said_print(decision),
    }
}

/// The same, told by another text.
fn beside(base: &Arc<Base>, decision: &Decision, text: &str) -> Inputs {
    Inputs {
        text: InputsText::Alike {
            base: Arc::clone(base),
            steps: steps(&base.text, text).expect("alike"),
            len: text.len(),
        },
        ..inputs(decision, text)
    }
}

/// A ledger in memory that has seen tasks 90 to 99.
async fn ledger() -> (Ledger, Vec<LineageId>) {
    let ledger = Ledger::memory(at(0)).expect("a thread");
    let rows = (90..100)
        .map(|n| row(&n.to_string(), TaskStatus::Rejected, &n.to_string()))
        .collect();
    let seen = ledger
        .observe(sighting(rows, 0), at(0))
        .await
        .expect("seen");
    ledger.written().await.expect("on disk");
    let lineages = seen.views.iter().filter_map(|view| view.lineage).collect();
    (ledger, lineages)
}

/// Evaluates, then records.
async fn cycle(ledger: &Ledger, decision: &Decision, text: &str, refusal: Option<RefusalReason>) {
    ledger
        .keep_inputs(vec![inputs(decision, text)], at(1))
        .await
        .expect("its place")
        .done()
        .await
        .expect("kept");
    ledger
        .decided(vec![record(decision, refusal)], CYCLE, at(1))
        .await
        .expect("its place")
        .done()
        .await
        .expect("decided");
    ledger.written().await.expect("on disk");
}

fn bytes(ledger: &Ledger) -> usize {
    let mut out = Vec::new();
    ledger.export(0, None, &mut out).expect("read");
    out.len()
}

#[tokio::test]
async fn inputs_of_ten_alike_tasks_cost_little_more_than_one_and_come_back_to_the_byte() {
    let (ledger, lineages) = ledger().await;
    let before = bytes(&ledger);
    let texts: Vec<String> = (90..100).map(|n| text(&n.to_string(), "")).collect();
    let made: Vec<Decision> = lineages
        .iter()
        .zip(&texts)
        .map(|(l, text)| decision(*l, "90", text, "wait"))
        .collect();
    let base = Arc::new(Base::new(text("", "")));
    let all = made
        .iter()
        .zip(&texts)
        .map(|(d, t)| beside(&base, d, t))
        .collect();
    let kept = ledger.keep_inputs(all, at(1)).await.expect("its place");
    kept.done().await.expect("kept");
    ledger.written().await.expect("on disk");
    for text in &texts {
        let digest = text_digest(text.as_str());
        let back = ledger.kept(&digest).expect("read");
        assert_eq!(back.as_deref(), Some(text.as_str()));
    }
    let cost = bytes(&ledger) - before;
    assert!(cost < 2 * texts[0].len() + 10 * 200, "{cost} bytes");
}

#[tokio::test]
async fn a_look_that_changes_nothing_stores_nothing() {
    let (ledger, lineages) = ledger().await;
    let first = text("90", "");
    let said = decision(lineages[0], "90", &first, "wait");
    cycle(&ledger, &said, &first, None).await;
    let before = bytes(&ledger);
    // the same answer, from other inputs: nothing is recorded, so nothing is stored
    let second = text("90", "seen again");
    let same = decision(lineages[0], "90", &second, "wait");
    cycle(&ledger, &same, &second, None).await;
    assert_eq!(bytes(&ledger), before);
    assert_eq!(ledger.kept(&same.inputs).expect("read"), None);
}

#[tokio::test]
async fn a_recorded_decision_has_its_inputs_also_where_only_what_holds_it_back_changed_later() {
    let (ledger, lineages) = ledger().await;
    let first = text("90", "");
    let said = decision(lineages[0], "90", &first, "wait");
    cycle(&ledger, &said, &first, None).await;
    let second = text("90", "seen again");
    let same = decision(lineages[0], "90", &second, "wait");
    cycle(&ledger, &same, &second, None).await;
    // not evaluated again; the refusal is new
    ledger
        .decided(
            vec![record(&same, Some(RefusalReason::Paused))],
            CYCLE,
            at(9),
        )
        .await
        .expect("its place")
        .done()
        .await
        .expect("decided");
    ledger.written().await.expect("on disk");
    let story = ledger.story(lineages[0]).expect("read");
    let last = story.lines.last().expect("recorded");
    let EventBody::Decided { items } = &last.event.body else {
        panic!("not a decision: {last:?}");
    };
    assert_eq!(items[0].inputs, same.inputs);
    assert_eq!(items[0].moment.as_deref(), Some("then"));
    let kept = ledger.kept(&items[0].inputs).expect("read");
    assert_eq!(kept.as_deref(), Some(second.as_str()));
}

#[tokio::test]
async fn one_decision_never_stores_more_than_its_bound() {
    let (ledger, lineages) = ledger().await;
    let before = bytes(&ledger);
    let huge = "x".repeat(MAX_INPUTS + 1);
    let said = decision(lineages[0], "90", &huge, "wait");
    let kept = ledger
        .keep_inputs(vec![inputs(&said, &huge)], at(1))
        .await
        .expect("its place");
    kept.done().await.expect("answered");
    ledger.written().await.expect("on disk");
    assert_eq!(bytes(&ledger), before);
    let most = "y".repeat(MAX_INPUTS);
    let said = decision(lineages[1], "91", &most, "wait");
    cycle(&ledger, &said, &most, None).await;
    assert_eq!(ledger.kept(&said.inputs).expect("read"), Some(most));
}

/// What is told by another text can be read after any kill: that one is on record before it, whole and once.
#[tokio::test]
async fn what_inputs_are_told_by_is_on_record_before_them_and_once_over_restarts() {
    let base = Arc::new(Base::new(text("", "")));
    let (first, lineages) = ledger().await;
    let mut journal = Vec::new();
    for (n, lineage) in lineages.iter().take(4).enumerate() {
        let text = text(&format!("9{n}"), "");
        let said = decision(*lineage, "90", &text, "wait");
        // the second one's base is known only by its digest, as after a restart
        let base = Arc::new(Base::clone(&base));
        let kept = first.keep_inputs(vec![beside(&base, &said, &text)], at(1));
        kept.await.expect("its place").done().await.expect("kept");
        first.written().await.expect("on disk");
        journal.clear();
        first.export(0, None, &mut journal).expect("read");
    }
    let mut whole = Vec::new();
    let mut told = 0;
    for line in String::from_utf8(journal).expect("text").lines().skip(1) {
        match crate::ledger::record::decode(line.as_bytes())
            .expect("a record")
            .body
        {
            EventBody::InputsStored { digest, .. } => whole.push(digest),
            EventBody::InputsAlike { base: by, items } => {
                assert!(whole.contains(&by), "it comes before its base");
                told += items.len();
            }
            _ => {}
        }
    }
    assert_eq!((whole, told), (vec![base.digest.clone()], 4));
}

#[tokio::test]
async fn steps_that_are_too_long_for_a_record_are_stored_as_the_text_they_make() {
    let (ledger, lineages) = ledger().await;
    let base = Arc::new(Base::new(text("", "")));
    let long = format!("{}{}", text("90", ""), "odd ".repeat(3000));
    let said = decision(lineages[0], "90", &long, "wait");
    let mut inputs = inputs(&said, &long);
    let back = base.text.len();
    let all = u32::try_from(back).expect("small");
    inputs.text = InputsText::Alike {
        base,
        steps: vec![crate::model::alike::Step(0, all, long.clone())],
        len: long.len(),
    };
    let kept = ledger.keep_inputs(vec![inputs], at(1));
    kept.await.expect("its place").done().await.expect("kept");
    ledger.written().await.expect("on disk");
    assert_eq!(ledger.kept(&said.inputs).expect("read"), Some(long));
}
