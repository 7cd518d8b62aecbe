//! Whether a list goes on behind a page, by all that the page says of it (contract section 9.10); pure, and no single word of the server's is trusted alone.

use super::wire::{Page, Value};

/// What a page says of the list's end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Said {
    /// `hasMore`.
    pub has_more: Option<bool>,
    /// There is a `next` link, wherever it leads.
    pub linked: bool,
    /// `count`: the items of this page.
    pub count: Option<u64>,
    /// `totalResult`, where it was counted.
    pub total: Option<u64>,
    /// The items that came.
    pub rows: u64,
}

/// Whether to read on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum More {
    /// The list ends here.
    No,
    /// The server promises more.
    Promised,
    /// It may go on: until an empty page, or one with nothing new. Where the server contradicts itself, in words.
    Look(Option<String>),
}

impl Said {
    /// What a page says.
    pub fn of(page: &Page<'_>) -> Self {
        let number = |name| {
            let text = page.own.flat_value(name).and_then(Value::text)?;
            text.trim().parse().ok()
        };
        Self {
            has_more: page.has_more,
            linked: page.next.is_some(),
            count: number("count"),
            total: number("totalResult").filter(|total| *total > 0),
            rows: u64::try_from(page.items.len()).unwrap_or(u64::MAX),
        }
    }

    /// The same of an answer that was looked at as a tree.
    pub fn of_tree(body: &serde_json::Value, rows: u64) -> Self {
        let number = |name: &str| {
            let value = body.get(name)?;
            value
                .as_u64()
                .or_else(|| value.as_str()?.trim().parse().ok())
        };
        let links = body.get("links").and_then(serde_json::Value::as_array);
        let is_next = |link: &serde_json::Value| {
            let rel = link.get("rel").and_then(serde_json::Value::as_str);
            rel.is_some_and(|rel| rel.eq_ignore_ascii_case("next"))
        };
        Self {
            has_more: match body.get("hasMore") {
                Some(serde_json::Value::Bool(more)) => Some(*more),
                Some(serde_json::Value::String(more)) => more.trim().to_lowercase().parse().ok(),
                _ => None,
            },
            linked: links.into_iter().flatten().any(is_next),
            count: number("count"),
            total: number("totalResult").filter(|total| *total > 0),
            rows,
        }
    }

    /// How many rows the list has at least by the server's own numbers, where this page does not reach as far,
    /// and that in words; `before`: rows before it.
    pub fn lacking(&self, before: u64) -> Option<(u64, String)> {
        let rows = |many: u64| match many {
            1 => "1 row".to_owned(),
            many => format!("{many} rows"),
        };
        let reached = before.saturating_add(self.rows);
        let counted = self.count.and_then(|count| match count {
            // some count the whole list on each page
            count if count > reached => Some((count, count)),
            count if count > self.rows && count != reached && self.rows > 0 => {
                Some((count, before.saturating_add(count)))
            }
            _ => None,
        });
        if let Some((count, least)) = counted {
            let words = format!("count says {count}, and {} came", rows(self.rows));
            return Some((least, words));
        }
        let total = self.total.filter(|total| *total > reached)?;
        let words = format!(
            "totalResult says {total}, and the pages so far hold {}",
            rows(reached)
        );
        Some((total, words))
    }

    /// What speaks against an end that the page says or does not deny.
    pub fn contradiction(&self, before: u64) -> Option<String> {
        let flag = match self.has_more {
            Some(true) => return None,
            Some(false) => "hasMore is false",
            None => "hasMore is not there",
        };
        let link =
            (self.linked && self.has_more.is_some()).then(|| "there is a next link".to_owned());
        let lacking = self.lacking(before).map(|(_, words)| words);
        let but = lacking.or(link)?;
        Some(format!("{flag}, but {but}"))
    }

    /// No word says whether this page of a list (and not a whole answer) is the last one: a server may give fewer rows
    /// at a time than it was asked for.
    fn is_untold(&self, asked: u64) -> bool {
        self.total.is_none() && asked < u64::MAX
    }

    /// Whether to read on; `asked`: the most rows that this page could have, `u64::MAX` of what has no pages.
    pub fn more(&self, before: u64, asked: u64) -> More {
        if self.has_more == Some(true) {
            return More::Promised;
        }
        match self.contradiction(before) {
            Some(why) => More::Look(Some(why)),
            None if self.has_more.is_none()
                && (self.linked
                    || self.rows > 0 && (self.rows >= asked || self.is_untold(asked))) =>
            {
                More::Look(None)
            }
            None => More::No,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(has_more: Option<bool>, rows: u64) -> Said {
        Said {
            has_more,
            rows,
            count: Some(rows),
            ..Said::default()
        }
    }

    #[test]
    fn the_end_is_an_end_where_nothing_speaks_against_it() {
        assert_eq!(said(Some(false), 5).more(0, 5), More::No);
        // fewer rows than were asked for are the server's own page, where no word says that they are all
        assert_eq!(said(None, 4).more(0, 5), More::Look(None));
        assert_eq!(said(None, 4).more(0, u64::MAX), More::No, "a whole answer");
        assert_eq!(said(None, 0).more(0, 5), More::No);
        let counted = Said {
            total: Some(4),
            ..said(None, 4)
        };
        assert_eq!(counted.more(0, 5), More::No);
        assert_eq!(said(Some(true), 0).more(0, 5), More::Promised);
        assert_eq!(said(None, 5).more(0, 5), More::Look(None));
        let linked = Said {
            linked: true,
            ..said(None, 2)
        };
        assert_eq!(linked.more(0, 5), More::Look(None));
        // the whole list is counted on each page
        let whole = Said {
            count: Some(9),
            ..said(Some(false), 4)
        };
        assert_eq!(whole.more(5, 5), More::No);
    }

    #[test]
    fn what_speaks_against_it_is_named() {
        let why = |said: Said, before| match said.more(before, 5) {
            More::Look(Some(why)) => why,
            other => panic!("{other:?}"),
        };
        let end = said(Some(false), 2);
        let linked = Said {
            linked: true,
            ..end
        };
        assert_eq!(why(linked, 0), "hasMore is false, but there is a next link");
        let count = Said {
            count: Some(11),
            ..end
        };
        assert_eq!(
            why(count, 0),
            "hasMore is false, but count says 11, and 2 rows came"
        );
        let total = Said {
            total: Some(9),
            ..said(None, 1)
        };
        assert_eq!(
            why(total, 5),
            "hasMore is not there, but totalResult says 9, and the pages so far hold 6 rows"
        );
    }
}
