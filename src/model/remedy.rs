//! What helps against each reason for which something is not done: words for a person, beside the reason's explanation; it decides nothing, and promises nothing of what waiting does not bring.

use super::decision::{Refusal, RefusalReason as R};

/// Where work of an account is on its way.
const READ_BACK: &str = "It passes once that was read back; what can't be told comes into `provtaskd inbox`, for `provtaskd outcomes settle`.";
/// Where a list or a cycle tells.
const NEXT: &str = "It passes with one of the next cycles.";
/// Where the old backlog waits.
const BASELINE: &str = "Look at `provtaskd baseline show`; `provtaskd baseline release TARGET --why TEXT` lets it go, with all that waits on its target, or with `--max-age` the younger part.";
/// Where a reading has failed.
const READINGS: &str = "See `why` in `provtaskd explain TASK`: where the server refused it, give the login the right to read it; where it failed, mend the server. It is read again by itself.";
/// Where a person has to let it be tried again.
const RESET: &str = "Mend what the last answer names, then let it be tried again: `provtaskd outcomes reset TASK --why TEXT`.";
/// Where a mode holds it.
const MODE: &str = "Set the mode that is named (`mode.global`, `mode.targets`, `mode.actions` or `mode.policies`) to \"enforce\", then `provtaskd reload`.";

