//! What can go wrong with the remote API, one variant per thing an operator does differently; never a secret in any of them.

use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};

/// Why a read (or the making of the client) failed. Nothing was changed on the server by any of these.
#[derive(Debug, thiserror::Error)]
pub enum OigError {
    /// The settings can't be used; the text says which and what to do.
    #[error("{0}")]
    Settings(String),
    /// A secret, certificate or key file can't be read.
    #[error("can't read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The login was stopped, and nothing is sent (invariant 12).
    #[error(
        "login {login} is stopped since {since}: {why}; its password is read from {}", file.display()
    )]
    LoginStopped {
        /// Which.
        login: String,
        /// Where its secret is.
        file: PathBuf,
        /// Since when (domain time).
        since: Timestamp,
        /// What stopped it.
        why: String,
    },
    /// Another process is trying this login, and has not come to an end in time; nothing was sent.
    #[error(
        "login {login} is not known to work, and another process has been trying it for {seconds} s; a wrong password must be tried once, so this one waited (the lock is on {})", file.display()
    )]
    OthersTurn {
        /// Which.
        login: String,
        /// Where its secret is.
        file: PathBuf,
        /// How long it was waited for.
        seconds: u64,
    },
    /// The credentials were refused for a reason that may pass with a fresh secret or token; a second try is allowed.
    #[error("{what}: the server answered 401")]
    Unauthorized {
        /// What was asked.
        what: String,
    },
    /// No connection came about: name, address, TCP or TLS. Provably nothing was sent.
    #[error("can't connect to {origin}: {why}")]
    Connect {
        /// Scheme, host and port.
        origin: String,
        /// Which side lacks what, and what to do.
        why: String,
    },
    /// The answer did not come in time.
    #[error("{what}: no answer within {seconds} s")]
    Timeout {
        /// What was asked.
        what: String,
        /// The limit in seconds.
        seconds: u64,
    },
    /// The connection broke after the request had left.
    #[error("{what}: the connection broke: {why}")]
    Broken {
        /// What was asked.
        what: String,
        /// How.
        why: String,
    },
    /// Another status than the contract's.
    #[error("{what}: the server answered {status}: {excerpt}")]
    Status {
        /// What was asked.
        what: String,
        /// The HTTP status.
        status: u16,
        /// The start of the body.
        excerpt: String,
        /// The server's `Retry-After`.
        retry_after: Option<SignedDuration>,
    },
    /// A redirect, which is never followed: mostly a single-sign-on front end.
    #[error(
        "{what}: the server answered {status} and points to {location}; redirects are not followed: configure the origin that answers itself, past the login page"
    )]
    Redirect {
        /// What was asked.
        what: String,
        /// The HTTP status.
        status: u16,
        /// Host and path of the target, without its query.
        location: String,
    },
    /// HTML in place of JSON: a login page or a front end's error page.
    #[error("{what}: the answer is HTML, probably a login or error page of a front end: {excerpt}")]
    Html {
        /// What was asked.
        what: String,
        /// The start of the body.
        excerpt: String,
    },
    /// XML in place of JSON.
    #[error("{what}: the answer is XML although JSON was asked for: {excerpt}")]
    Xml {
        /// What was asked.
        what: String,
        /// The start of the body.
        excerpt: String,
    },
    /// A good status with nothing in it.
    #[error("{what}: the answer is empty")]
    Empty {
        /// What was asked.
        what: String,
    },
    /// JSON that ends in the middle.
    #[error("{what}: the JSON ends too early after {bytes} bytes: {excerpt}")]
    Truncated {
        /// What was asked.
        what: String,
        /// Bytes that came.
        bytes: usize,
        /// The start of the body.
        excerpt: String,
    },
    /// Not JSON, or not the JSON that was asked for.
    #[error("{what}: {why}: {excerpt}")]
    Malformed {
        /// What was asked.
        what: String,
        /// What is wrong.
        why: String,
        /// The start of the body.
        excerpt: String,
    },
    /// More than `max_body` bytes after decompression.
    #[error("{what}: the answer is larger than {limit} bytes (server.max_body)")]
    TooLarge {
        /// What was asked.
        what: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// A value that can't be put into a filter safely (contract section 9, point 20).
    #[error("can't ask for {value:?}: {why}")]
    Filter {
        /// The value, without control characters.
        value: String,
        /// Why.
        why: &'static str,
    },
    /// Not exactly one match where one is needed.
    #[error("{what}: {count} matches where one is needed")]
    Ambiguous {
        /// What was asked.
        what: String,
        /// How many.
        count: usize,
    },
}

impl OigError {
    /// The word for metrics, logs and the CLI's table of messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Settings(_) => "settings",
            Self::File { .. } => "file",
            Self::LoginStopped { .. } => "login_stopped",
            Self::OthersTurn { .. } => "others_turn",
            Self::Unauthorized { .. } => "unauthorized",
            Self::Connect { .. } => "connect",
            Self::Timeout { .. } => "timeout",
            Self::Broken { .. } => "broken",
            Self::Status { .. } => "status",
            Self::Redirect { .. } => "redirect",
            Self::Html { .. } => "html",
            Self::Xml { .. } => "xml",
            Self::Empty { .. } => "empty",
            Self::Truncated { .. } => "truncated",
            Self::Malformed { .. } => "malformed",
            Self::TooLarge { .. } => "too_large",
            Self::Filter { .. } => "filter",
            Self::Ambiguous { .. } => "ambiguous",
        }
    }

    /// The whole of it in one line: with why a file can't be read.
    pub fn in_full(&self) -> String {
        match self {
            Self::File { source, .. } => format!("{self}: {source}"),
            _ => self.to_string(),
        }
    }

    /// The server's wish for a pause, where it gave one.
    pub fn retry_after(&self) -> Option<SignedDuration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// True where the server has plainly refused this very question: its path, its form, or the right to ask it.
    /// Everything else (time-outs, throttling, a server or front end in trouble) says nothing of what was asked.
    pub fn is_a_no(&self) -> bool {
        let Self::Status { status, .. } = self else {
            return false;
        };
        matches!(
            status,
            400 | 403..=406 | 410 | 413..=416 | 422 | 501
        )
    }

    /// True where the login itself is the trouble, so that asking again is pointless.
    pub fn is_login(&self) -> bool {
        matches!(self, Self::LoginStopped { .. } | Self::Unauthorized { .. })
    }
}
