//! Learns what the list is like: its rows, pages, order and limits; it reads each page at most a few times.

use std::time::Duration;

use serde_json::Value;

use super::{Prober, must_stop};
use crate::daemon::DaemonError;
use crate::model::hash::FastSet;
use crate::model::{Task, TaskId};
use crate::oig::filter::{encode, number_of, path_and_query};
use crate::oig::more::{More, Said};
use crate::oig::{Look, OigError};
use crate::traits::{Pass, order_of, passes, rows_of};

/// The key of the list's rows.
const TASKS: &str = "tasks";
/// No larger page is asked for once one took this long.
const SLOW: Duration = Duration::from_secs(20);

/// A page of the list.
struct Page {
    look: Look,
    tasks: Vec<Option<Task>>,
    said: Said,
    more: More,
}

impl Page {
    /// It may not be the last one.
    fn goes_on(&self) -> bool {
        self.more != More::No
    }
}

impl Prober {
    pub(super) async fn list(&mut self) -> Result<(), DaemonError> {
        let size = u64::from(self.settings.server.page_size.max(1));
        let first = self.page(1, size).await?;
        let rows = count(first.tasks.len());
        let more = first.goes_on();
        self.envelope(&first);
        if more && rows > 0 && rows < size {
            self.traits.paging.capped_at = Some(rows);
        } else if rows == size {
            self.traits.paging.largest = Some(size);
        }
        // a list of one page has no seams: it is read once more in thirds
        let limit = if more || rows < 4 {
            rows.max(1)
        } else {
            rows.div_ceil(3)
        };
        let mut known = FastSet::default();
        self.rows(&first, &mut known);
        let again = limit != rows || !more;
        let one = if again {
            self.pass(None, limit, &mut known).await?
        } else {
            self.pass(Some(first), limit, &mut known).await?
        };
        let two = match rows {
            0 | 1 => None,
            _ => Some(self.pass(None, limit, &mut known).await?),
        };
        self.whole = one.whole;
        let (pages, evidence, repeatable) = passes(&one, two.as_ref());
        self.traits.paging.pages = pages.to_owned();
        self.traits.paging.evidence = evidence;
        self.traits.order = order_of(&one, repeatable);
        if more {
            self.larger(size).await?;
            self.default_page().await?;
        }
        self.filter().await
    }

    fn query(&self, offset: u64, limit: u64) -> String {
        let mut query = format!("/provtasks?offset={offset}&limit={limit}");
        if let Some(filter) = &self.settings.server.list_filter {
            query.push_str("&q=");
            query.push_str(&encode(filter));
        }
        query
    }

    async fn page(&mut self, offset: u64, limit: u64) -> Result<Page, OigError> {
        let path = self.query(offset, limit);
        self.page_at(&path, offset - 1, Some(limit)).await
    }

    async fn page_at(
        &mut self,
        path: &str,
        before: u64,
        limit: Option<u64>,
    ) -> Result<Page, OigError> {
        let what = "the task list";
        let Some(look) = self.look(what, path).await? else {
            return Err(OigError::Status {
                what: what.to_owned(),
                status: 404,
                excerpt: "no such path".to_owned(),
                retry_after: None,
            });
        };
        let listed = look.body.get(TASKS).is_some_and(Value::is_array);
        if !listed && look.body.get("hasMore").is_none() && look.body.get("count").is_none() {
            return Err(OigError::Malformed {
                what: what.to_owned(),
                why: "the answer is no list: it holds neither tasks nor count nor hasMore"
                    .to_owned(),
                excerpt: "is server.api_path right?".to_owned(),
            });
        }
        let tasks: Vec<Option<Task>> = self
            .client
            .tasks_of(&look, TASKS)
            .into_iter()
            .map(Result::ok)
            .collect();
        let rows = count(tasks.len());
        let said = Said::of_tree(&look.body, rows);
        let more = said.more(before, limit.unwrap_or(u64::MAX));
        if let More::Look(Some(why)) = &more {
            self.traits
                .paging
                .contradiction
                .get_or_insert_with(|| why.clone());
        }
        let took = u64::try_from(look.took.as_millis()).unwrap_or(u64::MAX);
        self.traits.paging.slowest_ms = self.traits.paging.slowest_ms.max(took);
        self.bytes += count(look.bytes);
        self.rows += rows;
        Ok(Page {
            look,
            tasks,
            said,
            more,
        })
    }

    /// Counts the rows that were not met before.
    fn rows(&mut self, page: &Page, known: &mut FastSet<TaskId>) {
        let raw = rows_of(&page.look.body, TASKS);
        for (row, task) in raw.iter().zip(&page.tasks) {
            match task {
                Some(task) if !known.insert(task.id.clone()) => {}
                Some(task) => {
                    self.forms.row(row, Some(task));
                    self.tasks.push(task.clone());
                }
                // met again in another reading it would be counted twice
                None if self.traits.paging.pages.is_empty() => self.forms.row(row, None),
                None => {}
            }
        }
    }

    /// Reads the list once, each page beginning with the last row of the one before.
    async fn pass(
        &mut self,
        first: Option<Page>,
        limit: u64,
        known: &mut FastSet<TaskId>,
    ) -> Result<Pass, DaemonError> {
        let mut pass = Pass::default();
        let mut offset = 1;
        let mut next = first;
        let mut least = 0;
        loop {
            let page = match next.take() {
                Some(page) => page,
                None => self.page(offset, limit).await?,
            };
            let rows = count(page.tasks.len());
            pass.page(&page.tasks, page.said.has_more == Some(false));
            self.rows(&page, known);
            // what was unreadable in the first page was counted with it
            let reached = offset - 1 + rows;
            if let Some((claimed, _)) = page.said.lacking(offset - 1) {
                least = least.max(claimed);
            }
            // a look behind what may have been the end shows at most the row that was asked for once more
            let looked = page.more != More::Promised && rows <= u64::from(pass.pages > 1);
            if !page.goes_on() || looked {
                pass.whole = least <= reached;
                return Ok(pass);
            }
            if rows == 0 || pass.pages >= u64::from(self.options.max_pages) {
                return Ok(pass);
            }
            offset += if rows > 1 { rows - 1 } else { rows };
        }
    }

