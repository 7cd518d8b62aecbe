//! The figures of a run, as docs/reliability.md shows them; it must never leave out a failed round.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::judge::Counts;
use crate::phase::Phase;
use crate::round::{Fills, Verdict};

/// So many rounds are a long run.
const LONG: u64 = 500;

/// So many kills in each phase a long run needs.
const ENOUGH: u64 = 20;

/// The sum of all rounds.
#[derive(Debug, Default)]
pub struct Sum {
    /// Rounds that were played.
    pub rounds: u64,
    /// Seeds of rounds that failed.
    pub failed: Vec<u64>,
    /// Those of them that failed in more than liveness, or that could not be judged.
    pub unsafe_rounds: Vec<u64>,
    kills: BTreeMap<Phase, u64>,
    fills: Fills,
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

/// The one oracle that a machine under load may fail.
const LIVENESS: &str = "liveness";

impl Sum {
    /// What a run has to show and this one does not.
    pub fn missing(&self, rounds: u64) -> Vec<String> {
        let mut missing = Vec::new();
        if !self.failed.is_empty() {
            missing.push(format!("{} rounds: {:?}", self.failed.len(), self.failed));
        }
        if self.rounds != rounds {
            missing.push(format!("{} of {rounds} rounds were played", self.rounds));
        }
        if self.counts.not_known() * 100 > self.counts.attempts {
            missing.push("more than 1 % of the attempts are unknown at the end".to_owned());
        }
        if self.counts.healed == 0 {
            missing.push("nothing has healed in any round".to_owned());
        }
        for phase in Phase::WANTED {
            let many = self.kills.get(&phase).copied().unwrap_or(0);
            if rounds >= LONG && many < ENOUGH {
                missing.push(format!(
                    "{many} kills in {phase}, a run of {LONG} rounds needs {ENOUGH}"
                ));
            }
        }
        missing
    }

    /// Adds a round; one that could not be judged has no verdict.
    pub fn add(&mut self, seed: u64, verdict: Option<&Verdict>, good: bool) {
        self.rounds += 1;
        if !good {
            self.failed.push(seed);
            let late = |verdict: &Verdict| verdict.found.keys().all(|oracle| *oracle == LIVENESS);
            if !verdict.is_some_and(late) {
                self.unsafe_rounds.push(seed);
            }
        }
        let Some(verdict) = verdict else { return };
        for phase in &verdict.kills {
            *self.kills.entry(*phase).or_default() += 1;
        }
        self.fills.ended += verdict.fills.ended;
        self.fills.refused += verdict.fills.refused;
        self.fills.idle += verdict.fills.idle;
        self.counts.add(&verdict.counts);
        self.took += verdict.took;
        self.longest = self.longest.max(verdict.took);
    }
}

/// Counts by name, in one line.
fn listed<K: fmt::Display>(counts: &BTreeMap<K, u64>) -> String {
    if counts.is_empty() {
        return "none".to_owned();
    }
    let all: Vec<String> = counts
        .iter()
        .map(|(name, many)| format!("{name} {many}"))
        .collect();
    all.join(", ")
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kills: u64 = self.kills.values().sum();
        let by_phase: BTreeMap<Phase, u64> = Phase::ALL
            .iter()
            .map(|phase| (*phase, self.kills.get(phase).copied().unwrap_or(0)))
            .collect();
        let c = &self.counts;
        writeln!(f, "rounds             {}", self.rounds)?;
        writeln!(
            f,
            "failed             {} {:?}",
            self.failed.len(),
            self.failed
        )?;
        writeln!(f, "kills              {kills}: {}", listed(&by_phase))?;
        let Fills {
            ended,
            refused,
            idle,
        } = self.fills;
        if ended + refused + idle > 0 {
            writeln!(
                f,
                "disk full          {ended} ended, {refused} starts refused, {idle} had nothing to write"
            )?;
        }
        writeln!(f, "faults             {} requests", c.faults)?;
        writeln!(
            f,
            "sent               {} PUTs, {} attempts, {} runs of connectors; {} lines into notes",
            c.puts, c.attempts, c.effects, c.notes
        )?;
        writeln!(f, "done by others     {}", c.theirs)?;
        writeln!(
            f,
            "effects twice      {}, the same run twice {}",
            c.effects_twice, c.runs_twice
        )?;
        writeln!(f, "healed             {}", c.healed)?;
        writeln!(f, "left, excused      {}", listed(&c.excused))?;
        writeln!(
            f,
            "unknown            {} attempts, {} more can't be known ({:.2} %)",
            c.unknown,
            c.not_known() - c.unknown,
            c.not_known_percent()
        )?;
        writeln!(f, "why not known      {}", listed(&c.hidden))?;
        writeln!(f, "reset by a person  {}", c.resets)?;
        writeln!(f, "attempts           {}", listed(&c.states))?;
        writeln!(f, "inbox              {}", listed(&c.inbox))?;
        writeln!(
            f,
            "wall time          {:.0} s of all rounds, the longest {:.1} s",
            self.took.as_secs_f64(),
            self.longest.as_secs_f64()
        )
    }
}
