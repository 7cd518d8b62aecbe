//! Sends one PUT and says how it ended; a request that may have reached OIG is never called unsent and never sent again (invariant 2).

use std::time::{Duration, Instant};

use jiff::SignedDuration;
use reqwest::StatusCode;
use reqwest::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};

use super::client::{Client, is_html};
use super::dates;
use super::error::OigError;
use super::filter::encode;
use super::receipts::{self, PutAnswer};
use super::wire_out::{self, WriteItem};
use crate::model::{Action, BatchId, TaskId};

/// The value of `X-Requested-By`, which the server only wants to be there.
pub(super) const REQUESTED_BY: &str = "provtaskd";

/// Why a PUT has provably not been applied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UnsentCause {
    /// The body could not be written as documented; a fault of ours.
    Body,
    /// Name, address, TCP or TLS.
    Connect,
    /// The login is stopped or its token could not be had, or the server answered 401.
    Login,
    /// The server answered 400 and names the header `X-Requested-By`: something on the way removes it.
    Header,
}

/// A PUT that ended without a readable answer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PutEnd {
    /// Provably not applied: every item may be tried again later.
    #[error("not sent: {why}")]
    Unsent {
        /// What stopped it.
        why: String,
        /// Which sort.
        cause: UnsentCause,
    },
    /// It may have been applied, wholly or in part: every item has to be read.
    #[error("end unknown: {why}")]
    Unknown {
        /// What is known of the end.
        why: String,
        /// The HTTP status, where one came.
        status: Option<u16>,
        /// The server's `Retry-After`; for 408, 429 and 5xx back off for the whole server.
        retry_after: Option<SignedDuration>,
        /// No answer came in time: a slow target may be all that is wrong.
        hung: bool,
    },
}

impl Client {
    /// One bulk PUT. The answer is about items; match them by [`receipts::receipts`].
    ///
    /// # Errors
    /// [`PutEnd`]; the request is never repeated by the client.
    pub async fn put_bulk(&self, batch: BatchId, items: &[WriteItem]) -> Result<PutAnswer, PutEnd> {
        let body = wire_out::bulk(items, &self.0.settings.role_word).map_err(body_fault)?;
        let ids: Vec<TaskId> = items.iter().map(|i| i.task.clone()).collect();
        let within = self.0.settings.write_timeout;
        let path = self.0.api("/provtasks");
        self.put(batch, path, body, &ids, within).await
    }

    /// One PUT on one task. A note runs nothing at a target, and is waited for no longer than a reading: what else goes
    /// to its account waits for it.
    ///
    /// # Errors
    /// As [`Client::put_bulk`].
    pub async fn put_one(&self, batch: BatchId, item: &WriteItem) -> Result<PutAnswer, PutEnd> {
        let body = wire_out::single(item, &self.0.settings.role_word).map_err(body_fault)?;
        let path = self
            .0
            .api(&format!("/provtasks/{}", encode(item.task.as_str())));
        let settings = &self.0.settings;
        let within = match &item.action {
            Action::SetNote { .. } => settings.write_timeout.min(settings.read_timeout),
            _ => settings.write_timeout,
        };
        self.put(batch, path, body, std::slice::from_ref(&item.task), within)
            .await
    }

    async fn put(
        &self,
        batch: BatchId,
        path: String,
        body: Vec<u8>,
        ids: &[TaskId],
        within: Duration,
    ) -> Result<PutAnswer, PutEnd> {
        let inner = &self.0;
        let what = format!("PUT {batch}");
        let pass = inner.pass().await.map_err(|e| PutEnd::Unsent {
            cause: match e {
                OigError::Connect { .. } => UnsentCause::Connect,
                _ => UnsentCause::Login,
            },
            why: e.to_string(),
        })?;
        inner.count_write();
        let started = Instant::now();
        let sent = inner
            .http
            .write
            .put(inner.url(&path))
            .header("Authorization", pass.header.clone())
            .header("X-Requested-By", REQUESTED_BY)
            .header("X-Request-ID", batch.to_string())
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json")
            .body(body)
            .timeout(within)
            .send()
            .await;
        let answer = match sent {
            Ok(answer) => answer,
            Err(e) if e.is_connect() || e.is_builder() => {
                return Err(PutEnd::Unsent {
                    why: inner.transport(&e, &what).to_string(),
                    cause: UnsentCause::Connect,
                });
            }
            Err(e) if e.is_timeout() => {
                let seconds = within.as_secs();
                return Err(unknown(format!("no answer within {seconds} s"), true));
            }
            Err(e) => return Err(unknown(inner.transport(&e, &what).to_string(), false)),
        };
        let status = answer.status();
        if status == StatusCode::UNAUTHORIZED {
            let why = match inner.auth.refused(pass, inner.clock.now()).await {
                Ok(()) => "the server answered 401; credentials are renewed for the next request"
                    .to_owned(),
                Err(e) => e.to_string(),
            };
            return Err(PutEnd::Unsent {
                why,
                cause: UnsentCause::Login,
            });
        }
        pass.passed(status.is_success() && !is_html(answer.headers().get(CONTENT_TYPE)));
        let retry_after = answer
            .headers()
            .get(RETRY_AFTER)
            .and_then(|v| v.to_str().ok())
            .and_then(|t| dates::retry_after(t, inner.clock.now()));
        let ended = |e: OigError| PutEnd::Unknown {
            hung: matches!(e, OigError::Timeout { .. }),
            why: e.to_string(),
            status: Some(status.as_u16()),
            retry_after,
        };
        let body = match inner.checked(answer, &what).await {
            Ok(body) => body,
            Err(OigError::Status {
                status: 400,
                excerpt,
                ..
            }) if misses_header(&excerpt) => {
                return Err(PutEnd::Unsent {
                    why: format!(
                        "the server answered 400 and misses X-Requested-By, which was sent: something on the way removes it ({excerpt})"
                    ),
                    cause: UnsentCause::Header,
                });
            }
            Err(e) => return Err(ended(e)),
        };
        let text = inner.text(&body, &what).map_err(ended)?;
        let mut answer = receipts::read(&text, started.elapsed())
            .map_err(|fault| ended(inner.fault(fault, &body, &what)))?;
        let extras = receipts::extras(ids, &answer);
        answer.notes.extend(extras);
        for note in &answer.notes {
            tracing::warn!(%batch, note, "odd answer to a write");
        }
        Ok(answer)
    }
}

/// True where a page says that the header is missing. One that shows our own header's value repeats the
/// request, and proves nothing.
pub fn misses_header(excerpt: &str) -> bool {
    let text = excerpt.to_ascii_lowercase();
    text.contains("x-requested-by") && !text.contains(REQUESTED_BY)
}

fn body_fault(why: String) -> PutEnd {
    PutEnd::Unsent {
        why,
        cause: UnsentCause::Body,
    }
}

fn unknown(why: String, hung: bool) -> PutEnd {
    PutEnd::Unknown {
        why,
        status: None,
        retry_after: None,
        hung,
    }
}

#[cfg(test)]
mod tests {
    use super::misses_header;

    #[test]
    fn only_a_page_that_misses_the_header_proves_that_nothing_was_done() {
        assert!(misses_header("Missing required header: X-Requested-By"));
        assert!(misses_header("header 'x-requested-by' is required"));
        assert!(!misses_header(
            "bad request: {\"X-Requested-By\": \"provtaskd\"}"
        ));
        assert!(!misses_header(
            "X-REQUESTED-BY: provtaskd\r\nX-Request-ID: 1"
        ));
        assert!(!misses_header("malformed JSON"));
    }
}
