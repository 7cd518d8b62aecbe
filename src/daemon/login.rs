//! Keeps the client's login state in records and reads it back, so that a stop outlives restarts; it never sees a secret.

use std::sync::Arc;

use jiff::Timestamp;

use super::DaemonError;
use super::core::Core;
use super::stopped::StopFile;
use super::under_way::Why;
use crate::ledger::record::{EventBody, Meta};
use crate::ledger::{Entry, Index, Ledger};
use crate::model::settings::ServerSettings;
use crate::model::{Digest, Login};
use crate::oig::{LoginState, SecretDigest};

/// The stop as recorded: digest of the refused secret, and why. `None` where the login is not stopped.
pub fn stop_record(state: &LoginState) -> Option<(Option<Digest>, Arc<str>)> {
    match state {
        LoginState::Ok => None,
        LoginState::Stopped { why, secret, .. } => {
            let digest = Digest::new(&format!("{}:{}", secret.salt, secret.sha256));
            Some((Some(digest), Arc::from(why.as_str())))
        }
    }
}

/// The login as a store of another world remembers it: it must not be taken for that world's own.
pub fn elsewhere(server: &ServerSettings) -> Login {
    Login::new(&format!("{} at {}", server.login, plain(&server.origin)))
}

/// The state to start the client with.
pub fn state_of(index: &Index, server: &ServerSettings) -> LoginState {
    let stopped = if index.world().is_some_and(|known| known != world(server)) {
        index.login_stopped(&elsewhere(server))
    } else {
        index.login_stopped(&server.login)
    };
    let Some(stopped) = stopped else {
        return LoginState::Ok;
    };
    let (salt, sha256) = stopped
        .secret
        .as_ref()
        .and_then(|digest| digest.as_str().split_once(':'))
        .unwrap_or(("", ""));
    LoginState::Stopped {
        since: stopped.since,
        why: stopped.why.to_string(),
        secret: SecretDigest {
            salt: salt.to_owned(),
            sha256: sha256.to_owned(),
        },
    }
}

/// What a store is bound to: origin and login.
pub fn world(server: &ServerSettings) -> String {
    format!("{} as {}", plain(&server.origin), server.login)
}

/// The origin without the dot that may end a host's name: the same host, and so the same world. Case, a
/// default port and a slash at the end are gone already when the configuration was read; the dot is not,
/// for it says how the name is to be looked up.
pub(super) fn plain(origin: &str) -> String {
    let Some((scheme, host)) = origin.split_once("://") else {
        return origin.to_owned();
    };
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (name, Some(port)),
        _ => (host, None),
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    match port {
        Some(port) => format!("{scheme}://{name}:{port}"),
        None => format!("{scheme}://{name}"),
    }
}

impl Core {
    /// The login may have been refused: a stop is recorded, each refused secret anew, so that a
    /// restart does not try it again; nothing waits to be sent any more.
    ///
    /// # Errors
    /// The ledger can't write.
    pub async fn login_changed(&mut self, now: Timestamp) -> Result<(), DaemonError> {
        let Some((secret, why)) = stop_record(&self.client.login_state()) else {
            return Ok(());
        };
        self.metrics.set_login_stopped(true);
        // for commands that open no store: accounts lock (invariant 12)
        StopFile::of(&self.settings).keep_after(self.client.login_state());
        let login = self.settings.server.login.clone();
        let known = self.ledger.read(|index| {
            index
                .login_stopped(&login)
                .is_some_and(|known| known.secret == secret)
        });
        if known {
            return Ok(());
        }
        tracing::error!(
            login = %login,
            why = %why,
            "the server refused the login; nothing is sent or read until the password file changes or `provtaskd login clear` is given"
        );
        self.drop_queued(Why::Login);
        let stop = |login| Entry {
            body: EventBody::LoginStopped {
                login,
                secret: secret.clone(),
                why: Arc::clone(&why),
            },
            meta: Meta::daemon(now, Some(self.cycle)),
        };
        self.ledger.record(stop(login)).await?;
        if let Some(foreign) = &self.foreign_store {
            // this run's own store forgets with the process
            foreign
                .record(stop(elsewhere(&self.settings.server)))
                .await?;
        }
        let standing = self.standing(self.last.seen.complete);
        self.governor.set_standing(standing);
        Ok(())
    }

    /// The server has answered the login: a stop on record has ended.
    ///
    /// # Errors
    /// The ledger can't write.
    pub async fn login_works(&mut self, now: Timestamp) -> Result<(), DaemonError> {
        self.login_changed(now).await?;
        if self.client.login_state() != LoginState::Ok {
            return Ok(());
        }
        self.metrics.set_login_stopped(false);
        StopFile::of(&self.settings).keep_after(LoginState::Ok);
        let server = &self.settings.server;
        let own = clear(&self.ledger, server.login.clone(), now);
        own.await?;
        if let Some(foreign) = &self.foreign_store {
            clear(foreign, elsewhere(server), now).await?;
        }
        Ok(())
    }
}

async fn clear(ledger: &Ledger, login: Login, now: Timestamp) -> Result<(), DaemonError> {
    if ledger.read(|index| index.login_stopped(&login).is_none()) {
        return Ok(());
    }
    ledger
        .record(Entry {
            body: EventBody::LoginCleared {
                login,
                why: Arc::from("the server accepts it again"),
            },
            meta: Meta::daemon(now, None),
        })
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn a_dot_that_ends_the_host_makes_no_other_world() {
        for (said, meant) in [
            ("https://oig.example.com", "https://oig.example.com"),
            ("https://oig.example.com.", "https://oig.example.com"),
            (
                "https://oig.example.com.:14001",
                "https://oig.example.com:14001",
            ),
            ("http://[::1]:7", "http://[::1]:7"),
            ("http://[::1]", "http://[::1]"),
        ] {
            assert_eq!(plain(said), meant);
        }
    }
}
