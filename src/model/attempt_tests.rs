//! The table of moves against one that was written by hand, and what must hold of any such table.

use super::*;

/// The table once more, as a grid that was written by hand from the safety rules: a row for each
/// state and a column for each event, both in the order of the docs; the letter of the next state,
/// `-` where the move must be refused.
const GRID: [(&str, &str); 12] = [
    // answers: success, fail, none, unsent; a restart; readings: completed, pending, bounced,
    // unchanged, gone, superseded, ambiguous; a person: completed, closed
    ("claimed", "ARUxU---------"),
    ("unknown", "----UCPBNGSMCS"),
    ("accepted", "----ACPB-GSMCS"),
    ("pending", "----PCPB-GSMCS"),
    ("completed", "--------------"),
    ("bounced", "--------------"),
    ("refused", "--------------"),
    ("not_applied", "--------------"),
    ("unsent", "--------------"),
    ("gone", "-----CPB----CS"),
    ("superseded", "--------------"),
    ("ambiguous", "----M-------CS"),
];

fn letter(state: Option<AttemptState>) -> char {
    use AttemptState as S;
    match state {
        None => '-',
        Some(S::Claimed) => 'c',
        Some(S::Unknown) => 'U',
        Some(S::Accepted) => 'A',
        Some(S::Pending) => 'P',
        Some(S::Completed) => 'C',
        Some(S::Bounced) => 'B',
        Some(S::Refused) => 'R',
        Some(S::NotApplied) => 'N',
        Some(S::Unsent) => 'x',
        Some(S::Gone) => 'G',
        Some(S::Superseded) => 'S',
        Some(S::Ambiguous) => 'M',
    }
}

#[test]
fn every_pair_of_state_and_event_is_as_the_grid_says() {
    for (state, (name, row)) in AttemptState::ALL.into_iter().zip(GRID) {
        assert_eq!(state.as_str(), name);
        let found: String = AttemptEvent::ALL
            .iter()
            .map(|event| letter(next(state, *event)))
            .collect();
        assert_eq!(found, row, "{state}");
    }
}

#[test]
fn no_pair_has_two_rows_and_only_open_or_vanished_attempts_move() {
    let mut seen = std::collections::HashSet::new();
    for (from, on, to) in MOVES {
        assert!(seen.insert((*from, *on)), "two rows for {from} {on:?}");
        assert_ne!(*to, AttemptState::Claimed, "nothing leads back to a claim");
        assert!(
            from.is_open() || *from == AttemptState::Gone,
            "{from} is settled for good"
        );
    }
}

#[test]
fn only_what_nobody_accepted_ends_as_something_that_does_not_count() {
    let from: Vec<AttemptState> = MOVES
        .iter()
        .filter(|(_, _, to)| !to.counts())
        .map(|(from, _, _)| *from)
        .collect();
    assert_eq!(from, [AttemptState::Claimed, AttemptState::Unknown]);
}

#[test]
fn from_every_open_state_there_is_a_way_to_both_ends() {
    for state in AttemptState::ALL.into_iter().filter(|s| s.is_open()) {
        let mut reached = vec![state];
        let mut at = 0;
        while let Some(from) = reached.get(at).copied() {
            at += 1;
            for (_, _, to) in MOVES.iter().filter(|(of, _, _)| *of == from) {
                if !reached.contains(to) {
                    reached.push(*to);
                }
            }
        }
        assert!(reached.contains(&AttemptState::Completed), "{state}");
        assert!(reached.contains(&AttemptState::Superseded), "{state}");
    }
}

#[test]
fn the_status_of_an_end_is_read_back_and_nothing_else_is_taken_for_one() {
    for status in [None, Some(403), Some(500)] {
        assert_eq!(ended_with(&ended(status, "it: broke")), status);
    }
    for text in [
        "",
        "HTTP 500",
        "HTTP x: y",
        "HTTP 70000: y",
        "reset: HTTP 500: y",
    ] {
        assert_eq!(ended_with(text), None, "{text}");
    }
}

#[test]
fn every_open_state_has_a_row_for_a_restart() {
    for state in AttemptState::ALL {
        assert_eq!(
            next(state, AttemptEvent::Restarted).is_some(),
            state.is_open(),
            "{state}"
        );
    }
}
