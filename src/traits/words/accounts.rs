//! Says what was seen of accounts, and by what it is told since when finished tasks are kept.

use super::Out;
use crate::traits::file::Traits;
use crate::traits::learned::{AUTOMATED, NOT_SHOWN};

pub(super) fn say(out: &mut Out, traits: &Traits) {
    let (accounts, part) = (&traits.accounts, "accounts");
    let none = accounts.read == 0;
    out.tell(
        none,
        part,
        "readable",
        format!("{} read, {} not shown", accounts.read, accounts.missing),
        if none {
            "without accounts the guards can't tell whether access was revoked since: grants wait for a person"
        } else {
            "the guards look into each account before a grant"
        },
    );
    if none {
        return;
    }
    out.tell(
        accounts.finished == 0,
        part,
        "finished tasks",
        format!("{} shown", accounts.finished),
        if accounts.finished > 0 {
            "completion is read there, and so is a revoke that overtook a grant"
        } else {
            "none was shown: where they are hidden, grants and changes wait for a person, and completion is told by other signs"
        },
    );
    out.say(
        part,
        "hidden tasks",
        format!("{} open ones that the list leaves out", accounts.hidden),
        "they count for order within an account, and are not acted on",
    );
    kept(out, traits);
}

/// By what it is told since when finished tasks are kept: servers archive them.
fn kept(out: &mut Out, traits: &Traits) {
    let (accounts, part) = (&traits.accounts, "accounts");
    let (told, finished) = (accounts.adapter.values().sum::<u64>(), accounts.finished);
    // a file of before says nothing of it
    if finished == 0 || told == 0 {
        return;
    }
    let hidden = accounts.adapter.get(NOT_SHOWN).copied().unwrap_or(0);
    let definitions = match accounts.definitions {
        Some(true) => ", of which the process tells",
        Some(false) if hidden > 0 => ", of which the process does not tell",
        _ => "",
    };
    let seen = format!(
        "of {told} completed ones {} show when they ended, {} whether they are automated{definitions}",
        accounts.ends,
        told - hidden,
    );
    let automated = accounts.adapter.contains_key(AUTOMATED) || accounts.definitions == Some(true);
    let by = accounts.ends > 0 || automated;
    out.tell(
        !by,
        part,
        "how long they are kept",
        seen,
        if accounts.ends > 0 {
            "these ends, on two accounts, tell since when; from before that nothing proves that access was not taken again, and a person is asked"
        } else if by {
            "two accounts with two automated ones each, which end as they begin, tell since when, and so does what our own retries have completed; from before that a person is asked"
        } else {
            "nothing tells since when until our own retries have completed something on two accounts: groups and other rows, and creates of accounts that are not listed yet, wait for a person where they are older than that (account_unknown)"
        },
    );
}
