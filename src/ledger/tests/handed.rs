//! What was handed to people: how long it is theirs by what is on record, and what lists tell of it; no disk.

use super::*;
use crate::model::{Owner, Principal, UserKey};

fn eve() -> Principal {
    Principal::User {
        key: Some(UserKey::new("501")),
        login: Login::new("eve"),
    }
}

fn owned(by: Owner) -> Task {
    Task {
        owner: by,
        ..row("90", TaskStatus::Rejected, "77")
    }
}

fn role() -> Owner {
    Owner::Role {
        key: None,
        name: Some(Arc::from("OPERATORS")),
    }
}

/// By her key alone, as some servers show owners.
fn hers() -> Owner {
    Owner::User {
        key: Some(UserKey::new("501")),
        login: None,
    }
}

/// Handed to her at the first minute, and read as done at the third.
fn handed() -> (Work, Arc<RwLock<Index>>, LineageId) {
    let (mut work, index) = core();
    let seen = see(&mut work, vec![owned(role())], 0);
    let lineage = seen.views[0].lineage.expect("opened");
    let mut claim = request(
        vec![admitted(lineage, "90", Action::Reassign { to: eve() })],
        7,
    );
    claim.batch.action = ActionName::Reassign;
    let made = work.claim(claim, at(1)).expect("claimed");
    let batch = made.batch.expect("one item");
    let receipt = batch.items[0].receipt(ReceiptStatus::Accepted, at(1));
    work.settle(vec![receipt], Duration::from_secs(1), at(1))
        .expect("settled");
    let read = Looked::single(lineage, 1, Some(owned(hers())));
    let told = work
        .looked(vec![read], &delivery(), &Meta::daemon(at(3), None), at(3))
        .expect("looked")
        .outcomes;
    assert_eq!(told[0].event, AttemptEvent::ReadCompleted);
    (work, index, lineage)
}

fn unlisted(index: &Arc<RwLock<Index>>, since: i64) -> Vec<String> {
    let index = index.read().expect("a lock");
    let all = index.handed_unlisted(at(since));
    all.map(|of| format!("{} of {}", of.task, of.login))
        .collect()
}

#[test]
fn what_no_list_shows_any_more_is_hers_until_it_is_too_old() {
    let (mut work, index, _) = handed();
    assert_eq!(unlisted(&index, 0), ["90 of EVE"]);
    see(&mut work, vec![], 10);
    see(&mut work, vec![], 20);
    assert_eq!(unlisted(&index, 3), ["90 of EVE"]);
    assert!(unlisted(&index, 4).is_empty());
}

#[test]
fn what_a_list_has_shown_as_hers_is_told_by_lists_alone() {
    let (mut work, index, _) = handed();
    see(&mut work, vec![owned(hers())], 10);
    assert!(unlisted(&index, 0).is_empty());
    see(&mut work, vec![], 20);
    assert!(unlisted(&index, 0).is_empty());
}

#[test]
fn a_reading_by_its_id_is_no_list() {
    let (mut work, index, _) = handed();
    let mut sight = sighting(vec![owned(hers())], 10);
    sight.unlisted = [TaskId::new("90")].into_iter().collect();
    work.observe(&sight, at(10)).expect("a pass");
    see(&mut work, vec![], 20);
    assert_eq!(unlisted(&index, 0), ["90 of EVE"]);
}

#[test]
fn what_is_shown_as_anothers_is_hers_no_more() {
    let (mut work, index, _) = handed();
    let other = Owner::User {
        key: Some(UserKey::new("502")),
        login: Some(Login::new("bob")),
    };
    see(&mut work, vec![owned(other)], 10);
    see(&mut work, vec![], 20);
    assert!(unlisted(&index, 0).is_empty());
}
