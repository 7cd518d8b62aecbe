//! Whole cycles of the real daemon beside the floor program and what people use today, all against one static server in one interleaved run; it never measures a server.
//!
//! `cargo bench --locked --bench cycle -- [--tasks N] [--rounds N] [--only PART] [--full]`

mod support;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use support::child::{self, Running};
use support::floor;
use support::home::{Home, Limits};
use support::measure::{Run, Stage, cpu, per_task, say};
use support::world::World;
use support::{flag, median, option};

struct Bench {
    stage: Stage,
    contenders: std::path::PathBuf,
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    if let Some(at) = args.iter().position(|arg| arg == "--floor") {
        let decide = !flag("--read-only");
        let took = runtime.block_on(floor::run(&args[at + 1], 4, decide));
        println!(
            "{} {} {} {} {}",
            took.rows,
            took.sent,
            took.read.as_micros(),
            took.decode.as_micros(),
            took.whole.as_micros()
        );
        return;
    }
    let bench = Bench {
        stage: Stage::new(&runtime),
        contenders: Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/contenders"),
    };
    let tasks = option("--tasks").unwrap_or(100_000);
    let rounds = option("--rounds").unwrap_or(3);
    let only = args
        .iter()
        .position(|arg| arg == "--only")
        .and_then(|at| args.get(at + 1))
        .cloned();
    let wanted = |part: &str| !flag("--hold") && only.as_deref().is_none_or(|only| only == part);
    println!(
        "{tasks} tasks, {rounds} rounds, one interleaved run, microseconds a task unless said otherwise"
    );
    if wanted("cycle") {
        bench.cycles(tasks, rounds);
    }
    if wanted("unchanged") {
        bench.unchanged(tasks, rounds);
    }
    if wanted("scripts") {
        bench.scripts(tasks, rounds);
    }
    if wanted("safe") {
        bench.safe();
    }
    if flag("--hold") {
        bench.stage.server.show(tasks);
        println!(
            "the server stays at {} until this is interrupted",
            bench.stage.server.origin
        );
        std::thread::sleep(Duration::from_secs(3600));
    }
    if flag("--full") {
        bench.growth(rounds);
    }
}

impl Bench {
    fn floor(&self, tasks: usize) -> Run {
        let mut command = Command::new(&self.stage.me);
        command.args(["--floor", &self.stage.server.origin]);
        self.stage.timed(tasks, tasks, &mut command)
    }

    /// Fetching and decoding alone: microseconds a task, decoding of it, processor time.
    fn read_only(&self, tasks: usize) -> [f64; 3] {
        self.stage.server.show(tasks);
        let mut command = Command::new(&self.stage.me);
        command.args(["--floor", &self.stage.server.origin, "--read-only"]);
        let ended = child::run(&mut command);
        let numbers: Vec<f64> = ended
            .printed
            .split_whitespace()
            .map(|word| word.parse().expect("a number"))
            .collect();
        [
            numbers[2] / numbers[0],
            numbers[3] / numbers[0],
            per_task(ended.cpu, tasks),
        ]
    }

    fn cycles(&self, tasks: usize, rounds: usize) {
        let (mut floors, mut wholes, mut bulks) = (Vec::new(), Vec::new(), Vec::new());
        let mut store = 0;
        for _ in 0..rounds {
            floors.push(self.floor(tasks));
            let (run, bytes) = self.stage.whole(tasks, Limits::Throughput);
            wholes.push(run);
            store = bytes;
            let mut python = Command::new("python3");
            python
                .arg(self.contenders.join("bulk.py"))
                .arg(&self.stage.server.origin);
            bulks.push(self.stage.timed(tasks, tasks, &mut python));
        }
        let floor = say("F: fetch, decode, decide natively, PUT 500", &floors);
        let whole = say("whole cycle, everything acted on, durable", &wholes);
        let bulk = say("python3 requests, bulk PUT 500", &bulks);
        println!(
            "  whole / F = {:.2} (processor time {:.2})   bulk script / whole = {:.2}   store {} bytes a task",
            whole / floor,
            cpu(&wholes) / cpu(&floors),
            bulk / whole,
            store / u64::try_from(tasks).expect("small")
        );
    }

