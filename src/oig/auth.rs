//! Credentials for every request: Basic, or a token renewed before it expires; it never hammers a login (invariant 12).

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use jiff::{SignedDuration, Timestamp};
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex as Gate, Notify, OwnedMutexGuard};

use super::error::OigError;
use super::secret::{self, SecretDigest};
use super::turn::{Turn, turn};
use super::wire;
use crate::model::settings::{AuthKind, ServerSettings};

/// Whether the login may be used; the daemon keeps it over restarts and hands it back to the client.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum LoginState {
    /// Nothing is known against it.
    #[default]
    Ok,
    /// Refused: nothing is sent until the secret (or login) differs from this one, or a person clears the stop.
    Stopped {
        /// When (domain time).
        since: Timestamp,
        /// What the server said.
        why: String,
        /// Which secret was refused.
        secret: SecretDigest,
    },
}

/// Where a stop of this login is kept for every process that uses it: whoever authenticates looks there first,
/// so that a wrong password is tried once, not once a process.
pub struct StopPlace {
    /// The stops that are known there, one a refused secret.
    pub look: Box<dyn Fn() -> Vec<LoginState> + Send + Sync>,
    /// Keeps how it stands now.
    pub keep: Box<dyn Fn(LoginState) + Send + Sync>,
    /// Tells a person what is waited for.
    pub say: fn(&str),
}

/// The state behind the gate: whoever holds it is the only one who authenticates.
pub(super) struct Credentials {
    secret: SecretString,
    token: Option<Token>,
    /// Rises with every change of secret or token.
    generation: u64,
    /// True after the first success with the present secret and token; until then one request at a time.
    proven: bool,
    /// True when the one renewal after a 401 has been used and nothing has succeeded since.
    renewed: bool,
}

/// The gate while it is held, and with it the turn among processes, where the login is not known to work.
pub(super) struct Held {
    gate: OwnedMutexGuard<Credentials>,
    turn: Option<Turn>,
}

struct Token {
    value: SecretString,
    renew_at: Timestamp,
}

/// Holds the login's state; all HTTP is done by the client.
pub(super) struct Auth {
    kind: AuthKind,
    login: String,
    file: std::path::PathBuf,
    /// How long another process's try is waited for (wall time): as long as its request can take.
    patience: Duration,
    /// Why nothing may ever be sent, where there is no secret.
    barred: Option<String>,
    gate: Arc<Gate<Credentials>>,
    shown: Mutex<LoginState>,
    /// Has a permit once the login was stopped and nobody has taken notice.
    stop: Notify,
    place: OnceLock<StopPlace>,
    /// Why what lies in the file since the stop can't be used, as of the last look.
    unusable: Mutex<Option<String>>,
    masks: Mutex<Vec<SecretString>>,
}

/// The right to send one request. While the credentials are unproven it holds the gate, so that no second one is in flight.
pub(super) struct Pass {
    pub(super) header: HeaderValue,
    generation: u64,
    gate: Option<Held>,
}

/// What has to happen before a request may go.
pub(super) enum Ready {
    /// Nothing.
    Go(Pass),
    /// A token must be fetched with this Basic header while the gate is held.
    NeedToken {
        /// `Authorization` for the token service.
        basic: HeaderValue,
        /// The held gate.
        gate: Held,
    },
}

impl Deref for Held {
    type Target = Credentials;

    fn deref(&self) -> &Credentials {
        &self.gate
    }
}

impl DerefMut for Held {
    fn deref_mut(&mut self) -> &mut Credentials {
        &mut self.gate
    }
}

impl Auth {
    /// Reads the secret; a stop that was kept still holds unless the secret has changed.
    pub(super) fn new(settings: &ServerSettings, state: LoginState) -> Result<Self, OigError> {
        let secret = secret::read(&settings.password_file)?;
        if settings.login_as_written.contains([':', '\n', '\r']) {
            return Err(OigError::Settings(
                "the login holds a colon or a line break, which Basic authentication can't carry"
                    .to_owned(),
            ));
        }
        let auth = Self::with(settings, state, secret.clone(), None);
        auth.mask(&secret);
        Ok(auth)
    }

    /// Without a secret: nothing is ever sent.
    pub(super) fn barred(settings: &ServerSettings, state: LoginState, why: String) -> Self {
        Self::with(settings, state, SecretString::from(""), Some(why))
    }

