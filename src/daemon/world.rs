//! What the daemon does where the server is not the one that the store knows: it sends nothing, says why, and goes on only when a person accepts it.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::DaemonError;
use super::core::Core;
use super::explained::explanation;
use super::inbox::general;
use super::under_way::Why;
use crate::control::{InboxItem, RefusedKind, Reply};
use crate::ledger::record::Actor;
use crate::ledger::{ServerBehind, World};
use crate::model::{Mode, RefusalReason, Scope};

impl Core {
    /// Why store and server don't belong together, if so: as found at start, on record, or in doubt
    /// since the last list.
    pub fn mismatch(&self) -> Option<Arc<str>> {
        let recorded = || {
            self.ledger
                .read(|index| index.other_world().map(|(_, why)| Arc::clone(why)))
        };
        let found = self.world_mismatch.clone().or_else(recorded);
        found
            .or_else(|| self.doubtful_world.clone())
            .or_else(|| self.instance.other())
    }

    /// What to do about that, for `run --once`, which reads one list and no more.
    pub fn what_to_do(&self) -> &'static str {
        if self.foreign_store.is_some() {
            "use the configuration of that server, or another store directory; if it is the same server or login under another name, `provtaskd store rebind`"
        } else if self.ledger.read(|index| index.rewound().is_some()) {
            "start `provtaskd run`, let it read the server, look at `provtaskd plan`, then `provtaskd approve rewound`"
        } else if self.instance.other().is_some() {
            "end the other one, then run this again; its store is the one that knows what was sent"
        } else {
            "one list alone decides nothing, and `run --once` reads no more: start `provtaskd run`, see `provtaskd inbox`, and after two lists `provtaskd approve world` where its data were put back, or `provtaskd reject world` where it is the known one; another server needs another store directory"
        }
    }

    /// What an item of the inbox says. Another instance is no other server: nothing is to be approved for it.
    pub(super) fn explained(&self, why: &str) -> String {
        let recorded = || self.ledger.read(|index| index.other_world().is_some());
        let of_world = why == RefusalReason::WorldMismatch.as_str()
            && self.world_mismatch.is_none()
            && self.doubtful_world.is_none()
            && !recorded();
        match self.instance.other().filter(|_| of_world) {
            Some(other) => format!(
                "Another instance was noticed: {other}. End it (the store of one alone knows what was sent); what it has sent last gets delivery.settle_after to be carried out, then sending goes on by itself."
            ),
            None => explanation(why),
        }
    }

    /// What a list said of the server.
    pub fn take_world(&mut self, now: Timestamp, world: &World) {
        let before = self.mismatch();
        let before_list = self.doubtful_world.take();
        self.doubtful_world = match world {
            // of one on record: with the latest evidence, which its record can't hold
            World::Doubtful(why) | World::Other(why) => Some(Arc::clone(why)),
            World::Known => None,
        };
        match world {
            World::Known => {
                if before.is_some() && self.mismatch().is_none() {
                    tracing::warn!("the server shows the known tasks again; sending may go on");
                    self.epoch += 1;
                }
            }
            World::Doubtful(why) => {
                if before.is_none() {
                    tracing::warn!(why = %why, "known ids are other tasks; nothing is sent until the next list tells whether this is another server, or one whose data were put back");
                    self.void_queue(now, Why::OtherWorld);
                }
            }
            World::Other(why) => {
                // a store that was bound by a word is in doubt before anything was seen
                let grown = |of: Arc<str>| why.len() > of.len() && why.starts_with(&*of);
                if !self.world_said || before_list.is_some_and(grown) {
                    self.world_said = true;
                    tracing::error!(why = %why, "nothing is sent: this is another server, or one whose data were put back; look at it, then `provtaskd approve world`, or `reject world` if it is the known one, or use another store");
                    self.void_queue(now, Why::OtherWorld);
                }
            }
        }
    }

    /// What the lists said of the server's clock; the log says it once, until it is right again.
    pub fn take_clock(&mut self, behind: Option<ServerBehind>) {
        if let (Some(found), None) = (behind, self.server_behind) {
            tracing::warn!(
                successors = found.tasks,
                behind = %format_args!("{:#}", found.by),
                setting = "server.server_zone",
                "the server dates successors before the retries that made them, all by the same span: {}; each of them waits for a person",
                cause_of(found.by)
            );
        }
        self.server_behind = behind;
    }

    /// The same in words, for `status`.
    pub fn clock_in_words(&self) -> Option<String> {
        let found = self.server_behind?;
        Some(format!(
            "{} successors are dated {:#} before the retries that made them: {}",
            found.tasks,
            found.by,
            cause_of(found.by)
        ))
    }

    /// The inbox's item where the server's data are not those that are known.
    pub fn world_item(&self) -> Option<InboxItem> {
        let found = |index: &crate::ledger::Index| {
            let (since, why) = index.other_world()?;
            Some((since, Arc::clone(why)))
        };
        let (since, why) = self.ledger.read(found)?;
        let latest = self.doubtful_world.clone();
        let why = latest.filter(|of| of.starts_with(&*why)).unwrap_or(why);
        let text = format!(
            "{why}. If its data were put back, or it is another one: `approve world` closes all that is known of its tasks and begins anew with a backlog to be released. If it is the known one, as it was: `reject world`, after two whole lists that show nothing of this any more; then all goes on."
        );
        let mut item = general("world", since, "world_mismatch", text);
        item.can_approve = true;
        item.can_reject = true;
        // nothing is done with any of them until then
        item.count = self.last.seen.visible.max(1);
        Some(item)
    }

    /// A person takes the server as it is. Only after a whole list has shown it, so that he decides on
    /// what is there now.
    pub(super) async fn accept_world(
        &mut self,
        why: &str,
        who: Actor,
        now: Timestamp,
    ) -> Result<Reply, DaemonError> {
        let since = self
            .ledger
            .read(|index| index.other_world().map(|(at, _)| at));
        let Some(since) = since else {
            return Ok(Reply::refused(
                RefusedKind::NotFound,
                "the server is not known to be another one",
                "see `provtaskd inbox` for what waits now",
            ));
        };
        let read = self.last.at.is_some_and(|at| at >= since) && self.last.seen.whole;
        if !read || self.under_way.claimed() > 0 {
            return Ok(Reply::refused(
                RefusedKind::Invalid,
                "the server was not read as a whole since it was found to be another one, or requests are still on their way",
                "let the daemon finish a cycle, then approve again",
            ));
        }
        self.void_queue(now, Why::OtherWorld);
        // they are of task ids, which are other tasks now; before the rest, so that no kill leaves one
        self.governor.forget_holds();
        self.store_governor(now).await?;
        let (closed, outcomes) = self.ledger.accept_world(Arc::from(why), who, now).await?;
        self.told(now, &outcomes);
        self.world_said = false;
        self.doubtful_world = None;
        self.complete_passes = 0;
        Ok(Reply::done(format!(
            "accepted: work of the former server that is closed now: {closed}; what the next list shows is a new backlog, to be released by target (`provtaskd inbox`)"
        )))
    }

    /// A person says that the server is the known one after all.
    pub(super) async fn keep_world(
        &mut self,
        why: &str,
        who: Actor,
        now: Timestamp,
    ) -> Result<Reply, DaemonError> {
        if self.ledger.read(|index| index.other_world().is_none()) {
            return Ok(Reply::refused(
                RefusedKind::NotFound,
                "the server is not known to be another one",
                "see `provtaskd inbox` for what waits now",
            ));
        }
        let refused = self.ledger.keep_world(Arc::from(why), who, now).await?;
        if let Some(refused) = refused {
            return Ok(Reply::refused(
                RefusedKind::Invalid,
                format!("this can't be called the known server yet: {refused}"),
                "let the running daemon read two whole lists, then reject again; where ids are other tasks for good, `provtaskd approve world`",
            ));
        }
        self.world_said = false;
        self.doubtful_world = None;
        Ok(Reply::done(format!(
            "it is the known server: its tasks are what they were, with their attempts{}",
            self.whether_it_sends(now)
        )))
    }

    /// Whether anything is sent from now on, and why not where nothing is.
    fn whether_it_sends(&self, now: Timestamp) -> String {
        let (mode, why) = self.effective_mode();
        if mode != Mode::Enforce {
            let why: String = why.iter().map(|why| format!("; {why}")).collect();
            return format!("; the mode is {mode}, so nothing is sent{why}");
        }
        let pauses = self.governor.pauses(now);
        if pauses.iter().any(|pause| pause.scope == Scope::Global) {
            return "; everything is paused, so nothing is sent until `provtaskd resume`"
                .to_owned();
        }
        ", and sending goes on".to_owned()
    }
}

/// What such a span comes from: zones differ by quarters of an hour, clocks by anything.
fn cause_of(by: SignedDuration) -> &'static str {
    const QUARTER: i64 = 15 * 60;
    let off = by.as_secs().rem_euclid(QUARTER);
    if by.as_secs() >= QUARTER - 120 && !(120..=QUARTER - 120).contains(&off) {
        "look at `server.server_zone`, and at the server's clock"
    } else {
        "look at the server's clock, and at `server.server_zone`"
    }
}
