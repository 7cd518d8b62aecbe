//! Puts status and inbox together from what the daemon holds; read only, and every count says what it counts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::core::Core;
use super::recall::paused_by;
use super::start::mode_parts;
use crate::control::{LoginView, NotesView, PauseView, ReleasedView, StatusView, TargetRow};
use crate::ledger::Index;
use crate::model::decision::Mode;
use crate::model::{ActionName, AttemptState, LineageId, RefusalReason, TargetName};

/// Why no more is sent after a single cycle; nobody has to do anything about it.
pub(super) const ONCE_OPEN: &str = "attempts are open: the next start reads them before it sends";

impl Core {
    /// The modes beside the global one; of a target that nobody has seen it is said.
    fn modes_shown(&self) -> Vec<String> {
        let mut parts = mode_parts(&self.settings.modes);
        for (target, why) in self.mode_strangers() {
            let own = format!("target {target}: ");
            let mut of = parts.iter_mut().filter(|part| part.starts_with(&own));
            if let Some(part) = of.next() {
                part.push_str(&format!(" ({why})"));
            }
        }
        for of in self.policy_strangers() {
            let name = of
                .key
                .trim_start_matches("mode.policies.")
                .trim_matches('"');
            let own = format!("policy {name}: ");
            let mut named = parts.iter_mut().filter(|part| part.starts_with(&own));
            if let Some(part) = named.next() {
                part.push_str(&format!(" ({})", of.what));
            }
        }
        parts
    }

    /// The mode in effect, and why it is lower than the configured one.
    pub fn effective_mode(&self) -> (Mode, Vec<String>) {
        let configured = self.settings.modes.global;
        let mut why = Vec::new();
        // beside another server's store the run's own one is empty, and no release was taken back
        let of_store = self.foreign_store.as_ref().unwrap_or(&self.ledger);
        let released = of_store.read(|index| index.released(self.policies.hash()));
        if configured == Mode::Enforce {
            if !released {
                why.push(format!(
                    "policy set {} is not released (`provtaskd policy release`)",
                    self.policies.hash().short()
                ));
            }
            if let Some(mismatch) = self.mismatch() {
                why.push(mismatch.to_string());
            }
            if let Some(missing) = self.anchoring.missing() {
                why.push(format!("the anchor file is not written: {missing}"));
            }
            if !self.settled_at_start {
                why.push(match self.once {
                    true => ONCE_OPEN.to_owned(),
                    false => "claims found open at start are still being read".to_owned(),
                });
            }
        }
        let some_acts = why.is_empty() && self.unprobed.all.len() < ActionName::ALL.len();
        let unprobed = self.unprobed_words();
        if some_acts {
            return (configured, unprobed);
        }
        why.extend(unprobed);
        let mode = if why.is_empty() {
            configured
        } else {
            configured.min(Mode::Observe)
        };
        (mode, why)
    }

