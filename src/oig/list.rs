//! Reads all pages of the open tasks into one snapshot (contract sections 1.3 and 9.10); it says when the view is incomplete or shifted, and never hides it.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::task::JoinSet;

use super::client::{Client, Inner};
use super::error::OigError;
use super::filter::{encode, number_of};
use super::map::{Interner, Mapper};
use super::more::{More, Said};
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
    said: Said,
    next: Next,
}

/// Where a list ends.
enum End {
    /// It is whole.
    Whole,
    /// It ended oddly.
    Odd(&'static str),
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
    /// The last page has said that it is the last one.
    ended: bool,
    /// How far into the list the pages reach, in rows.
    reached: u64,
    /// How many pages the last list had.
    known: u32,
    /// What the server contradicts itself in, about the list's end.
    contradiction: Option<String>,
    /// How many rows there are at least by what pages say, and in which words.
    claimed: Option<(u64, String)>,
    /// The last page showed nothing new.
    idle: bool,
    /// Counts pages for whoever waits.
    taken: Arc<AtomicU32>,
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
        self.list_counted(&Arc::default()).await
    }

    /// The same; each page is counted as it is taken in, for whoever waits.
    ///
    /// # Errors
    /// As [`Client::list`].
    pub async fn list_counted(&self, taken: &Arc<AtomicU32>) -> Result<Snapshot, OigError> {
        let read = self.pages(taken).await;
        self.0.drop_buffers();
        read
    }

    async fn pages(&self, taken: &Arc<AtomicU32>) -> Result<Snapshot, OigError> {
        let inner = &self.0;
        let path = inner.api("/provtasks");
        let limit = u64::from(inner.settings.page_size.max(1));
        let mut built = Builder::new(inner, taken);
        let first = inner
            .list_page(&path, &inner.offset_query(1, limit))
            .await?;
        let raw = count(first.raw);
        let more = built.more(&first, 0, limit);
        if more == More::No {
            built.add(first, false);
            return Ok(built.done(inner, None));
        }
        if let Next::Opaque(_) = first.next {
            return self.follow(built, first, &path, limit).await;
        }
        // without a flag a full page is one of many, as a promise is
        let full = more == More::Look(None) && raw > 1 && raw >= limit;
        if more != More::Promised && !full {
            built.add(first, false);
            return self.look_on(built, &path, limit).await;
        }
        let step = match &first.next {
            Next::Offset(next) if *next > 1 => next - 1,
            Next::Offset(_) if more == More::Promised => {
                built.add(first, false);
                return Ok(built.incomplete("the first page's next link points back to itself"));
            }
            _ => raw,
        };
        built.add(first, false);
        if raw == 0 {
            return Ok(built.incomplete("an empty page promised more"));
        }
        self.ahead(built, step, limit, &path).await
    }

    /// Reads on where the first page says that it is the last one and something speaks against it, page by
    /// page, each beginning with the last row of the one before, until nothing new comes.
    async fn look_on(
        &self,
        mut built: Builder,
        path: &str,
        limit: u64,
    ) -> Result<Snapshot, OigError> {
        let inner = &self.0;
        loop {
            if built.snapshot.pages >= inner.settings.max_pages {
                return Ok(built.incomplete("server.max_pages is reached"));
            }
            // where pages hold one row a page that repeats it would never end
            let overlap = built.reached > 1 && limit > 1;
            let before = built.reached - u64::from(overlap);
            let query = inner.offset_query(before + 1, limit);
            let page = inner.list_page(path, &query).await?;
            let raw = count(page.raw);
            let more = built.more(&page, before, limit);
            let fresh = built.add(page, overlap);
            match built.end(&more, raw, fresh, overlap) {
                Some(End::Whole) => return Ok(built.done(inner, None)),
                Some(End::Odd(why)) => return Ok(built.incomplete(why)),
                None => {}
            }
        }
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
        let mut end: Option<End> = None;
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
                    (index, client.0.list_page(&path, &query).await)
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
                let raw = count(page.raw);
                let more = built.more(&page, offset - 1, limit);
                let back = more == More::Promised
                    && matches!(page.next, Next::Offset(next) if next <= offset);
                let fresh = built.add(page, overlap);
                end = match built.end(&more, raw, fresh, overlap) {
                    None if back => Some(End::Odd("a next link points back")),
                    None if taken >= inner.settings.max_pages => {
                        Some(End::Odd("server.max_pages is reached"))
                    }
                    None => {
                        built.snapshot.stable &= raw >= rows;
                        None
                    }
                    ended => ended,
                };
            }
        }
        Ok(match end {
            Some(End::Whole) => built.done(inner, Some(last)),
            Some(End::Odd(why)) => built.incomplete(why),
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
            let raw = count(page.raw);
            let more = built.more(&page, built.reached, limit);
            let next = std::mem::replace(&mut page.next, Next::None);
            let fresh = built.add(page, false);
            match built.end(&more, raw, fresh, false) {
                Some(End::Whole) => return Ok(built.done(inner, None)),
                Some(End::Odd(why)) => return Ok(built.incomplete(why)),
                None => {}
            }
            if built.snapshot.pages >= inner.settings.max_pages {
                return Ok(built.incomplete("server.max_pages is reached"));
            }
            let query = match next {
                Next::Opaque(query) => query,
                Next::Offset(offset) => inner.offset_query(offset, limit),
                // where no flag speaks the last page is the one without a link
                Next::None if more == More::Look(None) => return Ok(built.done(inner, None)),
                Next::None => return Ok(built.incomplete("more was promised without a next link")),
            };
            if !seen.insert(query.clone()) {
                return Ok(built.incomplete("a next link points back"));
            }
            page = inner.list_page(path, &query).await?;
        }
    }
}

