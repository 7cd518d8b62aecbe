//! `probe --retry-one`: shows a task, asks for consent, has the daemon retry it, and tells how its work went on here; it sends nothing itself.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::super::ask::{answer, unexpected};
use super::super::context::{Context, print};
use super::super::failure::{Failure, Kind, tell};
use super::super::progress::beside;
use super::super::render::clean;
use crate::control::{EventView, ExplainView, Reply, Request, Story};
use crate::daemon;
use crate::model::settings::Settings;
use crate::model::{ActionName, AttemptEvent, AttemptState, TaskId};
use crate::traits::{NOT_TOLD, RetryTrait, Traits, continues, not_probed};

/// Pause between two looks at what became of it (wall time).
const LOOK: Duration = Duration::from_millis(500);
/// Why, where nothing else was said.
const WHY: &str = "probe --retry-one: one guided retry, to learn how this server goes on";

/// What the command line says.
pub struct One<'a> {
    /// The task.
    pub task: &'a str,
    /// Consent, given beforehand.
    pub consent: Option<&'a str>,
    /// Why, where it was said.
    pub why: Option<&'a str>,
    /// How long to wait for the end (wall time).
    pub patience: Duration,
}

/// Retries one task and keeps what it has taught.
pub fn retry_one(context: &Context, settings: &Settings, one: &One<'_>) -> Result<(), Failure> {
    let task = TaskId::new(one.task);
    let shown = match answer(
        context,
        Request::Explain {
            task: task.to_string(),
        },
    )? {
        Reply::Explain(shown) => *shown,
        _ => return Err(unexpected()),
    };
    if let Some(standing) = shown.standing.as_ref().filter(|_| !shown.live) {
        return Err(Failure::new(
            Kind::Data,
            format!("the list does not show task {task}: {standing}"),
        )
        .hint("choose a rejected task of `provtaskd plan`"));
    }
    let traits = probed(settings)?;
    offer(&shown)?;
    consent(context, &task, one.consent)?;
    // from here on Ctrl-C is answered with what was sent
    let pressed = arm();
    let order = Request::RetryOne {
        task: task.clone(),
        why: one.why.unwrap_or(WHY).to_owned(),
    };
    match answer(context, order)? {
        Reply::Done(done) => print(&format!("{}\n", clean(&done.message)))?,
        _ => return Err(unexpected()),
    }
    let story = wait(context, &task, shown.attempts.len(), one.patience, &pressed)?;
    let learned = learn(&story, &task, answered_in(&story));
    print(&told(&story, &task, &learned))?;
    if let Some(ms) = learned.unanswered_ms {
        tell(&slow(ms, settings));
    }
    let end = (learned.outcome.clone(), learned.settled_secs);
    match keep(settings, traits, learned)? {
        Taught::Enough => Ok(()),
        Taught::Nothing => Err(nothing_taught(&task, end, one.patience)),
    }
}

/// What an answer that did not come means, and what helps.
fn slow(ms: u64, settings: &Settings) -> String {
    let (server, delivery) = (&settings.server, &settings.delivery);
    format!(
        "! no answer that tells anything came within {ms} ms (server.write_timeout is {:?}): a retry takes longer here, or something between cuts it off sooner; raise what is too short. What became of it is read {:#} after it was sent (delivery.settle_after), and later where the target takes longer: a --wait that is longer than that sees it",
        server.write_timeout, delivery.settle_after
    )
}

/// Whether it is known now how work goes on after a retry.
enum Taught {
    /// By this retry, or by an earlier one.
    Enough,
    /// By none.
    Nothing,
}

/// A retry that was sent, and after which nobody knows more of how work goes on than before.
fn nothing_taught(task: &TaskId, end: (String, Option<i64>), patience: Duration) -> Failure {
    let (outcome, settled) = end;
    let again = "`provtaskd probe --retry-one` of another task that may heal";
    let (why, hint) = match settled {
        None => (
            format!("its end did not come within {patience:?} (state: {outcome})"),
            format!(
                "the daemon goes on reading it (`provtaskd outcomes show {task}`), but what it shows later is not kept: {again}, with a longer --wait, teaches it"
            ),
        ),
        Some(_) => (
            format!("it ended as {outcome}, and no successor was seen"),
            format!("`provtaskd outcomes show {task}` says what was read; {again} teaches it"),
        ),
    };
    Failure::new(
        Kind::Findings,
        format!(
            "the retry of task {task} was sent and has not taught how work goes on here: {why}"
        ),
    )
    .hint(format!(
        "{hint}; until then retries are not enforced where probing is required"
    ))
}

