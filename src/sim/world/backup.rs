//! A copy of OIG's own data that can be put back: ids are then given out a second time, as after a restored database; it must never touch what the targets have really become.

use std::collections::{BTreeSet, HashMap};

use super::{Pending, Task, World};

/// The tasks as they were, and the next id.
#[derive(Debug)]
pub(super) struct Backup {
    tasks: Vec<Task>,
    open: BTreeSet<usize>,
    by_key: HashMap<u64, usize>,
    of_accounts: Vec<Vec<usize>>,
    next: u64,
}

impl World {
    /// Copies all tasks, in place of an earlier copy.
    pub(super) fn back_up(&mut self) {
        self.backup = Some(Backup {
            tasks: self.tasks.clone(),
            open: self.open.clone(),
            by_key: self.task_by_key.clone(),
            of_accounts: self.accounts.iter().map(|of| of.tasks.clone()).collect(),
            next: self.next.task,
        });
    }

    /// Puts the copy back: later tasks are gone as though they had never been, and their ids are
    /// given out again. What was running then does not go on. False where there is no copy.
    pub(super) fn restore(&mut self) -> bool {
        let Some(backup) = self.backup.take() else {
            return false;
        };
        self.tasks = backup.tasks;
        self.open = backup.open;
        self.task_by_key = backup.by_key;
        self.next.task = backup.next;
        let mut before = backup.of_accounts.into_iter();
        for account in &mut self.accounts {
            account.tasks = before.next().unwrap_or_default();
        }
        self.queue
            .retain(|_, pending| matches!(pending, Pending::Act { .. } | Pending::Deferred { .. }));
        self.restored += 1;
        self.version += 1;
        true
    }
}
