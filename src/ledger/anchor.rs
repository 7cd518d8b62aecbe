//! What is noted of the journal's head outside the store, so that a later change of the store shows; pure but for reading the key, and the key never leaves it.

mod key;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::Digest;

pub use key::{Key, KeyError};

/// The message of the log's line, word for word: `audit verify` finds the lines by it.
pub const MESSAGE: &str = "the journal's head is anchored";

/// The form of anchors that this program writes.
const FORM: u32 = 1;

/// Where the journal ends, as it is on disk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Head {
    /// The store's own id.
    pub store: String,
    /// Its last record.
    pub seq: u64,
    /// That record's link in the chain.
    pub link: Digest,
}

/// One head at one time, to be kept where the store's user can't change it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Anchor {
    /// The form of this line.
    #[serde(rename = "anchor")]
    pub form: u32,
    /// The store's own id.
    pub store: String,
    /// The last record.
    pub seq: u64,
    /// Its link in the chain.
    pub head: Digest,
    /// When it was noted (domain time).
    pub at: Timestamp,
    /// Which key it is signed with: a short digest of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// HMAC-SHA256 over all of the above, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hmac: Option<String>,
}

impl Anchor {
    /// Notes a head, signed where there is a key.
    pub fn of(head: &Head, at: Timestamp, key: Option<&Key>) -> Self {
        let mut anchor = Self {
            form: FORM,
            store: head.store.clone(),
            seq: head.seq,
            head: head.link.clone(),
            at,
            key: key.map(|key| key.id().to_owned()),
            hmac: None,
        };
        anchor.hmac = key.map(|key| key.sign(&anchor.signed_text()));
        anchor
    }

    /// What the HMAC is made over.
    fn signed_text(&self) -> String {
        format!(
            "provtaskd anchor {}\n{}\n{}\n{}\n{}\n{}\n",
            self.form,
            self.store,
            self.seq,
            self.head,
            self.at,
            self.key.as_deref().unwrap_or("-")
        )
    }

    /// Whether the HMAC is the one that this key makes.
    pub fn is_signed_by(&self, key: &Key) -> bool {
        self.hmac.as_deref() == Some(key.sign(&self.signed_text()).as_str())
    }

    /// The line for a file, without its end.
    ///
    /// # Errors
    /// Never in practice: every part of it can be JSON.
    pub fn line(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }
}

/// What a line of a file or a log is.
#[derive(Clone, PartialEq, Debug)]
pub enum Line {
    /// Something else.
    Other,
    /// An anchor.
    Anchor(Anchor),
    /// An anchor that can't be read, and why.
    Broken(String),
}

/// Reads a line of an anchor file, or of a log in any of its formats, as it is or behind a prefix of the
/// journal's (`journalctl -o cat`, `-o short`, `-o json`).
pub fn read_line(line: &str) -> Line {
    let line = line.trim();
    if line.starts_with('{')
        && let Ok(serde_json::Value::Object(object)) = serde_json::from_str(line)
    {
        return of_object(&object);
    }
    if line.starts_with("{\"anchor\":") {
        return Line::Broken("it is not whole".to_owned());
    }
    of_text(line)
}

