//! What a server's answers were seen to be like: forms, words, paging, scope; pure, it reads nothing, and what was not seen is never stated.

mod capture;
mod file;
mod forms;
mod kept;
mod learned;
mod pages;
mod rests;
mod unlearned;
mod words;

pub use capture::{Capture, Captured};
pub use file::{SCHEMA, Traits, TraitsError, VERSION};
pub use forms::{Forms, adapter_word, is_finished_row, rows_of};
pub use kept::{Troubled, Unseen};
pub use learned::*;
pub use pages::{Pass, order_of, passes};
pub use rests::{Missing, NOT_TOLD, NOTHING_PROBED, beside, continues, missing};
pub use unlearned::not_probed;
pub use words::{Limits, Meaning, RENEW, meanings};
