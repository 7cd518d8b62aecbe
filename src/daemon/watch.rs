//! Looks on while a survey or a cycle reads: keeps each reading in a file for a later run, counts, and says when enough was asked; it never reads from the server.

mod progress;

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write as _};
use std::num::NonZeroU64;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

pub use self::progress::Progress;
use crate::absence::ProxyRow;
use crate::given;
use crate::model::facts::{Known, Person};
use crate::model::hash::FastSet;
use crate::model::standing::Standing;
use crate::model::{
    DefKey, Login, Owner, ProcessKey, RoleKey, TargetName, Task, TaskId, TaskStatus, UserKey,
};
use crate::oig::Client;

/// The version of the file.
const VERSION: u32 = 1;

/// One answer of the server.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reading {
    /// A person, or that the server does not show him.
    Person {
        /// Whom it was asked for.
        login: Login,
        /// The answer.
        value: Known<Person>,
    },
    /// Whose key a key is.
    Login {
        /// The key.
        key: UserKey,
        /// Its login.
        login: Login,
    },
    /// An account.
    Account {
        /// Its key.
        key: ProcessKey,
        /// What the list showed of it then.
        fingerprint: u64,
        /// Its tasks; none where it was not found.
        tasks: Option<Vec<KeptTask>>,
    },
    /// Whether a person's accounts are on, and his last day.
    Standing {
        /// The person.
        login: Login,
        /// It.
        value: Standing,
    },
    /// A person's proxies.
    Proxies {
        /// The person.
        login: Login,
        /// Them.
        rows: Vec<ProxyRow>,
    },
    /// The key of a role.
    Role {
        /// Its name.
        name: String,
        /// Its key, where the server shows one.
        key: Option<RoleKey>,
    },
    /// A role's direct members.
    Members {
        /// The role.
        key: RoleKey,
        /// Them.
        logins: Vec<Login>,
    },
    /// In which roles a person is.
    Assigned {
        /// The person.
        login: Login,
        /// Their names, where the server shows them.
        roles: Option<Vec<String>>,
    },
    /// A person's last day.
    End {
        /// The person.
        login: Login,
        /// It, where the server shows one.
        end: Option<Timestamp>,
    },
}

/// What is kept of a task of an account: what guards look at, no text and no note.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeptTask {
    id: TaskId,
    status: TaskStatus,
    definition_key: Option<DefKey>,
    definition_name: Option<Arc<str>>,
    target: Option<TargetName>,
    process: Option<ProcessKey>,
    owner: Owner,
    beneficiary: Option<Login>,
    created: Option<Timestamp>,
    started: Option<Timestamp>,
    ended: Option<Timestamp>,
    retry_of: Option<TaskId>,
    has_adapter: Option<bool>,
    child: Option<Arc<str>>,
    row: Option<NonZeroU64>,
}

impl From<&Task> for KeptTask {
    fn from(task: &Task) -> Self {
        Self {
            id: task.id.clone(),
            status: task.status.clone(),
            definition_key: task.definition_key.clone(),
            definition_name: task.definition_name.clone(),
            target: task.target.clone(),
            process: task.process.clone(),
            owner: task.owner.clone(),
            beneficiary: task.beneficiary.clone(),
            created: task.created,
            started: task.started,
            ended: task.ended.as_deref().copied(),
            retry_of: task.retry_of.clone(),
            has_adapter: task.has_adapter,
            child: task.child.clone(),
            row: task.row,
        }
    }
}

impl From<KeptTask> for Task {
    fn from(kept: KeptTask) -> Self {
        Self {
            definition_key: kept.definition_key,
            definition_name: kept.definition_name,
            target: kept.target,
            process: kept.process,
            owner: kept.owner,
            beneficiary: kept.beneficiary,
            created: kept.created,
            started: kept.started,
            ended: kept.ended.map(Box::new),
            retry_of: kept.retry_of,
            has_adapter: kept.has_adapter,
            child: kept.child,
            row: kept.row,
            ..Self::bare(kept.id, kept.status)
        }
    }
}

