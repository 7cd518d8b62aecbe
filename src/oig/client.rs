//! The one place from which HTTP leaves for OIG; it retries nothing by itself and follows no redirect.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::header::{ACCEPT, CONTENT_TYPE, DATE, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{StatusCode, Url};

use super::auth::{Auth, LoginState, Pass, Ready, StopPlace};
use super::budget::Budget;
use super::dates;
use super::error::OigError;
use super::excerpt::excerpt;
use super::filter::path_and_query;
use super::peer::Peer;
use super::tls::{self, Http};
use super::wire::{self, Page, WireFault};
use crate::model::Clock;
use crate::model::settings::ServerSettings;

/// Bytes that are set aside at most for a body because its header promises them.
const PROMISED: usize = 4 << 20;
/// Bytes from which on a buffer is worth being kept for the next page, and how many are kept.
const LARGE: usize = 64 << 10;
const BUFFERS: usize = 4;

/// A client of one OIG server under one login. Cheap to clone; clones share login, budget and counters.
#[derive(Clone)]
pub struct Client(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) settings: ServerSettings,
    pub(super) clock: Clock,
    pub(super) http: Http,
    pub(super) auth: Auth,
    budget: Mutex<Budget>,
    origin: String,
    counts: Counts,
    /// Pages of the last complete list: how far reads ahead may go without asking past the end.
    pub(super) pages_known: AtomicU32,
    /// The last list's end was contradicted by the server's own words.
    pub(super) contradicts: AtomicBool,
    /// True once the server has shown that it understands `or` between users.
    pub(super) or_works: AtomicBool,
    /// The server has refused to be asked for an `End Date`.
    pub(super) end_date_refused: AtomicU32,
    /// Buffers of pages that were taken apart, for the next ones of the same list: a page of a megabyte takes
    /// longer to be had from the system than to be filled.
    buffers: Mutex<Vec<Vec<u8>>>,
}

#[derive(Default)]
struct Counts {
    reads: AtomicU64,
    writes: AtomicU64,
    tokens: AtomicU64,
    bytes: AtomicU64,
}

/// Requests sent since the client was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RequestCounts {
    /// GET requests.
    pub reads: u64,
    /// PUT requests.
    pub writes: u64,
    /// Requests to the token service.
    pub tokens: u64,
    /// Bytes of bodies received, after decompression.
    pub bytes: u64,
}

/// An answer whose status has been looked at: 2xx only.
pub(super) struct Body {
    pub(super) bytes: Vec<u8>,
    /// The server's `Date`.
    pub(super) date: Option<String>,
    /// What the connection was, where it was TLS.
    pub(super) peer: Option<Peer>,
}

