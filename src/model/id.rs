//! Identifiers as types, parsed once at the edge; they never change meaning after that.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $canon:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes any text and brings it into the canonical form of this identifier.
            pub fn new(text: &str) -> Self {
                let canon: fn(&str) -> std::borrow::Cow<'_, str> = $canon;
                Self(Arc::from(canon(text).as_ref()))
            }

            /// Uses an already shared text that is known to be canonical (interned by a reader).
            pub fn from_canonical(text: Arc<str>) -> Self {
                Self(text)
            }

            /// The canonical text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The shared text itself, for interning.
            pub fn shared(&self) -> Arc<str> {
                Arc::clone(&self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self::new(text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
                Ok(Self::new(&text))
            }
        }
    };
}

/// Trims blanks; a text of digits loses leading zeros, so that numerically equal ids are equal
/// (contract section 9, point 1).
pub fn canonical_key(text: &str) -> std::borrow::Cow<'_, str> {
    let trimmed = text.trim();
    if !trimmed.is_empty() && trimmed.bytes().all(|b| b.is_ascii_digit()) {
        let stripped = trimmed.trim_start_matches('0');
        return std::borrow::Cow::Borrowed(if stripped.is_empty() { "0" } else { stripped });
    }
    match whole_number(trimmed) {
        Some(digits) => std::borrow::Cow::Owned(digits),
        None => std::borrow::Cow::Borrowed(trimmed),
    }
}

/// The digits of a whole number that is written with a point or an exponent (`600007.0`, `6.00007E5`), as
/// JSON writers do that know no integers. Beyond what a double tells apart the digits would be a guess.
fn whole_number(text: &str) -> Option<String> {
    let (number, exponent) = match text.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, exponent.trim_start_matches('+').parse().ok()?),
        None => (text, 0_usize),
    };
    // whoever writes floats writes the point as well; without it this is some other id
    let (before, after) = number.split_once('.')?;
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if before.is_empty() || !digits(before) || !digits(after) || exponent > 15 {
        return None;
    }
    let after = after.trim_end_matches('0');
    if after.len() > exponent {
        return None;
    }
    let zeros = "0".repeat(exponent - after.len());
    let all = format!("{before}{after}{zeros}");
    let all = all.trim_start_matches('0');
    match all.len() {
        0 => Some("0".to_owned()),
        1..=15 => Some(all.to_owned()),
        _ => None,
    }
}

fn canonical_login(text: &str) -> std::borrow::Cow<'_, str> {
    upper_case(text.trim())
}

/// A text in capitals, each of its letters by itself and in as many bytes as before, so that places in it stay what
/// they are. A letter whose capital is not its own alone (`ß`, `ı`) stays: nobody else's login is made of it.
pub fn upper_case(text: &str) -> std::borrow::Cow<'_, str> {
    if text.is_ascii() && !text.bytes().any(|b| b.is_ascii_lowercase()) {
        return std::borrow::Cow::Borrowed(text);
    }
    if text.is_ascii() {
        return std::borrow::Cow::Owned(text.to_ascii_uppercase());
    }
    std::borrow::Cow::Owned(text.chars().map(capital).collect())
}

fn capital(letter: char) -> char {
    let upper = only(letter.to_uppercase());
    let back = upper.and_then(|upper| only(upper.to_lowercase()));
    match upper {
        Some(upper) if back == Some(letter) && upper.len_utf8() == letter.len_utf8() => upper,
        _ => letter,
    }
}

fn only(mut letters: impl Iterator<Item = char>) -> Option<char> {
    letters.next().filter(|_| letters.next().is_none())
}

fn canonical_name(text: &str) -> std::borrow::Cow<'_, str> {
    std::borrow::Cow::Borrowed(text.trim())
}

text_id!(
    /// OIG's key of one task instance (SCH_KEY), kept as text; numerically equal forms are equal.
    TaskId,
    canonical_key
);
text_id!(
    /// OIG's key of a task definition (`Process Definition.Tasks.Key`).
    DefKey,
    canonical_key
);
text_id!(
    /// OIG's key of a process instance (`Process Instance.Key`): one user's account on one target.
    ProcessKey,
    canonical_key
);
text_id!(
    /// OIG's key of a user (`usr_key`), as the assignee of a reassign needs it.
    UserKey,
    canonical_key
);
text_id!(
    /// OIG's key of a role (group).
    RoleKey,
    canonical_key
);
text_id!(
    /// A user login, compared without regard to case (kept in upper case).
    Login,
    canonical_login
);
text_id!(
    /// The application instance to be provisioned.
    TargetName,
    canonical_name
);
text_id!(
    /// The hex SHA-256 of a policy set: sources, kinds, reasons, in file-name order.
    PolicyHash,
    canonical_name
);
text_id!(
    /// A hex SHA-256 of something stored once and referred to by this digest.
    Digest,
    canonical_name
);