/// Who looks on.
#[derive(Debug)]
pub struct Watch {
    kept: Option<Kept>,
    /// Requests of the client after which nothing more is asked.
    limit: Option<u64>,
    limited: AtomicBool,
    /// Accounts that the guards had to look into.
    accounts: FastSet<ProcessKey>,
    /// How far it is.
    pub progress: Progress,
}

impl Watch {
    /// Keeps in a file, and lets so many requests be made.
    pub fn new(kept: Option<Kept>, limit: Option<u64>, progress: Progress) -> Self {
        Self {
            kept,
            limit,
            limited: AtomicBool::new(false),
            accounts: FastSet::default(),
            progress,
        }
    }

    /// From now on so many requests may be made by the client.
    pub fn limit(&mut self, limit: Option<u64>, client: &Client) {
        let made = client.requests().reads;
        self.limit = limit.map(|limit| limit.saturating_add(made));
    }

    /// True while more may be asked.
    pub fn may_ask(&self, client: &Client) -> bool {
        let may = self
            .limit
            .is_none_or(|limit| client.requests().reads < limit);
        if !may {
            self.limited.store(true, Ordering::Relaxed);
        }
        may
    }

    /// True once something was not asked for because of the limit.
    pub fn was_limited(&self) -> bool {
        self.limited.load(Ordering::Relaxed)
    }

    /// A stage of readings begins.
    pub fn begin(&self, what: &'static str, wanted: usize) {
        self.progress.begin(what, wanted);
    }

    /// The guards have to look into these accounts, read now or in an earlier run.
    pub fn wants(&mut self, accounts: impl IntoIterator<Item = ProcessKey>) {
        self.accounts.extend(accounts);
    }

    /// The accounts that the guards had to look into.
    pub fn wanted(&self) -> &FastSet<ProcessKey> {
        &self.accounts
    }

    /// True where readings are kept: those of a cycle are not.
    pub fn keeps(&self) -> bool {
        self.kept.is_some()
    }

    /// Keeps a reading.
    pub fn keep(&mut self, at: Timestamp, reading: Reading) {
        if let Some(kept) = &mut self.kept {
            kept.line(&Line::Read { at, reading });
        }
    }

    /// Ends the keeping; the file goes away where all was read.
    ///
    /// # Errors
    /// What went wrong with the file since.
    pub fn end(self, whole: bool) -> Result<(), WatchError> {
        match self.kept {
            Some(kept) => kept.end(whole),
            None => Ok(()),
        }
    }
}

/// A line of the file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "line")]
enum Line {
    /// Always the first: whose readings these are.
    Of {
        version: u32,
        server: String,
        login: Login,
    },
    /// An answer.
    Read {
        at: Timestamp,
        #[serde(flatten)]
        reading: Reading,
    },
}

/// What is wrong with the file of readings.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// It can't be read or written.
    #[error("the readings file {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is open to others, or belongs to somebody else.
    #[error("the readings file {} holds people's states and is not private to this user ({what})", path.display())]
    NotPrivate {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// Another survey uses it.
    #[error("the readings file {} is in use by another survey", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// It is something else.
    #[error("{} is no file of a survey's readings, and is left as it is", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
}

/// The file in which readings are kept, one line each, so that a kill loses none that was answered.
#[derive(Debug)]
pub struct Kept {
    file: File,
    path: PathBuf,
    failed: Option<std::io::Error>,
}

/// What an earlier run has left.
#[derive(Debug, Default)]
pub struct Left {
    /// Its readings that are young enough, oldest first.
    pub readings: Vec<(Timestamp, Reading)>,
}

