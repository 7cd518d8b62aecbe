//! Reads an answer as it comes, with what surrounds it, for whoever learns how this server words things; it is a read like every other: budgeted, and stopped with the login.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::client::{Client, Inner, Reading};
use super::error::OigError;
use super::map;
use super::peer::Peer;
use super::wire;
use crate::model::Task;

/// An answer as it came.
#[derive(Clone, Debug)]
pub struct Look {
    text: String,
    /// Its JSON.
    pub body: Value,
    /// `Date`
    pub date: Option<String>,
    /// What the connection was, where it was TLS.
    pub peer: Option<Peer>,
    /// Wall time from asking to the last byte.
    pub took: Duration,
    /// Bytes after decompression.
    pub bytes: usize,
}

/// What became of asking for a token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TokenService {
    /// It gave one.
    There,
    /// There is none at that path.
    Absent,
    /// It is there and gives none to this login.
    Refuses,
}

impl Client {
    /// Reads a path below the API's prefix; `None`: 404 of the API itself.
    ///
    /// # Errors
    /// Any [`OigError`].
    pub async fn look(&self, what: &str, path: &str) -> Result<Option<Look>, OigError> {
        let inner = &self.0;
        let began = Instant::now();
        let Some(body) = inner.get(what, &inner.api(path), Reading::Optional).await? else {
            return Ok(None);
        };
        let took = began.elapsed();
        let text = inner.text(&body, what)?.into_owned();
        let json = serde_json::from_str(&text).map_err(|error| OigError::Malformed {
            what: what.to_owned(),
            why: format!(
                "it is not JSON (line {}, column {})",
                error.line(),
                error.column()
            ),
            excerpt: inner.excerpt(&body.bytes),
        })?;
        Ok(Some(Look {
            body: json,
            date: body.date,
            peer: body.peer,
            took,
            bytes: body.bytes.len(),
            text,
        }))
    }

    /// The tasks of an answer's list, or why a row is none.
    pub fn tasks_of(&self, look: &Look, list: &str) -> Vec<Result<Task, String>> {
        let Ok(page) = wire::page(&look.text, &[list]) else {
            return Vec::new();
        };
        let zone = &self.0.settings.server_zone;
        page.items
            .iter()
            .map(|row| map::single(row, zone))
            .collect()
    }

    /// Asks the token service once, with a login that the API has accepted; what it answers says nothing
    /// about the login.
    ///
    /// # Errors
    /// The login is stopped, or the server did not answer, or was in trouble.
    pub async fn look_for_tokens(&self) -> Result<TokenService, OigError> {
        let inner: &Inner = &self.0;
        let what = "asking for a token";
        let status = inner.ask_for_token(what).await?;
        Ok(match status {
            Ok(()) => TokenService::There,
            Err(OigError::Status { status: 404, .. } | OigError::Redirect { .. }) => {
                TokenService::Absent
            }
            Err(OigError::Html { .. } | OigError::Malformed { .. } | OigError::Empty { .. }) => {
                TokenService::Absent
            }
            Err(error) if error.is_a_no() || error.is_login() => TokenService::Refuses,
            Err(error) => return Err(error),
        })
    }
}