    fn with(
        settings: &ServerSettings,
        state: LoginState,
        secret: SecretString,
        barred: Option<String>,
    ) -> Self {
        Self {
            kind: settings.auth,
            login: settings.login_as_written.clone(),
            file: settings.password_file.clone(),
            patience: settings.connect_timeout + settings.read_timeout,
            barred,
            gate: Arc::new(Gate::new(Credentials {
                secret,
                token: None,
                generation: 0,
                proven: false,
                renewed: false,
            })),
            shown: Mutex::new(state),
            stop: Notify::new(),
            place: OnceLock::new(),
            unusable: Mutex::new(None),
            masks: Mutex::new(Vec::new()),
        }
    }

    pub(super) fn state(&self) -> LoginState {
        self.shown
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Waits until the login is stopped; for one listener, whom no stop escapes that came before.
    pub(super) async fn stop_came(&self) {
        self.stop.notified().await;
    }

    /// From now on stops are kept there and asked for; the first place stays.
    pub(super) fn keep_at(&self, place: StopPlace) {
        let _ = self.place.set(place);
    }

    /// Another process may have been refused with this secret.
    fn ask_place(&self, gate: &Credentials) {
        let Some(place) = self.place.get() else {
            return;
        };
        let mut all = (place.look)().into_iter();
        let of_this = |kept: &LoginState| match kept {
            LoginState::Ok => false,
            LoginState::Stopped { secret, .. } => secret.is_of(&self.login, &gate.secret),
        };
        if let Some(kept) = all.find(of_this)
            && let LoginState::Stopped { since, why, .. } = &kept
        {
            tracing::error!(
                login = %self.login,
                why,
                %since,
                "another command was refused with this password, and it is not tried again: the login is stopped until the password file changes or the stop is cleared"
            );
            self.show(kept);
            self.stop.notify_one();
        }
    }

    /// Has other processes wait that would try this login, or waits for the one that does.
    async fn turn(&self) -> Result<Option<Turn>, OigError> {
        let Some(place) = self.place.get() else {
            return Ok(None);
        };
        let say = || {
            (place.say)(&format!(
                "another command is trying login {}, which is not known to work: waiting for what the server says, so that a wrong password is tried once",
                self.login
            ));
        };
        match turn(&self.file, self.patience, say).await {
            Ok(turn) => Ok(Some(turn)),
            Err(()) => Err(OigError::OthersTurn {
                login: self.login.clone(),
                file: self.file.clone(),
                seconds: self.patience.as_secs(),
            }),
        }
    }

    /// True where the password that was refused so is the one that now lies in the file, and another than the one that
    /// is in use here: that this one works says nothing of it.
    pub(super) fn is_of_a_newer_secret(&self, refused: &SecretDigest) -> bool {
        let in_file = secret::read(&self.file);
        let newer = in_file.is_ok_and(|fresh| refused.is_of(&self.login, &fresh));
        // whoever holds the gate is just asking: then nothing is known to be the same
        let same = self.gate.try_lock();
        newer && !same.is_ok_and(|gate| refused.is_of(&self.login, &gate.secret))
    }

    /// What a stopped login waits for may lie there already, and in vain: that is said once.
    fn note_unusable(&self, error: Option<&OigError>) {
        let what = error.map(OigError::in_full);
        let mut known = self.unusable.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(what) = &what
            && known.as_ref() != Some(what)
        {
            tracing::error!(login = %self.login, what, "the login stays stopped: its password file can't be used");
        }
        *known = what;
    }

    /// Why the password that lies in the file can't be tried, where the login is stopped.
    pub(super) fn unusable(&self) -> Option<String> {
        let known = self.unusable.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .clone()
            .filter(|_| matches!(self.state(), LoginState::Stopped { .. }))
    }

    fn show(&self, state: LoginState) {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// Everything that must never appear in an excerpt.
    pub(super) fn secrets(&self) -> Vec<String> {
        self.masks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .map(|s| s.expose_secret().to_owned())
            .collect()
    }

    fn mask(&self, secret: &SecretString) {
        let pair = format!("{}:{}", self.login, secret.expose_secret());
        let basic = base64::engine::general_purpose::STANDARD.encode(pair);
        // a server may leave the padding out, or write it as in addresses
        let bare = basic.trim_end_matches('=');
        let in_address = bare.replace('+', "-").replace('/', "_");
        let mut masks = self.masks.lock().unwrap_or_else(PoisonError::into_inner);
        masks.push(secret.clone());
        masks.push(SecretString::from(bare));
        masks.push(SecretString::from(in_address));
        // Old tokens can't be used any more; the last few are enough.
        let over = masks.len().saturating_sub(24);
        masks.drain(..over);
    }

    /// A person clears the stop: the secret is read again and may be tried once more.
    pub(super) async fn clear(&self) -> Result<(), OigError> {
        let mut gate = Arc::clone(&self.gate).lock_owned().await;
        let secret = secret::read(&self.file)?;
        self.replace(&mut gate, secret);
        // while the gate is held nobody looks there
        if let Some(place) = self.place.get() {
            (place.keep)(LoginState::Ok);
        }
        self.show(LoginState::Ok);
        Ok(())
    }

    fn replace(&self, gate: &mut Credentials, secret: SecretString) {
        self.mask(&secret);
        gate.secret = secret;
        gate.token = None;
        gate.generation += 1;
        gate.proven = false;
        gate.renewed = false;
    }

    /// Asks for the right to send one request at `now`.
    pub(super) async fn ready(&self, now: Timestamp) -> Result<Ready, OigError> {
        if let Some(why) = &self.barred {
            return Err(OigError::Settings(why.clone()));
        }
        let mut gate = Held {
            gate: Arc::clone(&self.gate).lock_owned().await,
            turn: None,
        };
        loop {
            if let LoginState::Stopped { since, why, secret } = self.state() {
                let fresh = secret::read(&self.file);
                self.note_unusable(fresh.as_ref().err());
                match fresh {
                    Ok(fresh) if !secret.is_of(&self.login, &fresh) => {
                        tracing::info!(
                            "the password has changed: the stopped login is tried again"
                        );
                        self.replace(&mut gate, fresh);
                        self.show(LoginState::Ok);
                    }
                    _ => return Err(self.stopped(since, why)),
                }
            }
            if matches!(&gate.token, Some(token) if now < token.renew_at) {
                break;
            }
            // what may be refused is tried by one process at a time, after a look at what the last one was told
            let known = gate.proven && self.kind == AuthKind::Basic;
            if !known && gate.turn.is_none() {
                gate.turn = self.turn().await?;
            }
            self.ask_place(&gate);
            if self.state() == LoginState::Ok {
                break;
            }
        }
        match self.kind {
            AuthKind::Basic => {
                let header = self.basic(&gate)?;
                Ok(Ready::Go(pass(header, gate)))
            }
            AuthKind::Bearer => match &gate.token {
                Some(token) if now < token.renew_at => {
                    let header = header(&format!("Bearer {}", token.value.expose_secret()))?;
                    Ok(Ready::Go(pass(header, gate)))
                }
                _ => {
                    let basic = self.basic(&gate)?;
                    Ok(Ready::NeedToken { basic, gate })
                }
            },
        }
    }

    fn basic(&self, gate: &Credentials) -> Result<HeaderValue, OigError> {
        let pair = format!("{}:{}", self.login, gate.secret.expose_secret());
        let pair = base64::engine::general_purpose::STANDARD.encode(pair);
        header(&format!("Basic {pair}"))
    }

    /// Takes the token service's answer (contract section 1.1); `expiresIn` may be text or number.
    pub(super) fn token(&self, mut gate: Held, text: &str, now: Timestamp) -> Result<Pass, String> {
        let page = wire::page(text, &[]).map_err(|_| "the token answer is not JSON".to_owned())?;
        let value = page
            .own
            .text(&["accessToken"])
            .ok_or("the token answer holds no accessToken")?;
        let seconds = page
            .own
            .text(&["expiresIn"])
            .and_then(|t| t.trim().parse::<u32>().ok())
            .unwrap_or(300);
        let margin = (seconds / 10).clamp(1, 60);
        let life = SignedDuration::from_secs(i64::from(seconds.saturating_sub(margin)));
        let header = header(&format!("Bearer {}", value.trim())).map_err(|e| e.to_string())?;
        let value = SecretString::from(value.trim());
        self.mask(&value);
        gate.token = Some(Token {
            value,
            renew_at: now.checked_add(life).unwrap_or(Timestamp::MAX),
        });
        gate.generation += 1;
        // A new token for a login that has worked is as good as the old one.
        Ok(pass(header, gate))
    }

    /// The token service refused the password: one second try if the file has changed, else stop.
    ///
    /// # Errors
    /// [`OigError::LoginStopped`].
    pub(super) fn password_refused(
        &self,
        gate: &mut Credentials,
        second: bool,
        now: Timestamp,
    ) -> Result<(), OigError> {
        match secret::read(&self.file) {
            Ok(fresh) if !second && fresh.expose_secret() != gate.secret.expose_secret() => {
                self.replace(gate, fresh);
                gate.renewed = true;
                Ok(())
            }
            _ => Err(self.stop(
                gate,
                now,
                "the token service refused login and password (401)",
            )),
        }
    }

    /// A request was answered 401. `Ok`: one more try is allowed with what `ready` gives now.
    ///
    /// # Errors
    /// [`OigError::LoginStopped`], now and on every further call until the secret changes.
    pub(super) async fn refused(&self, pass: Pass, now: Timestamp) -> Result<(), OigError> {
        let mut gate = match pass.gate {
            Some(gate) => gate,
            None => Held {
                gate: Arc::clone(&self.gate).lock_owned().await,
                turn: None,
            },
        };
        if let LoginState::Stopped { since, why, .. } = self.state() {
            return Err(self.stopped(since, why));
        }
        if gate.generation != pass.generation {
            return Ok(());
        }
        if gate.renewed {
            let why = match self.kind {
                AuthKind::Bearer => "the server answered 401 again after a renewal",
                AuthKind::Basic => {
                    "the server refused login and password again (401) after their file was read anew"
                }
            };
            return Err(self.stop(&gate, now, why));
        }
        let fresh = secret::read(&self.file)
            .ok()
            .filter(|fresh| fresh.expose_secret() != gate.secret.expose_secret());
        match (self.kind, fresh) {
            (_, Some(fresh)) => self.replace(&mut gate, fresh),
            (AuthKind::Bearer, None) => {
                gate.token = None;
                gate.generation += 1;
                gate.proven = false;
            }
            (AuthKind::Basic, None) => {
                return Err(self.stop(&gate, now, "the server refused login and password (401)"));
            }
        }
        gate.renewed = true;
        Ok(())
    }

    fn stop(&self, gate: &Credentials, now: Timestamp, why: &str) -> OigError {
        tracing::error!(
            login = %self.login,
            why,
            "the login is stopped: nothing is asked or sent under it until the password file changes or the stop is cleared"
        );
        let stopped = LoginState::Stopped {
            since: now,
            why: why.to_owned(),
            secret: SecretDigest::new(&self.login, &gate.secret),
        };
        // at once: whoever ends before it tells anybody must not have it tried again
        if let Some(place) = self.place.get() {
            (place.keep)(stopped.clone());
        }
        self.show(stopped);
        self.stop.notify_one();
        self.stopped(now, why.to_owned())
    }

    fn stopped(&self, since: Timestamp, mut why: String) -> OigError {
        if let Some(what) = self.unusable() {
            why += &format!("; what lies in its file now can't be tried: {what}");
        }
        OigError::LoginStopped {
            login: self.login.clone(),
            file: self.file.clone(),
            since,
            why,
        }
    }
}

impl Pass {
    /// The request was answered otherwise than 401; `proof` where the answer shows that the login works.
    pub(super) fn passed(self, proof: bool) {
        if let Some(mut gate) = self.gate
            && proof
        {
            gate.proven = true;
            gate.renewed = false;
        }
    }
}

fn pass(header: HeaderValue, gate: Held) -> Pass {
    Pass {
        header,
        generation: gate.generation,
        gate: (!gate.proven).then_some(gate),
    }
}

fn header(text: &str) -> Result<HeaderValue, OigError> {
    let mut value = HeaderValue::from_str(text).map_err(|_| {
        OigError::Settings("the credentials hold characters that HTTP can't carry".to_owned())
    })?;
    value.set_sensitive(true);
    Ok(value)
}
