//! Answers one request from the store, and for a plan from the server, while no daemon runs; it sends nothing.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::start::{Need, assemble};
use super::store::{needs_a_store, unknown_set};
use super::time::idle;
use super::upkeep::save_offline;
use super::{DaemonError, RunOptions};
use crate::control::{self, Incoming, Reply, Request};
use crate::ledger::{Place, place};
use crate::model::settings::Settings;
use crate::policy;

/// The answer to one request, and why the policies can't be used where it was given without them; a daemon that runs
/// would hold the store.
///
/// # Errors
/// The store is held by another process, or can't be opened.
pub async fn offline(
    settings: Settings,
    request: Request,
) -> Result<(Reply, Option<String>), DaemonError> {
    if let Request::StoreSave { path, lines } = request {
        return Ok((save_offline(settings, path, lines).await?, None));
    }
    let absent = place(&settings.store.dir)? != Place::There;
    if absent && let Some(refused) = needs_a_store(&request, &settings) {
        return Ok((refused, None));
    }
    if absent && let Some(refused) = unknown_set(&request, &settings)? {
        return Ok((refused, None));
    }
    let made = absent && matches!(request, Request::Release { .. });
    let need = match request {
        // the word alone, which `check` and `probe` have kept beside the traits, takes no store
        Request::LoginClear if absent => Need::Store {
            dry: true,
            policies: false,
        },
        ref request => Need::of(request),
    };
    // said with what was ordered: what is on record holds all the same
    let unread = match need.goes_without_policies() {
        true => policy::load::load(&settings.policy).err(),
        false => None,
    };
    let unread = unread.map(|error| error.one_line());
    let settings = Arc::new(settings);
    let options = RunOptions {
        once: true,
        ..RunOptions::default()
    };
    let mut core = assemble(Arc::clone(&settings), &options, need).await?;
    core.absences.read_now(core.clock.now()).await;
    let (reply, mut answer) = oneshot::channel();
    let incoming = Incoming {
        request,
        actor: control::Actor {
            uid: rustix::process::getuid().as_raw(),
            pid: None,
        },
        reply,
    };
    if let Err(error) = core.answer(incoming).await {
        // what came of an order is an answer too
        let told = answer.try_recv().map(|reply| (reply, unread));
        return told.or(Err(error));
    }
    while !core.jobs.is_empty() {
        let (clock, stepper, jobs) = (core.clock.clone(), core.stepper.clone(), core.jobs.len());
        tokio::select! {
            Some(done) = core.jobs.join_next() => core.finished(done).await?,
            // readings may wait for the budget in domain time, which a simulator moves on
            stepped = idle(&clock, stepper.as_ref(), jobs, jiff::Timestamp::MAX) => {
                stepped.map_err(DaemonError::Stepper)?;
            }
        }
    }
    let answer = answer
        .await
        .map_err(|_| DaemonError::Worker("the question was dropped without an answer".to_owned()));
    let closed = core.ledger.shutdown().await.map_err(DaemonError::from);
    let mut done = match answer {
        Ok(Reply::Done(done)) => done,
        other => return closed.and(other.map(|reply| (reply, unread))),
    };
    if made {
        let dir = settings.store.dir.display();
        done.message += &format!("; there was no store in {dir}, and one was made for it");
    }
    // said with what was ordered, on its one line
    if let Some(error) = unread {
        done.message += &format!(
            "; the policies can't be used as they are, and it holds all the same: {error}"
        );
    }
    if let Err(error) = closed {
        let what = format!("it is on record, and then the store failed: {error}");
        done.but = done.but.or(Some((what, error.hint())));
    }
    Ok((Reply::Done(done), None))
}
