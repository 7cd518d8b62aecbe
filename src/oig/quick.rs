//! Reads a page as nearly all servers write it in one go: one line without blanks, keys without escapes. It takes nothing that is not the JSON it has to be, and whatever it leaves is read by serde_json; what it reads is the same to the last value (a test holds them together).

use std::borrow::Cow;

use super::scan;
use super::wire::{Field, Page, Row, Value, is_list};

/// Deeper than that nothing is looked at here.
const DEPTH: u8 = 24;
/// Fields of most rows.
const FIELDS: usize = 32;

/// A page, as `wire::page` reads it but for what is drawn from its own keys; `None` where it is not for this room.
pub(super) fn page<'a>(text: &'a str, keys: &[&str]) -> Option<Page<'a>> {
    // blanks but for the space, and what no string may hold as it is
    let least = text.bytes().fold(u8::MAX, u8::min);
    if least < b' ' {
        return None;
    }
    let mut quick = Quick { text, at: 0 };
    let mut page = Page::default();
    page.own.is_object = true;
    quick.object(|quick, key| {
        if !is_list(key, keys) {
            return quick.take(&mut page.own, key);
        }
        page.has_list = true;
        quick.byte(b'[')?;
        quick.items(|quick| {
            let mut row = Row {
                is_object: true,
                ..Row::default()
            };
            quick.object(|quick, key| quick.take(&mut row, key))?;
            page.items.push(row);
            Some(())
        })
    })?;
    (quick.at == text.len()).then_some(page)
}

