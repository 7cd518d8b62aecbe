//! How a contender is measured: one static server, one process per contender, timed from its first request to its end; it decides nothing about what is measured.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use tokio::runtime::Runtime;

use super::child;
use super::home::{Home, Limits};
use super::median;
use super::server::Server;
use super::world::World;

/// One measured run: microseconds a task, and what the server counted.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// Wall time.
    pub micros: f64,
    /// The same in processor time of the contender alone.
    pub cpu: f64,
    /// Pages, PUTs, items, other requests.
    pub counts: [u64; 4],
    /// Peak resident memory in KiB.
    pub peak: u64,
}

/// The server that all contenders of a bench share, and this program, which is some of them.
pub struct Stage {
    /// The server.
    pub server: Server,
    /// This program.
    pub me: PathBuf,
}

impl Stage {
    /// Starts the server; its tasks are dated two hours ahead, so that no round that switches enforce on first takes them
    /// for its old backlog.
    ///
    /// # Panics
    /// There is no free port.
    pub fn new(runtime: &Runtime) -> Self {
        let made = provtaskd::model::Clock::wall().now() + jiff::SignedDuration::from_hours(2);
        let world = World::new(&format!("{made:.0}"));
        Self {
            server: runtime.block_on(Server::start(world)).expect("a free port"),
            me: std::env::current_exe().expect("a path"),
        }
    }

    /// Runs a command against `tasks` visible tasks; timed from its first request to its end.
    ///
    /// # Panics
    /// It fails, or asks for nothing.
    pub fn timed(&self, tasks: usize, of: usize, command: &mut Command) -> Run {
        self.server.show(tasks);
        let ended = child::run(command);
        let first = self.server.first().expect("it asked");
        Run {
            micros: per_task(ended.at - first, of),
            cpu: per_task(ended.cpu, of),
            counts: self.server.counts(),
            peak: ended.peak,
        }
    }

    /// A cycle in enforce that acts on everything; the first, empty one has taken the baseline.
    pub fn whole(&self, tasks: usize, limits: Limits) -> (Run, u64) {
        let home = Home::new(&self.server.origin, limits, "enforce");
        self.server.show(0);
        home.release();
        child::run(&mut home.command(&["run", "--once"]));
        let run = self.timed(tasks, tasks, &mut home.command(&["run", "--once"]));
        (run, home.store_bytes())
    }
}

/// Microseconds.
#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
pub fn per_task(time: Duration, tasks: usize) -> f64 {
    time.as_secs_f64() * 1e6 / tasks as f64
}

/// The middle one of the processor times.
pub fn cpu(runs: &[Run]) -> f64 {
    median(runs.iter().map(|run| run.cpu).collect())
}

/// Prints what was measured, each round of it; answers the middle wall time.
pub fn say(what: &str, runs: &[Run]) -> f64 {
    let middle = median(runs.iter().map(|run| run.micros).collect());
    let all: Vec<String> = runs
        .iter()
        .map(|run| format!("{:.2}", run.micros))
        .collect();
    let peak = runs.iter().map(|run| run.peak).max().unwrap_or(0);
    let cpu = cpu(runs);
    let [pages, puts, items, others] = runs.last().map_or([0; 4], |run| run.counts);
    println!(
        "{what}: {middle:.2} ({}), processor {cpu:.2}, {pages} pages, {puts} PUTs, {items} items, {others} other requests, peak {} MiB",
        all.join(", "),
        peak / 1024
    );
    middle
}
