//! The shapes that come in, read leniently and borrowed from the page's buffer (contract sections 1.3, 4, 5, 9); pure, and no bytes make it panic.

mod shapes;

use std::borrow::Cow;
use std::fmt;

use super::{quick, scan};
use crate::model::fields::FieldValue;
use serde::de::{Deserializer, MapAccess, Visitor};
use shapes::{Items, Key};

/// A field as it came: its name and its raw JSON value.
#[derive(Clone, Debug)]
pub struct Field<'a> {
    /// The name, with blanks and case as sent.
    pub name: Cow<'a, str>,
    /// The value; `null` is kept here and left out when packed.
    pub value: Value<'a>,
}

/// A value as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// `null` or no value at all: unknown, not empty.
    Null,
    /// A string, decoded.
    Text(Cow<'a, str>),
    /// A number as written.
    Number(&'a str),
    /// `true` or `false`.
    Bool(bool),
    /// An object or array as JSON text.
    Json(&'a str),
}

impl<'a> Value<'a> {
    /// A value by its JSON text.
    pub(super) fn read(text: &'a str) -> Self {
        let text = text.trim();
        match text.as_bytes().first() {
            None | Some(b'n') => Self::Null,
            Some(b't') => Self::Bool(true),
            Some(b'f') => Self::Bool(false),
            Some(b'{' | b'[') => Self::Json(text),
            Some(b'"') => Self::Text(scan::string(text)),
            Some(_) => Self::Number(text),
        }
    }

    /// The value for packing; `None` for null.
    pub fn packed(&self) -> Option<FieldValue<'_>> {
        match self {
            Self::Null => None,
            Self::Text(text) => Some(FieldValue::Text(text)),
            Self::Number(text) => Some(FieldValue::Number(text)),
            Self::Bool(yes) => Some(FieldValue::Bool(*yes)),
            Self::Json(text) => Some(FieldValue::Json(text)),
        }
    }

    /// The value as text: localised attributes (`{"base": …}`) give their base; null, arrays and other objects give nothing.
    pub fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Null => None,
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Number(text) => Some(Cow::Borrowed(text)),
            Self::Bool(true) => Some(Cow::Borrowed("true")),
            Self::Bool(false) => Some(Cow::Borrowed("false")),
            Self::Json(text) => {
                let row: Row<'_> = serde_json::from_str(text).ok()?;
                let base = row.flat_value("base")?;
                match base {
                    Value::Json(_) => None,
                    flat => flat.text().map(|t| Cow::Owned(t.into_owned())),
                }
            }
        }
    }

    /// The value as a flag: `true`, `"true"`, `1`, `"1"` in any case.
    pub fn flag(&self) -> Option<bool> {
        match self.text()?.trim() {
            t if t.eq_ignore_ascii_case("true") || t == "1" => Some(true),
            t if t.eq_ignore_ascii_case("false") || t == "0" => Some(false),
            _ => None,
        }
    }
}

/// One item of any list, or a single answer: fields in an array or a map, and whatever else lies beside them.
#[derive(Clone, Debug, Default)]
pub struct Row<'a> {
    /// False where the item is no object at all.
    pub is_object: bool,
    /// `fields`.
    pub fields: Vec<Field<'a>>,
    /// `formFields`.
    pub form: Vec<Field<'a>>,
    /// `links`, unread.
    pub links: Option<&'a str>,
    /// Every other key (`id`, `status`, `userLogin`, …).
    pub flat: Vec<Field<'a>>,
}

impl<'a> Row<'a> {
    /// A key beside `fields`, without regard to case.
    pub fn flat_value(&self, name: &str) -> Option<&Value<'a>> {
        find(&self.flat, name)
    }

    /// A key of `fields`, without regard to case and surrounding blanks.
    pub fn field(&self, name: &str) -> Option<&Value<'a>> {
        find(&self.fields, name)
    }

    /// A key of `fields`, else beside them, as text that is not blank.
    pub fn text(&self, names: &[&str]) -> Option<Cow<'_, str>> {
        names
            .iter()
            .filter_map(|name| self.field(name).or_else(|| self.flat_value(name)))
            .filter_map(Value::text)
            .find(|text| !text.trim().is_empty())
    }

    /// The last path segment of the self link: the fallback for a missing id (contract section 5).
    pub fn self_segment(&self) -> Option<String> {
        let links = read_links(self.links?);
        let own = links
            .iter()
            .find(|l| l.rel.eq_ignore_ascii_case("self"))
            .or_else(|| links.iter().find(|l| l.rel.is_empty()))?;
        let (path, _) = super::filter::path_and_query(&own.href);
        let last = path.trim_end_matches('/').rsplit('/').next()?;
        (!last.is_empty()).then(|| last.to_owned())
    }

    /// `id`, else the self link's last segment, where either is not blank.
    pub fn id(&self) -> Option<String> {
        self.flat_value("id")
            .and_then(Value::text)
            .map(|t| t.trim().to_owned())
            .filter(|t| !t.is_empty())
            .or_else(|| self.self_segment())
    }
}

fn find<'r, 'a>(fields: &'r [Field<'a>], name: &str) -> Option<&'r Value<'a>> {
    fields
        .iter()
        .find(|f| f.name.trim().eq_ignore_ascii_case(name))
        .map(|f| &f.value)
}

/// One link of `links`.
#[derive(Clone, Debug, Default)]
pub struct Link {
    /// `self`, `first`, `next`; empty where missing.
    pub rel: String,
    /// The address as sent; never called as it is.
    pub href: String,
}

