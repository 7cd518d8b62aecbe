//! The road of docs/first-day.md from probe to the first enforced actions, walked through the real binary against the simulator; the page shows what the commands print, and nothing else.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::drill::{Drill, Setup};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/first-day.md");

/// Numbers that differ from run to run, by what stands around them: process, wall time, readings.
const MASKED: [(&str, &str); 8] = [
    ("pid ", ","),
    ("Z, ", " ms"),
    ("time       ", " ms"),
    ("answer     after ", " ms"),
    ("time       ", " s"),
    ("clocks agree within ", " s"),
    ("; ", " readings"),
    (", ", " reads"),
];

/// What the commands of one part of the road printed.
struct Part {
    name: &'static str,
    text: String,
}

impl Part {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            text: String::new(),
        }
    }

    fn add(&mut self, drill: &Drill, line: &str, printed: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text += &format!("$ provtaskd {line}\n{}", masked(drill, printed));
    }

    /// Runs a command and keeps what it printed.
    fn run(&mut self, drill: &Drill, line: &str) -> String {
        let words = words(line);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let printed = drill.done(&words);
        self.add(drill, line, &printed);
        printed
    }
}

/// A command line as a shell takes it apart; quotes hold words together.
fn words(line: &str) -> Vec<String> {
    let pieces = line.split('"').enumerate();
    let words = pieces.flat_map(|(n, piece)| match n % 2 {
        0 => piece.split_whitespace().map(str::to_owned).collect(),
        _ => vec![piece.to_owned()],
    });
    words.collect()
}

/// What differs from run to run: where the simulator and the directory are, process, spans of wall time.
fn masked(drill: &Drill, text: &str) -> String {
    let dir = drill.dir.path().display().to_string();
    let text = text
        .replace(&drill.sim.origin(), "http://127.0.0.1:14000")
        .replace(&dir, "/var/lib/provtaskd");
    let mut out = String::new();
    for line in text.lines() {
        let mut line = line.trim_end().to_owned();
        for (before, after) in MASKED {
            line = with_dots(&line, before, after);
        }
        out += &line;
        out.push('\n');
    }
    out
}

/// The digits between two texts, where nothing else stands there, as three dots.
fn with_dots(line: &str, before: &str, after: &str) -> String {
    let Some(at) = line.find(before).map(|at| at + before.len()) else {
        return line.to_owned();
    };
    let rest = &line[at..];
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    if digits == 0 || !rest[digits..].starts_with(after) {
        return line.to_owned();
    }
    format!("{}…{}", &line[..at], &rest[digits..])
}

/// What `probe` prints, without the times and sizes that differ from run to run; where the words of such a part
/// are cut into lines rests on them too, so that it is shown as one.
fn steady(printed: &str) -> String {
    let mut out = String::new();
    let mut lines = printed.lines().peekable();
    while let Some(line) = lines.next() {
        if line.starts_with("  clock: ") {
            out += "  clock: … s against this machine\n";
            continue;
        }
        let mut line = line.to_owned();
        if line.starts_with("  largest page: ") {
            let more = |next: &&str| !next.trim_start().starts_with("server.page_size");
            while let Some(next) = lines.next_if(more) {
                line = format!("{line} {}", next.trim_start());
            }
            line = with_dots(&line, "shorter; ", " bytes");
            line = with_dots(&line, "slowest page ", " ms");
        }
        out += &line;
        out.push('\n');
    }
    out
}

/// One retry with consent, while the world's time goes on.
async fn retry_one(drill: &mut Drill, line: &str) -> String {
    let told = try_retry_one(drill, line).await;
    told.unwrap_or_else(|why| panic!("{why}"))
}

/// The same, or why it was not sent.
pub async fn try_retry_one(drill: &mut Drill, line: &str) -> Result<String, String> {
    drill.freshly_read().await;
    let mut command = Command::new(env!("CARGO_BIN_EXE_provtaskd"));
    command
        .args(words(line))
        .current_dir(drill.dir.path())
        .env_clear();
    let asked = std::thread::spawn(move || command.output().expect("the binary runs"));
    // the order is carried out while the time stands; what becomes of it is read within the next ten minutes
    let sent = |drill: &Drill| {
        asked.is_finished() || drill.journal().iter().any(|row| row["method"] == "PUT")
    };
    drill.until("the retry is sent", sent).await;
    drill.run_for("10m").await;
    let output = asked.join().expect("it ended");
    let printed = String::from_utf8(output.stdout).expect("text");
    match output.status.success() {
        true => Ok(printed),
        false => Err(printed + String::from_utf8_lossy(&output.stderr).as_ref()),
    }
}

