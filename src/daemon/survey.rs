//! Reads the list and what it takes to judge it, asks the daemon's own policies and guards over an empty ledger in memory, and counts all of it into a report; it sends nothing and opens no store.

mod roles;
mod told;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use self::roles::Roles;
use self::told::{Listed, sorted};
use super::DaemonError;
use super::cache::Cache;
use super::collect::Collector;
use super::evaluate::{Bench, CycleError, Evaluated, evaluate_list};
use super::feed::feed_of;
use super::hinted::Hinted;
use super::login;
use super::memory::Memory;
use super::propose::lacks_a_fact;
use super::time::idle;
use super::time::{Stepper, clock_for};
use super::watch::{Kept, Progress, Watch, WatchError};
use crate::absence::{self, Presence, Roster};
use crate::ledger::Ledger;
use crate::model::hash::FastSet;
use crate::model::settings::Settings;
use crate::model::{
    Action, Clock, CycleId, Kind, Known, Login, Owner, ProcessKey, Refusal, RefusalReason,
    Snapshot, Task, TaskId, UserKey, Verdict,
};
use crate::oig::{Client, Logins};
use crate::policy::{self, PolicySet};
use crate::survey::{self, Context, Held, OwnerWord, PersonWord, Policies, Report, Row, Said};

/// How long after the leave date somebody may be active: it may name the day that is the last one.
const LAST_DAY: SignedDuration = SignedDuration::from_hours(24);

/// No reading of a survey grows too old for it: it acts on none.
const LONG: SignedDuration = SignedDuration::from_hours(24 * 366);

/// How to survey.
#[derive(Clone, Debug)]
pub struct SurveyOptions {
    /// Most requests beside the pages of the list; `None` for as many as it takes.
    pub max_reads: Option<u64>,
    /// Where readings are kept for a later run, if one is interrupted.
    pub readings: Option<PathBuf>,
    /// How old such a reading may be.
    pub keep_for: SignedDuration,
    /// As which of the further logins; `None`: the main one.
    pub login: Option<Login>,
}

/// What came of it.
#[derive(Debug)]
pub struct Surveyed {
    /// The report.
    pub report: Report,
    /// What could not be done with the file of readings, where something could not.
    pub trouble: Option<String>,
}

/// Surveys the server.
///
/// # Errors
/// The list can't be read, the login is refused, or a file that is named can't be used.
pub async fn survey(
    settings: Settings,
    options: SurveyOptions,
    progress: Progress,
) -> Result<Surveyed, DaemonError> {
    let (clock, stepper) = clock_for(&settings.server).await?;
    let work = work(settings, options, progress, clock.clone());
    while_time_goes_on(&clock, stepper.as_ref(), work).await
}

/// Works to the end; a simulator's time is moved on where the work waits for it.
pub async fn while_time_goes_on<T: Send + 'static>(
    clock: &Clock,
    stepper: Option<&Stepper>,
    work: impl Future<Output = Result<T, DaemonError>> + Send + 'static,
) -> Result<T, DaemonError> {
    let work = tokio::spawn(work);
    tokio::pin!(work);
    loop {
        tokio::select! {
            biased;
            done = &mut work => {
                return done.map_err(|error| DaemonError::Worker(error.to_string()))?;
            }
            // readings may wait for the budget in domain time, which a simulator moves on
            stepped = idle(clock, stepper, 1, Timestamp::MAX) => {
                stepped.map_err(DaemonError::Stepper)?;
            }
        }
    }
}

async fn work(
    mut settings: Settings,
    options: SurveyOptions,
    progress: Progress,
    clock: Clock,
) -> Result<Surveyed, DaemonError> {
    let policies = Arc::new(policy::load::load(&settings.policy)?);
    let now = clock.now();
    let stop = login::ask_as(&mut settings, options.login.as_ref());
    let server = &settings.server;
    let mut left = super::watch::Left::default();
    let mut kept = None;
    if let Some(path) = &options.readings {
        let (file, found) = Kept::open(
            path,
            &login::world(server),
            &server.login,
            now,
            options.keep_for,
        )?;
        kept = Some(file);
        left = found;
    }
    let client = stop.client(server, clock.clone())?;
    progress.counts(&client);
    progress.begin("reading the list", 0);
    let mut memory = Memory::default();
    let taken_over = u64::try_from(left.readings.len()).unwrap_or(u64::MAX);
    for (at, reading) in left.readings {
        memory.cache.take_over(at, reading);
    }
    memory.cache.watch(Watch::new(kept, None, progress.clone()));
    let surveyor = Surveyor {
        bench: bench(settings, client, policies, clock)?,
        options,
        taken_over,
    };
    let report = surveyor.report(&mut memory).await;
    let Some(watch) = memory.cache.unwatch() else {
        return Err(DaemonError::Worker("the survey lost its file".to_owned()));
    };
    match report {
        Ok(report) => {
            stop.works(&surveyor.bench.client);
            let whole = !report.reads.limited;
            let trouble = watch.end(whole).err().map(|error| error.to_string());
            Ok(Surveyed { report, trouble })
        }
        Err(error) => Err(error),
    }
}

