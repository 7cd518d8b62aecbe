//! What each gate refuses, how caps and holds work, and that every limit holds for any sequence of events.

mod approved;
mod fixture;
mod gates;
mod lanes;
mod machine;
mod properties;
mod slow;
mod throttle;
