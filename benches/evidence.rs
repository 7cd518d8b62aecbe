//! What claims and evidence cost a whole cycle: the real daemon beside the same work without ledger, claims and records, against one static server in one interleaved run; it never measures a server.
//!
//! `cargo bench --locked --bench evidence -- [--tasks N] [--rounds N]`

// not everything that the benches share is of use here
#[allow(dead_code)]
mod support;

#[path = "support/bare.rs"]
mod bare;

use std::path::Path;

use support::home::{Home, Limits};
use support::measure::{Run, Stage, cpu, say};
use support::{flag, option};

/// As the program has it: both contenders ask the same allocator for memory.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    if flag("--bare") {
        let accepted = runtime.block_on(bare::run(Path::new(".")));
        println!("{accepted}");
        return;
    }
    let tasks = option("--tasks").unwrap_or(100_000);
    let rounds = option("--rounds").unwrap_or(7);
    println!("{tasks} tasks, {rounds} rounds, one interleaved run, microseconds a task");
    let stage = Stage::new(&runtime);
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        // who goes first changes, so that neither always meets the machine as the other left it
        for turn in 0..2 {
            if (round + turn) % 2 == 0 {
                with.push(stage.whole(tasks, Limits::Throughput).0);
            } else {
                without.push(bare_cycle(&stage, tasks));
            }
        }
    }
    let acted = |runs: &[Run]| runs.iter().all(|run| run.counts[2] == all(tasks));
    assert!(acted(&with) && acted(&without), "all tasks are acted on");
    let (wall, bare) = (
        say("whole cycle with claims and evidence, durable", &with),
        say("the same work without ledger, claims, records", &without),
    );
    println!(
        "  spread: with {}, without {}",
        spread(&with),
        spread(&without)
    );
    let ratios: Vec<f64> = with
        .iter()
        .zip(&without)
        .map(|(with, without)| with.micros / without.micros)
        .collect();
    println!(
        "  with / without = {:.2} (processor time {:.2}), round by round {:.2} to {:.2}; claims and evidence {:.1} a task (processor {:.1})",
        wall / bare,
        cpu(&with) / cpu(&without),
        ratios.iter().copied().fold(f64::MAX, f64::min),
        ratios.iter().copied().fold(0.0, f64::max),
        wall - bare,
        cpu(&with) - cpu(&without)
    );
}

/// The same configuration and policies, in a process of its own.
fn bare_cycle(stage: &Stage, tasks: usize) -> Run {
    let home = Home::new(&stage.server.origin, Limits::Throughput, "enforce");
    stage.timed(tasks, tasks, &mut home.command_of(&stage.me, &["--bare"]))
}

fn all(tasks: usize) -> u64 {
    u64::try_from(tasks).expect("small")
}

/// The lowest and the highest.
fn spread(runs: &[Run]) -> String {
    let micros = || runs.iter().map(|run| run.micros);
    format!(
        "{:.1} to {:.1}",
        micros().fold(f64::MAX, f64::min),
        micros().fold(0.0, f64::max)
    )
}
