//! One cycle's reading and deciding: snapshot, lineages, facts, policies, guards; it sends nothing and asks no gate.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::account::{Accounts, RowState};
use super::another::{self, Stranger};
use super::ask::{Candidate, Decided, Deciders, texts};
use super::collect::{Readers, collector};
use super::describe::{self, RowText};
use super::facts::Surroundings;
use super::hinted::{self, Hinted};
use super::left_rows::{self, LeftRow};
use super::loads::Loads;
use super::memory::{Memory, Moment, Remembered, relook_of, rests_on_readings};
use super::reasons::{self, Reasons};
use super::seen::{Seen, count};
use super::{justify, left_alone, lists, outset, owners, propose, roads, walk};
use crate::absence::Roster;
use crate::calendar;
use crate::dispatch::verify::Witness;
use crate::governor::Pause;
use crate::guard::Passed;
use crate::ledger::{
    Index, Inputs, Ledger, LedgerError, Observed, Sighting, Taken, TaskView, said_print,
};
use crate::model::hash::{FastMap, FastSet};
use crate::model::settings::Settings;
use crate::model::two;
use crate::model::{
    Answer, Clock, CycleId, Decision, Kind, Known, LineageId, Login, Owner, Refusal, RefusalReason,
    Road, Snapshot, TargetName, Task, TaskId, Verdict,
};
use crate::oig::{Client, Logins, OigError};
use crate::policy::{Class, Need, PolicySet, Worded};
use crate::source::Intake;

/// Why a cycle could not be finished; nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum CycleError {
    /// The server could not be read.
    #[error(transparent)]
    Server(#[from] OigError),
    /// The ledger could not write.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A worker thread panicked; a fault of ours.
    #[error("a worker of the cycle panicked; this is a fault in provtaskd, please report it")]
    Worker,
}

/// What a cycle works with.
#[derive(Clone)]
pub struct Bench {
    /// The remote API, as the main login.
    pub client: Client,
    /// As each login.
    pub logins: Logins,
    /// The store.
    pub ledger: Ledger,
    /// The live policy set.
    pub policies: Arc<PolicySet>,
    /// The live configuration.
    pub settings: Arc<Settings>,
    /// Who is away, by the feed.
    pub roster: Known<Arc<Roster>>,
    /// Domain time.
    pub clock: Clock,
    /// Which cycle.
    pub cycle: CycleId,
    /// Rises with every order, reload and mode change.
    pub epoch: u64,
    /// Decide every task, changed or not, and describe it (plan, explain).
    pub whole: bool,
    /// Answer for what is due later as if it were due now, and store nothing (survey).
    pub ahead: bool,
    /// Only this task is to be described (explain).
    pub only: Option<TaskId>,
    /// What a person holds back now.
    pub pauses: Arc<[Pause]>,
    /// Targets to which nothing may be sent now, and why: no readings are spent on them.
    pub blocked: Arc<BTreeMap<TargetName, Refusal>>,
    /// Targets to which a single task may go next: few readings are spent on the others.
    pub probing: Arc<BTreeSet<TargetName>>,
    /// Enforce is on, and what was there at first is not on record as such: nothing is sent before it is.
    pub no_backlog: bool,
    /// Hints that tasks should be read, where any are taken.
    pub intake: Option<Intake>,
    /// New hints that no list shows are read beside the cycles, and not in this one; a single cycle has no next one.
    pub hints_beside: bool,
    /// Since when nothing held sending: acts of others under our login are looked for.
    pub watch: Option<Timestamp>,
    /// What single tasks have shown where the list shows no reasons.
    pub reasons: Reasons,
}

/// Something that a policy wants done, with what the guards say.
#[derive(Debug)]
pub struct Proposal {
    /// The decision.
    pub decision: Arc<Decision>,
    /// The guards' proof, or every refusal, the first one first.
    pub guard: Result<Box<Passed>, Vec<Refusal>>,
    /// What the row shows beside the decision.
    pub behind: Behind,
}

/// What a row shows that its act needs when it is sent; by itself, since tables of very many have room for more,
/// and one for all neighbours that show the same.
pub type Behind = Arc<Shown>;

/// What lies in [`Behind`].
#[derive(PartialEq, Debug)]
pub struct Shown {
    /// The access request; reassign items carry it.
    pub request: Option<Arc<str>>,
    /// The owner on whom the decision rests.
    pub owner: Owner,
    /// The further login that acts on it; `None`: the main one.
    pub login: Option<Login>,
}

