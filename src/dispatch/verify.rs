//! Reads what the list can't tell of open attempts, one by one inside the read budget; it only reads, the ledger judges.

use crate::ledger::{Looked, VerifyItem};
use crate::oig::{Client, OigError};

/// Reads each item: its process where that may show a successor, else the task itself. Items that
/// could not be read stay due; a stopped login ends the round.
///
/// # Errors
/// The first trouble that concerns every further reading too.
pub async fn look(client: &Client, items: Vec<VerifyItem>) -> (Vec<Looked>, Option<OigError>) {
    let mut looked = Vec::with_capacity(items.len());
    for item in items {
        if item.read_process
            && let Some(process) = &item.process
        {
            match client.process(process).await {
                Ok(Some(tasks)) => {
                    let shows = tasks.iter().any(|task| task.id == item.task);
                    looked.push(Looked::process(item.lineage, item.ordinal, tasks));
                    if shows {
                        continue;
                    }
                }
                Ok(None) => {}
                Err(error) if error.is_login() => return (looked, Some(error)),
                Err(error) => {
                    tracing::debug!(%error, %process, "an account could not be read for verification");
                    return (looked, Some(error));
                }
            }
        }
        match client.task(&item.task).await {
            Ok(task) => looked.push(Looked::single(item.lineage, item.ordinal, task)),
            Err(error) => return (looked, Some(error)),
        }
    }
    (looked, None)
}
