//! The one table of failures: kind, exit code, meaning; every error that a person sees passes through here, and holds no secret.

use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::config::{Finding, LoadError};
use crate::control::{ControlError, Refused, RefusedKind, one_line};
use crate::daemon::DaemonError;
use crate::mail::{MailError, MailKind};

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal,)+) => {
        /// Why a command failed; each has its exit code (after sysexits.h where one fits).
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Kind {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Kind {
            /// Every kind, by code.
            pub const ALL: &'static [Kind] = &[$(Self::$name,)+];

            /// The exit code.
            pub fn code(self) -> u8 {
                match self { $(Self::$name => $code,)+ }
            }

            /// What it means, as in docs/operations.md.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+),)+ }
            }
        }
    };
}

kinds! {
    /// Cases of policies failed, or a check found something; what was asked could be done.
    Findings = 1,
    /// `audit verify` found something that was changed, cut or put in, or an anchor that does not hold.
    Unverified = 3,
    /// The command line is wrong.
    Usage = 64,
    /// The input is wrong: no such task, item, definition or scenario, or an order that makes no sense now.
    Data = 65,
    /// The OIG server, the mail server, or the daemon that had to be asked, can't be reached, or can't do it now.
    Unreachable = 69,
    /// A fault of provtaskd itself.
    Internal = 70,
    /// The store can't be opened, read or written.
    Store = 73,
    /// A file or socket can't be read or written.
    Io = 74,
    /// Try later: another process holds the store, or the daemon is busy or silent.
    Busy = 75,
    /// The login was refused by OIG or by the mail server, or this user may not do that.
    NotAllowed = 77,
    /// The configuration or the policies can't be used.
    Config = 78,
    /// Ended by Ctrl-C, SIGTERM or `stop` before it was through.
    Interrupted = 130,
}

/// The table of docs/operations.md.
pub fn table() -> String {
    let mut out = String::from(
        "| code | name | meaning |\n|---|---|---|\n| 0 | | Done; for `run`: ended cleanly. |\n",
    );
    for kind in Kind::ALL {
        // writing to a String can't fail
        let _ = writeln!(
            out,
            "| {} | {kind:?} | {} |",
            kind.code(),
            kind.meaning().trim()
        );
    }
    out
}

/// A command failed: one line of what and where, one of what to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// Which sort, and so the exit code.
    pub kind: Kind,
    /// What happened and where.
    pub message: String,
    /// What to do next; may be empty.
    pub hint: String,
    /// Lines that come first, such as the findings of a configuration.
    pub details: Vec<String>,
}

impl Failure {
    /// A failure in words.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hint: String::new(),
            details: Vec::new(),
        }
    }

    /// A failure from an error, with the errors behind it.
    pub fn of(kind: Kind, error: &dyn Error) -> Self {
        Self::new(kind, chain(error))
    }

    /// Says what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// The failure of a configuration with findings.
    pub fn findings(path: &Path, findings: &[Finding]) -> Self {
        let mut failure = Self::new(
            Kind::Config,
            format!("the configuration {} can't be used", path.display()),
        )
        .hint("mend what is listed above, then run `provtaskd check`");
        failure.details = findings.iter().map(|f| f.at(path)).collect();
        failure
    }

    /// Prints it to standard error, once.
    pub fn report(&self) {
        for line in self.details.iter().flat_map(|detail| detail.lines()) {
            tell(&one_line(line));
        }
        tell(&format!("error: {}", one_line(&self.message)));
        if !self.hint.is_empty() {
            tell(&format!("hint: {}", one_line(&self.hint)));
        }
    }

    /// Has every command that it tells to run name the same configuration, where one was named: without it another
    /// store would be asked.
    #[must_use]
    pub fn naming(mut self, config: Option<&Path>) -> Self {
        let Some(config) = config else {
            return self;
        };
        let shown = config.display().to_string();
        let safe = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
        let shown = match shown.chars().all(safe) {
            true => shown,
            false => format!("'{}'", shown.replace('\'', r"'\''")),
        };
        let told = |text: &str| {
            let mut parts = text.split("`provtaskd ");
            let first = parts.next().unwrap_or_default().to_owned();
            parts.fold(first, |text, part| {
                let option = match part.starts_with("-c ") {
                    true => String::new(),
                    false => format!("-c {shown} "),
                };
                format!("{text}`provtaskd {option}{part}")
            })
        };
        self.message = told(&self.message);
        self.hint = told(&self.hint);
        self
    }

    /// Says it as a warning: what was asked can be done in spite of it.
    pub fn warn(&self) {
        let what = self.message.replace('\n', " ");
        let details = self.details.iter().map(|line| {
            line.strip_prefix("error: ")
                .or_else(|| line.strip_prefix("warning: "))
                .unwrap_or(line)
        });
        for line in details.chain([what.as_str()]) {
            tell(&format!("warning: {line}"));
        }
    }

    /// What is wrong, in one line.
    pub fn line(&self) -> String {
        let details = self.details.join("; ").replace('\n', " ");
        let what = self.message.replace('\n', " ");
        if details.is_empty() {
            what
        } else {
            format!("{what}: {details}")
        }
    }
}