/// Reads `links` of any shape; what is no link is left out.
pub fn read_links(json: &str) -> Vec<Link> {
    let Ok(Items(rows)) = serde_json::from_str::<Items<'_>>(json) else {
        return Vec::new();
    };
    rows.iter()
        .filter_map(|row| {
            let text = |name| row.flat_value(name).and_then(Value::text);
            Some(Link {
                href: text("href")?.into_owned(),
                rel: text("rel").unwrap_or_default().into_owned(),
            })
        })
        .collect()
}

/// One page of a list, or a single object (then its own keys are in `own`).
#[derive(Clone, Debug, Default)]
pub struct Page<'a> {
    /// `hasMore`, where it is readable.
    pub has_more: Option<bool>,
    /// The href of the `next` link.
    pub next: Option<String>,
    /// True where one of the expected array keys was there.
    pub has_list: bool,
    /// The items, in the order they came.
    pub items: Vec<Row<'a>>,
    /// The object's own keys.
    pub own: Row<'a>,
}

/// Why a body is not what was asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum WireFault {
    /// Nothing but blanks.
    Empty,
    /// Starts like HTML.
    Html,
    /// Starts like XML.
    Xml,
    /// JSON that ends in the middle.
    Truncated,
    /// Something else, in serde's words (they hold positions, never content).
    Malformed(String),
}

/// The text of a body: a byte-order mark is dropped, bytes that are not UTF-8 are replaced, and control characters that
/// stand in a string as they are (a stack trace that a home-made writer did not escape) become blanks.
///
/// # Errors
/// [`WireFault::Empty`], [`WireFault::Html`] or [`WireFault::Xml`] by the body's first characters.
pub fn body_text(body: &[u8]) -> Result<Cow<'_, str>, WireFault> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    // a page is nearly always right, and checking that is far quicker than mending
    let text = match std::str::from_utf8(body) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(body),
    };
    let start = text.trim_start();
    if start.is_empty() {
        return Err(WireFault::Empty);
    }
    if start.starts_with('<') {
        let head: String = start
            .chars()
            .take(200)
            .collect::<String>()
            .to_ascii_lowercase();
        return Err(
            if head.contains("<!doctype html") || head.contains("<html") {
                WireFault::Html
            } else if head.starts_with("<?xml") || !head.starts_with("<!") {
                WireFault::Xml
            } else {
                WireFault::Html
            },
        );
    }
    Ok(blanked(text))
}

/// No string of JSON may hold a control character as it is: one of them would cost the whole list.
fn blanked(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.bytes().fold(u8::MAX, u8::min) >= b' ' {
        return text;
    }
    let mut strings = Strings::default();
    if !text.bytes().any(|byte| strings.inside(byte) && byte < b' ') {
        return text;
    }
    let mut strings = Strings::default();
    let mut blank = |c: char| {
        let inside = u8::try_from(c).is_ok_and(|byte| strings.inside(byte));
        if inside && c < ' ' { ' ' } else { c }
    };
    Cow::Owned(text.chars().map(&mut blank).collect())
}

/// Where in a text of JSON one is.
#[derive(Default)]
struct Strings {
    within: bool,
    escaped: bool,
}

impl Strings {
    /// Takes the next byte; whether it stands within a string.
    fn inside(&mut self, byte: u8) -> bool {
        let within = self.within;
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' => self.escaped = within,
            b'"' => self.within = !within,
            _ => {}
        }
        within
    }
}

/// Reads a list or a single object; `keys` are the names under which the list may stand.
///
/// # Errors
/// [`WireFault::Truncated`] or [`WireFault::Malformed`].
pub fn page<'a>(text: &'a str, keys: &[&str]) -> Result<Page<'a>, WireFault> {
    match quick::page(text, keys) {
        Some(page) => Ok(page.drawn()),
        None => by_serde(text, keys).map(Page::drawn),
    }
}

/// The same but for what is drawn from the page's own keys.
pub(super) fn by_serde<'a>(text: &'a str, keys: &[&str]) -> Result<Page<'a>, WireFault> {
    let mut de = serde_json::Deserializer::from_str(text);
    let page = PageSeed { keys }
        .read(&mut de)
        .and_then(|page| de.end().map(|()| page));
    page.map_err(|e| {
        if e.is_eof() {
            WireFault::Truncated
        } else {
            // serde's text may quote a piece of the input after "invalid type"; keep only what it was and where.
            WireFault::Malformed(format!(
                "it is not the JSON that was asked for (line {}, column {})",
                e.line(),
                e.column()
            ))
        }
    })
}

struct PageSeed<'k> {
    keys: &'k [&'k str],
}

impl PageSeed<'_> {
    fn read<'a, R: serde_json::de::Read<'a>>(
        self,
        de: &mut serde_json::Deserializer<R>,
    ) -> Result<Page<'a>, serde_json::Error> {
        de.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for PageSeed<'_> {
    type Value = Page<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Page<'de>, A::Error> {
        let mut page = Page::default();
        page.own.is_object = true;
        while let Some(Key(key)) = map.next_key()? {
            if is_list(&key, self.keys) {
                let Items(items) = map.next_value()?;
                page.has_list = true;
                page.items.extend(items);
            } else {
                page.own.take(key, &mut map)?;
            }
        }
        Ok(page)
    }
}

/// True for a name under which the list may stand.
pub(super) fn is_list(key: &str, keys: &[&str]) -> bool {
    keys.iter().any(|of| key.eq_ignore_ascii_case(of))
}

impl Page<'_> {
    /// With what its own keys say of the next one.
    fn drawn(mut self) -> Self {
        self.has_more = self.own.flat_value("hasMore").and_then(Value::flag);
        self.next = self.own.links.and_then(|links| {
            read_links(links)
                .into_iter()
                .find(|l| l.rel.eq_ignore_ascii_case("next"))
                .map(|l| l.href)
        });
        self
    }
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
