//! Tells the inputs of tasks of one sort by a text that has what they share, so that only the rest is stored; what is told comes back to the byte, and no text of one sort hangs on those of another.

use std::hash::BuildHasher as _;
use std::sync::Arc;

use super::words::{Block, put, put_maybe, put_number, whole};
use crate::model::alike::{Step, steps};
use crate::model::hash::{FastMap, Seeded};
use crate::model::id::upper_case;
use crate::model::inputs::{BLOCKS, Base, InputsText, VERSION, part};
use crate::model::{Login, Task};

/// Most sorts that are remembered; with more it begins anew.
const SORTS: usize = 256;
/// Bytes between two steps that cost less in the second one's text than a step of their own.
const BETWEEN: usize = 8;
/// Bytes of a text from which on what it shares with another is worth a step of its own.
const LONG: usize = 32;
/// Steps of most tasks.
const USUAL: usize = 12;
/// What a step costs beside its text, as JSON.
const STEP: usize = 14;
/// Parts that are each task's own by what they are: id, account and beneficiary.
const NAMES: usize = 3;
/// The places of the request, of the task that was retried and of the child row, and of the history's lineage
/// and ids.
const SINGLE: [usize; 5] = [8, 9, 10, 11, 13];

/// What is a task's own: parts, and where each of them ends.
#[derive(Clone, Debug, Default)]
pub(super) struct Own {
    pub text: String,
    ends: Vec<usize>,
}

impl Own {
    pub fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }

    pub fn part(&mut self, text: &str) {
        put(&mut self.text, text);
        self.ends.push(self.text.len());
    }

    pub fn maybe(&mut self, text: Option<&str>) {
        put_maybe(&mut self.text, text);
        self.ends.push(self.text.len());
    }

    pub fn number(&mut self, number: u64) {
        let digits = number.checked_ilog10().unwrap_or(0) + 1;
        put_number(&mut self.text, u64::from(digits));
        self.text.push(':');
        put_number(&mut self.text, number);
        self.text.push(',');
        self.ends.push(self.text.len());
    }

    /// The parts as they are written.
    fn parts(&self) -> impl Iterator<Item = &str> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        begins
            .zip(&self.ends)
            .map(|(from, to)| self.text.get(from..*to).unwrap_or_default())
    }
}

/// What was there of a sort so far.
#[derive(Debug)]
enum Sort {
    /// The first task, or the first that its frame does not fit: what it shares with others shows with the next one.
    First(Own),
    /// What they share.
    Frame(Frame),
}

/// What tasks of a sort share.
#[derive(Debug)]
struct Frame {
    base: Arc<Base>,
    blocks: [String; BLOCKS],
    own: Own,
}

/// Frames by sort.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// Two sorts under one number only cost room.
    sorts: FastMap<u64, Sort>,
    numbers: Seeded,
}

impl Frames {
    /// The text of a task, by the frame of its sort where it has one that fits.
    pub fn told(&mut self, task: &Task, blocks: &[Block; BLOCKS], own: &Own) -> InputsText {
        let name = task.definition_name.as_ref();
        let name = name.filter(|_| task.definition_key.is_none());
        let number = self
            .numbers
            .hash_one((&task.definition_key, name, &task.target));
        if self.sorts.len() >= SORTS && !self.sorts.contains_key(&number) {
            self.sorts.clear();
        }
        let frame = match self.sorts.get(&number) {
            Some(Sort::Frame(frame)) => match frame.told(blocks, own) {
                Some(told) => return told,
                None => None,
            },
            Some(Sort::First(first)) => Frame::of(first, blocks, own, task.beneficiary.as_ref()),
            None => None,
        };
        let told = frame.and_then(|frame| {
            let told = frame.told(blocks, own)?;
            Some((Sort::Frame(frame), told))
        });
        let (sort, told) = told.unwrap_or_else(|| {
            let text = whole(blocks, &own.text);
            (Sort::First(own.clone()), InputsText::Whole(text))
        });
        self.sorts.insert(number, sort);
        told
    }
}

