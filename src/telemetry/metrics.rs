//! The metrics as typed families in a registry that is a value; a label is always the word of an enum or a target's name.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::model::{AttemptState, PolicyHash, RefusalReason, TargetName};

/// A label whose text is fixed at compile time.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Word(pub &'static str);

impl EncodeLabelValue for Word {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        EncodeLabelValue::encode(&self.0, encoder)
    }
}

/// A target alone.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub struct TargetLabels {
    /// The target's name.
    pub target: String,
}

/// `retry`, `reassign`, …, `leave`, `ask`, `none`, `fault`.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub struct VerdictLabels {
    /// The verdict's word.
    pub verdict: Word,
}

/// A refusal's reason.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub struct RefusalLabels {
    /// The word of [`RefusalReason`].
    pub reason: Word,
}

/// Where attempts of a target went.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub struct AttemptLabels {
    /// The target's name; `-` where unknown.
    pub target: String,
    /// The word of [`AttemptState`] that was reached.
    pub state: Word,
}

/// Requests to OIG.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub struct RequestLabels {
    /// `read`, `write` or `token`.
    pub kind: Word,
}

/// State of a breaker: 0 closed, 1 probing, 2 open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BreakerState {
    /// Everything goes.
    Closed,
    /// One probe goes.
    Probing,
    /// Nothing goes.
    Open,
}

/// What became of events, hints and files.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub struct ResultLabels {
    /// `accepted`, `duplicate`, or why not; how a hint ended; `done` or `failed`.
    pub result: Word,
}

/// By which road tasks were seen.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub struct RoadLabels {
    /// `list`, `event`, `folder`.
    pub road: Word,
}

