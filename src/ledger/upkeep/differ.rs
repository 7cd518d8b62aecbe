//! What one index says that another doesn't, but for what was to be taken out; pure. What it finds stops a rewriting before it takes effect.

use std::collections::HashSet;

use crate::ledger::index::{Index, Lineage, Short, flags};
use crate::model::{LineageId, Owner};

/// Differences that are told.
const TOLD: usize = 5;

/// What was taken out, and may differ therefore.
#[derive(Default)]
pub(super) struct Allowed {
    /// Lineages of which owners, reasons, the key for joining and the last decision may be gone.
    pub lineages: HashSet<LineageId>,
    /// Texts that have to be gone.
    pub texts: HashSet<Short>,
}

/// What differs, in words; both are of the same journal, before and after.
pub(super) fn differences(before: &Index, after: &Index, allowed: &Allowed) -> Vec<String> {
    let mut out = Vec::new();
    let parts = [
        ("the store's id", before.store_id == after.store_id),
        ("the server", before.fingerprint == after.fingerprint),
        (
            "the rewind",
            before.rewound == after.rewound
                && before.restored == after.restored
                && before.damage == after.damage,
        ),
        (
            "the doubt about the server",
            before.other_world == after.other_world,
        ),
        ("the highest id", before.top == after.top),
        ("the known ids", before.by_task == after.by_task),
        ("the ids given out twice", before.reused == after.reused),
        (
            "the open attempts",
            before.attempts == after.attempts && before.open == after.open,
        ),
        ("the attempts by state", before.counts == after.counts),
        ("what was learned", before.manual == after.manual),
        ("the pauses", before.pauses == after.pauses),
        ("the holds", before.holds == after.holds),
        ("the mode", before.mode == after.mode),
        (
            "the policy sets",
            before.policies == after.policies && before.released == after.released,
        ),
        ("the baseline", before.baseline == after.baseline),
        ("the stopped logins", before.stopped == after.stopped),
        ("the governor's state", before.governor == after.governor),
        (
            "the server's back-off",
            before.server_until == after.server_until,
        ),
        (
            "the number of lineages",
            before.lineages.len() == after.lineages.len(),
        ),
    ];
    for (what, same) in parts {
        if !same {
            out.push(format!("{what} would differ"));
        }
    }
    texts(before, after, allowed, &mut out);
    for (n, (was, is)) in (1u64..).zip(before.lineages.iter().zip(&after.lineages)) {
        let lineage = LineageId(n);
        let loose = allowed.lineages.contains(&lineage);
        if !same_lineage((before, was), (after, is), loose) {
            out.push(format!("{lineage} would differ"));
        }
        if out.len() >= TOLD {
            out.push("and maybe more".to_owned());
            break;
        }
    }
    out
}

fn texts(before: &Index, after: &Index, allowed: &Allowed, out: &mut Vec<String>) {
    let stay = before
        .kept
        .iter()
        .filter(|(text, _)| !allowed.texts.contains(text));
    let mut stays = 0_usize;
    let mut missing = 0_usize;
    for (text, place) in stay {
        stays += 1;
        missing += usize::from(after.kept.get(text) != Some(place));
    }
    if missing > 0 || after.kept.len() != stays {
        out.push(format!(
            "{missing} stored texts would be lost, {} be there beside those that stay",
            after.kept.len().saturating_sub(stays)
        ));
    }
}

fn same_lineage(
    (before, was): (&Index, &Lineage),
    (after, is): (&Index, &Lineage),
    loose: bool,
) -> bool {
    let owner = |index: &Index, at: u32| -> Option<Owner> { index.owners.get(at).cloned() };
    let owners = |index: &Index, of: &Lineage| -> Vec<Option<Owner>> {
        let past = of.past.iter().flat_map(|past| &past.owners);
        past.map(|at| owner(index, *at)).collect()
    };
    if !loose
        && (owner(before, was.owner) != owner(after, is.owner)
            || owners(before, was) != owners(after, is))
    {
        return false;
    }
    // owners are numbered in the order in which they come: their numbers may differ
    plain(was, loose) == plain(is, loose)
}

/// A lineage without what may differ.
fn plain(of: &Lineage, loose: bool) -> Lineage {
    let mut of = of.clone();
    of.owner = 0;
    if loose {
        of.key = None;
        of.decided = None;
        of.set(flags::ASKS, false);
    }
    if let Some(past) = of.past.as_mut() {
        past.owners.clear();
        if loose {
            for attempt in &mut past.attempts {
                attempt.reason = None;
            }
        }
    }
    // one that has no past and one whose past is empty say the same
    if of
        .past
        .as_ref()
        .is_some_and(|past| **past == Default::default())
    {
        of.past = None;
    }
    of
}