    /// How it stands.
    pub fn status(&self) -> StatusView {
        let now = self.clock.now();
        let (effective_mode, mode_why) = self.effective_mode();
        let store = self.store_words();
        let requests = self.logins.requests();
        let (reads_not_on_record, reads_on_record_to) = self.not_on_record();
        let login = self.settings.server.login.clone();
        let hash = self.policies.hash().clone();
        let (attempts, open, world) = self.ledger.read(|index| {
            (
                index.counts().iter().map(|(s, n)| (*s, *n)).collect(),
                index.open_attempts().count(),
                index.world().map(str::to_owned),
            )
        });
        let (faults, fault) = self.failing_words().unzip();
        let of_store = self.foreign_store.as_ref().unwrap_or(&self.ledger);
        let released = of_store.read(|index| {
            index.release_of(&hash).map(|(at, word)| {
                let (person, word) = word.split_once(": ").unwrap_or(("", word));
                ReleasedView {
                    person: person.to_owned(),
                    word: word.to_owned(),
                    at,
                }
            })
        });
        StatusView {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: (!self.once).then(std::process::id),
            now,
            started: (!self.once).then_some(self.started),
            server: self.settings.server.origin.clone(),
            login_state: match self.main_stopped() {
                Some(stopped) => LoginView::Stopped {
                    since: stopped.since,
                    why: stopped.why,
                },
                None if self.has_answered() => LoginView::Good,
                None => LoginView::Untried,
            },
            login,
            mode: self.settings.modes.global,
            modes: self.modes_shown(),
            effective_mode,
            mode_why,
            targets_seen: self.targets_seen().into_iter().collect(),
            policy_hash: Some(hash),
            policy_released: released,
            policy_faults: faults.unwrap_or(0),
            policy_fault: fault,
            ending: self.ending_words(),
            reload_error: self.reload_error.clone(),
            policy_error: None,
            config_error: None,
            last_cycle: self.last.at,
            last_cycle_ms: self
                .last
                .at
                .and_then(|_| u64::try_from(self.last.took.as_millis()).ok()),
            last_error: self.last.error.clone(),
            last_error_since: self.last.error_since,
            cycle: self.cycle_view(),
            write_error: self.last.write_error.clone(),
            next_cycle: (!self.once && self.memory.is_some()).then_some(self.next_tick),
            tasks_visible: self.last.at.map(|_| self.last.seen.visible),
            tasks_whole: self.last.at.map(|_| self.last.seen.whole),
            tasks_as_of: self.last.seen.taken_at,
            attempts,
            completed_by_word: self.ledger.read(Index::completed_by_word),
            notes: {
                let of = self.ledger.read(Index::justifications);
                NotesView {
                    seen: of.seen,
                    accepted: of.accepted,
                    refused: of.refused,
                    unsent: of.unsent,
                    unknown: of.not_known(),
                }
            },
            refusals: {
                let mut all = self.last.refusals.clone();
                for (reason, many) in self.held_now(now) {
                    *all.entry(reason).or_default() += many;
                }
                all.into_iter().collect()
            },
            targets: self.target_rows(now),
            inbox: self.inbox_count(now),
            left: self.ledger.read(Index::many_left),
            orders_released: self.ledger.read(|index| index.orders_released(now)),
            pauses: self.pauses(now),
            writes_sent: requests.writes,
            reads_sent: requests.reads + requests.tokens,
            reads_not_on_record,
            reads_on_record_to: Some(reads_on_record_to),
            attempts_open: u64::try_from(open).unwrap_or(u64::MAX),
            store: self.settings.store.dir.display().to_string(),
            store_foreign: self.foreign_store.is_some(),
            store_state: store.state,
            store_rewound: store.rewound,
            store_notes: store.notes,
            doubtful: self.doubtful(),
            store_records: self.ledger.read(|index| index.last_seq()),
            anchor: self.anchor_view(),
            world: match (self.mismatch(), world) {
                (Some(why), _) => why.to_string(),
                (None, Some(world)) => world,
                (None, None) => "not bound yet".to_owned(),
            },
            absence_feed: self.feed_view(now),
            intake: self.intake_view(),
            roads: self.last.seen.roads.iter().map(|(r, n)| (*r, *n)).collect(),
            logins: self.login_rows(),
            left_alone: self.last.seen.left_alone,
            no_road: {
                let owners = self.last.seen.no_road.iter().flat_map(|(_, owners)| owners);
                owners.map(|(owner, n)| (owner.clone(), *n)).collect()
            },
            no_road_at: self.last.seen.no_road.as_ref().map(|(at, _)| *at),
            server_clock: self.clock_in_words(),
            another: self.another_view(),
            unmapped: self
                .last
                .seen
                .unmapped
                .iter()
                .map(|(name, count)| (name.clone(), *count))
                .collect(),
            doubted: {
                let names = self.last.seen.unmapped.keys();
                let doubt = |shown: &String| {
                    let (target, name) = shown.split_once('/')?;
                    let why = self.policies.kinds().doubt(target, name)?;
                    Some((shown.clone(), why))
                };
                names.filter_map(doubt).collect()
            },
        }
    }

    /// What holds is the governor's word; since when and why are on record with the order.
    fn pauses(&self, now: Timestamp) -> Vec<PauseView> {
        let pauses = self.governor.pauses(now).into_iter();
        pauses
            .map(|pause| {
                let order = |index: &Index| index.pause(&pause.scope, now).cloned();
                let order = self.ledger.read(order);
                PauseView {
                    what: pause.scope.to_string(),
                    by: paused_by(&pause.by, order.as_ref()),
                    since: order.as_ref().map(|order| order.since),
                    until: pause.until,
                    why: order.map(|order| order.reason.to_string()),
                    scope: pause.scope,
                }
            })
            .collect()
    }

