//! Why a report was not mailed: at which server, at which step, in whose words, and what to do; it holds no secret.

use std::fmt;
use std::path::PathBuf;

use crate::model::text::one_line;

/// Where in the conversation something happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// The connection, the server's greeting and ours.
    Connect,
    /// The change to TLS.
    StartTls,
    /// The login.
    Login,
    /// Who sends.
    Sender,
    /// Who is to get it.
    Recipients,
    /// The server is asked whether it would take the text.
    Data,
    /// The text itself: from here on it may have been taken.
    Content,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "when connecting",
            Self::StartTls => "at the change to TLS",
            Self::Login => "at the login",
            Self::Sender => "when the sender was named",
            Self::Recipients => "when a recipient was named",
            Self::Data => "before the text",
            Self::Content => "after the text",
        })
    }
}

/// A recipient that the server does not want.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refused {
    /// The address.
    pub address: String,
    /// The server's words, with its code.
    pub said: String,
    /// It may want it later.
    pub later: bool,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.address, self.said)
    }
}

/// Which sort; the exit code follows from it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MailKind {
    /// The server can't be reached, breaks off, or can't do it now.
    Unreachable,
    /// It refuses the login, or the mail as such.
    Refused,
    /// The configuration can't be used.
    Config,
}

/// A report was not mailed.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// No connection.
    #[error("the mail server {server} can't be reached: {cause}")]
    Connect {
        /// Host and port.
        server: String,
        /// The system's words.
        cause: String,
    },
    /// The connection could not be encrypted.
    #[error("no TLS with the mail server {server}: {cause}")]
    Tls {
        /// Host and port.
        server: String,
        /// What failed.
        cause: String,
        /// What to do.
        advice: &'static str,
    },
    /// The server offers no STARTTLS.
    #[error("the mail server {server} does not offer STARTTLS; nothing was said to it")]
    NoStartTls {
        /// Host and port.
        server: String,
    },
    /// Nothing in time.
    #[error("the mail server {server} did not answer within {seconds} s, {step}{}", unsure(*.step))]
    TimedOut {
        /// Host and port.
        server: String,
        /// The limit.
        seconds: u64,
        /// Where.
        step: Step,
    },
    /// The connection broke, or something was said that is no SMTP.
    #[error("the mail server {server} broke off {step}: {cause}{}", unsure(*.step))]
    Broken {
        /// Host and port.
        server: String,
        /// Where.
        step: Step,
        /// Why.
        cause: String,
    },
    /// Its answers don't belong to what was asked.
    #[error(
        "the answers of the mail server {server} are out of step ({said}); whether it has taken the mail is not known"
    )]
    OutOfStep {
        /// Host and port.
        server: String,
        /// The answer that can't be.
        said: String,
    },
    /// It offers no login that is understood here.
    #[error("the mail server {server} offers no login by PLAIN or LOGIN")]
    NoLogin {
        /// Host and port.
        server: String,
    },
    /// It said no.
    #[error("the mail server {server} refused {step}: {said}")]
    Refused {
        /// Host and port.
        server: String,
        /// Where.
        step: Step,
        /// Its code.
        code: u16,
        /// Its words, with the code.
        said: String,
    },
    /// It wants none of the recipients.
    #[error("the mail server {server} refused every recipient: {}", list(.refused))]
    Recipients {
        /// Host and port.
        server: String,
        /// Who, and why.
        refused: Vec<Refused>,
    },
    /// A file that can't be read.
    #[error("{}: {source}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file that holds something else.
    #[error("{} {what}", .path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        what: &'static str,
    },
    /// Settings that make no mail.
    #[error("no mail can be made of [mail]: {0}")]
    Settings(String),
    /// The system gives no thread.
    #[error("can't start a thread: {0}")]
    Thread(std::io::Error),
}

/// After the text nobody knows.
fn unsure(step: Step) -> &'static str {
    match step {
        Step::Content => "; whether it has taken the mail is not known",
        _ => "; nothing was sent",
    }
}

/// Several recipients in words.
fn list(refused: &[Refused]) -> String {
    let words: Vec<String> = refused.iter().map(Refused::to_string).collect();
    words.join(", ")
}

