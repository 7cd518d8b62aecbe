//! The control endpoints under `/sim/`: clock, hold, journal, truth, acts; for tests and for the daemon's stepped clock, never counted as requests to OIG.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::api::{Answer, Req};
use super::clock::{parse_until, wall_ms};
use super::scenario::{Act, ClockMode};
use super::server::Shared;
use super::time::{Ms, parse_stamp_up, stamp_ms};

/// How long one call of `advance` waits at the hold, in wall time.
const LONG_POLL: Duration = Duration::from_secs(20);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    to: String,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Hold {
    until: Option<String>,
    #[serde(rename = "for")]
    span: Option<String>,
}

/// Counts one waiting client for as long as it lives.
struct Waiting<'shared>(&'shared Shared);

impl<'shared> Waiting<'shared> {
    fn new(shared: &'shared Shared) -> Self {
        shared.waiting.send_modify(|count| *count += 1);
        Self(shared)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.send_modify(|count| *count -= 1);
    }
}

/// Answers a control request.
pub async fn handle(shared: &Arc<Shared>, req: &Req) -> Answer {
    match (req.method.as_str(), req.path.as_str()) {
        ("GET", "/sim/identity") => Answer::json(200, &shared.about),
        ("GET", "/sim/clock") => clock(shared),
        ("POST", "/sim/clock/advance") => advance(shared, req).await,
        ("POST", "/sim/clock/hold") => hold(shared, req),
        ("GET", "/sim/clock/wait_held") => wait_held(shared, req).await,
        ("GET", "/sim/journal") => {
            let since = req
                .param("since")
                .and_then(|text| text.parse().ok())
                .unwrap_or(0);
            let mut core = shared.core();
            core.catch_up();
            let mut answer = Answer::raw(200, core.journal.since(since).into_bytes());
            answer.content_type = "application/x-ndjson";
            answer
        }
        ("GET", "/sim/truth") => {
            let mut core = shared.core();
            core.catch_up();
            Answer::json(200, &core.world.truth(req.param("brief").is_some()))
        }
        ("POST", "/sim/act") => act(shared, req),
        _ => Answer::json(404, &json!({"error": "no such control endpoint"})),
    }
}

fn wrong(status: u16, text: impl Into<String>) -> Answer {
    Answer::json(status, &json!({"error": text.into()}))
}

fn read<T: serde::de::DeserializeOwned>(req: &Req) -> Result<T, Box<Answer>> {
    serde_json::from_slice(&req.body)
        .map_err(|error| Box::new(wrong(400, format!("body: {error}"))))
}

fn clock(shared: &Shared) -> Answer {
    let mut core = shared.core();
    core.catch_up();
    Answer::json(
        200,
        &json!({
            "mode": core.clock.mode.word(), "now": stamp_ms(core.world.now()), "scale": core.clock.scale,
            "wall": stamp_ms(wall_ms()), "hold": core.clock.hold.map(stamp_ms),
        }),
    )
}

async fn advance(shared: &Shared, req: &Req) -> Answer {
    let to = match read::<Advance>(req).and_then(|body| {
        parse_stamp_up(&body.to).map_err(|error| Box::new(wrong(400, error.to_string())))
    }) {
        Ok(to) => to,
        Err(answer) => return *answer,
    };
    let mut changed = shared.changed.subscribe();
    let deadline = tokio::time::Instant::now() + LONG_POLL;
    let mut waiting = None;
    loop {
        changed.borrow_and_update();
        let now = {
            let mut core = shared.core();
            if core.clock.mode != ClockMode::Stepped {
                return wrong(409, "only a stepped clock can be advanced");
            }
            let until = core.clock.hold.map_or(to, |hold| hold.min(to));
            core.world.advance(until);
            core.journal_effects();
            core.world.now()
        };
        let answer = |held: bool| Answer::json(200, &json!({"now": stamp_ms(now), "held": held}));
        if now >= to {
            return answer(false);
        }
        if waiting.is_none() {
            waiting = Some(Waiting::new(shared));
        }
        tokio::select! {
            woken = changed.changed() => if woken.is_err() { return answer(true) },
            () = tokio::time::sleep_until(deadline) => return answer(true),
            () = shared.stop.cancelled() => return answer(true),
        }
    }
}

fn hold(shared: &Shared, req: &Req) -> Answer {
    let body = match read::<Hold>(req) {
        Ok(body) => body,
        Err(answer) => return *answer,
    };
    let answer = {
        let mut core = shared.core();
        let from = core
            .clock
            .hold
            .unwrap_or(core.world.now())
            .max(core.world.now());
        if body.until.is_none() && body.span.is_none() {
            core.clock.hold = None;
        } else {
            match parse_until(body.until.as_deref(), body.span.as_deref(), from) {
                Ok(until) => core.clock.hold = Some(until),
                Err(error) => return wrong(400, error),
            }
        }
        json!({"now": stamp_ms(core.world.now()), "hold": core.clock.hold.map(stamp_ms)})
    };
    shared.tell();
    Answer::json(200, &answer)
}

/// Lets a stepped world run so much further than it might until now.
pub fn run_on(shared: &Shared, span: Duration) {
    {
        let mut core = shared.core();
        let now = core.world.now();
        let from = core.clock.hold.unwrap_or(now).max(now);
        let span = Ms::try_from(span.as_millis()).unwrap_or(Ms::MAX);
        core.clock.hold = Some(from.saturating_add(span));
    }
    shared.tell();
}

/// Waits until a client is idle at the hold, and answers the world's time; `None` where none came in time.
pub async fn at_rest(shared: &Shared, patience: Duration) -> Option<Ms> {
    let deadline = tokio::time::Instant::now() + patience;
    let mut waiting = shared.waiting.subscribe();
    loop {
        let blocked = *waiting.borrow_and_update() > 0;
        {
            let core = shared.core();
            let now = core.world.now();
            // A client that waits at an old hold and has not woken yet is not idle at the new one.
            if blocked && core.clock.hold.is_some_and(|hold| now >= hold) {
                return Some(now);
            }
        }
        tokio::select! {
            _ = waiting.changed() => {}
            () = tokio::time::sleep_until(deadline) => return None,
            () = shared.stop.cancelled() => return None,
        }
    }
}

async fn wait_held(shared: &Shared, req: &Req) -> Answer {
    let ms = req
        .param("timeout_ms")
        .and_then(|text| text.parse().ok())
        .unwrap_or(20_000);
    match at_rest(shared, Duration::from_millis(ms)).await {
        Some(now) => Answer::json(200, &json!({"held": true, "now": stamp_ms(now)})),
        None => wrong(408, "no client is waiting at the hold"),
    }
}

fn act(shared: &Shared, req: &Req) -> Answer {
    let act = match read::<Act>(req) {
        Ok(act) => act,
        Err(answer) => return *answer,
    };
    let outcome = {
        let mut core = shared.core();
        core.catch_up();
        let tasks = core.world.named(&act);
        let outcome = core.world.act(&act);
        core.journal_effects();
        let now = core.world.now();
        let mut told: Value = serde_json::from_slice(&req.body).unwrap_or(Value::Null);
        if let Some(password) = told.get_mut("password") {
            *password =
                json!({"login": act.password.as_ref().map(|password| password.login.clone())});
        }
        core.journal.add(json!({
            "type": "act", "at": stamp_ms(now), "act": told, "tasks": tasks, "done": outcome.is_ok(),
        }));
        outcome
    };
    match outcome {
        Ok(()) => Answer::json(200, &json!({"done": true})),
        Err(error) => wrong(400, error.to_string()),
    }
}
