//! Turns the client's login state into records and back, so that a stop outlives restarts; it never sees a secret.

use std::sync::Arc;

use crate::ledger::Index;
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

/// The state to start the client with.
pub fn state_of(index: &Index, login: &Login) -> LoginState {
    let Some(stopped) = index.login_stopped(login) else {
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
