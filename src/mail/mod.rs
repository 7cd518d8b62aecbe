//! Sends a finished report by SMTP, and says what became of it; it decides nothing, knows no ledger, and never calls sent what the server has not taken.

mod error;
mod message;
mod secret;
mod smtp;

use jiff::Timestamp;

use crate::model::settings::MailSettings;

pub use error::{MailError, MailKind, Refused, Step};
pub use secret::{Fault, inspect};

/// What is sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Letter {
    /// One line.
    pub subject: String,
    /// The report as text.
    pub text: String,
    /// The report as HTML.
    pub html: String,
    /// When it was written, by the wall's clock.
    pub at: Timestamp,
}

/// What the server has taken.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Sent {
    /// For whom.
    pub to: Vec<String>,
    /// For whom not, and what it said.
    pub refused: Vec<Refused>,
}

/// Sends a report, in one conversation. Blocks for at most `mail.timeout`.
///
/// # Errors
/// It was sent to nobody, or whether it was sent is not known: see [`MailError`].
pub fn send(settings: &MailSettings, letter: &Letter) -> Result<Sent, MailError> {
    let password = match &settings.login {
        Some((_, path)) => Some(secret::password(path)?),
        None => None,
    };
    let parts = message::compose(settings, letter)?;
    smtp::deliver(settings, password, parts)
}