/// What is to be retried, in a few lines.
fn offer(shown: &ExplainView) -> Result<(), Failure> {
    let item = &shown.item;
    let or_dash = |text: Option<String>| clean(&text.unwrap_or_else(|| "-".to_owned()));
    print(&format!(
        "task {}: {} ({}) for {} on {}, {}\nthe policies: {}\n",
        item.task,
        clean(&item.name),
        item.kind,
        or_dash(item.beneficiary.as_ref().map(ToString::to_string)),
        or_dash(item.target.as_ref().map(ToString::to_string)),
        clean(&item.status),
        clean(&item.verdict_text),
    ))
}

/// The person types the task's id, or has given it before.
fn consent(context: &Context, task: &TaskId, given: Option<&str>) -> Result<(), Failure> {
    let same = |text: &str| TaskId::new(text.trim()) == *task && !text.trim().is_empty();
    if let Some(given) = given {
        if same(given) {
            return Ok(());
        }
        return Err(Failure::new(
            Kind::Usage,
            format!("--yes-retry {given} is not task {task}"),
        )
        .hint("consent is for one task: give the same id twice"));
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::new(
            Kind::Usage,
            "a retry may run a connector, and there is no terminal to ask for consent",
        )
        .hint(format!("give --yes-retry {task}")));
    }
    let mut out = std::io::stderr().lock();
    // who does not see the question will not type the id
    let _ = write!(
        out,
        "This retries it at the server: the connector runs, access may be given or taken.\nType the task's id to consent: "
    )
    .and_then(|()| out.flush());
    drop(out);
    let (typed, line) = tokio::sync::oneshot::channel();
    // a thread of its own: whoever reads a terminal can't be called back from it
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line);
        // who was told of Ctrl-C before does not listen any more
        let _ = typed.send(read.map(|_| line).unwrap_or_default());
    });
    let line = context.block_on(async {
        tokio::select! {
            line = line => Ok(line.unwrap_or_default()),
            _ = tokio::signal::ctrl_c() => Ok(String::new()),
        }
    })?;
    if same(&line) {
        return Ok(());
    }
    Err(
        Failure::new(Kind::Interrupted, "no consent was given: nothing was sent")
            .hint("type the task's id, or give --yes-retry TASK"),
    )
}

/// From now on Ctrl-C is noted, whatever the command is waiting for then, and ends the process only the second time.
/// Where that can't be had it ends it at once, as before.
fn arm() -> Arc<AtomicBool> {
    use tokio::signal::unix::{SignalKind, signal};
    let pressed = Arc::new(AtomicBool::new(false));
    let (ready, armed) = std::sync::mpsc::sync_channel(1);
    let noted = Arc::clone(&pressed);
    // a thread of its own: the command waits in several places, not all of which listen
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let Ok(runtime) = { runtime }.enable_all().build() else {
            return;
        };
        runtime.block_on(async {
            let Ok(mut interrupt) = signal(SignalKind::interrupt()) else {
                return;
            };
            // who does not wait for it has ended
            let _ = ready.send(());
            interrupt.recv().await;
            noted.store(true, Ordering::Relaxed);
            interrupt.recv().await;
            std::process::exit(i32::from(Kind::Interrupted.code()));
        });
    });
    // an error says that the thread could not listen
    let _ = armed.recv();
    pressed
}

/// What became of the order until Ctrl-C, and what to do.
fn interrupted(story: &Story, task: &TaskId, before: usize) -> Failure {
    let (what, hint) = match story.attempts.get(before) {
        Some(attempt) => (
            format!(
                "stopped waiting; the retry of task {task} was claimed at {:.0} and may have been sent: its state is {}",
                attempt.row.claimed, attempt.row.state
            ),
            format!(
                "it is not sent again, and the daemon goes on reading what becomes of it: `provtaskd outcomes show {task}`; what it teaches is not kept without this command, so that another `probe --retry-one` is needed before retries are enforced"
            ),
        ),
        None => (
            format!("stopped waiting; the retry of task {task} is ordered and was not claimed yet"),
            format!(
                "the daemon sends it all the same, where nothing holds it by then: `provtaskd outcomes show {task}`; `provtaskd pause --task {task} --why TEXT` keeps it from being sent while it is not claimed"
            ),
        ),
    };
    Failure::new(Kind::Interrupted, what).hint(hint)
}

