//! Finds the first of many patterns that fits a text, wherever in the text it does; what a text has in common with one before it is not looked at again. It knows nothing of what a pattern means.

use std::hash::BuildHasher as _;
use std::sync::{Mutex, OnceLock, PoisonError};

use regex::bytes::{Regex, RegexBuilder};
use regex_automata::hybrid::dfa::{Cache, Config, DFA};
use regex_automata::hybrid::{CacheError, LazyStateID};
use regex_automata::nfa::thompson::{self, NFA};
use regex_automata::util::syntax;
use regex_automata::{Input, MatchKind};

use crate::model::hash::Seeded;

/// Most bytes that the patterns take.
const PATTERNS: usize = 32 << 20;
/// Most bytes that the states of one thread take; with more it begins anew.
const STATES: usize = 8 << 20;
/// Texts that are remembered, each by how it begins; a power of two.
const PLACES: u16 = 64;
/// Bytes by which a text's place is found.
const BEGINS: usize = 32;
/// Bytes between two points at which a later text may go on.
const APART: usize = 16;
/// Longest text that is remembered.
const LONGEST: usize = 4 << 10;

/// Patterns, compiled together.
#[derive(Debug)]
pub(super) struct First {
    dfa: DFA,
    patterns: Vec<String>,
    /// Each by itself, from when the first text is looked at that way.
    each: OnceLock<Vec<Regex>>,
    /// What threads walk with, while none does.
    idle: Mutex<Vec<Walker>>,
}

/// A state of the automaton behind so many bytes.
#[derive(Clone, Copy, Debug)]
struct Point {
    at: usize,
    state: LazyStateID,
    /// The first pattern that fitted by then.
    found: Option<usize>,
}

/// A text that was looked at.
#[derive(Debug, Default)]
struct Known {
    text: Vec<u8>,
    points: Vec<Point>,
}

/// States of the automaton as far as they were needed, and the texts that led to them.
#[derive(Debug)]
struct Walker {
    cache: Cache,
    hasher: Seeded,
    known: Vec<Known>,
    /// How often the states had begun anew by then: points of before mean nothing.
    anew: usize,
}

impl First {
    /// Compiles patterns, as bytes and without regard to case: ASCII rules keep the automaton small.
    pub fn compile(patterns: &[String]) -> Result<Self, String> {
        let nfa = NFA::compiler()
            .configure(
                thompson::Config::new()
                    .utf8(false)
                    .nfa_size_limit(Some(PATTERNS)),
            )
            .syntax(
                syntax::Config::new()
                    .case_insensitive(true)
                    .unicode(false)
                    .utf8(false),
            )
            .build_many(patterns)
            .map_err(|error| error.to_string())?;
        let config = Config::new()
            .match_kind(MatchKind::All)
            .cache_capacity(STATES)
            // a table too large for the room is slow, and not wrong
            .skip_cache_capacity_check(true);
        let dfa = DFA::builder()
            .configure(config)
            .build_from_nfa(nfa)
            .map_err(|error| error.to_string())?;
        Ok(Self {
            dfa,
            patterns: patterns.to_vec(),
            each: OnceLock::new(),
            idle: Mutex::default(),
        })
    }

    /// The number of the first pattern that fits.
    pub fn of(&self, text: &[u8]) -> Option<usize> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = idle().pop();
        let mut walker = taken.unwrap_or_else(|| Walker::new(&self.dfa));
        match walker.walk(&self.dfa, text) {
            Ok(found) => {
                idle().push(walker);
                found
            }
            Err(Unsure) => self.one_by_one(text),
        }
    }

    /// The same, pattern by pattern. Quicker for some hundred texts of which no two are alike: none of them goes through
    /// the states that another one has made.
    pub fn one_by_one(&self, text: &[u8]) -> Option<usize> {
        let each = self.each.get_or_init(|| {
            let compiled = self.patterns.iter().map(|pattern| compiled(pattern));
            // all of them were compiled together before; without one no text has a class, and what has none is left
            compiled.collect::<Result<_, _>>().unwrap_or_default()
        });
        each.iter().position(|pattern| pattern.is_match(text))
    }
}

/// A pattern by itself, by the rules of [`First::compile`].
pub(super) fn compiled(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern)
        .case_insensitive(true)
        .unicode(false)
        .size_limit(PATTERNS)
        .build()
}

/// The automaton can't tell.
struct Unsure;

impl From<CacheError> for Unsure {
    fn from(_: CacheError) -> Self {
        Self
    }
}

impl Walker {
    fn new(dfa: &DFA) -> Self {
        let cache = dfa.create_cache();
        let places = 0..PLACES;
        Self {
            anew: cache.clear_count(),
            cache,
            hasher: Seeded::default(),
            known: places.map(|_| Known::default()).collect(),
        }
    }

