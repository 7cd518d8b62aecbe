//! All fields of a row as they came, packed small: a list of 100,000 rows stays in memory until it is decided. It knows no meaning of a field.

use std::collections::HashMap;
use std::sync::Arc;

/// What rows of one page share: names, and whole fields that came again.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FieldTable {
    names: Vec<Arc<str>>,
    /// Name, tag and text of fields that more than one row has.
    fields: Vec<(u16, u8, Box<str>)>,
}

/// All fields of a row as they came.
///
/// Layout of `data`, numbers in ASCII of six bits each, with the seventh where more follow, so that the
/// whole is text and never has to be checked: 0, the name's place in the table, a tag (`s` text, `n`
/// number, `b` bool, `j` other JSON), a length, the text; or the place of a whole field in the table,
/// from 1. A tag `l` has no length and no text: it stands for `long`. Nulls are left out: absent is unknown.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    table: Arc<FieldTable>,
    data: Box<str>,
    /// The longest text of most rows, why the last run failed; whoever reads the row for more than its
    /// fields holds the same text.
    long: Option<Arc<str>>,
}

/// One field's value as it came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FieldValue<'a> {
    /// A JSON string, decoded.
    Text(&'a str),
    /// A JSON number, as written.
    Number(&'a str),
    /// `true` or `false`.
    Bool(bool),
    /// An object or array, as JSON text.
    Json(&'a str),
}

impl<'a> FieldValue<'a> {
    /// The value as text: strings as they are, everything else as it was written.
    pub fn as_text(&self) -> &'a str {
        match self {
            Self::Text(t) | Self::Number(t) | Self::Json(t) => t,
            Self::Bool(true) => "true",
            Self::Bool(false) => "false",
        }
    }
}

/// Packs one row after another; rows of one packer share its table.
#[derive(Debug, Default)]
pub struct FieldPacker {
    table: FieldTable,
    index: HashMap<Arc<str>, u16>,
    /// By name: what was seen last, and the latest places of what came again.
    recent: Vec<Recent>,
    data: String,
}

#[derive(Debug, Default)]
struct Recent {
    tag: u8,
    text: String,
    shared: [u32; RECENT],
}

/// Fields of one name that a new one is compared with.
const RECENT: usize = 4;
/// Longest text that is compared with others: long ones rarely come again.
const COMPARED: usize = 512;
/// Most fields in one table.
const SHARED: usize = 4096;

impl FieldPacker {
    /// The index of a name, interned; `None` after 65,535 different names (the field is then dropped by the caller, loudly).
    pub fn name(&mut self, name: &str) -> Option<u16> {
        if let Some(at) = self.index.get(name) {
            return Some(*at);
        }
        let at = u16::try_from(self.table.names.len()).ok()?;
        let shared: Arc<str> = Arc::from(name);
        self.table.names.push(Arc::clone(&shared));
        self.index.insert(shared, at);
        self.recent.push(Recent::default());
        Some(at)
    }

    /// Appends a field to the row being packed.
    pub fn push(&mut self, name: u16, value: FieldValue<'_>) {
        let (tag, text) = match value {
            FieldValue::Text(t) => (b's', t),
            FieldValue::Number(t) => (b'n', t),
            FieldValue::Bool(true) => (b'b', "true"),
            FieldValue::Bool(false) => (b'b', "false"),
            FieldValue::Json(t) => (b'j', t),
        };
        if let Some(place) = self.shared(name, tag, text) {
            number(&mut self.data, place);
            return;
        }
        number(&mut self.data, 0);
        number(&mut self.data, u32::from(name));
        self.data.push(char::from(tag));
        // bodies are capped far below 4 GiB
        number(&mut self.data, u32::try_from(text.len()).unwrap_or(0));
        self.data.push_str(text);
    }

    /// Appends a text that the row's [`Fields::with_long`] holds.
    pub fn push_long(&mut self, name: u16) {
        number(&mut self.data, 0);
        number(&mut self.data, u32::from(name));
        self.data.push('l');
    }

    /// The place of the same field in the table, from 1, where an earlier row had it.
    fn shared(&mut self, name: u16, tag: u8, text: &str) -> Option<u32> {
        let recent = self.recent.get_mut(usize::from(name))?;
        if text.len() > COMPARED {
            return None;
        }
        let fields = &self.table.fields;
        for (n, place) in recent.shared.iter().enumerate() {
            let Some((_, have, same)) = place
                .checked_sub(1)
                .and_then(|at| fields.get(usize::try_from(at).ok()?))
            else {
                break;
            };
            if *have == tag && **same == *text {
                let place = *place;
                recent.shared[..=n].rotate_right(1);
                return Some(place);
            }
        }
        if recent.tag == tag && recent.text == text && fields.len() < SHARED {
            let place = u32::try_from(fields.len()).ok()? + 1;
            self.table.fields.push((name, tag, Box::from(text)));
            recent.shared.rotate_right(1);
            recent.shared[0] = place;
            return Some(place);
        }
        recent.tag = tag;
        recent.text.clear();
        recent.text.push_str(text);
        None
    }

    /// Takes the packed bytes of the row; pair them with [`FieldPacker::table`] in [`Fields::new`].
    pub fn take_row(&mut self) -> Box<str> {
        let row = self.data.as_str().into();
        self.data.clear();
        row
    }

    /// The table so far, to be shared by all rows once they are packed.
    pub fn table(&self) -> Arc<FieldTable> {
        Arc::new(self.table.clone())
    }
}

/// Appends a number in groups of six bits.
fn number(to: &mut String, mut number: u32) {
    while number > 0x3f {
        to.push(char::from(number.to_le_bytes()[0] & 0x3f | 0x40));
        number >>= 6;
    }
    to.push(char::from(number.to_le_bytes()[0]));
}

/// Takes a number off the front; `None` where there is none.
fn take_number(from: &mut &str) -> Option<u32> {
    let mut out = 0_u32;
    for group in 0..6 {
        let first = from.bytes().next().filter(u8::is_ascii)?;
        *from = from.get(1..)?;
        out |= u32::from(first & 0x3f) << (6 * group);
        if first & 0x40 == 0 {
            return Some(out);
        }
    }
    None
}

impl Fields {
    /// Joins a table and a packed row.
    pub fn new(table: Arc<FieldTable>, data: Box<str>) -> Self {
        Self {
            table,
            data,
            long: None,
        }
    }

    /// The same with the text that [`FieldPacker::push_long`] stands for.
    #[must_use]
    pub fn with_long(self, long: Option<Arc<str>>) -> Self {
        Self { long, ..self }
    }

    /// Builds a row from pairs; for single reads and tests.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, FieldValue<'a>)>) -> Self {
        let mut packer = FieldPacker::default();
        for (name, value) in pairs {
            if let Some(at) = packer.name(name) {
                packer.push(at, value);
            }
        }
        let data = packer.take_row();
        Self::new(packer.table(), data)
    }

    /// Takes the values out; the row is left without any, under the same names.
    #[must_use]
    pub fn take(&mut self) -> Self {
        Self {
            table: Arc::clone(&self.table),
            data: std::mem::take(&mut self.data),
            long: self.long.take(),
        }
    }

    /// Replaces the table, after packing against a growing one.
    pub fn share_table(&mut self, table: Arc<FieldTable>) {
        self.table = table;
    }

    /// Finds a field by name, without regard to case and surrounding blanks (contract section 9, point 11).
    pub fn get(&self, name: &str) -> Option<FieldValue<'_>> {
        let name = name.trim();
        self.iter()
            .find(|(have, _)| have.trim().eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// All fields in the order they came.
    pub fn iter(&self) -> impl Iterator<Item = (&str, FieldValue<'_>)> {
        FieldIter {
            table: &self.table,
            rest: &self.data,
            long: self.long.as_deref(),
        }
    }
}

struct FieldIter<'a> {
    table: &'a FieldTable,
    rest: &'a str,
    long: Option<&'a str>,
}

