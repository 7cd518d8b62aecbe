//! The end of the daemon: nothing new is claimed, what is in flight may come to its end, and whoever asks meanwhile is told so at once; no order that was confirmed is lost by it.

use std::time::Instant;

use tokio::sync::oneshot;

use super::answer::log_order;
use super::core::{Core, Exit, Inlets};
use super::signals::Signal;
use super::under_way::Why;
use super::{DaemonError, systemd};
use crate::control::{Incoming, RefusedKind, Reply, Request, one_line};
use crate::daily::counted;

impl Core {
    /// Stops claiming, waits for what is in flight up to the grace period, then closes the store.
    pub(super) async fn shut_down(&mut self, inlets: &mut Inlets) -> Result<Exit, DaemonError> {
        systemd::stopping();
        self.stopping = true;
        let grace = self.settings.delivery.grace;
        self.ends_by = Instant::now().checked_add(grace);
        let waiting = self.queues.len();
        self.drop_queued(Why::Shutdown);
        // what is only read once more is not claimed any more: nothing to wait for
        tracing::info!(
            in_flight = self.under_way.claimed(),
            not_sent = waiting,
            grace_seconds = grace.as_secs(),
            "stopping: nothing new is claimed, what is in flight may end"
        );
        let deadline = tokio::time::sleep(grace);
        tokio::pin!(deadline);
        self.login_changed(self.clock.now()).await?;
        let exit = loop {
            if self.under_way.claimed() == 0 && !self.justifying.is_running() {
                break Exit::Clean;
            }
            tokio::select! {
                biased;
                Some(signal) = inlets.signals.recv() => {
                    if signal == Signal::Terminate {
                        break Exit::AtOnce;
                    }
                }
                () = &mut deadline => break Exit::GracePassed,
                Some(incoming) = inlets.control.recv() => self.answer_ending(incoming).await?,
                Some(done) = self.jobs.join_next() => self.finished(done).await?,
            }
        };
        if exit != Exit::Clean {
            tracing::warn!(
                in_flight = self.under_way.claimed(),
                "requests were still in flight; their claims stay open and are re-read at the next start"
            );
        }
        // who came last hears it as well, and is not left to guess
        while let Ok(incoming) = inlets.control.try_recv() {
            self.refuse_at_the_end(incoming);
        }
        self.jobs.abort_all();
        Ok(exit)
    }

    /// That the daemon is ending, and what it waits for, if so.
    pub fn ending_words(&self) -> Option<String> {
        let by = self.ends_by.filter(|_| self.stopping)?;
        let left = by.saturating_duration_since(Instant::now()).as_secs();
        let many = u64::try_from(self.under_way.claimed()).unwrap_or(u64::MAX);
        let in_flight = counted(many, "request in flight is", "requests in flight are");
        Some(format!(
            "{in_flight} waited for, {left} s more at most; nothing new is sent"
        ))
    }

    /// Answers in the grace period: what it holds can be looked at, orders go on record, and whatever would have it
    /// read or go on is refused at once.
    async fn answer_ending(&mut self, incoming: Incoming) -> Result<(), DaemonError> {
        let Some(words) = self.ending_words() else {
            self.refuse_at_the_end(incoming);
            return Ok(());
        };
        match &incoming.request {
            Request::Status
            | Request::Inbox
            | Request::Rejections
            | Request::Backlog { .. }
            | Request::OutcomesList { .. }
            | Request::OutcomesShow { .. } => self.answer(incoming).await.map(|_| ()),
            Request::Plan { .. }
            | Request::Explain { .. }
            | Request::RetryOne { .. }
            | Request::StoreSave { .. }
            | Request::Journal { .. }
            | Request::Past { .. }
            | Request::Reload
            | Request::Stop => {
                self.refuse_at_the_end(incoming);
                Ok(())
            }
            _ => {
                let (reply, answer) = oneshot::channel();
                let asker = incoming.reply;
                let ordered = self.answer(Incoming { reply, ..incoming }).await;
                let answer = answer.await.map(|answer| match answer {
                    Reply::Done(mut done) => {
                        done.message += &format!(
                            "; it is on record, and holds after the next start: the daemon is ending ({words})"
                        );
                        Reply::Done(done)
                    }
                    other => other,
                });
                if let Ok(answer) = answer {
                    let _ = asker.send(answer);
                }
                ordered.map(|_| ())
            }
        }
    }

    /// Says that the daemon is ending, and that nothing came of what was asked.
    fn refuse_at_the_end(&self, incoming: Incoming) {
        let Incoming {
            request,
            actor,
            reply,
        } = incoming;
        let words = self.ending_words();
        let words = words.map_or_else(String::new, |words| format!(": {words}"));
        if request == Request::Stop {
            let _ = reply.send(Reply::done(format!("the daemon is ending already{words}")));
            return;
        }
        let (what, hint) = match &request {
            Request::Reload => (
                "; nothing was reloaded",
                "the next start reads configuration and policies anew",
            ),
            Request::RetryOne { .. } => (
                "; nothing of it is on record",
                "ask again once it was started anew",
            ),
            of if of.is_question() => (
                "",
                "ask again when it has ended: without a daemon the command looks into the store itself",
            ),
            _ => (
                "; nothing of it is on record",
                "order it again when it has ended: without a daemon it goes into the store, and holds after the next start",
            ),
        };
        let answer = Reply::refused(
            RefusedKind::Busy,
            format!("the daemon is ending{words}{what}"),
            hint,
        );
        if !request.is_question() {
            let (scope, why) = (one_line(&request.about().0), one_line(request.about().1));
            log_order(request.name(), actor.uid, &scope, &why, &answer);
        }
        // an asker that went away needs no answer
        let _ = reply.send(answer);
    }
}
