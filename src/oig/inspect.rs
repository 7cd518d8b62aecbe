//! Reads the secret and the certificates as the client will, for `check`; it keeps and shows nothing of them, and sends nothing.

use std::path::Path;

use super::error::OigError;
use super::{secret, tls};
use crate::model::settings::ServerSettings;

/// A file that the client can't use.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileFault {
    /// The key that names it.
    pub key: &'static str,
    /// What is wrong.
    pub what: String,
    /// True where only this user may not read it.
    pub denied: bool,
}

/// Every file of the settings that the client can't use.
pub fn inspect(settings: &ServerSettings) -> Vec<FileFault> {
    let mut faults = Vec::new();
    let mut look = |key: &'static str, looked: Result<(), OigError>| {
        let Err(error) = looked else { return };
        let source = match &error {
            OigError::File { source, .. } => Some(source),
            _ => None,
        };
        faults.push(FileFault {
            key,
            denied: source.is_some_and(|e| e.kind() == std::io::ErrorKind::PermissionDenied),
            what: error.in_full(),
        });
    };
    look(
        "server.password_file",
        secret::read(&settings.password_file).map(drop),
    );
    if let Some(path) = &settings.ca_file {
        look("server.ca_file", tls::authorities(path).map(drop));
    }
    if let Some((cert, key)) = &settings.client_cert {
        let cert_reads = holds(cert, "CERTIFICATE");
        let key_reads = holds(key, "PRIVATE KEY");
        let both = cert_reads.is_ok() && key_reads.is_ok();
        look("server.client_cert", cert_reads);
        look("server.client_key", key_reads);
        if both {
            look("server.client_cert", tls::identity(cert, key).map(drop));
        }
    }
    // what the client is made of can be read, and still there may be no authority
    if faults.is_empty() && settings.origin.starts_with("https://") {
        let made = tls::build(settings, true).map(drop);
        if let Err(error) = made {
            faults.push(FileFault {
                key: "server.ca_file",
                what: error.to_string(),
                denied: false,
            });
        }
    }
    faults
}

/// Whether a file holds a PEM block of this sort.
fn holds(path: &Path, what: &str) -> Result<(), OigError> {
    let bytes = tls::read(path)?;
    let end = format!("{what}-----");
    let found = String::from_utf8_lossy(&bytes)
        .lines()
        .any(|line| line.starts_with("-----BEGIN ") && line.trim_end().ends_with(&end));
    if found {
        return Ok(());
    }
    let what = what.to_ascii_lowercase();
    Err(OigError::Settings(format!(
        "{} holds no {what}; it must be PEM",
        path.display()
    )))
}
