//! The `[[login]]` tables: further logins on the same server; whatever they don't say is as in `[server]`, and no login stands there twice.

use super::server::{login, password_file};
use super::{DAY, SECOND};
use crate::config::load::Env;
use crate::config::raw::LoginRaw;
use crate::config::read::Reader;
use crate::model::Login;
use crate::model::settings::{FurtherLogin, ServerSettings};

/// More of them would be more than a bit each in what is remembered of a task.
pub const AT_MOST: usize = 8;

pub fn resolve(
    r: &mut Reader<'_>,
    raw: &[LoginRaw],
    server: &ServerSettings,
    env: &Env,
) -> Vec<FurtherLogin> {
    if raw.len() > AT_MOST {
        r.error(
            "login",
            format!("stands there {} times", raw.len()),
            format!("at most {AT_MOST} further logins are read; put tasks of one sort under one role, and a login into it"),
        );
    }
    let mut out: Vec<FurtherLogin> = Vec::new();
    for (at, raw) in raw.iter().take(AT_MOST).enumerate() {
        let key = |name: &str| format!("login.{at}.{name}");
        let written = login(r, &key("login"), &raw.login);
        let known = Login::new(&written);
        let twice = known == server.login || out.iter().any(|of| of.server.login == known);
        if twice && !written.is_empty() {
            r.error(
                &key("login"),
                format!("{known} is configured already"),
                "name each login once; two clients of one login would lock it twice as fast",
            );
        }
        let file = password_file(
            r,
            (&key("password_file"), &key("credential")),
            &raw.password_file,
            &raw.credential,
            env,
        );
        let reads = r.number(
            &key("reads_per_minute"),
            &raw.reads_per_minute,
            server.reads_per_minute,
            1,
            1_000_000,
        );
        let every = raw
            .every
            .is_some()
            .then(|| r.duration(&key("every"), &raw.every, DAY, SECOND, DAY * 7));
        out.push(FurtherLogin {
            server: ServerSettings {
                login: known,
                login_as_written: written,
                password_file: file,
                reads_per_minute: reads,
                ..server.clone()
            },
            every,
        });
    }
    out
}
