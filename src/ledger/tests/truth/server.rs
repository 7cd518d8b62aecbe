//! The server of a random world as it really is: tasks, runs by us and by others, effects that come late, rows that are hidden; it knows nothing of the ledger.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::{at, row, status};
use crate::model::{LineageId, Task, TaskId, TaskStatus};
use jiff::SignedDuration;

/// An attempt of ours.
pub type Token = (LineageId, u32);

/// One task as it really is.
#[derive(Clone, Debug)]
pub struct Fact {
    pub id: u64,
    /// The piece of work that it is about.
    pub work: usize,
    pub key: u8,
    pub status: TaskStatus,
    pub retry_of: Option<u64>,
    /// By the clock as it was then.
    made: i64,
    /// The list shows it from then on; never, where that is far off.
    listed: i64,
    /// Runs under this id.
    run: u32,
}

/// What a server is like.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// A successor names its elder.
    pub links: bool,
    /// Every list shifts while it is read.
    pub restless: bool,
    /// A retry runs under the same id.
    pub keeps: bool,
    /// What has ended can't be read any more.
    pub forgets: bool,
    /// Tries per piece of work.
    pub cap: u32,
}

pub fn manners() -> impl Strategy<Value = Manner> {
    let seldom = || proptest::bool::weighted(0.2);
    let words = (any::<bool>(), seldom(), seldom(), seldom(), 1u32..3);
    words.prop_map(|(links, restless, keeps, forgets, cap)| Manner {
        links,
        restless,
        keeps,
        forgets,
        cap,
    })
}

/// What the answer to a send is.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Answer {
    /// As it is.
    Clear,
    /// FAIL, whatever has happened.
    Fail,
    /// None.
    Lost,
    /// None, and the daemon is killed while it waits.
    Killed,
    /// It never left.
    Unsent,
}

/// What becomes of a retry.
#[derive(Clone, Copy, Debug)]
pub struct Fate {
    status: u8,
    /// When the list shows the successor.
    hidden: u8,
    pub answer: Answer,
    /// It takes effect, so many minutes later.
    pub arrives: Option<i64>,
}

pub fn fates() -> impl Strategy<Value = Fate> {
    let answer = prop_oneof![
        4 => Just(Answer::Clear),
        1 => Just(Answer::Fail),
        3 => Just(Answer::Lost),
        1 => Just(Answer::Killed),
        1 => Just(Answer::Unsent),
    ];
    let arrives = prop_oneof![3 => Just(Some(0)), 2 => (1i64..15).prop_map(Some), 3 => Just(None)];
    (0u8..4, 0u8..8, answer, arrives).prop_map(|(status, hidden, answer, arrives)| Fate {
        status,
        hidden,
        answer,
        arrives: match answer {
            Answer::Unsent => None,
            Answer::Clear => arrives.or(Some(0)),
            _ => arrives,
        },
    })
}

/// The account of a key.
pub fn account(key: u8) -> &'static str {
    if key == 0 { "77" } else { "78" }
}

/// The server.
#[derive(Debug)]
pub struct Server {
    pub facts: Vec<Fact>,
    pub manner: Manner,
    pub minute: i64,
    /// By so many minutes the clock was set in all, here and where the daemon runs.
    pub set: i64,
    pub was_set_back: bool,
    /// Effects that are still to come.
    late: Vec<(i64, usize, Fate, Token)>,
    /// Attempts that have taken effect.
    pub applied: BTreeSet<Token>,
    /// Runs by piece of work and episode, ours only.
    pub runs: Vec<u32>,
}

impl Server {
    pub fn new(manner: Manner) -> Self {
        Self {
            facts: Vec::new(),
            manner,
            minute: 0,
            set: 0,
            was_set_back: false,
            late: Vec::new(),
            applied: BTreeSet::new(),
            runs: Vec::new(),
        }
    }

    /// What the clock says.
    pub fn clock(&self) -> i64 {
        self.minute + self.set
    }

    /// New work.
    pub fn add(&mut self, key: u8) {
        self.facts.push(Fact {
            id: 2_000 + self.facts.len() as u64,
            work: self.runs.len(),
            key,
            status: TaskStatus::Rejected,
            retry_of: None,
            made: self.clock(),
            listed: self.minute,
            run: 0,
        });
        self.runs.push(0);
    }