    fn walk(&mut self, dfa: &DFA, text: &[u8]) -> Result<Option<usize>, Unsure> {
        let begins = &text[..text.len().min(BEGINS)];
        // below the number of places
        let place = self.hasher.hash_one(begins) % u64::from(PLACES);
        let place = usize::try_from(place).unwrap_or(0);
        let Self { cache, known, .. } = self;
        let Known { text: old, points } = &mut known[place];
        let shared = alike(old, text);
        points.truncate(points.partition_point(|point| point.at <= shared));
        let begun = points.last().copied();
        let begun = match begun {
            Some(point) => point,
            None => Point {
                at: 0,
                state: dfa
                    .start_state_forward(cache, &Input::new(text))
                    .map_err(|_| Unsure)?,
                found: None,
            },
        };
        let mut now = begun;
        for byte in &text[begun.at..] {
            now.state = dfa.next_state(cache, now.state, *byte)?;
            now.at += 1;
            if now.state.is_tagged() {
                now.found = first(dfa, cache, now.state, now.found)?;
            }
            if now.at.is_multiple_of(APART) && now.at <= LONGEST {
                points.push(now);
            }
        }
        let end = dfa.next_eoi_state(cache, now.state)?;
        let found = first(dfa, cache, end, now.found)?;
        old.clear();
        old.extend_from_slice(&text[..text.len().min(LONGEST)]);
        let many = self.cache.clear_count();
        if many != self.anew {
            // some of the points are of states that are gone
            self.anew = many;
            self.known.iter_mut().for_each(|known| known.points.clear());
        }
        Ok(found)
    }
}

/// The first pattern that fitted so far, in a state with a tag of its own.
fn first(
    dfa: &DFA,
    cache: &Cache,
    state: LazyStateID,
    found: Option<usize>,
) -> Result<Option<usize>, Unsure> {
    if state.is_quit() {
        return Err(Unsure);
    }
    if !state.is_match() {
        return Ok(found);
    }
    let all = 0..dfa.match_len(cache, state);
    let here = all.map(|n| dfa.match_pattern(cache, state, n).as_usize());
    Ok(here.chain(found).min())
}

/// Bytes that both begin with.
fn alike(one: &[u8], other: &[u8]) -> usize {
    let (words, others) = (one.as_chunks::<8>().0, other.as_chunks::<8>().0);
    let same = words.iter().zip(others).take_while(|(a, b)| a == b);
    let from = same.count() * 8;
    let both = one[from..].iter().zip(&other[from..]);
    from + both.take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex::bytes::RegexSetBuilder;

    use super::*;

    fn by_set(patterns: &[String], text: &[u8]) -> Option<usize> {
        let set = RegexSetBuilder::new(patterns)
            .case_insensitive(true)
            .unicode(false)
            .build()
            .expect("compiles");
        set.matches(text).iter().next()
    }

    fn patterns() -> Vec<String> {
        let all = [
            r"\b401\b.{0,6}x",
            "abc$",
            "^b",
            "a.{0,4}c",
            r"(b|c)\b",
            "cab",
            "ä",
            "c{3}",
        ];
        all.map(str::to_owned).to_vec()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn whatever_was_asked_before_the_first_that_fits_is_found(
            texts in prop::collection::vec(("[abcx401 \nBä]{0,40}", 0usize..9, "[abc ]{0,20}"), 1..12)
        ) {
            let first = First::compile(&patterns()).expect("compiles");
            let mut last = String::new();
            for (text, kept, end) in texts {
                // often a text that begins as the one before
                let kept: String = last.chars().take(kept * 7).collect();
                let text = if end.len() > 6 { format!("{kept}{end}") } else { text };
                prop_assert_eq!(first.of(text.as_bytes()), by_set(&patterns(), text.as_bytes()), "{}", text);
                prop_assert_eq!(first.one_by_one(text.as_bytes()), by_set(&patterns(), text.as_bytes()), "{}", text);
                last = text;
            }
        }
    }

    #[test]
    fn states_that_begin_anew_leave_no_old_points_behind() {
        let mut first = First::compile(&patterns()).expect("compiles");
        let config = Config::new()
            .match_kind(MatchKind::All)
            .cache_capacity(0)
            .skip_cache_capacity_check(true);
        let nfa = first.dfa.get_nfa().clone();
        first.dfa = DFA::builder()
            .configure(config)
            .build_from_nfa(nfa)
            .expect("compiles");
        let texts = [
            "cab 401 and so on until it is long",
            "cab 401 and so on until it is x",
            "cab 401 and so abc",
            "b",
        ];
        for text in texts.iter().cycle().take(40) {
            let found = first.of(text.as_bytes());
            assert_eq!(found, by_set(&patterns(), text.as_bytes()), "{text}");
        }
        let idle = first.idle.lock().expect("nobody panics");
        assert!(idle.iter().any(|walker| walker.anew > 0));
    }
}
