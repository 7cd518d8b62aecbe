//! Reads all pages of the open tasks into one snapshot (contract sections 1.3 and 9.10); it says when the view is incomplete or shifted, and never hides it.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::task::JoinSet;

use super::client::{Client, Inner};
use super::error::OigError;
use super::filter::{encode, number_of};
use super::map::{Interner, Mapper};
use crate::model::hash::FastSet;
use crate::model::{Snapshot, Task, TaskId};

/// One page, decoded; its buffer is gone.
struct PageOut {
    tasks: Vec<Task>,
    /// Items as sent, readable or not.
    raw: usize,
    unreadable: Vec<String>,
    /// Whether the first and the last item could be read.
    ends: (bool, bool),
    /// The server says that there is more.
    more: bool,
    next: Next,
}

/// What the page's `next` link is good for.
enum Next {
    /// There is none, or it leads elsewhere: the offset is computed (contract section 1.3: documented, 1-based).
    None,
    /// It names an offset.
    Offset(u64),
    /// It names no offset: its query is followed as it is.
    Opaque(String),
}

/// Most messages about unreadable rows that are kept; all are counted by `unreadable.len()` up to here.
const UNREADABLE_MAX: usize = 1_000;

/// Rows for which a list of several pages has room from the start, where no list before it says how many there
/// are: one that grows by itself is copied again and again. What of it is not filled is never touched.
const ROOM: usize = (64 << 20) / std::mem::size_of::<Task>();

struct Builder {
    /// Without its rows.
    snapshot: Snapshot,
    /// The rows so far.
    rows: Vec<Task>,
    ids: FastSet<TaskId>,
    /// The last row of the last page; `None` where it can't be read.
    last: Option<TaskId>,
    /// The last row of the last page can't be read.
    last_unread: bool,
}

impl Client {
    /// Reads the whole list: all open tasks visible to the login, which need not be all that exist.
    ///
    /// `complete` is false where the pages ended oddly (a repeated next, more promised and nothing sent, the page
    /// limit); `stable` is false where the list shifted while it was read, or shows a row that can't be
    /// read: it has no id, so it may be any task, and none is absent.
    ///
    /// # Errors
    /// Any [`OigError`] of any page: a list with a hole is no snapshot.
    pub async fn list(&self) -> Result<Snapshot, OigError> {
        let read = self.pages().await;
        self.0.drop_buffers();
        read
    }

    async fn pages(&self) -> Result<Snapshot, OigError> {
        let inner = &self.0;
        let path = inner.api("/provtasks");
        let limit = u64::from(inner.settings.page_size.max(1));
        let mut built = Builder::new(inner);
        let first = inner
            .list_page(&path, &inner.offset_query(1, limit), limit)
            .await?;
        let (raw, more) = (count(first.raw), first.more);
        let step = match &first.next {
            Next::Offset(next) if *next > 1 => next - 1,
            Next::Offset(_) if more => {
                built.add(first, false);
                return Ok(built.incomplete("the first page's next link points back to itself"));
            }
            Next::Opaque(_) if more => return self.follow(built, first, &path, limit).await,
            _ => raw,
        };
        built.add(first, false);
        if !more {
            return Ok(built.done(inner, None));
        }
        if raw == 0 {
            return Ok(built.incomplete("an empty page promised more"));
        }
        self.ahead(built, step, limit, &path).await
    }

