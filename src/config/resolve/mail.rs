//! The section `[mail]`: where reports are sent; no password is read and no server asked here, and none would get one unencrypted.

use lettre::Address;

use super::super::load::Env;
use super::super::raw::MailRaw;
use super::super::read::{Reader, is_loopback_host};
use super::server::secret_of_unit;
use super::{MINUTE, SECOND};
use crate::model::settings::{MailSettings, MailTls, Mailbox};

/// Where systemd keeps the credentials of the unit that sends reports.
pub const UNIT_CREDENTIALS: &str = "/run/credentials/provtaskd-report.service";

/// Recipients at most.
const MOST: usize = 100;

const TLS: [(&str, MailTls); 3] = [
    ("starttls", MailTls::StartTls),
    ("tls", MailTls::Tls),
    ("none", MailTls::None),
];

pub(super) fn resolve(r: &mut Reader<'_>, raw: &MailRaw, env: &Env) -> Option<MailSettings> {
    let server = server(r, raw);
    let tls = r.word("mail.tls", &raw.tls, MailTls::StartTls, &TLS);
    let from = r
        .text("mail.from", &raw.from)
        .and_then(|text| mailbox(r, "mail.from", &text));
    let to = recipients(r, raw);
    let login = login(r, raw, env);
    let ca_file = r.path("mail.ca_file", &raw.ca_file);
    let timeout = r.wall("mail.timeout", &raw.timeout, MINUTE, SECOND, MINUTE * 10);
    if raw.server.is_none() {
        let meant = raw.from.is_some()
            || raw.to.is_some()
            || raw.login.is_some()
            || raw.password_file.is_some()
            || raw.credential.is_some();
        if meant {
            let hint = "write host and port of the mail server, such as smtp.example.com:587";
            r.error("mail.server", "is missing", hint);
        }
        return None;
    }
    for (key, missing) in [
        ("mail.from", raw.from.is_none()),
        ("mail.to", raw.to.is_none()),
    ] {
        if missing {
            r.error(key, "is missing", "write it, or leave the section out");
        }
    }
    let (host, port) = server?;
    if tls == MailTls::None && !is_loopback_host(&host) {
        r.error(
            "mail.tls",
            "is \"none\", and the server is on another machine",
            "use \"starttls\" or \"tls\": a report names people, and crosses no network unencrypted",
        );
    }
    Some(MailSettings {
        host,
        port,
        tls,
        from: from?,
        to,
        login,
        ca_file,
        timeout,
    })
}

/// Host without brackets, and port.
fn server(r: &mut Reader<'_>, raw: &MailRaw) -> Option<(String, u16)> {
    let key = "mail.server";
    let text = r.text(key, &raw.server)?;
    let parsed = text.trim().rsplit_once(':').and_then(|(host, port)| {
        let port = port.parse::<u16>().ok().filter(|port| *port > 0)?;
        let host = match host.strip_prefix('[') {
            Some(rest) => rest
                .strip_suffix(']')
                .filter(|bare| bare.parse::<std::net::Ipv6Addr>().is_ok())?,
            None => Some(host).filter(|host| is_name(host))?,
        };
        Some((host.to_owned(), port))
    });
    if parsed.is_none() {
        // the text is not repeated: it may hold a password
        r.error(
            key,
            "is not a host and a port",
            "write them as smtp.example.com:587 or [::1]:25, without a scheme and without a login",
        );
    }
    parsed
}

/// A name or an IPv4 address.
fn is_name(host: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    !host.is_empty() && host.chars().all(good)
}

/// `name@example.com` or `Name <name@example.com>`.
fn mailbox(r: &mut Reader<'_>, key: &str, text: &str) -> Option<Mailbox> {
    let text = text.trim();
    let (name, address) = match text
        .strip_suffix('>')
        .and_then(|rest| rest.rsplit_once('<'))
    {
        Some((name, address)) => (name.trim().trim_matches('"').trim(), address.trim()),
        None => ("", text),
    };
    let good = address.is_ascii()
        && address.parse::<Address>().is_ok()
        && !text.contains(char::is_control)
        && !name.contains(['<', '>', '"', '\\', ',']);
    if !good {
        r.error(
            key,
            format!("`{}` is not a mail address", text.escape_debug()),
            "write name@example.com or Name <name@example.com>, the address in ASCII letters",
        );
        return None;
    }
    Some(Mailbox {
        name: (!name.is_empty()).then(|| name.to_owned()),
        address: address.to_owned(),
    })
}

fn recipients(r: &mut Reader<'_>, raw: &MailRaw) -> Vec<Mailbox> {
    let key = "mail.to";
    let Some(list) = r.plain(key, &raw.to) else {
        return Vec::new();
    };
    if list.is_empty() || list.len() > MOST {
        r.error(
            key,
            format!("names {} recipients", list.len()),
            format!("name 1 to {MOST}; for more, a list of the mail server"),
        );
    }
    list.iter()
        .filter_map(|text| mailbox(r, key, text))
        .collect()
}

fn login(r: &mut Reader<'_>, raw: &MailRaw, env: &Env) -> Option<(String, std::path::PathBuf)> {
    let keys = ("mail.password_file", "mail.credential");
    let unit = (env, UNIT_CREDENTIALS);
    let file = secret_of_unit(r, keys, &raw.password_file, &raw.credential, unit);
    let login = r.text("mail.login", &raw.login);
    if login
        .as_ref()
        .is_some_and(|login| login.contains(char::is_control))
    {
        r.error(
            "mail.login",
            "holds a control character",
            "write the login alone",
        );
    }
    let has_file = raw.password_file.is_some() || raw.credential.is_some();
    match (raw.login.is_some(), has_file) {
        (true, false) => r.error(
            "mail.login",
            "stands without mail.password_file or mail.credential",
            "name a file that holds the password alone, or leave the login out",
        ),
        (false, true) => r.error(
            "mail.login",
            "is missing, and a password is named",
            "write the login at the mail server, or leave the password out",
        ),
        _ => {}
    }
    Some((login?, file?))
}
