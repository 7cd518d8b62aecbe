//! The simulator as an HTTP server on loopback: takes a request, lets world and faults decide, journals, waits, answers; it must never bind anything but loopback.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, Response, header};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::api::{self, Answer, Req};
use super::clock::{Clock, wall_ms};
use super::conn::{Cut, CutListener};
use super::fault::{FaultKind, FaultSpec};
use super::journal::{Journal, JournalError};
use super::mangle;
use super::scenario::{ClockSpec, Scenario, ScenarioError};
use super::time::stamp_ms;
use super::world::World;
use super::{control, draw};

/// The most that a request's body may be.
const BODY_LIMIT: usize = 64 << 20;

/// A simulator that can't start.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// The scenario.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The scenario file.
    #[error("scenario file {path}: {source}", path = path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A value in the scenario file, with its line.
    #[error("{path}:{line}: {what}", path = path.display())]
    At {
        /// Which one.
        path: PathBuf,
        /// Where.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// Neither a file nor a shipped one.
    #[error(
        "there is no scenario {named:?}: neither a file of that name nor one that ships; these ship: {shipped}"
    )]
    NoScenario {
        /// What was named.
        named: String,
        /// The names of those that ship.
        shipped: String,
    },
    /// Not an address.
    #[error("bind {0:?}: not an address and port; write for example 127.0.0.1:14000")]
    Address(String),
    /// Somebody else's address.
    #[error(
        "bind {0}: the simulator listens on loopback only, because its passwords are published; use 127.0.0.1"
    )]
    NotLoopback(SocketAddr),
    /// The socket.
    #[error("bind {address}: {source}")]
    Bind {
        /// Which one.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// Not a clock.
    #[error("{0}")]
    Clock(String),
}

/// How to start a simulator.
#[derive(Debug, Clone)]
pub struct SimOptions {
    /// The world.
    pub scenario: Scenario,
    /// Address and port; port 0 = any free one.
    pub bind: String,
    /// A file that the journal is appended to.
    pub journal: Option<PathBuf>,
    /// Another clock than the scenario's.
    pub clock: Option<ClockSpec>,
    /// Another seed than the scenario's.
    pub seed: Option<u64>,
}

impl SimOptions {
    /// A scenario on any free loopback port.
    pub fn new(scenario: Scenario) -> Self {
        Self {
            scenario,
            bind: "127.0.0.1:0".to_owned(),
            journal: None,
            clock: None,
            seed: None,
        }
    }
}

/// What changes while the server runs.
pub(super) struct Core {
    pub world: World,
    pub clock: Clock,
    pub journal: Journal,
    journalled: usize,
    requests: u64,
}

impl Core {
    /// Lets time catch up and writes the effects of that into the journal.
    pub fn catch_up(&mut self) {
        let now = self.clock.now(self.world.now());
        self.world.advance(now);
        self.journal_effects();
    }

    /// Writes effects that are not in the journal yet.
    pub fn journal_effects(&mut self) {
        for effect in self.world.effects().iter().skip(self.journalled) {
            self.journal.add(self.world.effect_truth(effect));
        }
        self.journalled = self.world.effects().len();
    }
}

/// Shared by all connections.
pub(super) struct Shared {
    core: Mutex<Core>,
    pub changed: watch::Sender<u64>,
    pub waiting: watch::Sender<usize>,
    pub stop: CancellationToken,
    pub about: Value,
}

impl Shared {
    /// The changing part. A panic of another request does not end the simulator: the world is changed in whole steps.
    pub fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells waiting requests that time or hold has moved.
    pub fn tell(&self) {
        self.changed.send_modify(|count| *count += 1);
    }
}

/// A running simulator. Dropping it stops it.
pub struct SimServer {
    shared: Arc<Shared>,
    tracker: TaskTracker,
    origin: String,
}

