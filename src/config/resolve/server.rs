//! The `[server]` section: where the server is and how to log in; it never sees a password and never repeats one.

use std::path::PathBuf;

use reqwest::Url;

use super::{HOUR, MINUTE, SECOND};
use crate::config::load::Env;
use crate::config::raw::{Field, ServerRaw};
use crate::config::read::{Reader, is_loopback_host};
use crate::model::Login;
use crate::model::settings::{AuthKind, ServerSettings};

/// The sentence that allows plain http to another machine.
pub const PLAIN_HTTP: &str = "I accept that passwords cross the network unencrypted";

/// Where systemd keeps the unit's credentials; readable for the unit's user only.
const UNIT_CREDENTIALS: &str = "/run/credentials/provtaskd.service";

pub fn resolve(r: &mut Reader<'_>, raw: &ServerRaw, env: &Env) -> ServerSettings {
    let allow_plain_http = plain_http(r, raw);
    let (origin, loopback) = origin(r, raw, allow_plain_http);
    let login_as_written = login(r, "server.login", &raw.login);
    let simulator_clock = r
        .plain("server.simulator_clock", &raw.simulator_clock)
        .unwrap_or(false);
    if simulator_clock && !loopback {
        r.error(
            "server.simulator_clock",
            "is set, but the server is not on loopback",
            "a clock that is not the wall's is only for the simulator; remove the key",
        );
    }
    ServerSettings {
        origin,
        api_path: path_prefix(
            r,
            "server.api_path",
            &raw.api_path,
            "/iam/governance/selfservice/api/v1",
        ),
        token_path: path_prefix(
            r,
            "server.token_path",
            &raw.token_path,
            "/iam/governance/token/api/v1/tokens",
        ),
        login: Login::new(&login_as_written),
        login_as_written,
        password_file: password_file(
            r,
            ("server.password_file", "server.credential"),
            &raw.password_file,
            &raw.credential,
            env,
        ),
        auth: r.word(
            "server.auth",
            &raw.auth,
            AuthKind::Basic,
            &[("basic", AuthKind::Basic), ("bearer", AuthKind::Bearer)],
        ),
        ca_file: r.path("server.ca_file", &raw.ca_file),
        client_cert: client_cert(r, raw),
        proxy: proxy(r, raw),
        allow_plain_http,
        page_size: r.number("server.page_size", &raw.page_size, 500, 1, 10_000),
        pages_in_flight: r.number("server.pages_in_flight", &raw.pages_in_flight, 2, 1, 16),
        max_pages: r.number("server.max_pages", &raw.max_pages, 20_000, 1, 1_000_000),
        list_filter: r.text("server.list_filter", &raw.list_filter),
        reads_per_minute: r.number(
            "server.reads_per_minute",
            &raw.reads_per_minute,
            600,
            1,
            1_000_000,
        ),
        connect_timeout: r.wall(
            "server.connect_timeout",
            &raw.connect_timeout,
            SECOND * 10,
            SECOND,
            MINUTE * 10,
        ),
        read_timeout: r.wall(
            "server.read_timeout",
            &raw.read_timeout,
            MINUTE,
            SECOND,
            HOUR,
        ),
        write_timeout: r.wall(
            "server.write_timeout",
            &raw.write_timeout,
            MINUTE * 10,
            SECOND,
            HOUR * 6,
        ),
        max_body: r.number("server.max_body", &raw.max_body, 64 << 20, 1 << 16, 1 << 32),
        role_word: r
            .text("server.role_word", &raw.role_word)
            .unwrap_or_else(|| "role".to_owned()),
        simulator_clock,
        require_probe: r
            .plain("server.require_probe", &raw.require_probe)
            .unwrap_or(!simulator_clock),
        shared_login: r
            .plain("server.shared_login", &raw.shared_login)
            .unwrap_or(false),
        server_zone: r.zone("server.server_zone", &raw.server_zone),
    }
}

fn plain_http(r: &mut Reader<'_>, raw: &ServerRaw) -> bool {
    match r.text("server.plain_http", &raw.plain_http) {
        None => false,
        Some(text) if text == PLAIN_HTTP => true,
        Some(_) => {
            r.error(
                "server.plain_http",
                "does not hold the sentence that allows plain http",
                format!("remove the key and use https, or write \"{PLAIN_HTTP}\""),
            );
            false
        }
    }
}

/// Scheme, host and port, and whether the host is loopback.
fn origin(r: &mut Reader<'_>, raw: &ServerRaw, allow_plain_http: bool) -> (String, bool) {
    let key = "server.origin";
    let example = "write scheme, host and port only, such as https://oig.example.com:14001";
    if raw.origin.is_none() {
        r.error(key, "is missing", example);
    }
    let Some(text) = r.text(key, &raw.origin) else {
        return (String::new(), false);
    };
    let url = match Url::parse(text.trim()) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => url,
        // the text is not repeated: it may hold a password
        _ => {
            r.error(key, "is not an http or https address", example);
            return (String::new(), false);
        }
    };
    if !url.username().is_empty() || url.password().is_some() {
        r.error(
            key,
            "holds a user name or a password",
            "write the login as server.login and the password into server.password_file",
        );
    } else if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        r.error(
            key,
            "holds more than scheme, host and port",
            "a path prefix belongs into server.api_path and server.token_path",
        );
    }
    let loopback = url.host_str().is_some_and(is_loopback_host);
    if url.scheme() == "http" && !loopback && !allow_plain_http {
        r.error(
            key,
            "is plain http to another machine",
            "use https; if that is impossible see server.plain_http in docs/configuration.md",
        );
    }
    (url.origin().ascii_serialization(), loopback)
}

