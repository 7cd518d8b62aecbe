//! Puts on record how much the daemon has read of the server, once an hour and at a clean end, for reports that are made later; nothing waits for it, and nothing is decided by it.

use jiff::{SignedDuration, Timestamp};

use super::DaemonError;
use super::core::Core;
use crate::ledger::Entry;
use crate::ledger::record::{EventBody, Meta};
use crate::oig::RequestCounts;

/// Shortest time between two records.
const EVERY: SignedDuration = SignedDuration::from_hours(1);

/// What is on record of this run.
#[derive(Clone, Copy, Debug)]
pub struct OnRecord {
    /// Up to then (domain time).
    pub to: Timestamp,
    /// So many.
    pub counts: RequestCounts,
}

impl OnRecord {
    /// Nothing, at the start.
    pub fn at_start(now: Timestamp) -> Self {
        Self {
            to: now,
            counts: RequestCounts::default(),
        }
    }

    /// What is on record now, and the body that says the rest; `None` where there is nothing to say.
    fn rest(&self, counts: RequestCounts, now: Timestamp) -> Option<(Self, EventBody)> {
        let reads = counts.reads.saturating_sub(self.counts.reads);
        let tokens = counts.tokens.saturating_sub(self.counts.tokens);
        (reads + tokens > 0).then(|| {
            let body = EventBody::Requests {
                from: self.to,
                to: now,
                reads,
                tokens,
            };
            (Self { to: now, counts }, body)
        })
    }
}

impl Core {
    /// The requests of the last hour, once it is over. Comes before a cycle reads: nothing is claimed then
    /// that would wait for the disk behind it.
    ///
    /// # Errors
    /// The ledger has failed.
    pub async fn record_requests_when_due(&mut self, now: Timestamp) -> Result<(), DaemonError> {
        if now.duration_since(self.on_record.to) >= EVERY {
            self.record_requests(now).await?;
        }
        Ok(())
    }

    /// The requests that are on no record yet.
    ///
    /// # Errors
    /// The ledger has failed.
    pub async fn record_requests(&mut self, now: Timestamp) -> Result<(), DaemonError> {
        let Some((on_record, body)) = self.on_record.rest(self.logins.requests(), now) else {
            return Ok(());
        };
        let login = self.settings.server.login.clone();
        let meta = Meta::daemon(now, None).login(Some(login));
        self.ledger.record_soon(Entry { body, meta }).await?;
        self.on_record = on_record;
        Ok(())
    }

    /// What a clean end has to say: the last requests, and behind everything the last anchor.
    ///
    /// # Errors
    /// The ledger has failed.
    pub async fn last_records(&mut self) -> Result<(), DaemonError> {
        self.record_requests(self.clock.now()).await?;
        self.anchor_at_end().await
    }

    /// Requests to read that are on no record yet, and since when.
    pub fn not_on_record(&self) -> (u64, Timestamp) {
        let (counts, of) = (self.logins.requests(), self.on_record);
        let reads = counts.reads.saturating_sub(of.counts.reads);
        let tokens = counts.tokens.saturating_sub(of.counts.tokens);
        (reads + tokens, of.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_is_on_record_once_and_none_makes_no_record() {
        let at = |hours| Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hours);
        let counts = |reads, tokens| RequestCounts {
            reads,
            tokens,
            writes: 7,
            bytes: 9,
        };
        let start = OnRecord::at_start(at(0));
        assert!(start.rest(counts(0, 0), at(1)).is_none());
        let (first, body) = start.rest(counts(5, 1), at(2)).expect("something");
        let told = EventBody::Requests {
            from: at(0),
            to: at(2),
            reads: 5,
            tokens: 1,
        };
        assert_eq!(body, told);
        assert!(first.rest(counts(5, 1), at(3)).is_none());
        let (_, body) = first.rest(counts(9, 1), at(4)).expect("something");
        let told = EventBody::Requests {
            from: at(2),
            to: at(4),
            reads: 4,
            tokens: 0,
        };
        assert_eq!(body, told);
    }
}