impl SimServer {
    /// Starts a simulator.
    ///
    /// # Errors
    /// [`SimError`]: the scenario, the address, the journal file.
    pub async fn start(options: SimOptions) -> Result<Self, SimError> {
        let mut scenario = options.scenario;
        if let Some(seed) = options.seed {
            scenario.seed = seed;
        }
        let spec = options.clock.unwrap_or_else(|| scenario.clock.clone());
        let clock = Clock::start(&spec, scenario.start_ms()?);
        let mut world = World::build(&scenario, clock.started_at())?;
        let address: SocketAddr = options
            .bind
            .replace("localhost", "127.0.0.1")
            .parse()
            .map_err(|_| SimError::Address(options.bind.clone()))?;
        if !is_loopback(address.ip()) {
            return Err(SimError::NotLoopback(address));
        }
        let bound = |source| SimError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(bound)?;
        let local = listener.local_addr().map_err(bound)?;
        let origin = format!("http://{local}");
        world.origin.clone_from(&origin);
        let journal = Journal::open(options.journal.as_deref())?;
        let login = scenario
            .login
            .first()
            .map_or("", |login| login.login.as_str());
        let shared = Arc::new(Shared {
            about: json!({
                "simulator": "provtaskd", "version": env!("CARGO_PKG_VERSION"),
                "scenario": scenario.name, "seed": scenario.seed, "login": login,
            }),
            core: Mutex::new(Core {
                world,
                clock,
                journal,
                journalled: 0,
                requests: 0,
            }),
            changed: watch::Sender::new(0),
            waiting: watch::Sender::new(0),
            stop: CancellationToken::new(),
        });
        let app = axum::Router::new()
            .fallback(handle)
            .with_state(Arc::clone(&shared))
            .into_make_service_with_connect_info::<Cut>();
        let tracker = TaskTracker::new();
        let stop = shared.stop.clone();
        tracker.spawn(async move {
            let serving = axum::serve(CutListener(listener), app)
                .with_graceful_shutdown(async move { stop.cancelled().await });
            if let Err(error) = serving.await {
                tracing::error!(%error, "the simulator's server ended");
            }
        });
        tracker.close();
        Ok(Self {
            shared,
            tracker,
            origin,
        })
    }

    /// `http://127.0.0.1:PORT`.
    pub fn origin(&self) -> String {
        self.origin.clone()
    }

    /// The whole truth, as `GET /sim/truth` shows it.
    pub fn truth(&self) -> Value {
        let mut core = self.shared.core();
        core.catch_up();
        core.world.truth(false)
    }

    /// Only the counts of the truth.
    pub fn summary(&self) -> Value {
        let mut core = self.shared.core();
        core.catch_up();
        core.world.truth(true)
    }

    /// The journal from an entry on, parsed.
    pub fn journal(&self, since: usize) -> Vec<Value> {
        let text = self.shared.core().journal.since(since);
        text.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// Lets a stepped world run so much further, as `POST /sim/clock/hold` with `for` does.
    pub fn run_on(&self, span: Duration) {
        control::run_on(&self.shared, span);
    }

    /// True once a client is idle at the hold, as `GET /sim/clock/wait_held` tells; false where none came in time.
    pub async fn at_rest(&self, patience: Duration) -> bool {
        control::at_rest(&self.shared, patience).await.is_some()
    }

    /// Stops it; hanging answers are dropped.
    pub async fn shutdown(self) {
        self.shared.stop.cancel();
        // Connections kept alive by a client would hold an orderly end up for ever.
        let _ = tokio::time::timeout(Duration::from_secs(2), self.tracker.wait()).await;
    }
}

impl Drop for SimServer {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

fn is_loopback(ip: IpAddr) -> bool {
    ip.is_loopback()
}

/// Splits and decodes a query; `+` is a blank.
pub(super) fn query_of(raw: &str) -> Vec<(String, String)> {
    raw.split('&')
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (decode(name), decode(value))
        })
        .collect()
}

fn decode(text: &str) -> String {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let pair: Vec<u8> = bytes.clone().take(2).collect();
                let code = std::str::from_utf8(&pair)
                    .ok()
                    .filter(|pair| pair.len() == 2)
                    .and_then(|pair| u8::from_str_radix(pair, 16).ok());
                if let Some(code) = code {
                    bytes.nth(1);
                    out.push(code);
                } else {
                    out.push(byte);
                }
            }
            other => out.push(other),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn text_of(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

async fn handle(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    request: Request,
) -> Response<Body> {
    let begun = Instant::now();
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, BODY_LIMIT).await else {
        return send(
            Answer::error(413, "the body is too large or was cut off"),
            begun,
        );
    };
    let raw_query = parts.uri.query().unwrap_or("").to_owned();
    let req = Req {
        method: parts.method.as_str().to_owned(),
        path: decode(&parts.uri.path().replace('+', "%2B")),
        query: query_of(&raw_query),
        authorization: text_of(&parts.headers, header::AUTHORIZATION.as_str()),
        requested_by: parts.headers.contains_key("x-requested-by"),
        content_type: text_of(&parts.headers, header::CONTENT_TYPE.as_str()),
        request_id: text_of(&parts.headers, "x-request-id"),
        body: body.to_vec(),
    };
    if req.path.starts_with("/sim/") {
        return send(control::handle(&shared, &req).await, begun);
    }
    let (answer, fault) = decide(&shared, &req, &raw_query);
    let mut wait = Duration::from_millis(answer.wait_ms);
    let mut never = false;
    if let Some(fault) = &fault {
        let ms = Duration::from_millis(fault.ms);
        match fault.what {
            FaultKind::Hang | FaultKind::HangUnapplied => {
                wait += ms;
                never = fault.ms == 0;
            }
            FaultKind::SlowApply => {
                wait += if fault.ms == 0 {
                    Duration::from_secs(1)
                } else {
                    ms
                };
                cut.after(0);
            }
            FaultKind::ResetBefore | FaultKind::ResetAfter => cut.after(0),
            FaultKind::CutBody => {
                // The head goes out, and a part of the body after it.
                let half = i64::try_from(answer.body.len() / 2).unwrap_or(0);
                cut.after(half + 150);
            }
            _ => {}
        }
    }
    if never {
        wait = Duration::from_secs(24 * 3_600);
    }
    if !wait.is_zero() {
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = shared.stop.cancelled() => cut.after(0),
        }
    }
    send(answer, begun)
}

