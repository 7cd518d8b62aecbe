//! How far the running cycle is, for whoever asks meanwhile; it changes nothing of it.

use jiff::Timestamp;

use super::core::Core;
use super::memory::Memory;
use super::watch::{Progress, Watch};
use crate::control::CycleView;
use crate::model::Mode;

/// A cycle that is under way.
#[derive(Debug)]
pub struct Running {
    since: Timestamp,
    progress: Progress,
}

impl Running {
    /// From now on the cycle that works with this memory shows how far it is.
    pub fn begins(now: Timestamp, memory: &mut Memory) -> Self {
        let progress = Progress::default();
        // nothing is kept, and nothing is bounded
        memory.cache.watch(Watch::new(None, None, progress.clone()));
        Self {
            since: now,
            progress,
        }
    }
}

impl Core {
    /// The cycle that is under way, if one is.
    pub fn cycle_view(&self) -> Option<CycleView> {
        let running = self.running.as_ref()?;
        Some(CycleView {
            since: running.since,
            pages: running.progress.pages_read(),
            doing: running.progress.stage(),
        })
    }

    /// The first cycle since the start, while it is under way.
    pub fn first_cycle_words(&self) -> Option<String> {
        let first = self.cycle_view().filter(|_| self.last.at.is_none());
        first.map(|cycle| cycle.words(true))
    }

    /// True once the main login has shown a page of its list, also where its first cycle is still under way.
    pub fn has_answered(&self) -> bool {
        let pages = self.running.as_ref();
        self.last.at.is_some() || pages.is_some_and(|of| of.progress.pages_read() > 0)
    }

    /// Why no old backlog is on record although enforce is configured; nothing where it is, or was never switched on.
    pub fn backlog_pending(&self) -> Option<String> {
        if self.settings.modes.global != Mode::Enforce
            || self.ledger.read(|index| index.baseline().is_some())
        {
            return None;
        }
        if !self.enforces() {
            let (_, why) = self.effective_mode();
            return Some(format!(
                "enforce is configured and not in effect ({})",
                why.join("; ")
            ));
        }
        Some(match (self.cycle_view(), self.last.at) {
            (Some(cycle), None) => format!("enforce is on, and {}", cycle.words(true)),
            (_, Some(_)) => {
                "enforce is on, and no list was read yet in which nothing had moved meanwhile"
                    .to_owned()
            }
            (None, None) if self.once => {
                "enforce is configured, and no cycle has come to its end under it".to_owned()
            }
            (None, None) => "enforce is on, and its first cycle has not come to its end".to_owned(),
        })
    }
}
