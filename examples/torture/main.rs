//! Torture: the real binary against the simulator in another process, killed with -9 again and again while everything goes wrong, and judged by the simulator's journal; it must never pass a round that it could not judge.
//!
//! `cargo run --release --example torture -- --rounds N --seed S`

mod damage;
mod dice;
mod disk;
#[expect(
    dead_code,
    reason = "the drills of tests/suite use more of it than the rounds do"
)]
#[path = "../../tests/suite/drill_oracle.rs"]
mod drill_oracle;
#[path = "../../tests/suite/drill_order.rs"]
mod drill_order;
mod excuse;
mod house;
mod judge;
mod kill;
mod notes;
mod oracles;
mod others;
mod phase;
mod report;
mod round;
mod world;

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::Parser;

use crate::report::Sum;

/// The exit code where something was done twice, out of order, unwritten, or claimed without being seen.
const UNSAFE: u8 = 3;

/// The exit code where nothing could be played on this machine.
const SKIPPED: u8 = 77;

/// What becomes of a round's disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum DiskMode {
    /// It has no room at random moments
    Full,
}

/// What is wanted.
#[derive(Debug, Parser)]
#[command(about = "Kills provtaskd again and again, and judges it by the simulator's journal")]
struct Args {
    /// So many rounds
    #[arg(long, default_value_t = 25)]
    rounds: u64,
    /// Seed of the first round; each further one has the next number
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Instead of rounds: so many stores that are damaged after a kill
    #[arg(long, value_name = "N", conflicts_with = "rounds")]
    damage: Option<u64>,
    /// Rounds whose store lies on a small file system that fills up again and again (root only)
    #[arg(long, value_enum, conflicts_with = "damage")]
    disk: Option<DiskMode>,
    /// Rounds at the same time
    #[arg(long, default_value_t = 2)]
    jobs: u64,
    /// The binary, else the one of this build, which is brought up to date first
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Keep each round's directory here; else those of failed rounds are kept in the system's temporary directory
    #[arg(long)]
    keep: Option<PathBuf>,
    /// Print a line for every round
    #[arg(long)]
    verbose: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    // the processes of a round run in its own directory
    let whole = |path: PathBuf| std::path::absolute(path).map_err(|error| error.to_string());
    let binary = match args.binary.clone().map_or_else(built, whole) {
        Ok(binary) => binary,
        Err(why) => {
            eprintln!("error: {why}");
            return ExitCode::from(2);
        }
    };
    let place = match &args.keep {
        Some(dir) => dir.clone(),
        None => std::env::temp_dir().join(format!("provtaskd-torture-{}", std::process::id())),
    };
    if let Some(cases) = args.damage {
        return damaged(&args, &binary, &place, cases);
    }
    if args.disk.is_some()
        && let Some(why) = disk::Disk::why_not(&place)
    {
        println!("SKIPPED: no round was played: --disk full needs to mount a tmpfs: {why}");
        return ExitCode::from(SKIPPED);
    }
    let next = AtomicU64::new(0);
    let sum = Mutex::new(Sum::default());
    std::thread::scope(|scope| {
        for _ in 0..args.jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= args.rounds {
                        return;
                    }
                    one(&args, &binary, &place, args.seed + number, &sum);
                }
            });
        }
    });
    let sum = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
    print!("{sum}");
    if args.keep.is_none() && sum.failed.is_empty() {
        // nobody needs it any more
        let _ = std::fs::remove_dir_all(&place);
    }
    let missing = sum.missing(args.rounds);
    for what in &missing {
        println!("FAILED: {what}");
    }
    match (missing.is_empty(), sum.unsafe_rounds.is_empty()) {
        (true, _) => ExitCode::SUCCESS,
        (false, true) => ExitCode::FAILURE,
        // no second try may make up for it
        (false, false) => ExitCode::from(UNSAFE),
    }
}

