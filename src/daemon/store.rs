//! What is said of the store: whether it is there, whole, or less than was acknowledged; it opens none and changes nothing.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use super::core::Core;
use super::orders::meant;
use super::{DaemonError, login};
use crate::control::{RefusedKind, Reply, Request, RewoundView};
use crate::ledger::{Ledger, OpenReport, Place, Rewound, journal_is_dir, place};
use crate::model::settings::{Settings, StoreSettings};
use crate::policy;

/// What was found when the store was opened, or that there was none to open.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct StoreSeen {
    /// Set where there is none yet: nothing is made for a question.
    absent: Option<Place>,
    /// The copy of a damaged journal that was made before it was opened.
    copy: Option<PathBuf>,
    /// What was found or repaired at opening, in words.
    notes: Vec<String>,
}

impl StoreSeen {
    /// There is no store at the place.
    pub fn absent(place: Place) -> Self {
        Self {
            absent: Some(place),
            ..Self::default()
        }
    }

    /// What an opening has reported.
    pub fn opened(report: &OpenReport) -> Self {
        Self {
            absent: None,
            copy: report.rewound.as_ref().and_then(|r| r.copy.clone()),
            notes: report.repaired.clone(),
        }
    }
}

/// What helps where there is no store yet.
pub const START_ONE: &str = "start `provtaskd run` (or `provtaskd run --once`), which makes it; or correct --store or store.dir";

/// What a status says of the store.
pub struct StoreWords {
    pub state: String,
    pub rewound: Option<RewoundView>,
    pub notes: Vec<String>,
}

impl Core {
    /// That there is no store yet, so that nothing is known, where it is so.
    pub fn no_store_words(&self) -> Option<String> {
        self.store_seen.absent?;
        let dir = self.settings.store.dir.display();
        Some(format!(
            "there is no store in {dir} yet: nothing was read, and nothing is known"
        ))
    }

    /// How the store stands.
    pub fn store_words(&self) -> StoreWords {
        let ledger = self.foreign_store.as_ref().unwrap_or(&self.ledger);
        let copy = || self.store_seen.copy.clone();
        let rewound = ledger.read(|index| Rewound::of(index, |_| copy()));
        let dir = &self.settings.store.dir;
        let state = match (ledger.failed(), &rewound, self.store_seen.absent) {
            (Some(why), _, _) => why.to_string(),
            (None, Some(rewound), _) => format!(
                "REWOUND: {}; {}",
                rewound.words(dir),
                rewound.what_to_do(dir)
            ),
            (None, None, Some(Place::Barred)) => {
                "not there yet, and this user may not make it: the first `provtaskd run` needs the directory, owned by its user (chmod 700)".to_owned()
            }
            (None, None, Some(_)) => {
                "not there yet; the first `provtaskd run` makes it".to_owned()
            }
            (None, None, None) => "ok".to_owned(),
        };
        StoreWords {
            state,
            rewound: rewound.map(|rewound| RewoundView {
                copied: rewound.is_a_copy(),
                acknowledged: rewound.acknowledged(),
                last: rewound.found,
                copy: rewound.copy.as_ref().map(|copy| copy.display().to_string()),
                restored: rewound.restored.clone(),
                lineages: rewound.lineages.clone(),
            }),
            notes: self.store_seen.notes.clone(),
        }
    }
}

/// Why store and server don't belong together, if so (invariant 13).
pub fn mismatch_of(ledger: &Ledger, report: &OpenReport, settings: &Settings) -> Option<Arc<str>> {
    for repaired in &report.repaired {
        tracing::error!(repaired = %repaired, "the store was repaired at start; look at what is said here");
    }
    let here = login::world(&settings.server);
    // bound once the server has been read: a slip in the configuration binds nothing
    let bound = ledger.read(|index| index.world().map(str::to_owned));
    let elsewhere = bound.filter(|known| *known != here).map(|known| {
        let why = format!(
            "the store in {} belongs to {known}, the configuration names {here}",
            settings.store.dir.display()
        );
        tracing::error!(why = %why, "nothing is sent; use another store directory for another server");
        why
    });
    let rewound = report.rewound.as_ref().map(|rewound| {
        let why = rewound.words(&settings.store.dir);
        let todo = rewound.what_to_do(&settings.store.dir);
        let what = match rewound.is_a_copy() {
            true => "the store is a copy",
            false => "the store does not hold what was acknowledged",
        };
        tracing::error!(why = %why, "{what}: {todo}");
        why
    });
    // what is to be done about a rewound store is done with the configuration of its own server
    match (elsewhere, rewound) {
        (Some(first), Some(second)) => Some(Arc::from(format!("{first}; beside it: {second}"))),
        (Some(only), None) | (None, Some(only)) => Some(Arc::from(only)),
        (None, None) => None,
    }
}

/// An order about what is in a store makes none: one whose directory was mistyped would go into a store
/// that no daemon reads. A release alone may come before the first start, and says that it made one.
pub fn needs_a_store(request: &Request, settings: &Settings) -> Option<Reply> {
    // what a release would let go is asked for the sake of the order
    let releases = matches!(request, Request::Backlog { part: Some(_) });
    if (request.is_question() && !releases)
        || matches!(request, Request::Release { .. } | Request::LoginClear)
    {
        return None;
    }
    let dir = settings.store.dir.display();
    Some(Reply::refused(
        RefusedKind::Store,
        format!(
            "there is no store in {dir}: the daemon makes it at its first start, and an order such as this one does not"
        ),
        "correct --store or store.dir; where it is the right directory, start `provtaskd run` first, or `provtaskd run --once` once",
    ))
}

/// The refusal of a release of anything but the configured policy set where no store is: none is made for it.
///
/// # Errors
/// The policies can't be read.
pub fn unknown_set(request: &Request, settings: &Settings) -> Result<Option<Reply>, DaemonError> {
    let Request::Release { hash, .. } = request else {
        return Ok(None);
    };
    let known = BTreeSet::from([policy::load::load(&settings.policy)?.hash().clone()]);
    let refused = meant(hash, &known).err().map(|why| {
        let dir = settings.store.dir.display();
        Reply::refused(
            RefusedKind::NotFound,
            why,
            format!("there is no store in {dir}, and none was made; `provtaskd status` shows the hash of the configured policy set"),
        )
    });
    Ok(refused)
}

/// Why no store can be made where the settings name one, and whether that is this user's lack alone.
pub fn no_store(settings: &StoreSettings) -> Option<(String, bool)> {
    let dir = &settings.dir;
    match place(dir) {
        Ok(Place::There) if dir.is_file() => {
            Some((format!("{} is not a directory", dir.display()), false))
        }
        Ok(Place::There) => match journal_is_dir(&dir.join("journal")) {
            Ok(()) => None,
            Err(error) => Some((error.to_string(), false)),
        },
        Ok(Place::Free) => None,
        Ok(Place::Barred) => Some((
            if dir.is_dir() {
                format!("{} is not this user's to write in", dir.display())
            } else {
                format!(
                    "{} is not there, and this user may not make it",
                    dir.display()
                )
            },
            true,
        )),
        Err(error) => Some((error.to_string(), false)),
    }
}
