//! A whole cycle without ledger, claims and records: a loop over the library's public rooms for one bench. What it sends was never claimed, so it must never become a part of the program.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use jiff::{SignedDuration, Timestamp};
use provtaskd::calendar;
use provtaskd::config::{self, Env, Overrides};
use provtaskd::dispatch::batch::{Pick, Queues};
use provtaskd::governor::{Answered, Census, Governor, Lane, Standing};
use provtaskd::guard::{self, GuardInput, Passed};
use provtaskd::model::facts::{
    AccountView, DefinitionMemory, History, Now, OwnerFact, OwnerState, StandIn,
};
use provtaskd::model::hash::FastSet;
use provtaskd::model::settings::Settings;
use provtaskd::model::{
    Answer, BatchId, Clock, Decision, Digest, Facts, Known, LineageId, Owner, ReceiptStatus,
    TargetName, Task, TaskId, Verdict,
};
use provtaskd::oig::{Client, LoginState, WriteItem, receipts};
use provtaskd::policy::{Class, Evaluated, PolicySet, load};
use tokio::task::{JoinHandle, JoinSet};

/// As the daemon does it: so many tasks are decided in one go, on two threads.
const DECIDE_AT_ONCE: usize = 2048;
/// And so many are asked about by the guards, on two threads.
const GUARD_AT_ONCE: usize = 4096;

/// What a cycle without a memory works with.
struct Loop {
    settings: Settings,
    policies: PolicySet,
    now: Timestamp,
    moment: Now,
    tasks: Vec<Arc<Task>>,
    kinds: Vec<provtaskd::model::Kind>,
    versions: Vec<u64>,
    taken_at: Timestamp,
    /// Decisions stand on record by the digest of what they saw; here nothing is on record.
    no_digest: Digest,
}

/// What nobody asks for.
fn not_asked<T>() -> Known<T> {
    static WHY: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from("not asked for"));
    Known::No {
        why: Arc::clone(&WHY),
    }
}

/// Plays the cycle with the configuration in this directory; answers how many items were accepted.
///
/// # Panics
/// The configuration or the server is not as the bench makes them.
pub async fn run(dir: &Path) -> usize {
    let file = dir.join("provtaskd.toml");
    let loaded = config::load(&file, &Env::default(), &Overrides::default());
    let settings = loaded.expect("the bench's configuration").settings;
    let policies = load::load(&settings.policy).expect("the bench's policies");
    let clock = Clock::wall();
    let client = Client::new(&settings.server, clock.clone(), LoginState::default());
    let client = client.expect("a client");

    let snapshot = client.list().await.expect("the list");
    assert!(snapshot.complete && snapshot.stable, "a whole list");
    let kinds = snapshot.tasks.iter().map(|task| policies.kind_of(task));
    let kinds = kinds.collect();
    let classes: Vec<Class> = snapshot
        .tasks
        .iter()
        .map(|task| policies.classify(task))
        .collect();
    let versions = snapshot.tasks.iter().map(Task::version).collect();
    let now = clock.now();
    let all = Arc::new(Loop {
        moment: calendar::now_fact(now, &settings.zone, &settings.schedule.business_hours),
        now,
        kinds,
        versions,
        taken_at: snapshot.taken_at,
        tasks: snapshot.tasks.into_iter().map(Arc::new).collect(),
        no_digest: Digest::new(&"0".repeat(64)),
        settings,
        policies,
    });
    all.one_task_an_account();
    let decided = all.decide(classes).await;
    let wanted = all.guard(&decided);
    all.send(client, &clock, wanted).await
}

impl Loop {
    /// The world is made so, and therefore siblings and busy accounts need no looking at.
    fn one_task_an_account(&self) {
        let mut accounts = FastSet::default();
        let mut keys = self.tasks.iter().filter_map(|task| task.process.as_ref());
        assert!(keys.all(|key| accounts.insert(key)), "one task an account");
    }

