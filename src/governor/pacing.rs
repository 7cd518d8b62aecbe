//! The governor between cycles: how many items may go in the next PUT, and what answers and readings teach; it never sends.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::model::{AttemptEvent, LineageId, Refusal, RefusalReason, Scope, TargetName};

use super::admitted::Lane;
use super::gate;
use super::machine::{Governor, Outage};
use super::pace::{Answered, Failed, Pace};
use super::sums::{later, times};

/// Failed requests in a row, over all targets, after which the whole server gets a pause.
const SERVER_AFTER: u32 = 3;
/// First pause of the server, seconds; doubled with each further failure.
const SERVER_PAUSE: i64 = 30;
/// Longest pause of the server that we choose ourselves, seconds.
const SERVER_CAP: i64 = 900;
/// The same where every write is answered 404: that is mended by people, seconds.
const MISSING_CAP: i64 = 3600;

/// Requests on their way.
#[derive(Clone, Copy, Debug)]
struct OnTheWay {
    /// Retries.
    retries: u32,
    /// Those of them that take access away.
    revokes: u32,
    /// What is said to OIG alone.
    told: u32,
}

/// What counts into a lane's rate and was sent by another.
#[derive(Clone, Copy, Debug, Default)]
struct Beside {
    /// Items within the span of the rate.
    used: u32,
    /// When the first of them falls out of it.
    until: Option<Timestamp>,
    /// The most that the lane may take itself, where that is less than the rate.
    most: Option<u32>,
}

impl Governor {
    /// How many items the next PUT to the target may hold; at least 1. `unsettled` is how many acts
    /// of this lane on the target were sent and are not read back yet: a target that has proven
    /// little gets little at a time (the square of its batch size, which grows with what was read back),
    /// so that one that has just recovered, or is down without saying so, is not flooded.
    ///
    /// # Errors
    /// The refusal that holds the target back, with the time to ask again where time alone helps.
    pub fn next_batch(
        &mut self,
        now: Timestamp,
        target: &TargetName,
        lane: Lane,
        unsettled: u32,
    ) -> Result<usize, Refusal> {
        let here = self.state.tick(now);
        if let Some(refusal) = self
            .standing
            .refusal()
            .or_else(|| self.state.pause_refusal(now, target))
            .or_else(|| gate::server(&self.standing, &self.state, now))
        {
            return Err(refusal);
        }
        let way = self.on_the_way();
        let on_the_way = way.retries.saturating_add(way.told);
        let usual = self.settings.writes_in_flight.saturating_sub(1).max(1);
        let all = match lane {
            Lane::Revoke => self.settings.writes_in_flight,
            // the last place is kept for revokes, where there is more than one
            Lane::Usual => usual,
            // and of the others half, for what is said to OIG alone may hang at every target
            Lane::Told => (usual / 2).max(1),
        };
        let taken = match lane {
            Lane::Revoke | Lane::Usual => on_the_way,
            Lane::Told if on_the_way >= usual => all,
            Lane::Told => way.told,
        };
        let busy = |scope, limit: u32, in_flight: u32| {
            Refusal::new(RefusalReason::TargetBusy, scope)
                .with("in_flight", in_flight)
                .with("limit", limit)
        };
        // a request that says something to OIG alone is no probe for which a revoke waits
        let probes = match lane {
            Lane::Revoke => way.retries,
            Lane::Usual | Lane::Told => on_the_way,
        };
        if let Some(outage) = self.standing.outage
            && probes > 0
        {
            return Err(Refusal::new(RefusalReason::ServerBackOff, Scope::Global)
                .with("failed_requests_in_a_row", outage.requests)
                .with("probe", "on its way"));
        }
        // where none of them takes access away, one that does goes beside all that are on their way
        if taken >= all && !(lane == Lane::Revoke && way.revokes == 0) {
            return Err(busy(Scope::Global, all, on_the_way));
        }
        let beside = self.beside(here, target, lane);
        let (pace, limits) = self.pace(target, lane);
        pace.settle(here);
        if !pace.has_place(lane, limits) {
            return Err(busy(
                Scope::Target(target.clone()),
                limits.in_flight,
                pace.in_flight,
            ));
        }
        let size = pace.size(limits);
        let per_minute = pace.rate(limits);
        let allowed = pace.unread(size, limits);
        let (own, mut more) = pace.used(here);
        let mut left = per_minute.saturating_sub(own);
        left = left.saturating_sub(beside.used);
        if let Some(most) = beside.most {
            left = left.min(most.saturating_sub(own));
        }
        more = more.into_iter().chain(beside.until).min();
        if let Some(pace) = self.state.pace_of(target, lane)
            && let Some(refusal) = gate::breaker_refusal(&self.state, pace, target, now)
        {
            return Err(refusal);
        }
        if left == 0 {
            let refusal = Refusal::new(RefusalReason::TargetRate, Scope::Target(target.clone()))
                .with("per_minute", per_minute);
            return Err(match more {
                Some(more) => refusal.until(self.state.wall(now, more)),
                None => refusal,
            });
        }
        let room = allowed.saturating_sub(unsettled);
        if room == 0 {
            return Err(
                Refusal::new(RefusalReason::AwaitsProof, Scope::Target(target.clone()))
                    .with("not_read_back", unsettled)
                    .with("limit", allowed),
            );
        }
        if self.standing.outage.is_some() {
            // a server that answers nobody is asked with one item, and told by nothing but an answer
            return Ok(1);
        }
        Ok(usize::try_from(size.min(left).min(room)).unwrap_or(1))
    }

