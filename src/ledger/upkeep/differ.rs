//! What one index says that another doesn't, but for what was to be taken out; pure. What it finds stops a rewriting before it takes effect.

use std::collections::HashSet;
use std::sync::Arc;

use super::strip::TAKEN_OUT;
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
    /// Words that came with orders and with what was learned may be gone; what holds stays.
    pub words: bool,
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
            before.other_world == after.other_world && before.moved == after.moved,
        ),
        ("the highest id", before.top == after.top),
        ("the known ids", before.by_task == after.by_task),
        ("the ids given out twice", before.reused == after.reused),
        (
            "what left the lists",
            before.left == after.left && before.lost_up_to == after.lost_up_to,
        ),
        (
            "the open attempts",
            before.attempts == after.attempts && before.open == after.open,
        ),
        ("the attempts by state", before.counts == after.counts),
        (
            "what was learned",
            same_words(
                before.manual.iter(),
                |key| after.manual.get(key),
                after.manual.len(),
                |of| &mut of.reason,
                allowed.words,
            ),
        ),
        (
            "the pauses",
            same_words(
                before.pauses.iter(),
                |key| after.pauses.get(key),
                after.pauses.len(),
                |of| &mut of.reason,
                allowed.words,
            ),
        ),
        ("the holds", before.holds == after.holds),
        // words that name a person may be taken out of what is on record of it
        ("the mode", before.mode == after.mode),
        (
            "the policy sets",
            before.policies == after.policies
                && before.in_force == after.in_force
                && same_words(
                    before.released.iter(),
                    |key| after.released.get(key),
                    after.released.len(),
                    |(_, word)| word,
                    allowed.words,
                ),
        ),
        ("the baseline", before.baseline == after.baseline),
        ("the releases of the order", before.orders == after.orders),
        (
            "the justifications",
            before.justifications == after.justifications,
        ),
        ("the failed requests in a row", before.ends == after.ends),
        (
            "the targets that keep ids",
            before.keep_ids == after.keep_ids,
        ),
        ("how late successors came", before.delays == after.delays),
        (
            "the stopped logins",
            same_words(
                before.stopped.iter(),
                |key| after.stopped.get(key),
                after.stopped.len(),
                |of| &mut of.why,
                allowed.words,
            ),
        ),
        ("the governor's state", before.governor == after.governor),
        ("what was handed to people", {
            // owners are numbered in the order in which they come
            let (was, is) = (&before.handed, &after.handed);
            let same = |of: &LineageId| was.contains_key(of) == is.contains_key(of);
            let mut all = was.keys().chain(is.keys());
            all.all(|of| same(of) || allowed.lineages.contains(of))
        }),
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