impl Frame {
    /// What two tasks of a sort share. What names the second one's beneficiary is left out: it would have to be
    /// taken out with him, and all that is told by it too.
    fn of(
        first: &Own,
        blocks: &[Block; BLOCKS],
        second: &Own,
        beneficiary: Option<&Login>,
    ) -> Option<Self> {
        if first.ends.len() != second.ends.len() {
            return None;
        }
        let him = beneficiary.map_or("", Login::as_str);
        let names_him = |part: &str| names(part, him);
        let mut own = Own::default();
        // no task is without an id: the frame is no task's text
        own.maybe(None);
        for (at, (one, other)) in first.parts().zip(second.parts()).enumerate().skip(1) {
            let single = at < NAMES || SINGLE.contains(&at);
            if one == other && (one == "-," || (!single && !names_him(one))) {
                own.text.push_str(one);
                own.ends.push(own.text.len());
            } else if single {
                own.part("");
            } else {
                own.part(&shared(text_of(one), text_of(other), him));
            }
        }
        Some(Self {
            base: Arc::new(Base::new(whole(blocks, &own.text))),
            blocks: blocks.each_ref().map(|block| block.text.clone()),
            own,
        })
    }

    /// A text as what it has beside the frame; `None` where that saves less than half.
    fn told(&self, blocks: &[Block; BLOCKS], own: &Own) -> Option<InputsText> {
        if self.own.ends.len() != own.ends.len() {
            return None;
        }
        let mut out = Steps {
            base: &self.base.text,
            at: 0,
            same: 0,
            steps: Vec::with_capacity(USUAL),
        };
        out.same(VERSION.len());
        let mut len = VERSION.len() + own.text.len();
        for (have, want) in self.blocks.iter().zip(blocks) {
            let part = written(want.text.len());
            len += part;
            if *have == want.text {
                out.same(part);
            } else {
                let (mut one, mut other) = (String::new(), String::new());
                put(&mut one, have);
                put(&mut other, &want.text);
                out.differ(&one, &other);
            }
        }
        for (have, want) in self.own.parts().zip(own.parts()) {
            if have == want {
                out.same(have.len());
            } else {
                out.replace(have, want);
            }
        }
        let steps = out.steps;
        let cost: usize = steps.iter().map(|Step(_, _, put)| put.len() + STEP).sum();
        (cost <= len / 2).then(|| InputsText::Alike {
            base: Arc::clone(&self.base),
            steps,
            len,
        })
    }
}

/// The text of a part; nothing where it is absent.
fn text_of(written: &str) -> &str {
    let text = part(written).and_then(|(text, _)| text);
    text.unwrap_or_default()
}

/// What two texts begin and end with, without what stands between the first and the last place that name somebody.
fn shared(one: &str, other: &str, him: &str) -> String {
    let (front, back) = if one == other {
        let all = upper_case(other);
        let (first, last) = (places(&all, him).next(), places(&all, him).last());
        let back = last.map_or(0, |at| other.len() - at - him.len());
        (first.unwrap_or(other.len()), back)
    } else {
        let front = front(one, other);
        let back = behind(&one[front..], &other[front..]);
        // a part of a name is no word that they share
        let letters = |text: &str| {
            let run = text.chars().rev().take_while(|c| c.is_alphanumeric());
            run.map(char::len_utf8).sum::<usize>()
        };
        let tail = &other[other.len() - back..];
        let begun = tail.chars().take_while(|c| c.is_alphanumeric());
        let begun: usize = begun.map(char::len_utf8).sum();
        (front - letters(&other[..front]), back - begun)
    };
    let text = format!("{}{}", &other[..front], &other[other.len() - back..]);
    if text.len() < LONG || names(&text, him) {
        return String::new();
    }
    text
}

/// Bytes that both begin with, between characters of both.
fn front(a: &str, b: &str) -> usize {
    let both = a.as_bytes().iter().zip(b.as_bytes());
    let mut at = both.take_while(|(x, y)| x == y).count();
    while !(a.is_char_boundary(at) && b.is_char_boundary(at)) {
        at -= 1;
    }
    at
}

