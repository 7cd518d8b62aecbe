//! Runs a property over some cases, or with `PROVTASKD_FUZZ_SECONDS` for as long as that says; for tests only, and it never passes over a case.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestCaseError, TestRunner};

/// The longest that one small case may take, also on a busy machine: more is taken for a hang.
const MOST: Duration = Duration::from_secs(300);

/// Runs the property over `cases` cases; in the long mode over as many as the time allows, and then
/// says how many they were.
pub fn run<S: Strategy>(
    name: &str,
    cases: u32,
    strategy: &S,
    test: impl Fn(S::Value) -> Result<(), TestCaseError>,
) {
    let lasting = std::env::var("PROVTASKD_FUZZ_SECONDS")
        .ok()
        .map(|text| Duration::from_secs(text.parse().expect("whole seconds")));
    let began = Instant::now();
    let mut done = 0_u64;
    loop {
        let config = ProptestConfig {
            cases,
            failure_persistence: None,
            // every run of the tests has the same cases; the long mode looks for new ones
            rng_seed: match lasting {
                None => RngSeed::Fixed(20_270_301),
                Some(_) => RngSeed::Random,
            },
            ..ProptestConfig::default()
        };
        let mut runner = TestRunner::new(config);
        let timed = |value| {
            let began = Instant::now();
            test(value)?;
            let took = began.elapsed();
            prop_assert!(took < MOST, "one case took {took:?}");
            Ok(())
        };
        if let Err(error) = runner.run(strategy, timed) {
            panic!("{name}, after {done} cases: {error}");
        }
        done += u64::from(cases);
        if lasting.is_none_or(|lasting| began.elapsed() >= lasting) {
            break;
        }
    }
    if lasting.is_some() {
        println!("{name}: {done} cases in {} s", began.elapsed().as_secs());
    }
}

/// One damage to a text or to bytes.
#[derive(Clone, Debug)]
pub enum Damage {
    /// Another byte.
    Flip(usize, u8),
    /// The rest is gone.
    Cut(usize),
    /// Some bytes are gone.
    Lose(usize, usize),
    /// Some bytes stand once more at another place.
    Copy(usize, usize, usize),
    /// A word stands there, so many times.
    Insert(usize, &'static [u8], usize),
}

/// Damages that find what random bytes never come to: words of the format, over and over.
pub fn damages(words: &'static [&'static [u8]]) -> impl Strategy<Value = Vec<Damage>> {
    let word = proptest::sample::select(words);
    let times = prop_oneof![8 => Just(1_usize), 2 => 2_usize..8, 1 => 100_usize..3000];
    let at = 0_usize..1 << 16;
    let one = prop_oneof![
        3 => (at.clone(), any::<u8>()).prop_map(|(at, to)| Damage::Flip(at, to)),
        1 => at.clone().prop_map(Damage::Cut),
        2 => (at.clone(), 1_usize..80).prop_map(|(at, many)| Damage::Lose(at, many)),
        2 => (at.clone(), at.clone(), 1_usize..200).prop_map(|(from, to, many)| Damage::Copy(from, to, many)),
        6 => (at, word, times).prop_map(|(at, word, times)| Damage::Insert(at, word, times)),
    ];
    proptest::collection::vec(one, 0..8)
}

/// The bytes with all damages, one after the other.
pub fn damaged(bytes: &[u8], damages: &[Damage]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    for damage in damages {
        let place = |at: &usize| at % (out.len() + 1);
        match damage {
            Damage::Flip(at, to) => {
                let at = place(at);
                if let Some(byte) = out.get_mut(at) {
                    *byte = *to;
                }
            }
            Damage::Cut(at) => {
                let at = place(at);
                out.truncate(at);
            }
            Damage::Lose(at, many) => {
                let at = place(at);
                let end = (at + many).min(out.len());
                out.drain(at..end);
            }
            Damage::Copy(from, to, many) => {
                let (from, to) = (place(from), place(to));
                let end = (from + many).min(out.len());
                let part = out[from..end].to_vec();
                out.splice(to..to, part);
            }
            Damage::Insert(at, word, times) => {
                let at = place(at);
                out.splice(at..at, word.repeat(*times));
            }
        }
    }
    out
}
