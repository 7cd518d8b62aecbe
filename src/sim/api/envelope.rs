//! Links, paging and encoding, as every list of the API has them; it must never compute `totalResult`, since the server doesn't.

use serde_json::{Value, json};

use super::super::world::World;
use super::{Answer, Req};

/// A page as asked.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// First row, counted from 1.
    pub offset: usize,
    /// Most rows.
    pub limit: usize,
}

impl Page {
    /// Reads `offset` and `limit`; the defaults are the documented ones.
    pub fn of(req: &Req, most: usize) -> Result<Self, Box<Answer>> {
        let number = |name: &str, default: usize| match req.param(name) {
            None => Ok(default),
            Some(text) => text
                .parse::<usize>()
                .ok()
                .filter(|number| *number > 0)
                .ok_or_else(|| {
                    Box::new(Answer::error(
                        400,
                        &format!("{name} must be a positive number."),
                    ))
                }),
        };
        Ok(Self {
            offset: number("offset", 1)?,
            limit: number("limit", 10)?.min(most.max(1)),
        })
    }

    /// The rows of this page, and whether there are more.
    pub fn cut<'rows, T>(&self, rows: &'rows [T]) -> (&'rows [T], bool) {
        let from = (self.offset - 1).min(rows.len());
        let to = from.saturating_add(self.limit).min(rows.len());
        (&rows[from..to], to < rows.len())
    }
}

/// Percent-encodes everything but unreserved characters, as the samples echo it.
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// The links of a list. The echo names other parameters first, then offset, limit and q.
pub fn links(world: &World, req: &Req, page: Page, more: bool, bare_self: bool) -> Value {
    let path = format!("{}{}", world.origin, req.path.trim_end_matches('/'));
    let mut before = String::new();
    for (name, value) in &req.query {
        let known = ["offset", "limit", "q"]
            .iter()
            .any(|known| name.eq_ignore_ascii_case(known));
        if !known {
            before.push_str(&format!("{}={}&", encode(name), encode(value)));
        }
    }
    let q = req
        .param("q")
        .map(|q| format!("&q={}", encode(q)))
        .unwrap_or_default();
    let at = |offset: usize| format!("{path}?{before}offset={offset}&limit={}{q}", page.limit);
    let mut links = Vec::new();
    if bare_self {
        links.push(json!({"rel": "self", "href": path}));
    }
    links.push(json!({"rel": "self", "href": at(page.offset)}));
    links.push(json!({"rel": "first", "href": at(1)}));
    if more {
        links.push(json!({"rel": "next", "href": at(page.offset + page.limit)}));
    }
    Value::Array(links)
}

/// A whole list answer.
pub fn list(
    world: &World,
    req: &Req,
    page: Page,
    more: bool,
    bare_self: bool,
    key: &str,
    rows: Vec<Value>,
) -> Answer {
    let mut body = json!({
        "links": links(world, req, page, more, bare_self),
        "count": rows.len(),
        "hasMore": more,
        "totalResult": -1,
    });
    body[key] = Value::Array(rows);
    Answer::json(200, &body)
}

/// A `links` array with one self link to a path below the base.
pub fn self_link(world: &World, path: &str) -> Value {
    json!([{"rel": "self", "href": format!("{}{}{path}", world.origin, super::BASE)}])
}

/// An id, as text or, by trait, as a number.
pub fn id(world: &World, text: &str) -> Value {
    if world.traits.numeric_ids
        && let Ok(number) = text.parse::<u64>()
    {
        return json!(number);
    }
    json!(text)
}

/// `{name, value}` rows, or a map by trait.
pub fn fields(world: &World, rows: Vec<(String, Value)>) -> Value {
    if world.traits.map_fields {
        return Value::Object(rows.into_iter().collect());
    }
    rows.into_iter()
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_echo_is_encoded_as_in_the_samples() {
        assert_eq!(
            encode("Status.Category eq Rejected"),
            "Status.Category%20eq%20Rejected"
        );
        assert_eq!(encode("a::b,c"), "a%3A%3Ab%2Cc");
    }

    #[test]
    fn pages_count_from_one() {
        let page = Page {
            offset: 3,
            limit: 2,
        };
        assert_eq!(page.cut(&[1, 2, 3, 4, 5]), (&[3, 4][..], true));
        assert_eq!(
            Page {
                offset: 5,
                limit: 2
            }
            .cut(&[1, 2, 3, 4, 5]),
            (&[5][..], false)
        );
        assert_eq!(
            Page {
                offset: 9,
                limit: 2
            }
            .cut(&[1]),
            (&[][..], false)
        );
    }
}