/// Whether what is said goes to the journal: then lines have its levels.
static FOR_JOURNAL: AtomicBool = AtomicBool::new(false);

/// From now on lines have the journal's levels (`--log-format journald`).
pub fn tell_the_journal() {
    FOR_JOURNAL.store(true, Ordering::Relaxed);
}

/// Writes a line to standard error. Where that can't be written (`2>&1 | head -1`, a full disk) the line is
/// lost, and the exit code still says how it went.
pub fn tell(line: &str) {
    let level = match FOR_JOURNAL.load(Ordering::Relaxed) {
        false => "",
        // what helps stands beside what is wrong, also in `journalctl -p err`
        true if line.starts_with("error:") || line.starts_with("hint:") => "<3>",
        true if line.starts_with("warning:") => "<4>",
        true => "<6>",
    };
    let _ = writeln!(std::io::stderr().lock(), "{level}{line}");
}

/// What to do about a write that found no room: a full disk, a quota, a limit on the size of files.
pub fn no_room(error: &std::io::Error) -> Option<&'static str> {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    match error.kind() {
        StorageFull => Some("make room on that disk"),
        QuotaExceeded => Some("make room: this user's share of that disk is used up"),
        FileTooLarge => Some("raise this process's limit on the size of files (`ulimit -f`)"),
        _ => None,
    }
}

/// An error with the ones behind it, in one line, without repeats.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(inner) = next {
        let said = inner.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        next = inner.source();
    }
    text
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Findings { path, findings } => Self::findings(&path, &findings),
            LoadError::Read { .. } => Self::of(Kind::Config, &error)
                .hint("name the file with -c FILE (without it ./provtaskd.toml is looked for first), or make one with `provtaskd init`"),
        }
    }
}

impl From<RefusedKind> for Kind {
    fn from(kind: RefusedKind) -> Self {
        match kind {
            RefusedKind::NotFound | RefusedKind::Invalid => Self::Data,
            RefusedKind::NotAllowed | RefusedKind::LoginRefused => Self::NotAllowed,
            RefusedKind::Unreachable => Self::Unreachable,
            RefusedKind::Store => Self::Store,
            RefusedKind::Io => Self::Io,
            RefusedKind::Config => Self::Config,
            RefusedKind::Findings => Self::Findings,
            RefusedKind::Busy => Self::Busy,
            RefusedKind::Internal => Self::Internal,
        }
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        Self::new(refused.kind.into(), refused.message).hint(refused.hint)
    }
}

