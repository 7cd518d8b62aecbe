//! Reads the list, and tells which tasks have really left it; one odd pass never makes a task "gone".

use std::collections::HashSet;

use crate::model::{Snapshot, TaskId};
use crate::oig::{Client, OigError};

/// Reads one snapshot.
///
/// # Errors
/// Any [`OigError`] of any page.
pub async fn poll(client: &Client) -> Result<Snapshot, OigError> {
    client.list().await
}

/// Which ids have left the list: absent from two complete, unshifted snapshots in a row.
#[derive(Clone, Debug, Default)]
pub struct Departed {
    present: HashSet<TaskId>,
    missed_once: HashSet<TaskId>,
}

impl Departed {
    /// Takes a snapshot and returns the ids that count as absent from now on, each once. Snapshots that are
    /// incomplete or shifted only bring ids back; they never count as absence.
    pub fn observe(&mut self, snapshot: &Snapshot) -> Vec<TaskId> {
        let now: HashSet<TaskId> = snapshot.tasks.iter().map(|t| t.id.clone()).collect();
        self.missed_once.retain(|id| !now.contains(id));
        if !(snapshot.complete && snapshot.stable) {
            self.present.extend(now);
            return Vec::new();
        }
        let gone: Vec<TaskId> = self.missed_once.drain().collect();
        for id in &gone {
            self.present.remove(id);
        }
        self.missed_once = self.present.difference(&now).cloned().collect();
        self.present.extend(now);
        gone
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::model::{Login, Task, TaskStatus};

    fn shot(ids: &[&str], whole: bool) -> Snapshot {
        Snapshot {
            taken_at: Timestamp::UNIX_EPOCH,
            tasks: ids
                .iter()
                .map(|id| Task::bare(TaskId::new(id), TaskStatus::Rejected))
                .collect(),
            complete: true,
            stable: whole,
            seers: None,
            login: Login::new("X"),
            pages: 1,
            unreadable: Vec::new(),
            unread: Vec::new(),
        }
    }

    #[test]
    fn only_two_whole_passes_make_a_task_absent_and_only_once() {
        let mut departed = Departed::default();
        assert!(departed.observe(&shot(&["1", "2", "3"], true)).is_empty());
        assert!(departed.observe(&shot(&["1"], true)).is_empty());
        assert!(
            departed.observe(&shot(&["1", "2"], false)).is_empty(),
            "2 is back, and a shifted pass proves nothing"
        );
        assert_eq!(departed.observe(&shot(&["1"], true)), [TaskId::new("3")]);
        assert_eq!(departed.observe(&shot(&["1"], true)), [TaskId::new("2")]);
        assert!(departed.observe(&shot(&["1"], true)).is_empty());
    }
}