impl MailError {
    /// Which sort.
    pub fn kind(&self) -> MailKind {
        match self {
            Self::Connect { .. }
            | Self::Tls { .. }
            | Self::NoStartTls { .. }
            | Self::TimedOut { .. }
            | Self::Broken { .. }
            | Self::OutOfStep { .. }
            | Self::Thread(_) => MailKind::Unreachable,
            Self::Refused { code, .. } if is_later(*code) => MailKind::Unreachable,
            Self::Refused {
                step: Step::Sender,
                code,
                ..
            } if *code != AUTH_WANTED => MailKind::Config,
            Self::Refused { .. } => MailKind::Refused,
            Self::Recipients { refused, .. } if refused.iter().any(|one| one.later) => {
                MailKind::Unreachable
            }
            Self::Recipients { .. }
            | Self::NoLogin { .. }
            | Self::File { .. }
            | Self::Content { .. }
            | Self::Settings(_) => MailKind::Config,
        }
    }

    /// What to do next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Connect { .. } => {
                "check mail.server, name resolution, the firewall, and whether the server is up"
            }
            Self::Tls { advice, .. } => advice,
            Self::NoStartTls { .. } => {
                "use mail.tls = \"tls\" with the server's port for that, usually 465; only a server on loopback may do without"
            }
            Self::TimedOut {
                step: Step::Content,
                ..
            }
            | Self::Broken {
                step: Step::Content,
                ..
            }
            | Self::OutOfStep { .. } => {
                "ask a recipient whether it came before it is sent once more"
            }
            Self::TimedOut { .. } => {
                "try again later; if it stays so, check mail.server, mail.tls and the firewall, or raise mail.timeout"
            }
            Self::Broken { .. } => {
                "try again later; if it stays so, check host and port in mail.server, and mail.tls: with \"tls\" the port is usually 465, with \"starttls\" 587"
            }
            Self::NoLogin { .. } => {
                "leave mail.login out if the server wants none here, or have PLAIN or LOGIN allowed"
            }
            Self::Refused { code, .. } if is_later(*code) => "it may take it later: try again then",
            Self::Refused {
                code: AUTH_WANTED, ..
            } => "the server wants a login: set mail.login and mail.password_file",
            Self::Refused {
                step: Step::Login, ..
            } => {
                "check mail.login and the password's file; it was tried once, and is not tried again by itself"
            }
            Self::Refused {
                step: Step::Sender, ..
            } => "name a sender in mail.from for which this server takes mail",
            Self::Refused { .. } => "ask whoever runs the mail server, with its words",
            Self::Recipients { refused, .. } if refused.iter().any(|one| one.later) => {
                "it may take them later: try again then"
            }
            Self::Recipients { .. } => "mend mail.to",
            Self::File { .. } | Self::Content { .. } | Self::Settings(_) => {
                "mend what is named, then run `provtaskd check`"
            }
            Self::Thread(_) => "is a limit of processes or memory reached?",
        }
    }
}

/// "Authentication required".
const AUTH_WANTED: u16 = 530;

/// True for a "no" that may be another answer later.
pub(super) fn is_later(code: u16) -> bool {
    (400..500).contains(&code)
}

/// Characters of a server's words that are told.
const WORDS: usize = 300;

/// The words of a server as they may be shown: one line, not too long, and nothing of `secrets` in it.
pub(super) fn harmless(said: &str, secrets: &[String]) -> String {
    let mut text = said.to_owned();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        text = text.replace(secret.as_str(), "(password)");
    }
    let text = one_line(&text);
    let text = text.trim();
    match text.char_indices().nth(WORDS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_is_one_short_line_without_the_password() {
        let secrets = ["hunter2".to_owned()];
        let said = harmless("535 no\r\n\u{1b}[31mhunter2\u{202e}", &secrets);
        assert_eq!(said, "535 no   [31m(password)");
        assert_eq!(harmless(&"x".repeat(9000), &[]).chars().count(), WORDS + 1);
    }

    #[test]
    fn only_after_the_text_it_is_not_known_whether_it_was_sent() {
        let error = |step| MailError::TimedOut {
            server: "s:25".to_owned(),
            seconds: 5,
            step,
        };
        assert!(error(Step::Data).to_string().contains("nothing was sent"));
        assert!(error(Step::Content).to_string().contains("is not known"));
        assert!(error(Step::Content).hint().contains("ask a recipient"));
    }
}