/// Whether a request is a read (budgeted) or a write (never repeated).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// A read of a resource that may not be there.
    Optional,
    /// A read of something that must be there.
    Needed,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("origin", &self.0.origin)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Makes a client; nothing is sent yet. TLS is set up for https only.
    ///
    /// # Errors
    /// [`OigError::Settings`] for an origin that can't be used (plain http to another host among them),
    /// [`OigError::File`] for secrets and certificates that can't be read.
    pub fn new(
        settings: &ServerSettings,
        clock: Clock,
        login_state: LoginState,
    ) -> Result<Self, OigError> {
        let url = tls::check_origin(settings)?;
        let http = tls::build(settings, url.scheme() == "https")?;
        let auth = Auth::new(settings, login_state)?;
        Ok(Self::of(settings, clock, http, auth, &url))
    }

    fn of(settings: &ServerSettings, clock: Clock, http: Http, auth: Auth, url: &Url) -> Self {
        Self(Arc::new(Inner {
            http,
            auth,
            budget: Mutex::new(Budget::new(settings.reads_per_minute)),
            origin: url.origin().ascii_serialization(),
            settings: settings.clone(),
            clock,
            counts: Counts::default(),
            pages_known: AtomicU32::new(0),
            contradicts: AtomicBool::new(false),
            buffers: Mutex::default(),
            or_works: AtomicBool::new(false),
            end_date_refused: AtomicU32::new(0),
        }))
    }

    /// A client that never sends, for what is asked of the store alone where the secret or a certificate
    /// can't be read; each attempt to send answers with `why`.
    ///
    /// # Errors
    /// As [`Client::new`], but for secrets and certificates.
    pub fn barred(
        settings: &ServerSettings,
        clock: Clock,
        login_state: LoginState,
        why: &OigError,
    ) -> Result<Self, OigError> {
        let url = tls::check_origin(settings)?;
        let http = tls::build(settings, false)?;
        let auth = Auth::barred(settings, login_state, why.to_string());
        Ok(Self::of(settings, clock, http, auth, &url))
    }

    /// Requests sent so far.
    pub fn requests(&self) -> RequestCounts {
        let counts = &self.0.counts;
        RequestCounts {
            reads: counts.reads.load(Ordering::Relaxed),
            writes: counts.writes.load(Ordering::Relaxed),
            tokens: counts.tokens.load(Ordering::Relaxed),
            bytes: counts.bytes.load(Ordering::Relaxed),
        }
    }

    /// The login's state, to be persisted whenever it differs from what was persisted last.
    pub fn login_state(&self) -> LoginState {
        self.0.auth.state()
    }

    /// Why the password that lies in the file can't be tried, where the login is stopped.
    pub fn unusable_secret(&self) -> Option<String> {
        self.0.auth.unusable()
    }

    /// True where a refusal is of the password that lies in the file by now, and not of the one that is in use here.
    pub fn is_of_a_newer_secret(&self, refused: &super::SecretDigest) -> bool {
        self.0.auth.is_of_a_newer_secret(refused)
    }

    /// Keeps a stop there as soon as the server refuses the login, and asks there before it authenticates.
    pub fn keep_stops_at(&self, place: StopPlace) {
        self.0.auth.keep_at(place);
    }

    /// Waits until the server has refused the login, for whoever keeps that; for one listener.
    pub(super) async fn stop_came(&self) {
        self.0.auth.stop_came().await;
    }

    /// A person clears a stopped login: the password file is read again and may be tried once more.
    ///
    /// # Errors
    /// [`OigError::File`] or [`OigError::Settings`] where the file can't be read; the stop then stays.
    pub async fn clear_login_stop(&self) -> Result<(), OigError> {
        self.0.auth.clear().await
    }
}

impl Inner {
    /// The path of a resource of the API.
    pub(super) fn api(&self, path: &str) -> String {
        format!("{}{path}", self.settings.api_path.trim_end_matches('/'))
    }

    pub(super) fn url(&self, path_query: &str) -> String {
        format!("{}{path_query}", self.origin)
    }

    pub(super) fn excerpt(&self, body: &[u8]) -> String {
        excerpt(body, &self.auth.secrets())
    }

