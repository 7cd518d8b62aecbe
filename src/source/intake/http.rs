//! The listener for signed events: everything about a request is bounded (connections, headers, body, time), and nothing is taken that is not signed; it reads no task and shows none.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::body::{self, Attributes};
use super::book::{Coming, print_of};
use super::cause::Cause;
use super::desk::Taken;
use super::secret::Secrets;
use super::sign::Signed;
use super::{Intake, IntakeError};
use crate::model::{Clock, Road};

/// Where events are taken.
const PATH: &str = "/v1/tasks";
/// The largest body.
const BODY_MAX: usize = 128 << 10;
/// Connections at the same time.
const CONNECTIONS: usize = 128;
/// Bytes of all headers.
const HEADER_BYTES: usize = 16 << 10;
/// Headers of a request.
const HEADERS: usize = 64;
/// So long may a sender take for its headers, and may a connection be silent between two requests.
const HEADER_TIME: Duration = Duration::from_secs(5);
/// So long may it take for its body.
const BODY_TIME: Duration = Duration::from_secs(10);
/// A refused sender may come again after so many seconds.
const AGAIN_FULL: u32 = 30;
const AGAIN_BUSY: u32 = 1;

/// A bound listener.
#[derive(Debug)]
pub struct Listener {
    listener: TcpListener,
    at: SocketAddr,
}

/// What requests are answered with.
struct Desk {
    intake: Intake,
    secrets: Secrets,
    /// The wall's time, which senders' timestamps are compared with.
    clock: Clock,
}

impl Listener {
    /// Binds; port 0 takes a free one.
    ///
    /// # Errors
    /// The address is taken, or is not loopback.
    pub async fn bind(at: SocketAddr) -> Result<Self, IntakeError> {
        if !at.ip().is_loopback() {
            return Err(IntakeError::NotLoopback(at));
        }
        let bind = |source| IntakeError::Bind { at, source };
        let listener = TcpListener::bind(at).await.map_err(bind)?;
        let at = listener.local_addr().map_err(bind)?;
        Ok(Self { listener, at })
    }

    /// The address in use.
    pub fn local_addr(&self) -> SocketAddr {
        self.at
    }

    /// Takes events until `stop`.
    pub async fn serve(self, intake: Intake, secrets: Secrets, stop: CancellationToken) {
        // what is wrong with the secret is said now, not with the first event
        let _ = secrets.held();
        let desk = Arc::new(Desk {
            intake,
            secrets,
            clock: Clock::wall(),
        });
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        let mut open = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                Some(_) = open.join_next(), if !open.is_empty() => continue,
                accepted = self.listener.accept() => accepted,
            };
            let Ok((stream, _)) = accepted else {
                // out of files, or a peer that left: a little later there may be room
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            // for latency alone
            let _ = stream.set_nodelay(true);
            match Arc::clone(&places).try_acquire_owned() {
                Ok(place) => {
                    let desk = Arc::clone(&desk);
                    open.spawn(async move {
                        connection(stream, desk).await;
                        drop(place);
                    });
                }
                Err(_) => {
                    desk.intake.shared.counts.refused(Cause::Connections);
                    turn_away(stream).await;
                }
            }
        }
        // what is on disk is on disk; a sender without its answer comes again
        open.abort_all();
        while open.join_next().await.is_some() {}
    }
}

/// One answer without a look at the request.
async fn turn_away(mut stream: TcpStream) {
    let text = reason(Cause::Connections);
    let answer = format!(
        "HTTP/1.1 429 Too Many Requests\r\nretry-after: {AGAIN_BUSY}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
        text.len()
    );
    // a fresh socket has room for it; one that does not is not waited for
    let write = stream.write_all(answer.as_bytes());
    let _ = tokio::time::timeout(Duration::from_millis(50), write).await;
}

