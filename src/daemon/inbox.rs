//! What waits for a person, in items that can be read; it decides nothing and takes no orders.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::core::Core;
use super::failing::{POLICY_FAULT, fault_words};
use super::left_alone::{LeftOpen, Sort};
use super::views::{ONCE_OPEN, backlogs, is_backlog};
use crate::control::InboxItem;
use crate::governor::{Hold, HoldStatus, Pause};
use crate::ledger::index::InboxItem as Waiting;
use crate::ledger::record::EventBody;
use crate::ledger::{Index, LEFT_REWOUND, Outage};
use crate::model::{LineageId, RefusalReason, Scope, TargetName, TaskId, Verdict};

/// Tasks that an inbox item names at most.
pub(super) const NAMED: usize = 100;
/// New owners that a hold names at most.
const WHOM: usize = 5;
/// Why what a policy asks about is in the inbox.
const ASKED: &str = "asked";
/// Records that are read for the words of one item, and different words that it shows.
const LOOKED_AT: usize = 100;
const WORDS: usize = 3;
/// Pieces of work with the records of their last decisions.
type Records = Vec<(LineageId, u64)>;
/// So long work may wait behind an open breaker or a pause before a person is told.
const HELD_FOR: SignedDuration = SignedDuration::from_hours(24);
/// And so long what takes access away.
const TAKING_HELD_FOR: SignedDuration = SignedDuration::from_hours(1);

impl Core {
    /// What waits for a person, grouped by why and target so that it can be read.
    pub fn inbox(&self) -> Vec<InboxItem> {
        self.grouped().0
    }

    /// The same with what policies ask, in their own words, which are read from the journal.
    pub fn inbox_in_words(&self) -> Vec<InboxItem> {
        let (mut items, asked) = self.grouped();
        for item in items.iter_mut().filter(|item| item.why == ASKED) {
            let records = asked.get(&item.target).map_or(&[][..], Vec::as_slice);
            if let Some(words) = self.asked(records) {
                item.text = named(&words, item.tasks.first());
            }
        }
        items
    }

    /// What policies ask of these, and of how many; `None` where no record tells.
    fn asked(&self, records: &[(LineageId, u64)]) -> Option<String> {
        let mut said: BTreeMap<String, (usize, LineageId)> = BTreeMap::new();
        let looked = records.iter().take(LOOKED_AT);
        for (lineage, seq) in looked {
            let event = self.ledger.event(*seq).ok().flatten();
            let Some(EventBody::Decided { items }) = event.map(|event| event.body) else {
                continue;
            };
            let Some(decided) = items.into_iter().find(|item| item.lineage == *lineage) else {
                continue;
            };
            let words = match (&decided.fault, &decided.verdict) {
                (Some(fault), _) => format!("a policy has failed: {fault}"),
                (None, Some(Verdict::Ask { reason, .. })) => reason.to_string(),
                _ => continue,
            };
            said.entry(words).or_insert((0, *lineage)).0 += 1;
        }
        let told: usize = said.values().map(|(many, _)| many).sum();
        let mut said: Vec<(String, (usize, LineageId))> = said.into_iter().collect();
        said.sort_by_key(|(_, (many, _))| std::cmp::Reverse(*many));
        let first = |lineage| self.ledger.read(|index| index.current_task(lineage));
        let more = said.len().saturating_sub(WORDS);
        let mut words: Vec<String> = said
            .into_iter()
            .take(WORDS)
            .map(|(words, (many, lineage))| match first(lineage) {
                Some(task) if many < records.len() => {
                    let such = if many > 1 { ", such as task" } else { ", task" };
                    format!("{many} of {told}{such} {task}: {words}")
                }
                _ => words,
            })
            .collect();
        let last = words.last_mut()?;
        if more > 0 {
            last.push_str(&format!("; and {more} others"));
        }
        let part = match told == records.len() {
            true => String::new(),
            false => format!(" (the first {told})"),
        };
        Some(format!(
            "Left to a person by policies{part}: {}. `provtaskd explain TASK` shows what it rests on; where attempts are used up `provtaskd outcomes reset TASK --why …` lets them begin anew.",
            words.join("; ")
        ))
    }

