//! Random worlds whose truth is known: retries by us and by others, lists that shift, hide and come late; no attempt may pass for completed that is not, and no work be tried more often than the cap says.
//!
//! What the world leaves out, because no reading could tell it: a new task of the same account,
//! definition and person that is first shown after a send whose own successor no reading shows;
//! and rows without an account whose chain of retries no list has shown.

use proptest::prelude::*;

use super::*;

/// One task as it really is.
#[derive(Clone, Debug)]
struct Fact {
    id: u64,
    work: usize,
    key: u8,
    status: TaskStatus,
    retry_of: Option<u64>,
    made: i64,
    /// The list shows it from then on; never, where that is far off.
    listed: i64,
}

/// What a server is like.
#[derive(Clone, Copy, Debug)]
struct Manner {
    /// A successor names its elder.
    links: bool,
    /// Every list shifts while it is read.
    restless: bool,
    /// Tries per piece of work.
    cap: u32,
}

fn manners() -> impl Strategy<Value = Manner> {
    let words = (any::<bool>(), any::<bool>(), 1u32..3);
    words.prop_map(|(links, restless, cap)| Manner {
        links,
        restless,
        cap,
    })
}

/// The world and the daemon before it.
struct World {
    work: Work,
    index: Arc<RwLock<Index>>,
    facts: Vec<Fact>,
    /// Runs by work, ours only.
    runs: Vec<u32>,
    manner: Manner,
    minute: i64,
    /// Keys of which we have sent something.
    sent: Vec<u8>,
    /// What the last cycle would act on.
    ready: Vec<(LineageId, TaskId)>,
    batch: u128,
    log: Vec<String>,
}

/// What becomes of a retry.
#[derive(Clone, Copy, Debug)]
struct Fate {
    status: u8,
    late: u8,
    answered: bool,
    arrives: bool,
}

#[derive(Clone, Debug)]
enum Step {
    New(u8),
    Pass {
        shifted: bool,
        hidden: u8,
        asked: bool,
        race: Option<(bool, u8, Fate)>,
    },
    Send(u8, Fate),
    Theirs(u8, u8, Fate),
    Look(u8),
    Restart,
}