/// The first two commands, in a directory in which there is nothing yet but the password; each says on standard
/// error what it has written, so both streams are shown.
fn begun(drill: &Drill) -> [Part; 2] {
    let dir = drill.dir.path().join("begun");
    fs::create_dir(&dir).expect("made");
    fs::copy(drill.dir.path().join("password"), dir.join("secret")).expect("copied");
    let both = |name: &'static str, line: &str| {
        let line_there = line.replace("http://127.0.0.1:14000", &drill.sim.origin());
        let output = Command::new(env!("CARGO_BIN_EXE_provtaskd"))
            .args(words(&line_there))
            .current_dir(&dir)
            .env_clear()
            .output()
            .expect("the binary runs");
        let said =
            [output.stdout, output.stderr].map(|said| String::from_utf8(said).expect("text"));
        let said = said.concat();
        assert!(output.status.success(), "{line}: {said}");
        let mut part = Part::new(name);
        let here = dir.display().to_string();
        part.add(drill, line, &said.replace(&here, "/var/lib/provtaskd"));
        part
    };
    let line = "init --yes --origin http://127.0.0.1:14000 --login PROVSVC --password-from secret";
    [both("init", line), both("check", "check --online")]
}

async fn walked() -> Vec<Part> {
    let mut drill = Setup::shipped("small")
        .server("require_probe = true")
        .start()
        .await;
    let config = drill.dir.path().join("provtaskd.toml");
    let enforce = fs::read_to_string(&config).expect("there");
    let observe = enforce.replace("global = \"enforce\"", "global = \"observe\"");
    assert_ne!(observe, enforce);
    fs::write(&config, observe).expect("written");

    let [began, checked] = begun(&drill);
    let mut may = Part::new("probe");
    let printed = drill.done(&["probe"]);
    may.add(&drill, "probe", &steady(&printed));

    let mut observed = Part::new("observe");
    drill.daemon();
    drill.run_for("20m").await;
    observed.run(&drill, "status");
    observed.run(&drill, "inbox");
    observed.run(&drill, "report daily");

    let mut released = Part::new("release");
    let hash = drill.json(&["status", "--json"])["policy_hash"].clone();
    let hash = hash.as_str().expect("a hash")[..12].to_owned();
    let line = format!("policy release {hash} --person \"Molly Graff\" --word CHG-2027-0301");
    released.run(&drill, &line);

    let mut learned = Part::new("retry-one");
    let line = "probe --retry-one 600004 --yes-retry 600004";
    let printed = retry_one(&mut drill, line).await;
    learned.add(&drill, line, &printed);

    let mut enforced = Part::new("enforce");
    fs::write(&config, enforce).expect("written");
    enforced.run(&drill, "reload");
    drill.run_for("5m").await;
    enforced.run(&drill, "baseline show");
    let line =
        "baseline release AD --max-age 3d --why \"checked with the AD team\" --yes-release 11";
    enforced.run(&drill, line);

    let mut after = Part::new("after");
    drill.run_for("12h").await;
    assert!(drill.count("healed") >= 9, "{}", drill.count("healed"));
    // the first question wakes the daemon, whose stepped time then catches up with the world's
    after.run(&drill, "outcomes list --within 24h --target AD");
    after.run(&drill, "inbox");
    after.run(&drill, "report daily");
    drill.safe_so_far().await;
    drill.run_for("12h").await;
    let left = drill.count("healable_open");
    drill.judge_leaving(left).await;
    vec![
        began, checked, may, observed, released, learned, enforced, after,
    ]
}

fn block(part: &Part) -> String {
    format!(
        "<!-- road: {0} -->\n```\n{1}```\n<!-- /road: {0} -->",
        part.name, part.text
    )
}

/// The part of the page between its marks.
fn shown<'a>(page: &'a str, name: &str) -> &'a str {
    let (begin, end) = (
        format!("<!-- road: {name} -->"),
        format!("<!-- /road: {name} -->"),
    );
    let from = page
        .find(&begin)
        .unwrap_or_else(|| panic!("{PAGE} has no {begin}"));
    let to = page
        .find(&end)
        .unwrap_or_else(|| panic!("{PAGE} has no {end}"));
    &page[from..to + end.len()]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_of_the_first_day_shows_what_the_commands_print() {
    let parts = walked().await;
    let mut page = fs::read_to_string(Path::new(PAGE)).expect("the page");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        for part in &parts {
            let old = shown(&page, part.name).to_owned();
            page = page.replace(&old, &block(part));
        }
        fs::write(PAGE, &page).expect("written");
    }
    for part in &parts {
        assert_eq!(
            shown(&page, part.name),
            block(part),
            "the part {} of docs/first-day.md: UPDATE_DOCS=1 writes it anew",
            part.name
        );
    }
}
