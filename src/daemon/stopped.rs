//! Remembers beside the traits that the server has refused a login, for the daemon and for commands that open no store: a wrong password is tried once, not once a command (invariant 12); it never holds a secret.

use std::io::ErrorKind;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::private::{make_private_dir, write_private};
use crate::given;
use crate::ledger::record::digest_of;
use crate::model::Clock;
use crate::model::Login;
use crate::model::settings::ServerSettings;
use crate::model::settings::Settings;
use crate::oig::{Client, LoginState, OigError, StopPlace};
use crate::traits::TraitsError;

/// Refused secrets that are remembered: two that are tried in turn are each tried once.
const MOST: usize = 8;

/// The file.
#[derive(Clone, Debug)]
pub struct StopFile {
    path: PathBuf,
    origin: String,
    login: String,
    say: fn(&str),
}

fn is_of_one_secret(one: &LoginState, other: &LoginState) -> bool {
    match (one, other) {
        (LoginState::Stopped { secret, .. }, LoginState::Stopped { secret: of, .. }) => {
            secret == of
        }
        _ => one == other,
    }
}

#[derive(Serialize, Deserialize)]
struct Kept {
    origin: String,
    login: String,
    state: LoginState,
    /// Stops of other secrets before that one, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    before: Vec<LoginState>,
}

/// A file of a further login beside the traits, named by a digest.
pub fn beside_traits(settings: &Settings, what: &str, login: &Login) -> PathBuf {
    let mut path = settings.traits.clone().into_os_string();
    path.push(what);
    let digest = digest_of(login.to_string().as_bytes());
    path.push(digest.as_str().get(..16).unwrap_or_default());
    path.into()
}

impl StopFile {
    /// The main login's file.
    pub fn of(settings: &Settings) -> Self {
        Self::of_login(settings, &settings.server.login)
    }

    /// A login's file; a further one's is named by a digest, for a login may hold what no file name may.
    pub fn of_login(settings: &Settings, login: &Login) -> Self {
        let path = if *login == settings.server.login {
            let mut path = settings.traits.clone().into_os_string();
            path.push(".login");
            path.into()
        } else {
            beside_traits(settings, ".login-", login)
        };
        Self {
            path,
            origin: super::login::plain(&settings.server.origin),
            login: login.to_string(),
            say: |what| tracing::warn!("{what}"),
        }
    }

    /// The same, for a command whose log nobody is shown.
    pub fn saying(self, say: fn(&str)) -> Self {
        Self { say, ..self }
    }

    /// The same as the place where a client keeps its stop and looks for those of others.
    pub fn place(&self) -> StopPlace {
        let (look, keep) = (self.clone(), self.clone());
        StopPlace {
            look: Box::new(move || look.all()),
            keep: Box::new(move |state| keep.keep_after(state)),
            say: self.say,
        }
    }

    /// The client of a command that opens no store.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn client(&self, server: &ServerSettings, clock: Clock) -> Result<Client, OigError> {
        let client = Client::new(server, clock, self.read())?;
        client.keep_stops_at(self.place());
        Ok(client)
    }

    /// How the login stood: the newest stop.
    pub fn read(&self) -> LoginState {
        self.all().pop().unwrap_or_default()
    }

    /// All stops since the login has worked, one a refused secret, the newest last. A file that can't be
    /// understood says nothing.
    fn all(&self) -> Vec<LoginState> {
        let text = given::text(&self.path, given::MOST).unwrap_or_default();
        match serde_json::from_str::<Kept>(&text) {
            Ok(kept) if kept.origin == self.origin && kept.login == self.login => {
                let newest = Some(kept.state).filter(|state| *state != LoginState::Ok);
                kept.before.into_iter().chain(newest).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The login works with the password that this client has in use: a stop of another one that lies in the file by
    /// now, and that some command was refused with, stays.
    pub fn works(&self, client: &Client) {
        if client.login_state() != LoginState::Ok {
            return self.keep_after(client.login_state());
        }
        let newer = self.all().iter().any(|state| match state {
            LoginState::Stopped { secret, .. } => client.is_of_a_newer_secret(secret),
            LoginState::Ok => false,
        });
        if !newer {
            self.keep_after(LoginState::Ok);
        }
    }

    /// Keeps how it stands now; what can't be kept is in the log.
    pub fn keep_after(&self, state: LoginState) {
        if let Err(error) = self.keep(state) {
            tracing::warn!(%error, "that the login was refused can't be kept: the next command would try it again");
        }
    }

    /// Keeps how it stands now; a login that works needs no file.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn keep(&self, state: LoginState) -> Result<(), TraitsError> {
        let failed = |source| TraitsError::Io {
            path: self.path.clone(),
            source,
        };
        if state == LoginState::Ok {
            return match std::fs::remove_file(&self.path) {
                Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(error)),
                _ => Ok(()),
            };
        }
        if let Some(dir) = self.path.parent() {
            make_private_dir(dir).map_err(failed)?;
        }
        let mut before = self.all();
        before.retain(|known| !is_of_one_secret(known, &state));
        before.drain(..(before.len() + 1).saturating_sub(MOST));
        let kept = Kept {
            origin: self.origin.clone(),
            login: self.login.clone(),
            state,
            before,
        };
        let text = serde_json::to_string(&kept).unwrap_or_default();
        write_private(&self.path, &text).map_err(failed)
    }
}
