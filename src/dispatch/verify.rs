//! Reads what the list can't tell of open attempts, one by one inside the read budget; it only reads, the ledger judges.

use crate::ledger::{Looked, VerifyItem};
use crate::model::{ProcessKey, TaskId};
use crate::oig::{Client, Logins, OigError};

/// After so many failed readings in a row the server is taken to be the trouble, not the items.
pub const IN_A_ROW: u32 = 3;

/// What a round of readings brought.
#[derive(Debug, Default)]
pub struct Round {
    /// What was read, and which items could not be read.
    pub looked: Vec<Looked>,
    /// Items that could not be read for a reason of their own, with why.
    pub failed: Vec<(VerifyItem, String)>,
    /// Items that only a login can read which is stopped, or not configured any more, with why: that is no
    /// trouble of the server's, nor of any other item.
    pub barred: Vec<(VerifyItem, String)>,
    /// Items that the round did not come to.
    pub rest: Vec<VerifyItem>,
    /// What ended the round before its end: it concerns every further reading too.
    pub error: Option<OigError>,
    /// Something was answered, an item or the witness: not the whole server is silent.
    pub answers: bool,
}

impl Round {
    fn bar(&mut self, item: VerifyItem, why: String) {
        let unread = Looked::unreadable(item.lineage, item.ordinal);
        self.looked.push(unread);
        self.barred.push((item, why));
    }

    fn give_up(&mut self, item: VerifyItem, why: String) {
        let unread = Looked::unreadable(item.lineage, item.ordinal);
        self.looked.push(unread);
        self.failed.push((item, why));
    }
}

/// A task that has nothing to do with the items: where it can be read and they can't, the trouble is theirs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Witness {
    /// The task.
    pub task: TaskId,
    /// Its account, read in its place where there is one: so are most items.
    pub process: Option<ProcessKey>,
}

impl Witness {
    async fn ask(&self, client: &Client) -> Result<(), OigError> {
        match &self.process {
            Some(process) => client.process(process).await.map(|_| ()),
            None => client.task(&self.task).await.map(|_| ()),
        }
    }
}

/// Reads each item: its process where that may show a successor, else the task itself. An item that
/// can't be read is noted and the round goes on; a stopped login, a server that can't be reached or
/// asks to wait, or several failures in a row end it. A witness is asked first.
///
/// What one of several logins has sent only that one reads: where it can't, the item is left as it is, and
/// nothing else is held up by it.
pub async fn look(logins: &Logins, items: Vec<VerifyItem>, witness: Option<Witness>) -> Round {
    let client = logins.main();
    let mut round = Round::default();
    let mut in_a_row = 0;
    if let Some(witness) = witness {
        match witness.ask(client).await {
            Ok(()) => round.answers = true,
            Err(error) if gone(&error) || error.retry_after().is_some() => {
                round.rest = items;
                round.error = Some(error);
                return round;
            }
            // the witness itself may be what is broken
            Err(error) => {
                tracing::debug!(%error, task = %witness.task, "a witness could not be read")
            }
        }
    }
    let mut items = items.into_iter();
    while let Some(item) = items.next() {
        let own = match &item.login {
            None => client,
            Some(login) => match logins.of(login) {
                Some(own) => own,
                None => {
                    let why = format!(
                        "{login}, which has sent it, is no configured login any more; put it back as [[login]], or say what became of it (`provtaskd outcomes settle`)"
                    );
                    round.bar(item, why);
                    continue;
                }
            },
        };
        let Err(error) = read(own, &item, &mut round.looked).await else {
            in_a_row = 0;
            round.answers = true;
            continue;
        };
        // with one login alone nothing can be read at all
        let others = item.login.is_some() || !logins.further().is_empty();
        if error.is_login() && others {
            let why = match &item.login {
                Some(login) => format!("{login}, which has sent it, is stopped: {error}"),
                None => format!("the main login, which has sent it, is stopped: {error}"),
            };
            round.bar(item, why);
            continue;
        }
        in_a_row += 1;
        if gone(&error) {
            round.rest.push(item);
            round.error = Some(error);
        } else {
            let why = error.to_string();
            if of_the_server(&error) || in_a_row >= IN_A_ROW {
                round.error = Some(error);
            }
            round.give_up(item, why);
        }
        if round.error.is_some() {
            round.rest.extend(items);
            break;
        }
    }
    round
}

async fn read(
    client: &Client,
    item: &VerifyItem,
    looked: &mut Vec<Looked>,
) -> Result<(), OigError> {
    if item.read_process
        && let Some(process) = &item.process
    {
        match client.process(process).await {
            Ok(Some(tasks)) => {
                let shows = tasks.iter().any(|task| task.id == item.task);
                looked.push(Looked::process(item.lineage, item.ordinal, tasks));
                if shows {
                    return Ok(());
                }
            }
            Ok(None) => {}
            Err(error) if of_the_server(&error) => return Err(error),
            // the task itself may still be readable, and tell
            Err(error) => {
                tracing::debug!(%error, %process, "an account could not be read for verification");
            }
        }
    }
    let task = client.task(&item.task).await?;
    looked.push(Looked::single(item.lineage, item.ordinal, task));
    Ok(())
}

/// True where no reading at all can come about.
pub fn gone(error: &OigError) -> bool {
    error.is_login() || matches!(error, OigError::Connect { .. })
}

/// True for trouble that every further reading would meet too.
pub fn of_the_server(error: &OigError) -> bool {
    match error {
        OigError::Status { status, .. } => matches!(status, 408 | 429 | 502..=504),
        other => gone(other),
    }
}
