//! Cutting a body that is too large for one record into several of the same sort, in order; nothing is lost and nothing doubled.

use serde::Serialize;

use super::{DecidedItem, EventBody, MAX_RECORD, before, sights};

/// Bytes of a record that are left to everything but its items, mostly.
const BESIDE: usize = 900;
/// Bytes by which items are longer than the first few.
const LONGER: usize = 8;
/// The same of decisions, with what they share with each other and what they don't.
const BESIDE_DECIDED: usize = 1500;
const LONGER_DECIDED: usize = 48;
/// Items of one record at most.
const MOST: usize = 256;

/// Items by whose size it is cut.
const FIRST: usize = 8;

/// Cuts by the size of the first items: a part that turns out too large is encoded in vain and halved.
fn cut<T: Serialize>(items: Vec<T>, make: impl Fn(Vec<T>) -> EventBody) -> Vec<EventBody> {
    let some = &items[..items.len().min(FIRST)];
    let size = size_of(some, &some) + LONGER;
    cut_by((MAX_RECORD - BESIDE) / size, items, make)
}

/// The same of items that are written by what they have beside the one before.
fn cut_row<T: before::Item>(items: Vec<T>, make: impl Fn(Vec<T>) -> EventBody) -> Vec<EventBody> {
    let some = &items[..items.len().min(FIRST)];
    let size = size_of(some, &before::Row(some)) + LONGER;
    cut_by((MAX_RECORD - BESIDE) / size, items, make)
}

/// The same of decisions.
fn cut_decided(items: Vec<DecidedItem>) -> Vec<EventBody> {
    let some = &items[..items.len().min(FIRST)];
    let size = size_of(some, &before::Row(some)) + LONGER_DECIDED;
    let make = |items| EventBody::Decided { items };
    cut_by((MAX_RECORD - BESIDE_DECIDED) / size, items, make)
}

/// Bytes of one of them as they are written; what can't be encoded is said where the whole is.
fn size_of<T>(some: &[T], written: &impl Serialize) -> usize {
    let bytes = serde_json::to_vec(written).map_or(0, |bytes| bytes.len());
    bytes / some.len().max(1)
}

fn cut_by<T>(many: usize, items: Vec<T>, make: impl Fn(Vec<T>) -> EventBody) -> Vec<EventBody> {
    let many = many.clamp(1, MOST);
    if items.len() <= many {
        return vec![make(items)];
    }
    let mut out = Vec::with_capacity(items.len() / many + 1);
    let mut items = items.into_iter();
    loop {
        let part: Vec<T> = items.by_ref().take(many).collect();
        if part.is_empty() {
            return out;
        }
        out.push(make(part));
    }
}

impl EventBody {
    /// True for what is done or judged: its record names the policy set in force. What only takes in what
    /// was read, or is the ledger's own, does not.
    pub(in crate::ledger) fn names_policy(&self) -> bool {
        !matches!(
            self,
            Self::StoreCreated { .. }
                | Self::WorldBound { .. }
                | Self::StoreRewound { .. }
                | Self::LineagesOpened { .. }
                | Self::LineagesJoined { .. }
                | Self::LineageAmbiguous { .. }
                | Self::LineagesLeft { reason: None, .. }
                | Self::Seen { .. }
                | Self::IdsReused { .. }
                | Self::GovernorState { .. }
                | Self::InputsStored { .. }
                | Self::InputsAlike { .. }
                | Self::PolicySeen { .. }
                | Self::Dropped {}
                | Self::Rewritten { .. }
                | Self::Checkpoint { .. }
                | Self::Requests { .. }
                | Self::LateOver { .. }
        )
    }

    /// Cuts a large list into bodies that are likely to fit one record each.
    pub(super) fn chunks(self) -> Vec<EventBody> {
        match self {
            Self::LineagesOpened { items } => {
                let some = &items[..items.len().min(FIRST)];
                let size = size_of(some, &sights::Lean(some)) + LONGER;
                let make = |items| Self::LineagesOpened { items };
                cut_by((MAX_RECORD - BESIDE) / size, items, make)
            }
            Self::LineagesJoined { items } => cut(items, |items| Self::LineagesJoined { items }),
            Self::Seen { items } => cut(items, |items| Self::Seen { items }),
            Self::LineagesLeft {
                lineages,
                lost,
                reason,
            } => cut(lineages, |lineages| Self::LineagesLeft {
                lineages,
                lost,
                reason: reason.clone(),
            }),
            Self::IdsReused { items } => cut(items, |items| Self::IdsReused { items }),
            // each part of the one list with each of the other: together they say of every task the same
            Self::LineageAmbiguous { lineages, tasks } => {
                let parts = cut(lineages, |lineages| Self::LineageAmbiguous {
                    lineages,
                    tasks: Vec::new(),
                });
                let with_tasks = parts.into_iter().flat_map(|part| match part {
                    Self::LineageAmbiguous { lineages, .. } => {
                        cut(tasks.clone(), |tasks| Self::LineageAmbiguous {
                            lineages: lineages.clone(),
                            tasks,
                        })
                    }
                    other => vec![other],
                });
                with_tasks.collect()
            }
            Self::Decided { items } => cut_decided(items),
            Self::Outcomes { items } => cut(items, |items| Self::Outcomes { items }),
            Self::LateOver { items } => cut(items, |items| Self::LateOver { items }),
            Self::Claims {
                batch,
                target,
                action,
                items,
            } => cut_row(items, |items| Self::Claims {
                batch,
                target: target.clone(),
                action,
                items,
            }),
            Self::Receipts {
                batch,
                took_ms,
                items,
            } => {
                let some = &items[..items.len().min(FIRST)];
                let size = size_of(some, &sights::Answers(some)) + LONGER;
                let make = |items| Self::Receipts {
                    batch,
                    took_ms,
                    items,
                };
                cut_by((MAX_RECORD - BESIDE) / size, items, make)
            }
            Self::InputsAlike { base, items } => cut(items, |items| Self::InputsAlike {
                base: base.clone(),
                items,
            }),
            other => vec![other],
        }
    }