    /// Asks the policies about every task; while a part is decided, the next one's facts are put together.
    async fn decide(self: &Arc<Self>, classes: Vec<Class>) -> Vec<Arc<Decision>> {
        let mut classes = classes.into_iter();
        let mut decided = Vec::with_capacity(self.tasks.len());
        let mut from = 0;
        let mut asked = None;
        loop {
            let part: Vec<(usize, Arc<Facts>)> = (from..self.tasks.len())
                .take(DECIDE_AT_ONCE)
                .zip(classes.by_ref())
                .map(|(row, class)| (row, Arc::new(self.facts(row, class))))
                .collect();
            from += part.len();
            if let Some(threads) = asked.take() {
                let threads: [JoinHandle<Vec<Arc<Decision>>>; 2] = threads;
                for thread in threads {
                    decided.extend(thread.await.expect("it does not panic"));
                }
            }
            if part.is_empty() {
                return decided;
            }
            let mut first = part;
            let second = first.split_off(first.len() / 2);
            asked = Some([first, second].map(|part| {
                let all = Arc::clone(self);
                tokio::task::spawn_blocking(move || {
                    let one = |(row, facts): (usize, Arc<Facts>)| all.ask(row, &facts);
                    part.into_iter().map(one).collect()
                })
            }));
        }
    }

    fn ask(&self, row: usize, facts: &Arc<Facts>) -> Arc<Decision> {
        let task = &self.tasks[row];
        let evaluated: Evaluated = self.policies.decide(task, facts, self.no_digest.clone());
        let due = match &evaluated.verdict {
            Some(Verdict::Act {
                after: Some(after), ..
            }) => facts.history.failed_since.checked_add(*after).ok(),
            _ => None,
        };
        Arc::new(Decision {
            task: task.id.clone(),
            lineage: facts.history.lineage,
            target: task.target.clone(),
            process: task.process.clone(),
            definition: task.definition(),
            kind: self.kinds[row],
            answer: Arc::new(Answer {
                verdict: evaluated.verdict,
                policy: evaluated.policy,
                line: evaluated.line,
                hash: self.policies.hash().clone(),
                fault: evaluated.fault.map(|fault| fault.one_line()),
            }),
            inputs: evaluated.inputs,
            moment: None,
            read: evaluated.read,
            due,
            version: self.versions[row],
        })
    }

    /// What the daemon would know of the row of a task that it sees for the first time.
    fn facts(&self, row: usize, class: Class) -> Facts {
        let task = &self.tasks[row];
        let owner = match &task.owner {
            Owner::Role { .. } => Known::Yes {
                value: OwnerFact {
                    owner: task.owner.clone(),
                    person: None,
                    state: OwnerState::Role,
                    stand_in: StandIn::NotNeeded,
                },
                as_of: self.taken_at,
            },
            _ => panic!("the bench's tasks are owned by a role"),
        };
        let made = task.created.map_or(self.now, |made| made.min(self.now));
        Facts {
            now: self.moment.clone(),
            kind: self.kinds[row],
            class: class.name,
            retryable: class.retryable,
            history: self.history(row),
            owner,
            beneficiary: not_asked(),
            siblings: not_asked(),
            definition: DefinitionMemory::default(),
            fulfilment_role: None,
            age: SignedDuration::ZERO.max(self.now.duration_since(made)),
        }
    }

    /// Nothing was ever done about it.
    fn history(&self, row: usize) -> History {
        History {
            lineage: LineageId(u64::try_from(row).expect("small")),
            attempts: 0,
            attempts_total: 0,
            first_seen: self.now,
            failed_since: self.now,
            last_attempt_at: None,
            last_state: None,
            in_vain: 0,
            unproven: 0,
            keeps_ids: false,
            creation_over_since: false,
            reset: false,
            stale: false,
            recent: Vec::new(),
            former_owners: Vec::new(),
            ids: vec![self.tasks[row].id.clone()],
        }
    }

    fn row(decision: &Decision) -> usize {
        usize::try_from(decision.lineage.0).expect("a row")
    }

    /// Asks the guards about all that is wanted.
    fn guard(&self, decided: &[Arc<Decision>]) -> Vec<(Arc<Decision>, Passed)> {
        let mut wanted = Vec::with_capacity(decided.len());
        for part in decided.chunks(GUARD_AT_ONCE) {
            let (first, second) = part.split_at(part.len() / 2);
            std::thread::scope(|scope| {
                let second = scope.spawn(|| self.guard_some(second));
                wanted.extend(self.guard_some(first));
                wanted.extend(second.join().expect("it does not panic"));
            });
        }
        wanted
    }