    /// Time passes, and what was on its way takes effect.
    pub fn pass_time(&mut self, minutes: i64) {
        let until = self.minute + minutes;
        while let Some(next) = (0..self.late.len())
            .filter(|n| self.late[*n].0 <= until)
            .min_by_key(|n| self.late[*n].0)
        {
            let (due, n, fate, token) = self.late.remove(next);
            self.minute = self.minute.max(due);
            self.run(n, fate, Some(token));
        }
        self.minute = until;
    }

    /// A retry of ours reaches the server: true where it ran or will run.
    pub fn receive(&mut self, n: usize, fate: Fate, token: Token) -> bool {
        match fate.arrives {
            None => false,
            Some(0) => self.run(n, fate, Some(token)),
            Some(later) => {
                self.late.push((self.minute + later, n, fate, token));
                true
            }
        }
    }

    /// True while something of that piece of work is on its way.
    pub fn on_its_way(&self, work: usize) -> bool {
        self.late
            .iter()
            .any(|(_, n, ..)| self.facts[*n].work == work)
    }

    /// Requests without an answer that are on their way to tasks of an account.
    pub fn unanswered_on_their_way(&self, key: u8) -> impl Iterator<Item = &Token> {
        let lost = |fate: &Fate| matches!(fate.answer, Answer::Lost | Answer::Killed);
        let of = move |n: usize| self.facts[n].key == key;
        let late = self.late.iter();
        late.filter(move |(_, n, fate, _)| lost(fate) && of(*n))
            .map(|(.., token)| token)
    }

    /// A retry runs, ours or somebody else's; false where the task is none to be retried.
    pub fn run(&mut self, n: usize, fate: Fate, ours: Option<Token>) -> bool {
        if self.facts[n].status != TaskStatus::Rejected {
            return false;
        }
        if let Some(token) = ours {
            assert!(self.applied.insert(token), "one claim took effect twice");
            self.runs[self.facts[n].work] += 1;
        }
        if self.manner.keeps {
            self.facts[n].run += 1;
            self.facts[n].status = status(fate.status);
            return true;
        }
        self.facts[n].status = TaskStatus::UnsuccessfullyCompleted;
        let old = self.facts[n].clone();
        self.facts.push(Fact {
            id: 2_000 + self.facts.len() as u64,
            status: status(fate.status),
            retry_of: Some(old.id),
            made: self.clock(),
            listed: match fate.hidden {
                0..5 => self.minute,
                5 | 6 => self.minute + i64::from(fate.hidden) * 7,
                _ => i64::MAX,
            },
            ..old
        });
        true
    }

    pub fn row(&self, fact: &Fact) -> Task {
        let process = account(fact.key);
        let mut task = row(&fact.id.to_string(), fact.status.clone(), process);
        task.created = Some(at(fact.made) + SignedDuration::from_millis(7));
        if fact.run > 0 {
            task.reason = Some(format!("run {}", fact.run).into());
        }
        task.retry_of = fact
            .retry_of
            .filter(|_| self.manner.links)
            .map(|of| TaskId::new(of.to_string().as_str()));
        task
    }

    /// What a list shows now.
    pub fn listed(&self) -> Vec<Task> {
        let shown = |fact: &&Fact| !fact.status.is_finished() && fact.listed <= self.minute;
        self.facts
            .iter()
            .filter(shown)
            .map(|f| self.row(f))
            .collect()
    }

    fn readable(&self, fact: &Fact) -> bool {
        !self.manner.forgets || !fact.status.is_finished()
    }

    /// What a reading of the account shows now.
    pub fn process_of(&self, task: &TaskId) -> Vec<Task> {
        let key = self.fact(task).key;
        let of = self
            .facts
            .iter()
            .filter(|f| f.key == key && self.readable(f));
        of.map(|fact| self.row(fact)).collect()
    }

    /// What a reading of the task shows now.
    pub fn single(&self, task: &TaskId) -> Option<Task> {
        let fact = self.fact(task);
        self.readable(fact).then(|| self.row(fact))
    }

    pub fn place(&self, id: &TaskId) -> usize {
        let number = id.number().expect("a number");
        let at = usize::try_from(number - 2_000).expect("small");
        assert_eq!(self.facts[at].id, number, "ids are given out in order");
        at
    }

    pub fn fact(&self, id: &TaskId) -> &Fact {
        &self.facts[self.place(id)]
    }

    /// A task that has not ended.
    pub fn open(&self, pick: u8) -> Option<usize> {
        let open: Vec<usize> = (0..self.facts.len())
            .filter(|n| !self.facts[*n].status.is_finished())
            .collect();
        (!open.is_empty()).then(|| open[usize::from(pick) % open.len()])
    }
}
