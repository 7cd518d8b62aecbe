//! Hints from outside, that a task should be read: signed events over HTTP and files of a folder. A hint only ever causes a read; nothing that it says beside ids is kept, and no decision rests on it.

mod asked;
mod body;
mod book;
mod cause;
mod desk;
mod file;
mod folder;
mod http;
mod persons;
mod secret;
mod sign;
mod table;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};

pub use self::asked::Asked;
pub use self::book::Hint;
pub use self::cause::{Cause, Counted, HintEnd};
pub use self::folder::Folder;
pub use self::folder::open_to_all;
pub use self::http::Listener;
pub use self::persons::{PersonEnd, Persons, Round, Turns, persons};
pub use self::secret::{Secrets, read as read_secrets};
pub use self::sign::sign;

use self::book::{Book, Coming};
use self::cause::Counts;
use self::desk::{Answer, Errand};
use self::file::{FileError, HintFile};
use crate::model::{Clock, Road, TargetName, TaskId};

/// Events that may wait for the thread that writes them.
const WAITING: usize = 4_096;

/// The file of the walk through persons, beside the hints.
const WALK: &str = "walk";
/// Tasks that a walk has found are put on disk so many at a time: one person's may be more than there is room for.
const FOUND_AT_ONCE: usize = 100;

/// How the walks through persons stand.
#[derive(Clone, Debug, Default)]
pub struct Walks {
    /// How far the one through those of the file has come.
    pub round: Round,
    /// What is wrong with that file.
    pub problem: Option<String>,
    /// What became of those whom events and files of the folder have named, since start.
    pub asked: Turns,
}

/// What an earlier run has noted of the walk; where that can't be read it begins anew, which costs readings.
fn noted(path: &Path) -> Round {
    let text = std::fs::read_to_string(path);
    text.ok()
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default()
}

/// The intake could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// The hints file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The thread that writes it could not be started.
    #[error("the thread of the intake could not be started: {0}")]
    Thread(std::io::Error),
    /// Binding failed.
    #[error("the intake can't listen on {at}: {source}")]
    Bind {
        /// The address.
        at: std::net::SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The address is not loopback.
    #[error("the intake does not listen on {0}, which is not a loopback address")]
    NotLoopback(std::net::SocketAddr),
    /// The folder can't be used.
    #[error("the folder of the intake {}: {what}", path.display())]
    Folder {
        /// It.
        path: std::path::PathBuf,
        /// What is wrong.
        what: String,
    },
}

/// What the parts of the intake share.
#[derive(Debug, Default)]
struct Shared {
    book: Mutex<Book>,
    counts: Counts,
    came: Notify,
    /// True from a hint until the next cycle takes it: the cycle task is woken once, not for each hint.
    announced: AtomicBool,
    trouble: Mutex<Option<Arc<str>>>,
    /// What is wrong with the watched folder, if anything.
    folder: Mutex<Option<Arc<str>>>,
    /// The walks through persons.
    walk: Mutex<Walks>,
}

impl Shared {
    fn book(&self) -> MutexGuard<'_, Book> {
        // every change of it is whole before anything can panic
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn walk(&self) -> MutexGuard<'_, Walks> {
        self.walk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn announce(&self) {
        // a walk follows upon a cycle
        let wanted = {
            let book = self.book();
            book.is_wanted() || !book.persons.is_empty()
        };
        if wanted && !self.announced.swap(true, Ordering::AcqRel) {
            self.came.notify_one();
        }
    }

    fn set_folder_trouble(&self, what: Option<Arc<str>>) {
        *self.folder.lock().unwrap_or_else(PoisonError::into_inner) = what;
    }

    fn set_trouble(&self, error: Option<&std::io::Error>) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match error {
            Some(error) => {
                if trouble.is_none() {
                    tracing::error!(%error, "hints can't be put on disk; senders are told to come again");
                }
                *trouble = Some(Arc::from(error.to_string()));
            }
            None => *trouble = None,
        }
    }
}

/// The hints of a daemon. Cheap to clone; clones share everything.
#[derive(Clone, Debug)]
pub struct Intake {
    shared: Arc<Shared>,
    /// Where the walk through persons is noted.
    walk: Arc<Path>,
    errands: SyncSender<Errand>,
}

/// What the intake holds at one moment, for status and metrics.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// Tasks that wait to be read.
    pub waiting: u64,
    /// Tasks that are read by their ids in each cycle, because the list does not show them.
    pub followed: u64,
    /// Persons who were named and wait to be walked through.
    pub persons: u64,
    /// Counts since start.
    pub counted: Counted,
    /// Why hints can't be put on disk, if so.
    pub trouble: Option<Arc<str>>,
    /// What is wrong with the watched folder, if anything.
    pub folder: Option<Arc<str>>,
}

impl Intake {
    /// Opens the hints of a directory, for so many at a time, and starts the thread that writes them.
    ///
    /// # Errors
    /// The file can't be used.
    pub fn open(dir: &Path, limit: usize, clock: &Clock) -> Result<Self, IntakeError> {
        // timestamps are those of other machines' clocks: ours is the wall's, whatever domain time is
        let clock = if clock.is_wall() {
            clock.clone()
        } else {
            Clock::wall()
        };
        let mut book = Book::new(limit);
        let now = clock.now() + clock.drift();
        let (file, damaged) = HintFile::open(dir, &mut book, now.as_second())?;
        if damaged > 0 {
            tracing::error!(
                lines = damaged,
                dir = %dir.display(),
                "lines of the hints file were damaged and are left out; a copy is beside it (hints.damaged). The list is read as always: only tasks that it does not show may have to be named again"
            );
        }
        if book.is_wanted() {
            tracing::info!(
                hints = book.waiting(),
                "hints of an earlier run wait to be read"
            );
        }
        let walk: Arc<Path> = Arc::from(dir.join(WALK));
        let walks = Walks {
            round: noted(&walk),
            ..Walks::default()
        };
        let shared = Arc::new(Shared {
            book: Mutex::new(book),
            walk: Mutex::new(walks),
            ..Shared::default()
        });
        let (errands, inlet) = sync_channel(WAITING);
        let own = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("intake".to_owned())
            .spawn(move || desk::serve(&inlet, file, &own, &clock))
            .map_err(IntakeError::Thread)?;
        Ok(Self {
            shared,
            walk,
            errands,
        })
    }