    /// With the records of what policies have asked, by target.
    fn grouped(&self) -> (Vec<InboxItem>, BTreeMap<Option<TargetName>, Records>) {
        let now = self.clock.now();
        let told_by = now
            .checked_sub(self.settings.delivery.verify_give_up)
            .unwrap_or(Timestamp::MIN);
        let mut out = Vec::new();
        out.extend(self.main_login_item());
        out.extend(self.login_items());
        let rewound = self.ledger.read(|index| index.rewound().is_some());
        if let (true, Some(why)) = (rewound, &self.world_mismatch) {
            let since = self
                .ledger
                .read(|index| index.restored().map(|found| found.since));
            let since = since.unwrap_or(self.started);
            let mut item = general("rewound", since, "world_mismatch", why.to_string());
            item.can_approve = self.rewind_stands().is_none();
            if item.can_approve {
                item.text += "; look at `provtaskd plan`, then `provtaskd approve rewound --why TEXT` lets it go on";
            } else {
                item.text += &match self.once {
                    true => format!(
                        "; `approve rewound` is taken once a running daemon has read a whole list, {:#} or more after its start",
                        self.settings.delivery.settle_after
                    ),
                    false => format!(
                        "; `approve rewound` is taken once a whole list of {:.0} or later was read",
                        self.rewind_from()
                    ),
                };
            }
            out.push(item);
        }
        out.extend(self.world_item());
        out.extend(self.another_item(now));
        out.extend(self.feed_item(now));
        out.extend(self.stand_in_item(now));
        if let Some(outage) = self.ledger.read(Index::outage) {
            let why = if outage.missing {
                RefusalReason::WritePathMissing
            } else {
                RefusalReason::ServerBackOff
            };
            let words = outage_words(&outage, &self.settings.server.api_path);
            out.push(general("server", outage.since, why.as_str(), words));
        }
        let (_, why) = self.effective_mode();
        let shown = out.iter().any(|item| item.id == "world");
        for reason in why {
            let said = (rewound || shown) && self.mismatch().as_deref() == Some(reason.as_str());
            if !said && reason != ONCE_OPEN {
                out.push(general("mode", self.started, "not_enforcing", reason));
            }
        }
        for hold in self.governor.holds(now) {
            if hold.status != HoldStatus::Open || hold.hash != *self.policies.hash() {
                continue;
            }
            out.push(InboxItem {
                id: hold.id.clone(),
                since: hold.held_since.unwrap_or(hold.seen_at),
                why: RefusalReason::CapHeld.as_str().to_owned(),
                text: format!(
                    "{} of {} tasks on {} is over the cap of {}; all are held{}",
                    hold.action,
                    hold.wanted,
                    hold.target,
                    hold.limit,
                    whom(&hold)
                ),
                target: Some(hold.target),
                action: Some(hold.action),
                count: u64::from(hold.wanted),
                tasks: hold.tasks.into_iter().take(NAMED).collect(),
                can_approve: true,
                can_reject: true,
            });
        }
        let mut asked: BTreeMap<Option<TargetName>, Records> = BTreeMap::new();
        let mut groups: BTreeMap<(String, Option<TargetName>), InboxItem> = BTreeMap::new();
        let failing = self.failing();
        out.extend(self.last.seen.left_open.iter().map(left_open_item));
        let waiting = self.ledger.read(|index| index.inbox(told_by));
        for mut waiting in waiting.into_iter().chain(self.held_for_long(now)) {
            let fault = failing.get(&waiting.lineage);
            let fault = fault.filter(|_| waiting.why == ASKED);
            if fault.is_some() {
                waiting.why = POLICY_FAULT;
            }
            // holds are shown as a whole, above
            if waiting.why == RefusalReason::CapHeld.as_str()
                || waiting.why == RefusalReason::PolicyNotReleased.as_str()
                || waiting.why == RefusalReason::NotProbed.as_str()
            {
                continue;
            }
            let backlog = is_backlog(waiting.why);
            // one id is one item: what `approve` takes it by
            let sort = if backlog { "baseline" } else { waiting.why };
            let key = (sort.to_owned(), waiting.target.clone());
            let item = groups.entry(key).or_insert_with(|| InboxItem {
                id: match (&waiting.target, backlog) {
                    (Some(target), true) => format!("baseline:{target}"),
                    (Some(target), false) => format!("{}:{target}", waiting.why),
                    (None, _) => waiting.why.to_owned(),
                },
                since: waiting.since,
                why: waiting.why.to_owned(),
                text: match fault {
                    Some(of) => fault_words(of),
                    None if is_held(waiting.why) => {
                        format!(
                            "For a day or longer, what takes access away for an hour: {}",
                            self.explained(waiting.why)
                        )
                    }
                    None => self.explained(waiting.why),
                },
                target: waiting.target.clone(),
                action: None,
                tasks: Vec::new(),
                count: 0,
                can_approve: (backlog && waiting.target.is_some()) || waiting.why == LEFT_REWOUND,
                can_reject: false,
            });
            if let (ASKED, Some(seq)) = (waiting.why, waiting.seq) {
                let of = asked.entry(waiting.target.clone()).or_default();
                of.push((waiting.lineage, seq));
            }
            item.count += 1;
            item.since = item.since.min(waiting.since);
            if item.tasks.len() < NAMED {
                item.tasks.push(waiting.task);
            }
        }
        for item in groups.values_mut() {
            item.text = named(&item.text, item.tasks.first());
        }
        let mut backlogs = self.ledger.read(backlogs);
        for ((sort, target), item) in &mut groups {
            if sort == "baseline"
                && let Some(target) = target
            {
                count_backlog(
                    item,
                    backlogs.remove(target).unwrap_or_default(),
                    |lineage| self.ledger.read(|index| index.current_task(lineage)),
                );
            }
        }
        out.extend(groups.into_values());
        (out, asked)
    }

