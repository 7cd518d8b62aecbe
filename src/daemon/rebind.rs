//! Binds a store to the server that the configuration names now, by a person's word; it trusts nothing of that server, which has to show the known tasks before anything is sent.

use std::sync::Arc;

use jiff::Timestamp;

use super::DaemonError;
use super::core::Core;
use super::login::world;
use crate::control::{RefusedKind, Reply, Request};
use crate::ledger::record::Actor;

impl Core {
    /// The store of another server or login takes no orders, and shows nothing under this one's name: what
    /// is said here would go with the process.
    pub(super) fn not_our_store(&self, request: &Request) -> Option<Reply> {
        let foreign = self.foreign_store.as_ref()?;
        let about_it = matches!(
            request,
            Request::Approve { .. }
                | Request::Reject { .. }
                | Request::Pause { .. }
                | Request::Resume { .. }
                | Request::Release { .. }
                | Request::Forget { .. }
                | Request::Settle { .. }
                | Request::Reset { .. }
                | Request::RetryOne { .. }
                | Request::Inbox
                | Request::Rejections
                | Request::Explain { .. }
                | Request::Backlog { .. }
                | Request::OutcomesList { .. }
                | Request::OutcomesShow { .. }
        );
        let known = foreign.read(|index| index.world().map(str::to_owned))?;
        about_it.then(|| {
            Reply::refused(
                RefusedKind::Store,
                format!(
                    "the store belongs to {known}, the configuration names {}: nothing was recorded, and nothing of it is shown",
                    world(&self.settings.server)
                ),
                "use the configuration of that server, or another store directory; if it is the same server, `provtaskd store rebind`",
            )
        })
    }

    /// The store of another server, or of another login, belongs to the configured one from now on. `from`
    /// is the consent: what it is bound to, in the words that `status` shows.
    ///
    /// It is on record as in doubt at once: a wrong address must not have known tasks taken for vanished
    /// ones, or strange ones for new. A person ends that once two whole lists have shown known tasks.
    pub(super) async fn rebind(
        &mut self,
        from: &str,
        why: &str,
        who: Actor,
        now: Timestamp,
    ) -> Result<Reply, DaemonError> {
        let to = world(&self.settings.server);
        let Some(store) = self.foreign_store.clone() else {
            let bound = self.ledger.read(|index| index.world().is_some());
            if !self.once {
                return Ok(Reply::refused(
                    RefusedKind::Invalid,
                    format!(
                        "a daemon runs and works with {to}, as the configuration said when it was read last; a store is bound anew only while none runs"
                    ),
                    "end it (`provtaskd stop`), name the new server or login in the configuration, then `provtaskd store rebind`",
                ));
            }
            return Ok(Reply::refused(
                RefusedKind::Invalid,
                match bound {
                    true => format!("the store belongs to {to} already"),
                    false => "the store belongs to no server yet".to_owned(),
                },
                "name the new server or login in the configuration first; the first list that is read binds a new store",
            ));
        };
        if !self.once {
            return Ok(Reply::refused(
                RefusedKind::Invalid,
                "a running daemon holds this store as another server's, and does not change that",
                "end it first: `provtaskd stop`",
            ));
        }
        let known = store.read(|index| index.world().map(str::to_owned));
        if known.as_deref() != Some(from.trim()) {
            return Ok(Reply::refused(
                RefusedKind::Invalid,
                format!(
                    "the store belongs to {}, not to {from}",
                    known.as_deref().unwrap_or("no server")
                ),
                "say with --from what it belongs to, word for word",
            ));
        }
        let doubt = format!(
            "the store was bound to {from} and is bound to {to} since {now:.0} ({why}): whether that server has its tasks is not known yet"
        );
        let on_record = store.rebind(to.clone(), Arc::from(doubt.as_str()), who, now);
        on_record.await?;
        self.world_mismatch = Some(Arc::from(doubt.as_str()));
        Ok(Reply::done(format!(
            "the store belongs to {to} now, and nothing is sent yet: start the daemon, and once two whole lists have shown the known tasks `provtaskd reject world` if it is the same server; if it is another one, `provtaskd approve world` begins anew"
        )))
    }
}
