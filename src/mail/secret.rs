//! Reads the password and the authorities from their files; it keeps the password no longer than a conversation, and shows nothing of it.

use std::path::Path;

use lettre::transport::smtp::client::Certificate;
use secrecy::{ExposeSecret as _, SecretString};

use super::error::MailError;
use crate::given;
use crate::model::settings::{MailSettings, MailTls};

/// A file of `[mail]` that can't be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// The key that names it.
    pub key: &'static str,
    /// What is wrong.
    pub what: String,
    /// True where only this user may not read it.
    pub denied: bool,
}

/// Every file of the settings that could not be used; nothing is sent. A password file that is not there is
/// none of them: credentials of the unit are there while it runs.
pub fn inspect(settings: &MailSettings) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut look = |key: &'static str, looked: Result<(), MailError>| {
        let Err(error) = looked else { return };
        let kind = match &error {
            MailError::File { source, .. } => Some(source.kind()),
            _ => None,
        };
        if kind != Some(std::io::ErrorKind::NotFound) {
            faults.push(Fault {
                key,
                what: error.to_string(),
                denied: kind == Some(std::io::ErrorKind::PermissionDenied),
            });
        }
    };
    if let Some((_, path)) = &settings.login {
        look("mail.password_file", password(path).map(drop));
    }
    if let Some(path) = settings
        .ca_file
        .as_ref()
        .filter(|_| settings.tls != MailTls::None)
    {
        look("mail.ca_file", authorities(path).map(drop));
    }
    faults
}

fn read(path: &Path) -> Result<String, MailError> {
    given::text(path, given::MOST).map_err(|source| MailError::File {
        path: path.to_owned(),
        source,
    })
}

/// The file's text without its last line break.
pub(super) fn password(path: &Path) -> Result<SecretString, MailError> {
    let text = SecretString::from(read(path)?);
    let line = text.expose_secret();
    let line = line.strip_suffix('\n').unwrap_or(line);
    let line = line.strip_suffix('\r').unwrap_or(line);
    let wrong = |what| {
        let path = path.to_owned();
        Err(MailError::Content { path, what })
    };
    if line.is_empty() {
        return wrong("is empty; it must hold the password alone");
    }
    if line.contains(['\n', '\r', '\0']) {
        return wrong("holds more than one line; it must hold the password alone");
    }
    Ok(SecretString::from(line))
}

/// The certificates of a file, at least one.
pub(super) fn authorities(path: &Path) -> Result<Certificate, MailError> {
    let text = read(path)?;
    let wrong = |what| {
        let path = path.to_owned();
        Err(MailError::Content { path, what })
    };
    if !text.contains("-----BEGIN CERTIFICATE-----") {
        return wrong("holds no certificate; it must be PEM");
    }
    match Certificate::from_pem(text.as_bytes()) {
        Ok(roots) => Ok(roots),
        Err(_) => wrong("is not usable PEM"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::settings::Mailbox;
    use std::time::Duration;

    #[test]
    fn files_that_can_not_be_used_are_named_and_nothing_of_them_is_shown() {
        let dir = tempfile::tempdir().expect("a directory");
        let (secret, roots) = (dir.path().join("pw"), dir.path().join("ca"));
        let settings = MailSettings {
            host: "localhost".to_owned(),
            port: 25,
            tls: MailTls::StartTls,
            from: Mailbox {
                name: None,
                address: "a@example.com".to_owned(),
            },
            to: Vec::new(),
            login: Some(("amy".to_owned(), secret.clone())),
            ca_file: Some(roots.clone()),
            timeout: Duration::from_secs(1),
        };
        assert_eq!(
            inspect(&settings),
            [],
            "what is not there is told elsewhere"
        );
        std::fs::write(&secret, "one\ntwo\n").expect("written");
        std::fs::write(&roots, "no certificate").expect("written");
        let found = inspect(&settings);
        let keys: Vec<&str> = found.iter().map(|fault| fault.key).collect();
        assert_eq!(keys, ["mail.password_file", "mail.ca_file"]);
        assert!(!format!("{found:?}").contains("two"), "{found:?}");
        std::fs::write(&secret, "s3cr3t ä \n").expect("written");
        let read = password(&secret).expect("read");
        assert_eq!(read.expose_secret(), "s3cr3t ä ");
    }
}
