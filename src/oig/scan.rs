//! Takes the fields of a row apart without a tree: names and values borrowed from the page's buffer. It is given JSON that serde_json has read as such, decides nothing, and no text makes it panic.

use std::borrow::Cow;

use super::wire::{Field, Value};

/// A place in a JSON text.
struct Scan<'a> {
    text: &'a str,
    at: usize,
}

/// A value as it is written.
#[derive(Clone, Copy)]
struct Raw<'a> {
    text: &'a str,
    /// A string with an escape in it.
    escaped: bool,
}

/// The fields of `fields`: an array of `{name, value}`, or a map (11.1.2.3). Anything else holds none, and
/// what of an array is no such object is left out (contract section 9, point 11).
pub(super) fn fields(text: &str) -> Vec<Field<'_>> {
    let mut scan = Scan { text, at: 0 };
    let mut all = Vec::new();
    match scan.next() {
        Some(b'[') => {
            all.reserve(32);
            while let Some(item) = scan.item() {
                all.extend(item);
            }
        }
        Some(b'{') => {
            while let Some((name, value)) = scan.member() {
                let (name, value) = (name.string(), value.value());
                all.push(Field { name, value });
            }
        }
        _ => {}
    }
    all
}

/// The field that one item of such an array is.
pub(super) fn item(text: &str) -> Option<Field<'_>> {
    let mut scan = Scan { text, at: 0 };
    scan.item().flatten()
}

/// A string with its quotes, decoded. A lone surrogate is valid JSON text and no valid string: it is kept as written.
pub(super) fn string(text: &str) -> Cow<'_, str> {
    let escaped = text.contains('\\');
    Raw { text, escaped }.string()
}

impl<'a> Raw<'a> {
    fn string(self) -> Cow<'a, str> {
        let inner = self.text.strip_prefix('"');
        let inner = inner.and_then(|text| text.strip_suffix('"'));
        let inner = inner.unwrap_or(self.text);
        if self.escaped {
            serde_json::from_str::<String>(self.text).map_or(Cow::Borrowed(inner), Cow::Owned)
        } else {
            Cow::Borrowed(inner)
        }
    }

    /// A name, where it is a string.
    fn name(self) -> Option<Cow<'a, str>> {
        self.text.starts_with('"').then(|| self.string())
    }

    fn value(self) -> Value<'a> {
        if self.text.starts_with('"') {
            Value::Text(self.string())
        } else {
            Value::read(self.text)
        }
    }
}

impl<'a> Scan<'a> {
    /// The next byte that is no blank, taken.
    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    /// The next byte that is no blank.
    fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        loop {
            let byte = *bytes.get(self.at)?;
            if !byte.is_ascii_whitespace() {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    /// The next item of a list: a `{name, value}`, or nothing where it is something else; `None` at the
    /// list's end.
    fn item(&mut self) -> Option<Option<Field<'a>>> {
        if self.peek()? == b',' {
            self.at += 1;
        }
        match self.peek()? {
            b']' => None,
            b'{' => {
                if let Some(field) = self.plain_pair() {
                    return Some(Some(field));
                }
                self.at += 1;
                let field = self.pair();
                (self.next()? == b'}').then_some(field)
            }
            _ => self.value().map(|_| None),
        }
    }

    /// A `{"name":"…","value":…}` as nearly all are written: no blanks, no escapes, nothing else in it. Nothing
    /// is taken where it is another.
    fn plain_pair(&mut self) -> Option<Field<'a>> {
        let rest = self.text.get(self.at..)?.strip_prefix("{\"name\":\"")?;
        let (name, rest) = plain_string(rest)?;
        let rest = rest.strip_prefix(",\"value\":")?;
        let (value, rest) = match rest.strip_prefix('"') {
            Some(text) => {
                let (text, rest) = plain_string(text)?;
                (Value::Text(Cow::Borrowed(text)), rest)
            }
            None => {
                let scalar = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'a'..=b'z' | b'E');
                let end = rest.bytes().position(|byte| !scalar(&byte))?;
                let (text, rest) = rest.split_at_checked(end)?;
                if text.is_empty() {
                    return None;
                }
                (Value::read(text), rest)
            }
        };
        let rest = rest.strip_prefix('}')?;
        self.at = self.text.len() - rest.len();
        let name = Cow::Borrowed(name);
        Some(Field { name, value })
    }

    /// The members of one `{name, value}`; nothing where it has no name.
    fn pair(&mut self) -> Option<Field<'a>> {
        let (mut name, mut value) = (None, Value::Null);
        while let Some((key, raw)) = self.member() {
            match key.text {
                "\"name\"" => name = raw.name(),
                "\"value\"" => value = raw.value(),
                _ => {
                    let key = key.string();
                    if key.eq_ignore_ascii_case("value") {
                        value = raw.value();
                    } else if key.eq_ignore_ascii_case("name") {
                        name = raw.name();
                    }
                }
            }
        }
        Some(Field { name: name?, value })
    }

    /// The next key, with its quotes, and value of an object; `None` at its end.
    fn member(&mut self) -> Option<(Raw<'a>, Raw<'a>)> {
        if self.peek()? == b',' {
            self.at += 1;
        }
        if self.peek()? != b'"' {
            return None;
        }
        let key = self.value()?;
        if self.next()? != b':' {
            return None;
        }
        Some((key, self.value()?))
    }

    /// One value as it is written.
    fn value(&mut self) -> Option<Raw<'a>> {
        let first = self.peek()?;
        let from = self.at;
        let bytes = self.text.as_bytes();
        let mut escaped = false;
        match first {
            b'"' => escaped = self.skip_string()?,
            b'{' | b'[' => {
                let mut depth = 0_usize;
                loop {
                    match *bytes.get(self.at)? {
                        b'"' => {
                            self.skip_string()?;
                            continue;
                        }
                        b'{' | b'[' => depth += 1,
                        b'}' | b']' => depth -= 1,
                        _ => {}
                    }
                    self.at += 1;
                    if depth == 0 {
                        break;
                    }
                }
            }
            _ => {
                let ends = |b: &u8| matches!(b, b',' | b']' | b'}') || b.is_ascii_whitespace();
                while bytes.get(self.at).is_some_and(|byte| !ends(byte)) {
                    self.at += 1;
                }
                // a value has a length, else this would not come to an end
                if self.at == from {
                    return None;
                }
            }
        }
        let text = self.text.get(from..self.at)?;
        Some(Raw { text, escaped })
    }

    /// Past a string that begins here; answers whether it holds an escape.
    fn skip_string(&mut self) -> Option<bool> {
        let bytes = self.text.as_bytes();
        let mut from = self.at + 1;
        let mut escaped = false;
        loop {
            let at = from + memchr::memchr2(b'"', b'\\', bytes.get(from..)?)?;
            if bytes[at] == b'"' {
                self.at = at + 1;
                return Some(escaped);
            }
            escaped = true;
            from = at + 2;
        }
    }
}