    pub(super) fn count_write(&self) {
        self.counts.writes.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes one request from the read budget, sleeping in domain time until there is one.
    async fn pay(&self) {
        loop {
            let taken = self
                .budget
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(self.clock.now());
            let Err(until) = taken else { return };
            self.clock.sleep_until(until).await;
        }
    }

    /// The right to send, fetching a token first where one is due.
    pub(super) async fn pass(&self) -> Result<Pass, OigError> {
        let mut second = false;
        loop {
            let (basic, mut gate) = match self.auth.ready(self.clock.now()).await? {
                Ready::Go(pass) => return Ok(pass),
                Ready::NeedToken { basic, gate } => (basic, gate),
            };
            let what = "asking for a token";
            let answer = self.post_for_token(basic, what).await?;
            if answer.status() == StatusCode::UNAUTHORIZED {
                self.auth
                    .password_refused(&mut gate, second, self.clock.now())?;
                second = true;
                continue;
            }
            let body = self.checked(answer, what).await?;
            let text = self.text(&body, what)?;
            return self
                .auth
                .token(gate, &text, self.clock.now())
                // No excerpt: the body may hold a token in a shape we don't know.
                .map_err(|why| OigError::Malformed {
                    what: what.to_owned(),
                    why,
                    excerpt: "not shown".to_owned(),
                });
        }
    }

    async fn post_for_token(
        &self,
        basic: HeaderValue,
        what: &str,
    ) -> Result<reqwest::Response, OigError> {
        self.pay().await;
        self.counts.tokens.fetch_add(1, Ordering::Relaxed);
        self.http
            .read
            .post(self.url(&self.settings.token_path))
            .header("Authorization", basic)
            .header("X-Requested-By", super::writes::REQUESTED_BY)
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json")
            .send()
            .await
            .map_err(|e| self.transport(&e, what))
    }

    /// Asks the token service once under basic authentication; the token is thrown away. Its 401 is an
    /// answer, and stops no login that the API accepts.
    pub(super) async fn ask_for_token(&self, what: &str) -> Result<Result<(), OigError>, OigError> {
        let pass = self.pass().await?;
        let answer = self.post_for_token(pass.header.clone(), what).await?;
        pass.passed(false);
        let body = match self.checked(answer, what).await {
            Ok(body) => body,
            Err(error) => return Ok(Err(error)),
        };
        let shown = wire::body_text(&body.bytes).ok().and_then(|text| {
            wire::page(&text, &[])
                .ok()?
                .own
                .text(&["accessToken"])
                .map(|_| ())
        });
        Ok(shown.ok_or(OigError::Empty {
            what: what.to_owned(),
        }))
    }

    /// Reads one resource. `None`: the server says it isn't there (404 of the API itself, not of a front end).
    pub(super) async fn get(
        &self,
        what: &str,
        path_query: &str,
        reading: Reading,
    ) -> Result<Option<Body>, OigError> {
        let mut tried = false;
        loop {
            self.pay().await;
            let pass = self.pass().await?;
            self.counts.reads.fetch_add(1, Ordering::Relaxed);
            let sent = self
                .http
                .read
                .get(self.url(path_query))
                .header("Authorization", pass.header.clone())
                // no reading needs it; some of the documented ones carry it, and a front end may want it of all
                .header("X-Requested-By", super::writes::REQUESTED_BY)
                .header(ACCEPT, "application/json")
                .send()
                .await;
            let answer = match sent {
                Ok(answer) => answer,
                Err(e) => return Err(self.transport(&e, what)),
            };
            if answer.status() == StatusCode::UNAUTHORIZED {
                self.auth.refused(pass, self.clock.now()).await?;
                if tried {
                    return Err(OigError::Unauthorized {
                        what: what.to_owned(),
                    });
                }
                tried = true;
                continue;
            }
            let html = is_html(answer.headers().get(CONTENT_TYPE));
            let status = answer.status();
            pass.passed(status.is_success() && !html);
            if status == StatusCode::NOT_FOUND && reading == Reading::Optional && !html {
                return Ok(None);
            }
            return self.checked(answer, what).await.map(Some);
        }
    }

    /// Reads a resource that must be there.
    pub(super) async fn get_needed(&self, what: &str, path_query: &str) -> Result<Body, OigError> {
        match self.get(what, path_query, Reading::Needed).await? {
            Some(body) => Ok(body),
            None => Err(OigError::Empty {
                what: what.to_owned(),
            }),
        }
    }

    /// The body of a 2xx, or the error that the status is.
    pub(super) async fn checked(
        &self,
        answer: reqwest::Response,
        what: &str,
    ) -> Result<Body, OigError> {
        let status = answer.status();
        if status.is_redirection() {
            let location = answer.headers().get(LOCATION);
            let location = location.and_then(|v| v.to_str().ok()).unwrap_or("nowhere");
            let host = location.split(['?', '#']).next().unwrap_or(location);
            return Err(OigError::Redirect {
                what: what.to_owned(),
                status: status.as_u16(),
                location: self.excerpt(host.as_bytes()),
            });
        }
        let html = is_html(answer.headers().get(CONTENT_TYPE));
        let retry_after = answer
            .headers()
            .get(RETRY_AFTER)
            .and_then(|v| v.to_str().ok())
            .and_then(|t| dates::retry_after(t, self.clock.now()));
        let body = self.collect(answer, what).await;
        if !status.is_success() {
            return Err(OigError::Status {
                what: what.to_owned(),
                status: status.as_u16(),
                excerpt: body.map_or_else(|e| e.to_string(), |b| self.excerpt(&b.bytes)),
                retry_after,
            });
        }
        let body = body?;
        if html && !body.bytes.is_empty() {
            return Err(OigError::Html {
                what: what.to_owned(),
                excerpt: self.excerpt(&body.bytes),
            });
        }
        Ok(body)
    }

    /// Collects a body up to the cap, counted after decompression.
    async fn collect(&self, mut answer: reqwest::Response, what: &str) -> Result<Body, OigError> {
        let limit = self.settings.max_body;
        let peer = Peer::of(&answer);
        let date = answer.headers().get(DATE);
        let date = date.and_then(|v| v.to_str().ok()).map(str::to_owned);
        // what the header promises, within the cap: a page of a megabyte is not copied over and over
        let promised = usize::try_from(answer.content_length().unwrap_or(0));
        let promised = promised.unwrap_or(0).min(limit).min(PROMISED);
        let mut bytes = self.buffer(promised);
        bytes.reserve_exact(promised);
        while let Some(chunk) = answer.chunk().await.map_err(|e| self.transport(&e, what))? {
            let size = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
            self.counts.bytes.fetch_add(size, Ordering::Relaxed);
            if bytes.len().saturating_add(chunk.len()) > limit {
                return Err(OigError::TooLarge {
                    what: what.to_owned(),
                    limit,
                });
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Body { bytes, date, peer })
    }

    /// An empty buffer, one that is there already where it is worth it.
    fn buffer(&self, promised: usize) -> Vec<u8> {
        let mut buffers = self.buffers.lock().unwrap_or_else(PoisonError::into_inner);
        let found = buffers.pop_if(|_| promised >= LARGE);
        found.unwrap_or_default()
    }

    /// Keeps the buffer of a page for the next one.
    pub(super) fn give_back(&self, mut bytes: Vec<u8>) {
        bytes.clear();
        let mut buffers = self.buffers.lock().unwrap_or_else(PoisonError::into_inner);
        if bytes.capacity() >= LARGE && buffers.len() < BUFFERS {
            buffers.push(bytes);
        }
    }

    /// The list has been read: nothing is kept until the next one.
    pub(super) fn drop_buffers(&self) {
        let mut buffers = self.buffers.lock().unwrap_or_else(PoisonError::into_inner);
        buffers.clear();
    }

    /// The text of a body that should be JSON.
    pub(super) fn text<'b>(
        &self,
        body: &'b Body,
        what: &str,
    ) -> Result<std::borrow::Cow<'b, str>, OigError> {
        wire::body_text(&body.bytes).map_err(|fault| self.fault(fault, body, what))
    }

