//! Looks at the files that a configuration names, for `check`; it never reads what is in them.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::finding::{Finding, Severity};
use crate::model::settings::Settings;

/// Findings about the files that the settings name: missing, unreadable, open to others.
pub fn probe(settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    let server = &settings.server;
    let password = "server.password_file";
    match std::fs::metadata(&server.password_file) {
        // its key is among the findings already
        _ if server.password_file.as_os_str().is_empty() => {}
        Ok(meta) if !meta.is_file() => findings.push(finding(
            Severity::Error,
            password,
            format!("{} is not a file", server.password_file.display()),
            "name a file that holds the password alone",
        )),
        Ok(meta) if meta.mode() & 0o007 != 0 => findings.push(finding(
            Severity::Error,
            password,
            format!(
                "{} can be read by everybody (mode {:o})",
                server.password_file.display(),
                meta.mode() & 0o7777
            ),
            "chmod 600, owned by the daemon's user, and change the password",
        )),
        Ok(meta) if meta.mode() & 0o077 != 0 => findings.push(finding(
            Severity::Warning,
            password,
            format!(
                "{} can be read by others (mode {:o})",
                server.password_file.display(),
                meta.mode() & 0o7777
            ),
            "chmod 600, owned by the daemon's user",
        )),
        Ok(_) => {}
        Err(error) => findings.push(finding(
            Severity::Error,
            password,
            format!("{}: {error}", server.password_file.display()),
            "create the file, readable for the daemon's user only",
        )),
    }
    let mut file = |key: &str, path: Option<&Path>| {
        if let Some(path) = path
            && let Err(error) = std::fs::File::open(path)
        {
            findings.push(finding(
                Severity::Error,
                key,
                format!("{}: {error}", path.display()),
                "create it, or remove the key",
            ));
        }
    };
    file("server.ca_file", server.ca_file.as_deref());
    if let Some((cert, key)) = &server.client_cert {
        file("server.client_cert", Some(cert));
        file("server.client_key", Some(key));
    }
    file("policy.dir", settings.policy.dir.as_deref());
    file("absence.feed", settings.absence.feed.as_deref());
    findings.extend(open_store(settings));
    findings
}

/// A store that others than its user may enter: it holds names of people and accounts, and what is
/// written into it is believed. What lies in a private directory is private, whatever its own mode.
pub fn open_store(settings: &Settings) -> Option<Finding> {
    let dir = &settings.store.dir;
    // what is not there yet is made with mode 0700
    let mode = std::fs::metadata(dir).ok()?.mode() & 0o7777;
    (mode & 0o077 != 0).then(|| {
        finding(
            Severity::Error,
            "store.dir",
            format!(
                "{} is open to others than its owner (mode {mode:o})",
                dir.display()
            ),
            "chmod 700 it; if others could write there, look at `provtaskd status` before you go on",
        )
    })
}

fn finding(severity: Severity, key: &str, what: String, hint: &str) -> Finding {
    Finding {
        severity,
        key: key.to_owned(),
        line: None,
        what,
        hint: hint.to_owned(),
    }
}
