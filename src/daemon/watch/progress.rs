//! How far a survey or a cycle is, for whoever waits for it; it knows nothing of what is read.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::oig::Client;

/// How far the work is, for whoever waits for it.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Shown>);

#[derive(Debug, Default)]
struct Shown {
    client: OnceLock<Client>,
    stage: Mutex<(&'static str, usize, usize)>,
    pages: Arc<AtomicU32>,
}

impl Progress {
    /// The stage in words, with its counts.
    pub fn text(&self) -> String {
        let (what, done, wanted) = *self.0.stage.lock().unwrap_or_else(PoisonError::into_inner);
        let requests = self.0.client.get().map_or(0, |c| c.requests().reads);
        match (what, wanted) {
            ("", _) => "beginning".to_owned(),
            (_, 0) => format!("{what}, {requests} requests"),
            _ => format!(
                "{what}: {} of {wanted}, {requests} requests",
                done.min(wanted)
            ),
        }
    }

    /// What is being done after the lists, with its counts; nothing while they are read.
    pub fn stage(&self) -> String {
        let (what, done, wanted) = *self.0.stage.lock().unwrap_or_else(PoisonError::into_inner);
        match wanted {
            0 => String::new(),
            _ => format!("{what}: {} of {wanted}", done.min(wanted)),
        }
    }

    /// Counts the pages of lists.
    pub fn pages(&self) -> &Arc<AtomicU32> {
        &self.0.pages
    }

    /// Pages that were read so far.
    pub fn pages_read(&self) -> u32 {
        self.0.pages.load(Ordering::Relaxed)
    }

    /// The requests of this client are the ones to count.
    pub fn counts(&self, client: &Client) {
        // the first one is the only one
        let _ = self.0.client.set(client.clone());
    }

    /// A stage begins, of so many steps.
    pub fn begin(&self, what: &'static str, wanted: usize) {
        *self.0.stage.lock().unwrap_or_else(PoisonError::into_inner) = (what, 0, wanted);
    }

    /// So many steps are done.
    pub fn went_on(&self, by: usize) {
        self.0
            .stage
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .1 += by;
    }
}
