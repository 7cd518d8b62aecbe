//! Successors that the server dates before our send, all by the same span: then its clock or the configured zone is wrong, and that has to be said; pure, it joins nothing and doubts nobody.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use crate::model::TaskId;

/// So many successors in a row, all dated alike, are no chance.
const ENOUGH: usize = 3;
/// Spans that differ by no more come from one clock: a request takes its time, and a stamp may lack its seconds.
const ALIKE: SignedDuration = SignedDuration::from_secs(120);
/// Ids that are remembered at most.
const REMEMBERED: usize = 64;

/// How far the server's dates are behind our sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ServerBehind {
    /// Possible successors that are dated so.
    pub tasks: usize,
    /// By how much, the smallest of them.
    pub by: SignedDuration,
}

/// What was seen in a row.
#[derive(Clone, Debug, Default)]
pub(super) struct Dated(BTreeMap<TaskId, SignedDuration>);

impl Dated {
    /// What may be a successor is dated so long before the send.
    pub fn before(&mut self, task: &TaskId, by: SignedDuration) {
        if self.0.len() < REMEMBERED || self.0.contains_key(task) {
            self.0.entry(task.clone()).or_insert(by);
        }
    }

    /// A successor is dated as it should be: the row begins anew.
    pub fn after(&mut self) {
        self.0.clear();
    }

    /// The span, where enough of them agree on one.
    pub fn told(&self) -> Option<ServerBehind> {
        let mut spans: Vec<SignedDuration> = self.0.values().copied().collect();
        spans.sort_unstable();
        let alike = |from: &SignedDuration| {
            let end = from.saturating_add(ALIKE);
            spans
                .iter()
                .filter(|by| **by >= *from && **by <= end)
                .count()
        };
        let (by, tasks) = spans
            .iter()
            .map(|from| (*from, alike(from)))
            .max_by_key(|(by, tasks)| (*tasks, std::cmp::Reverse(*by)))?;
        (tasks >= ENOUGH).then_some(ServerBehind { tasks, by })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dated(spans: &[i64]) -> Dated {
        let mut out = Dated::default();
        for (n, seconds) in spans.iter().enumerate() {
            let id = TaskId::new(&n.to_string());
            out.before(&id, SignedDuration::from_secs(*seconds));
            // every pass shows it again
            out.before(&id, SignedDuration::from_secs(seconds + 9999));
        }
        out
    }

    #[test]
    fn three_alike_tell_and_two_or_others_do_not() {
        let by = |spans: &[i64]| dated(spans).told().map(|b| (b.tasks, b.by.as_secs()));
        assert_eq!(by(&[3600, 3605]), None);
        assert_eq!(by(&[3600, 9000, 50_000]), None);
        assert_eq!(by(&[3600, 3605, 3720]), Some((3, 3600)));
        assert_eq!(by(&[400_000, 3600, 3605, 3650, 9000]), Some((3, 3600)));
        let mut anew = dated(&[3600, 3605, 3610]);
        anew.after();
        assert_eq!(anew.told(), None);
    }
}