/// The part of a request that must be one step: fault, world, journal.
fn decide(shared: &Shared, req: &Req, raw_query: &str) -> (Answer, Option<FaultSpec>) {
    let mut guard = shared.core();
    let core = &mut *guard;
    core.catch_up();
    core.requests += 1;
    let number = core.requests;
    let cause: Arc<str> = match &req.request_id {
        Some(id) => Arc::from(id.as_str()),
        None => Arc::from(format!("request-{number}")),
    };
    let class = req.class();
    let items = if class == super::fault::Class::Put && core.world.faults.any() {
        api::items_of(req)
    } else {
        Vec::new()
    };
    let mut subject = vec![
        draw::text(&req.method),
        draw::text(&req.path),
        draw::text(raw_query),
    ];
    let mut ids: Vec<u64> = items.iter().map(|item| draw::text(&item.id)).collect();
    ids.sort_unstable();
    subject.extend(ids);
    let now = core.world.now();
    let subject = draw::hash(0, &subject);
    let named: Vec<&str> = items.iter().map(|item| item.id.as_ref()).collect();
    let faults = &mut core.world.faults;
    let (claimed, auth_kind) = core.world.auth.claimed(req.authorization.as_deref());
    let asks = claimed.as_deref();
    let fault = faults.pick(class, &req.path, &named, asks, subject, now);
    let mut answer = mangle::answer(&mut core.world, req, &cause, &items, fault.as_ref());
    let skew = core.world.traits.clock_skew_secs;
    if skew != 0 {
        let shown = mangle::http_date(wall_ms().saturating_add(skew.saturating_mul(1_000)));
        answer.headers.push(("Date", shown));
    }
    core.journal_effects();
    let keep_body = core.world.server.journal_bodies;
    let body = if req.body.is_empty() || !keep_body {
        Value::Null
    } else {
        serde_json::from_slice(&req.body).unwrap_or(json!("not JSON"))
    };
    let done: Vec<Value> = answer
        .items
        .iter()
        .map(|item| {
            json!({"id": item.id, "action": item.action, "ok": item.refusal.is_none(),
                   "reason": item.refusal.as_ref().map(super::world::Refusal::reason), "runs": item.runs})
        })
        .collect();
    core.journal.add(json!({
        "type": "request", "number": number, "method": req.method, "path": req.path, "query": raw_query,
        "class": class.word(), "request_id": req.request_id, "login": claimed, "auth": auth_kind,
        "denied": answer.denied, "at": stamp_ms(now), "wall": stamp_ms(wall_ms()), "status": answer.status,
        "fault": fault.as_ref().map(|fault| format!("{:?}", fault.what)), "body": body, "items": done,
    }));
    if req.method == "HEAD" {
        answer.items.clear();
    }
    (answer, fault)
}

fn send(answer: Answer, begun: Instant) -> Response<Body> {
    let mut response = Response::builder()
        .status(answer.status)
        .header("ResponseTime", begun.elapsed().as_millis().to_string());
    if !answer.content_type.is_empty() {
        response = response.header(header::CONTENT_TYPE, answer.content_type);
    }
    for (name, value) in &answer.headers {
        response = response.header(*name, value);
    }
    response
        .body(Body::from(answer.body))
        .unwrap_or_else(|_| Response::new(Body::from("the simulator made an invalid answer")))
}
