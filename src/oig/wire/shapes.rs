//! How rows, lists of them and their fields are read, whatever shape they come in; what has another shape is nothing, not an error.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{Field, Row, Value};
use crate::oig::scan;

impl<'de> Row<'de> {
    /// Takes the value of one key into its place.
    pub(super) fn take<A: MapAccess<'de>>(
        &mut self,
        key: Cow<'de, str>,
        map: &mut A,
    ) -> Result<(), A::Error> {
        if key.eq_ignore_ascii_case("fields") {
            let Fields(fields) = map.next_value()?;
            self.fields.extend(fields);
        } else if key.eq_ignore_ascii_case("formFields") {
            let Fields(fields) = map.next_value()?;
            self.form.extend(fields);
        } else if key.eq_ignore_ascii_case("links") {
            let raw: &RawValue = map.next_value()?;
            self.links = Some(raw.get());
        } else {
            let raw: &RawValue = map.next_value()?;
            self.flat.push(Field {
                name: key,
                value: Value::read(raw.get()),
            });
        }
        Ok(())
    }
}

/// A key, borrowed where it holds no escape.
pub(super) struct Key<'a>(pub(super) Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = Key<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_borrowed_str<E>(self, v: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(v)))
            }
            fn visit_str<E>(self, v: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(v.to_owned())))
            }
        }
        d.deserialize_str(V)
    }
}

/// The visitor methods for everything that is neither object nor list: it is not an error, just nothing.
macro_rules! scalars_give {
    ($nothing:expr) => {
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok($nothing)
        }
        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok($nothing)
        }
        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
            Ok($nothing)
        }
        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
            Ok($nothing)
        }
        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
            Ok($nothing)
        }
        fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
            Ok($nothing)
        }
    };
}

impl<'de> Deserialize<'de> for Row<'de> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = Row<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an item")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Row<'de>, A::Error> {
                let mut row = Row {
                    is_object: true,
                    ..Row::default()
                };
                while let Some(Key(key)) = map.next_key()? {
                    row.take(key, &mut map)?;
                }
                Ok(row)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Row<'de>, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Row::default())
            }
            scalars_give!(Row::default());
        }
        d.deserialize_any(V)
    }
}

/// A list of items; a lone object stands for a list of one, as XML-minded servers write it.
pub(super) struct Items<'a>(pub(super) Vec<Row<'a>>);

impl<'de> Deserialize<'de> for Items<'de> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = Items<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Items<'de>, A::Error> {
                let mut row = Row {
                    is_object: true,
                    ..Row::default()
                };
                while let Some(Key(key)) = map.next_key()? {
                    row.take(key, &mut map)?;
                }
                Ok(Items(vec![row]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Items<'de>, A::Error> {
                let mut rows = Vec::new();
                while let Some(row) = seq.next_element::<Row<'de>>()? {
                    rows.push(row);
                }
                Ok(Items(rows))
            }
            scalars_give!(Items(Vec::new()));
        }
        d.deserialize_any(V)
    }
}

/// `fields`: an array of `{name, value}`, or a map (11.1.2.3).
struct Fields<'a>(Vec<Field<'a>>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let raw: &RawValue = Deserialize::deserialize(d)?;
        Ok(Fields(scan::fields(raw.get())))
    }
}