/// A decision to do nothing, made in this cycle.
#[derive(Debug)]
pub struct Rest {
    /// The decision.
    pub decision: Arc<Decision>,
    /// When it is looked at again.
    pub relook: Option<Timestamp>,
}

/// The end of one cycle's reading and deciding.
#[derive(Debug, Default)]
pub struct Evaluated {
    /// The snapshot's numbers.
    pub seen: Seen,
    /// What the list told about open attempts, and who is to be read singly.
    pub observed: Observed,
    /// A task that no attempt holds, to tell a silent server from a claim that can't be read.
    pub witness: Option<Witness>,
    /// What is wanted, in the order of the list.
    pub proposals: Vec<Proposal>,
    /// Fresh decisions to do nothing.
    pub rests: Vec<Rest>,
    /// Tasks not decided again because nothing changed.
    pub unchanged: u64,
    /// Proposals not repeated because the same answer is certain, by reason.
    pub still_refused: BTreeMap<RefusalReason, u64>,
    /// Descriptions, where asked for.
    pub rows: FastMap<LineageId, RowText>,
    /// Faults of scripts, the first few.
    pub faults: Vec<String>,
    /// How many scripts' faults there were.
    pub fault_count: u64,
    /// Attempts of which their tasks' notes do not speak.
    pub to_justify: Vec<justify::Wish>,
    /// Lineages decided in this cycle on which something is to be done.
    pub fresh: FastSet<LineageId>,
    /// A list shows one of those.
    pub fresh_in_lists: bool,
    /// What became of hints.
    pub hinted: Hinted,
    /// Acts under our login that are not on record.
    pub strangers: Vec<Stranger>,
    /// Why nothing was decided of the one that was asked for, although it is shown.
    pub undecided: Option<RefusalReason>,
    /// Rows of which nothing is decided, where all are asked for.
    pub left: Vec<LeftRow>,
    /// The tasks that were shown, where a walk through accounts may follow.
    pub shown: Option<FastSet<TaskId>>,
    /// The orders and the configuration under which it was worked out.
    pub epoch: u64,
}

/// Tasks whose facts are built and decided in one go, so that facts of a large backlog never exist all at once.
const DECIDE_AT_ONCE: usize = 1024;

/// Parts that are being decided or wait for it: who decides has the next one when it is through with one, also while
/// answers are taken in.
const ASKED_AT_ONCE: usize = 3;

/// Parts whose inputs are on their way to the disk while others are decided.
const KEPT_AT_ONCE: usize = 2;

/// Reads, joins, decides and guards; `memory` goes in and comes out.
///
/// # Errors
/// The list could not be read, the login is stopped, or the ledger could not write.
pub async fn evaluate(bench: &Bench, memory: &mut Memory) -> Result<Evaluated, CycleError> {
    let asked = hinted::asked(bench);
    let mut snapshot = lists::read(bench, memory).await?;
    let hinted = hinted::read(bench, asked, &mut snapshot).await?;
    let shown = walk::shown(bench, &snapshot);
    let mut out = evaluate_list(bench, memory, snapshot, hinted).await?;
    out.shown = shown;
    Ok(out)
}

