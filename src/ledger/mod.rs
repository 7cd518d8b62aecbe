//! The durable memory of claims, outcomes and learned facts; nothing is sent that is not on disk here first, and nothing here ever decides what to do.

pub mod anchor;
mod aside;
mod attempts;
pub mod block;
mod claimed;
mod commit;
mod dated;
mod error;
mod facts;
mod files;
mod guarded;
pub mod handle;
mod home;
pub mod index;
mod inputs;
pub mod judge;
mod justify;
mod left;
pub mod lineage;
mod look;
pub mod memory;
mod newcomer;
mod notes;
mod observe;
mod open;
mod owner;
mod pages;
mod place;
mod put_back;
pub mod ran;
pub mod record;
pub mod retention;
mod rewound;
mod roll;
mod seers;
pub mod sidecar;
pub mod sled;
pub mod store;
#[cfg(test)]
mod tests;
pub mod transfer;
pub mod upkeep;
pub mod verify;
mod walk;
mod widened;
mod work;
mod world;

pub use crate::model::alike::undo as alike_undone;
pub use attempts::{ClaimRequest, Claims, Settled};
pub use claimed::Claimed;
pub use dated::ServerBehind;
pub use error::{LedgerError, StoreError};
pub use facts::mark_of;
pub use files::journal_is_dir;
pub use guarded::is_guarded;
pub use handle::{Ledger, Taken};
pub use index::said_print;
pub use index::{
    Ahead, Attempt, BaselineView, Counts, Hold, HoldState, InboxItem, Index, Justifications,
    LEFT_REWOUND, Left, Memo, Outage, Pause, PauseScope, Restored, Retried, Stopped, Unjustified,
    Unlisted,
};
pub use inputs::{Inputs, MAX_INPUTS};
pub use judge::{Judgement, Reading, judge, next_look};
pub use justify::Justification;
pub use look::{Looked, LookedUp};
pub use notes::{BaselineChange, DecidedCount, DecisionRecord, Entry};
pub use observe::{Observed, Sighting, TaskView, VerifyItem};
pub use open::OpenReport;
pub use pages::{Page, Still};
pub use place::{Place, place};
pub use record::{Actor, DecidedItem, Event, EventBody, How};
pub use rewound::Rewound;
pub use roll::AttemptRow;
pub use store::Store;
pub use transfer::{Story, StoryLine};
pub use world::World;
