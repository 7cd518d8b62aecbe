//! The figures of a run, as docs/reliability.md shows them; it must never leave out a failed round.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::judge::Counts;
use crate::phase::Phase;
use crate::round::Verdict;

/// The sum of all rounds.
#[derive(Debug, Default)]
pub struct Sum {
    /// Rounds that were played.
    pub rounds: u64,
    /// Seeds of rounds that failed.
    pub failed: Vec<u64>,
    kills: BTreeMap<Phase, u64>,
    counts: Counts,
    took: Duration,
    longest: Duration,
}

/// One round in a line.
pub fn line(seed: u64, verdict: &Verdict) -> String {
    let kills: Vec<String> = verdict.kills.iter().map(ToString::to_string).collect();
    format!(
        "seed {seed}: {:.1} s, kills: {}; {:?}",
        verdict.took.as_secs_f64(),
        kills.join(", "),
        verdict.counts
    )
}

impl Sum {
    /// Whether at most one attempt in a hundred is unknown at the end.
    pub fn is_known(&self) -> bool {
        self.counts.unknown * 100 <= self.counts.attempts
    }

    /// Adds a round; one that could not be judged has no verdict.
    pub fn add(&mut self, seed: u64, verdict: Option<&Verdict>, good: bool) {
        self.rounds += 1;
        if !good {
            self.failed.push(seed);
        }
        let Some(verdict) = verdict else { return };
        for phase in &verdict.kills {
            *self.kills.entry(*phase).or_default() += 1;
        }
        self.counts.add(&verdict.counts);
        self.took += verdict.took;
        self.longest = self.longest.max(verdict.took);
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kills: u64 = self.kills.values().sum();
        let by_phase: Vec<String> = Phase::ALL
            .iter()
            .map(|phase| format!("{phase} {}", self.kills.get(phase).copied().unwrap_or(0)))
            .collect();
        writeln!(
            f,
            "{} rounds, {} failed {:?}; {kills} kills: {}",
            self.rounds,
            self.failed.len(),
            self.failed,
            by_phase.join(", ")
        )?;
        let c = &self.counts;
        writeln!(
            f,
            "{} PUTs, {} requests with a fault, {} attempts, {} effects, {} duplicates, {} healed, {} healable left with used up attempts, {} attempts unknown at the end ({:.2} %)",
            c.puts,
            c.faults,
            c.attempts,
            c.effects,
            c.duplicates,
            c.healed,
            c.used_up,
            c.unknown,
            c.unknown_percent()
        )?;
        writeln!(f, "attempts at the end: {:?}", c.states)?;
        writeln!(f, "inbox at the end: {:?}", c.inbox)?;
        writeln!(
            f,
            "wall time of all rounds {:.0} s, the longest {:.1} s",
            self.took.as_secs_f64(),
            self.longest.as_secs_f64()
        )
    }
}