impl Kept {
    /// Opens the file, makes it where it is not there, and takes from it what an earlier run against the
    /// same server under the same login has left; what is older than `keep_for` is not believed.
    ///
    /// # Errors
    /// It can't be used, or is somebody else's.
    pub fn open(
        path: &Path,
        server: &str,
        login: &Login,
        now: Timestamp,
        keep_for: SignedDuration,
    ) -> Result<(Self, Left), WatchError> {
        let failed = |source| WatchError::Io {
            path: path.to_owned(),
            source,
        };
        let nofollow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0);
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .custom_flags(nofollow | given::at_once())
            .open(path)
            .map_err(failed)?;
        let meta = file.metadata().map_err(failed)?;
        given::is_file(&meta).map_err(failed)?;
        let not_private = |what: String| WatchError::NotPrivate {
            path: path.to_owned(),
            what,
        };
        let ours = rustix::process::geteuid().as_raw();
        if meta.uid() != ours {
            return Err(not_private(format!("it belongs to uid {}", meta.uid())));
        }
        if meta.mode() & 0o077 != 0 {
            return Err(not_private(format!(
                "its mode is {:o}",
                meta.mode() & 0o777
            )));
        }
        match file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => {
                return Err(WatchError::Busy {
                    path: path.to_owned(),
                });
            }
            Err(std::fs::TryLockError::Error(source)) => return Err(failed(source)),
        }
        let mut kept = Self {
            file,
            path: path.to_owned(),
            failed: None,
        };
        let left = kept.take_over(server, login, now, keep_for)?;
        Ok((kept, left))
    }

    /// Reads what is there, and writes the file anew with what of it holds.
    fn take_over(
        &mut self,
        server: &str,
        login: &Login,
        now: Timestamp,
        keep_for: SignedDuration,
    ) -> Result<Left, WatchError> {
        let mut left = Left::default();
        let (mut ours, mut clean) = (false, true);
        let mut text = Vec::new();
        let mut reader = BufReader::new(&self.file);
        loop {
            text.clear();
            let read = reader.read_until(b'\n', &mut text);
            if read.map_err(|source| self.io(source))? == 0 {
                break;
            }
            // a kill may have cut the last one
            let line = serde_json::from_slice::<Line>(&text);
            clean &= text.ends_with(b"\n");
            match line {
                Ok(Line::Of {
                    version,
                    server: of,
                    login: by,
                }) => ours = version == VERSION && of == server && by == *login,
                Ok(Line::Read { at, reading }) if ours => {
                    let age = now.duration_since(at);
                    if age <= keep_for && !age.is_negative() {
                        left.readings.push((at, reading));
                    } else {
                        clean = false;
                    }
                }
                Ok(_) => clean = false,
                // whatever a file holds that does not begin as ours do is not ours to write over
                Err(_) if !ours && !text.starts_with(b"{\"line\":") => {
                    return Err(WatchError::Foreign {
                        path: self.path.clone(),
                    });
                }
                Err(_) => clean = false,
            }
            clean &= ours;
        }
        drop(reader);
        if ours && clean {
            return Ok(left);
        }
        self.file.set_len(0).map_err(|source| self.io(source))?;
        self.line(&Line::Of {
            version: VERSION,
            server: server.to_owned(),
            login: login.clone(),
        });
        for (at, reading) in &left.readings {
            let (at, reading) = (*at, reading.clone());
            self.line(&Line::Read { at, reading });
        }
        match self.failed.take() {
            Some(source) => Err(self.io(source)),
            None => Ok(left),
        }
    }

    fn io(&self, source: std::io::Error) -> WatchError {
        WatchError::Io {
            path: self.path.clone(),
            source,
        }
    }

    /// Appends a line in one write. That it can't be is said once, and ends no survey.
    fn line(&mut self, line: &Line) {
        if self.failed.is_some() {
            return;
        }
        let written = serde_json::to_vec(line)
            .map_err(std::io::Error::other)
            .and_then(|mut text| {
                text.push(b'\n');
                self.file.write_all(&text)
            });
        if let Err(error) = written {
            tracing::warn!(file = %self.path.display(), %error, "readings can't be kept any more");
            self.failed = Some(error);
        }
    }

    fn end(self, whole: bool) -> Result<(), WatchError> {
        if whole {
            // no more is kept about people than is needed
            return std::fs::remove_file(&self.path).map_err(|source| self.io(source));
        }
        match self.failed {
            Some(source) => Err(WatchError::Io {
                path: self.path,
                source,
            }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
