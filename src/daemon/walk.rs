//! Walks through the accounts of the persons of `intake.persons_file`, some in each cycle, for rejected tasks that no list shows; what it finds becomes hints, and it decides and sends nothing.

use std::collections::BTreeSet;

use super::core::Core;
use super::evaluate::Bench;
use crate::control::WalkView;
use crate::dispatch::verify::of_the_server;
use crate::model::hash::FastSet;
use crate::model::{Snapshot, TaskId, TaskStatus, UserKey};
use crate::oig::OigError;
use crate::source::{Intake, PersonEnd, Round, logins};

/// Persons are asked for in one request up to so many.
const TOGETHER: usize = 20;

/// One slice of the walk, after the list was read: whose turn it is, within a share of the read budget.
///
/// # Errors
/// Only a stopped login.
pub async fn step(bench: &Bench, snapshot: &Snapshot) -> Result<(), OigError> {
    let settings = &bench.settings.intake;
    let (Some(intake), Some(path)) = (&bench.intake, &settings.persons_file) else {
        return Ok(());
    };
    // a question walks nowhere, and what is missing of a list may be what an account would show
    if bench.whole || bench.ahead || !snapshot.complete {
        return Ok(());
    }
    let persons = std::fs::read_to_string(path)
        .map_err(|error| error.to_string())
        .and_then(|text| logins(&text));
    let persons = match persons {
        Ok(persons) => persons,
        Err(why) => {
            intake.no_persons(format!("{}: {why}", path.display()));
            return Ok(());
        }
    };
    let (before, _) = intake.round();
    let mut round = before.clone();
    let many = settings.persons_per_cycle;
    let now = bench.clock.now();
    let due = round.next(&persons, now, settings.persons_every, many);
    if round.over && !before.over {
        tracing::info!(
            walked = round.walked,
            not_walked = round.not_walked,
            found = round.found,
            "the accounts of all persons were walked through"
        );
    }
    if !due.is_empty() {
        let shown: FastSet<&TaskId> = snapshot.tasks.iter().map(|task| &task.id).collect();
        let mut slice = Slice {
            bench,
            intake,
            shown,
            reads: (bench.settings.server.reads_per_minute / 8).max(4),
            fresh: true,
        };
        let walked = slice.walk(&due, &mut round).await;
        match walked {
            Err(error) if error.is_login() => return Err(error),
            Err(error) => {
                tracing::warn!(%error, "the walk through accounts was broken off; it goes on in the next cycle");
            }
            Ok(()) => {}
        }
    }
    if round != before || intake.round().1.is_some() {
        intake.keep_round(&round);
    }
    Ok(())
}

/// What a slice works with.
struct Slice<'a> {
    bench: &'a Bench,
    intake: &'a Intake,
    /// Tasks that have a road already.
    shown: FastSet<&'a TaskId>,
    /// Requests that are left to it.
    reads: u32,
    /// Nobody's accounts were read yet.
    fresh: bool,
}

impl Slice<'_> {
    async fn walk(
        &mut self,
        due: &[crate::model::Login],
        round: &mut Round,
    ) -> Result<(), OigError> {
        for part in due.chunks(TOGETHER) {
            if self.reads == 0 {
                return Ok(());
            }
            self.reads -= 1;
            let people = self.bench.client.users_by_login(part).await?;
            for login in part {
                let key = people.found.get(login).map(|person| person.key.clone());
                let (end, found) = match key {
                    None if people.missing.contains(login) => (PersonEnd::NotShown, 0),
                    None | Some(None) => (PersonEnd::NotRead, 0),
                    Some(Some(key)) => match self.person(&key).await? {
                        Some(told) => told,
                        // no budget is left, or no place: this one is the first of the next slice
                        None => return Ok(()),
                    },
                };
                round.had_turn(login.clone(), end, found);
                self.intake.keep_round(round);
            }
        }
        Ok(())
    }

    /// All accounts of a person; `None`: not now.
    async fn person(&mut self, key: &UserKey) -> Result<Option<(PersonEnd, u64)>, OigError> {
        if self.reads == 0 {
            return Ok(None);
        }
        self.reads -= 1;
        let processes = match self.bench.client.accounts_of(key).await {
            Ok(Some(processes)) => processes,
            Ok(None) => return Ok(Some((PersonEnd::NotRead, 0))),
            Err(error) if error.is_login() || of_the_server(&error) => return Err(error),
            Err(error) => {
                tracing::debug!(user = %key, %error, "accounts can't be read");
                return Ok(Some((PersonEnd::NotRead, 0)));
            }
        };
        let processes: BTreeSet<_> = processes.into_iter().collect();
        let all = u32::try_from(processes.len()).unwrap_or(u32::MAX);
        // whose accounts are more than what is left comes first in the next slice, with all of it
        if all > self.reads && !std::mem::replace(&mut self.fresh, false) {
            return Ok(None);
        }
        self.fresh = false;
        let mut end = PersonEnd::Walked;
        let mut found = BTreeSet::new();
        for process in &processes {
            if self.reads == 0 {
                // more accounts than a slice has requests
                end = PersonEnd::NotRead;
                break;
            }
            self.reads -= 1;
            let tasks = match self.bench.client.process(process).await {
                Ok(Some(tasks)) => tasks,
                Ok(None) => {
                    end = PersonEnd::NotRead;
                    continue;
                }
                Err(error) if error.is_login() || of_the_server(&error) => return Err(error),
                Err(error) => {
                    tracing::debug!(process = %process, %error, "an account can't be read");
                    end = PersonEnd::NotRead;
                    continue;
                }
            };
            let new = tasks.into_iter().filter(|task| {
                task.status == TaskStatus::Rejected
                    && !self.shown.contains(&task.id)
                    && self.intake.road_of(&task.id).is_none()
            });
            found.extend(new.map(|task| task.id));
        }
        let many = u64::try_from(found.len()).unwrap_or(u64::MAX);
        let taken = self.intake.take_walked(found).await;
        Ok(taken.then_some((end, many)))
    }
}

impl Core {
    /// How the walk stands, where one is configured.
    pub fn walk_view(&self) -> Option<WalkView> {
        let file = self.settings.intake.persons_file.as_ref()?;
        let (round, problem) = self.intake.as_ref()?.round();
        Some(WalkView {
            file: file.display().to_string(),
            began: round.began,
            over: round.over,
            walked: round.walked,
            found: round.found,
            not_walked: round.not_walked,
            not_shown: round.not_shown.into_iter().collect(),
            not_read: round.not_read.into_iter().collect(),
            problem,
        })
    }
}
