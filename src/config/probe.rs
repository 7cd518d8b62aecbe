//! Looks at the files that a configuration names, for `check`; it never reads what is in them.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::finding::{Finding, Severity};
use super::resolve::MAIL_CREDENTIALS;
use crate::given;
use crate::model::settings::Settings;

/// Findings about the files that the settings name: missing, unreadable, open to others.
pub fn probe(settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    let server = &settings.server;
    // its key is among the findings already
    if !server.password_file.as_os_str().is_empty() {
        findings.extend(secret(
            "server.password_file",
            &server.password_file,
            "password",
        ));
    }
    for (at, of) in settings.logins.iter().enumerate() {
        let path = &of.server.password_file;
        if !path.as_os_str().is_empty() {
            let key = format!("login.{at}.password_file");
            findings.extend(secret(&key, path, "password"));
        }
    }
    if let (Some(path), Some(_)) = (&settings.intake.secret_file, settings.intake.listen) {
        findings.extend(secret("intake.secret_file", path, "secret"));
    }
    if let Some((_, path)) = settings.mail.as_ref().and_then(|mail| mail.login.as_ref()) {
        // credentials of the unit that sends reports are there while it runs, and no longer
        let elsewhere = path.starts_with(MAIL_CREDENTIALS) && !path.exists();
        let found = secret("mail.password_file", path, "password");
        findings.extend(found.filter(|_| !elsewhere));
    }
    if let Some(dir) = &settings.intake.folder {
        match std::fs::metadata(dir) {
            Ok(meta) if !meta.is_dir() => findings.push(finding(
                Severity::Error,
                "intake.folder",
                format!("{} is no directory", dir.display()),
                "name a directory of the daemon's user",
            )),
            Ok(meta) if meta.mode() & 0o002 != 0 => findings.push(finding(
                Severity::Error,
                "intake.folder",
                format!(
                    "everybody may write into {} (mode {:o})",
                    dir.display(),
                    meta.mode() & 0o7777
                ),
                "chmod o-w it; who may name tasks is decided by who may write there",
            )),
            Ok(_) => {}
            Err(error) => findings.push(finding(
                Severity::Error,
                "intake.folder",
                format!("{}: {error}", dir.display()),
                "create it, or remove the key",
            )),
        }
    }
    let mut file = |key: &str, path: Option<&Path>| {
        let opened = |path: &Path| match key {
            "policy.dir" => std::fs::read_dir(path).map(drop),
            _ => given::open(path).map(drop),
        };
        if let Some(path) = path
            && let Err(error) = opened(path)
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
    let mail = settings.mail.as_ref();
    file(
        "mail.ca_file",
        mail.and_then(|mail| mail.ca_file.as_deref()),
    );
    if let Some((cert, key)) = &server.client_cert {
        file("server.client_cert", Some(cert));
        file("server.client_key", Some(key));
    }
    file("policy.dir", settings.policy.dir.as_deref());
    findings.extend(open_store(settings));
    findings.extend(above_store(settings));
    findings
}

/// What is wrong with a file that holds a secret.
fn secret(key: &str, path: &Path, what: &str) -> Option<Finding> {
    let shown = path.display();
    let looked = std::fs::metadata(path);
    if let Some(Err(error)) = looked.as_ref().ok().map(given::is_file) {
        return Some(finding(
            Severity::Error,
            key,
            format!("{shown}: {error}"),
            &format!("name a file that holds the {what} alone"),
        ));
    }
    match looked {
        Ok(meta) if meta.mode() & 0o007 != 0 => Some(finding(
            Severity::Error,
            key,
            format!(
                "{shown} can be read by everybody (mode {:o})",
                meta.mode() & 0o7777
            ),
            &format!("chmod 600, owned by the daemon's user, and change the {what}"),
        )),
        Ok(meta) if meta.mode() & 0o077 != 0 => Some(finding(
            Severity::Warning,
            key,
            format!(
                "{shown} can be read by others (mode {:o})",
                meta.mode() & 0o7777
            ),
            "chmod 600, owned by the daemon's user",
        )),
        Ok(_) => None,
        Err(error) => Some(finding(
            Severity::Error,
            key,
            format!("{shown}: {error}"),
            "create the file, readable for the daemon's user only",
        )),
    }
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

/// A store whose directory would be made together with one above it: the path may have been mistyped.
pub fn above_store(settings: &Settings) -> Option<Finding> {
    let dir = &settings.store.dir;
    let missing =
        |path: &&Path| !path.as_os_str().is_empty() && matches!(path.try_exists(), Ok(false));
    let above = dir.ancestors().skip(1).take_while(missing).last()?;
    Some(finding(
        Severity::Warning,
        "store.dir",
        format!(
            "{} is not there, and {} is not there either: the daemon makes both",
            dir.display(),
            above.display()
        ),
        "look whether the path is spelled right; another path is another store, which knows nothing of what was sent",
    ))
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
