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
use crate::model::hash::FastSet;
use crate::model::settings::Settings;
use crate::model::{Login, Snapshot, TaskId, TaskStatus, UserKey};
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
    let whole = snapshot.complete && !bench.whole && !bench.ahead;
    (wanted && whole).then(|| snapshot.tasks.iter().map(|task| task.id.clone()).collect())
}

/// The persons of a file. Who may write into it says whose accounts are read, so it must not be open to everybody.
///
/// # Errors
/// The file can't be used as a whole.
pub fn persons_of(path: &Path) -> std::io::Result<Persons> {
    let meta = std::fs::metadata(path)?;
    if !meta.is_file() {
        return Err(std::io::Error::other("it is not a file"));
    }
    if meta.mode() & 0o002 != 0 {
        return Err(std::io::Error::other(format!(
            "everybody may write into it (mode {:o})",
            meta.mode() & 0o7777
        )));
    }
    Ok(source::persons(&std::fs::read_to_string(path)?))
}

/// A person whose turn it is.
struct Due {
    login: Login,
    /// One whom an event or a file of the folder has named.
    asked: Option<Asked>,
}

/// What came of a person's accounts.
struct Told {
    end: PersonEnd,
    found: u64,
    /// The server does not want to be asked on.
    stopped: Option<OigError>,
}

/// One slice of the walk: whose turn it is, within a share of the read budget.
struct Slice {
    intake: Intake,
    client: Client,
    settings: Arc<Settings>,
    /// Tasks that have a road already.
    shown: FastSet<TaskId>,
    /// Requests that are left to it.
    reads: u32,
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
        for part in due.chunks(TOGETHER) {
            let Some(first) = part.first().filter(|_| self.reads > 0) else {
                return Ok(());
            };
            let wanted: Vec<Login> = part.iter().map(|due| due.login.clone()).collect();
            let people = match self.client.users_by_login(&wanted).await {
                Ok(people) => people,
                Err(error) => {
                    if !error.is_login() {
                        self.stopped_at(first, round, 0).await;
                    }
                    return Err(error);
                }
            };
            // who is missing may have been asked for singly
            let singly = people.missing.len() + people.unknown.len();
            self.spend(1 + u32::try_from(singly).unwrap_or(u32::MAX));
            for one in part {
                let key = people.found.get(&one.login).map(|of| of.key.clone());
                let end = match key {
                    Some(Some(key)) => {
                        let told = match self.person(&key).await? {
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
                    None | Some(None) => (PersonEnd::NotRead, 0),
                };
                self.had_turn(one, round, end.0, end.1).await;
            }
        }
        Ok(())
    }

    fn spend(&mut self, reads: u32) {
        self.reads = self.reads.saturating_sub(reads);
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

    /// All accounts of a person; `None`: not now.
    async fn person(&mut self, key: &UserKey) -> Result<Option<Told>, OigError> {
        let mut told = Told {
            end: PersonEnd::NotRead,
            found: 0,
            stopped: None,
        };
        if self.reads == 0 {
            return Ok(None);
        }
        self.spend(1);
        let (processes, all_told) = match self.client.accounts_of(key).await {
            Ok(Some(accounts)) => accounts,
            Ok(None) => return Ok(Some(told)),
            Err(error) if error.is_login() => return Err(error),
            Err(error) => {
                tracing::debug!(user = %key, %error, "accounts can't be read");
                told.stopped = (!self.failed(&error)).then_some(error);
                return Ok(Some(told));
            }
        };
        self.in_a_row = 0;
        let all = u32::try_from(processes.len()).unwrap_or(u32::MAX);
        // whose accounts are more than what is left comes first in the next slice, with all of it
        if all > self.reads && !std::mem::replace(&mut self.fresh, false) {
            return Ok(None);
        }
        self.fresh = false;
        if all_told {
            told.end = PersonEnd::Walked;
        }
        let mut found = BTreeSet::new();
        for process in &processes {
            if self.reads == 0 {
                // more accounts than a slice has requests
                told.end = PersonEnd::NotRead;
                break;
            }
            self.spend(1);
            let tasks = match self.client.process(process).await {
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
        let slice = Slice {
            intake,
            client: self.client.clone(),
            settings: Arc::clone(&self.settings),
            shown,
            reads: (self.settings.server.reads_per_minute / 8).max(4),
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
            Ok(()) => Ok(()),
            Err(_) => self.login_changed(self.clock.now()).await,
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
