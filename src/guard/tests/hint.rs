//! What a hint alone has named acts only with its account's tasks read from its process, whatever it does.

use jiff::SignedDuration;

use super::super::check;
use super::super::fixture::{Case, sibling};
use crate::model::facts::AccountView;
use crate::model::{Kind, Known, RefusalReason as R};

fn hinted(mut case: Case) -> Case {
    case.by_process = true;
    case
}

#[test]
fn it_needs_the_account_as_its_process_shows_it_whatever_it_does() {
    for case in [
        || Case::retry(Kind::Change),
        || Case::retry(Kind::Revoke),
        || Case::retry(Kind::Grant),
        Case::reassign,
    ] {
        let good = hinted(case());
        let passed = check(&good.input()).expect("nothing is wrong");
        assert_eq!(passed.facts_from(), Some(good.now), "the proof grows old");
        let mut no_process = hinted(case());
        no_process.task.process = None;
        let mut unread = hinted(case());
        unread.account = Known::unknown("timed out");
        let mut listed = hinted(case());
        listed.account = Known::Yes {
            value: AccountView {
                tasks: vec![sibling("499", "Other", Kind::Notify, 9)],
                from_process: false,
                own_now: None,
            },
            as_of: listed.now,
        };
        let mut old = hinted(case());
        if let Known::Yes { as_of, .. } = &mut old.account {
            *as_of = old.now - SignedDuration::from_mins(11);
        }
        for bad in [no_process, unread, listed, old] {
            assert_eq!(bad.refusal(), Some(R::SiblingsUnknown));
        }
    }
}

#[test]
fn what_the_list_shows_needs_no_more_than_before() {
    let mut case = Case::retry(Kind::Revoke);
    case.account = Known::unknown("timed out");
    assert_eq!(case.refusal(), None);
}
