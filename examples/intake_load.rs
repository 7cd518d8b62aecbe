//! So many signed events a second against the real binary, before a simulator in a process of its own: nothing that was acknowledged may be lost, and cycles must hardly take longer. Cycles are timed in one run and one world without events, with the same events sent past the daemon (what the sender takes from the machine), with events, and without again; it never sends to a server that it did not start.
//!
//! `cargo run --release --example intake_load -- --rate 1000 --seconds 60`

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Parser;
use provtaskd::model::Clock;
use provtaskd::source::intake::sign;
use serde_json::Value;

/// What is wanted.
#[derive(Clone, Debug, Parser)]
#[command(about = "Sends signed events to a real daemon and measures what they cost")]
struct Args {
    /// Events a second
    #[arg(long, default_value_t = 1_000)]
    rate: u64,
    /// For so many seconds; as long is each of the three stretches that it is compared with
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Tasks in the list
    #[arg(long, default_value_t = 5_000)]
    tasks: u64,
    /// By so many percent of a cycle without events one with them may be longer (medians), else it has failed
    #[arg(long, default_value_t = 10)]
    cycles_within: u64,
    /// The binary, else the one beside this example
    #[arg(long)]
    binary: Option<PathBuf>,
}

/// One event in so many names a task that does not exist: each of them has to be found missing at the end.
const MARKED: u64 = 100;
/// Senders at the same time.
const SENDERS: u64 = 32;
const SECRET: &[u8] = b"the secret of the load, 32 bytes";

/// The processes; ended when this goes.
struct House {
    dir: tempfile::TempDir,
    binary: PathBuf,
    children: Vec<Child>,
}

