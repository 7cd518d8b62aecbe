//! Logins, their locks and their tokens; pure, so that time comes from outside; passwords here are sample data and still never leave this file.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::super::draw;
use super::super::time::Ms;

/// Why a caller was turned away. All of them are a 401.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// No credentials, or unreadable ones.
    Missing,
    /// Unknown login or wrong password.
    Wrong,
    /// Too many wrong passwords.
    Locked,
    /// Unknown or expired token.
    Token,
}

impl Denied {
    /// The word in the journal.
    pub fn word(self) -> &'static str {
        match self {
            Denied::Missing => "missing",
            Denied::Wrong => "wrong",
            Denied::Locked => "locked",
            Denied::Token => "token",
        }
    }
}

#[derive(Debug)]
struct Login {
    name: String,
    password: String,
    user: usize,
    is_admin: bool,
    failures: u32,
    locked: bool,
}

/// Logins and tokens.
#[derive(Debug, Default)]
pub struct Auth {
    logins: Vec<Login>,
    tokens: HashMap<String, (usize, Ms)>,
    issued: u64,
    lock_after: u32,
    lifetime: Ms,
    seed: u64,
}

impl Auth {
    pub(super) fn new(seed: u64, lock_after: u32, lifetime: Ms) -> Self {
        Self {
            seed,
            lock_after,
            lifetime,
            ..Self::default()
        }
    }

    pub(super) fn add(&mut self, name: String, password: String, user: usize, is_admin: bool) {
        self.logins.push(Login {
            name,
            password,
            user,
            is_admin,
            failures: 0,
            locked: false,
        });
    }

    /// The user behind a login, by index.
    pub fn user_of(&self, login: usize) -> usize {
        self.logins.get(login).map_or(0, |login| login.user)
    }

    /// Whether a login holds the System Administrator admin role.
    pub fn is_admin_named(&self, name: &str) -> bool {
        self.logins
            .iter()
            .any(|login| login.is_admin && login.name.eq_ignore_ascii_case(name))
    }

    /// Whether a login is a system administrator.
    pub fn is_admin(&self, login: usize) -> bool {
        self.logins.get(login).is_some_and(|login| login.is_admin)
    }

    /// The name of a login.
    pub fn name(&self, login: usize) -> &str {
        self.logins.get(login).map_or("", |login| &login.name)
    }

    /// Names, and whether they are locked.
    pub fn locks(&self) -> impl Iterator<Item = (&str, bool, u32)> {
        self.logins
            .iter()
            .map(|login| (login.name.as_str(), login.locked, login.failures))
    }

    /// Sets a password and unlocks.
    pub fn set_password(&mut self, name: &str, password: &str) -> bool {
        let Some(login) = self.find(name) else {
            return false;
        };
        let login = &mut self.logins[login];
        password.clone_into(&mut login.password);
        login.failures = 0;
        login.locked = false;
        true
    }

    /// From now on no password is right.
    pub fn break_passwords(&mut self) {
        for login in &mut self.logins {
            login.password.push_str("-changed");
        }
        self.tokens.clear();
    }

    /// From now on no token is good.
    pub fn expire_tokens(&mut self) {
        self.tokens.clear();
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.logins
            .iter()
            .position(|login| login.name.eq_ignore_ascii_case(name))
    }

    /// Reads the login out of an Authorization header, whether or not it is right.
    pub fn claimed(&self, header: Option<&str>) -> (Option<String>, &'static str) {
        match split(header) {
            Some(("basic", value)) => (basic(value).map(|(name, _)| name), "basic"),
            Some(("bearer", value)) => (
                self.tokens
                    .get(value)
                    .map(|(login, _)| self.name(*login).to_owned()),
                "bearer",
            ),
            Some(_) => (None, "other"),
            None => (None, "none"),
        }
    }

    /// Checks an Authorization header.
    ///
    /// # Errors
    /// [`Denied`]; wrong passwords are counted and lock the login.
    pub fn check(&mut self, header: Option<&str>, now: Ms) -> Result<usize, Denied> {
        match split(header) {
            Some(("basic", value)) => {
                let (name, password) = basic(value).ok_or(Denied::Missing)?;
                let index = self.find(&name).ok_or(Denied::Wrong)?;
                let lock_after = self.lock_after;
                let login = &mut self.logins[index];
                if login.locked {
                    return Err(Denied::Locked);
                }
                if login.password == password {
                    login.failures = 0;
                    return Ok(index);
                }
                login.failures += 1;
                login.locked = login.failures >= lock_after;
                Err(Denied::Wrong)
            }
            Some(("bearer", value)) => {
                let (login, expires) = self.tokens.get(value).ok_or(Denied::Token)?;
                if *expires <= now {
                    return Err(Denied::Token);
                }
                if self.logins[*login].locked {
                    return Err(Denied::Locked);
                }
                Ok(*login)
            }
            _ => Err(Denied::Missing),
        }
    }

    /// A new token for a login: the token, and its life in seconds, one less than it really is, as in the documented sample.
    pub fn issue(&mut self, login: usize, now: Ms) -> (String, Ms) {
        self.issued += 1;
        let name = self.name(login).to_lowercase();
        let (iat, exp) = (now / 1_000, (now + self.lifetime) / 1_000);
        let header = r#"{"kid":"xell","typ":"JWT","alg":"RS256"}"#;
        let claims = format!(
            r#"{{"sub":"{name}","iss":"www.oracle.com","exp":{exp},"prn":"{name}","iat":{iat}}}"#
        );
        let signature = draw::hash(self.seed, &[4, self.issued]).to_be_bytes();
        let token = format!(
            "{}.{}.{}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(claims),
            URL_SAFE_NO_PAD.encode(signature)
        );
        self.tokens
            .insert(token.clone(), (login, now + self.lifetime));
        (token, (self.lifetime / 1_000 - 1).max(0))
    }
}

fn split(header: Option<&str>) -> Option<(&'static str, &str)> {
    let (scheme, value) = header?.trim().split_once(' ')?;
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "basic" => "basic",
        "bearer" => "bearer",
        _ => "other",
    };
    Some((scheme, value.trim()))
}

fn basic(value: &str) -> Option<(String, String)> {
    let bytes = STANDARD.decode(value).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (name, password) = text.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}
