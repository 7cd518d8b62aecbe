//! Reads what it takes to learn a server's traits, and little more; it writes nothing to the server, opens no store and asks no daemon.

mod beside;
mod list;

pub use beside::{administrator, roles, roles_path};

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::DaemonError;
use super::login;
use super::private::{make_private_dir, write_private};
use super::stopped::beside_traits;
use super::survey::while_time_goes_on;
use super::time::clock_for;
use super::watch::Progress;
use crate::given;
use crate::model::settings::Settings;
use crate::model::{Clock, Login, Task, TaskId, UserKey};
use crate::oig::{Client, Look, OigError, dates};
use crate::policy;
use crate::traits::{Capture, Captured, Forms, Traits, TraitsError, Troubled, not_probed};

/// So many bytes of a file say whether it holds traits.
const BEGIN: usize = 100;

/// How to probe.
#[derive(Clone, Debug)]
pub struct ProbeOptions {
    /// The further login to ask as; `None` for the main one.
    pub login: Option<Login>,
    /// Most pages of one reading of the list.
    pub max_pages: u32,
    /// The largest page that is asked for.
    pub largest_page: u32,
    /// Accounts that are read.
    pub accounts: usize,
    /// Ask the token service too.
    pub tokens: bool,
    /// Keep answers for a capture.
    pub capture: bool,
}

/// What came of it.
#[derive(Debug)]
pub struct Probed {
    /// The traits.
    pub traits: Traits,
    /// The answers, anonymised.
    pub captured: Option<Captured>,
}

/// Probes the server.
///
/// # Errors
/// The list can't be read, the login is refused, or a file can't be used.
pub async fn probe(
    settings: Settings,
    options: ProbeOptions,
    progress: Progress,
) -> Result<Probed, DaemonError> {
    let (clock, stepper) = clock_for(&settings.server).await?;
    let work = work(settings, options, progress, clock.clone());
    while_time_goes_on(&clock, stepper.as_ref(), work).await
}

/// Where the traits lie as a login sees them; a further one's file lies beside the main one's.
pub fn traits_file(settings: &Settings, login: Option<&Login>) -> PathBuf {
    match login {
        None => settings.traits.clone(),
        Some(login) => beside_traits(settings, ".of-", login),
    }
}

/// Reads the traits that an earlier probe has left for this server and login; none where there is no file.
///
/// # Errors
/// The file can't be read, or is something else.
pub fn kept_traits(
    settings: &Settings,
    login: Option<&Login>,
) -> Result<Option<Traits>, TraitsError> {
    let path = traits_file(settings, login);
    let text = match given::text(&path, given::MOST) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(TraitsError::Io { path, source }),
    };
    Traits::parse(&text, &path).map(Some)
}

/// Writes traits to their file, for this user alone, and over nothing else.
///
/// # Errors
/// The file can't be written, or is something else: a slip in `server.traits` must not cost what it names.
pub fn keep_traits(path: &Path, traits: &Traits) -> Result<(), TraitsError> {
    let failed = |source| TraitsError::Io {
        path: path.to_owned(),
        source,
    };
    let text = serde_json::to_string_pretty(traits)
        .map_err(|error| failed(std::io::Error::other(error)))?;
    if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        make_private_dir(dir).map_err(failed)?;
    }
    may_keep_traits(path)?;
    write_private(path, &(text + "\n")).map_err(failed)
}