    /// The same body as two, where it holds a list of at least two items that may be cut.
    pub(super) fn halves(self) -> Option<(EventBody, EventBody)> {
        fn two<T>(mut items: Vec<T>) -> Option<(Vec<T>, Vec<T>)> {
            if items.len() < 2 {
                return None;
            }
            let second = items.split_off(items.len() / 2);
            Some((items, second))
        }
        match self {
            Self::LineagesOpened { items } => two(items).map(|(a, b)| {
                (
                    Self::LineagesOpened { items: a },
                    Self::LineagesOpened { items: b },
                )
            }),
            Self::LineagesJoined { items } => two(items).map(|(a, b)| {
                (
                    Self::LineagesJoined { items: a },
                    Self::LineagesJoined { items: b },
                )
            }),
            Self::Seen { items } => {
                two(items).map(|(a, b)| (Self::Seen { items: a }, Self::Seen { items: b }))
            }
            Self::IdsReused { items } => two(items)
                .map(|(a, b)| (Self::IdsReused { items: a }, Self::IdsReused { items: b })),
            Self::Decided { items } => {
                two(items).map(|(a, b)| (Self::Decided { items: a }, Self::Decided { items: b }))
            }
            Self::Outcomes { items } => {
                two(items).map(|(a, b)| (Self::Outcomes { items: a }, Self::Outcomes { items: b }))
            }
            Self::LateOver { items } => {
                two(items).map(|(a, b)| (Self::LateOver { items: a }, Self::LateOver { items: b }))
            }
            Self::Claims {
                batch,
                target,
                action,
                items,
            } => two(items).map(|(a, b)| {
                let make = |items| Self::Claims {
                    batch,
                    target: target.clone(),
                    action,
                    items,
                };
                (make(a), make(b))
            }),
            Self::Receipts {
                batch,
                took_ms,
                items,
            } => two(items).map(|(a, b)| {
                let make = |items| Self::Receipts {
                    batch,
                    took_ms,
                    items,
                };
                (make(a), make(b))
            }),
            Self::InputsAlike { base, items } => two(items).map(|(a, b)| {
                let make = |items| Self::InputsAlike {
                    base: base.clone(),
                    items,
                };
                (make(a), make(b))
            }),
            Self::BaselineHeld { lineages } => two(lineages).map(|(a, b)| {
                let make = |lineages| Self::BaselineHeld { lineages };
                (make(a), make(b))
            }),
            Self::BaselineReleased { lineages, reason } => two(lineages).map(|(a, b)| {
                let make = |lineages| Self::BaselineReleased {
                    lineages,
                    reason: reason.clone(),
                };
                (make(a), make(b))
            }),
            Self::LineagesLeft {
                lineages,
                lost,
                reason,
            } => two(lineages).map(|(a, b)| {
                let make = |lineages| Self::LineagesLeft {
                    lineages,
                    lost,
                    reason: reason.clone(),
                };
                (make(a), make(b))
            }),
            // the longer list: two parts with the whole of the other one say the same as both at once
            Self::LineageAmbiguous { lineages, tasks } if lineages.len() > tasks.len() => {
                two(lineages).map(|(a, b)| {
                    let make = |lineages| Self::LineageAmbiguous {
                        lineages,
                        tasks: tasks.clone(),
                    };
                    (make(a), make(b))
                })
            }
            Self::LineageAmbiguous { lineages, tasks } => two(tasks).map(|(a, b)| {
                let make = |tasks| Self::LineageAmbiguous {
                    lineages: lineages.clone(),
                    tasks,
                };
                (make(a), make(b))
            }),
            Self::HoldOpened {
                hold,
                action,
                target,
                policy,
                tasks,
            } => two(tasks).map(|(a, b)| {
                let make = |tasks| Self::HoldOpened {
                    hold: hold.clone(),
                    action,
                    target: target.clone(),
                    policy: policy.clone(),
                    tasks,
                };
                (make(a), make(b))
            }),
            _ => None,
        }
    }
}