async fn connection(stream: TcpStream, desk: Arc<Desk>) {
    let service = service_fn(move |request| {
        let desk = Arc::clone(&desk);
        async move { Ok::<_, std::convert::Infallible>(respond(request, &desk).await) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_headers(HEADERS)
        .max_buf_size(HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection to the intake ended badly");
    }
}

fn reason(cause: Cause) -> String {
    json!({ "error": cause.as_str(), "message": cause.explanation() }).to_string()
}

async fn respond(request: Request<Incoming>, desk: &Desk) -> Response<Full<Bytes>> {
    let (status, text, again, close) = match event(request, desk).await {
        Ok(Taken::New) => {
            desk.intake.shared.counts.accepted();
            let text = json!({ "status": "accepted" }).to_string();
            (StatusCode::ACCEPTED, text, None, false)
        }
        Ok(Taken::Before) => {
            desk.intake.shared.counts.duplicate();
            let text = json!({ "status": "duplicate" }).to_string();
            (StatusCode::OK, text, None, false)
        }
        Err(cause) => {
            desk.intake.shared.counts.refused(cause);
            let status = StatusCode::from_u16(cause.status());
            let again = match cause {
                Cause::Full => Some(AGAIN_FULL),
                Cause::Busy | Cause::NotStored | Cause::NoSecret => Some(AGAIN_BUSY),
                _ => None,
            };
            // after an error the rest of what was sent is not looked at
            let close = !matches!(cause, Cause::Full | Cause::Busy);
            let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, reason(cause), again, close)
        }
    };
    let mut answer = Response::new(Full::new(Bytes::from(text)));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    if let Some(seconds) = again {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(header::ALLOW, HeaderValue::from_static("POST"));
    }
    if close {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}

/// The one value of a header, if it is there.
fn one<'r>(request: &'r Request<Incoming>, name: &HeaderName) -> Result<Option<&'r str>, Cause> {
    let mut all = request.headers().get_all(name).iter();
    let Some(first) = all.next() else {
        return Ok(None);
    };
    if all.next().is_some() {
        return Err(Cause::HeaderRepeated);
    }
    first.to_str().map(Some).map_err(|_| Cause::HeaderMalformed)
}

fn named<'r>(request: &'r Request<Incoming>, name: &'static str) -> Result<Option<&'r str>, Cause> {
    one(request, &HeaderName::from_static(name))
}

async fn event(request: Request<Incoming>, desk: &Desk) -> Result<Taken, Cause> {
    if request.uri().path() != PATH {
        return Err(Cause::NoSuchPath);
    }
    if request.method() != Method::POST {
        return Err(Cause::Method);
    }
    let needed = |value: Option<&str>| value.map(str::to_owned).ok_or(Cause::HeaderMissing);
    let id = needed(named(&request, "webhook-id")?)?;
    let stamp = needed(named(&request, "webhook-timestamp")?)?;
    let signature = needed(named(&request, "webhook-signature")?)?;
    let signed = Signed::read(&id, &stamp, &signature)?;
    // with a length alone there is one way to read where the request ends
    if request.headers().contains_key(header::TRANSFER_ENCODING) {
        return Err(Cause::LengthRequired);
    }
    let length = one(&request, &header::CONTENT_LENGTH)?.ok_or(Cause::LengthRequired)?;
    let length: usize = length.parse().map_err(|_| Cause::HeaderMalformed)?;
    if length > BODY_MAX {
        return Err(Cause::TooLarge);
    }
    match one(&request, &header::CONTENT_ENCODING)? {
        None | Some("identity") => {}
        Some(_) => return Err(Cause::Encoded),
    }
    let content_type = one(&request, &header::CONTENT_TYPE)?
        .ok_or(Cause::MediaType)?
        .to_owned();
    let attributes = Attributes {
        version: named(&request, "ce-specversion")?.map(str::to_owned),
        whole: named(&request, "ce-id")?.is_some()
            & named(&request, "ce-source")?.is_some()
            & named(&request, "ce-type")?.is_some(),
    };
    let wall = || (desk.clock.now() + desk.clock.drift()).as_second();
    signed.check_time(wall())?;
    let collected = Limited::new(request.into_body(), BODY_MAX).collect();
    let body = match tokio::time::timeout(BODY_TIME, collected).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(_)) => return Err(Cause::Malformed),
        Err(_) => return Err(Cause::Slow),
    };
    // a body may take its time, and its event is then as old as it is when it is whole
    signed.check_time(wall())?;
    let secrets = desk.secrets.held().map_err(|_| Cause::NoSecret)?;
    signed.check(&body, &secrets)?;
    let named = body::read(&content_type, &attributes, &body)?;
    let coming = Coming {
        event: Some((print_of(&signed.id), signed.until())),
        named,
        road: Road::Event,
    };
    desk.intake.take(coming).await
}
