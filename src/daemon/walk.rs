//! Walks through the accounts of persons, those that somebody has named and those of `intake.persons_file`, some after each cycle, for rejected tasks that no list shows; what it finds becomes hints, and it decides and sends nothing.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::DaemonError;
use super::core::{Core, Done};
use super::evaluate::Bench;
use crate::control::{TurnsView, WalkView};
use crate::dispatch::verify::{IN_A_ROW, gone};
use crate::given;
use crate::model::hash::{FastMap, FastSet};
use crate::model::settings::{ServerSettings, Settings};
use crate::model::{Login, ProcessKey, Snapshot, Task, TaskId, TaskStatus, UserKey};
use crate::oig::{Client, OigError};
use crate::source::{self, Asked, Intake, PersonEnd, Persons, Round, Turns};

/// Persons are asked for in one request up to so many.
const TOGETHER: usize = 20;
/// From the begin of a slice to the next one: its share of the read budget is one of a minute.
const APART: SignedDuration = SignedDuration::from_mins(1);

/// Whether a slice is under way, and when the next one may begin.
#[derive(Debug, Default)]
pub struct Walking {
    busy: bool,
    from: Option<Timestamp>,
}

/// The tasks that have a road already, where somebody may be walked through after this cycle. A question walks
/// nowhere, and what is missing of a list may be what an account would show.
pub fn shown(bench: &Bench, snapshot: &Snapshot) -> Option<FastSet<TaskId>> {
    let intake = bench.intake.as_ref()?;
    let wanted = bench.settings.intake.persons_file.is_some() || intake.standing().persons > 0;
    let whole = snapshot.complete && snapshot.has_main() && !bench.whole && !bench.ahead;
    (wanted && whole).then(|| snapshot.tasks.iter().map(|task| task.id.clone()).collect())
}

/// The persons of a file. Who may write into it says whose accounts are read, so it must not be open to everybody.
///
/// # Errors
/// The file can't be used as a whole.
pub fn persons_of(path: &Path) -> std::io::Result<Persons> {
    let file = given::open(path)?;
    let meta = file.metadata()?;
    if meta.mode() & 0o002 != 0 {
        return Err(std::io::Error::other(format!(
            "everybody may write into it (mode {:o})",
            meta.mode() & 0o7777
        )));
    }
    let text = given::utf8(given::all(file, given::MOST)?)?;
    Ok(source::persons(&text))
}

/// A person whose turn it is.
struct Due {
    login: Login,
    /// One whom an event or a file of the folder has named.
    asked: Option<Asked>,
}

/// Persons as they are shown.
#[derive(Default)]
struct People {
    /// By whom, and under which key.
    keys: FastMap<Login, (usize, UserKey)>,
    /// Who is shown to nobody, as all have said.
    missing: FastSet<Login>,
}

/// What came of a person's accounts.
struct Told {
    end: PersonEnd,
    found: u64,
    /// The server does not want to be asked on.
    stopped: Option<OigError>,
}

/// A login that walks, inside its own read budget.
struct Walker {
    client: Client,
    /// Requests that are left to it in this slice.
    reads: u32,
    /// It is stopped: nothing follows from what it does not show.
    stopped: bool,
}

impl Walker {
    fn of(client: &Client, server: &ServerSettings) -> Self {
        Self {
            client: client.clone(),
            reads: (server.reads_per_minute / 8).max(4),
            stopped: false,
        }
    }

    fn can_ask(&self) -> bool {
        self.reads > 0 && !self.stopped
    }
}

/// True where another login may be told more.
fn not_for_this_one<T>(answer: &Result<Option<T>, OigError>) -> bool {
    matches!(
        answer,
        Ok(None)
            | Err(OigError::Status {
                status: 403 | 404,
                ..
            })
    )
}

/// One slice of the walk: whose turn it is, within a share of the read budget.
struct Slice {
    intake: Intake,
    /// As whom it walks: the main login, and the others for what that one is not shown.
    walkers: Vec<Walker>,
    settings: Arc<Settings>,
    /// Tasks that have a road already.
    shown: FastSet<TaskId>,
    /// Nobody's accounts were read yet.
    fresh: bool,
    /// Readings that failed one after the other.
    in_a_row: u32,
}