    /// What has waited for a day behind an open breaker, or a pause that nothing but a person ends.
    fn held_for_long(&self, now: Timestamp) -> Vec<Waiting> {
        let (Ok(by), Ok(taking)) = (now.checked_sub(HELD_FOR), now.checked_sub(TAKING_HELD_FOR))
        else {
            return Vec::new();
        };
        // what the server, or another client, has brought about is an item of its own
        let mut reasons = Vec::new();
        if self.ledger.read(Index::outage).is_none() {
            reasons.push(RefusalReason::BreakerOpen);
        }
        if self.another_item(now).is_none() {
            reasons.push(RefusalReason::Paused);
        }
        let pauses = self.governor.pauses(now);
        // one that goes on for long is as good as one without an end
        let soon = now.checked_add(HELD_FOR).unwrap_or(Timestamp::MAX);
        let ends = |pause: &Pause| pause.until.is_some_and(|until| until <= soon);
        let of_target = |pause: &Pause, target: Option<&TargetName>| match &pause.scope {
            Scope::Target(paused) => target.is_some_and(|target| paused.is_like(target)),
            _ => true,
        };
        let mut held = self
            .ledger
            .read(|index| index.held_for_long(&reasons, by, taking));
        held.retain(|of| {
            let mut over = pauses.iter().filter(|pause| !ends(pause));
            let for_ever = over.any(|pause| of_target(pause, of.target.as_ref()));
            of.why != RefusalReason::Paused.as_str() || for_ever
        });
        held
    }
}

fn is_held(why: &str) -> bool {
    [RefusalReason::BreakerOpen, RefusalReason::Paused]
        .iter()
        .any(|reason| reason.as_str() == why)
}

/// Access that stays open, or may do so, and nobody moves.
fn left_open_item(left: &LeftOpen) -> InboxItem {
    let on = left.target.as_ref();
    let sort = match left.sort {
        Sort::LeftOpen => "left_open",
        Sort::Unnamed => "unnamed",
        Sort::StillTried => "still_tried",
    };
    let names: Vec<String> = left.names.iter().map(|name| format!("`{name}`")).collect();
    let names = match names.as_slice() {
        [] => String::new(),
        some => format!(" ({})", some.join(", ")),
    };
    let unnamed = format!(
        "Nobody has named what these tasks do{names}, and they have been rejected for a day: nothing is done about them, and where one takes access that stays open. Name their definitions (`policy.kinds`; `provtaskd status` lists them all), or have somebody do them in OIG; `provtaskd explain TASK` shows one."
    );
    let text = match left.sort {
        Sort::LeftOpen => LEFT_OPEN,
        Sort::Unnamed => unnamed.as_str(),
        Sort::StillTried => STILL_TRIED,
    };
    InboxItem {
        id: on.map_or(sort.to_owned(), |on| format!("{sort}:{on}")),
        target: left.target.clone(),
        tasks: left.tasks.clone(),
        count: left.count,
        ..general("", left.since, sort, named(text, left.tasks.first()))
    }
}