    /// Takes an event or a file, and answers once it is on disk.
    async fn take(&self, coming: Coming) -> Answer {
        let (answer, taken) = oneshot::channel();
        match self.errands.try_send(Errand::Take { coming, answer }) {
            Ok(()) => taken.await.unwrap_or(Err(Cause::NotStored)),
            Err(TrySendError::Full(_)) => Err(Cause::Busy),
            Err(TrySendError::Disconnected(_)) => Err(Cause::NotStored),
        }
    }

    /// Waits until a hint comes that no cycle has taken yet.
    pub async fn came(&self) {
        self.shared.came.notified().await;
    }

    /// True where something waits for the next cycle.
    pub fn is_wanted(&self) -> bool {
        self.shared.book().is_wanted()
    }

    /// All hints, those that are read in each cycle first, and the targets of which somebody says that they work
    /// again. What comes after this call is for the next cycle.
    pub fn hints(&self) -> (Vec<Hint>, BTreeMap<TargetName, u64>) {
        self.shared.announced.store(false, Ordering::Release);
        let book = self.shared.book();
        (book.hints(), book.targets().clone())
    }

    /// The same without taking them: for a question.
    pub fn hints_for_a_look(&self) -> Vec<Hint> {
        self.shared.book().hints()
    }

    /// How the walks through persons stand.
    pub fn walks(&self) -> Walks {
        self.shared.walk().clone()
    }

    /// Persons who were named, the oldest first.
    pub fn persons(&self, many: usize) -> Vec<Asked> {
        self.shared.book().persons.next(many)
    }

    /// The turn of a person who was named is over.
    pub async fn person_had_turn(&self, asked: Asked, end: PersonEnd, found: u64) {
        self.errand(Errand::Walked { asked, end, found }).await;
    }

    /// Notes how far it has come; a note that is lost costs readings and nothing else.
    pub fn keep_round(&self, round: &Round) {
        let beside = self.walk.with_extension("new");
        let written = serde_json::to_string(round)
            .map_err(std::io::Error::other)
            .and_then(|text| std::fs::write(&beside, text))
            .and_then(|()| std::fs::rename(&beside, &self.walk));
        if let Err(error) = written {
            tracing::warn!(file = %self.walk.display(), %error, "how far the walk through persons has come can't be noted; after a restart it begins anew");
        }
        self.shared.walk().round = round.clone();
    }

    /// What is wrong with the file of persons, if anything; the log has it once, with what comes of it.
    pub fn persons_problem(&self, problem: Option<String>, outcome: &str) {
        let mut walks = self.shared.walk();
        if let Some(why) = &problem
            && walks.problem != problem
        {
            tracing::warn!(why = %why, "{outcome}");
        }
        walks.problem = problem;
    }

    /// Takes tasks that the accounts of a person have shown; true once all are on disk.
    pub async fn take_walked(&self, tasks: &[TaskId]) -> bool {
        for part in tasks.chunks(FOUND_AT_ONCE) {
            let coming = Coming {
                event: None,
                named: body::Named {
                    tasks: part.iter().cloned().collect(),
                    ..body::Named::default()
                },
                road: Road::Walk,
            };
            if self.take(coming).await.is_err() {
                return false;
            }
        }
        true
    }

    /// By which road a hint for the task came, while there is one.
    pub fn road_of(&self, task: &TaskId) -> Option<Road> {
        self.shared.book().road_of(task)
    }

    /// These hints are being read: until that has told something they bring no cycle forward.
    pub fn are_read(&self, hints: &[Hint]) {
        self.shared.book().are_read(hints);
    }

    /// These hints had their turn, and nothing is known of them: they wait on.
    pub fn had_turn(&self, hints: &[Hint]) {
        self.shared.book().had_turn(hints);
    }

    /// Hints have come to these ends; none: it could not be read this time.
    pub async fn end(
        &self,
        ends: Vec<(Hint, Option<HintEnd>)>,
        targets: BTreeMap<TargetName, u64>,
    ) {
        let (done, told) = oneshot::channel();
        self.errand(Errand::End {
            ends,
            targets,
            done,
        })
        .await;
        let _ = told.await;
    }

    /// Hands over what has to be done, however much there is to do.
    async fn errand(&self, mut errand: Errand) {
        loop {
            match self.errands.try_send(errand) {
                Ok(()) => break,
                Err(TrySendError::Full(back)) => {
                    errand = back;
                    tokio::time::sleep(std::time::Duration::from_millis(2)).await;
                }
                // the thread lives as long as anybody can ask
                Err(TrySendError::Disconnected(_)) => return,
            }
        }
    }

    /// How it stands.
    pub fn standing(&self) -> Standing {
        let wide = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let (waiting, followed, persons) = {
            let book = self.shared.book();
            let persons = wide(book.persons.len());
            (wide(book.waiting()), wide(book.followed()), persons)
        };
        let trouble = self.shared.trouble.lock();
        let folder = self.shared.folder.lock();
        Standing {
            waiting,
            followed,
            persons,
            counted: self.shared.counts.read(),
            trouble: trouble.unwrap_or_else(PoisonError::into_inner).clone(),
            folder: folder.unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}
