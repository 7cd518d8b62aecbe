//! Puts texts that records hold in parts together again while the journal goes by, and says which are not what their digest says; it holds only so many of them at a time.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::super::index::Index;
use super::super::record::EventBody;
use crate::model::alike::undo;
use crate::model::{Digest, text_digest};

/// Bytes of whole texts that are remembered for those that lean on them.
const ROOM: usize = 64 << 20;

/// Reads a text that is no longer remembered.
pub(super) type Fallback<'a> = &'a dyn Fn(&Index, &Digest) -> Option<String>;

/// A text that has come whole.
pub(super) struct Came<'a> {
    pub digest: &'a Digest,
    pub text: &'a str,
}

/// A text of which parts are still to come.
struct Coming {
    digest: Digest,
    next: u32,
    of: u32,
    text: String,
}

/// What is remembered of the texts so far.
#[derive(Default)]
pub(super) struct Texts {
    coming: Option<Coming>,
    whole: HashMap<Digest, Arc<str>>,
    order: VecDeque<Digest>,
    bytes: usize,
    /// Texts that came whole and right.
    pub good: u64,
    /// Texts of which the rest never came: the process ended while they were written.
    pub unfinished: u64,
    /// Texts that could not be put together, because what they lean on lies too far back.
    pub unchecked: u64,
}

impl Texts {
    /// Takes the next record; shows each text that comes whole, and answers what is wrong.
    pub fn take(
        &mut self,
        body: &EventBody,
        fallback: Option<(Fallback<'_>, &Index)>,
        mut came: impl FnMut(Came<'_>),
    ) -> Option<String> {
        let EventBody::InputsStored {
            digest,
            part,
            of,
            text,
        } = body
        else {
            if self.coming.take().is_some() {
                self.unfinished += 1;
            }
            return match body {
                EventBody::InputsAlike { .. } => self.alike(body, fallback, came),
                _ => None,
            };
        };
        let mut coming = match self.coming.take() {
            Some(coming)
                if coming.digest == *digest && coming.next == *part && coming.of == *of =>
            {
                coming
            }
            left => {
                self.unfinished += u64::from(left.is_some());
                if *part > 0 {
                    return Some(format!(
                        "part {part} of the stored text {digest} comes without the parts before it"
                    ));
                }
                Coming {
                    digest: digest.clone(),
                    next: 0,
                    of: *of,
                    text: String::new(),
                }
            }
        };
        coming.text.push_str(text);
        coming.next += 1;
        if coming.next < coming.of {
            self.coming = Some(coming);
            return None;
        }
        if text_digest(&coming.text) != *digest {
            return Some(format!(
                "the stored text {digest} is not what its digest says"
            ));
        }
        self.good += 1;
        came(Came {
            digest,
            text: &coming.text,
        });
        self.remember(digest, Arc::from(coming.text));
        None
    }

    fn alike(
        &mut self,
        body: &EventBody,
        fallback: Option<(Fallback<'_>, &Index)>,
        mut came: impl FnMut(Came<'_>),
    ) -> Option<String> {
        let EventBody::InputsAlike { base, items } = body else {
            return None;
        };
        let text = self.whole.get(base).cloned();
        let text = text.or_else(|| {
            let (read, index) = fallback?;
            let text: Arc<str> = Arc::from(read(index, base)?);
            self.remember(base, Arc::clone(&text));
            Some(text)
        });
        let Some(text) = text else {
            let many = u64::try_from(items.len()).unwrap_or(u64::MAX);
            self.unchecked += many;
            return None;
        };
        let mut wrong = None;
        for item in items {
            match undo(&text, &item.steps) {
                Some(made) if text_digest(&made) == item.digest => {
                    self.good += 1;
                    came(Came {
                        digest: &item.digest,
                        text: &made,
                    });
                }
                _ => {
                    wrong = Some(format!(
                        "the stored text {}, made of {base}, is not what its digest says",
                        item.digest
                    ));
                }
            }
        }
        wrong
    }

    fn remember(&mut self, digest: &Digest, text: Arc<str>) {
        self.bytes += text.len();
        if self.whole.insert(digest.clone(), text).is_none() {
            self.order.push_back(digest.clone());
        }
        while self.bytes > ROOM
            && let Some(oldest) = self.order.pop_front()
        {
            let gone = self.whole.remove(&oldest);
            self.bytes -= gone.map_or(0, |text| text.len());
        }
    }
}
