//! Inputs for the tests of the guards: a case in which everything passes, to be spoiled one thing at a time.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::model::facts::{AccountView, History, Person, Sibling, UserStatus};
use crate::model::settings::GuardSettings;
use crate::model::standing::{AccountStatus, LastDay, Standing};
use crate::model::{
    Action, Kind, Known, LineageId, Login, OrderRelease, Owner, Principal, RefusalReason, RoleKey,
    Task, TaskId, TaskStatus, UserKey,
};

use super::elder::Elder;
use super::input::{AssigneeFact, GuardInput, MemberFact, check};

/// The server shows no End Date.
fn no_last_day(as_of: Timestamp) -> Known<LastDay> {
    Known::Yes {
        value: LastDay::NotShown,
        as_of,
    }
}

/// Everything a [`GuardInput`] borrows.
pub(super) struct Case {
    pub(super) task: Task,
    pub(super) kind: Kind,
    pub(super) action: Action,
    pub(super) named: bool,
    pub(super) beneficiary: Known<Person>,
    pub(super) account: Known<AccountView>,
    pub(super) unread: Option<Arc<str>>,
    pub(super) standing: Known<Arc<Standing>>,
    pub(super) finished_shown: bool,
    pub(super) finished_from: Option<Timestamp>,
    pub(super) assignee: Option<Known<AssigneeFact>>,
    pub(super) members: Option<Known<Vec<MemberFact>>>,
    pub(super) owner_changes: Option<Timestamp>,
    pub(super) owner_read: Option<Timestamp>,
    pub(super) responses: Option<Known<Arc<[String]>>>,
    pub(super) history: History,
    pub(super) definition_manual: bool,
    pub(super) open_attempt_in_account: bool,
    pub(super) late_until: Option<Timestamp>,
    pub(super) lineage_ambiguous: bool,
    pub(super) origin: Timestamp,
    pub(super) dated: bool,
    pub(super) first: Option<u64>,
    pub(super) elder: Elder,
    pub(super) seen_late: bool,
    pub(super) attempt_open: bool,
    pub(super) by_process: bool,
    pub(super) baseline: bool,
    pub(super) released_by_age: bool,
    pub(super) released_old: bool,
    pub(super) order_releases: Vec<OrderRelease>,
    pub(super) now: Timestamp,
    pub(super) limits: GuardSettings,
}

pub(super) fn hours(n: i64) -> Timestamp {
    let start: Timestamp = "2027-02-01T09:00:00Z".parse().expect("a timestamp");
    start + SignedDuration::from_hours(n)
}

/// The case's account and nothing else, with that status.
pub(super) fn standing(status: &str) -> Arc<Standing> {
    Arc::new(Standing {
        accounts: Some([("700".into(), Some(AccountStatus::new(status)))].into()),
        ..Standing::default()
    })
}

/// The case's account, without a status.
pub(super) fn no_status() -> Arc<Standing> {
    Arc::new(Standing {
        accounts: Some([("700".into(), None)].into()),
        ..Standing::default()
    })
}

pub(super) fn person(login: &str, status: UserStatus) -> Person {
    Person {
        key: Some(UserKey::new(&format!("9{}", login.len()))),
        login: Login::new(login),
        status,
        manager: None,
    }
}

pub(super) fn sibling(id: &str, name: &str, kind: Kind, at: i64) -> Sibling {
    Sibling {
        id: TaskId::new(id),
        lineage: None,
        name: Arc::from(name),
        kind,
        status: TaskStatus::Rejected,
        origin: hours(at),
        child: None,
        attempt_open: false,
        finished: false,
        ambiguous: false,
        first: None,
        ordered: None,
        unsettled: false,
        seen_open: false,
    }
}

pub(super) fn done(id: &str, name: &str, kind: Kind, at: i64) -> Sibling {
    Sibling {
        status: TaskStatus::Completed,
        finished: true,
        ..sibling(id, name, kind, at)
    }
}

impl Case {
    /// A rejected task of the kind, at hour 10 of account 700, read at hour 20.
    pub(super) fn retry(kind: Kind) -> Self {
        let mut task = Task::bare(TaskId::new("500"), TaskStatus::Rejected);
        task.target = Some("Directory".into());
        task.process = Some("700".into());
        task.definition_name = Some(Arc::from("Update Phone"));
        task.beneficiary = Some(Login::new("rkoch"));
        task.owner = Owner::User {
            key: Some(UserKey::new("41")),
            login: Some(Login::new("mweber")),
        };
        let now = hours(20);
        Self {
            task,
            kind,
            action: Action::Retry,
            named: false,
            beneficiary: Known::Yes {
                value: person("rkoch", UserStatus::Active),
                as_of: now,
            },
            account: Known::Yes {
                value: AccountView {
                    tasks: Vec::new(),
                    from_process: true,
                    own_now: None,
                },
                as_of: now,
            },
            unread: None,
            standing: Known::Yes {
                value: standing("Provisioned"),
                as_of: now,
            },
            finished_shown: true,
            finished_from: Some(hours(0)),
            assignee: None,
            members: None,
            responses: None,
            history: History {
                lineage: LineageId(3),
                attempts: 0,
                attempts_total: 0,
                first_seen: hours(10),
                failed_since: hours(10),
                last_attempt_at: None,
                last_state: None,
                in_vain: 0,
                unproven: 0,
                reset: false,
                stale: false,
                keeps_ids: false,
                creation_over_since: false,
                recent: Vec::new(),
                former_owners: Vec::new(),
                ids: vec![TaskId::new("500")],
            },
            definition_manual: false,
            open_attempt_in_account: false,
            late_until: None,
            lineage_ambiguous: false,
            origin: hours(10),
            dated: true,
            first: None,
            elder: Elder::default(),
            seen_late: false,
            attempt_open: false,
            by_process: false,
            baseline: false,
            released_by_age: false,
            released_old: false,
            owner_changes: None,
            owner_read: None,
            order_releases: Vec::new(),
            now,
            limits: GuardSettings {
                age_limit: SignedDuration::from_hours(14 * 24),
                manual_complete: Vec::new(),
                set_response: Vec::new(),
                assignee_load: 5,
                handed_for: SignedDuration::from_hours(7 * 24),
                fact_age: SignedDuration::from_mins(10),
            },
        }
    }

