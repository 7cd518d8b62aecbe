//! Checks that no policy can switch off (invariants 8 to 11); pure: they refuse with a named reason and never act, log or read a clock.

mod active;
mod allowed;
mod assignee;
mod baseline;
mod elder;
mod ends;
mod hint;
mod input;
mod order;
mod pattern;
mod returns;
mod stale;

pub use active::still_given;
pub use assignee::{still_holds, still_takes};
pub use elder::{Around, Elder, Of, Since, elder};
pub use input::{
    AssigneeFact, GuardInput, GuardNeeds, MemberFact, Passed, check, check_all, guard_names, needs,
    row_of,
};
pub use order::waits_for_others;
pub use pattern::matches_definition;
pub use stale::is_long_open;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;