impl R {
    /// What helps, in a sentence or two.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::KindUnknown => {
                "Name the definition with its kind in `policy.kinds`, then `provtaskd reload`; `provtaskd status` lists all such names."
            }
            Self::KindNeedsNaming => {
                "If it may be retried, name the definition in `policy.named`, then `provtaskd reload`; else do it by hand in OIG."
            }
            Self::StatusNotActionable => {
                "Nothing, while it is in that state; it is looked at again when that changes."
            }
            Self::DefinitionManual => {
                "Do it by hand and complete it in OIG; if OIG runs an adapter for it since, `provtaskd forget TARGET/NAME`."
            }
            Self::BeneficiaryNotActive => {
                "If the person has left, cancel the task in OIG; if not, mend his status or `End Date` there. Who has not begun yet is waited for."
            }
            Self::BeneficiaryUnknown => {
                "See `why` in `provtaskd explain TASK`: give the login the right to read the person, or mend the server, or what the row or the person's record lacks. It is read again by itself."
            }
            Self::StaleGrant => {
                "Look at the account in OIG, and cancel the task there, or do it by hand if it is wanted all the same; as long as the account shows what took it away nothing lifts this here, and after that `outcomes reset` does."
            }
            Self::Overtaken => {
                "Cancel the task in OIG: what it would write is out of date; if the older value is wanted all the same, write it by hand."
            }
            Self::AccountUnknown => {
                "See `why` in `provtaskd explain TASK`: give the login the right to read the account's tasks and the person's accounts, or mend the server, and it is read again by itself; name a definition that has no kind in `policy.kinds`; where finished tasks are hidden or archived, have OIG show and keep them for longer than work stays open; else look at the account in OIG, and do the task there or cancel it, of a disable and a younger enable the one that is not wanted."
            }
            Self::SiblingsUnknown | Self::FactUnknown => READINGS,
            Self::WaitsForCreate => {
                "Have the task that `provtaskd explain TASK` names done or cancelled; where the account is there all the same (OIG shows it as provisioned or enabled), `provtaskd approve order:TASK --why TEXT` lets this one go without it, once."
            }
            Self::WaitsForOlder => {
                "Have the task that `provtaskd explain TASK` names done or cancelled; `provtaskd approve order:TASK --why TEXT` lets this one go without it, once."
            }
            Self::WaitsForRevoke => {
                "Have the task that `provtaskd explain TASK` names done or cancelled in OIG (`provtaskd explain` of that one says why it is open); nothing lets anything pass it."
            }
            Self::AccountBusy => {
                "`provtaskd explain TASK` names what it waits for. An attempt of ours passes once it was read back; what can't be told comes into `provtaskd inbox`, for `provtaskd outcomes settle`. A task that gives the account back (an enable) has to be done or cancelled in OIG: `provtaskd explain` of it says why it is open."
            }
            Self::AttemptOpen | Self::AwaitsSettling | Self::AwaitsProof => READ_BACK,
            Self::LineageAmbiguous => {
                "Look at the tasks in OIG, then `provtaskd outcomes settle` or `provtaskd outcomes reset`."
            }
            Self::AssigneeNotActive | Self::AssigneeIsBeneficiary | Self::DelegationLoop => {
                "Have the policy or the absence file name somebody else, or hand the task on in OIG."
            }
            Self::AssigneeAway => {
                "It passes when he is back; else have the policy or the absence file name somebody else."
            }
            Self::AssigneeUnknown => {
                "Correct the name in the policy or the absence file, or give the login the right to read users, roles and their members."
            }
            Self::AssigneeOverLoad => {
                "It passes when he has fewer tasks; what was handed to him and stands in no list that the login sees (`handed_and_in_no_list`) counts for `guard.handed_for`, done or not. Else raise `guard.assignee_load`, or have somebody else named."
            }
            Self::AlreadyAssigned => "Nothing: he has it.",
            Self::TooOld | Self::Baseline => BASELINE,
            Self::ActionNotAllowed => {
                "If it is meant, allow it for the definition in `guard.manual_complete` or `guard.set_response`, with a code that OIG lists, then `provtaskd reload`; of a revoke or disable do it by hand."
            }
            Self::ModeOff | Self::ModeObserve => MODE,
            Self::PolicyNotReleased => {
                "Run `provtaskd policy test`, then `provtaskd policy release HASH --person NAME --word TEXT`."
            }
            Self::NotProbed => {
                "Run `provtaskd probe`, and for retries `provtaskd probe --retry-one TASK` beside the daemon."
            }
            Self::Paused => {
                "`provtaskd resume` of what `provtaskd status` shows as paused ends it."
            }
            Self::LoginStopped => {
                "Put the right password into its file; if it was right all along, unlock the account, then `provtaskd login clear`."
            }
            Self::WorldMismatch => {
                "See `world`, `rewound` and `mode` in `provtaskd inbox`, and docs/operations.md, before anything is approved; another provtaskd has to be ended."
            }
            Self::AttemptsUsedUp => RESET,
            Self::SentInVain => {
                "See `provtaskd outcomes show TASK` for what the server said; once that is mended, `provtaskd outcomes reset TASK --why TEXT`."
            }
            Self::NotAuthorised => {
                "Give the login the right to act on it, or do it by hand; then `provtaskd outcomes reset TASK --why TEXT`."
            }
            Self::BackOff => {
                "It passes by itself; `provtaskd outcomes reset TASK --why TEXT` ends it, and lets the attempts count from zero."
            }
            Self::NotDueYet | Self::TargetRate | Self::TargetBusy => "It passes by itself.",
            Self::BreakerOpen => {
                "It passes when a task of the target is done again: see why they fail (`provtaskd outcomes list`), and mend the target."
            }
            Self::ServerBackOff => "It passes when the server answers requests to write again.",
            Self::WritePathMissing => {
                "Correct `server.api_path`, or what stands before the server; until then one task at a time is tried."
            }
            Self::CapRetries => {
                "It passes with one of the next intervals; `governor.cap_retries` and `governor.cap_share_percent` set the cap."
            }
            Self::CapHeld => {
                "Look at `provtaskd inbox`, then `provtaskd approve ID --why TEXT` or `provtaskd reject ID --why TEXT`."
            }
            Self::Rejected => {
                "Somebody said no: `provtaskd inbox --rejected` says who, when and why; `provtaskd approve ID --despite-rejection --why TEXT` takes that back."
            }
            Self::SnapshotIncomplete => {
                "It passes with the next whole list; where none comes, `provtaskd status` and `provtaskd check --online` say why."
            }
            Self::StoreUnwritable => "Mend the disk (`df`, `dmesg`), then start the daemon again.",
            Self::AnchorMissing => {
                "Make it possible to write `audit.anchor_file`: `provtaskd status` says what is wrong with it."
            }
            Self::ShuttingDown => "Start the daemon again.",
            Self::TaskMoved | Self::Withdrawn | Self::NotToldYet | Self::JustMoved => NEXT,
            Self::NotScheduled => "It passes at the next time of `schedule.cron`.",
            Self::SuccessorKnown => "Nothing: see its successor in `provtaskd outcomes show TASK`.",
        }
    }

    /// True where time alone helps: a person may wait for it.
    pub fn passes(self) -> bool {
        matches!(
            self,
            Self::AccountBusy
                | Self::AttemptOpen
                | Self::AwaitsSettling
                | Self::AwaitsProof
                | Self::AssigneeAway
                | Self::BackOff
                | Self::NotDueYet
                | Self::TargetRate
                | Self::TargetBusy
                | Self::BreakerOpen
                | Self::ServerBackOff
                | Self::CapRetries
                | Self::Rejected
                | Self::Paused
                | Self::SnapshotIncomplete
                | Self::TaskMoved
                | Self::Withdrawn
                | Self::NotToldYet
                | Self::JustMoved
                | Self::NotScheduled
        )
    }
}