/// What is said of access that could not be taken so far.
const STILL_TRIED: &str = "Revokes and disables that have failed as often as anything else may be tried (`governor.max_attempts`): they are tried further, ever more rarely, up to `governor.max_attempts_taking`, and the access stays meanwhile. `provtaskd explain TASK` says with what they failed and when the next attempt is due: mend that, or have somebody do it in OIG where it can't wait.";

/// What is said of access that stays open.
const LEFT_OPEN: &str = "Revokes and disables that no policy wants to act on and nobody was asked about, rejected for a day or open for a week: the access stays until somebody does it. `provtaskd explain TASK` says why it is left alone: have somebody do it in OIG; where its definition or the class of its reason is not known here, name it (`policy.kinds`, reasons.toml), or write a policy for it.";

/// With the first task by its id, to look at one of them; what is ordered is ordered of each by itself.
fn named(text: &str, first: Option<&TaskId>) -> String {
    let mut text = text.to_owned();
    if let Some(task) = first {
        for look in ["provtaskd explain", "provtaskd outcomes show"] {
            text = text.replace(&format!("{look} TASK`"), &format!("{look} {task}`"));
        }
    }
    text
}

/// What is said of a server that answers no request to write.
fn outage_words(outage: &Outage, path: &str) -> String {
    let Outage {
        since,
        requests,
        missing,
    } = outage;
    if *missing {
        return format!(
            "{requests} requests to write in a row were answered 404 since {since:.0}, whatever they named, while reads work: there is no PUT {path}/provtasks; check server.api_path (context root, version of the API) and what stands before the server; one task at a time is tried"
        );
    }
    format!(
        "{requests} requests to write in a row failed as a whole since {since:.0}, with different tasks: it is the server, no task is blamed; one at a time is tried until one is answered"
    )
}

/// To whom what is held would go, or which answer it would give.
fn whom(hold: &Hold) -> String {
    let mut most: Vec<(&String, &u32)> = hold.whom.iter().collect();
    most.sort_by_key(|(_, many)| std::cmp::Reverse(**many));
    let named: Vec<String> = most
        .iter()
        .take(WHOM)
        .map(|(whom, many)| format!("{many} {whom}"))
        .collect();
    let more = most.len().saturating_sub(WHOM);
    match (named.is_empty(), more) {
        (true, _) => String::new(),
        (false, 0) => format!(": {}", named.join(", ")),
        (false, more) => format!(": {}, and the rest to {more} others", named.join(", ")),
    }
}

/// An item of an old backlog counts what `approve` releases, and says with how many the policies want something done.
fn count_backlog(
    item: &mut InboxItem,
    all: BTreeSet<LineageId>,
    task: impl Fn(LineageId) -> Option<TaskId>,
) {
    let wanted = item.count;
    item.count = u64::try_from(all.len()).unwrap_or(u64::MAX).max(wanted);
    let others = item.count - wanted;
    if others > 0 {
        item.text = format!(
            "{} The policies want something done with {wanted} of these {} tasks (guards, mode and caps decide after the release); {others} would be left as they are, and are released with them.",
            item.text, item.count
        );
    }
    for id in all.into_iter().filter_map(task) {
        if item.tasks.len() >= NAMED {
            break;
        }
        if !item.tasks.contains(&id) {
            item.tasks.push(id);
        }
    }
}

pub(super) fn general(id: &str, since: Timestamp, why: &str, text: String) -> InboxItem {
    InboxItem {
        id: id.to_owned(),
        since,
        why: why.to_owned(),
        text,
        target: None,
        action: None,
        tasks: Vec::new(),
        count: 1,
        can_approve: false,
        can_reject: false,
    }
}