/// Bytes that both end with, between characters of both.
fn behind(a: &str, b: &str) -> usize {
    let both = a.as_bytes().iter().rev().zip(b.as_bytes().iter().rev());
    let mut at = both.take_while(|(x, y)| x == y).count();
    while !(a.is_char_boundary(a.len() - at) && b.is_char_boundary(b.len() - at)) {
        at -= 1;
    }
    at
}

/// True where a login, in upper case, stands in a text as a whole word.
fn names(text: &str, login: &str) -> bool {
    places(&upper_case(text), login).next().is_some()
}

/// Where a login stands as a whole word, both in upper case.
fn places<'a>(text: &'a str, login: &'a str) -> impl Iterator<Item = usize> {
    let ends = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
    let found = (!login.is_empty()).then(|| text.match_indices(login));
    let whole = move |(at, word): &(usize, &str)| {
        ends(text[..*at].chars().next_back()) && ends(text[at + word.len()..].chars().next())
    };
    found.into_iter().flatten().filter(whole).map(|(at, _)| at)
}

/// Bytes of a part whose text is so long.
fn written(len: usize) -> usize {
    let digits = len.checked_ilog10().unwrap_or(0) + 1;
    len + usize::try_from(digits).unwrap_or(0) + 2
}

/// Steps that are being made.
struct Steps<'a> {
    base: &'a str,
    /// How far in the base.
    at: usize,
    /// Bytes before that which are the same since the last step.
    same: usize,
    steps: Vec<Step>,
}

impl Steps<'_> {
    /// So many bytes of both are the same.
    fn same(&mut self, bytes: usize) {
        self.at += bytes;
        self.same += bytes;
    }

    /// These differ, and may be long.
    fn differ(&mut self, have: &str, want: &str) {
        let Some(found) = steps(have, want) else {
            self.step(have.len(), want);
            return;
        };
        let mut left = have.len();
        for Step(same, leave, put) in found {
            let number = |number| usize::try_from(number).unwrap_or(0);
            let (same, leave) = (number(same), number(leave));
            left = left.saturating_sub(same + leave);
            self.same(same);
            self.step(leave, &put);
        }
        self.same(left);
    }

    /// These parts differ: their lengths by themselves where the texts are long.
    fn replace(&mut self, have: &str, want: &str) {
        // what is not long as a whole need not be taken apart to know that its text is not
        if have.len() < LONG || want.len() < LONG {
            self.within(have, want);
            return;
        }
        let (one, other) = (text_of(have), text_of(want));
        if one.len() < LONG || other.len() < LONG {
            self.within(have, want);
            return;
        }
        let head = |part: &str, text: &str| part.len() - text.len() - 1;
        self.within(&have[..head(have, one)], &want[..head(want, other)]);
        self.within(one, other);
        self.same(1);
    }

    /// These differ in one place, if they do.
    fn within(&mut self, have: &str, want: &str) {
        let front = front(have, want);
        let back = behind(&have[front..], &want[front..]);
        self.same(front);
        if have.len() > front + back || want.len() > front + back {
            self.step(have.len() - front - back, &want[front..want.len() - back]);
        }
        self.same(back);
    }

    /// Leaves so many bytes out and puts these in.
    fn step(&mut self, leave: usize, put: &str) {
        let number = |of: usize| u32::try_from(of).unwrap_or(u32::MAX);
        let between = self.base.get(self.at - self.same..self.at);
        match (self.steps.last_mut(), between) {
            (Some(Step(_, left, last)), Some(between)) if between.len() < BETWEEN => {
                *left = left.saturating_add(number(between.len() + leave));
                last.push_str(between);
                last.push_str(put);
            }
            _ => {
                // mostly another one follows that is put in with it
                let mut text = String::with_capacity(put.len() + 4 * BETWEEN);
                text.push_str(put);
                self.steps
                    .push(Step(number(self.same), number(leave), text));
            }
        }
        self.at += leave;
        self.same = 0;
    }
}