fn story_of(context: &Context, task: &TaskId) -> Result<Story, Failure> {
    let id = task.to_string();
    match answer(context, Request::OutcomesShow { id })? {
        Reply::Story(story) => Ok(*story),
        _ => Err(unexpected()),
    }
}

/// Waits until the attempt is settled, or as long as is waited for.
fn wait(
    context: &Context,
    task: &TaskId,
    before: usize,
    patience: Duration,
    pressed: &AtomicBool,
) -> Result<Story, Failure> {
    let began = Instant::now();
    loop {
        let story = story_of(context, task)?;
        let new = story.attempts.get(before);
        let settled = new.is_some_and(|attempt| attempt.row.settled.is_some());
        // then no attempt will come
        let dropped = new.is_none() && is_dropped(&story);
        if settled || dropped || began.elapsed() >= patience {
            if new.is_none() {
                return Err(Failure::new(
                    Kind::Data,
                    format!("the retry of task {task} was not sent: something changed before it was claimed"),
                )
                .hint("`provtaskd outcomes show TASK` and the log say why; ask again"));
            }
            return Ok(story);
        }
        context.block_on(async {
            beside("waiting for what becomes of it", tokio::time::sleep(LOOK)).await;
            Ok(())
        })?;
        if pressed.load(Ordering::Relaxed) {
            // what was claimed meanwhile is known by now
            return Err(interrupted(&story_of(context, task)?, task, before));
        }
    }
}

/// True where the order's item was taken back before its claim: the order's own decision is older then.
fn is_dropped(story: &Story) -> bool {
    let word = crate::model::RefusalReason::Withdrawn.as_str();
    let last = story.events.iter().rfind(|event| event.kind == "decided");
    last.is_some_and(|event| event.text.contains(&format!("not now: {word}")))
}

/// What is on record of the last attempt.
fn since_claim(story: &Story) -> impl Iterator<Item = &EventView> {
    let mut claims = story.events.iter();
    let claimed = claims.rposition(|event| event.kind == "claimed");
    story.events.iter().skip(claimed.unwrap_or(0))
}

/// The time of the answer, where this attempt was answered.
fn answered_in(story: &Story) -> Option<u64> {
    let answered = |text: &str| text.starts_with("accepted") || text.starts_with("refused");
    since_claim(story)
        .filter(|event| event.kind == "answered" && answered(&event.text))
        .find_map(|event| event.took_ms)
}

/// For how long an answer to this attempt was waited for, where none came that tells what became of it.
fn unanswered_in(story: &Story) -> Option<u64> {
    since_claim(story)
        .filter(|event| event.kind == "answered" && event.text.starts_with("unknown"))
        .find_map(|event| event.took_ms)
}

/// How the work went on, from its story.
fn learn(story: &Story, task: &TaskId, answered_ms: Option<u64>) -> RetryTrait {
    let last = story.attempts.last().map(|attempt| &attempt.row);
    let joined = story
        .events
        .iter()
        .rev()
        .find(|event| event.kind == "joined");
    let newer = story.ids.last().filter(|id| *id != task);
    // an account that shows a completed successor has joined it: here the task itself was read so
    let is_completed = last.is_some_and(|row| row.state == AttemptState::Completed);
    let lineage = match (newer, joined) {
        (Some(_), Some(event)) if event.text.contains("retry link") => "successor with link",
        (Some(_), _) => "successor without link",
        (None, _) if is_completed => "same id",
        (None, _) if last.is_some_and(|row| row.settled.is_some()) => "no successor was seen",
        (None, _) => NOT_TOLD,
    };
    RetryTrait {
        lineage: lineage.to_owned(),
        answered_ms,
        slowest_ms: None,
        answers: 0,
        unanswered_ms: unanswered_in(story),
        runs: runs(story, answered_ms).to_owned(),
        settled_secs: last.and_then(|row| {
            let settled = row.settled?;
            Some(settled.duration_since(row.claimed).as_secs())
        }),
        outcome: last.map_or_else(|| "not told".to_owned(), |row| row.state.to_string()),
    }
}