    /// A hand-over to SLANG, who is active and present.
    pub(super) fn reassign() -> Self {
        let mut case = Self::retry(Kind::Grant);
        let stand_in = person("slang", UserStatus::Active);
        case.action = Action::Reassign {
            to: Principal::User {
                key: stand_in.key.clone(),
                login: stand_in.login.clone(),
            },
        };
        case.assignee = Some(Known::Yes {
            value: AssigneeFact {
                person: stand_in,
                away: None,
                load: 0,
                unlisted: 0,
                last_day: no_last_day(case.now),
                changes: None,
            },
            as_of: case.now,
        });
        case
    }

    /// A hand-over to role 12, whose members are as given.
    pub(super) fn to_role(members: &[(&str, UserStatus)]) -> Self {
        let mut case = Self::retry(Kind::Grant);
        case.action = Action::Reassign {
            to: Principal::Role {
                key: Some(RoleKey::new("12")),
                name: Arc::from("Fulfilment"),
            },
        };
        let as_of = case.now;
        let members = members.iter().map(|(login, status)| MemberFact {
            login: Login::new(login),
            person: Known::Yes {
                value: AssigneeFact {
                    person: person(login, status.clone()),
                    away: None,
                    load: 0,
                    unlisted: 0,
                    last_day: no_last_day(as_of),
                    changes: None,
                },
                as_of,
            },
        });
        case.members = Some(Known::Yes {
            value: members.collect(),
            as_of,
        });
        case
    }

    /// `DONE` is to be set, may be set on the definition, and is among the codes that are listed.
    pub(super) fn respond(kind: Kind) -> Self {
        let mut case = Self::retry(kind);
        case.action = Action::SetResponse {
            code: Arc::from("DONE"),
        };
        case.limits.set_response = vec!["*/*".to_owned()];
        case.responses = Some(Known::Yes {
            value: Arc::from(["ERROR".to_owned(), "DONE".to_owned()]),
            as_of: case.now,
        });
        case
    }

    pub(super) fn member(&mut self, at: usize) -> &mut MemberFact {
        match &mut self.members {
            Some(Known::Yes { value, .. }) => &mut value[at],
            _ => panic!("the case has no members"),
        }
    }

    pub(super) fn with(mut self, sibling: Sibling) -> Self {
        if let Known::Yes { value, .. } = &mut self.account {
            value.tasks.push(sibling);
        }
        self
    }

    pub(super) fn assignee(&mut self) -> &mut AssigneeFact {
        match &mut self.assignee {
            Some(Known::Yes { value, .. }) => value,
            _ => panic!("the case has no assignee"),
        }
    }

    pub(super) fn input(&self) -> GuardInput<'_> {
        GuardInput {
            task: &self.task,
            version: self.task.version(),
            kind: self.kind,
            action: &self.action,
            named: self.named,
            beneficiary: &self.beneficiary,
            account: &self.account,
            unread: self.unread.clone(),
            standing: &self.standing,
            finished_shown: self.finished_shown,
            finished_from: self.finished_from,
            assignee: self.assignee.as_ref(),
            members: self.members.as_ref(),
            owner_changes: self.owner_changes,
            owner_read: self.owner_read,
            responses: self.responses.as_ref(),
            history: &self.history,
            definition_manual: self.definition_manual,
            open_attempt_in_account: self.open_attempt_in_account,
            late_until: self.late_until,
            lineage_ambiguous: self.lineage_ambiguous,
            origin: self.origin,
            dated: self.dated,
            first: self.first,
            elder: self.elder,
            seen_late: self.seen_late,
            attempt_open: self.attempt_open,
            baseline: self.baseline,
            released_by_age: self.released_by_age,
            released_old: self.released_old,
            by_process: self.by_process,
            order_releases: &self.order_releases,
            now: self.now,
            limits: &self.limits,
        }
    }

    /// The account's status is that, read now.
    pub(super) fn is(&mut self, status: &str) {
        self.standing = Known::Yes {
            value: standing(status),
            as_of: self.now,
        };
    }

    /// The first refusal's reason; `None` where all guards pass.
    pub(super) fn refusal(&self) -> Option<RefusalReason> {
        check(&self.input()).err().map(|refusal| refusal.reason)
    }
}
