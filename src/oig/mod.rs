//! The remote API (Oracle's Self Service REST contract): lenient in, strict out; it never decides what to do.

mod accounts;
mod auth;
pub mod budget;
pub mod client;
mod conceal;
pub mod dates;
pub mod error;
mod excerpt;
pub mod filter;
pub use filter::can_be_asked_for;
#[cfg(test)]
mod fuzz;
mod inspect;
mod list;
mod logins;
mod look;
pub mod map;
pub mod more;
mod peer;
pub mod people;
mod quick;
mod reads;
pub mod receipts;
mod scan;
mod secret;
mod spelled;
mod tls;
mod turn;
pub mod wire;
mod wire_out;
mod writes;

pub use auth::{LoginState, StopPlace};
pub use client::{Client, RequestCounts};
pub use error::OigError;
pub use inspect::{FileFault, inspect};
pub use logins::Logins;
pub use look::{Look, TokenService};
pub use peer::Peer;
pub use people::{HistoryRow, Member, Proxy, Role};
pub use reads::{LOGINS_AT_ONCE, People};
pub use receipts::{ItemAnswer, ItemWord, PutAnswer, receipts};
pub use secret::SecretDigest;
pub use tls::unusable;
pub use wire_out::WriteItem;
pub use writes::{PutEnd, UnsentCause, misses_header};