/// An answer that takes so long has waited for a connector.
const SLOW: u64 = 2_000;

/// Whether the connector ran before the answer. What was read as pending ran after it; what was fast, and was never
/// seen to wait, tells nothing.
fn runs(story: &Story, answered_ms: Option<u64>) -> &'static str {
    let pending = since_claim(story)
        .filter(|event| event.kind == "outcome")
        .any(|event| event.text.starts_with(AttemptEvent::ReadPending.as_str()));
    match answered_ms {
        _ if pending => "after the answer",
        Some(ms) if ms >= SLOW => "inside the call",
        _ => NOT_TOLD,
    }
}

fn told(story: &Story, task: &TaskId, learned: &RetryTrait) -> String {
    let ids: Vec<String> = story.ids.iter().map(ToString::to_string).collect();
    let newer = story.ids.last().filter(|id| *id != task);
    let time = match learned.settled_secs {
        Some(secs) => format!("{secs} s"),
        None => "not settled yet; the daemon goes on reading".to_owned(),
    };
    let reason = story.attempts.last().and_then(|attempt| {
        let row = &attempt.row;
        (row.action == ActionName::Retry).then(|| row.reason.clone())?
    });
    format!(
        "old id     {task}\nnew id     {}\nall ids    {}\ntime       {time}\nstate      {}{}\nlineage    {}\nanswer     {}\nconnector  {}\n",
        newer.map_or_else(|| "none".to_owned(), ToString::to_string),
        ids.join(", "),
        learned.outcome,
        reason.map_or_else(String::new, |reason| format!(" ({})", clean(&reason))),
        learned.lineage,
        match (learned.answered_ms, learned.unanswered_ms) {
            (Some(ms), _) => format!("after {ms} ms"),
            (None, Some(ms)) => format!("none that tells anything within {ms} ms"),
            (None, None) => NOT_TOLD.to_owned(),
        },
        learned.runs,
    )
}

/// The traits that a probe has left for this server and login: what one retry teaches is kept beside them,
/// so that without them it would be sent in vain.
fn probed(settings: &Settings) -> Result<Traits, Failure> {
    let kept = daemon::kept_traits(settings, None).map_err(daemon::DaemonError::from)?;
    let server = &settings.server;
    kept.filter(|traits| traits.is_of(&server.origin, server.login.as_str()))
        .ok_or_else(|| {
            Failure::new(
                Kind::Data,
                format!(
                    "there are no traits of {} as {} sees it, so that what the retry teaches could not be kept",
                    server.origin, server.login
                ),
            )
            .hint("run `provtaskd probe` first")
        })
}

/// What is known after it. One that was not told takes nothing away that an earlier one has taught; that it was
/// answered, and how fast, counts all the same.
fn taught(known: Option<&RetryTrait>, learned: RetryTrait) -> Option<RetryTrait> {
    let told = known.filter(|known| continues(known));
    if !continues(&learned)
        && let Some(told) = told
    {
        let waited = learned.answered_ms.or(learned.unanswered_ms).is_some();
        let waits = waited.then(|| learned.after(known))?;
        return Some(RetryTrait {
            slowest_ms: waits.slowest_ms,
            answers: waits.answers,
            unanswered_ms: waits.unanswered_ms,
            ..told.clone()
        });
    }
    Some(learned.after(known))
}