impl Slice {
    /// Walks through those whose turn it is.
    ///
    /// # Errors
    /// Only a stopped login.
    async fn run(mut self, now: Timestamp) -> Result<(), OigError> {
        let mut round = self.intake.walks().round;
        let many = self.settings.intake.persons_per_cycle;
        let mut of_file = self.of_file(&mut round, now, many);
        // who was named comes first, and does not keep the file's persons from their turn for ever
        let room = many.saturating_sub(usize::from(!of_file.is_empty()));
        let asked = self.intake.persons(room.max(1));
        of_file.truncate(many.saturating_sub(asked.len()));
        let asked = asked.into_iter().map(|asked| Due {
            login: asked.login.clone(),
            asked: Some(asked),
        });
        let due: Vec<Due> = asked
            .chain(of_file.into_iter().map(|login| Due { login, asked: None }))
            .collect();
        let walked = self.walk(&due, &mut round).await;
        if self.intake.walks().round != round {
            self.intake.keep_round(&round);
        }
        match walked {
            Err(error) if error.is_login() => Err(error),
            Err(error) => {
                tracing::warn!(%error, "the walk through accounts was broken off; it goes on after the next cycle");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// Those of the file whose turn it is.
    fn of_file(&self, round: &mut Round, now: Timestamp, many: usize) -> Vec<Login> {
        let settings = &self.settings.intake;
        let Some(path) = &settings.persons_file else {
            return Vec::new();
        };
        let shown = path.display().to_string();
        let persons = match persons_of(path) {
            Ok(persons) => persons,
            Err(why) => {
                let outcome = "the accounts of the persons of the file are not walked through";
                self.intake
                    .persons_problem(Some(format!("{shown}: {why}")), outcome);
                return Vec::new();
            }
        };
        let outcome = "lines of the file of persons are left out";
        self.intake
            .persons_problem(persons.problem(&shown), outcome);
        let was_over = round.over;
        let due = round.next(&persons.logins, now, settings.persons_every, many);
        if round.over && !was_over {
            tracing::info!(
                walked = round.turns.walked,
                not_walked = round.turns.not_walked,
                found = round.turns.found,
                "the accounts of all persons of the file were walked through"
            );
        }
        if self.intake.walks().round != *round {
            self.intake.keep_round(round);
        }
        due
    }

    async fn walk(&mut self, due: &[Due], round: &mut Round) -> Result<(), OigError> {
        // each may have to be asked for singly, and something has to be left for the accounts of the first who is
        // shown: else a small budget would end here in each slice
        let least = self.walkers.iter().map(|of| of.reads / 2).min();
        let together = least.and_then(|least| usize::try_from(least).ok());
        let together = together.unwrap_or(TOGETHER).clamp(1, TOGETHER);
        for part in due.chunks(together) {
            let Some(first) = part.first() else {
                return Ok(());
            };
            let people = match self.people(part).await {
                Ok(Some(people)) => people,
                Ok(None) => return Ok(()),
                Err(error) => {
                    if !error.is_login() {
                        self.stopped_at(first, round, 0).await;
                    }
                    return Err(error);
                }
            };
            for one in part {
                let end = match people.keys.get(&one.login) {
                    Some((by, key)) => {
                        let told = match self.person(*by, key).await? {
                            Some(told) => told,
                            // no budget is left, or no place: this one is the first of the next slice
                            None => return Ok(()),
                        };
                        if let Some(error) = told.stopped {
                            self.stopped_at(one, round, told.found).await;
                            return Err(error);
                        }
                        (told.end, told.found)
                    }
                    None if people.missing.contains(&one.login) => (PersonEnd::NotShown, 0),
                    None => (PersonEnd::NotRead, 0),
                };
                self.had_turn(one, round, end.0, end.1).await;
            }
        }
        Ok(())
    }

    /// The keys of persons, each by the first login to whom it is shown; `None`: one of those that have to be
    /// asked has no budget left.
    async fn people(&mut self, part: &[Due]) -> Result<Option<People>, OigError> {
        let mut out = People::default();
        let mut left: Vec<Login> = part.iter().map(|due| due.login.clone()).collect();
        // one that can't be asked may be the one to whom somebody is shown
        let (mut asked, mut unsure) = (false, false);
        for n in 0..self.walkers.len() {
            if left.is_empty() {
                break;
            }
            if self.walkers[n].stopped {
                unsure = true;
                continue;
            }
            if !self.walkers[n].can_ask() {
                return Ok(None);
            }
            // one that fails may have asked for each of them singly, and does not say so
            let at_most = u32::try_from(left.len())
                .unwrap_or(u32::MAX)
                .saturating_add(1);
            let people = match self.walkers[n].client.users_by_login(&left).await {
                Ok(people) => people,
                Err(error) if error.is_login() && n > 0 => {
                    self.walkers[n].stopped = true;
                    unsure = true;
                    continue;
                }
                Err(OigError::Status { status: 403, .. }) if self.walkers.len() > 1 => {
                    self.spend(n, at_most);
                    unsure = true;
                    continue;
                }
                // what a further one can't tell takes nothing from what another one is shown
                Err(error) if n > 0 => {
                    tracing::debug!(%error, walker = n, "a further login could not look for persons");
                    self.spend(n, at_most);
                    unsure = true;
                    continue;
                }
                Err(error) => return Err(error),
            };
            self.spend(n, people.requests);
            for (login, of) in people.found {
                if let Some(key) = of.key {
                    out.keys.insert(login, (n, key));
                }
            }
            left.retain(|login| !out.keys.contains_key(login));
            if asked {
                out.missing
                    .retain(|login| people.missing.contains(login) && left.contains(login));
            } else {
                out.missing = people.missing.into_iter().collect();
            }
            asked = true;
        }
        if unsure {
            out.missing.clear();
        }
        Ok(Some(out))
    }

    fn spend(&mut self, by: usize, reads: u32) {
        let left = &mut self.walkers[by].reads;
        *left = left.saturating_sub(reads);
    }

    /// Those that are asked for what is read as one login: that one first.
    fn order(&self, by: usize) -> impl Iterator<Item = usize> + use<> {
        let all = 0..self.walkers.len();
        std::iter::once(by).chain(all.filter(move |n| *n != by))
    }

    async fn had_turn(&self, due: &Due, round: &mut Round, end: PersonEnd, found: u64) {
        match &due.asked {
            Some(asked) => self.intake.person_had_turn(asked.clone(), end, found).await,
            None => {
                round.had_turn(due.login.clone(), end, found);
                self.intake.keep_round(round);
            }
        }
    }

    /// The walk was broken off at a person: that one has further turns, and not for ever.
    async fn stopped_at(&self, due: &Due, round: &mut Round, found: u64) {
        match &due.asked {
            Some(asked) => {
                let end = PersonEnd::NotRead;
                self.intake.person_had_turn(asked.clone(), end, found).await;
            }
            None => round.stopped_at(&due.login, found),
        }
    }

    /// Whether a reading that failed lets it go on.
    fn failed(&mut self, error: &OigError) -> bool {
        self.in_a_row += 1;
        let asked_to_wait = matches!(error, OigError::Status { status: 429, .. });
        !asked_to_wait && !gone(error) && self.in_a_row < IN_A_ROW
    }

    /// An account's tasks, read by the one that was shown the person, else by another one that may read it.
    async fn process(
        &mut self,
        by: usize,
        process: &ProcessKey,
    ) -> Result<Option<Vec<Task>>, OigError> {
        let mut last = Ok(None);
        for n in self.order(by) {
            if !self.walkers[n].can_ask() {
                continue;
            }
            self.spend(n, 1);
            last = self.walkers[n].client.process(process).await;
            if let Err(error) = &last
                && error.is_login()
                && n > 0
            {
                self.walkers[n].stopped = true;
                last = Ok(None);
            }
            if !not_for_this_one(&last) {
                break;
            }
        }
        last
    }

    /// All accounts of a person as one login is shown him; `None`: not now.
    async fn person(&mut self, by: usize, key: &UserKey) -> Result<Option<Told>, OigError> {
        let mut told = Told {
            end: PersonEnd::NotRead,
            found: 0,
            stopped: None,
        };
        if !self.walkers[by].can_ask() {
            return Ok(None);
        }
        self.spend(by, 1);
        let (processes, all_told) = match self.walkers[by].client.accounts_of(key).await {
            Ok(Some(accounts)) => accounts,
            Ok(None) => return Ok(Some(told)),
            Err(error) if error.is_login() && by == 0 => return Err(error),
            Err(error) if error.is_login() => {
                self.walkers[by].stopped = true;
                return Ok(Some(told));
            }
            Err(error) => {
                tracing::debug!(user = %key, %error, "accounts can't be read");
                told.stopped = (!self.failed(&error)).then_some(error);
                return Ok(Some(told));
            }
        };
        self.in_a_row = 0;
        let all = u32::try_from(processes.len()).unwrap_or(u32::MAX);
        // whose accounts are more than what is left comes first in the next slice, with all of it
        if all > self.walkers[by].reads && !std::mem::replace(&mut self.fresh, false) {
            return Ok(None);
        }
        self.fresh = false;
        if all_told {
            told.end = PersonEnd::Walked;
        }
        let mut found = BTreeSet::new();
        for process in &processes {
            if !self.walkers[by].can_ask() {
                // more accounts than a slice has requests
                told.end = PersonEnd::NotRead;
                break;
            }
            let tasks = match self.process(by, process).await {
                Ok(Some(tasks)) => tasks,
                Ok(None) => {
                    told.end = PersonEnd::NotRead;
                    continue;
                }
                Err(error) if error.is_login() => return Err(error),
                Err(error) => {
                    tracing::debug!(process = %process, %error, "an account can't be read");
                    told.end = PersonEnd::NotRead;
                    if self.failed(&error) {
                        continue;
                    }
                    told.stopped = Some(error);
                    break;
                }
            };
            self.in_a_row = 0;
            let new = tasks.into_iter().filter(|task| {
                task.status == TaskStatus::Rejected
                    && !self.shown.contains(&task.id)
                    && self.intake.road_of(&task.id).is_none()
            });
            found.extend(new.map(|task| task.id));
        }
        // on disk before the turn is over: a kill in between costs readings and no task
        let found = Vec::from_iter(found);
        told.found = u64::try_from(found.len()).unwrap_or(u64::MAX);
        Ok(self.intake.take_walked(&found).await.then_some(told))
    }
}

fn turns_view(turns: Turns) -> TurnsView {
    TurnsView {
        walked: turns.walked,
        found: turns.found,
        not_walked: turns.not_walked,
        not_shown: turns.not_shown.into_iter().collect(),
        not_read: turns.not_read.into_iter().collect(),
    }
}

impl Core {
    /// A cycle was taken in: a slice of the walk goes on beside what is due, which never waits for it.
    pub fn start_walk(&mut self, shown: Option<FastSet<TaskId>>, now: Timestamp) {
        let (Some(shown), Some(intake)) = (shown, self.intake.clone()) else {
            return;
        };
        // a clock that was set back must not stop the walks
        let early = |from: Timestamp| now < from && from.duration_since(now) <= APART;
        if self.walking.busy || self.walking.from.is_some_and(early) {
            return;
        }
        self.walking = Walking {
            busy: true,
            from: now.checked_add(APART).ok(),
        };
        let further = self.logins.further().iter().zip(&self.settings.logins);
        let further = further.map(|((_, client), of)| Walker::of(client, &of.server));
        let slice = Slice {
            intake,
            walkers: std::iter::once(Walker::of(&self.client, &self.settings.server))
                .chain(further)
                .collect(),
            settings: Arc::clone(&self.settings),
            shown,
            fresh: true,
            in_a_row: 0,
        };
        self.jobs
            .spawn(async move { Done::Walked(slice.run(now).await) });
    }

    /// A slice of the walk has ended.
    pub async fn walk_done(&mut self, ended: Result<(), OigError>) -> Result<(), DaemonError> {
        self.walking.busy = false;
        match ended {
            // a further login may have met its stop, and is no error here
            Ok(()) if self.logins.further().is_empty() => Ok(()),
            Ok(()) | Err(_) => self.login_changed(self.clock.now()).await,
        }
    }

    /// How the walk stands, where one is configured.
    pub fn walk_view(&self) -> Option<WalkView> {
        let file = self.settings.intake.persons_file.as_ref()?;
        let walks = self.intake.as_ref()?.walks();
        Some(WalkView {
            file: file.display().to_string(),
            began: walks.round.began,
            over: walks.round.over,
            turns: turns_view(walks.round.turns),
            problem: walks.problem,
        })
    }

    /// What became of persons who were named, where any was.
    pub fn persons_view(&self) -> Option<TurnsView> {
        let turns = self.intake.as_ref()?.walks().asked;
        (turns != Turns::default()).then(|| turns_view(turns))
    }
}