/// That a file is not there, is empty, or holds traits, whole or cut.
///
/// # Errors
/// It is something else, or can't be read.
pub fn may_keep_traits(path: &Path) -> Result<(), TraitsError> {
    let failed = |source| TraitsError::Io {
        path: path.to_owned(),
        source,
    };
    let bytes = match given::read(path, given::MOST) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    // whole, in whatever order; somebody may have put it through another program
    #[derive(serde::Deserialize)]
    struct Head {
        schema: String,
    }
    let head = serde_json::from_slice::<Head>(&bytes);
    if head.is_ok_and(|head| head.schema == crate::traits::SCHEMA) {
        return Ok(());
    }
    let begin = String::from_utf8_lossy(bytes.get(..BEGIN).unwrap_or(&bytes)).into_owned();
    let dense: String = begin.chars().filter(|c| !c.is_whitespace()).collect();
    let ours = format!("{{\"schema\":\"{}\"", crate::traits::SCHEMA);
    // a cut of a few bytes is the begin of it
    if ours.starts_with(&dense) || dense.starts_with(&ours) {
        return Ok(());
    }
    Err(failed(std::io::Error::new(
        std::io::ErrorKind::AlreadyExists,
        "it is there already and holds no traits: it is left as it is",
    )))
}

async fn work(
    mut settings: Settings,
    options: ProbeOptions,
    progress: Progress,
    clock: Clock,
) -> Result<Probed, DaemonError> {
    let before = settings.clone();
    let stop = login::ask_as(&mut settings, options.login.as_ref());
    let client = stop.client(&settings.server, clock.clone())?;
    progress.counts(&client);
    progress.begin("reading the list", 0);
    let capture = match options.capture {
        true => Some(capture(&settings)?),
        false => None,
    };
    let server = &settings.server;
    let traits = Traits {
        schema: crate::traits::SCHEMA.to_owned(),
        version: crate::traits::VERSION,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        taken_at: clock.now(),
        origin: server.origin.clone(),
        login: server.login.to_string(),
        requests: 0,
        rows: Default::default(),
        paging: Default::default(),
        order: Default::default(),
        scope: Default::default(),
        accounts: Default::default(),
        roads: Default::default(),
        people: Default::default(),
        wire: Default::default(),
        retry: None,
        unseen: Vec::new(),
        not_probed: Vec::new(),
    };
    let mut prober = Prober {
        settings,
        options,
        progress,
        clock,
        client,
        capture,
        traits,
        forms: Forms::default(),
        tasks: Vec::new(),
        whole: false,
        own_key: None,
        bytes: 0,
        rows: 0,
        troubled: Troubled::default(),
    };
    prober.read().await?;
    stop.works(&prober.client);
    let troubled = prober.troubled;
    let mut probed = prober.done();
    after_earlier(&mut probed.traits, &before, troubled);
    Ok(probed)
}

/// What earlier probes have taught, and this one could not see, is not lost; read when this one is through, since a
/// guided retry may have taught something meanwhile.
fn after_earlier(traits: &mut Traits, settings: &Settings, troubled: Troubled) {
    let of = |login: Option<&Login>, name: &str| {
        let kept = kept_traits(settings, login).ok().flatten();
        kept.filter(|old| old.is_of(&settings.server.origin, name))
    };
    let main = of(None, settings.server.login.as_str());
    // how work goes on is the server's, whoever asks
    traits.retry = main.as_ref().and_then(|main| main.retry.clone());
    traits.not_probed = not_probed(traits.retry.as_ref());
    let name = traits.login.clone();
    let own = match name == settings.server.login.as_str() {
        true => main,
        false => of(Some(&Login::new(&name)), &name),
    };
    traits.keep_unseen(own.as_ref(), troubled);
}

/// A capture that knows the everyday words of error texts.
fn capture(settings: &Settings) -> Result<Capture, DaemonError> {
    let mut capture = Capture::default();
    let policies = policy::load::load(&settings.policy)?;
    for (name, text) in policies.sources() {
        if name == "reasons.toml" {
            capture.keep_words(text);
        }
    }
    capture.name(&settings.server.login_as_written);
    Ok(capture)
}

struct Prober {
    settings: Settings,
    options: ProbeOptions,
    progress: Progress,
    clock: Clock,
    client: Client,
    capture: Option<Capture>,
    traits: Traits,
    forms: Forms,
    /// Tasks of the list, each once.
    tasks: Vec<Task>,
    /// The list was read to its end.
    whole: bool,
    own_key: Option<UserKey>,
    bytes: u64,
    rows: u64,
    /// What the server was in trouble about, so that its answers said nothing.
    troubled: Troubled,
}