fn path_prefix(
    r: &mut Reader<'_>,
    key: &str,
    field: &Option<crate::config::raw::Field<String>>,
    default: &str,
) -> String {
    let Some(text) = r.text(key, field) else {
        return default.to_owned();
    };
    let trimmed = text.trim().trim_end_matches('/');
    if !trimmed.starts_with('/') || trimmed.contains(['?', '#', ' ']) {
        r.error(
            key,
            format!("`{text}` is not an absolute path"),
            format!("write it like {default}"),
        );
    }
    trimmed.to_owned()
}

/// A login as it is written.
pub(super) fn login(r: &mut Reader<'_>, key: &str, raw: &Option<Field<String>>) -> String {
    let written = r.text(key, raw).map(|login| login.trim().to_owned());
    if raw.is_none() {
        r.error(key, "is missing", "write the login that is to act");
    }
    let written = written.unwrap_or_default();
    if written.contains(':') {
        r.error(
            key,
            "holds a colon, which basic authentication can't carry",
            "write the login alone; the password goes into password_file",
        );
    }
    written
}

/// The file of a login's password, which has to be named in one way.
pub(super) fn password_file(
    r: &mut Reader<'_>,
    keys: (&str, &str),
    file: &Option<Field<String>>,
    name: &Option<Field<String>>,
    env: &Env,
) -> PathBuf {
    let path = secret_file(r, keys, file, name, env);
    if file.is_none() && name.is_none() {
        r.error(
            keys.0,
            format!("is missing, and so is {}", keys.1),
            "name a file that holds the password alone, readable for the daemon's user only",
        );
    }
    path.unwrap_or_default()
}

/// A secret's file, named by its path or as a credential of the unit; `None` where neither is, or both are.
pub fn secret_file(
    r: &mut Reader<'_>,
    keys: (&str, &str),
    file: &Option<Field<String>>,
    name: &Option<Field<String>>,
    env: &Env,
) -> Option<PathBuf> {
    secret_of_unit(r, keys, file, name, (env, UNIT_CREDENTIALS))
}

/// The same, of another unit: where its environment is not there, its credentials are in this directory.
pub fn secret_of_unit(
    r: &mut Reader<'_>,
    (file_key, name_key): (&str, &str),
    file: &Option<Field<String>>,
    name: &Option<Field<String>>,
    (env, unit): (&Env, &str),
) -> Option<PathBuf> {
    let file = r.path(file_key, file);
    let name = r.text(name_key, name);
    match (file, name) {
        (None, Some(name)) => {
            if name.contains('/') || name == "." || name == ".." {
                let key = file_key.rsplit('.').next().unwrap_or(file_key);
                r.error(
                    name_key,
                    "is a path",
                    format!("write the name given in LoadCredential=NAME:PATH, or use {key}"),
                );
                return None;
            }
            Some(match &env.credentials_directory {
                Some(dir) => dir.join(name),
                // commands that only ask the daemon must work without the unit's environment
                None => PathBuf::from(unit).join(name),
            })
        }
        (Some(_), Some(_)) => {
            r.error(
                name_key,
                format!("stands beside {file_key}"),
                "keep one of the two",
            );
            None
        }
        (file, None) => file,
    }
}

fn client_cert(r: &mut Reader<'_>, raw: &ServerRaw) -> Option<(PathBuf, PathBuf)> {
    let cert = r.path("server.client_cert", &raw.client_cert);
    let key = r.path("server.client_key", &raw.client_key);
    match (cert, key) {
        (Some(cert), Some(key)) => Some((cert, key)),
        (None, None) => None,
        (Some(_), None) => {
            r.error(
                "server.client_cert",
                "stands without server.client_key",
                "name the private key's file too",
            );
            None
        }
        (None, Some(_)) => {
            r.error(
                "server.client_key",
                "stands without server.client_cert",
                "name the certificate's file too",
            );
            None
        }
    }
}

fn proxy(r: &mut Reader<'_>, raw: &ServerRaw) -> Option<String> {
    let text = r.text("server.proxy", &raw.proxy)?;
    let url = Url::parse(text.trim()).ok();
    match url {
        Some(url) if !url.username().is_empty() || url.password().is_some() => {
            r.error(
                "server.proxy",
                "holds a user name or a password",
                "use a proxy that needs none",
            );
            None
        }
        Some(url) if url.scheme() == "http" && url.host_str().is_some() => {
            Some(text.trim().to_owned())
        }
        _ => {
            r.error(
                "server.proxy",
                "is not an http address",
                "write http://HOST:PORT",
            );
            None
        }
    }
}
