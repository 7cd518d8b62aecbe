//! Brings groups of records to the disk, on a thread of its own and one after the other; nothing is answered before it is there, and after a failure nothing is written any more.

use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};

use super::error::LedgerError;
use super::sidecar::{Mark, Sidecar};
use super::store::Store;

/// Answers whoever asked for something of a group.
pub(super) type Finish = Box<dyn FnOnce(Result<(), LedgerError>) + Send>;

/// A group commit: records in order, the sidecar's mark after them (`None` where there are none), and
/// who waits for all that came up to here.
pub(super) struct Group {
    pub records: Vec<(u64, Vec<u8>)>,
    pub mark: Option<Mark>,
    pub finish: Vec<Finish>,
}

/// Why writing has failed, if it has; shared with the thread that makes the groups.
pub(super) type Failed = Mutex<Option<Arc<str>>>;

/// Writes group after group until there is nobody left who makes them.
pub(super) fn write(
    groups: &Receiver<Group>,
    store: &dyn Store,
    mut sidecar: Option<Sidecar>,
    failed: &Failed,
    note_failure: &dyn Fn(&Arc<str>),
) {
    let why = || {
        failed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    };
    while let Ok(Group {
        records,
        mark,
        finish,
    }) = groups.recv()
    {
        let done = match (why(), mark) {
            (Some(why), _) => Err(LedgerError::Failed(why)),
            (None, None) => Ok(()),
            (None, Some(mark)) => {
                let done = commit(store, sidecar.as_mut(), &mark, &records);
                if let Err(error) = &done {
                    let why: Arc<str> = Arc::from(error.to_string());
                    tracing::error!(error = %why, "the ledger could not write; sending must stop and the process end");
                    *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&why));
                    note_failure(&why);
                }
                done
            }
        };
        for answer in finish {
            answer(done.clone());
        }
    }
}

fn commit(
    store: &dyn Store,
    sidecar: Option<&mut Sidecar>,
    mark: &Mark,
    records: &[(u64, Vec<u8>)],
) -> Result<(), LedgerError> {
    store.append(records)?;
    if let Some(sidecar) = sidecar {
        sidecar.write(mark)?;
    }
    Ok(())
}