    fn guard_some(&self, decided: &[Arc<Decision>]) -> Vec<(Arc<Decision>, Passed)> {
        let one = |decision: &Arc<Decision>| {
            let Some(Verdict::Act { action, .. }) = &decision.verdict else {
                return None;
            };
            let row = Self::row(decision);
            let task = &self.tasks[row];
            let account = Known::Yes {
                value: AccountView {
                    tasks: Vec::new(),
                    from_process: false,
                    own_now: None,
                },
                as_of: self.taken_at,
            };
            let input = GuardInput {
                task,
                version: decision.version,
                kind: decision.kind,
                action,
                named: guard::matches_definition(&self.settings.policy.named, task),
                beneficiary: &not_asked(),
                account: &account,
                unread: Some(Arc::from("it is no part of what is measured")),
                standing: &Known::unknown("not asked for yet"),
                finished_shown: true,
                finished_from: None,
                assignee: None,
                members: None,
                owner_changes: None,
                owner_read: None,
                responses: None,
                history: &self.history(row),
                definition_manual: false,
                open_attempt_in_account: false,
                late_until: None,
                lineage_ambiguous: false,
                origin: task.created.unwrap_or(self.now),
                dated: true,
                first: None,
                elder: Default::default(),
                seen_late: false,
                attempt_open: false,
                baseline: false,
                released_by_age: false,
                released_old: false,
                by_process: false,
                order_releases: &[],
                now: self.now,
                limits: &self.settings.guard,
            };
            let passed = guard::check(&input).expect("nothing is in the way of the bench's tasks");
            Some((Arc::clone(decision), passed))
        };
        decided.iter().filter_map(one).collect()
    }

    /// Asks the governor, groups what it admits and PUTs it, within the same limits as the daemon.
    async fn send(
        &self,
        client: Client,
        clock: &Clock,
        wanted: Vec<(Arc<Decision>, Passed)>,
    ) -> usize {
        let mut census = Census::default();
        for target in self.tasks.iter().filter_map(|task| task.target.as_ref()) {
            *census.0.entry(target.clone()).or_default() += 1;
        }
        let limits = self.settings.governor.clone();
        let mut governor = Governor::new(limits, self.settings.modes.clone(), None, self.now);
        governor.begin_cycle(self.now, &census, Standing::good(), self.now);
        let history = |lineage: LineageId| self.history(usize::try_from(lineage.0).expect("a row"));
        let governed = governor.govern(self.now, wanted, &history);
        assert!(governed.refused.is_empty(), "{:?}", governed.refused[0].1);
        let mut queues = Queues::default();
        for item in governed.admitted {
            queues.push(item);
        }
        let mut unread: BTreeMap<TargetName, u32> = BTreeMap::new();
        let mut accepted = 0;
        let mut flight = JoinSet::new();
        loop {
            let now = clock.now();
            for (lane, target) in queues.waiting() {
                let sent = unread.entry(target.clone()).or_default();
                let Ok(max) = governor.next_batch(now, &target, lane, *sent) else {
                    continue;
                };
                let Some(pick) = queues.take(lane, &target, max, &|_| None, &|_, _| false) else {
                    continue;
                };
                let many = u32::try_from(pick.items.len()).expect("small");
                *sent += many;
                governor.sent(now, &target, Lane::Usual, many);
                flight.spawn(put(client.clone(), target, self.items(&pick)));
            }
            let Some(done) = flight.join_next().await else {
                assert!(queues.is_empty(), "{} were not sent", queues.len());
                return accepted;
            };
            let (target, answer) = done.expect("it does not panic");
            accepted += usize::try_from(answer.accepted).expect("small");
            governor.answered(clock.now(), &target, Lane::Usual, answer);
        }
    }

    fn items(&self, pick: &Pick) -> Vec<WriteItem> {
        let item = |item: &provtaskd::governor::Admitted| WriteItem {
            task: item.decision().task.clone(),
            request: self.tasks[Self::row(item.decision())].request.clone(),
            action: item.action().clone(),
        };
        pick.items.iter().map(item).collect()
    }
}

/// One PUT by the daemon's own client, its answer matched by id.
async fn put(client: Client, target: TargetName, items: Vec<WriteItem>) -> (TargetName, Answered) {
    let batch = BatchId(uuid::Uuid::now_v7());
    let answer = client.put_bulk(batch, &items).await.expect("an answer");
    let ids: Vec<TaskId> = items.into_iter().map(|item| item.task).collect();
    let statuses = receipts(&ids, &answer);
    let count = |wanted: fn(&ReceiptStatus) -> bool| {
        let of = statuses.iter().filter(|(_, status)| wanted(status));
        u32::try_from(of.count()).expect("small")
    };
    let answered = Answered {
        items: u32::try_from(ids.len()).expect("small"),
        took: answer.took,
        accepted: count(|status| *status == ReceiptStatus::Accepted),
        refused: count(|status| matches!(status, ReceiptStatus::Refused { .. })),
        unknown: count(|status| matches!(status, ReceiptStatus::Unknown { .. })),
    };
    (target, answered)
}
