//! Every sort of body by its place, so that none can be left out of what is erased.

use super::*;

/// The place of a body's sort; a new one has to be given a body above.
pub(super) fn sort(body: &EventBody) -> usize {
    use EventBody as B;
    let all: &[fn(&B) -> bool] = &[
        |b| matches!(b, B::StoreCreated { .. }),
        |b| matches!(b, B::WorldBound { .. }),
        |b| matches!(b, B::StoreRewound { .. }),
        |b| matches!(b, B::RewindSettled { .. }),
        |b| matches!(b, B::WorldDoubted { .. }),
        |b| matches!(b, B::WorldAccepted { .. }),
        |b| matches!(b, B::WorldKept { .. }),
        |b| matches!(b, B::IdsReused { .. }),
        |b| matches!(b, B::LineagesOpened { .. }),
        |b| matches!(b, B::LineagesJoined { .. }),
        |b| matches!(b, B::LineageAmbiguous { .. }),
        |b| matches!(b, B::LineagesLeft { .. }),
        |b| matches!(b, B::Seen { .. }),
        |b| matches!(b, B::Decided { .. }),
        |b| matches!(b, B::Claims { .. }),
        |b| matches!(b, B::Receipts { .. }),
        |b| matches!(b, B::Outcomes { .. }),
        |b| matches!(b, B::Learned { .. }),
        |b| matches!(b, B::Forgot { .. }),
        |b| matches!(b, B::HoldOpened { .. }),
        |b| matches!(b, B::Approved { .. }),
        |b| matches!(b, B::Rejected { .. }),
        |b| matches!(b, B::HoldClosed { .. }),
        |b| matches!(b, B::Paused { .. }),
        |b| matches!(b, B::Resumed { .. }),
        |b| matches!(b, B::ModeChanged { .. }),
        |b| matches!(b, B::PolicySeen { .. }),
        |b| matches!(b, B::PolicyReleased { .. }),
        |b| matches!(b, B::BaselineTaken { .. }),
        |b| matches!(b, B::BaselineHeld { .. }),
        |b| matches!(b, B::BaselineReleased { .. }),
        |b| matches!(b, B::EpisodeReset { .. }),
        |b| matches!(b, B::OrderReleased { .. }),
        |b| matches!(b, B::JustificationClaimed { .. }),
        |b| matches!(b, B::JustificationEnded { .. }),
        |b| matches!(b, B::LoginStopped { .. }),
        |b| matches!(b, B::LoginCleared { .. }),
        |b| matches!(b, B::GovernorState { .. }),
        |b| matches!(b, B::InputsStored { .. }),
        |b| matches!(b, B::InputsAlike { .. }),
        |b| matches!(b, B::Dropped {}),
        |b| matches!(b, B::Rewritten { .. }),
        |b| matches!(b, B::Checkpoint { .. }),
        |b| matches!(b, B::Requests { .. }),
        |b| matches!(b, B::LateOver { .. }),
        |b| matches!(b, B::Note { .. }),
        |b| matches!(b, B::ServerBackOff { .. }),
    ];
    assert_eq!(all.len(), SORTS);
    all.iter()
        .position(|is| is(body))
        .expect("every sort is listed")
}

/// Sorts of bodies. `fields` does not compile with a new one; give it a body here then.
pub(super) const SORTS: usize = 47;