/// True where both hold the same, but for words that may be gone.
fn same_words<'a, K: 'a, V: Clone + PartialEq + 'a>(
    before: impl Iterator<Item = (&'a K, &'a V)>,
    after: impl Fn(&K) -> Option<&'a V>,
    many: usize,
    words: impl Fn(&mut V) -> &mut Arc<str>,
    may_go: bool,
) -> bool {
    let mut seen = 0;
    for (key, was) in before {
        seen += 1;
        let Some(is) = after(key) else { return false };
        let (mut was, mut is) = (was.clone(), is.clone());
        if may_go && **words(&mut is) == *TAKEN_OUT {
            *words(&mut was) = Arc::from(TAKEN_OUT);
        }
        if was != is {
            return false;
        }
    }
    seen == many
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
        (of.key, of.who) = (None, 0);
        of.decided = None;
        of.set(flags::ASKS, false);
    }
    if let Some(past) = of.past.as_mut() {
        past.owners.clear();
        if loose {
            past.decided_in = 0;
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

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::ledger::record::{ClaimItem, EventBody, Meta, OpenedItem, chain, genesis};
    use crate::model::{
        Action, ActionName, AttemptEvent, BatchId, Digest, Kind, Login, Outcome, TargetName, TaskId,
    };

    fn at() -> Timestamp {
        "2027-03-01T08:00:00Z".parse().expect("a time")
    }

    fn index(bodies: Vec<EventBody>) -> Index {
        let mut index = Index::default();
        for body in bodies {
            let head = index.head().cloned().unwrap_or_else(genesis);
            let meta = Meta::daemon(at(), None);
            let made = chain(&meta, body, index.last_seq() + 1, head).expect("small");
            for (event, _, digest) in made {
                index.apply(&event, digest);
            }
        }
        index
    }

    fn owner(login: &str) -> Option<Owner> {
        Some(Owner::User {
            key: None,
            login: Some(Login::new(login)),
        })
    }

    fn opened(lineage: u64, user: Option<&str>, owner: Option<Owner>) -> OpenedItem {
        OpenedItem {
            lineage: LineageId(lineage),
            task: TaskId::new(&format!("{}", 100 + lineage)),
            created: Some(at()),
            kind: Kind::Grant,
            target: Some(TargetName::new("AD")),
            definition: None,
            name: Some("Add".into()),
            process: None,
            user: user.map(Login::new),
            child: None,
            owner,
            print: 5,
            ambiguous: false,
            run: crate::ledger::ran::RunMark::default(),
            by_date: false,
            known_by: Default::default(),
        }
    }

    fn claim(lineage: u64) -> EventBody {
        EventBody::Claims {
            batch: BatchId(uuid::Uuid::nil()),
            target: TargetName::new("AD"),
            action: ActionName::Retry,
            items: vec![ClaimItem {
                lineage: LineageId(lineage),
                ordinal: 1,
                task: TaskId::new(&format!("{}", 100 + lineage)),
                action: Action::Retry,
                process: None,
                definition: None,
                kind: Kind::Grant,
                policy: None,
                inputs: Digest::new("d"),
                version: 1,
                rests: Default::default(),
            }],
        }
    }

    fn ended(evidence: Option<&str>) -> EventBody {
        EventBody::Outcomes {
            items: vec![
                Outcome {
                    lineage: LineageId(1),
                    ordinal: 1,
                    event: AttemptEvent::NotAnswered,
                    at: at(),
                    task: None,
                    evidence: evidence.map(Into::into),
                },
                Outcome {
                    lineage: LineageId(1),
                    ordinal: 1,
                    event: AttemptEvent::ReadCompleted,
                    at: at(),
                    task: None,
                    evidence: evidence.map(Into::into),
                },
            ],
        }
    }

    /// Two lineages of one owner; the first is done, the second has an open claim.
    fn whole() -> Vec<EventBody> {
        vec![
            EventBody::LineagesOpened {
                items: vec![
                    opened(1, Some("JDOE"), owner("BOSS")),
                    opened(2, Some("AMY"), owner("HEAD")),
                ],
            },
            claim(1),
            ended(Some("read")),
            claim(2),
        ]
    }

    fn stripped() -> Vec<EventBody> {
        let mut bodies = whole();
        bodies[0] = EventBody::LineagesOpened {
            items: vec![opened(1, None, None), opened(2, Some("AMY"), owner("HEAD"))],
        };
        bodies[2] = ended(None);
        bodies
    }

    fn allowed() -> Allowed {
        Allowed {
            lineages: [LineageId(1)].into(),
            texts: HashSet::new(),
            words: false,
        }
    }

    #[test]
    fn what_was_to_go_may_differ_and_owners_are_numbered_anew() {
        let (before, after) = (index(whole()), index(stripped()));
        assert_ne!(before.lineages, after.lineages);
        assert_eq!(
            differences(&before, &after, &allowed()),
            Vec::<String>::new()
        );
        // and not without leave
        let strict = differences(&before, &after, &Allowed::default());
        assert_eq!(strict, ["L1 would differ"]);
    }

    #[test]
    fn an_attempt_an_id_or_an_open_lineage_that_would_be_lost_is_told() {
        let before = index(whole());
        let mut less = stripped();
        less.remove(3);
        let told = differences(&before, &index(less), &allowed()).join("; ");
        assert!(
            told.contains("open attempts") && told.contains("by state"),
            "{told}"
        );
        let mut other = stripped();
        other[0] = EventBody::LineagesOpened {
            items: vec![opened(1, None, None), opened(2, Some("AMY"), None)],
        };
        let told = differences(&before, &index(other), &allowed());
        assert_eq!(told, ["L2 would differ"], "its owner is needed");
        let mut fewer = stripped();
        fewer[0] = EventBody::LineagesOpened {
            items: vec![opened(1, None, None)],
        };
        let told = differences(&before, &index(fewer), &allowed()).join("; ");
        assert!(told.contains("known ids"), "{told}");
    }

    #[test]
    fn a_text_that_stays_must_be_there_and_one_that_goes_must_be_gone() {
        let text = |digest: &str| EventBody::InputsStored {
            digest: Digest::new(digest),
            part: 0,
            of: 1,
            text: "x".to_owned(),
        };
        let before = index(vec![text("a"), text("b")]);
        let goes = Allowed {
            lineages: HashSet::new(),
            texts: [Short::from(&Digest::new("a"))].into(),
            words: false,
        };
        let after = index(vec![EventBody::Dropped {}, text("b")]);
        assert!(differences(&before, &after, &goes).is_empty());
        assert_eq!(
            differences(&before, &before, &goes).len(),
            1,
            "it is still there"
        );
        let neither = index(vec![EventBody::Dropped {}, EventBody::Dropped {}]);
        assert_eq!(differences(&before, &neither, &goes).len(), 1);
    }
}
