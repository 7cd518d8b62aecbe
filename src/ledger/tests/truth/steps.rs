//! What can happen in a random world, and how often; it does nothing.

use proptest::prelude::*;

use super::server::{Fate, fates};

#[derive(Clone, Debug)]
pub enum Step {
    /// New work.
    New(u8),
    /// A list is read.
    Pass {
        shifted: bool,
        hidden: u8,
        asked: bool,
        race: Option<(bool, u8, Fate)>,
    },
    /// A retry is sent, or an attempt is made to: of anything that the ledger knows, wanted or not.
    Send(u8, Fate),
    /// Somebody else acts.
    Theirs(u8, u8, Fate),
    /// An open attempt is looked into: its account, or the task alone.
    Look(u8, bool),
    /// The daemon is killed and starts again; what it had not written yet may be gone, and the clock may
    /// have been set by so many minutes in between.
    Restart(bool, i64),
    /// A person says what became of an attempt.
    Person(u8),
    /// A person begins a new episode.
    Reset(u8),
}

pub fn steps() -> impl Strategy<Value = Vec<Step>> {
    let race = proptest::option::weighted(0.2, (any::<bool>(), 0u8..8, fates()));
    let pass = (
        proptest::bool::weighted(0.3),
        any::<u8>(),
        proptest::bool::weighted(0.1),
        race,
    );
    let set = prop_oneof![4 => Just(0), 1 => -120i64..120, 1 => -2_000i64..20_000];
    let step = prop_oneof![
        1 => (0u8..2).prop_map(Step::New),
        9 => pass.prop_map(|(shifted, hidden, asked, race)| Step::Pass { shifted, hidden, asked, race }),
        6 => (0u8..8, fates()).prop_map(|(n, fate)| Step::Send(n, fate)),
        3 => (0u8..8, 0u8..4, fates()).prop_map(|(n, what, fate)| Step::Theirs(n, what, fate)),
        3 => (0u8..8, any::<bool>()).prop_map(|(n, alone)| Step::Look(n, alone)),
        1 => (any::<bool>(), set).prop_map(|(loses, set)| Step::Restart(loses, set)),
        1 => (0u8..8).prop_map(Step::Person),
        1 => (0u8..8).prop_map(Step::Reset),
    ];
    proptest::collection::vec(step, 2..18)
}