    /// The pages after the first, several in flight, taken in order. Each begins with the last row of
    /// the one before: where it does not, rows have come or left meanwhile.
    async fn ahead(
        &self,
        mut built: Builder,
        rows: u64,
        limit: u64,
        path: &str,
    ) -> Result<Snapshot, OigError> {
        let inner = &self.0;
        let width = usize::try_from(inner.settings.pages_in_flight.max(1)).unwrap_or(1);
        let known = inner.pages_known.load(Ordering::Relaxed);
        built.make_room(known, rows);
        let overlap = rows > 1;
        let step = if overlap { rows - 1 } else { rows };
        let mut flight: JoinSet<(u32, Result<PageOut, OigError>)> = JoinSet::new();
        let mut waiting: BTreeMap<u32, PageOut> = BTreeMap::new();
        let (mut asked, mut taken) = (1_u32, 1_u32);
        let mut end: Option<Option<&'static str>> = None;
        let mut last = 1;
        loop {
            while end.is_none() && flight.len() < width && asked < inner.settings.max_pages {
                // No further ahead of what was taken than the width: quick empty pages behind the end
                // would draw more of their like while a full one is still on its way.
                if asked.saturating_sub(taken) >= inner.settings.pages_in_flight.max(1) {
                    break;
                }
                // Beyond what the last list needed only one page is asked for at a time; the first list knows no bound.
                if asked > taken && known != 0 && asked >= known {
                    break;
                }
                let offset = 1 + u64::from(asked) * step;
                let (client, path) = (self.clone(), path.to_owned());
                let index = asked;
                flight.spawn(async move {
                    let query = client.0.offset_query(offset, limit);
                    (index, client.0.list_page(&path, &query, limit).await)
                });
                asked += 1;
            }
            let Some(joined) = flight.join_next().await else {
                break;
            };
            let (index, page) = joined.map_err(|e| OigError::Broken {
                what: "the task list".to_owned(),
                why: format!("a page reader failed: {e}"),
            })?;
            match page {
                Ok(page) => waiting.insert(index, page),
                // Pages read ahead past the end say only whether the list has grown meanwhile.
                Err(_) if end.is_some() => {
                    built.snapshot.stable = false;
                    continue;
                }
                Err(e) => return Err(e),
            };
            while let Some(page) = waiting.remove(&taken) {
                let offset = 1 + u64::from(taken) * step;
                taken += 1;
                if end.is_some() {
                    // past the end there may be the last row once more, and nothing else
                    let overlap = overlap && page.raw > 0;
                    let fresh = built.add(page, overlap);
                    built.snapshot.stable &= fresh == 0;
                    continue;
                }
                last = taken;
                let (raw, more) = (count(page.raw), page.more);
                let back = matches!(page.next, Next::Offset(next) if next <= offset);
                let fresh = built.add(page, overlap);
                end = match (more, raw) {
                    (false, _) => Some(None),
                    (true, 0) => Some(Some("an empty page promised more")),
                    (true, _) if back => Some(Some("a next link points back")),
                    (true, _) if fresh == 0 => {
                        Some(Some("a page repeats what earlier pages showed"))
                    }
                    (true, _) if taken >= inner.settings.max_pages => {
                        Some(Some("server.max_pages is reached"))
                    }
                    (true, _) => {
                        built.snapshot.stable &= raw >= rows;
                        None
                    }
                };
            }
        }
        Ok(match end {
            Some(None) => built.done(inner, Some(last)),
            Some(Some(why)) => built.incomplete(why),
            None => built.incomplete("server.max_pages is reached"),
        })
    }

    /// Follows next links that name no offset, one by one.
    async fn follow(
        &self,
        mut built: Builder,
        first: PageOut,
        path: &str,
        limit: u64,
    ) -> Result<Snapshot, OigError> {
        let inner = &self.0;
        let mut seen: HashSet<String> = HashSet::new();
        let mut page = first;
        loop {
            let more = page.more;
            let next = std::mem::replace(&mut page.next, Next::None);
            let empty = page.raw == 0;
            built.add(page, false);
            if !more {
                return Ok(built.done(inner, None));
            }
            if empty {
                return Ok(built.incomplete("an empty page promised more"));
            }
            if built.snapshot.pages >= inner.settings.max_pages {
                return Ok(built.incomplete("server.max_pages is reached"));
            }
            let query = match next {
                Next::Opaque(query) => query,
                Next::Offset(offset) => inner.offset_query(offset, limit),
                Next::None => return Ok(built.incomplete("more was promised without a next link")),
            };
            if !seen.insert(query.clone()) {
                return Ok(built.incomplete("a next link points back"));
            }
            page = inner.list_page(path, &query, limit).await?;
        }
    }
}

fn count(rows: usize) -> u64 {
    u64::try_from(rows).unwrap_or(u64::MAX)
}

impl Builder {
    fn new(inner: &Inner) -> Self {
        Self {
            snapshot: Snapshot {
                taken_at: inner.clock.now(),
                tasks: Vec::new(),
                complete: true,
                stable: true,
                seers: None,
                login: inner.settings.login.clone(),
                pages: 0,
                unreadable: Vec::new(),
                unread: Vec::new(),
            },
            rows: Vec::new(),
            ids: FastSet::default(),
            last: None,
            last_unread: false,
        }
    }

