//! What an operator does with a store as a whole: check, back up, restore, compact, export, import, retain, erase. Nothing here changes a journal in place, and a kill at any moment leaves a whole store.

mod backup;
mod build;
mod check;
pub(super) mod copy;
mod differ;
mod erase;
mod error;
mod examine;
mod file;
mod into;
mod known_as;
mod less;
mod lines;
mod pace;
mod rewrite;
mod save;
mod strip;
pub(super) mod swap;
mod texts;

pub use super::record::Actor;
pub use backup::{BackedUp, BackupHeader};
pub use check::{Checked, Held, check_backup, check_store};
pub use error::UpkeepError;
pub use examine::{Examined, Finding, Tally};
pub use into::{BroughtIn, Source, bring_in};
pub use less::{ErasePlan, Erasing, RetentionPlan, compact, erase, retention};
pub use pace::Pace;
pub use rewrite::{Estimate, LastAnchor, Order, Rewritten};
pub use save::{Form, Saved, export_to, save, save_store};
pub use swap::After;