    /// What the other machine of the target leaves a lane of their common rate. Retries that take access away wait for
    /// nothing that is said to OIG alone.
    fn beside(&self, here: Timestamp, target: &TargetName, lane: Lane) -> Beside {
        let other = match lane {
            Lane::Told => self.state.targets.get(target),
            Lane::Usual => self.state.told.get(target),
            Lane::Revoke => None,
        };
        let Some(other) = other else {
            return Beside::default();
        };
        let (used, until) = other.used(here);
        // where retries go, half of the rate is theirs: what is said to OIG alone would else take all of it
        // between two small batches of theirs
        let half = lane == Lane::Told && (used > 0 || other.in_flight > 0);
        let per_minute = Self::limits(&self.settings, target).per_minute;
        Beside {
            used,
            until,
            most: half.then_some((per_minute / 2).max(1)),
        }
    }

    /// Requests on their way, over all targets.
    fn on_the_way(&self) -> OnTheWay {
        let sum = |paces: &BTreeMap<TargetName, Pace>, of: fn(&Pace) -> u32| {
            paces
                .values()
                .fold(0_u32, |sum, pace| sum.saturating_add(of(pace)))
        };
        OnTheWay {
            retries: sum(&self.state.targets, |pace| pace.in_flight),
            revokes: sum(&self.state.targets, |pace| pace.revokes),
            told: sum(&self.state.told, |pace| pace.in_flight),
        }
    }

    /// A PUT with so many items is about to leave. Every `sent` is followed by exactly one
    /// [`Governor::answered`], [`Governor::not_answered`] or [`Governor::whole_request_failed`].
    pub fn sent(&mut self, now: Timestamp, target: &TargetName, lane: Lane, items: u32) {
        let here = self.state.tick(now);
        let (pace, limits) = self.pace(target, lane);
        pace.sent(here, lane, items, limits);
    }

    /// The process was killed and starts again: so many items of each target are known to have been
    /// claimed within the span of the rate. What was not counted yet counts from now on, because a
    /// request that was on its way may have been carried out until a moment ago.
    pub fn recall(&mut self, now: Timestamp, claimed: &BTreeMap<TargetName, u32>) {
        let here = self.state.tick(now);
        for (target, items) in claimed {
            let (pace, _) = self.pace(target, Lane::Usual);
            pace.recall(here, *items);
        }
    }

