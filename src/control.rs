//! What may be asked of a running daemon over its unix socket, and what it answers; it never acts by itself.
//!
//! One JSON line each way: `{"v":1,"ask":…}` and `{"v":1,"answer":…}`. Only the daemon's own user and
//! root are served; who asked is handed on as [`Actor`].

mod audit;
mod backlog;
mod client;
mod rejected;
mod request;
mod server;
mod state;
mod view;
mod wire;

pub use crate::model::text::one_line;
pub use audit::{JournalView, PastFilter, PastView, ReplayView};
pub use backlog::{AgeView, BacklogPart, BacklogRow, BacklogView, PartView, undecided_words};
pub use client::{ask, ask_in_time, is_running};
pub use rejected::RejectionView;
pub use request::{Incoming, MAX_TEXT, OutcomeFilter, PlanFilter, Request};
pub use server::Server;
pub use state::{
    AnchorView, AnotherView, CycleView, FeedView, IntakeView, ListView, LoginRow, NotesView,
    PauseView, RewoundView, SavedView, TargetRow, TurnsView, WalkView, in_words, main_stopped,
};
pub use view::{
    Actor, AttemptView, Done, EventView, ExplainView, InboxItem, InboxView, LOGIN_HINT, LoginView,
    NOT_SHOWN, OutcomeRow, OutcomesView, PlanItem, PlanView, RefusalView, Refused, RefusedKind,
    ReleasedView, Reply, StatusView, Story,
};
pub use wire::ControlError;