/// A string without escapes, its first quote taken, and what follows its last one.
fn plain_string(text: &str) -> Option<(&str, &str)> {
    let end = memchr::memchr2(b'"', b'\\', text.as_bytes())?;
    let (inner, rest) = text.split_at_checked(end)?;
    Some((inner, rest.strip_prefix('"')?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value as Json;

    use super::*;

    /// What the fields are, by way of a tree.
    fn by_tree(tree: &Json) -> Vec<(String, String)> {
        let one = |item: &Json| {
            let of = item.as_object()?;
            let name = of.get("name")?.as_str()?.to_owned();
            Some((
                name,
                of.get("value").map_or("null".to_owned(), Json::to_string),
            ))
        };
        match tree {
            Json::Array(items) => items.iter().filter_map(one).collect(),
            Json::Object(of) => of
                .iter()
                .map(|(name, value)| (name.clone(), value.to_string()))
                .collect(),
            _ => Vec::new(),
        }
    }

    fn shown(value: &Value<'_>) -> String {
        match value {
            Value::Null => "null".to_owned(),
            Value::Text(text) => Json::from(text.as_ref()).to_string(),
            Value::Number(text) | Value::Json(text) => {
                let tree: Json = serde_json::from_str(text).expect("JSON");
                tree.to_string()
            }
            Value::Bool(yes) => yes.to_string(),
        }
    }

    fn json() -> impl Strategy<Value = Json> {
        let text = "[ab\"\\\\{}\\[\\],:ä\n]{0,8}";
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            text.prop_map(Json::from),
        ];
        leaf.prop_recursive(3, 24, 4, move |inner| {
            let pairs = (text, inner.clone()).prop_map(
                |(name, value)| serde_json::json!({"name": name, "more": 1, "value": value}),
            );
            let plain = (text, inner.clone())
                .prop_map(|(name, value)| serde_json::json!({"name": name, "value": value}));
            prop_oneof![
                prop::collection::vec(prop_oneof![pairs, plain, inner.clone()], 0..4)
                    .prop_map(Json::from),
                prop::collection::btree_map(text, inner, 0..4).prop_map(Json::from_iter),
            ]
        })
    }

    proptest! {
        #[test]
        fn fields_are_what_a_tree_of_the_same_text_shows(tree in json(), pretty in any::<bool>()) {
            let text = if pretty {
                serde_json::to_string_pretty(&tree)
            } else {
                serde_json::to_string(&tree)
            }
            .expect("JSON");
            let found: Vec<(String, String)> = fields(&text)
                .iter()
                .map(|field| (field.name.clone().into_owned(), shown(&field.value)))
                .collect();
            prop_assert_eq!(found, by_tree(&tree));
        }

        #[test]
        fn no_text_makes_it_panic_or_go_on_for_ever(text in "[{}\\[\\],:\"\\\\a1 ä]{0,40}") {
            let _ = fields(&text);
        }
    }
}