/// The tools of a cycle that only looks: an empty ledger in memory, no limit of a cycle.
fn bench(
    mut settings: Settings,
    client: Client,
    policies: Arc<PolicySet>,
    clock: Clock,
) -> Result<Bench, DaemonError> {
    let now = clock.now();
    let roster = match feed_of(&settings) {
        Some(mut feed) => {
            let (roster, problems) = feed.read(now);
            for problem in problems {
                tracing::warn!(problem = %problem, "absence feed");
            }
            roster
        }
        None => Known::Yes {
            value: Arc::new(Roster::default()),
            as_of: now,
        },
    };
    settings.guard.fact_age = LONG;
    settings.governor.cap_retries = u32::MAX;
    Ok(Bench {
        logins: Logins::new(client.clone(), Vec::new()),
        client,
        ledger: Ledger::memory(now)?,
        policies,
        settings: Arc::new(settings),
        roster,
        clock,
        cycle: CycleId(uuid::Uuid::now_v7()),
        epoch: 1,
        whole: false,
        ahead: true,
        watch: None,
        reasons: Default::default(),
        only: None,
        pauses: Arc::default(),
        blocked: Arc::new(BTreeMap::new()),
        probing: Arc::default(),
        no_backlog: false,
        intake: None,
        hints_beside: false,
    })
}

struct Surveyor {
    bench: Bench,
    options: SurveyOptions,
    taken_over: u64,
}

/// Times that a list is read which moves each time.
const PASSES: u32 = 12;
/// Passes in a row that have brought nothing new: what one misses, another of so many shows.
const QUIET: u32 = 4;

/// The list, and how often it was read. One in which nothing moved meanwhile is taken alone; of one that never holds
/// still, all passes together, until no more comes: each may leave rows out.
async fn whole_list(client: &Client) -> Result<(Snapshot, u32), DaemonError> {
    let mut all = client.list().await?;
    let mut known: FastSet<TaskId> = all.tasks.iter().map(|task| task.id.clone()).collect();
    let (mut passes, mut quiet) = (1, 0);
    while !all.stable && all.complete && all.unreadable.is_empty() && passes < PASSES {
        let next = client.list().await?;
        passes += 1;
        if next.stable && next.complete {
            return Ok((next, passes));
        }
        all.pages = all.pages.saturating_add(next.pages);
        let before = all.tasks.len();
        let new = |task: &Task| known.insert(task.id.clone());
        all.tasks.extend(next.tasks.into_iter().filter(new));
        quiet = if all.tasks.len() == before {
            quiet + 1
        } else {
            0
        };
        if quiet >= QUIET {
            break;
        }
    }
    Ok((all, passes))
}

/// Those of whom a leave date says something.
fn may_have_left(cache: &Cache, mut people: BTreeSet<Login>) -> BTreeSet<Login> {
    people.retain(|login| {
        let person = cache.person(login);
        person.value().is_some_and(|person| {
            let word = PersonWord::of(&person.status);
            word.is_gone() || word == PersonWord::Active
        })
    });
    people
}

impl Surveyor {
    async fn report(&self, memory: &mut Memory) -> Result<Report, DaemonError> {
        let client = &self.bench.client;
        let (snapshot, passes) = whole_list(client).await?;
        // what an earlier run has read for the guards is wanted as long as the list names it
        let listed = snapshot
            .tasks
            .iter()
            .filter_map(|task| task.process.clone());
        let read_before: Vec<ProcessKey> =
            listed.filter(|key| memory.cache.has_account(key)).collect();
        if let Some(watch) = memory.cache.watched_mut() {
            watch.limit(self.options.max_reads, client);
            watch.wants(read_before);
        }
        let kinds: Vec<Kind> = snapshot
            .tasks
            .iter()
            .map(|task| self.bench.policies.kind_of(task))
            .collect();
        self.read_people(memory, &snapshot, &kinds).await?;
        let roles = self.read_roles(memory, &snapshot).await?;
        // what the report shows of a row; the rows themselves go on to the policies
        let mut rows: Vec<Row> = snapshot
            .tasks
            .iter()
            .zip(&kinds)
            .map(|(task, kind)| self.row(&memory.cache, &roles, task, *kind))
            .collect();
        let listed = Listed::of(&snapshot, passes);
        let evaluated = evaluate_list(&self.bench, memory, snapshot, Hinted::default())
            .await
            .map_err(failed)?;
        let (mut said, unsaid) = answers(&evaluated);
        for row in &mut rows {
            row.said = said.remove(&row.task).ok_or(unsaid);
        }
        let context = self.context(memory, &listed, &roles, &rows, &evaluated);
        Ok(survey::report(&rows, context))
    }

