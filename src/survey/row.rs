//! What the survey counts: one row of the list with what was read about its people and decided about it; it holds no opinion of its own.

use std::sync::Arc;

use jiff::Timestamp;

use super::report::{Policies, Reads, Scope};
use crate::model::facts::UserStatus;
use crate::model::{Kind, Login, Owner, RefusalReason, TargetName, TaskId, TaskStatus};

/// What is known of the person whose access it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum PersonWord {
    /// Read as active.
    Active,
    /// Read as active, although the leave date has passed.
    ActivePast,
    /// Read as disabled.
    Disabled,
    /// Read as deleted.
    Deleted,
    /// Read as not started yet.
    NotStarted,
    /// Read with a state that this program does not know.
    Other,
    /// The server does not show him to this login; he need not be deleted.
    NotShown,
    /// Not read: a limit was reached, or the reading failed.
    NotRead,
    /// The row names nobody.
    Nobody,
}

impl PersonWord {
    /// The word of a state.
    pub fn of(status: &UserStatus) -> Self {
        match status {
            UserStatus::Active => Self::Active,
            UserStatus::Disabled => Self::Disabled,
            UserStatus::Deleted => Self::Deleted,
            UserStatus::NotStarted => Self::NotStarted,
            UserStatus::Unknown(_) => Self::Other,
        }
    }

    /// As the report writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::ActivePast => "active, leave date passed",
            Self::Disabled => "disabled",
            Self::Deleted => "deleted",
            Self::NotStarted => "not started",
            Self::Other => "other state",
            Self::NotShown => "not shown",
            Self::NotRead => "not read",
            Self::Nobody => "not named",
        }
    }

    /// True where the server said that the person is gone.
    pub fn is_gone(self) -> bool {
        matches!(self, Self::Disabled | Self::Deleted)
    }

    /// True where it could not be told whether the person is gone.
    pub fn is_doubtful(self) -> bool {
        !matches!(
            self,
            Self::Active | Self::ActivePast | Self::Disabled | Self::Deleted | Self::NotStarted
        )
    }
}

/// Why nobody of a role can act.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum RoleWord {
    /// It has no members.
    Empty,
    /// All its members are disabled, deleted or have not started.
    NoneActive,
    /// All that are active are away by the absence file.
    AllAway,
}

impl RoleWord {
    /// As the report writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "no members",
            Self::NoneActive => "no active member",
            Self::AllAway => "all members away",
        }
    }
}

/// What is known of the owner of a task.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum OwnerWord {
    /// A person, here.
    Active,
    /// A person, away by the absence file.
    Away,
    /// A person, read as disabled.
    Disabled,
    /// A person, read as deleted.
    Deleted,
    /// A person who has not started yet.
    NotStarted,
    /// A person in a state that this program does not know, or of whom a row of the absence file can't be read.
    Other,
    /// A person whom the server does not show to this login.
    NotShown,
    /// A person who was not read.
    NotRead,
    /// A role.
    Role,
    /// The row names no owner.
    Nobody,
}

impl OwnerWord {
    /// As the report writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Away => "away",
            Self::Disabled => "disabled",
            Self::Deleted => "deleted",
            Self::NotStarted => "not started",
            Self::Other => "other state",
            Self::NotShown => "not shown",
            Self::NotRead => "not read",
            Self::Role => "role",
            Self::Nobody => "not named",
        }
    }

    /// True where the owner can't act, for certain.
    pub fn cannot_act(self) -> bool {
        matches!(
            self,
            Self::Away | Self::Disabled | Self::Deleted | Self::NotStarted
        )
    }
}

/// What the policies and the guards say about a task.
#[derive(Clone, PartialEq, Debug)]
pub struct Said {
    /// `retry`, `reassign`, …, `leave`, `ask`, `none` or `fault`.
    pub verdict: &'static str,
    /// The policy that answered.
    pub policy: Option<Arc<str>>,
    /// What holds an act back, the first one first.
    pub refused: Vec<Held>,
    /// Whom the task would be handed to.
    pub to: Option<String>,
}

/// What holds an act back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Held {
    /// A guard's refusal.
    Refused(RefusalReason),
    /// What a guard wants to know was not read, because the task waits for something else anyway, or a limit was reached:
    /// nothing is known to be wrong.
    NotLookedAt,
}

impl Held {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused(reason) => reason.as_str(),
            Self::NotLookedAt => "not_looked_at",
        }
    }

    /// What it means.
    pub fn explanation(self) -> &'static str {
        match self {
            Self::Refused(reason) => reason.explanation().trim(),
            Self::NotLookedAt => {
                "The guards need a person or an account that this survey has not read."
            }
        }
    }
}

/// A task of the list.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its id.
    pub task: TaskId,
    /// Its definition's name.
    pub name: Option<Arc<str>>,
    /// Its target.
    pub target: Option<TargetName>,
    /// What it does to access.
    pub kind: Kind,
    /// The class of its reason; `none` where it gives none.
    pub class: Arc<str>,
    /// Its state.
    pub status: TaskStatus,
    /// Creation, by the server's clock.
    pub created: Option<Timestamp>,
    /// Its reason, or where that is empty its response code.
    pub reason: Option<Arc<str>>,
    /// Whose access it is.
    pub person: Option<Login>,
    /// That person's state.
    pub person_word: PersonWord,
    /// That person's last day, where the server shows one.
    pub left: Option<Timestamp>,
    /// The server was not asked for the leave date, refused the question, or showed what is no date.
    pub left_untold: bool,
    /// Whose task it is.
    pub owner: Owner,
    /// The owner's login, where it is known.
    pub owner_login: Option<Login>,
    /// The owner's state.
    pub owner_word: OwnerWord,
    /// Until when the owner is away, where that is known.
    pub owner_until: Option<Timestamp>,
    /// Why nobody of the owner can act, where it is a role.
    pub role_word: Option<RoleWord>,
    /// What would be done; `Err` says why nothing was decided.
    pub said: Result<Said, RefusalReason>,
}

impl Row {
    /// The owner, as reports name him.
    pub fn owner_name(&self) -> String {
        match (&self.owner, &self.owner_login) {
            (Owner::User { login: None, .. }, Some(login)) => format!("user:{login}"),
            (owner, _) => owner.to_string(),
        }
    }

    /// Why the owner can't act, for certain; none where he may.
    pub fn stuck_word(&self) -> Option<&'static str> {
        match self.role_word {
            Some(word) => Some(word.as_str()),
            None => self
                .owner_word
                .cannot_act()
                .then(|| self.owner_word.as_str()),
        }
    }

    /// How long it has been open, in whole seconds; `None` without a date, or with one that is to come.
    pub fn age(&self, now: Timestamp) -> Option<i64> {
        let age = now.duration_since(self.created?).as_secs();
        (age >= 0).then_some(age)
    }
}

/// What a report says beside the rows.
#[derive(Clone, Debug)]
pub struct Context {
    /// When the list was read.
    pub taken_at: Timestamp,
    /// The server.
    pub origin: String,
    /// Which login saw it.
    pub login: Login,
    /// Logins whose names must not stand in a masked reason, beside those of the rows.
    pub logins: Vec<Login>,
    /// Words that may stay in a masked reason: the patterns of the reasons table name causes, not people.
    pub words: String,
    /// Which policies were asked.
    pub policy: Policies,
    /// What this login sees, and by which road.
    pub scope: Scope,
    /// What was read.
    pub reads: Reads,
    /// What a reader has to know beside the tables.
    pub notes: Vec<String>,
}