impl Digest {
    /// A SHA-256 in hex.
    pub fn of_hash(hash: &[u8; 32]) -> Self {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0_u8; 64];
        for (two, byte) in text.as_chunks_mut().0.iter_mut().zip(hash) {
            *two = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 0x0f)]];
        }
        // digits are ASCII
        let text = std::str::from_utf8(&text).unwrap_or_default();
        Self::from_canonical(std::sync::Arc::from(text))
    }
}

impl TaskId {
    /// The id as a number where it is one; "a higher id" in the joining of successors means this.
    pub fn number(&self) -> Option<u64> {
        self.0.parse().ok()
    }

    /// Orders ids by number where both are numbers, else as text.
    pub fn cmp_numeric(&self, other: &Self) -> std::cmp::Ordering {
        match (self.number(), other.number()) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => self.0.cmp(&other.0),
        }
    }
}

impl TargetName {
    /// The same name, written in capitals or not: as people write it.
    pub fn is_like(&self, other: &Self) -> bool {
        if self.0.is_ascii() && other.0.is_ascii() {
            return self.0.eq_ignore_ascii_case(&other.0);
        }
        self.0.to_lowercase() == other.0.to_lowercase()
    }
}

impl PolicyHash {
    /// The first twelve characters, as people see them.
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

/// Our own id of one piece of work over its retries; rises by one, never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Debug)]
#[serde(transparent)]
pub struct LineageId(pub u64);

impl fmt::Display for LineageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "L{}", self.0)
    }
}

/// Names one bulk PUT; sent as `X-Request-ID`, so that OIG's access log can be joined with ours.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Debug)]
#[serde(transparent)]
pub struct BatchId(pub uuid::Uuid);

impl fmt::Display for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Names one cycle of the daemon; sorts by time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Debug)]
#[serde(transparent)]
pub struct CycleId(pub uuid::Uuid);

impl fmt::Display for CycleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Who a task may be handed to: a user or a role, by OIG key, with the name for people.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Debug)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum Principal {
    /// A person.
    User {
        /// `usr_key`, as sent on the wire; absent until looked up.
        key: Option<UserKey>,
        /// The login, as policies and people name the person.
        login: Login,
    },
    /// A role (group); the wire word for it is configured (contract section 3).
    Role {
        /// The role's key, as sent on the wire; absent until looked up.
        key: Option<RoleKey>,
        /// The role's name.
        name: Arc<str>,
    },
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User { login, .. } => write!(f, "user:{login}"),
            Self::Role { name, .. } => write!(f, "role:{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numerically_equal_ids_are_equal_and_logins_ignore_case() {
        assert_eq!(TaskId::new(" 00417 "), TaskId::new("417"));
        assert_eq!(TaskId::new("000").as_str(), "0");
        assert_ne!(TaskId::new("417a"), TaskId::new("417"));
        for same in [
            "417.0",
            " 417.000 ",
            "4.17E2",
            "4.17e+2",
            "0.417E3",
            "0417.",
        ] {
            assert_eq!(TaskId::new(same), TaskId::new("417"), "{same}");
        }
        assert_eq!(TaskId::new("0.0").as_str(), "0");
        let other = [
            "417.5", "4.17E1", "4.17E-2", "-417.0", ".417E3", "1e3e3", "1E99", "E2", "12E4",
        ];
        for other in other
            .into_iter()
            .chain(["9007199254740993.0", "1.2.0", "417.0.0"])
        {
            assert_eq!(TaskId::new(other).as_str(), other, "no whole number");
        }
        assert_eq!(Login::new("jDoe"), Login::new("JDOE"));
        assert_eq!(Login::new(" jmüller"), Login::new("JMÜLLER"));
        assert_eq!(Login::new("øγж").as_str(), "ØΓЖ");
        for (one, other) in [("straße", "STRASSE"), ("ıx", "IX"), ("ſx", "SX")] {
            assert_ne!(Login::new(one), Login::new(other), "they are two people");
        }
        let text = "der jmüller ıſßɐ ﬁ";
        assert_eq!(upper_case(text).len(), text.len());
        assert!(TargetName::new("Ärzte ").is_like(&TargetName::new("äRZTE")));
        assert!(!TargetName::new("AD").is_like(&TargetName::new("AD2")));
        assert!(TaskId::new("9").cmp_numeric(&TaskId::new("10")).is_lt());
    }
}
