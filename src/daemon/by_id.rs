//! Reads by their ids the tasks that somebody has named, and beside the cycles those of them that are new and in no list; it takes nothing from a hint but the id, and decides and sends nothing.

use super::DaemonError;
use super::core::{Core, Done};
use super::evaluate::Bench;
use crate::dispatch::verify::{IN_A_ROW, of_the_server};
use crate::model::{Task, TaskId};
use crate::oig::{Client, Logins, OigError};
use crate::source::{Hint, HintEnd, Intake};

/// What a reading has told of a hint.
pub enum Told {
    /// It has come to this end.
    Ended(HintEnd),
    /// It is open, and the login of this number has read it.
    Open(Box<Task>, usize),
    /// Nothing, and that was no trial of this task: it waits on.
    Waits,
    /// It could not be read this time.
    InVain,
}

/// Readings one after the other, as the main login, else as the first further one that can.
pub struct Finder {
    client: Client,
    logins: Logins,
    in_a_row: u32,
    stopped: bool,
}

impl Finder {
    /// By the logins of a cycle.
    pub fn of(bench: &Bench) -> Self {
        Self::new(&bench.client, &bench.logins)
    }

    fn new(client: &Client, logins: &Logins) -> Self {
        Self {
            client: client.clone(),
            logins: logins.clone(),
            in_a_row: 0,
            stopped: false,
        }
    }

    /// The server is in trouble, and is not asked on.
    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Reads what a hint names.
    ///
    /// # Errors
    /// Only a stopped main login.
    pub async fn read(&mut self, hint: &Hint) -> Result<Told, OigError> {
        let (found, by) = self.find(&hint.task).await;
        match found {
            Ok(None) => Ok(Told::Ended(HintEnd::NotFound)),
            Ok(Some(task)) if task.status.is_finished() => Ok(Told::Ended(HintEnd::Finished)),
            Ok(Some(task)) => {
                self.in_a_row = 0;
                Ok(Told::Open(Box::new(task), by))
            }
            Err(error) if error.is_login() && by == 0 => Err(error),
            // only a further login may be shown it, and that one is stopped: it waits for that one
            Err(error) if error.is_login() => Ok(Told::Waits),
            Err(error) => {
                if by == 0 {
                    self.in_a_row += 1;
                    self.stopped = of_the_server(&error) || self.in_a_row >= IN_A_ROW;
                }
                tracing::warn!(task = %hint.task, %error, "a task that was named by a hint could not be read; it is tried again");
                // what ends the readings of a cycle is no trial of that task, and comes last in the next
                Ok(match self.stopped {
                    true => Told::Waits,
                    false => Told::InVain,
                })
            }
        }
    }

    /// A task by its id with the number of the login that has read it, or of the one that could not tell. It is not
    /// there where all say so.
    async fn find(&self, id: &TaskId) -> (Result<Option<Task>, OigError>, usize) {
        let mut untold = match self.client.task(id).await {
            Ok(None) => None,
            // what this one may not read another one may
            Err(error @ OigError::Status { status: 403, .. }) => Some((error, 0)),
            told => return (told, 0),
        };
        for (n, (_, client)) in (1..).zip(self.logins.further()) {
            match client.task(id).await {
                Ok(None) => {}
                Ok(found) => return (Ok(found), n),
                // it may be the one that may read it, and answers again when its password is right
                Err(error) if error.is_login() => untold = Some((error, n)),
                Err(error) => untold = untold.or(Some((error, n))),
            }
        }
        match untold {
            Some((error, n)) => (Err(error), n),
            None => (Ok(None), 0),
        }
    }
}

/// What came of the readings beside a cycle.
pub struct LookedUp {
    ends: Vec<(Hint, Option<HintEnd>)>,
    kept: Vec<Hint>,
    stop: Option<OigError>,
}

async fn look_up(mut finder: Finder, hints: Vec<Hint>) -> LookedUp {
    let mut out = LookedUp {
        ends: Vec::with_capacity(hints.len()),
        kept: Vec::new(),
        stop: None,
    };
    for hint in hints {
        match finder.read(&hint).await {
            Ok(Told::Ended(end)) => out.ends.push((hint, Some(end))),
            Ok(Told::Open(..)) => out.ends.push((hint, Some(HintEnd::Followed))),
            Ok(Told::InVain) => out.ends.push((hint, None)),
            Ok(Told::Waits) => out.kept.push(hint),
            Err(stop) => {
                out.stop = Some(stop);
                break;
            }
        }
        if finder.is_stopped() {
            break;
        }
    }
    out
}

impl Core {
    /// A cycle was taken in: what hints have named and no list shows is read beside what is due, which never waits for
    /// it, and decided on from the next cycle on.
    pub fn start_look_up(&mut self, intake: &Intake, hints: Vec<Hint>) {
        if hints.is_empty() || self.looking_up || self.stopping {
            return;
        }
        self.looking_up = true;
        // until they are read they bring no cycle forward
        intake.are_read(&hints);
        let finder = Finder::new(&self.client, &self.logins);
        self.jobs
            .spawn(async move { Done::LookedUp(Box::new(look_up(finder, hints).await)) });
    }

    /// The readings beside a cycle have ended: what is open is read with the next list, which comes early for it.
    pub async fn look_up_done(&mut self, told: LookedUp) -> Result<(), DaemonError> {
        self.looking_up = false;
        let now = self.clock.now();
        if let Some(intake) = self.intake.clone() {
            intake.had_turn(&told.kept);
            let open = |(_, end): &(Hint, Option<HintEnd>)| *end == Some(HintEnd::Followed);
            let any_open = told.ends.iter().any(open);
            intake.end(told.ends, Default::default()).await;
            if any_open || intake.is_wanted() {
                self.hint_came(now);
            }
        }
        // a further login may have met its stop, and is no error here
        if told.stop.is_some() || !self.logins.further().is_empty() {
            self.login_changed(now).await?;
        }
        Ok(())
    }
}
