//! The journal as people and other programs read it: JSON lines and the story of one lineage; read only.

use std::io::Write;
use std::ops::ControlFlow;
use std::sync::Arc;

use serde::Serialize;

use super::error::LedgerError;
use super::record::{Event, EventBody, RecordError, VERSION, decode};
use super::store::Store;
use crate::model::alike::undo;
use crate::model::{Digest, LineageId, TaskId};

/// The first line of an export.
#[derive(Serialize)]
struct Header {
    export: &'static str,
    schema: u32,
}

/// One thing that happened to a lineage; the event holds only what is about that lineage.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct StoryLine {
    /// The event, its lists cut down to this lineage.
    pub event: Event,
}

/// Everything that ever happened to a lineage.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Story {
    /// The piece of work.
    pub lineage: LineageId,
    /// All its ids, oldest first.
    pub ids: Vec<TaskId>,
    /// Oldest first.
    pub lines: Vec<StoryLine>,
}

fn unreadable(seq: u64, error: &RecordError) -> LedgerError {
    match error {
        RecordError::Newer(version) => LedgerError::Newer {
            seq,
            version: *version,
            known: VERSION,
        },
        other => LedgerError::Invalid(format!("record {seq}: {other}")),
    }
}

/// See [`super::Ledger::export`].
pub(super) fn export(
    store: &dyn Store,
    from: u64,
    to: Option<u64>,
    out: &mut dyn Write,
) -> Result<u64, LedgerError> {
    let io = |source: std::io::Error| LedgerError::Io {
        path: "the export's output".into(),
        source: Arc::new(source),
    };
    let header = Header {
        export: "provtaskd events",
        schema: VERSION,
    };
    serde_json::to_writer(&mut *out, &header).map_err(|e| io(e.into()))?;
    out.write_all(b"\n").map_err(io)?;
    let mut count = 0;
    let mut failed = None;
    store.visit(from, &mut |seq, bytes| {
        if to.is_some_and(|to| seq > to) {
            return ControlFlow::Break(());
        }
        match out.write_all(bytes).and_then(|()| out.write_all(b"\n")) {
            Ok(()) => {
                count += 1;
                ControlFlow::Continue(())
            }
            Err(error) => {
                failed = Some(io(error));
                ControlFlow::Break(())
            }
        }
    })?;
    failed.map_or(Ok(count), Err)
}

/// See [`super::Ledger::story`].
pub(super) fn story(
    store: &dyn Store,
    lineage: LineageId,
    ids: &[TaskId],
) -> Result<Story, LedgerError> {
    let mut lines = Vec::new();
    let marks = [
        format!("\"l\":{},", lineage.0),
        format!("\"lineage\":{},", lineage.0),
        format!("\"lineage\":{}}}", lineage.0),
        "\"lineages\":[".to_owned(),
    ];
    store.visit(0, &mut |_, bytes| {
        let about = std::str::from_utf8(bytes)
            .is_ok_and(|text| marks.iter().any(|mark| text.contains(mark.as_str())));
        if about
            && let Ok(mut event) = decode(bytes)
            && narrow(&mut event.body, lineage)
        {
            lines.push(StoryLine { event });
        }
        ControlFlow::Continue(())
    })?;
    Ok(Story {
        lineage,
        ids: ids.to_vec(),
        lines,
    })
}

/// Cuts a body down to what is about one lineage; false where nothing is.
fn narrow(body: &mut EventBody, of: LineageId) -> bool {
    match body {
        EventBody::LineagesOpened { items } => {
            items.retain(|i| i.lineage == of);
            !items.is_empty()
        }
        EventBody::LineagesJoined { items } => {
            items.retain(|i| i.lineage == of);
            !items.is_empty()
        }
        EventBody::Seen { items } => {
            items.retain(|i| i.lineage == of);
            !items.is_empty()
        }
        EventBody::IdsReused { items } => {
            items.retain(|i| i.lineage == of);
            !items.is_empty()
        }
        EventBody::Decided { items } => {
            items.retain(|i| i.lineage == of);
            !items.is_empty()
        }
        EventBody::Claims { items, .. } => {
            items.retain(|i| i.lineage == of);
            !items.is_empty()
        }
        EventBody::Receipts { items, .. } => {
            items.retain(|i| i.lineage == of);
            !items.is_empty()
        }
        EventBody::Outcomes { items } => {
            items.retain(|i| i.lineage == of);
            !items.is_empty()
        }
        EventBody::LineageAmbiguous { lineages, .. } => lineages.contains(&of),
        EventBody::BaselineHeld { lineages }
        | EventBody::BaselineReleased { lineages, .. }
        | EventBody::LineagesLeft { lineages, .. } => {
            lineages.retain(|l| *l == of);
            !lineages.is_empty()
        }
        EventBody::EpisodeReset { lineage, .. }
        | EventBody::OrderReleased { lineage, .. }
        | EventBody::JustificationClaimed { lineage, .. }
        | EventBody::JustificationEnded { lineage, .. } => *lineage == of,
        _ => false,
    }
}

/// See [`super::Ledger::event`].
pub(super) fn event(store: &dyn Store, seq: u64) -> Result<Option<Event>, LedgerError> {
    match store.get(seq)? {
        Some(bytes) => decode(&bytes).map(Some).map_err(|e| unreadable(seq, &e)),
        None => Ok(None),
    }
}

/// Puts a text stored by digest together again; `place` names the record of a digest.
pub(super) fn kept(
    store: &dyn Store,
    digest: &Digest,
    place: &dyn Fn(&Digest) -> Option<u64>,
) -> Result<Option<String>, LedgerError> {
    let Some(first) = place(digest) else {
        return Ok(None);
    };
    let Some(event) = event(store, first)? else {
        return Ok(None);
    };
    let EventBody::InputsAlike { base, items } = event.body else {
        return whole(store, digest, first);
    };
    let steps = items.into_iter().find(|item| item.digest == *digest);
    // a base is always stored whole, and before what leans on it
    let text = match place(&base).filter(|at| *at < first) {
        Some(at) => whole(store, &base, at)?,
        None => None,
    };
    Ok(text
        .zip(steps)
        .and_then(|(text, item)| undo(&text, &item.steps)))
}

/// A text that is stored whole, in parts.
pub(super) fn whole(
    store: &dyn Store,
    digest: &Digest,
    first: u64,
) -> Result<Option<String>, LedgerError> {
    let mut text = String::new();
    let mut wanted = 0;
    let mut whole = false;
    store.visit(first, &mut |_, bytes| {
        if let Ok(event) = decode(bytes)
            && let EventBody::InputsStored {
                digest: have,
                part,
                of,
                text: more,
            } = event.body
            && have == *digest
            && part == wanted
        {
            text.push_str(&more);
            wanted += 1;
            whole = wanted == of;
        }
        if whole {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })?;
    Ok(whole.then_some(text))
}