    /// Reads everybody whom the list names, those whose access is to be taken first.
    async fn read_people(
        &self,
        memory: &mut Memory,
        snapshot: &Snapshot,
        kinds: &[Kind],
    ) -> Result<(), DaemonError> {
        let clock = &self.bench.clock;
        let tasks = || snapshot.tasks.iter().zip(kinds);
        let leaving = tasks().filter(|(_, kind)| kind.takes_access());
        let of = |tasks: &mut dyn Iterator<Item = (&Task, &Kind)>| -> BTreeSet<Login> {
            tasks
                .filter_map(|(task, _)| task.beneficiary.clone())
                .collect()
        };
        let first = of(&mut { leaving });
        let given = of(&mut tasks().filter(|(_, kind)| kind.gives_access()));
        let others = of(&mut tasks());
        let (mut owners, mut keys) = (BTreeSet::new(), BTreeSet::new());
        for task in &snapshot.tasks {
            match &task.owner {
                Owner::User {
                    login: Some(login), ..
                } => {
                    owners.insert(login.clone());
                }
                Owner::User { key: Some(key), .. } => {
                    keys.insert(UserKey::clone(key));
                }
                _ => {}
            }
        }
        let mut reader = Collector::new(self.bench.client.clone(), clock, &mut memory.cache, LONG);
        reader.people(first.clone()).await?;
        let leaving = may_have_left(&memory.cache, first);
        let mut reader = Collector::new(self.bench.client.clone(), clock, &mut memory.cache, LONG);
        reader.end_dates(leaving).await?;
        reader.people(owners).await?;
        reader.people_by_key(keys).await?;
        reader.people(given.clone()).await?;
        let coming = may_have_left(&memory.cache, given);
        let mut reader = Collector::new(self.bench.client.clone(), clock, &mut memory.cache, LONG);
        reader.end_dates(coming).await?;
        reader.people(others).await?;
        Ok(())
    }

    fn row(&self, cache: &Cache, roles: &Roles, task: &Task, kind: Kind) -> Row {
        let filled = |text: &Option<Arc<str>>| text.clone().filter(|text| !text.trim().is_empty());
        let reason = filled(&task.reason).or_else(|| filled(&task.response));
        let class = match &reason {
            Some(_) => self.bench.policies.classify(task).name,
            None => Arc::from("none"),
        };
        let owner_login = match &task.owner {
            Owner::User {
                login: Some(login), ..
            } => Some(login.clone()),
            Owner::User { key: Some(key), .. } => cache.login_of(key).cloned(),
            _ => None,
        };
        let (owner_word, owner_until) = self.owner(cache, &task.owner, owner_login.as_ref());
        let left = task.beneficiary.as_ref().and_then(|of| cache.end_of(of));
        let past = left.is_some_and(|left| {
            let over = left.checked_add(LAST_DAY);
            over.is_ok_and(|over| over <= self.bench.clock.now())
        });
        Row {
            task: task.id.clone(),
            name: task.definition_name.clone(),
            target: task.target.clone(),
            kind,
            class,
            status: task.status.clone(),
            created: task.created,
            reason,
            person_word: match &task.beneficiary {
                None => PersonWord::Nobody,
                Some(login) => match cache.person(login) {
                    Known::Yes { value, .. } => match PersonWord::of(&value.status) {
                        PersonWord::Active if past => PersonWord::ActivePast,
                        word => word,
                    },
                    Known::No { .. } if cache.has_answer(login) => PersonWord::NotShown,
                    Known::No { .. } => PersonWord::NotRead,
                },
            },
            left_untold: task
                .beneficiary
                .as_ref()
                .is_some_and(|of| !cache.end_is_told(of)),
            left,
            person: task.beneficiary.clone(),
            owner: task.owner.clone(),
            owner_login,
            owner_word,
            owner_until,
            role_word: roles.word(&task.owner),
            said: Err(RefusalReason::NotToldYet),
        }
    }

    fn owner(
        &self,
        cache: &Cache,
        owner: &Owner,
        login: Option<&Login>,
    ) -> (OwnerWord, Option<Timestamp>) {
        match (owner, login) {
            (Owner::Role { .. }, _) => (OwnerWord::Role, None),
            (Owner::Unknown, _) => (OwnerWord::Nobody, None),
            (Owner::User { .. }, None) => (OwnerWord::NotRead, None),
            (Owner::User { .. }, Some(login)) => self.person_word(cache, login),
        }
    }

