//! Who is away, by which source, and who stands in; it keeps interval and source of an absence and nothing else.

pub mod delegate;
pub mod feed;
pub mod roster;

pub use delegate::{Delegation, ProxyRow, stand_in};
pub use feed::{Feed, FeedProblem, FeedReading, FeedState};
pub use roster::{Parsed, Presence, Roster, RowProblem, parse, presence};
