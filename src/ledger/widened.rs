//! Which first sights are none of new work: what was there before enforce was switched on, and only came into sight later because the lists show more (a role, a filter, a login); it releases nothing, and holds back nothing that is dated later.

use jiff::Timestamp;

use super::lineage::{Join, Newcomer, coarseness};
use super::work::Work;
use crate::model::Snapshot;

/// So many at once without a date, below the highest known id, are no chance: a database that hands out ids from
/// several ranges gives out single ones out of turn.
const CROWD: usize = 2;

impl Work {
    /// Of each newcomer, whether it belongs to the backlog of the first enforce, aligned with them.
    ///
    /// A date tells, where there is one. One of the day of the first enforce without its time is taken for older: the
    /// task waits where everybody sees it. Without a date the id tells what is older than all that was there; of the
    /// others it can't be told, and they are new work (on a server that dates nothing all would wait for ever), unless
    /// the same list shows that the view has become wider.
    pub(super) fn was_there(
        &self,
        snapshot: &Snapshot,
        newcomers: &[Newcomer],
        joins: &[Join],
    ) -> Vec<bool> {
        let mut old = vec![false; joins.len()];
        let index = self.index();
        if index.baseline().is_none() {
            return old;
        }
        let since = |new: &Newcomer| {
            let seers = snapshot.seers.as_ref();
            let login = seers.and_then(|seers| seers.name(new.at));
            index.backlog_since(Some(login.unwrap_or(&snapshot.login)))
        };
        let mut undated = Vec::new();
        let mut wider = false;
        for (n, (new, to)) in newcomers.iter().zip(joins).enumerate() {
            if new.instead_of.is_some() {
                // a person looks at each of them
                continue;
            }
            match (to, new.created) {
                (Join::To(..) | Join::Undecided, _) => {}
                (Join::Fresh | Join::Ambiguous(_), Some(created)) => {
                    let from = since(new);
                    old[n] = from.is_some_and(|from| created <= from);
                    wider |= from.is_some_and(|from| surely_before(created, from));
                }
                // whose successor it is a person has to say, and a predecessor of ours makes it new
                (Join::Fresh, None) => undated.push(n),
                (Join::Ambiguous(_), None) => {}
            }
        }
        if undated.is_empty() {
            return old;
        }
        let top = index.backlog_top().unwrap_or(0);
        let below = |n: &usize, top: u64| newcomers[*n].task.number().is_some_and(|id| id < top);
        let out_of_turn = undated.iter().filter(|n| below(n, index.top)).count();
        wider |= out_of_turn >= CROWD;
        for n in undated {
            old[n] = wider || below(&n, top);
        }
        old
    }
}

/// True where the server says so, whatever its stamp leaves out.
fn surely_before(created: Timestamp, from: Timestamp) -> bool {
    from.duration_since(created) > coarseness(Some(created))
}
