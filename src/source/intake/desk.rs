//! The thread that owns the hints file: it gathers what comes within a few milliseconds, makes it durable in one write, and answers all of it after that; it never answers before.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::Shared;
use super::asked::Asked;
use super::book::{Coming, Hint, May, Together};
use super::cause::{Cause, HintEnd};
use super::file::{HintFile, Line};
use super::persons::PersonEnd;
use crate::model::{Clock, Road, TargetName, TaskId};

/// What comes within this time is written together.
const GATHER: Duration = Duration::from_millis(4);
/// So much is written together at most.
const AT_ONCE: usize = 1_024;

/// What became of an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Taken {
    /// It is on disk.
    New,
    /// It was taken before, and has no effect.
    Before,
}

/// The answer to a sender.
pub type Answer = Result<Taken, Cause>;

/// What the thread is asked for.
#[derive(Debug)]
pub enum Errand {
    /// Take an event or a file.
    Take {
        /// It.
        coming: Coming,
        /// Where the answer goes.
        answer: oneshot::Sender<Answer>,
    },
    /// The turn of a person who was named is over.
    Walked {
        /// The person.
        asked: Asked,
        /// How.
        end: PersonEnd,
        /// So many tasks were found.
        found: u64,
    },
    /// Hints have ended, and targets were looked at.
    End {
        /// Each with its end; none: it could not be read this time.
        ends: Vec<(Hint, Option<HintEnd>)>,
        /// Them.
        targets: BTreeMap<TargetName, u64>,
        /// Told when it is done.
        done: oneshot::Sender<()>,
    },
}

/// Does errands until nobody can ask any more.
pub fn serve(errands: &Receiver<Errand>, mut file: HintFile, shared: &Arc<Shared>, clock: &Clock) {
    while let Ok(first) = errands.recv() {
        let until = Instant::now() + GATHER;
        let mut together = vec![first];
        while together.len() < AT_ONCE {
            let left = until.saturating_duration_since(Instant::now());
            match errands.recv_timeout(left) {
                Ok(next) => together.push(next),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        let now = clock.now() + clock.drift();
        one_round(together, &mut file, shared, now.as_second());
    }
}

fn one_round(together: Vec<Errand>, file: &mut HintFile, shared: &Arc<Shared>, now: i64) {
    let mut coming = Vec::new();
    let mut ended = Vec::new();
    for errand in together {
        match errand {
            Errand::Take { coming: it, answer } => coming.push((it, answer)),
            Errand::End {
                ends,
                targets,
                done,
            } => ended.push((ends, targets, done)),
            Errand::Walked { asked, end, found } => walked(&asked, end, found, file, shared),
        }
    }
    take(coming, file, shared, now);
    for (ends, targets, done) in ended {
        end(ends, &targets, file, shared);
        // who does not wait any more needs no word
        let _ = done.send(());
    }
    let mut book = shared.book();
    if let Err(error) = file.tidy(&mut book, now) {
        tracing::warn!(%error, "the hints file could not be written anew; the old one stays in use");
    }
}

fn take(
    coming: Vec<(Coming, oneshot::Sender<Answer>)>,
    file: &mut HintFile,
    shared: &Arc<Shared>,
    now: i64,
) {
    if coming.is_empty() {
        return;
    }
    let mut together = Together::default();
    let judged: Vec<May> = {
        let mut book = shared.book();
        let any_full = |may: &May| *may == May::Not(Cause::Busy);
        let judge = |book: &super::book::Book, together: &mut Together| -> Vec<May> {
            let all = coming.iter();
            all.map(|(it, _)| book.may(it, together, now)).collect()
        };
        let judged = judge(&book, &mut together);
        if judged.iter().any(any_full) {
            // ids whose time has passed make room
            book.forget_old(now);
            together = Together::default();
            judge(&book, &mut together)
        } else {
            judged
        }
    };
    let lines: Vec<Line> = coming
        .iter()
        .zip(&judged)
        .filter(|(_, may)| **may == May::Take)
        .flat_map(|((it, _), _)| Line::took(it))
        .collect();
    let written = if lines.is_empty() {
        Ok(())
    } else {
        file.append(&lines, true)
    };
    shared.set_trouble(written.as_ref().err());
    if written.is_ok() {
        let mut book = shared.book();
        for ((it, _), may) in coming.iter().zip(&judged) {
            if *may == May::Take {
                book.take(it);
            }
        }
    }
    let stored = written.is_ok();
    if stored {
        // before the answers: whoever has one may count on the next cycle
        shared.announce();
    }
    for ((_, answer), may) in coming.into_iter().zip(judged) {
        let said = match may {
            May::Not(cause) => Err(cause),
            // a repetition may be one of an event that has just failed
            May::Take | May::Known if !stored => Err(Cause::NotStored),
            May::Take => Ok(Taken::New),
            May::Known => Ok(Taken::Before),
        };
        // a sender that went away comes again with the same id
        let _ = answer.send(said);
    }
}

/// Without a sync, and one whose accounts could not be read has further turns: what is lost costs readings.
fn walked(asked: &Asked, end: PersonEnd, found: u64, file: &mut HintFile, shared: &Arc<Shared>) {
    let over = {
        let mut book = shared.book();
        let again = end == PersonEnd::NotRead && !book.persons.in_vain(asked);
        !again && book.persons.end(asked)
    };
    {
        let mut walks = shared.walk();
        walks.asked.found = walks.asked.found.saturating_add(found);
        if over {
            walks.asked.had(&asked.login, end, 0);
        }
    }
    if !over {
        return;
    }
    let users = vec![asked.login.clone()];
    if let Err(error) = file.append(&[Line::Walked { users }], false) {
        tracing::warn!(%error, "it could not be noted that a person was walked through; after a restart that is done once more");
    }
}

fn end(
    ends: Vec<(Hint, Option<HintEnd>)>,
    targets: &BTreeMap<TargetName, u64>,
    file: &mut HintFile,
    shared: &Arc<Shared>,
) {
    let mut done: Vec<TaskId> = Vec::new();
    let mut follow: Vec<(Road, TaskId)> = Vec::new();
    let mut lines = Vec::new();
    {
        let mut book = shared.book();
        for (hint, end) in ends {
            if !book.holds(&hint) {
                continue;
            }
            let end = match end {
                Some(HintEnd::NotFound) if !book.is_gone(&hint) => continue,
                Some(end) => end,
                None if book.in_vain(&hint) => HintEnd::Unreadable,
                None => continue,
            };
            let followed_on = end == HintEnd::Followed && hint.followed;
            if book.end(&hint, end) {
                if end == HintEnd::Followed {
                    follow.push((hint.road, hint.task));
                } else {
                    done.push(hint.task);
                }
            }
            if !followed_on {
                shared.counts.ended(end, 1);
            }
        }
        let targets = book.looked_at(targets);
        if !targets.is_empty() {
            lines.push(Line::Looked { targets });
        }
    }
    for part in done.chunks(500) {
        let tasks = part.to_vec();
        lines.push(Line::Done { tasks });
    }
    for (road, task) in follow {
        let tasks = vec![task];
        lines.push(Line::Follow { road, tasks });
    }
    // without a sync: what is lost of it costs one more reading
    if !lines.is_empty()
        && let Err(error) = file.append(&lines, false)
    {
        tracing::warn!(%error, "it could not be noted which hints were read; after a restart they are read once more");
    }
}