fn of_object(object: &serde_json::Map<String, serde_json::Value>) -> Line {
    let text = |name: &str| match object.get(name) {
        Some(serde_json::Value::String(text)) => Some(text.clone()),
        Some(serde_json::Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    let message = text("message").or_else(|| text("MESSAGE"));
    let journal = object.contains_key("MESSAGE");
    match message.as_deref() {
        // a line of text that the journal has wrapped
        Some(said) if said.contains(MESSAGE) && said.trim() != MESSAGE => return of_text(said),
        Some(said) if said.trim() == MESSAGE => {}
        _ if object.contains_key("anchor") => {}
        _ => return Line::Other,
    }
    // the journal's own fields are in capitals behind an F
    of_fields(&|name| {
        if journal {
            text(&format!("F_{}", name.to_ascii_uppercase())).or_else(|| text(name))
        } else {
            text(name)
        }
    })
}

fn of_text(line: &str) -> Line {
    let plain = without_colour(line);
    let Some((_, rest)) = plain.split_once(MESSAGE) else {
        return Line::Other;
    };
    let fields: BTreeMap<&str, &str> = rest
        .split_whitespace()
        .filter_map(|word| word.split_once('='))
        .map(|(name, value)| (name, value.trim_matches('"')))
        .collect();
    of_fields(&|name| fields.get(name).map(|value| (*value).to_owned()))
}

fn of_fields(field: &dyn Fn(&str) -> Option<String>) -> Line {
    let read = || -> Result<Anchor, String> {
        let need = |name: &str| field(name).ok_or_else(|| format!("it has no `{name}`"));
        let bad = |name: &str| format!("its `{name}` can't be read");
        let form = need("anchor")?.parse().map_err(|_| bad("anchor"))?;
        if form != FORM {
            return Err(format!("it has form {form}, this program reads {FORM}"));
        }
        let head = need("head")?;
        if head.len() != 64 || !head.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(bad("head"));
        }
        Ok(Anchor {
            form,
            store: need("store")?,
            seq: need("seq")?.parse().map_err(|_| bad("seq"))?,
            head: Digest::new(&head),
            at: need("at")?.parse().map_err(|_| bad("at"))?,
            key: field("key"),
            hmac: field("hmac"),
        })
    };
    match read() {
        Ok(anchor) => Line::Anchor(anchor),
        Err(why) => Line::Broken(why),
    }
}

/// A line without a terminal's colours.
fn without_colour(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut parts = line.split("\u{1b}[");
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let end = part.find(|c: char| c.is_ascii_alphabetic());
        out.push_str(end.map_or("", |end| &part[end + 1..]));
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn anchor(key: Option<&Key>) -> Anchor {
        let head = Head {
            store: "0190-s".to_owned(),
            seq: 4711,
            link: Digest::new(&"ab".repeat(32)),
        };
        let at = "2026-11-28T08:00:00.25Z".parse().expect("a time");
        Anchor::of(&head, at, key)
    }

    fn key(text: &str) -> Key {
        Key::of(text.as_bytes()).expect("long enough")
    }

    #[test]
    fn an_anchor_is_read_from_its_file_and_from_every_log() {
        let key = key("a key of sufficient length");
        let made = anchor(Some(&key));
        let (hmac, id) = (made.hmac.clone().expect("signed"), key.id().to_owned());
        let fields = format!(
            "anchor=1 store=\"0190-s\" seq=4711 head=\"{}\" at=2026-11-28T08:00:00.25Z key=\"{id}\" hmac=\"{hmac}\"",
            "ab".repeat(32)
        );
        let human = format!("2026-11-28T08:00:00.250001Z  INFO {MESSAGE} {fields}");
        let wrapped = serde_json::json!({"MESSAGE": human, "_PID": "7"}).to_string();
        let json = serde_json::json!({
            "timestamp": "2026-11-28T08:00:00Z", "level": "INFO", "message": MESSAGE, "anchor": 1,
            "store": "0190-s", "seq": 4711, "head": "ab".repeat(32), "at": "2026-11-28T08:00:00.25Z",
            "key": id, "hmac": hmac,
        });
        let journal = serde_json::json!({
            "MESSAGE": MESSAGE, "F_ANCHOR": "1", "F_STORE": "0190-s", "F_SEQ": "4711",
            "F_HEAD": "ab".repeat(32), "F_AT": "2026-11-28T08:00:00.25Z", "F_KEY": id, "F_HMAC": hmac,
        });
        let coloured = human
            .replace("INFO", "\u{1b}[32m INFO\u{1b}[0m")
            .replace("seq=", "\u{1b}[3mseq\u{1b}[0m\u{1b}[2m=\u{1b}[0m");
        for line in [
            made.line().expect("JSON"),
            format!("Nov 28 08:00:00 host provtaskd[7]: {human}"),
            human,
            coloured,
            wrapped,
            json.to_string(),
            journal.to_string(),
        ] {
            let Line::Anchor(read) = read_line(&line) else {
                panic!("{line}");
            };
            assert_eq!(read, made, "{line}");
            assert!(read.is_signed_by(&key), "{line}");
        }
    }

    #[test]
    fn a_broken_anchor_is_not_taken_for_another_line() {
        let whole = anchor(None).line().expect("JSON");
        assert!(matches!(read_line(&whole[..60]), Line::Broken(_)));
        let other_form = whole.replace("\"anchor\":1", "\"anchor\":2");
        assert!(matches!(read_line(&other_form), Line::Broken(_)));
        assert!(matches!(
            read_line(&format!("INFO {MESSAGE} anchor=1 seq=4711")),
            Line::Broken(_)
        ));
        for other in [
            "",
            "{}",
            "INFO provtaskd runs store=/var/lib",
            "{\"message\":\"x\"}",
        ] {
            assert_eq!(read_line(other), Line::Other, "{other}");
        }
    }

    #[test]
    fn an_hmac_is_of_every_part_and_of_its_key() {
        let (key, other) = (
            key("a key of sufficient length"),
            key("another key, long enough"),
        );
        let made = anchor(Some(&key));
        assert!(made.is_signed_by(&key) && !made.is_signed_by(&other));
        assert!(!anchor(None).is_signed_by(&key));
        let changes: [fn(&mut Anchor); 5] = [
            |a| a.seq += 1,
            |a| a.store.push('x'),
            |a| a.head = Digest::new(&"cd".repeat(32)),
            |a| a.at = Timestamp::UNIX_EPOCH,
            |a| a.key = None,
        ];
        for change in changes {
            let mut changed = made.clone();
            change(&mut changed);
            assert!(!changed.is_signed_by(&key), "{changed:?}");
        }
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(line in ".{0,200}", cut in 0usize..400) {
            let _ = read_line(&line);
            let whole = anchor(None).line().expect("JSON");
            let _ = read_line(whole.get(..cut.min(whole.len())).unwrap_or_default());
            let _ = read_line(&format!("{MESSAGE} {line}"));
        }
    }
}
