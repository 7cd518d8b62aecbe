//! Metrics and health over HTTP, on loopback only; it shows no task and takes no order.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::telemetry::{Health, Latch, Metrics};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What `/readyz` adds while the main login is stopped and others go on.
const PARTLY: &str = "the main login is stopped: what only it sees is neither acted on nor taken as gone, and the further logins go on with what they see\n";

/// The admin port could not be used.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// Binding failed.
    #[error("can't listen on {at}")]
    Bind {
        /// The address.
        at: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The address is not loopback; nothing else is ever served.
    #[error("{0} is not a loopback address")]
    NotLoopback(SocketAddr),
}

/// What the pages show.
#[derive(Clone, Debug)]
struct Shared {
    metrics: Arc<Metrics>,
    health: Health,
}

/// A bound admin port.
#[derive(Debug)]
pub struct Admin {
    listener: TcpListener,
    at: SocketAddr,
}

impl Admin {
    /// Binds; port 0 takes a free one.
    ///
    /// # Errors
    /// When the address is not loopback or is taken.
    pub async fn bind(at: SocketAddr) -> Result<Self, AdminError> {
        if !at.ip().is_loopback() {
            return Err(AdminError::NotLoopback(at));
        }
        let bind = |source| AdminError::Bind { at, source };
        let listener = TcpListener::bind(at).await.map_err(bind)?;
        let at = listener.local_addr().map_err(bind)?;
        Ok(Self { listener, at })
    }

    /// The address in use.
    pub fn local_addr(&self) -> SocketAddr {
        self.at
    }

    /// Serves `/metrics`, `/livez` and `/readyz` until `stop`.
    pub async fn serve(self, metrics: Arc<Metrics>, health: Health, stop: CancellationToken) {
        let router = Router::new()
            .route("/metrics", get(show_metrics))
            .route("/livez", get(livez))
            .route("/readyz", get(readyz))
            .with_state(Shared { metrics, health });
        // a scrape under way must not hold up the shutdown, so this is dropped rather than drained
        tokio::select! {
            () = stop.cancelled() => {}
            ended = axum::serve(self.listener, router) => {
                if let Err(error) = ended {
                    tracing::error!(%error, at = %self.at, "the admin port stopped");
                }
            }
        }
    }
}

async fn show_metrics(State(shared): State<Shared>) -> Response {
    match shared.metrics.render() {
        Ok(text) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn livez(State(shared): State<Shared>) -> (StatusCode, String) {
    let silent = shared.health.silent_for().as_secs();
    if shared.health.is_live() {
        (StatusCode::OK, format!("ok: progress {silent} s ago\n"))
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("no progress for {silent} s\n"),
        )
    }
}

async fn readyz(State(shared): State<Shared>) -> (StatusCode, String) {
    let missing: Vec<&str> = shared
        .health
        .missing()
        .into_iter()
        .map(Latch::as_str)
        .collect();
    if missing.is_empty() {
        (StatusCode::OK, "ok\n".to_owned())
    } else {
        let partly = match shared.health.is_partly() {
            true => PARTLY,
            false => "",
        };
        (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("missing: {}\n{partly}", missing.join(", ")),
        )
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    async fn fetch(at: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(at).await.expect("connected");
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("read");
        answer
    }

    #[tokio::test]
    async fn health_and_metrics_are_served_on_loopback() {
        let admin = Admin::bind("127.0.0.1:0".parse().expect("address"))
            .await
            .expect("bound");
        let at = admin.local_addr();
        let health = Health::new(Duration::from_secs(600));
        let stop = CancellationToken::new();
        let client = async {
            let before = fetch(at, "/readyz").await;
            assert!(before.starts_with("HTTP/1.1 503"), "{before}");
            assert!(before.contains("login_ok"), "{before}");
            for latch in Latch::ALL {
                health.set(latch, true);
            }
            assert!(fetch(at, "/readyz").await.starts_with("HTTP/1.1 200"));
            health.set(Latch::LoginOk, false);
            health.set_partly(true);
            let partly = fetch(at, "/readyz").await;
            assert!(partly.starts_with("HTTP/1.1 503"), "{partly}");
            assert!(partly.contains("missing: login_ok"), "{partly}");
            assert!(partly.contains("the further logins go on"), "{partly}");
            assert!(fetch(at, "/livez").await.starts_with("HTTP/1.1 200"));
            assert!(fetch(at, "/metrics").await.contains("provtaskd_build_info"));
            stop.cancel();
        };
        let metrics = Arc::new(Metrics::new());
        tokio::join!(admin.serve(metrics, health.clone(), stop.clone()), client);
    }

    #[tokio::test]
    async fn nothing_but_loopback_is_served() {
        let refused = Admin::bind("0.0.0.0:0".parse().expect("address")).await;
        assert!(matches!(refused, Err(AdminError::NotLoopback(_))));
    }
}