    /// A PUT came back with answers for its items.
    pub fn answered(&mut self, now: Timestamp, target: &TargetName, lane: Lane, answer: Answered) {
        let here = self.state.tick(now);
        if answer.accepted > 0 || answer.refused > 0 {
            self.state.server_failures = 0;
            self.state.given_up_of = None;
        }
        let (pace, limits) = self.pace(target, lane);
        pace.answered(here, lane, &answer, limits);
    }

    /// A PUT was not answered in time. That is counted against its target alone: a slow one must not
    /// delay the others, and where all are slow each has a breaker of its own. Its next batch is at
    /// most half as large, and as small as the time asks for that this one had taken at least.
    pub fn request_hung(
        &mut self,
        now: Timestamp,
        target: &TargetName,
        lane: Lane,
        known: &Failed,
    ) {
        let here = self.state.tick(now);
        let (pace, limits) = self.pace(target, lane);
        pace.request_failed(here, lane, Some(known), limits);
    }

    /// A PUT ended without an answer that could be read (reset, 5xx, connect error). What is known of
    /// its time teaches as that of a hung one does; without it the PUT never left. What is said to OIG alone
    /// may fail by itself (a note that can't be set): retries find out themselves whether the server answers them.
    pub fn whole_request_failed(
        &mut self,
        now: Timestamp,
        target: &TargetName,
        lane: Lane,
        known: Option<&Failed>,
    ) {
        let here = self.state.tick(now);
        let (pace, limits) = self.pace(target, lane);
        pace.request_failed(here, lane, known, limits);
        if lane == Lane::Told {
            return;
        }
        self.state.server_failures = self.state.server_failures.saturating_add(1);
        if self.state.server_failures >= SERVER_AFTER {
            let doubled = i32::try_from(self.state.server_failures - SERVER_AFTER).unwrap_or(30);
            let cap = match self.standing.outage {
                Some(Outage { missing: true, .. }) => MISSING_CAP,
                _ => SERVER_CAP,
            };
            let pause = times(
                jiff::SignedDuration::from_secs(SERVER_PAUSE),
                2_f64.powi(doubled.min(30)),
                jiff::SignedDuration::from_secs(cap),
            );
            self.back_off_server(later(here, pause));
        }
    }

    /// The server said 429 or 5xx, or named a time: everything waits until then (wall time).
    pub fn server_asked_to_wait(&mut self, now: Timestamp, until: Timestamp) {
        let here = self.state.tick(now);
        self.back_off_server(later(here, until.duration_since(now)));
    }

    fn back_off_server(&mut self, until: Timestamp) {
        self.state.server_until = Some(self.state.server_until.map_or(until, |had| had.max(until)));
    }

    /// A reading told that the target ran an attempt and refused it for a reason that lies in the
    /// task alone (a locked object, bad data, a duplicate): no sign against the target.
    pub fn refused_by_itself(&mut self, now: Timestamp, target: &TargetName) {
        let here = self.state.tick(now);
        let (pace, limits) = self.pace(target, Lane::Usual);
        pace.refused_by_itself(here, limits);
    }

    /// A reading told that the target refused an attempt because it is asked for too much: it gets
    /// half as much per minute and smaller batches at once, and more again only step by step.
    pub fn throttled(
        &mut self,
        now: Timestamp,
        target: &TargetName,
        lineage: LineageId,
        ordinal: u32,
    ) {
        let here = self.state.tick(now);
        let (pace, limits) = self.pace(target, Lane::Usual);
        pace.throttled(here, lineage, ordinal, limits);
    }

    /// A reading (or a person) told what became of an attempt; the same event counts once. The
    /// events of answers are told by [`Governor::answered`] and ignored here.
    pub fn outcome(
        &mut self,
        now: Timestamp,
        target: &TargetName,
        lane: Lane,
        (lineage, ordinal): (LineageId, u32),
        event: AttemptEvent,
    ) {
        let here = self.state.tick(now);
        let (pace, limits) = self.pace(target, lane);
        pace.outcome(here, lineage, ordinal, event, limits);
    }
}