impl<'a> Iterator for FieldIter<'a> {
    type Item = (&'a str, FieldValue<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let place = take_number(&mut self.rest)?;
        let (name, tag, text) = if let Some(at) = place.checked_sub(1) {
            let (name, tag, text) = self.table.fields.get(usize::try_from(at).ok()?)?;
            (*name, *tag, &**text)
        } else {
            let name = u16::try_from(take_number(&mut self.rest)?).ok()?;
            let tag = self.rest.bytes().next()?;
            self.rest = self.rest.get(1..)?;
            if tag == b'l' {
                let name = self.table.names.get(usize::from(name))?;
                return Some((name, FieldValue::Text(self.long?)));
            }
            let len = usize::try_from(take_number(&mut self.rest)?).ok()?;
            let (text, rest) = self.rest.split_at_checked(len)?;
            self.rest = rest;
            (name, tag, text)
        };
        let name = self.table.names.get(usize::from(name))?;
        let value = match tag {
            b's' => FieldValue::Text(text),
            b'n' => FieldValue::Number(text),
            b'b' => FieldValue::Bool(text == "true"),
            _ => FieldValue::Json(text),
        };
        Some((name, value))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value((sort, text): &(u8, String)) -> FieldValue<'_> {
        match sort {
            0 => FieldValue::Text(text),
            1 => FieldValue::Number(text),
            2 => FieldValue::Bool(text.len() % 2 == 0),
            _ => FieldValue::Json(text),
        }
    }