/// What a person may do about everything that is refused at once, as the end of a hint. Where each passes by itself the
/// last one says when; else what helps against those that don't. That a reading was not made yet counts only alone:
/// nothing is read of what is held anyway.
pub fn advice(refusals: &[Refusal]) -> String {
    let held: Vec<&Refusal> = refusals.iter().filter(|of| !is_unread(of)).collect();
    let held: Vec<&Refusal> = match held.is_empty() {
        true => refusals.iter().collect(),
        false => held,
    };
    let waits = |of: &&Refusal| of.reason.passes() && !of.needs_person && of.until.is_some();
    if !held.is_empty() && held.iter().all(waits) {
        let last = held.iter().filter_map(|of| of.until).max();
        let until = last.map_or_else(String::new, |until| format!("wait until {until:.0}, "));
        let mut sooner: Vec<&str> = Vec::new();
        for of in &held {
            let ended = matches!(of.reason, R::Paused | R::BackOff | R::Rejected);
            if ended && !sooner.contains(&of.reason.remedy()) {
                sooner.push(of.reason.remedy());
            }
        }
        let sooner = match sooner.is_empty() {
            true => String::new(),
            false => format!("; sooner: {}", sooner.join(" ")),
        };
        return format!("{until}then ask again{sooner}");
    }
    let mut remedies: Vec<&str> = Vec::new();
    for of in held.iter().filter(|of| !waits(of)) {
        if !remedies.contains(&of.reason.remedy()) {
            remedies.push(of.reason.remedy());
        }
    }
    remedies.join(" ")
}

/// What helps against one refusal.
pub fn remedy_of(reason: R, needs_person: bool) -> &'static str {
    match lacks_a_reading(reason) && !needs_person {
        true => {
            "Nothing has to be done: it was not read yet, and is before the task is acted on; what is held back otherwise is not read."
        }
        false => reason.remedy(),
    }
}

/// True for a fact that was only not read yet, and of which nobody has to do anything.
fn is_unread(refusal: &Refusal) -> bool {
    lacks_a_reading(refusal.reason) && !refusal.needs_person
}

fn lacks_a_reading(reason: R) -> bool {
    matches!(
        reason,
        R::BeneficiaryUnknown | R::AccountUnknown | R::SiblingsUnknown | R::FactUnknown
    )
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::*;
    use crate::model::{LineageId, Scope};

    fn of(reason: R, minute: Option<i64>) -> Refusal {
        let refusal = Refusal::new(reason, Scope::Lineage(LineageId(1)));
        let at = |minute| Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minute);
        minute.map_or(refusal.clone(), |minute| refusal.until(at(minute)))
    }

    #[test]
    fn every_reason_has_a_sentence_and_what_passes_needs_no_person() {
        for reason in R::ALL {
            let remedy = reason.remedy();
            assert!(remedy.ends_with('.'), "{reason}: {remedy}");
            assert!(!remedy.contains('|'), "{reason}: a cell of a table");
        }
    }

    #[test]
    fn the_last_end_is_named_and_none_where_waiting_does_not_help() {
        let both = advice(&[of(R::NotDueYet, Some(5)), of(R::BreakerOpen, Some(9))]);
        assert_eq!(both, "wait until 1970-01-01T00:09:00Z, then ask again");
        let paused = advice(&[of(R::Paused, Some(5))]);
        assert!(
            paused.contains("00:05:00Z") && paused.contains("provtaskd resume"),
            "{paused}"
        );
        // a time to look again is no promise
        let unknown = of(R::AccountUnknown, Some(5))
            .with("why", "HTTP 403")
            .for_person();
        for refusals in [
            vec![unknown.clone()],
            vec![of(R::NotDueYet, Some(9)), unknown],
        ] {
            let said = advice(&refusals);
            assert_eq!(said, R::AccountUnknown.remedy(), "{refusals:?}");
        }
        assert_eq!(advice(&[of(R::Paused, None)]), R::Paused.remedy());
    }

    #[test]
    fn what_was_only_not_read_yet_is_said_where_nothing_else_holds() {
        let unread = of(R::BeneficiaryUnknown, None).with("why", "not asked for yet");
        let baseline = of(R::Baseline, None).for_person();
        let both = advice(&[baseline, unread.clone()]);
        assert_eq!(both, R::Baseline.remedy());
        assert_eq!(advice(&[unread]), R::BeneficiaryUnknown.remedy());
    }
}