fn count(rows: usize) -> u64 {
    u64::try_from(rows).unwrap_or(u64::MAX)
}

impl Builder {
    fn new(inner: &Inner, taken: &Arc<AtomicU32>) -> Self {
        Self {
            taken: Arc::clone(taken),
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
            ended: false,
            reached: 0,
            known: inner.pages_known.load(Ordering::Relaxed),
            contradiction: None,
            claimed: None,
            idle: false,
        }
    }

    /// Whether the list goes on behind this page; `before`: rows before it.
    fn more(&mut self, page: &PageOut, before: u64, limit: u64) -> More {
        self.reached = self.reached.max(before.saturating_add(page.said.rows));
        if page.said.total.is_some() {
            // a list that shrinks while it is read has the last page's total
            self.claimed = None;
        }
        if let Some(lacking) = page.said.lacking(before) {
            let so_far = self.claimed.as_ref().map_or(0, |(least, _)| *least);
            if lacking.0 > so_far {
                self.claimed = Some(lacking);
            }
        }
        match page.said.more(before, limit) {
            // a full page where more pages came last time: the flag may have been forgotten, so one look
            More::No if page.said.rows >= limit && self.known > self.snapshot.pages + 1 => {
                More::Look(None)
            }
            More::Look(Some(why)) => {
                self.contradiction.get_or_insert(why.clone());
                More::Look(Some(why))
            }
            more => more,
        }
    }

    /// Whether the list ends with this page of `raw` rows, `fresh` of them new.
    fn end(&mut self, more: &More, raw: u64, fresh: usize, overlap: bool) -> Option<End> {
        self.idle = fresh == 0;
        match more {
            More::No => Some(self.whole()),
            More::Promised if raw == 0 => Some(End::Odd("an empty page promised more")),
            // nothing but the row that was asked for once more
            More::Look(_) if raw <= u64::from(overlap) && fresh == 0 => Some(self.whole()),
            _ if fresh == 0 => Some(End::Odd("a page repeats what earlier pages showed")),
            _ => None,
        }
    }

    /// The end, where the server's own numbers don't say that rows are lacking.
    fn whole(&self) -> End {
        match self.lacking() {
            None => End::Whole,
            Some(_) => End::Odd("its end is contradicted, and no more rows came"),
        }
    }

    fn lacking(&self) -> Option<&str> {
        let claimed = self.claimed.as_ref();
        let claimed = claimed.filter(|(least, _)| *least > self.reached);
        claimed.map(|(_, words)| words.as_str())
    }

    /// Adds a page; returns how many of its tasks were new. `overlap`: it must begin with the last row
    /// of the page before. That missing, or any other repeated id, means that the list has shifted.
    fn add(&mut self, mut page: PageOut, overlap: bool) -> usize {
        let mut fresh = 0;
        self.snapshot.pages += 1;
        self.taken.fetch_add(1, Ordering::Relaxed);
        if !page.unreadable.is_empty() {
            self.snapshot.stable = false;
        }
        let (first_read, last_read) = page.ends;
        let ended = std::mem::replace(&mut self.ended, page.said.has_more == Some(false));
        if overlap && page.raw == 0 && !ended {
            // not even the row that was there: as many have left, and what stood behind it may stand before it now
            self.snapshot.stable = false;
        } else if overlap && page.raw > 0 {
            if first_read {
                let first = page.tasks.first().map(|task| &task.id);
                if self.last.is_some() && first != self.last.as_ref() {
                    self.snapshot.stable = false;
                }
                if first.is_some_and(|id| self.ids.contains(id)) {
                    doubt(&mut self.rows, &page.tasks.remove(0));
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
        let (shown, ids, rows) = (page.tasks.len(), &mut self.ids, &mut self.rows);
        page.tasks.retain(|task| {
            let first = ids.insert(task.id.clone());
            if !first {
                doubt(rows, task);
            }
            first
        });
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
        // one that was only looked at is no page of the list
        let known = pages.saturating_sub(u32::from(self.idle)).max(1);
        inner.pages_known.store(known, Ordering::Relaxed);
        let before = inner
            .contradicts
            .swap(self.contradiction.is_some(), Ordering::Relaxed);
        if let Some(why) = self.contradiction.as_deref().filter(|_| !before) {
            tracing::warn!(
                why,
                tasks = self.rows.len(),
                "the server contradicts itself about the end of the list: it is read on to where nothing more comes, in each cycle"
            );
        }
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
        let said = self.contradiction.as_deref().or_else(|| self.lacking());
        let why = said.map_or_else(|| why.to_owned(), |said| format!("{why} ({said})"));
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

/// The row that was taken first, where a later one of the same id says otherwise.
fn doubt(rows: &mut [Task], other: &Task) {
    if let Some(first) = rows.iter_mut().rev().find(|task| task.id == other.id) {
        first.doubt(other, false);
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

    async fn list_page(&self, path: &str, query: &str) -> Result<PageOut, OigError> {
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
        let (said, link) = (Said::of(&page), page.next);
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
        Ok(PageOut {
            tasks,
            raw,
            unreadable,
            ends,
            said,
            next,
        })
    }
}