    fn target_rows(&self, now: Timestamp) -> Vec<TargetRow> {
        let counts = self.ledger.read(|index| index.target_counts());
        let mut rows: BTreeMap<String, TargetRow> = BTreeMap::new();
        // without a list nothing is known of what one would show, and 0 is not that
        let read = self.last.at.is_some();
        let empty = |target: &str| TargetRow {
            target: target.to_owned(),
            visible: read.then_some(0),
            rejected: read.then_some(0),
            open: 0,
            completed: 0,
            failed: 0,
            gone: 0,
            in_vain: 0,
            breaker: "closed".to_owned(),
            told_breaker: None,
            batch: None,
            item_ms: None,
        };
        for (target, (visible, rejected)) in &self.last.seen.targets {
            let row = rows
                .entry(target.to_string())
                .or_insert_with(|| empty(target.as_str()));
            row.visible = Some(*visible);
            row.rejected = Some(*rejected);
        }
        for ((target, state), count) in counts {
            let row = rows
                .entry(target.to_string())
                .or_insert_with(|| empty(target.as_str()));
            match state {
                AttemptState::Completed => row.completed += count,
                AttemptState::Bounced | AttemptState::Refused => row.failed += count,
                AttemptState::Gone => row.gone += count,
                AttemptState::NotApplied | AttemptState::Unsent | AttemptState::Superseded => {
                    row.in_vain += count;
                }
                AttemptState::Claimed
                | AttemptState::Unknown
                | AttemptState::Accepted
                | AttemptState::Pending
                | AttemptState::Ambiguous => row.open += count,
            }
        }
        for gate in self.governor.describe(now) {
            if let Some(row) = rows.get_mut(gate.target.as_str()) {
                row.batch = Some(gate.batch);
                row.item_ms = gate
                    .seconds_per_item
                    .and_then(|each| Duration::try_from_secs_f64(each).ok())
                    .and_then(|each| u64::try_from(each.as_millis()).ok());
                let words = |word: String, until: Option<Timestamp>| match until {
                    Some(until) => format!("{word} until {until:.0}"),
                    None => word,
                };
                row.breaker = words(gate.breaker, gate.breaker_until);
                row.told_breaker = gate.told_breaker.map(|(word, until)| words(word, until));
            }
        }
        rows.into_values().collect()
    }

    /// How many items wait for a person.
    pub fn inbox_count(&self, _now: Timestamp) -> u64 {
        u64::try_from(self.inbox().len()).unwrap_or(u64::MAX)
    }

    /// Lineages of an old backlog that a person may release on a target.
    pub fn backlog(&self, target: &TargetName, born_after: Option<Timestamp>) -> Vec<LineageId> {
        let young = self.young(self.clock.now());
        self.ledger.read(|index| {
            let all = backlogs(index).remove(target).unwrap_or_default();
            all.into_iter()
                .filter(|lineage| {
                    born_after.is_none_or(|after| {
                        born(index, *lineage, young).is_some_and(|born| born >= after)
                    })
                })
                .collect()
        })
    }

    /// What is dated later is not older than the age limit by its date.
    pub(super) fn young(&self, now: Timestamp) -> Timestamp {
        let limit = self.settings.guard.age_limit;
        now.checked_sub(limit).unwrap_or(Timestamp::MIN)
    }
}

/// By target, all that `approve baseline:TARGET` releases.
pub(super) fn backlogs(index: &Index) -> BTreeMap<TargetName, BTreeSet<LineageId>> {
    // what nobody wants done today may be wanted tomorrow, when its owner leaves
    let mut all: BTreeMap<TargetName, BTreeSet<LineageId>> = index
        .baseline_by_target()
        .into_iter()
        .map(|(target, lineages)| (target, lineages.into_iter().collect()))
        .collect();
    for item in index.inbox(Timestamp::MIN) {
        if is_backlog(item.why)
            && let Some(target) = item.target
        {
            all.entry(target).or_default().insert(item.lineage);
        }
    }
    all
}

/// When work began, by its date. What has been found older than the age limit although its date is younger than
/// `young` began at a time that is not known here.
pub(super) fn born(index: &Index, lineage: LineageId, young: Timestamp) -> Option<Timestamp> {
    let born = index.origin(lineage)?;
    let refused = index.memo(lineage).and_then(|memo| memo.refusal);
    (refused != Some(RefusalReason::TooOld) || born < young).then_some(born)
}

pub(super) fn is_backlog(why: &str) -> bool {
    why == RefusalReason::Baseline.as_str() || why == RefusalReason::TooOld.as_str()
}