    /// What surrounds the rows.
    fn envelope(&mut self, page: &Page) {
        let body = &page.look.body;
        let paging = &mut self.traits.paging;
        paging.total = match body.get("totalResult").and_then(Value::as_i64) {
            Some(-1) => "-1",
            Some(_) => "counted",
            None => "absent",
        }
        .to_owned();
        paging.next = next_word(body, page.goes_on()).to_owned();
        let origin = &self.settings.server.origin;
        let links = body.get("links").and_then(Value::as_array);
        paging.foreign_links = links.into_iter().flatten().any(|link| {
            let href = link.get("href").and_then(Value::as_str).unwrap_or_default();
            href.contains("://") && !href.starts_with(&**origin)
        });
    }

    /// Asks for larger and larger pages, until one is not as large as asked for.
    async fn larger(&mut self, size: u64) -> Result<(), DaemonError> {
        if self.traits.paging.capped_at.is_some() {
            return Ok(());
        }
        self.progress.begin("trying larger pages", 0);
        let most = u64::from(self.options.largest_page);
        let mut limit = size.saturating_mul(2);
        while limit <= most {
            let page = match self.page(1, limit).await {
                Ok(page) => page,
                Err(error) if must_stop(&error) && !matches!(error, OigError::Timeout { .. }) => {
                    return Err(error.into());
                }
                // more than server.max_body is so each time
                Err(error) if error.is_a_no() || matches!(error, OigError::TooLarge { .. }) => {
                    self.traits.paging.refused_at = Some(limit);
                    return Ok(());
                }
                Err(_) => {
                    self.troubled.larger = true;
                    return Ok(());
                }
            };
            let rows = count(page.tasks.len());
            if rows >= limit {
                self.traits.paging.largest = Some(rows);
            } else if page.goes_on() {
                self.traits.paging.capped_at = Some(rows);
                return Ok(());
            } else {
                return Ok(());
            }
            let heavy = page.look.bytes.saturating_mul(2) > self.settings.server.max_body;
            if page.look.took > SLOW || heavy || !page.goes_on() {
                return Ok(());
            }
            limit = limit.saturating_mul(2);
        }
        Ok(())
    }

    async fn default_page(&mut self) -> Result<(), DaemonError> {
        match self.page_at("/provtasks", 0, None).await {
            Ok(page) if page.goes_on() => {
                self.traits.paging.default_rows = Some(count(page.tasks.len()));
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(error) if must_stop(&error) => Err(error.into()),
            Err(error) => {
                self.troubled.default_page = !error.is_a_no();
                Ok(())
            }
        }
    }

    /// Whether a filter by state is honoured; told only by a list that holds others too.
    async fn filter(&mut self) -> Result<(), DaemonError> {
        use crate::model::TaskStatus::Rejected;
        let rejected = |task: &Task| task.status == Rejected;
        let both = self.tasks.iter().any(rejected) && !self.tasks.iter().all(rejected);
        self.traits.roads.filter = "not seen".to_owned();
        if !both || self.settings.server.list_filter.is_some() {
            return Ok(());
        }
        let condition = encode("Status.Category eq Rejected");
        let path = format!("/provtasks?offset=1&limit=200&q={condition}");
        let word = match self.page_at(&path, 0, Some(200)).await {
            Ok(page) if page.tasks.iter().flatten().all(rejected) && !page.tasks.is_empty() => {
                "honoured"
            }
            // as many as asked for may all be rejected by chance: others among them are none
            Ok(page) if page.tasks.is_empty() => "not seen",
            Ok(_) => "ignored",
            Err(error) if must_stop(&error) => return Err(error.into()),
            Err(error) if error.is_a_no() => "refused",
            Err(_) => {
                self.troubled.filter = true;
                "not seen"
            }
        };
        self.traits.roads.filter = word.to_owned();
        Ok(())
    }
}

fn count(rows: usize) -> u64 {
    u64::try_from(rows).unwrap_or(u64::MAX)
}

/// What the `next` link names.
fn next_word(body: &Value, more: bool) -> &'static str {
    match next_link(body).map(path_and_query) {
        Some((_, query)) if number_of(query, "offset").is_some() => "offset",
        Some(_) => "other",
        None if more => "none",
        None => "not seen",
    }
}

fn next_link(body: &Value) -> Option<&str> {
    let links = body.get("links")?.as_array()?;
    let next = links.iter().find(|link| {
        let rel = link.get("rel").and_then(Value::as_str);
        rel.is_some_and(|rel| rel.eq_ignore_ascii_case("next"))
    })?;
    next.get("href")?.as_str()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::next_word;

    #[test]
    fn next_links_are_told_by_what_they_name() {
        let with = |href: &str| json!({"links": [{"rel": "next", "href": href}]});
        for (href, word) in [
            (
                "http://oig:14000/iam/x/provtasks?offset=41&limit=40",
                "offset",
            ),
            ("/provtasks?limit=40&offset=41", "offset"),
            ("https://front/x?cursor=abc", "other"),
            ("?page=2", "other"),
        ] {
            assert_eq!(next_word(&with(href), true), word, "{href}");
        }
        assert_eq!(next_word(&json!({"links": []}), true), "none");
        assert_eq!(next_word(&json!({}), false), "not seen");
    }
}