/// What came of a question that need not have an answer.
enum Answer {
    /// It has one.
    Seen(Look),
    /// A plain no to this very question; `gone`: by 404, which may be about the one thing that was asked for.
    No { gone: bool },
    /// None: the server was in trouble.
    Trouble,
}

impl Prober {
    async fn read(&mut self) -> Result<(), DaemonError> {
        self.list().await?;
        self.progress.begin("reading people", 0);
        self.people().await?;
        self.progress.begin("reading tasks and accounts", 0);
        self.single().await?;
        self.accounts().await?;
        self.tokens().await?;
        self.scope();
        Ok(())
    }

    fn done(mut self) -> Probed {
        self.traits.requests = self.client.requests().reads;
        self.traits.rows = self.forms.into_rows();
        self.traits.paging.row_bytes = self.bytes.checked_div(self.rows).unwrap_or(0);
        let scheme = self.traits.origin.split("://").next().unwrap_or_default();
        self.traits.wire.scheme = scheme.to_owned();
        let now = self.clock.now();
        let youngest = self.tasks.iter().filter_map(|task| task.created).max();
        self.traits.wire.future_secs = youngest
            .map(|at| at.duration_since(now).as_secs())
            .filter(|secs| *secs > 0);
        let captured = self.capture.map(|mut capture| {
            for task in &self.tasks {
                if let Some(login) = &task.beneficiary {
                    capture.name(login.as_str());
                }
            }
            capture.anonymised()
        });
        Probed {
            traits: self.traits,
            captured,
        }
    }

    /// Reads a path, and keeps what surrounds the answer.
    async fn look(&mut self, what: &str, path: &str) -> Result<Option<Look>, OigError> {
        let look = self.client.look(what, path).await?;
        if let Some(look) = &look {
            // a machine's own clock, whatever the domain's: the header tells the server's
            if let Some(at) = look.date.as_deref().and_then(dates::http_date) {
                self.skew(at);
            }
            if let Some(peer) = &look.peer {
                let wire = &mut self.traits.wire;
                wire.tls = peer.version.map(str::to_owned);
                wire.certificate_by.clone_from(&peer.issuer);
                wire.certificate_until = peer.until;
            }
            if let Some(capture) = &mut self.capture {
                let prefix = self.settings.server.api_path.trim_end_matches('/');
                capture.answer(what, &format!("{prefix}{path}"), &look.body);
            }
        }
        Ok(look)
    }

    /// The smallest difference of clocks that an answer has shown: the header has no fractions, and
    /// answers take their time.
    fn skew(&mut self, server: Timestamp) {
        let now = Clock::wall().now();
        let ahead = server.as_millisecond().saturating_add(500) - now.as_millisecond();
        let known = &mut self.traits.wire.skew_ms;
        if known.is_none_or(|known| ahead.abs() < known.abs()) {
            *known = Some(ahead);
        }
    }

    /// Reads what need not be there: what this server plainly refuses is "no", and what it fails at is none.
    async fn try_look(&mut self, what: &str, path: &str) -> Result<Answer, DaemonError> {
        match self.look(what, path).await {
            Ok(Some(look)) => Ok(Answer::Seen(look)),
            Ok(None) => Ok(Answer::No { gone: true }),
            Err(error) if must_stop(&error) => Err(error.into()),
            Err(error) => {
                tracing::debug!(%error, "not to be had from this server");
                Ok(match error {
                    OigError::Status { status: 404, .. } => Answer::No { gone: true },
                    error if error.is_a_no() => Answer::No { gone: false },
                    _ => Answer::Trouble,
                })
            }
        }
    }

    fn ids(&self) -> impl Iterator<Item = &TaskId> {
        self.tasks.iter().map(|task| &task.id)
    }
}

/// Errors after which asking further is pointless or wrong.
fn must_stop(error: &OigError) -> bool {
    error.is_login()
        || matches!(
            error,
            OigError::Connect { .. } | OigError::Timeout { .. } | OigError::Broken { .. }
        )
}