/// Counts of the intake that were taken over already.
#[derive(Clone, Debug, Default)]
pub struct Metered(BTreeMap<(u8, &'static str), u64>);

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct PolicyLabels {
    hash: String,
    released: Word,
}

/// All metrics and their registry. Put it into an `Arc`; every method takes `&self`.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    tasks_visible: Family<TargetLabels, Gauge>,
    tasks_rejected: Family<TargetLabels, Gauge>,
    decisions: Family<VerdictLabels, Counter>,
    refusals: Family<RefusalLabels, Counter>,
    refused_now: Family<RefusalLabels, Gauge>,
    attempts: Family<AttemptLabels, Counter>,
    requests: Family<RequestLabels, Counter>,
    cycle_seconds: Histogram,
    cycles_failed: Counter,
    acts_of_others: Counter,
    records: Counter,
    policy: Family<PolicyLabels, Gauge>,
    breaker: Family<TargetLabels, Gauge>,
    login_stopped: Gauge,
    anchor_ok: Gauge,
    anchored: Gauge,
    inbox: Gauge,
    last_cycle: Gauge<f64, AtomicU64>,
    events: Family<ResultLabels, Counter>,
    hints: Family<ResultLabels, Counter>,
    files: Family<ResultLabels, Counter>,
    hints_waiting: Gauge,
    hints_followed: Gauge,
    roads: Family<RoadLabels, Gauge>,
}

impl Metrics {
    /// Every family registered, counters of fixed labels at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("provtaskd");
        let metrics = Self {
            tasks_visible: Family::default(),
            tasks_rejected: Family::default(),
            decisions: Family::default(),
            refusals: Family::default(),
            refused_now: Family::default(),
            attempts: Family::default(),
            requests: Family::default(),
            cycle_seconds: Histogram::new([
                0.05, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 180.0, 600.0,
            ]),
            cycles_failed: Counter::default(),
            acts_of_others: Counter::default(),
            records: Counter::default(),
            policy: Family::default(),
            breaker: Family::default(),
            login_stopped: Gauge::default(),
            anchor_ok: Gauge::default(),
            anchored: Gauge::default(),
            inbox: Gauge::default(),
            last_cycle: Gauge::default(),
            events: Family::default(),
            hints: Family::default(),
            files: Family::default(),
            hints_waiting: Gauge::default(),
            hints_followed: Gauge::default(),
            roads: Family::default(),
            registry: Registry::default(),
        };
        let r = &mut registry;
        r.register(
            "tasks_visible",
            "Tasks visible to the login at the last whole reading, of any status",
            metrics.tasks_visible.clone(),
        );
        r.register(
            "tasks_rejected",
            "Of the visible tasks, those that were rejected",
            metrics.tasks_rejected.clone(),
        );
        r.register(
            "decisions",
            "Decisions taken, by verdict",
            metrics.decisions.clone(),
        );
        r.register(
            "refusals",
            "Decisions newly held back, by reason",
            metrics.refusals.clone(),
        );
        r.register(
            "refused_now",
            "Decisions held back at the last cycle, by reason",
            metrics.refused_now.clone(),
        );
        r.register(
            "attempts",
            "Attempts that reached a state, by target",
            metrics.attempts.clone(),
        );
        r.register(
            "requests",
            "Requests to OIG, by kind",
            metrics.requests.clone(),
        );
        r.register_with_unit(
            "cycle_duration",
            "Wall time of whole cycles",
            Unit::Seconds,
            metrics.cycle_seconds.clone(),
        );
        r.register(
            "cycles_failed",
            "Cycles that ended with an error",
            metrics.cycles_failed.clone(),
        );
        r.register(
            "acts_of_others",
            "Acts of somebody else under this login that were read",
            metrics.acts_of_others.clone(),
        );
        r.register(
            "ledger_records",
            "Records that the ledger has made durable",
            metrics.records.clone(),
        );
        r.register(
            "policy",
            "The policy set in use and whether it is released: always 1",
            metrics.policy.clone(),
        );
        r.register(
            "breaker_state",
            "Breaker per target: 0 closed, 1 probing, 2 open",
            metrics.breaker.clone(),
        );
        r.register(
            "login_stopped",
            "1 while the login is stopped after a refusal",
            metrics.login_stopped.clone(),
        );
        r.register(
            "anchor_ok",
            "1 while the journal's last anchor is in every place where it has to be",
            metrics.anchor_ok.clone(),
        );
        r.register(
            "anchored_record",
            "The last record that an anchor vouches for",
            metrics.anchored.clone(),
        );
        metrics.anchor_ok.set(1);
        r.register(
            "inbox",
            "Items that wait for a person",
            metrics.inbox.clone(),
        );
        r.register_with_unit(
            "last_cycle_end_timestamp",
            "End of the last whole cycle, domain time since 1970",
            Unit::Seconds,
            metrics.last_cycle.clone(),
        );
        r.register(
            "intake_events",
            "Signed events, by what became of them",
            metrics.events.clone(),
        );
        r.register(
            "intake_hints",
            "Hints that have ended, by how",
            metrics.hints.clone(),
        );
        r.register(
            "intake_files",
            "Files of ids, by what became of them",
            metrics.files.clone(),
        );
        r.register(
            "intake_waiting",
            "Tasks named by hints that wait to be read",
            metrics.hints_waiting.clone(),
        );
        r.register(
            "intake_followed",
            "Tasks that the list does not show and that are read by their ids in each cycle",
            metrics.hints_followed.clone(),
        );
        r.register(
            "tasks_seen",
            "Tasks of the last whole reading, by the road on which they were seen",
            metrics.roads.clone(),
        );
        r.register(
            "build",
            "What runs",
            Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]),
        );
        for reason in RefusalReason::ALL {
            let labels = RefusalLabels {
                reason: Word(reason.as_str()),
            };
            let _ = metrics.refusals.get_or_create(&labels);
        }
        Self {
            registry,
            ..metrics
        }
    }

    /// Replaces the gauges of visible tasks: `(target, visible, rejected among them)`, summed where a
    /// target is repeated. Two metrics, so that a sum over either counts no task twice.
    pub fn set_tasks<'a>(&self, counts: impl IntoIterator<Item = (&'a str, u64, u64)>) {
        self.tasks_visible.clear();
        self.tasks_rejected.clear();
        for (target, visible, rejected) in counts {
            let labels = TargetLabels {
                target: target.to_owned(),
            };
            for (gauges, count) in [
                (&self.tasks_visible, visible),
                (&self.tasks_rejected, rejected),
            ] {
                gauges.get_or_create(&labels).inc_by(signed(count));
            }
        }
    }

    /// Counts decisions of one verdict word.
    pub fn decided(&self, verdict: &'static str, count: u64) {
        let labels = VerdictLabels {
            verdict: Word(verdict),
        };
        self.decisions.get_or_create(&labels).inc_by(count);
    }

    /// Counts decisions newly held back.
    pub fn refused(&self, reason: RefusalReason, count: u64) {
        let labels = RefusalLabels {
            reason: Word(reason.as_str()),
        };
        self.refusals.get_or_create(&labels).inc_by(count);
    }

    /// Replaces the gauges of what is held back at present.
    pub fn set_refused_now(&self, counts: impl IntoIterator<Item = (RefusalReason, u64)>) {
        self.refused_now.clear();
        for (reason, count) in counts {
            let labels = RefusalLabels {
                reason: Word(reason.as_str()),
            };
            self.refused_now.get_or_create(&labels).set(signed(count));
        }
    }

    /// An attempt reached a state.
    pub fn attempt(&self, target: Option<&TargetName>, state: AttemptState) {
        self.attempts(target, state, 1);
    }

    /// So many attempts reached a state.
    pub fn attempts(&self, target: Option<&TargetName>, state: AttemptState, many: u64) {
        let labels = AttemptLabels {
            target: target.map_or("-", TargetName::as_str).to_owned(),
            state: Word(state.as_str()),
        };
        self.attempts.get_or_create(&labels).inc_by(many);
    }

    /// So many more requests were sent to OIG.
    pub fn requests(&self, kind: &'static str, more: u64) {
        let labels = RequestLabels { kind: Word(kind) };
        self.requests.get_or_create(&labels).inc_by(more);
    }

    /// A whole cycle ended, at `end_seconds` of domain time since 1970.
    pub fn cycle(&self, took: Duration, end_seconds: f64) {
        self.cycle_seconds.observe(took.as_secs_f64());
        self.last_cycle.set(end_seconds);
    }

    /// A cycle ended with an error.
    pub fn cycle_failed(&self) {
        self.cycles_failed.inc();
    }

    /// Acts of somebody else under this login were read.
    pub fn acts_of_others(&self, count: u64) {
        self.acts_of_others.inc_by(count);
    }

    /// So many more records are durable.
    pub fn recorded(&self, more: u64) {
        self.records.inc_by(more);
    }

    /// The policy set in use.
    pub fn set_policy(&self, hash: &PolicyHash, released: bool) {
        self.policy.clear();
        let labels = PolicyLabels {
            hash: hash.short().to_owned(),
            released: Word(if released { "yes" } else { "no" }),
        };
        self.policy.get_or_create(&labels).set(1);
    }

    /// A target's breaker.
    pub fn set_breaker(&self, target: &TargetName, state: BreakerState) {
        let labels = TargetLabels {
            target: target.as_str().to_owned(),
        };
        self.breaker.get_or_create(&labels).set(match state {
            BreakerState::Closed => 0,
            BreakerState::Probing => 1,
            BreakerState::Open => 2,
        });
    }

    /// Brings the counters of the intake up to these counts since start.
    pub fn intake(
        &self,
        metered: &mut Metered,
        events: Vec<(&'static str, u64)>,
        hints: Vec<(&'static str, u64)>,
        files: [(&'static str, u64); 2],
    ) {
        let families = [
            (0, &self.events, events),
            (1, &self.hints, hints),
            (2, &self.files, files.to_vec()),
        ];
        for (number, family, counts) in families {
            for (result, count) in counts {
                let before = metered.0.entry((number, result)).or_default();
                let labels = ResultLabels {
                    result: Word(result),
                };
                let counter = family.get_or_create(&labels);
                counter.inc_by(count.saturating_sub(*before));
                *before = count;
            }
        }
    }

    /// Hints that wait, and tasks that are followed.
    pub fn set_hints_waiting(&self, waiting: u64, followed: u64) {
        self.hints_waiting.set(signed(waiting));
        self.hints_followed.set(signed(followed));
    }

    /// By which road the tasks of the last reading were seen.
    pub fn set_roads(&self, counts: impl IntoIterator<Item = (&'static str, u64)>) {
        self.roads.clear();
        for (road, count) in counts {
            let labels = RoadLabels { road: Word(road) };
            self.roads.get_or_create(&labels).set(signed(count));
        }
    }

    /// Whether the login is stopped.
    pub fn set_login_stopped(&self, stopped: bool) {
        self.login_stopped.set(i64::from(stopped));
    }

    /// Whether the last anchor is where it has to be.
    pub fn set_anchor_ok(&self, ok: bool) {
        self.anchor_ok.set(i64::from(ok));
    }

    /// The last record of which an anchor was noted.
    pub fn set_anchored(&self, record: u64) {
        self.anchored.set(signed(record));
    }

    /// How much waits for a person.
    pub fn set_inbox(&self, count: u64) {
        self.inbox.set(signed(count));
    }

    /// Everything in the OpenMetrics text format.
    ///
    /// # Errors
    /// When formatting fails, which a `String` doesn't.
    pub fn render(&self) -> Result<String, std::fmt::Error> {
        let mut out = String::new();
        encode(&mut out, &self.registry)?;
        Ok(out)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_rendered_and_replaced_gauges_forget() {
        let metrics = Metrics::new();
        metrics.set_tasks([("AD", 3, 1), ("AD", 2, 2), ("Mail", 1, 0)]);
        metrics.requests("write", 1);
        metrics.refused(RefusalReason::ModeObserve, 7);
        let text = metrics.render().expect("text");
        let of = |metric: &str| -> u64 {
            let lines = text.lines().filter(|line| line.starts_with(metric));
            let values = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
            values.sum()
        };
        assert_eq!(of("provtaskd_tasks_visible{"), 6, "each task once: {text}");
        assert_eq!(of("provtaskd_tasks_rejected{"), 3, "{text}");
        assert!(
            text.contains(r#"provtaskd_tasks_visible{target="AD"} 5"#),
            "{text}"
        );
        assert!(
            text.contains(r#"provtaskd_requests_total{kind="write"} 1"#),
            "{text}"
        );
        assert!(
            text.contains(r#"provtaskd_refusals_total{reason="mode_observe"} 7"#),
            "{text}"
        );
        assert!(
            text.contains(r#"provtaskd_refusals_total{reason="too_old"} 0"#),
            "{text}"
        );
        metrics.set_tasks([("Mail", 1, 0)]);
        let text = metrics.render().expect("text");
        assert!(!text.contains(r#"target="AD""#), "{text}");
    }
}