/// Plays cases of damage and says how they ended.
fn damaged(args: &Args, binary: &Path, place: &Path, cases: u64) -> ExitCode {
    let next = AtomicU64::new(0);
    let ends = Mutex::new((BTreeMap::new(), 0_u64));
    let case = |number: u64| {
        let seed = args.seed + number;
        let dir = place.join(format!("damage-{seed}"));
        // what an earlier run has left there
        let _ = std::fs::remove_dir_all(&dir);
        let played = std::fs::create_dir_all(&dir)
            .map_err(house::io(&dir))
            .and_then(|()| damage::play(&dir, binary, seed));
        let (what, end) = match played {
            Ok(case) => (case.what, case.end),
            Err(trouble) => ("not judged".to_owned(), Err(trouble.to_string())),
        };
        let mut sum = ends.lock().unwrap_or_else(PoisonError::into_inner);
        match end {
            Ok(end) => {
                if args.verbose {
                    println!("seed {seed}: {what}: {end:?}");
                }
                *sum.0.entry(end).or_insert(0_u64) += 1;
                if args.keep.is_none() {
                    // only a failed case is worth its space
                    let _ = std::fs::remove_dir_all(&dir);
                }
            }
            Err(why) => {
                println!("FAILED seed {seed}: {what}: {why}\n  see {}", dir.display());
                sum.1 += 1;
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..args.jobs.max(1) {
            scope.spawn(|| {
                loop {
                    match next.fetch_add(1, Ordering::Relaxed) {
                        number if number < cases => case(number),
                        _ => return,
                    }
                }
            });
        }
    });
    let (ends, failed) = ends.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!("{cases} damaged stores, {failed} failed; {ends:?}");
    match failed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// Plays one round and adds it up.
fn one(args: &Args, binary: &Path, place: &Path, seed: u64, sum: &Mutex<Sum>) {
    let dir = place.join(format!("seed-{seed}"));
    // what an earlier run has left there
    let _ = std::fs::remove_dir_all(&dir);
    let played = std::fs::create_dir_all(&dir)
        .map_err(house::io(&dir))
        .and_then(|()| {
            // a round whose judge came to grief is one that failed, and the others go on
            let played = AssertUnwindSafe(|| round::play(&dir, binary, seed, args.disk.is_some()));
            std::panic::catch_unwind(played).unwrap_or(Err(house::Trouble::Panicked))
        });
    let good = match &played {
        Ok(verdict) => {
            if args.verbose || !verdict.found.is_empty() {
                println!("{}", report::line(seed, verdict));
            }
            for (oracle, what) in &verdict.found {
                println!(
                    "FAILED seed {seed}: {oracle}: {what}\n  see {}",
                    dir.display()
                );
            }
            verdict.found.is_empty()
        }
        Err(trouble) => {
            println!("FAILED seed {seed}: {trouble}\n  see {}", dir.display());
            false
        }
    };
    if good && args.keep.is_none() {
        // only a failed round is worth its space
        let _ = std::fs::remove_dir_all(&dir);
    }
    sum.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .add(seed, played.as_ref().ok(), good);
}

/// The binary of this very build: cargo does not build it for an example.
fn built() -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let dir = own
        .parent()
        .and_then(Path::parent)
        .ok_or("the example stands in no target directory; name the binary with --binary")?;
    let binary = dir.join("provtaskd");
    let Some(cargo) = std::env::var_os("CARGO") else {
        return match binary.exists() {
            true => Ok(binary),
            false => Err(format!(
                "there is no {}; run this by `cargo run --example torture`, or name the binary with --binary",
                binary.display()
            )),
        };
    };
    let mut build = Command::new(cargo);
    // together with the example the library is the same one, and not built again
    build.args([
        "build",
        "--quiet",
        "--locked",
        "--bin",
        "provtaskd",
        "--example",
        "torture",
    ]);
    build.current_dir(env!("CARGO_MANIFEST_DIR"));
    if dir.file_name().is_some_and(|name| name == "release") {
        build.arg("--release");
    }
    let status = build.status().map_err(|error| error.to_string())?;
    match status.success() && binary.exists() {
        true => Ok(binary),
        false => Err("the binary could not be built; see above".to_owned()),
    }
}
