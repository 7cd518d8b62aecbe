//! Keeps the client's login state in records and reads it back, so that a stop outlives restarts; it never sees a secret.

use std::sync::Arc;

use jiff::Timestamp;

use super::DaemonError;
use super::core::Core;
use super::evaluate::Behind;
use super::lists::Listed;
use super::stopped::StopFile;
use super::under_way::Why;
use crate::ledger::record::{EventBody, Meta};
use crate::ledger::{Entry, Index, Ledger};
use crate::model::settings::{ServerSettings, Settings};
use crate::model::{Clock, Digest, Login};
use crate::oig::{Client, LoginState, Logins, OigError, SecretDigest};

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

/// A login as a store of another world remembers it: it must not be taken for that world's own.
pub fn elsewhere(server: &ServerSettings, login: &Login) -> Login {
    Login::new(&format!("{login} at {}", plain(&server.origin)))
}

/// The state to start a login's client with; `server` is as the main one has it.
pub fn state_of(index: &Index, server: &ServerSettings, login: &Login) -> LoginState {
    let stopped = if index.world().is_some_and(|known| known != world(server)) {
        index.login_stopped(&elsewhere(server, login))
    } else {
        index.login_stopped(login)
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

/// Since when a login is stopped, and why.
pub struct Stop {
    /// Since when.
    pub since: Timestamp,
    /// The server's words.
    pub why: String,
}

/// The earlier beginning of one stop that two memories know: a command that opens no store keeps it in a file,
/// and the store has it from the run that has met it there. With another secret it is another stop.
pub fn earlier(known: LoginState, file: LoginState) -> LoginState {
    match (known, file) {
        (LoginState::Ok, file) => file,
        (
            LoginState::Stopped { since, why, secret },
            LoginState::Stopped {
                since: first,
                secret: of,
                ..
            },
        ) if secret == of => LoginState::Stopped {
            since: since.min(first),
            why,
            secret,
        },
        (known, _) => known,
    }
}

/// The clients of all logins. Where `barred` allows it, one that can't be made never sends, and why is
/// answered beside.
///
/// # Errors
/// As [`Client::new`].
pub fn clients(
    main: &Client,
    settings: &Settings,
    clock: &Clock,
    ledger: &Ledger,
    barred: bool,
) -> Result<(Logins, Option<String>), OigError> {
    let (mut further, mut trouble) = (Vec::new(), None);
    for of in &settings.logins {
        let login = of.server.login.clone();
        let known = ledger.read(|index| state_of(index, &settings.server, &login));
        // a command that opened no store may have learned it, or learned it first
        let state = earlier(known, StopFile::of_login(settings, &login).read());
        let client = match Client::new(&of.server, clock.clone(), state.clone()) {
            Err(why) if barred => {
                trouble.get_or_insert_with(|| why.to_string());
                Client::barred(&of.server, clock.clone(), state, &why)?
            }
            made => made?,
        };
        client.keep_stops_at(StopFile::of_login(settings, &login).place());
        further.push((login, client));
    }
    Ok((Logins::new(main.clone(), further), trouble))
}

/// Has a command that opens no store ask as a further login; answers where that one's stop is kept. One that is
/// not configured changes nothing.
pub fn ask_as(settings: &mut Settings, login: Option<&Login>) -> StopFile {
    let Some(login) = login else {
        return StopFile::of(settings);
    };
    let stop = StopFile::of_login(settings, login);
    let mut further = settings.logins.iter();
    if let Some(of) = further.find(|of| of.server.login == *login) {
        settings.server = of.server.clone();
    }
    stop
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

/// Why a login is stopped, and what is wrong with the file that is to end it.
pub fn with_file(why: String, client: &Client) -> String {
    match client.unusable_secret() {
        Some(what) => format!("{why}; what lies in its file now can't be tried: {what}"),
        None => why,
    }
}

impl Core {
    /// The login may have been refused: a stop is recorded, each refused secret anew, so that a
    /// restart does not try it again; nothing waits to be sent any more.
    ///
    /// # Errors
    /// The ledger can't write.
    pub async fn login_changed(&mut self, now: Timestamp) -> Result<(), DaemonError> {
        self.further_stopped(now).await?;
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
        if self.logins.further().is_empty() {
            tracing::error!(
                login = %login,
                why = %why,
                "the server refused the login; nothing is sent or read until the password file changes or `provtaskd login clear` is given"
            );
            self.drop_queued(Why::Login);
        } else {
            tracing::error!(
                login = %login,
                why = %why,
                "the server refused the main login: what only it sees is neither acted on nor taken as gone until its password file changes or `provtaskd login clear` is given; others that work go on"
            );
            self.drop_queued_of(None);
        }
        self.record_stop(&login, secret, why, now).await?;
        let standing = self.standing(self.last.seen.complete);
        self.governor.set_standing(standing);
        Ok(())
    }

    /// How long the main login is stopped: the client knows of a stop that is not on record yet, and of a
    /// beginning that lies before its record.
    pub fn main_stopped(&self) -> Option<Stop> {
        let login = &self.settings.server.login;
        let recorded = self
            .ledger
            .read(|index| index.login_stopped(login).cloned());
        let recorded = recorded.map(|stop| (stop.since, stop.why.to_string()));
        let stop = match (recorded, self.client.login_state()) {
            (Some((since, why)), LoginState::Ok) => Some(Stop { since, why }),
            (Some((known, why)), LoginState::Stopped { since, .. }) => Some(Stop {
                since: known.min(since),
                why,
            }),
            (None, LoginState::Stopped { since, why, .. }) => Some(Stop { since, why }),
            (None, LoginState::Ok) => None,
        };
        stop.map(|stop| Stop {
            why: with_file(stop.why, &self.client),
            ..stop
        })
    }

    async fn record_stop(
        &self,
        login: &Login,
        secret: Option<Digest>,
        why: Arc<str>,
        now: Timestamp,
    ) -> Result<(), DaemonError> {
        let stop = |login| Entry {
            body: EventBody::LoginStopped {
                login,
                secret: secret.clone(),
                why: Arc::clone(&why),
            },
            meta: Meta::daemon(now, Some(self.cycle)),
        };
        self.ledger.record(stop(login.clone())).await?;
        if let Some(foreign) = &self.foreign_store {
            // this run's own store forgets with the process
            let there = elsewhere(&self.settings.server, login);
            foreign.record(stop(there)).await?;
        }
        Ok(())
    }

    /// The same of the further logins: nothing that one of these would have sent waits any more, and all
    /// others go on.
    async fn further_stopped(&mut self, now: Timestamp) -> Result<(), DaemonError> {
        for (login, client) in self.logins.clone().further() {
            let Some((secret, why)) = stop_record(&client.login_state()) else {
                continue;
            };
            self.metrics.set_login_stopped(true);
            StopFile::of_login(&self.settings, login).keep_after(client.login_state());
            let known = self.ledger.read(|index| {
                let known = index.login_stopped(login);
                known.is_some_and(|known| known.secret == secret)
            });
            if known {
                continue;
            }
            tracing::error!(
                login = %login,
                why = %why,
                "the server refused a further login; nothing is done with what only it sees until its password file changes or `provtaskd login clear` is given; others that work go on"
            );
            self.drop_queued_of(Some(login));
            self.record_stop(login, secret, why, now).await?;
        }
        Ok(())
    }

    /// Nothing that this further login (`None`: the main one) would send is claimed any more.
    fn drop_queued_of(&mut self, login: Option<&Login>) {
        let behind = &self.behind;
        let by = |lineage| {
            let row: Option<&Behind> = behind.get(&lineage);
            row.map_or(login.is_none(), |row| row.login.as_ref() == login)
        };
        // the next cycle proposes anew what another one sees
        let _ = self.queues.drop_where(|item| by(item.decision().lineage));
        self.under_way
            .withdraw_where(Why::Login, &|decision, _| by(decision.lineage));
    }

    /// Why nothing can be sent as the main login where nothing at all can be: a further one that is not stopped
    /// goes on with what it sees.
    pub fn all_stopped(&self, index: &Index) -> Option<Arc<str>> {
        let mut further = self.logins.further().iter();
        let why = index
            .login_stopped(&self.settings.server.login)?
            .why
            .clone();
        let goes_on = further.any(|(login, _)| index.login_stopped(login).is_none());
        (!goes_on).then_some(why)
    }

    /// True where any login's stop is on record.
    fn is_any_stopped(&self) -> bool {
        let further = self.logins.further().iter().map(|(login, _)| login);
        let mut all = further.chain([&self.settings.server.login]);
        self.ledger
            .read(|index| all.any(|login| index.login_stopped(login).is_some()))
    }

    /// The server has answered the login: a stop on record has ended, and so has that of each further login
    /// whose list was read.
    ///
    /// # Errors
    /// The ledger can't write.
    pub async fn login_works(
        &mut self,
        lists: &[Listed],
        now: Timestamp,
    ) -> Result<(), DaemonError> {
        self.login_changed(now).await?;
        for (login, client) in self.logins.clone().further() {
            let read = lists.iter().any(|of| of.read && of.login == *login);
            if read && client.login_state() == LoginState::Ok {
                StopFile::of_login(&self.settings, login).works(client);
                self.clear_stop(login, now).await?;
            }
        }
        let unread = lists.first().is_some_and(|main| !main.read);
        if unread || self.client.login_state() != LoginState::Ok {
            return Ok(());
        }
        StopFile::of(&self.settings).works(&self.client);
        let login = self.settings.server.login.clone();
        self.clear_stop(&login, now).await?;
        self.metrics.set_login_stopped(self.is_any_stopped());
        Ok(())
    }

    async fn clear_stop(&self, login: &Login, now: Timestamp) -> Result<(), DaemonError> {
        clear(&self.ledger, login.clone(), now).await?;
        if let Some(foreign) = &self.foreign_store {
            clear(foreign, elsewhere(&self.settings.server, login), now).await?;
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