fn fates() -> impl Strategy<Value = Fate> {
    (0u8..4, 0u8..8, any::<bool>(), any::<bool>()).prop_map(|(status, late, answered, more)| Fate {
        status,
        late,
        answered,
        arrives: answered || more,
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let race = proptest::option::weighted(0.2, (any::<bool>(), 0u8..8, fates()));
    let pass = (
        proptest::bool::weighted(0.4),
        any::<u8>(),
        proptest::bool::weighted(0.2),
        race,
    );
    let step = prop_oneof![
        2 => (0u8..2).prop_map(Step::New),
        8 => pass.prop_map(|(shifted, hidden, asked, race)| Step::Pass { shifted, hidden, asked, race }),
        5 => (0u8..8, fates()).prop_map(|(n, fate)| Step::Send(n, fate)),
        3 => (0u8..8, 0u8..4, fates()).prop_map(|(n, what, fate)| Step::Theirs(n, what, fate)),
        4 => (0u8..8).prop_map(Step::Look),
        1 => Just(Step::Restart),
    ];
    proptest::collection::vec(step, 4..80)
}

impl World {
    fn new(manner: Manner) -> Self {
        let (work, index) = core();
        let mut world = Self {
            work,
            index,
            facts: Vec::new(),
            runs: Vec::new(),
            manner,
            minute: 0,
            sent: Vec::new(),
            ready: Vec::new(),
            batch: 0,
            log: Vec::new(),
        };
        world.add(0);
        world.add(0);
        world
    }

    fn add(&mut self, key: u8) {
        // see above: a sibling has to be on a list before anything of its key is sent
        if self.sent.contains(&key) {
            return;
        }
        self.facts.push(Fact {
            id: 2_000 + self.facts.len() as u64,
            work: self.runs.len(),
            key,
            status: TaskStatus::Rejected,
            retry_of: None,
            made: self.minute,
            listed: self.minute,
        });
        self.runs.push(0);
    }

    fn row(&self, fact: &Fact) -> Task {
        let process = if fact.key == 0 { "77" } else { "78" };
        let mut task = row(&fact.id.to_string(), fact.status.clone(), process);
        task.created = Some(at(fact.made) + SignedDuration::from_millis(7));
        task.retry_of = fact
            .retry_of
            .filter(|_| self.manner.links)
            .map(|of| TaskId::new(of.to_string().as_str()));
        task
    }

    fn listed(&self) -> Vec<Task> {
        let shown = |fact: &&Fact| !fact.status.is_finished() && fact.listed <= self.minute;
        self.facts
            .iter()
            .filter(shown)
            .map(|f| self.row(f))
            .collect()
    }

    fn open(&self, pick: u8) -> Option<usize> {
        let open: Vec<usize> = (0..self.facts.len())
            .filter(|n| !self.facts[*n].status.is_finished())
            .collect();
        (!open.is_empty()).then(|| open[usize::from(pick) % open.len()])
    }

    /// The server retries a task; false where it is none to be retried.
    fn retry(&mut self, n: usize, fate: Fate) -> bool {
        if self.facts[n].status != TaskStatus::Rejected {
            return false;
        }
        self.facts[n].status = TaskStatus::UnsuccessfullyCompleted;
        let old = self.facts[n].clone();
        self.facts.push(Fact {
            id: 2_000 + self.facts.len() as u64,
            status: status(fate.status),
            retry_of: Some(old.id),
            made: self.minute,
            listed: match fate.late {
                0..5 => self.minute,
                5 | 6 => self.minute + i64::from(fate.late) * 7,
                _ => i64::MAX,
            },
            ..old
        });
        true
    }

    fn send(&mut self, pick: u8, fate: Fate) {
        if self.ready.is_empty() {
            return;
        }
        let (lineage, task) = self.ready[usize::from(pick) % self.ready.len()].clone();
        let known = self.index.read().expect("a lock").history(lineage, true);
        if known.expect("known").attempts >= self.manner.cap {
            return;
        }
        let key = self.fact(&task).key;
        let mut first = self
            .facts
            .iter()
            .filter(|f| f.key == key && f.retry_of.is_none());
        let index = self.index.read().expect("a lock");
        if first.any(|f| {
            index
                .lineage_of(&TaskId::new(f.id.to_string().as_str()))
                .is_none()
        }) {
            return;
        }
        drop(index);
        self.batch += 1;
        let item = admitted(lineage, task.as_str(), Action::Retry);
        let made = self
            .work
            .claim(request(vec![item], self.batch), at(self.minute))
            .expect("answered");
        let Some(batch) = made.batch else { return };
        let n = self
            .facts
            .iter()
            .position(|fact| task.as_str() == fact.id.to_string())
            .expect("a real task");
        self.sent.push(self.facts[n].key);
        let ran = fate.arrives && self.retry(n, fate);
        if ran {
            self.runs[self.facts[n].work] += 1;
        }
        self.log
            .push(format!("{} sent {lineage} {task} ran {ran}", self.minute));
        let status = match (fate.answered, ran) {
            (true, true) => ReceiptStatus::Accepted,
            (true, false) => ReceiptStatus::Refused {
                reason: Arc::from("not in a state to be retried"),
                manual: false,
            },
            (false, _) => ReceiptStatus::Unknown {
                why: Arc::from("reset"),
            },
        };
        let receipt = batch.items[0].receipt(status, at(self.minute));
        self.work
            .settle(vec![receipt], Duration::ZERO, at(self.minute))
            .expect("settled");
    }

    fn pass(&mut self, shifted: bool, hidden: u8, asked: bool, race: Option<(bool, u8, Fate)>) {
        let mut rows = self.listed();
        let taken = self.minute;
        if let Some((ours, pick, fate)) = race {
            // between the pages
            if ours {
                self.send(pick, fate);
            } else if let Some(n) = self.open(pick) {
                self.retry(n, fate);
            }
            let have: Vec<TaskId> = rows.iter().map(|row| row.id.clone()).collect();
            rows.extend(
                self.listed()
                    .into_iter()
                    .filter(|row| !have.contains(&row.id)),
            );
        }
        if shifted {
            let mut bit = 0;
            rows.retain(|_| {
                bit += 1;
                hidden >> (bit % 8) & 1 == 0
            });
        }
        let mut sight = sighting(rows, taken);
        Arc::make_mut(&mut sight.snapshot).stable = !shifted && !self.manner.restless;
        sight.asked = asked;
        let seen = self.work.observe(&sight, at(self.minute)).expect("a pass");
        let ids: Vec<&str> = sight.snapshot.tasks.iter().map(|t| t.id.as_str()).collect();
        self.log.push(format!(
            "{taken} pass shifted {shifted} asked {asked} {ids:?} {:?}",
            seen.views
                .iter()
                .map(|v| (v.lineage.map(|l| l.0), v.ambiguous))
                .collect::<Vec<_>>()
        ));
        self.check(&seen.outcomes);
        if asked {
            return;
        }
        self.ready = sight
            .snapshot
            .tasks
            .iter()
            .zip(&seen.views)
            .filter(|(task, view)| {
                task.status == TaskStatus::Rejected
                    && view.current
                    && !view.attempt_open
                    && !view.ambiguous
            })
            .filter_map(|(task, view)| Some((view.lineage?, task.id.clone())))
            .collect();
    }

    fn look(&mut self, pick: u8) {
        let open: Vec<_> = {
            let index = self.index.read().expect("a lock");
            let of = index.attempts.iter().filter(|(_, a)| a.state.is_open());
            let mut open: Vec<_> = of.map(|(l, a)| (*l, a.ordinal, a.task.clone())).collect();
            open.sort();
            open
        };
        if open.is_empty() {
            return;
        }
        let (lineage, ordinal, task) = open[usize::from(pick) % open.len()].clone();
        let of = self.fact(&task).key;
        let rows = self.facts.iter().filter(|fact| fact.key == of);
        let rows = rows.map(|fact| self.row(fact)).collect();
        let look = Looked::process(lineage, ordinal, rows);
        let now = at(self.minute);
        let told = self
            .work
            .looked(vec![look], &delivery(), &Meta::daemon(now, None), now)
            .expect("looked");
        self.log
            .push(format!("{} look {lineage} {told:?}", self.minute));
        self.check(&told.outcomes);
    }

    fn fact(&self, id: &TaskId) -> &Fact {
        let same = |fact: &&Fact| id.as_str() == fact.id.to_string();
        self.facts.iter().find(same).expect("a real task")
    }

    /// Whatever passes for completed was completed, and is the work that was sent.
    fn check(&self, outcomes: &[crate::model::Outcome]) {
        for outcome in outcomes {
            if outcome.event != AttemptEvent::ReadCompleted {
                continue;
            }
            let sent = self.work.pending.iter().rev().find_map(|(_, bytes)| {
                let EventBody::Claims { items, .. } = decode(bytes).expect("own").body else {
                    return None;
                };
                let same = |i: &&super::super::record::ClaimItem| {
                    (i.lineage, i.ordinal) == (outcome.lineage, outcome.ordinal)
                };
                items.iter().find(same).map(|item| item.task.clone())
            });
            let sent = self.fact(&sent.expect("a claim"));
            let told = self.fact(outcome.task.as_ref().expect("a task"));
            assert!(
                told.status.is_done() && told.work == sent.work,
                "{outcome:?}: {told:?} was taken for {sent:?}\n{:#?}\n{:#?}",
                self.log,
                self.facts
            );
        }
    }

    fn step(&mut self, step: &Step) {
        self.minute += 3;
        self.log.push(format!("{} {step:?}", self.minute));
        match step {
            Step::New(key) => self.add(*key),
            Step::Pass {
                shifted,
                hidden,
                asked,
                race,
            } => {
                self.pass(*shifted, *hidden, *asked, *race);
            }
            Step::Send(pick, fate) => self.send(*pick, *fate),
            Step::Theirs(pick, what, fate) => {
                let Some(n) = self.open(*pick) else { return };
                let running = self.facts[n].status == TaskStatus::Pending;
                match what {
                    0 | 1 if running => self.facts[n].status = TaskStatus::Rejected,
                    0 | 1 => drop(self.retry(n, *fate)),
                    2 => self.facts[n].status = TaskStatus::Completed,
                    _ => self.facts[n].status = TaskStatus::Cancelled,
                }
            }
            Step::Look(pick) => self.look(*pick),
            Step::Restart => {
                let pending = std::mem::take(&mut self.work.pending);
                self.work = Work::new(Arc::clone(&self.index));
                self.work.pending = pending;
                self.ready.clear();
            }
        }
        for (work, runs) in self.runs.iter().enumerate() {
            assert!(
                *runs <= self.manner.cap,
                "work {work} was run {runs} times\n{:#?}\n{:#?}",
                self.log,
                self.facts
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_passes_for_completed_that_is_not_and_no_work_is_tried_too_often(
        manner in manners(),
        steps in steps(),
    ) {
        let mut world = World::new(manner);
        for step in &steps {
            world.step(step);
        }
    }
}