    /// Cycles in observe: the first decides everything, the next ones find nothing new.
    fn unchanged(&self, tasks: usize, rounds: usize) {
        let home = Home::new(&self.stage.server.origin, Limits::Throughput, "observe");
        let mut reads = Vec::new();
        self.stage.server.show(tasks);
        let daemon = Running::start(&mut home.command(&["run"]));
        let done = daemon.wait_for("cycle done");
        let first = per_task(done - self.stage.server.first().expect("it asked"), tasks);
        let mut cycles = Vec::new();
        for _ in 0..rounds {
            self.stage.server.show(tasks);
            let before = daemon.cpu();
            let done = daemon.wait_for("cycle done");
            let counts = self.stage.server.counts();
            cycles.push(Run {
                micros: per_task(done - self.stage.server.first().expect("it asked"), tasks),
                cpu: per_task(daemon.cpu().saturating_sub(before), tasks),
                counts,
                peak: daemon.peak(),
            });
        }
        let peak = daemon.peak();
        daemon.stop();
        for _ in 0..rounds {
            reads.push(self.read_only(tasks));
        }
        let [read, decode, processor] =
            [0, 1, 2].map(|n| median(reads.iter().map(|read| read[n]).collect()));
        println!("first cycle in observe: {first:.1}");
        let same = say("cycle in which nothing changed", &cycles);
        let pages = tasks.div_ceil(support::world::PAGE);
        let asked: u64 = cycles
            .iter()
            .map(|run| run.counts.iter().sum::<u64>())
            .max()
            .unwrap_or(0);
        println!(
            "  fetch and decode alone {read:.2}, decoding of it {decode:.2} (summed over threads), processor {processor:.2}"
        );
        println!(
            "  unchanged / fetch and decode = {:.2} (processor time {:.2})   requests / pages = {:.2}   peak {} MiB, {} bytes of store a task",
            same / read,
            cpu(&cycles) / processor,
            ratio(asked, pages),
            peak / 1024,
            home.store_bytes() / u64::try_from(tasks).expect("small")
        );
    }

    /// What people use today beside a whole cycle; small counts, taken per task.
    fn scripts(&self, tasks: usize, rounds: usize) {
        let (mut ones, mut curls, mut wholes) = (Vec::new(), Vec::new(), Vec::new());
        let (few, fewer) = (4_000.min(tasks), 300.min(tasks));
        for _ in 0..rounds {
            wholes.push(self.stage.whole(tasks, Limits::Throughput).0);
            let mut python = Command::new("python3");
            python
                .arg(self.contenders.join("one_by_one.py"))
                .args([&self.stage.server.origin, &few.to_string()]);
            ones.push(self.stage.timed(tasks, few, &mut python));
            let mut curl = Command::new("sh");
            curl.arg(self.contenders.join("curl.sh")).args([
                &self.stage.server.origin,
                &World::id(0).to_string(),
                &fewer.to_string(),
            ]);
            curls.push(self.stage.timed(tasks, fewer, &mut curl));
        }
        let whole = say("whole cycle, everything acted on, durable", &wholes);
        let one = say("python3 requests, one PUT a task", &ones);
        let curl = say("loop of curl, one PUT a task", &curls);
        println!(
            "  one by one / whole = {:.1}   curl / whole = {:.1}",
            one / whole,
            curl / whole
        );
    }

    /// Safe defaults: few tasks, since nothing is read back and a target that has proven nothing gets one item.
    fn safe(&self) {
        let (run, _) = self.stage.whole(2_000, Limits::Safe);
        println!(
            "safe defaults, one cycle over 2,000 tasks on 40 targets: {} PUTs with {} items, {} reads; the rest waits for proof",
            run.counts[1],
            run.counts[2],
            run.counts[0] + run.counts[3]
        );
    }

    fn growth(&self, rounds: usize) {
        let (mut small, mut large) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            small.push(self.stage.whole(100_000, Limits::Throughput).0);
            large.push(self.stage.whole(1_000_000, Limits::Throughput).0);
        }
        let processor = cpu(&large) / cpu(&small);
        let (small, large) = (say("100,000", &small), say("1,000,000", &large));
        println!(
            "  1,000,000 / 100,000 = {:.2} (processor time {processor:.2})",
            large / small
        );
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn ratio(a: u64, b: usize) -> f64 {
    a as f64 / b as f64
}