impl From<DaemonError> for Failure {
    fn from(error: DaemonError) -> Self {
        let failure = Self::of(error.kind().into(), &error).hint(error.hint());
        match &error {
            DaemonError::Policy(policies) => Self {
                message: match &policies.dir {
                    Some(dir) => {
                        format!("the policies can't be used; they are in {}", dir.display())
                    }
                    None => "the policies can't be used".to_owned(),
                },
                details: policies
                    .findings
                    .iter()
                    .map(|finding| format!("error: {finding}"))
                    .collect(),
                ..failure
            },
            DaemonError::Ledger(_) if !failure.message.contains("the store") => Self {
                message: format!("the store can't be used: {}", failure.message),
                ..failure
            },
            _ => failure,
        }
    }
}

impl From<MailError> for Failure {
    fn from(error: MailError) -> Self {
        let kind = match error.kind() {
            MailKind::Unreachable => Kind::Unreachable,
            MailKind::Refused => Kind::NotAllowed,
            MailKind::Config => Kind::Config,
        };
        Self::new(kind, format!("the report was not mailed: {error}")).hint(error.hint())
    }
}

impl From<ControlError> for Failure {
    fn from(error: ControlError) -> Self {
        use std::io::ErrorKind::{
            BrokenPipe, ConnectionReset, NotADirectory, PermissionDenied, UnexpectedEof,
        };
        let (kind, hint) = match &error {
            ControlError::NotRunning { .. } => (Kind::Unreachable, "start it with `provtaskd run`"),
            ControlError::Taken { .. } => {
                (Kind::Busy, "look at `provtaskd status`, then try again")
            }
            ControlError::TimedOut { .. } => (
                Kind::Busy,
                "is its process stopped (`kill -CONT PID` lets it go on), or does it wait for a slow disk? `journalctl -u provtaskd` says what it did last; then ask again",
            ),
            ControlError::Io { source, .. } if source.kind() == PermissionDenied => (
                Kind::NotAllowed,
                "run the command as the daemon's user, or as root",
            ),
            ControlError::Io { source, .. } if source.kind() == NotADirectory => (
                Kind::Store,
                "name a directory with --store, or in store.dir",
            ),
            ControlError::Io { source, .. }
                if matches!(source.kind(), ConnectionReset | BrokenPipe | UnexpectedEof) =>
            {
                (
                    Kind::Busy,
                    "the daemon has ended, or is ending, before it answered; an order may be in force all the same: look at `provtaskd status`, then try again",
                )
            }
            ControlError::Io { .. } => (
                Kind::Io,
                "look at who may use the socket and its directory, then try again",
            ),
            ControlError::Garbled { .. } => (
                Kind::Internal,
                "use the same version of provtaskd as the daemon",
            ),
        };
        Self::of(kind, &error).hint(hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_different_and_rise() {
        assert!(Kind::ALL.windows(2).all(|w| w[0].code() < w[1].code()));
    }

    #[test]
    fn commands_to_run_name_the_configuration_that_was_named() {
        let of = |config: &str| {
            let failure = Failure::new(Kind::Data, "see `provtaskd inbox`")
                .hint(
                    "mend it, then run `provtaskd check`, or `provtaskd -c x check`, or provtaskd",
                )
                .naming(Some(Path::new(config)));
            (failure.message, failure.hint)
        };
        let (message, hint) = of("/etc/a.toml");
        assert_eq!(message, "see `provtaskd -c /etc/a.toml inbox`");
        assert_eq!(
            hint,
            "mend it, then run `provtaskd -c /etc/a.toml check`, or `provtaskd -c x check`, or provtaskd"
        );
        assert_eq!(
            of("it's mine").0,
            r"see `provtaskd -c 'it'\''s mine' inbox`"
        );
    }

    #[test]
    fn causes_are_named_once() {
        let error = LoadError::Read {
            path: "/x/y.toml".into(),
            source: std::io::Error::from(std::io::ErrorKind::NotFound),
        };
        let failure = Failure::from(error);
        assert_eq!(failure.kind, Kind::Config);
        assert_eq!(
            failure.message,
            "can't read the configuration /x/y.toml: entity not found"
        );
        assert!(!failure.hint.is_empty());
    }
}