    /// Whether somebody who owns tasks, or is in a role that does, can act.
    fn person_word(&self, cache: &Cache, login: &Login) -> (OwnerWord, Option<Timestamp>) {
        let person = match cache.person(login) {
            Known::Yes { value, .. } => value,
            Known::No { .. } if cache.has_answer(login) => return (OwnerWord::NotShown, None),
            Known::No { .. } => return (OwnerWord::NotRead, None),
        };
        match PersonWord::of(&person.status) {
            PersonWord::Disabled => return (OwnerWord::Disabled, None),
            PersonWord::Deleted => return (OwnerWord::Deleted, None),
            PersonWord::NotStarted => return (OwnerWord::NotStarted, None),
            PersonWord::Other => return (OwnerWord::Other, None),
            _ => {}
        }
        let Some(roster) = self.bench.roster.value() else {
            return (OwnerWord::Other, None);
        };
        match absence::presence(&person, roster, self.bench.clock.now()) {
            Presence::Here => (OwnerWord::Active, None),
            Presence::Away(absence) => (OwnerWord::Away, absence.until),
            Presence::Unknown(_) => (OwnerWord::Other, None),
        }
    }

    fn context(
        &self,
        memory: &Memory,
        listed: &Listed,
        roles: &Roles,
        rows: &[Row],
        evaluated: &Evaluated,
    ) -> Context {
        let (settings, policies) = (&self.bench.settings, &self.bench.policies);
        let cache = &memory.cache;
        let reasons = policies
            .sources()
            .filter(|(name, _)| *name == "reasons.toml");
        Context {
            taken_at: listed.taken_at,
            origin: settings.server.origin.clone(),
            login: settings.server.login.clone(),
            logins: cache.logins().cloned().collect(),
            words: reasons.map(|(_, text)| text).collect(),
            policy: Policies {
                hash: policies.hash().to_string(),
                shipped: settings.policy.dir.is_none(),
                names: policies.names().map(str::to_owned).collect(),
                unmapped: sorted(evaluated.seen.unmapped.clone()),
            },
            scope: self.scope(cache, listed, rows),
            reads: self.reads(cache, listed, roles, rows),
            notes: self.notes(evaluated),
        }
    }
}

/// What was decided about each task, and why nothing was about the others.
fn answers(evaluated: &Evaluated) -> (HashMap<TaskId, Said>, RefusalReason) {
    let mut said = HashMap::new();
    for proposal in &evaluated.proposals {
        let decision = &proposal.decision;
        let Some(Verdict::Act { action, .. }) = &decision.verdict else {
            continue;
        };
        let refused = match &proposal.guard {
            Ok(_) => Vec::new(),
            Err(refusals) => {
                let mut held: Vec<Held> = refusals.iter().map(held).collect();
                held.dedup();
                held
            }
        };
        let to = match action {
            Action::Reassign { to } => Some(to.to_string()),
            _ => None,
        };
        let answer = Said {
            verdict: action.name().as_str(),
            policy: decision.policy.clone(),
            refused,
            to,
        };
        said.insert(decision.task.clone(), answer);
    }
    for rest in &evaluated.rests {
        let decision = &rest.decision;
        let verdict = match &decision.verdict {
            _ if decision.fault.is_some() => "fault",
            None => "none",
            Some(Verdict::Leave { .. }) => "leave",
            Some(Verdict::Ask { .. }) => "ask",
            Some(Verdict::Act { .. }) => continue,
        };
        let answer = Said {
            verdict,
            policy: decision.policy.clone(),
            refused: Vec::new(),
            to: None,
        };
        said.insert(decision.task.clone(), answer);
    }
    let why = evaluated.still_refused.keys().next().copied();
    (said, why.unwrap_or(RefusalReason::NotToldYet))
}

/// What was only not asked for, because another refusal made it vain or a limit was reached, is nobody's to mend.
fn held(refusal: &Refusal) -> Held {
    if lacks_a_fact(refusal.reason) && !refusal.needs_person {
        Held::NotLookedAt
    } else {
        Held::Refused(refusal.reason)
    }
}

fn failed(error: CycleError) -> DaemonError {
    match error {
        CycleError::Server(error) => error.into(),
        CycleError::Ledger(error) => error.into(),
        CycleError::Worker => DaemonError::Worker(error.to_string()),
    }
}

impl From<WatchError> for DaemonError {
    fn from(error: WatchError) -> Self {
        Self::Readings(error)
    }
}