    fn row() -> impl Strategy<Value = Vec<(u8, (u8, String))>> {
        let text = prop_oneof!["[ab]{0,2}", "[a-zäß]{100,200}", "x{500,700}"];
        prop::collection::vec((0u8..6, (0u8..4, text)), 0..30)
    }

    proptest! {
        #[test]
        fn rows_come_back_as_they_went_in_whatever_others_hold(
            rows in prop::collection::vec(row(), 1..25)
        ) {
            let mut packer = FieldPacker::default();
            let packed: Vec<_> = rows.iter().map(|row| {
                for (name, of) in row {
                    let at = packer.name(&format!("Name {name}")).expect("few names");
                    packer.push(at, value(of));
                }
                packer.take_row()
            }).collect();
            let table = packer.table();
            for (row, data) in rows.iter().zip(packed) {
                let fields = Fields::new(Arc::clone(&table), data);
                let back: Vec<_> = fields.iter().map(|(name, of)| (name.to_owned(), of)).collect();
                let sent: Vec<_> = row.iter().map(|(name, of)| (format!("Name {name}"), value(of))).collect();
                prop_assert_eq!(back, sent);
            }
        }

        #[test]
        fn what_is_no_row_ends_without_a_panic(data in "[\\x00-\\x7fäß€]{0,60}") {
            let mut packer = FieldPacker::default();
            packer.name("A");
            let fields = Fields::new(packer.table(), data.into());
            prop_assert!(fields.iter().count() <= 60);
        }
    }

    #[test]
    fn what_comes_again_is_stored_once() {
        let mut packer = FieldPacker::default();
        let rows: Vec<usize> = (0..50)
            .map(|n| {
                for name in ["Target", "Status", "Key"] {
                    let at = packer.name(name).expect("few names");
                    let key = n.to_string();
                    let text = if name == "Key" {
                        &key
                    } else {
                        "the same in every row of the page"
                    };
                    packer.push(at, FieldValue::Text(text));
                }
                packer.take_row().len()
            })
            .collect();
        assert!(
            rows[0] > 70 && rows[40..].iter().all(|len| *len < 10),
            "{rows:?}"
        );
    }

    #[test]
    fn packed_fields_come_back_in_order_and_by_name_without_case() {
        let fields = Fields::from_pairs([
            ("Objects.Name", FieldValue::Text("AD")),
            ("Process Instance.Key", FieldValue::Number("77")),
            ("Flag", FieldValue::Bool(true)),
        ]);
        assert_eq!(fields.iter().count(), 3);
        assert_eq!(fields.get(" objects.name "), Some(FieldValue::Text("AD")));
        assert_eq!(fields.get("flag").map(|v| v.as_text()), Some("true"));
        assert_eq!(fields.get("nothing"), None);
    }
}
