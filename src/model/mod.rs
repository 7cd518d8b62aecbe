//! The vocabulary that every room speaks; it depends on nothing in the crate and does no I/O.

pub mod alike;
pub mod attempt;
pub mod clock;
pub mod decision;
pub mod facts;
pub mod fields;
pub mod hash;
pub mod hmac;
pub mod id;
pub mod inputs;
pub mod kind;
mod left_alone;
#[cfg(test)]
pub mod long;
pub mod remedy;
pub mod road;
pub mod seers;
pub mod settings;
pub mod standing;
pub mod task;
pub mod text;
pub mod two;

pub use attempt::{AttemptEvent, AttemptState, Outcome, Receipt, ReceiptStatus};
pub use clock::Clock;
pub use decision::{
    Action, ActionName, Answer, Decision, Mode, OrderRelease, ReadValue, Refusal, RefusalReason,
    Scope, Verdict,
};
pub use facts::{Facts, Known};
pub use fields::Fields;
pub use id::{
    BatchId, CycleId, DefKey, Digest, LineageId, Login, PolicyHash, Principal, ProcessKey, RoleKey,
    TargetName, TaskId, UserKey,
};
pub use inputs::{Base, InputsText, text_digest};
pub use kind::Kind;
pub use left_alone::LeftAlone;
pub use road::Road;
pub use seers::{NotRead, Seers};
pub use task::{DefinitionId, Owner, Snapshot, Task, TaskStatus};