/// A place in a text.
struct Quick<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Quick<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn byte(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// The items of a list whose bracket was taken, and the bracket at its end.
    fn items(&mut self, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        if self.byte(b']').is_some() {
            return Some(());
        }
        loop {
            item(self)?;
            match self.peek()? {
                b',' => self.at += 1,
                _ => return self.byte(b']'),
            }
        }
    }

    /// An object; `member` takes each value.
    fn object(&mut self, mut member: impl FnMut(&mut Self, &'a str) -> Option<()>) -> Option<()> {
        self.byte(b'{')?;
        if self.byte(b'}').is_some() {
            return Some(());
        }
        loop {
            let key = self.plain_string()?;
            self.byte(b':')?;
            member(self, key)?;
            match self.peek()? {
                b',' => self.at += 1,
                _ => return self.byte(b'}'),
            }
        }
    }

    /// The value of one key into its place in the row.
    fn take(&mut self, row: &mut Row<'a>, key: &'a str) -> Option<()> {
        if key.eq_ignore_ascii_case("fields") {
            self.fields(&mut row.fields)
        } else if key.eq_ignore_ascii_case("formFields") {
            self.fields(&mut row.form)
        } else if key.eq_ignore_ascii_case("links") {
            row.links = Some(self.value(DEPTH)?);
            Some(())
        } else {
            let value = Value::read(self.value(DEPTH)?);
            let name = Cow::Borrowed(key);
            row.flat.push(Field { name, value });
            Some(())
        }
    }

    fn fields(&mut self, to: &mut Vec<Field<'a>>) -> Option<()> {
        if self.peek()? != b'[' {
            to.extend(scan::fields(self.value(DEPTH)?));
            return Some(());
        }
        self.at += 1;
        to.reserve(FIELDS);
        self.items(|quick| {
            let from = quick.at;
            if let Some(field) = quick.plain_field() {
                to.push(field);
                return Some(());
            }
            quick.at = from;
            to.extend(scan::item(quick.value(DEPTH)?));
            Some(())
        })
    }

    /// `{"name":"…","value":…}` without escapes, its value no object and no list.
    fn plain_field(&mut self) -> Option<Field<'a>> {
        self.literal("{\"name\":")?;
        let name = Cow::Borrowed(self.plain_string()?);
        self.literal(",\"value\":")?;
        let value = match self.peek()? {
            b'"' => Value::Text(Cow::Borrowed(self.plain_string()?)),
            b'{' | b'[' => return None,
            _ => Value::read(self.value(0)?),
        };
        self.byte(b'}')?;
        Some(Field { name, value })
    }

    fn literal(&mut self, word: &str) -> Option<()> {
        let rest = self.text.as_bytes().get(self.at..)?;
        rest.starts_with(word.as_bytes())
            .then(|| self.at += word.len())
    }

    /// A string without escapes, without its quotes.
    fn plain_string(&mut self) -> Option<&'a str> {
        self.byte(b'"')?;
        let rest = self.text.as_bytes().get(self.at..)?;
        let end = self.at + memchr::memchr2(b'"', b'\\', rest)?;
        let inner = self.text.get(self.at..end)?;
        self.at = end;
        self.byte(b'"')?;
        Some(inner)
    }

    /// One value as it is written; objects and lists at most `depth` deep.
    fn value(&mut self, depth: u8) -> Option<&'a str> {
        let from = self.at;
        match self.peek()? {
            b'"' => self.string()?,
            b'{' => {
                let depth = depth.checked_sub(1)?;
                self.at += 1;
                if self.byte(b'}').is_none() {
                    loop {
                        self.string()?;
                        self.byte(b':')?;
                        self.value(depth)?;
                        match self.peek()? {
                            b',' => self.at += 1,
                            _ => break self.byte(b'}')?,
                        }
                    }
                }
            }
            b'[' => {
                let depth = depth.checked_sub(1)?;
                self.at += 1;
                self.items(|quick| quick.value(depth).map(|_| ()))?;
            }
            b't' => self.literal("true")?,
            b'f' => self.literal("false")?,
            b'n' => self.literal("null")?,
            _ => self.number()?,
        }
        self.text.get(from..self.at)
    }

    /// Past a string with its quotes.
    fn string(&mut self) -> Option<()> {
        self.byte(b'"')?;
        loop {
            let rest = self.text.as_bytes().get(self.at..)?;
            self.at += memchr::memchr2(b'"', b'\\', rest)?;
            if self.byte(b'"').is_some() {
                return Some(());
            }
            self.at += 1;
            match self.peek()? {
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.at += 1,
                b'u' => {
                    let digits = self.text.as_bytes().get(self.at + 1..self.at + 5)?;
                    if !digits.iter().all(u8::is_ascii_hexdigit) {
                        return None;
                    }
                    self.at += 5;
                }
                _ => return None,
            }
        }
    }

    fn digits(&mut self) -> Option<()> {
        let rest = self.text.as_bytes().get(self.at..)?;
        let many = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += many;
        (many > 0).then_some(())
    }

    /// Past a number as JSON has it.
    fn number(&mut self) -> Option<()> {
        let _ = self.byte(b'-');
        if self.byte(b'0').is_none() {
            self.digits()?;
        }
        if self.byte(b'.').is_some() {
            self.digits()?;
        }
        if self.byte(b'e').or_else(|| self.byte(b'E')).is_some() {
            let _ = self.byte(b'-').or_else(|| self.byte(b'+'));
            self.digits()?;
        }
        // what follows is looked at by who asked
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value as Json, json};

    use super::super::wire::by_serde;
    use super::*;

    const KEYS: &[&str] = &["tasks"];

    fn json_of(depth: u32) -> impl Strategy<Value = Json> {
        let text = "[ab\"\\\\{}\\[\\],:ä\n/]{0,8}";
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            any::<f64>().prop_map(Json::from),
            text.prop_map(Json::from),
        ];
        leaf.prop_recursive(depth, 24, 4, move |inner| {
            let field = ("[a-d ]{0,6}", inner.clone());
            let field = field.prop_map(|(name, value)| json!({"name": name, "value": value}));
            prop_oneof![
                prop::collection::vec(prop_oneof![field, inner.clone()], 0..5).prop_map(Json::from),
                prop::collection::btree_map(text, inner, 0..4).prop_map(Json::from_iter),
            ]
        })
    }

    fn row() -> impl Strategy<Value = Json> {
        let field = prop_oneof![
            3 => ("[a-d ]{0,6}", "[a-z0-9 ä\"\\\\]{0,9}").prop_map(|(n, v)| json!({"name": n, "value": v})),
            1 => ("[a-d ]{0,6}", json_of(2)).prop_map(|(n, v)| json!({"name": n, "value": v})),
            1 => json_of(2),
        ];
        let fields = prop_oneof![
            4 => prop::collection::vec(field, 0..6).prop_map(Json::from),
            1 => json_of(2),
        ];
        (
            fields,
            prop::collection::btree_map("(links|formFields|id|FIELDS|x)", json_of(2), 0..3),
        )
            .prop_map(|(fields, more)| {
                let mut row = Json::from_iter(more);
                row["fields"] = fields;
                row
            })
    }

    fn shown(page: &Page<'_>) -> String {
        format!("{page:?}")
    }

    proptest! {
        #[test]
        fn a_page_is_read_as_serde_reads_it(
            rows in prop::collection::vec(prop_oneof![9 => row(), 1 => json_of(1)], 0..4),
            more in prop::collection::btree_map("(links|count|hasMore|Tasks|id)", json_of(2), 0..3),
            pretty in any::<bool>(),
        ) {
            let mut tree = Json::from_iter(more);
            let plain = rows.iter().all(Json::is_object);
            tree["tasks"] = Json::from(rows);
            let text = if pretty { serde_json::to_string_pretty(&tree) } else { serde_json::to_string(&tree) };
            let text = text.expect("JSON");
            let slow = by_serde(&text, KEYS).expect("JSON");
            match page(&text, KEYS) {
                Some(quick) => prop_assert_eq!(shown(&quick), shown(&slow)),
                // it is there for something; keys with escapes are not its own
                None => prop_assert!(pretty || !plain || tree.get("Tasks").is_some() || text.contains('\\')),
            }
        }

        #[test]
        fn what_it_takes_serde_takes(
            text in "\\{\"tasks\":\\[(\\{\"fields\":\\[(\\{\"name\":\"a\",\"value\":[-+.0-9eEtruefalsn\"\\\\u]{0,6}\\},?){0,2}\\],?(\"id\":[-0-9.e]{1,4})?\\},?){0,2}\\][,}\\]]{0,2}[ \n]?"
        ) {
            if let Some(quick) = page(&text, KEYS) {
                let slow = by_serde(&text, KEYS);
                prop_assert!(slow.is_ok(), "{}", text);
                prop_assert_eq!(shown(&quick), shown(&slow.expect("it is")));
            }
        }
    }
}