/// The same over a list that was read already, with what was read by ids behind it.
///
/// # Errors
/// The login is stopped, or the ledger could not write.
pub async fn evaluate_list(
    bench: &Bench,
    memory: &mut Memory,
    snapshot: Snapshot,
    hinted: Hinted,
) -> Result<Evaluated, CycleError> {
    let snapshot = Arc::new(snapshot);
    let now = bench.clock.now();
    let kinds: Vec<Kind> = two::map(&snapshot.tasks, &|task| bench.policies.kind_of(task));
    let (ledger, sighting) = (
        bench.ledger.clone(),
        Sighting {
            snapshot: Arc::clone(&snapshot),
            kinds: kinds.clone(),
            cycle: bench.cycle,
            asked: bench.whole || bench.ahead,
            delivery: bench.settings.delivery.clone(),
            unlisted: hinted.unlisted(&snapshot),
        },
    );
    let taking_in = tokio::spawn(async move { ledger.observe(sighting, now).await });
    // what was spawned last waits for this very thread
    tokio::task::yield_now().await;
    // while the ledger takes the list in, what needs no lineage is worked out
    let accounts = Accounts::of(&snapshot);
    let mut loads = Loads::of(&snapshot);
    // after a start everything is decided; later on only what has changed is worth its class
    let mut classes: Vec<Class> = if memory.lineages.is_empty() && bench.only.is_none() {
        two::map(&snapshot.tasks, &|task| bench.policies.classify(task))
    } else {
        Vec::new()
    };
    let mut observed = taking_in.await.map_err(|_| CycleError::Worker)??;
    memory.begin(&bench.settings, &bench.policies);
    let mut out = Evaluated {
        seen: count(&snapshot, &kinds, hinted.roads(), &bench.roster),
        epoch: bench.epoch,
        ..Evaluated::default()
    };
    out.seen.logins.clone_from(&memory.lists);
    memory.cache.readers = Readers::of(&bench.logins, &snapshot);
    let states: Vec<Option<RowState>> = bench.ledger.read(|index| {
        loads.add_handed(index, &snapshot, hinted.listed, &bench.settings);
        two::map(&observed.views, &|view: &TaskView| {
            let lineage = view.lineage?;
            Some(RowState {
                lineage,
                origin: index.origin(lineage).unwrap_or(now),
                dated: index.is_dated(lineage),
                first: index.first_number(lineage),
                attempt_open: view.attempt_open,
                ambiguous: view.ambiguous,
            })
        })
    });
    let ledger = &bench.ledger;
    let made = ledger.read(|index| index.creations_over());
    out.witness = ledger.read(|index| outset::witness(&snapshot, &states, index, memory.cycle));
    let told: FastSet<LineageId> = observed.outcomes.iter().map(|told| told.lineage).collect();
    let settle = bench.settings.delivery.settle_after;
    let moved: Vec<(bool, bool)> = ledger.read(|index| {
        let since = |at: Timestamp| at.as_second() >= snapshot.taken_at.as_second();
        two::map(&states, &|state: &Option<RowState>| {
            let of = state.map(|state| state.lineage);
            let at = of.and_then(|lineage| index.last_move(lineage));
            let told = of.is_some_and(|lineage| told.contains(&lineage));
            let done = |lineage| index.was_done(lineage, snapshot.taken_at, settle);
            (at.is_some_and(since) && !told, of.is_some_and(done))
        })
    });
    // an id that a successor has replaced is never acted on; a row that can't be told apart neither,
    // nor one that may be older than what an attempt of it has led to meanwhile
    let mut rows: Vec<usize> = Vec::with_capacity(snapshot.tasks.len());
    let mut left = Vec::new();
    for row in 0..snapshot.tasks.len() {
        let current = observed.views.get(row).is_some_and(|view| view.current);
        let left_out = if !current {
            Some(RefusalReason::SuccessorKnown)
        } else if states[row].is_none() {
            Some(RefusalReason::NotToldYet)
        } else if (moved[row].0 && !bench.whole) || moved[row].1 {
            Some(RefusalReason::JustMoved)
        } else {
            None
        };
        let asked = bench.only.as_ref();
        let is_asked = asked.is_none_or(|only| snapshot.tasks[row].id == *only);
        match left_out {
            Some(reason) => {
                *out.still_refused.entry(reason).or_default() += 1;
                if bench.whole {
                    left.push((row, reason));
                }
                if is_asked && asked.is_some() {
                    out.undecided = Some(reason);
                }
            }
            None if is_asked => rows.push(row),
            None => {}
        }
    }
    out.left = left_rows::of(bench, &snapshot, &kinds, &states, &left);
    // while what was read of the rows is still there
    let glance = (bench.only.is_none() && !bench.whole && !bench.ahead)
        .then(|| another::glance(bench, memory, &snapshot, &states, &observed.views));
    observed.views = Vec::new();
    out.observed = observed;
    // the ledger has let go of its share
    let mut snapshot = Arc::unwrap_or_clone(snapshot);
    let beside = (&*kinds, &*states);
    let unlisted = reasons::read(bench, &mut snapshot, beside, &rows, hinted.listed).await?;
    if unlisted.is_any() {
        // those that were worked out know of no reason
        classes.clear();
    }
    let moment = calendar::now_fact(
        now,
        &bench.settings.zone,
        &bench.settings.schedule.business_hours,
    );
    // put together anew where what it borrows has changed, or can go
    macro_rules! around {
        ($classes:expr) => {
            Surroundings {
                bench,
                snapshot: &snapshot,
                kinds: &kinds,
                accounts: &accounts,
                states: &states,
                loads: &loads,
                classes: $classes,
                hinted: &hinted,
                reasons: &unlisted,
                made: &made,
                now,
                moment: moment.clone(),
            }
        };
    }
    let around = around!(&classes);
    let needs = bench.policies.needs();
    if needs.contains(Need::Owner) {
        // owners are few, and whether one is away decides who is looked at again
        owners::read_owners(&around, memory, &rows).await?;
    }
    let to_decide = around.changed(memory, &rows, &mut out);
    // what only policies read leaves the rows, and memory with its decision: all fields, and what the server gave
    // as reason, often the longest text of a row. Of what is not decided nobody reads it
    let mut texts = texts(&mut snapshot, &to_decide).into_iter();
    let around = around!(&classes);
    if needs.contains(Need::Beneficiary) {
        let logins: BTreeSet<Login> = to_decide
            .iter()
            .filter_map(|(row, _)| snapshot.tasks[*row].beneficiary.clone())
            .collect();
        collector(bench, memory).people(logins).await?;
    }
    // part by part: the inputs of a large backlog never exist all at once. While one part is decided,
    // the next ones' facts are put together, and the ledger stores what the one before rests on
    let mut candidates = |part: &[(usize, u64)], memory: &Memory| {
        let one = |(row, print): &(usize, u64)| {
            let (fields, reason) = texts.next().unwrap_or_default();
            let task = Task {
                fields,
                reason,
                ..snapshot.tasks[*row].clone()
            };
            Candidate {
                row: *row,
                facts: Arc::new(around.facts(memory, *row, &task)),
                task: Arc::new(task),
                print: *print,
            }
        };
        part.iter().map(one).collect::<Vec<_>>()
    };
    // a table that grows by itself is copied again and again, and for a while is there twice
    let new = to_decide.len().saturating_sub(memory.lineages.len());
    memory.lineages.reserve(new);
    let writers = std::mem::take(&mut memory.words);
    let deciders = Deciders::new(bench, writers, ASKED_AT_ONCE);
    memory.cache.begin("deciding", to_decide.len());
    let mut parts = to_decide.chunks(DECIDE_AT_ONCE);
    let mut asked = VecDeque::new();
    let mut inputs = Vec::new();
    let mut keeping = VecDeque::new();
    loop {
        if let Some(part) = parts.next() {
            memory.cache.went_on(part.len());
            asked.push_back(deciders.ask(candidates(part, memory)));
            if asked.len() < ASKED_AT_ONCE {
                continue;
            }
        }
        let Some(deciding) = asked.pop_front() else {
            break;
        };
        keeping.extend(keep(bench, std::mem::take(&mut inputs), now).await?);
        for one in deciding.answers().await? {
            inputs.extend(remember(&around, memory, one, &mut out));
        }
        // deciding does not wait for the disk, but no more than a few parts' texts wait for it either
        while keeping.len() > KEPT_AT_ONCE
            && let Some(first) = keeping.pop_front()
        {
            first.done().await?;
        }
    }
    memory.words = deciders.end().await?;
    keeping.extend(keep(bench, inputs, now).await?);
    // with what the guards are asked, memory is fullest
    drop((texts, to_decide, classes));
    let around = around!(&[]);
    if bench.only.is_none() {
        if let Some(glance) = glance {
            out.strangers = another::look(bench, memory, &snapshot, glance).await?;
        }
        let no_turn = bench.ledger.read(|index| {
            let unread = snapshot.unread.iter();
            unread.filter_map(|id| index.lineage_of(id)).collect()
        });
        memory.forget_unseen(snapshot.read(), &no_turn);
    }
    let proposed = propose::propose(&around, memory, &rows, &mut out).await;
    if proposed.is_err() {
        // what was decided is not on record: it is decided again
        let rests = out.rests.iter().map(|rest| rest.decision.lineage);
        for lineage in rests.chain(out.fresh.iter().copied()) {
            memory.lineages.remove(&lineage);
        }
    }
    proposed?;
    for rest in keeping {
        rest.done().await?;
    }
    let unlisted = |index: &Index| roads::unlisted(&snapshot, &hinted, &memory.cache, index);
    // a pass that leaves a login out can't tell: what the last one found that could stands, with its time
    if let Some(counts) = bench.ledger.read(unlisted)
        && bench.only.is_none()
    {
        memory.no_road = Some((snapshot.taken_at, counts));
    }
    out.seen.no_road.clone_from(&memory.no_road);
    (out.seen.left_alone, out.seen.left_open) = left_alone::count(&around, memory, &rows);
    out.to_justify = justify::wishes(&around, &rows);
    let keep = bench.settings.guard.fact_age + SignedDuration::from_mins(5);
    memory.cache.trim(bench.clock.now(), keep);
    out.hinted = hinted;
    // what very many rows were takes long to take apart, and nobody needs to wait for that
    let over = (snapshot, states, accounts, loads, kinds);
    tokio::task::spawn_blocking(move || drop(over));
    Ok(out)
}

