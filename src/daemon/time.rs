//! Where domain time comes from: the wall, or a simulator on loopback; it must never take another server's word for the time.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::Deserialize;

use super::DaemonError;
use crate::model::Clock;
use crate::model::settings::ServerSettings;

/// Asks a simulator to move its world on when the daemon is idle (design section 4, "Time").
#[derive(Clone, Debug)]
pub struct Stepper {
    http: reqwest::Client,
    origin: String,
}

#[derive(Deserialize)]
struct Identity {
    simulator: String,
}

#[derive(Deserialize)]
struct ClockAnswer {
    mode: String,
    now: Timestamp,
    #[serde(default)]
    scale: Option<f64>,
}

#[derive(Deserialize)]
struct Advanced {
    now: Timestamp,
}

/// The clock that the configuration asks for: the wall's, or the simulator's scaled or stepped one.
///
/// # Errors
/// The simulator's clock was asked for, but the server is not a provtaskd simulator on loopback.
pub async fn clock_for(server: &ServerSettings) -> Result<(Clock, Option<Stepper>), DaemonError> {
    if !server.simulator_clock {
        return Ok((Clock::wall(), None));
    }
    let refuse = |why: String| DaemonError::SimulatorClock {
        origin: server.origin.clone(),
        why,
    };
    if !is_loopback(&server.origin) {
        return Err(refuse("the server is not on loopback".to_owned()));
    }
    let mut http = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none());
    if server.origin.starts_with("http://") {
        // a machine without certificate authorities can still ask a simulator
        http = http.tls_certs_only(Vec::new());
    }
    let http = http.build().map_err(|e| refuse(crate::oig::unusable(&e)))?;
    let identity: Identity = get(&http, &server.origin, "/sim/identity")
        .await
        .map_err(&refuse)?;
    if identity.simulator != "provtaskd" {
        return Err(refuse("it is not a provtaskd simulator".to_owned()));
    }
    let answer: ClockAnswer = get(&http, &server.origin, "/sim/clock")
        .await
        .map_err(&refuse)?;
    match answer.mode.as_str() {
        "wall" => Ok((Clock::wall(), None)),
        "scaled" => Ok((Clock::scaled(answer.now, answer.scale.unwrap_or(1.0)), None)),
        "stepped" => Ok((
            Clock::stepped(answer.now),
            Some(Stepper {
                http,
                origin: server.origin.clone(),
            }),
        )),
        other => Err(refuse(format!("its clock mode `{other}` is not known"))),
    }
}

impl Stepper {
    /// Moves the world to `to`, or as far as the simulator lets it; answers the new now.
    ///
    /// # Errors
    /// The simulator is gone or answered something else.
    pub async fn advance(&self, to: Timestamp) -> Result<Timestamp, String> {
        let answer = self
            .http
            .post(format!("{}/sim/clock/advance", self.origin))
            .header("content-type", "application/json")
            .body(serde_json::json!({ "to": to }).to_string())
            .timeout(Duration::from_secs(60))
            .send()
            .await
            .map_err(|e| e.to_string())?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(|e| e.to_string())?;
        let advanced: Advanced =
            serde_json::from_slice(&body).map_err(|e| format!("HTTP {status}: {e}"))?;
        Ok(advanced.now)
    }
}

async fn get<T: serde::de::DeserializeOwned>(
    http: &reqwest::Client,
    origin: &str,
    path: &str,
) -> Result<T, String> {
    let body = http
        .get(format!("{origin}{path}"))
        .timeout(Duration::from_secs(10))
        .send()
        .await
        .map_err(|e| format!("GET {path} failed: {e}"))?
        .bytes()
        .await
        .map_err(|e| format!("GET {path} failed: {e}"))?;
    serde_json::from_slice(&body)
        .map_err(|_| format!("GET {path} did not answer as a simulator does"))
}

fn is_loopback(origin: &str) -> bool {
    let rest = origin.strip_prefix("http://").unwrap_or("");
    let host = if let Some(v6) = rest.strip_prefix('[') {
        v6.split(']').next().unwrap_or("")
    } else {
        rest.split([':', '/']).next().unwrap_or("")
    };
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

/// Waits for `wake` in domain time. On a stepped clock it asks the simulator to move on, once every
/// piece of work sleeps in domain time or none is under way.
pub async fn idle(
    clock: &Clock,
    stepper: Option<&Stepper>,
    jobs: usize,
    wake: Timestamp,
) -> Result<(), String> {
    let Some(stepper) = stepper else {
        // often enough to feed the watchdog
        let beat = tokio::time::sleep(Duration::from_secs(5));
        tokio::select! {
            () = clock.sleep_until(wake) => {}
            () = beat => {}
        }
        return Ok(());
    };
    let started = Instant::now();
    loop {
        let (sleepers, first) = clock.sleepers();
        if sleepers >= jobs && !(sleepers == 0 && wake == Timestamp::MAX) {
            let to = first.map_or(wake, |first| first.min(wake));
            if to <= clock.now() {
                clock.step_to(to);
                tokio::task::yield_now().await;
                return Ok(());
            }
            let now = stepper.advance(to).await?;
            clock.step_to(now);
            return Ok(());
        }
        if started.elapsed() > Duration::from_secs(5) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn only_plain_loopback_origins_may_lend_their_clock() {
        assert!(is_loopback("http://127.0.0.1:14000"));
        assert!(is_loopback("http://[::1]:14000"));
        assert!(is_loopback("http://localhost:14000"));
        assert!(!is_loopback("http://127.0.0.1.example.com:14000"));
        assert!(!is_loopback("http://oig.example.com:14000"));
        assert!(!is_loopback("https://oig.example.com:14001"));
    }
}