impl Drop for House {
    fn drop(&mut self) {
        for child in self.children.iter_mut().rev() {
            // it may have ended by itself
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

type Trouble = Box<dyn std::error::Error>;

impl House {
    fn build(args: &Args) -> Result<Self, Trouble> {
        let beside = std::env::current_exe()?;
        let beside = beside
            .parent()
            .and_then(Path::parent)
            .ok_or("no directory")?;
        let mut house = Self {
            dir: tempfile::tempdir()?,
            binary: args.binary.clone().unwrap_or(beside.join("provtaskd")),
            children: Vec::new(),
        };
        let scenario = format!(
            "name = \"load\"\nseed = 1\n[clock]\nmode = \"wall\"\n[[target]]\nname = \"AD\"\n[[population]]\ntarget = \"AD\"\naccounts = {}\ntask = [{{ task = \"Telephone Updated\", failure = \"data\" }}]\n",
            args.tasks
        );
        house.write("scenario.toml", &scenario, 0o644)?;
        house.write("password", "sim-password-1", 0o600)?;
        let secret = format!("whsec_{}\n", STANDARD.encode(SECRET));
        house.write("secret", &secret, 0o600)?;
        house.start(
            &[
                "sim",
                "--scenario",
                "scenario.toml",
                "--bind",
                "127.0.0.1:0",
            ],
            "sim.log",
        )?;
        let origin = house.wait("sim.log", |text| {
            let at = text.find("http://127.0.0.1:")?;
            text[at..].split_whitespace().next().map(str::to_owned)
        })?;
        let config = format!(
            "[server]\norigin = \"{origin}\"\nlogin = \"PROVSVC\"\npassword_file = \"password\"\nreads_per_minute = 100000\n[schedule]\nevery = \"2s\"\nat_most = \"2s\"\n[store]\ndir = \"store\"\n[admin]\nlisten = \"off\"\n[intake]\nlisten = \"127.0.0.1:0\"\nsecret_file = \"secret\"\nearliest = \"2s\"\n[log]\nformat = \"json\"\n"
        );
        house.write("provtaskd.toml", &config, 0o644)?;
        house.start(&["run"], "daemon.log")?;
        house.wait("daemon.log", |text| {
            text.contains("cycle done").then_some(String::new())
        })?;
        Ok(house)
    }

    fn write(&self, name: &str, text: &str, mode: u32) -> Result<(), Trouble> {
        let path = self.dir.path().join(name);
        fs::write(&path, text)?;
        fs::set_permissions(&path, PermissionsExt::from_mode(mode))?;
        Ok(())
    }

    fn start(&mut self, args: &[&str], log: &str) -> Result<(), Trouble> {
        let log = File::create(self.dir.path().join(log))?;
        let child = Command::new(&self.binary)
            .args(args)
            .current_dir(self.dir.path())
            .env_clear()
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        self.children.push(child);
        Ok(())
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.dir.path().join(name)).unwrap_or_default()
    }

    fn wait(&self, log: &str, seen: impl Fn(&str) -> Option<String>) -> Result<String, Trouble> {
        let began = Instant::now();
        loop {
            let text = self.read(log);
            if let Some(found) = seen(&text) {
                return Ok(found);
            }
            if began.elapsed() > Duration::from_secs(120) {
                return Err(format!("{log} does not say what was waited for:\n{text}").into());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn status(&self) -> Result<Value, Trouble> {
        let output = Command::new(&self.binary)
            .args(["status", "--json"])
            .current_dir(self.dir.path())
            .env_clear()
            .output()?;
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// Seconds of processor that the daemon has used.
    fn processor(&self) -> f64 {
        let pid = self.children.last().map_or(0, Child::id);
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let mut fields = after_name.split_whitespace().skip(11);
        let mut ticks = || -> f64 { fields.next().and_then(|n| n.parse().ok()).unwrap_or(0.0) };
        (ticks() + ticks()) / 100.0
    }

    /// Milliseconds of the cycles from the n-th on.
    fn cycles(&self, from: usize) -> Vec<u64> {
        let text = self.read("daemon.log");
        let lines = text.lines().filter(|line| line.contains("cycle done"));
        let took = lines.filter_map(|line| {
            let (_, rest) = line.split_once("\"took_ms\":")?;
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().ok()
        });
        took.skip(from).collect()
    }
}

/// What a stretch of time has shown of the daemon.
struct Stretch {
    name: &'static str,
    cycles: Vec<u64>,
    processor: f64,
}

impl Stretch {
    fn median(&self) -> u64 {
        let mut all = self.cycles.clone();
        all.sort_unstable();
        all.get(all.len() / 2).copied().unwrap_or(0)
    }

    fn tell(&self, beside: u64) {
        let ends = (self.cycles.iter().min(), self.cycles.iter().max());
        let (low, high) = (ends.0.copied().unwrap_or(0), ends.1.copied().unwrap_or(0));
        let median = i64::try_from(self.median()).unwrap_or(0);
        let beside = i64::try_from(beside).unwrap_or(0).max(1);
        println!(
            "{:<24} {:>3} cycles, median {median:>5} ms ({low} to {high}), {:+} %; the daemon's processor {:.1} s",
            self.name,
            self.cycles.len(),
            (median - beside) * 100 / beside,
            self.processor
        );
    }
}

/// Begins a stretch: cycles and processor so far.
fn begun(house: &House) -> (usize, f64) {
    (house.cycles(0).len(), house.processor())
}

fn ended(house: &House, name: &'static str, (from, processor): (usize, f64)) -> Stretch {
    Stretch {
        name,
        cycles: house.cycles(from),
        processor: house.processor() - processor,
    }
}

/// Takes every event and does nothing with it.
async fn sink() -> Result<String, Trouble> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let at = listener.local_addr()?;
    let take = axum::routing::post(|| async { axum::http::StatusCode::ACCEPTED });
    let app = axum::Router::new().route("/v1/tasks", take);
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(format!("http://{at}/v1/tasks"))
}

async fn send_all(args: &Args, url: &str) -> (Arc<Sent>, Duration) {
    let sent = Arc::new(Sent::default());
    let began = Instant::now();
    let mut senders = tokio::task::JoinSet::new();
    for sender in 0..SENDERS {
        senders.spawn(send(
            args.clone(),
            url.to_owned(),
            sender,
            Arc::clone(&sent),
        ));
    }
    senders.join_all().await;
    (sent, began.elapsed())
}

#[derive(Default)]
struct Sent {
    accepted: AtomicU64,
    refused: AtomicU64,
    slowest_us: AtomicU64,
    sum_us: AtomicU64,
}

async fn send(args: Args, url: String, from: u64, sent: Arc<Sent>) {
    let Ok(http) = reqwest::Client::builder().no_proxy().build() else {
        return;
    };
    let clock = Clock::wall();
    let began = Instant::now();
    let mut number = from;
    while number < args.rate * args.seconds {
        let due = Duration::from_micros(number * 1_000_000 / args.rate);
        tokio::time::sleep(due.saturating_sub(began.elapsed())).await;
        let task = if number.is_multiple_of(MARKED) {
            90_000_000 + number
        } else {
            // none of them is in the list: each costs a read, the dearest sort of hint
            number % args.tasks + 1
        };
        let body = format!("{{\"tasks\":[\"{task}\"]}}");
        let id = format!("load_{number}");
        loop {
            let at = clock.now().as_second();
            let asked = Instant::now();
            let answer = http
                .post(&url)
                .header("content-type", "application/json")
                .header("webhook-id", &id)
                .header("webhook-timestamp", at.to_string())
                .header("webhook-signature", sign(SECRET, &id, at, body.as_bytes()))
                .body(body.clone())
                .send()
                .await;
            match answer.map(|answer| answer.status().as_u16()) {
                Ok(200 | 202) => {
                    let took = u64::try_from(asked.elapsed().as_micros()).unwrap_or(u64::MAX);
                    sent.accepted.fetch_add(1, Ordering::Relaxed);
                    sent.sum_us.fetch_add(took, Ordering::Relaxed);
                    sent.slowest_us.fetch_max(took, Ordering::Relaxed);
                    break;
                }
                _ => {
                    // as a good sender does it
                    sent.refused.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
            }
        }
        number += SENDERS;
    }
}

async fn play(args: Args) -> Result<bool, Trouble> {
    let house = House::build(&args)?;
    let span = Duration::from_secs(args.seconds);
    let status = house.status()?;
    let at = status["intake"]["listen"]
        .as_str()
        .ok_or("it does not listen")?;
    let url = format!("http://{at}/v1/tasks");
    let past = sink().await?;
    let from = begun(&house);
    tokio::time::sleep(span).await;
    let quiet = ended(&house, "quiet", from);
    let from = begun(&house);
    send_all(&args, &past).await;
    let beside = ended(&house, "events past the daemon", from);
    let from = begun(&house);
    let (sent, took) = send_all(&args, &url).await;
    let busy = ended(&house, "events to the daemon", from);
    // every hint has to come to its end
    let began = Instant::now();
    let last = loop {
        let status = house.status()?;
        if status["intake"]["waiting"] == 0 || began.elapsed() > Duration::from_secs(600) {
            break status;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    };
    let from = begun(&house);
    tokio::time::sleep(span).await;
    let after = ended(&house, "quiet again", from);
    let intake = &last["intake"];
    let ends = |word: &str| {
        let rows = intake["ended"].as_array();
        let row = rows.and_then(|rows| rows.iter().find(|row| row[0] == word));
        row.and_then(|row| row[1].as_u64()).unwrap_or(0)
    };
    let events = args.rate * args.seconds;
    let marked = events.div_ceil(MARKED);
    let accepted = sent.accepted.load(Ordering::Relaxed);
    let count = |name: &str| intake[name].as_u64().unwrap_or(0);
    println!("events           {events} in {:.1} s", took.as_secs_f64());
    println!("acknowledged     {accepted}");
    println!("sent again       {}", sent.refused.load(Ordering::Relaxed));
    println!(
        "answer           {} us on average, {} us at most",
        sent.sum_us.load(Ordering::Relaxed) / accepted.max(1),
        sent.slowest_us.load(Ordering::Relaxed)
    );
    println!(
        "taken            {} and {} repeated",
        count("accepted"),
        count("duplicates")
    );
    println!("still waiting    {}", count("waiting"));
    println!("ended            {}", intake["ended"]);
    println!(
        "marked           {marked}, of which {} were found missing",
        ends("not_found")
    );
    for stretch in [&quiet, &beside, &busy, &after] {
        stretch.tell(quiet.median());
    }
    let (without, with) = (beside.median().max(1), busy.median());
    println!(
        "against the same sender  {:+.1} %",
        (to_f64(with) / to_f64(without) - 1.0) * 100.0
    );
    let mut calm = quiet.cycles.clone();
    calm.extend(&after.cycles);
    let calm = Stretch {
        name: "both quiet ones",
        cycles: calm,
        processor: quiet.processor + after.processor,
    };
    let slower = (to_f64(with) / to_f64(calm.median().max(1)) - 1.0) * 100.0;
    println!("against both quiet ones  {slower:+.1} %");
    let too_slow = slower >= to_f64(args.cycles_within);
    if too_slow {
        println!("SLOWER: a cycle took longer than it may beside events");
    }
    let lost = accepted != events
        || count("accepted") + count("duplicates") < accepted
        || count("waiting") > 0
        || ends("not_found") < marked;
    if lost {
        println!("LOST: something that was acknowledged has not come to its end");
    }
    Ok(!lost && !too_slow)
}

fn to_f64(ms: u64) -> f64 {
    u32::try_from(ms).map_or(f64::MAX, f64::from)
}

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let played = runtime
        .map_err(Trouble::from)
        .and_then(|runtime| runtime.block_on(play(Args::parse())));
    match played {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