    /// Adds a page; returns how many of its tasks were new. `overlap`: it must begin with the last row
    /// of the page before. That missing, or any other repeated id, means that the list has shifted.
    fn add(&mut self, mut page: PageOut, overlap: bool) -> usize {
        let mut fresh = 0;
        self.snapshot.pages += 1;
        if !page.unreadable.is_empty() {
            self.snapshot.stable = false;
        }
        let (first_read, last_read) = page.ends;
        if overlap && page.raw > 0 {
            if first_read {
                let first = page.tasks.first().map(|task| &task.id);
                if self.last.is_some() && first != self.last.as_ref() {
                    self.snapshot.stable = false;
                }
                if first.is_some_and(|id| self.ids.contains(id)) {
                    page.tasks.remove(0);
                }
            } else if self.last_unread {
                // the overlap shows it a second time
                page.unreadable.remove(0);
            }
        }
        if page.raw > 0 {
            self.last_unread = !last_read;
            if !last_read {
                self.last = None;
            } else if let Some(task) = page.tasks.last() {
                self.last = Some(task.id.clone());
            }
        }
        let left = UNREADABLE_MAX.saturating_sub(self.snapshot.unreadable.len());
        fresh += page.unreadable.len();
        self.snapshot
            .unreadable
            .extend(page.unreadable.into_iter().take(left));
        let (shown, ids) = (page.tasks.len(), &mut self.ids);
        page.tasks.retain(|task| ids.insert(task.id.clone()));
        self.snapshot.stable &= page.tasks.len() == shown;
        fresh += page.tasks.len();
        self.rows.append(&mut page.tasks);
        fresh
    }

    /// Makes room for the pages that follow the first one: as many as the last list had.
    fn make_room(&mut self, known: u32, rows: u64) {
        let many = usize::try_from(u64::from(known).saturating_mul(rows)).unwrap_or(0);
        self.rows.reserve(if known == 0 { ROOM } else { many });
    }

    /// The snapshot with all rows in their order.
    fn gathered(mut self) -> Snapshot {
        self.snapshot.tasks = self.rows;
        self.snapshot
    }

    /// The list is whole; `last`: how many pages it really had, where some were read past its end.
    fn done(self, inner: &Inner, last: Option<u32>) -> Snapshot {
        let pages = last.unwrap_or(self.snapshot.pages);
        inner.pages_known.store(pages, Ordering::Relaxed);
        if let Some(why) = self.snapshot.unreadable.first() {
            tracing::warn!(
                rows = self.snapshot.unreadable.len(),
                %why,
                "rows of the list can't be read: nothing is concluded from what it does not show"
            );
        }
        self.gathered()
    }

    fn incomplete(mut self, why: &str) -> Snapshot {
        tracing::warn!(
            pages = self.snapshot.pages,
            tasks = self.rows.len(),
            why,
            "the list of tasks ended oddly: it counts as incomplete"
        );
        self.snapshot.complete = false;
        self.gathered()
    }
}

impl Inner {
    fn offset_query(&self, offset: u64, limit: u64) -> String {
        let mut query = format!("offset={offset}&limit={limit}");
        if let Some(filter) = &self.settings.list_filter {
            query.push_str("&q=");
            query.push_str(&encode(filter));
        }
        query
    }

    async fn list_page(&self, path: &str, query: &str, limit: u64) -> Result<PageOut, OigError> {
        let what = "the task list";
        let body = self.get_needed(what, &format!("{path}?{query}")).await?;
        let text = self.text(&body, what)?;
        let page = self.page(&text, &["tasks"], &body, what)?;
        if !page.has_list && page.has_more.is_none() && page.own.flat_value("count").is_none() {
            return Err(OigError::Malformed {
                what: what.to_owned(),
                why: "the answer is no list: it holds neither tasks nor count nor hasMore"
                    .to_owned(),
                excerpt: self.excerpt(&body.bytes),
            });
        }
        let raw = page.items.len();
        let mut unreadable = Vec::new();
        let mut ends = (true, true);
        let mut tasks = Vec::with_capacity(raw);
        let mut mapper = Mapper::new(&self.settings.server_zone);
        // a page's own: pages are taken apart at the same time
        let mut pool = Interner::default();
        for (at, row) in page.items.iter().enumerate() {
            let read = mapper.task(row, &mut pool);
            ends.0 &= at > 0 || read.is_ok();
            ends.1 = read.is_ok();
            match read {
                Ok(task) => tasks.push(task),
                Err(why) => unreadable.push(why),
            }
        }
        let (has_more, link) = (page.has_more, page.next);
        drop((page.items, page.own));
        drop(text);
        self.give_back(body.bytes);
        let table = mapper.table();
        for task in &mut tasks {
            task.fields.share_table(Arc::clone(&table));
        }
        let next = match link.as_deref().map(|href| self.own_query(href, path)) {
            None => Next::None,
            Some(None) => {
                tracing::warn!("a next link leads to another path and is not used");
                Next::None
            }
            Some(Some(query)) => match number_of(&query, "offset") {
                Some(offset) => Next::Offset(offset),
                None => Next::Opaque(query),
            },
        };
        let more = match has_more {
            Some(more) => more,
            None => !matches!(next, Next::None) || (raw > 0 && count(raw) >= limit),
        };
        Ok(PageOut {
            tasks,
            raw,
            unreadable,
            ends,
            more,
            next,
        })
    }
}