/// Turns an answer into a decision, remembers it and sorts it into what is wanted and what rests.
fn remember(
    around: &Surroundings<'_>,
    memory: &mut Memory,
    decided: Decided,
    out: &mut Evaluated,
) -> Option<Inputs> {
    let Decided {
        candidate,
        evaluated,
        inputs,
    } = decided;
    let Worded {
        digest,
        text,
        moment,
    } = inputs;
    let Candidate {
        row,
        task,
        facts,
        print,
    } = candidate;
    let state = around.states[row]?;
    let due = match &evaluated.verdict {
        Some(Verdict::Act {
            after: Some(after), ..
        }) if !around.bench.ahead => {
            let from = facts
                .history
                .last_attempt_at
                .unwrap_or(facts.history.failed_since);
            from.checked_add(*after).ok()
        }
        _ => None,
    };
    if let Some(fault) = &evaluated.fault
        && out.faults.len() < 20
    {
        out.faults
            .push(format!("task {}: {}", task.id, fault.one_line()));
    }
    out.fault_count += u64::from(evaluated.fault.is_some());
    let relook = relook_of(
        evaluated.verdict.as_ref(),
        evaluated.depends_on_time || rests_on_readings(&evaluated.read),
        around.now,
    );
    let decision = Decision {
        task: task.id.clone(),
        lineage: state.lineage,
        target: task.target.clone(),
        process: task.process.clone(),
        definition: memory.definition(&task),
        kind: around.kinds[row],
        read: Arc::clone(&evaluated.read),
        answer: memory.answer(Answer {
            policy: evaluated.policy.clone(),
            line: evaluated.line,
            hash: around.bench.policies.hash().clone(),
            fault: evaluated.fault.as_ref().map(|fault| fault.one_line()),
            verdict: evaluated.verdict,
        }),
        inputs: evaluated.inputs.clone(),
        moment: Some(moment),
        due,
        version: around.accounts.version(row),
    };
    let acts = matches!(decision.verdict, Some(Verdict::Act { .. }));
    let said = said_print(&decision);
    if around.bench.whole {
        let mut text = describe::row_text(&task, &facts);
        text.reason_unknown = around.reasons.why(row, &task);
        let road = around.road_in_words(row);
        text.facts.push(("seen by".to_owned(), road));
        out.rows.insert(state.lineage, text);
    }
    let decision = Arc::new(decision);
    let act = acts.then(|| Arc::clone(&decision));
    let mut now = Remembered {
        print,
        relook: relook.map(Moment::from),
        act,
        refusal: None,
        seen: memory.cycle,
        unreadable: 0,
        by: around.snapshot.seen_by(row),
    };
    match memory.lineages.entry(state.lineage) {
        Entry::Occupied(mut known) => {
            now.unreadable = known.get().unreadable;
            known.insert(now);
        }
        Entry::Vacant(place) => {
            place.insert(now);
        }
    }
    if !acts {
        out.rests.push(Rest { decision, relook });
    } else {
        out.fresh.insert(state.lineage);
        // what is read by its id in turn looks other each time; that is no reason to read lists oftener
        out.fresh_in_lists |= around.hinted.road(row) == Road::List;
    }
    let lineage = state.lineage;
    Some(Inputs {
        lineage,
        digest,
        text,
        said,
    })
}

/// Hands what decisions rest on to the ledger; a plan stores nothing.
async fn keep(
    bench: &Bench,
    inputs: Vec<Inputs>,
    now: Timestamp,
) -> Result<Option<Taken<()>>, LedgerError> {
    if bench.whole || bench.ahead || inputs.is_empty() {
        return Ok(None);
    }
    bench.ledger.keep_inputs(inputs, now).await.map(Some)
}