/// Writes it beside the other traits; answers whether these tell now how work goes on.
fn keep(settings: &Settings, mut traits: Traits, learned: RetryTrait) -> Result<Taught, Failure> {
    const STAYS: &str =
        "how the work goes on was not told this time, and what an earlier retry has taught stays";
    let told = learned.lineage.clone();
    let Some(learned) = taught(traits.retry.as_ref(), learned) else {
        tell(&format!("not written: {STAYS}"));
        return Ok(Taught::Enough);
    };
    let stays = learned.lineage != told;
    let taught = match continues(&learned) {
        true => Taught::Enough,
        false => Taught::Nothing,
    };
    traits.not_probed = not_probed(Some(&learned));
    traits.retry = Some(learned);
    daemon::keep_traits(&settings.traits, &traits).map_err(daemon::DaemonError::from)?;
    let path = settings.traits.display();
    tell(&if stays {
        format!("written: {path}; but only how long the answer took, or was waited for: {STAYS}")
    } else {
        format!("written: {path}")
    });
    Ok(taught)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::LineageId;

    fn at(second: i64) -> jiff::Timestamp {
        jiff::Timestamp::from_second(1_900_000_000 + second).expect("a time")
    }

    /// A story of events, each a second after the one before.
    fn story(events: &[(&str, &str)]) -> Story {
        Story {
            lineage: LineageId(1),
            ids: vec![TaskId::new("90")],
            target: None,
            name: None,
            beneficiary: None,
            first_seen: at(0),
            standing: String::new(),
            decision: None,
            attempts: Vec::new(),
            events: (0_u32..)
                .zip(events)
                .map(|(second, (kind, text))| EventView {
                    at: at(i64::from(second)),
                    kind: (*kind).to_owned(),
                    text: (*text).to_owned(),
                    actor: "daemon".to_owned(),
                    took_ms: (*kind == "answered").then_some(2_500 + u64::from(second)),
                })
                .collect(),
        }
    }

    const BEFORE: [(&str, &str); 3] = [
        ("claimed", "a retry"),
        ("answered", "accepted"),
        ("outcome", "read_pending"),
    ];

    #[test]
    fn the_time_of_an_answer_is_that_of_this_attempt_or_none() {
        let with = |more: &[(&str, &str)]| story(&[&BEFORE[..], more].concat());
        let this = |more: &[(&str, &str)]| answered_in(&with(more));
        assert_eq!(this(&[]), Some(2_501));
        assert_eq!(this(&[("claimed", "a retry")]), None, "not answered yet");
        for (text, time) in [
            ("unknown: HTTP 504", None),
            ("accepted", Some(2_504)),
            ("refused: not automated", Some(2_504)),
        ] {
            let more = [("claimed", "a retry"), ("answered", text)];
            assert_eq!(this(&more), time, "{text}");
        }
        let waited = |more: &[(&str, &str)]| unanswered_in(&with(more));
        assert_eq!(waited(&[]), None);
        let timed_out = [("claimed", "a retry"), ("answered", "unknown: timed out")];
        assert_eq!(waited(&timed_out), Some(2_504));
        // nor does what an earlier one was read as tell how this one runs
        let again = with(&[("claimed", "a retry")]);
        assert_eq!(runs(&with(&[]), None), "after the answer");
        assert_eq!(runs(&again, None), NOT_TOLD);
    }

    fn learned(lineage: &str) -> RetryTrait {
        RetryTrait {
            lineage: lineage.to_owned(),
            answered_ms: None,
            slowest_ms: None,
            answers: 0,
            unanswered_ms: None,
            runs: NOT_TOLD.to_owned(),
            settled_secs: None,
            outcome: "unknown".to_owned(),
        }
    }

    #[test]
    fn a_retry_that_was_not_answered_keeps_what_was_taught_before() {
        let known = learned("same id");
        assert_eq!(taught(Some(&known), learned(NOT_TOLD)), None);
        // nor does one that ended without a successor
        let ended = learned("no successor was seen");
        assert_eq!(taught(Some(&known), ended), None);
        let new = || learned("successor with link");
        assert_eq!(taught(Some(&known), new()), Some(new()));
        let nothing = learned(NOT_TOLD);
        assert_eq!(taught(None, nothing.clone()), Some(nothing.clone()));
        assert_eq!(
            taught(Some(&nothing), nothing.clone()),
            Some(nothing.clone())
        );
        // one that was answered, and not told in time, is the slow one of which it has to know
        let timed = |ms| RetryTrait {
            answered_ms: Some(ms),
            ..nothing.clone()
        };
        let after = taught(Some(&known), timed(900)).expect("a time");
        assert_eq!(
            (&*after.lineage, after.slowest()),
            ("same id", Some((900, 1)))
        );
        // nor is one lost that no answer came to in time
        let mut vain = nothing.clone();
        vain.unanswered_ms = Some(60_000);
        let kept = taught(Some(&after), vain).expect("a time");
        assert_eq!((&*kept.lineage, kept.in_vain()), ("same id", Some(60_000)));
        let again = taught(Some(&after), timed(20)).expect("a time");
        assert_eq!(again.slowest(), Some((900, 2)));
    }
}