    /// Reads a body's text as a page; `body` is for the error only.
    pub(super) fn page<'t>(
        &self,
        text: &'t str,
        keys: &[&str],
        body: &Body,
        what: &str,
    ) -> Result<Page<'t>, OigError> {
        wire::page(text, keys).map_err(|fault| self.fault(fault, body, what))
    }

    pub(super) fn fault(&self, fault: WireFault, body: &Body, what: &str) -> OigError {
        let what = what.to_owned();
        let excerpt = self.excerpt(&body.bytes);
        match fault {
            WireFault::Empty => OigError::Empty { what },
            WireFault::Html => OigError::Html { what, excerpt },
            WireFault::Xml => OigError::Xml { what, excerpt },
            WireFault::Truncated => OigError::Truncated {
                what,
                bytes: body.bytes.len(),
                excerpt,
            },
            WireFault::Malformed(why) => OigError::Malformed { what, why, excerpt },
        }
    }

    /// An error of the transport in our words.
    pub(super) fn transport(&self, e: &reqwest::Error, what: &str) -> OigError {
        if e.is_connect() {
            return OigError::Connect {
                origin: self.origin.clone(),
                why: tls::explain(e, &self.settings),
            };
        }
        if e.is_timeout() {
            return OigError::Timeout {
                what: what.to_owned(),
                seconds: self.settings.read_timeout.as_secs(),
            };
        }
        OigError::Broken {
            what: what.to_owned(),
            why: tls::broken(e),
        }
    }

    /// What of a `next` link may be used: its query, where its path is the list's own.
    pub(super) fn own_query(&self, href: &str, path: &str) -> Option<String> {
        let (have, query) = path_and_query(href);
        let same = have.trim_end_matches('/') == path.trim_end_matches('/');
        let clean = query.bytes().all(|b| b.is_ascii_graphic());
        (same && clean && !query.is_empty()).then(|| query.to_owned())
    }
}

pub(super) fn is_html(content_type: Option<&HeaderValue>) -> bool {
    content_type
        .and_then(|v| v.to_str().ok())
        .is_some_and(|t| t.to_ascii_lowercase().contains("html"))
}
